//! Errors of the repository as failures with what helps.
use odoopack_repository::Error;

use crate::failure::{Failure, Kind};

/// The failure for an error of the repository.
pub(crate) fn of(error: &Error) -> Failure {
    let failure = |kind: Kind| Failure::new(kind, error.to_string());
    match error {
        Error::Absent(_) => failure(Kind::Refused).hint("`odoopack backup create`"),
        Error::WrongKey(_) => failure(Kind::Refused)
            .hint("`odoopack secret set BACKUP_KEY < FILE`, with the key that was exported when the repository was made"),
        Error::Locked(_) => {
            failure(Kind::Locked).hint("wait until it has ended; a lock of a process that died frees itself")
        }
        Error::NoSnapshot(_) | Error::NoFile { .. } | Error::Fewer { .. } => failure(Kind::Refused).hint("`odoopack backup list`"),
        Error::Present(_) => failure(Kind::Refused),
        Error::Store { .. } | Error::NotWhole(_) | Error::Damaged(_) | Error::Format { .. } => failure(Kind::Failed),
    }
}
