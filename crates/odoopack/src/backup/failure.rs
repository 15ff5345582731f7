//! Errors of the repository as failures with what helps.
use odoopack_repository::Error;

use crate::failure::{Failure, Kind};

/// The failure for an error of the repository.
pub(crate) fn of(error: &Error) -> Failure {
    let failure = |kind: Kind| Failure::new(kind, error.to_string());
    match error {
        Error::Absent(_) => failure(Kind::Refused).hint("`odoopack backup create`"),
        Error::WrongKey(_) => failure(Kind::Refused)
            .hint(
                "`odoopack secret set BACKUP_KEY < FILE`, with the key that was exported when the repository was made; \
                 if that is the key, its file below `keys/` there is damaged: bring that file back, or restore with `--offsite`",
            ),
        Error::Locked(_) => {
            failure(Kind::Locked).hint("wait until it has ended; a lock of a process that died frees itself")
        }
        Error::NoSnapshot(_) | Error::NoFile { .. } | Error::Fewer { .. } => failure(Kind::Refused).hint("`odoopack backup list`"),
        Error::Present(_) => failure(Kind::Refused),
        Error::Format { what, why } if what.contains("index") || why.contains("Index:") => failure(Kind::Failed).hint(
            "stock restic makes the index anew from what is stored: `restic -r PLACE repair index --read-all-packs` (older versions: `rebuild-index`), then `odoopack backup drill --level read`",
        ),
        Error::Store { .. } | Error::NotWhole(_) | Error::Damaged(_) | Error::Format { .. } => failure(Kind::Failed),
    }
}
