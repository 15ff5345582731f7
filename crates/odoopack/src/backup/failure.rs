//! Errors of the repository as failures with what helps.
use odoopack_repository::{Error, Unreadable};

use crate::failure::{Failure, Kind};

/// What says where the damage is.
pub(crate) const READ_ALL: &str = "`odoopack backup drill SNAPSHOT --level read` reads all of a snapshot and says in which pack something is wrong";

/// What helps where a part of the repository is damaged.
const DAMAGED: [&str; 3] = [
    READ_ALL,
    "when the file of that name is gone from `data/` of the repository (`mv` it elsewhere), `odoopack backup create` stores again what exists at the source, which makes older snapshots whole that need the same",
    "`odoopack backup forget SNAPSHOT` for one that needs what exists nowhere any more; `odoopack backup list --offsite` shows what is whole elsewhere, and `odoopack restore SNAPSHOT --offsite` brings it back",
];

/// What is said of an index that a lost pack could not be taken out of.
const STILL_NAMED: &str = "the index still names it";

/// What a service says of a bucket that is gone, or was never there.
const OF_THE_BUCKET: [&str; 1] = ["NoSuchBucket"];
/// What it says of credentials that are wrong, old, or may not do it.
const OF_CREDENTIALS: [&str; 4] = [
    "ExpiredToken",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AccessDenied",
];

/// What a system or a service says when it does not do what was asked, whatever that was; and what helps then.
const REFUSALS: [(&[&str], &str); 5] = [
    (
        &["No space left on device", "Disk quota exceeded"],
        "`df -h` shows the disk that is full; with room on it the same command again ends well",
    ),
    (
        &["Read-only file system"],
        "`dmesg` says why the disk takes nothing more; when it is sound, `mount -o remount,rw DIRECTORY`, then the same command again",
    ),
    (
        &["RequestTimeTooSkewed"],
        "the clock of this machine is wrong: `timedatectl` shows it; then the same command again",
    ),
    (
        &OF_THE_BUCKET,
        "the bucket is gone from the service: bring it back, or name another place in `[backup.offsite]`; then `odoopack backup offsite`",
    ),
    (
        &OF_CREDENTIALS,
        "the service refuses these credentials: `odoopack secret set NAME < FILE` with those that may do this, then the same command again",
    ),
];

/// The failure for an error of the repository.
pub(crate) fn of(error: &Error) -> Failure {
    match refusal(error) {
        // Nothing of what is stored is damaged by it.
        Some(hint) => Failure::failed(error.to_string()).hint(hint),
        None => of_the_format(error),
    }
}

/// Whether the service refused the credentials, or knows no such bucket.
pub(super) fn is_of_the_bucket(error: &Error) -> bool {
    let said = error.to_string();
    OF_THE_BUCKET
        .iter()
        .chain(&OF_CREDENTIALS)
        .any(|word| said.contains(word))
}

/// What helps where a system or a service refused what was asked.
fn refusal(error: &Error) -> Option<&'static str> {
    let asked = matches!(
        error,
        Error::Store { .. } | Error::NotWhole(_) | Error::Format { .. } | Error::There(_)
    );
    let said = error.to_string();
    let is_said = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let mut all = REFUSALS.iter().filter(|_| asked && !said.contains(STILL_NAMED));
    all.find(|(words, _)| is_said(words)).map(|(_, hint)| *hint)
}

fn of_the_format(error: &Error) -> Failure {
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
        Error::Format { what, .. } if is_of_data(what) => damaged(failure(Kind::Failed)),
        Error::Changed(_) => failure(Kind::Failed).hint(
            "what is rewritten all the time belongs outside the pack's directory: `mv` it elsewhere, or back up when it rests",
        ),
        Error::NotWhole(why) if why.contains("no data at all") => failure(Kind::Failed).hint(
            "see whether the disk is there (`findmnt`); when the data is gone for good, move what is left of the repository away (`mv`), and `odoopack backup create` makes a new one",
        ),
        Error::NotWhole(why) if why.contains(STILL_NAMED) => failure(Kind::Failed).hint(
            "stock restic takes it out: `restic -r PLACE repair index` (older versions: `rebuild-index`), off site with credentials that may delete; then the same command again",
        ),
        Error::NotWhole(why) if is_of_a_pack(why) => damaged(failure(Kind::Failed)),
        Error::Damaged(_) => damaged(failure(Kind::Failed)),
        Error::There(error) => there(error),
        Error::Unreadable(all) => unreadable(failure(Kind::Failed), all),
        Error::Store { .. } | Error::NotWhole(_) | Error::Format { .. } => failure(Kind::Failed),
    }
}

/// Of the other side of a copy: what is whole here is given up by nobody.
fn there(error: &Error) -> Failure {
    let said = of(error);
    if error.to_string().contains("the index still names it") {
        return said;
    }
    Failure::failed(error.to_string())
        .hint("the same command again stores there anew what was lost there and is whole here")
        .hint("when it says the same again, `restic -r PLACE check --read-data` there names what is damaged; `mv` that file away there, and the same command again stores it anew")
}

fn unreadable(failure: Failure, all: &[Unreadable]) -> Failure {
    let aside = all.iter().take(3).fold(failure, |failure, one| {
        failure.hint(format!(
            "`{}` takes it out of the way (off site with credentials that may delete); a whole copy of it in its place is as good",
            one.aside
        ))
    });
    aside.hint("`odoopack backup forget --accept-missing` then, with `--offsite` where it was there, when it was a snapshot that was made here")
}

fn damaged(failure: Failure) -> Failure {
    DAMAGED.iter().fold(failure, |failure, hint| failure.hint(*hint))
}

/// Whether a snapshot lacks something because of what is stored, and not because of what was read to be stored.
fn is_of_a_pack(why: &str) -> bool {
    let words = ["the pack ", "Cryptography", "kind: Backend"];
    words.iter().any(|word| why.contains(word))
}

/// Whether what was being done reads what snapshots hold.
fn is_of_data(what: &str) -> bool {
    [
        "could not read `",
        "could not read a directory",
        "could not read the root",
        "could not restore",
        "could not copy",
        "could not plan the prune",
        "could not prune",
        "could not find a blob",
    ]
    .iter()
    .any(|begins| what.starts_with(begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_damage_is_told_how_the_next_backup_stores_it_again() {
        let format = |what: &str| Error::Format {
            what: what.to_owned(),
            why: "error processing pack".to_owned(),
        };
        let all = [
            Error::NotWhole("the pack 1 is not there".to_owned()),
            Error::Damaged("the pack 1 is cut short".to_owned()),
            format("could not read `database/dump/part-00000` of the snapshot"),
            format("could not copy snapshots"),
            format("could not plan the prune"),
        ];
        for error in all {
            let said = of(&error).sentence();
            for command in [
                "backup drill SNAPSHOT --level read",
                "backup create",
                "backup forget SNAPSHOT",
            ] {
                assert!(said.contains(&format!("`odoopack {command}`")), "{said}");
            }
        }
        let source = Error::NotWhole("`filestore/ab/abcd` became 7 bytes shorter".to_owned());
        for error in [format("could not list snapshots"), source] {
            let said = of(&error).sentence();
            assert!(!said.contains("drill"), "{said}");
        }
        let refused = Error::Format {
            what: "could not copy snapshots".to_owned(),
            why: "could not write data/1 at https://s3/erp: 403 Forbidden: <Code>ExpiredToken</Code>"
                .to_owned(),
        };
        let refused = of(&refused).sentence();
        assert!(
            refused.contains("`odoopack secret set NAME < FILE`") && !refused.contains("drill"),
            "{refused}"
        );
        let named = Error::NotWhole("the pack 1 is not there; the index still names it: denied".to_owned());
        let named = of(&named).sentence();
        assert!(
            named.contains("repair index") && named.contains("rebuild-index"),
            "{named}"
        );
        let unmounted = Error::NotWhole("7 snapshots are listed, and there is no data at all".to_owned());
        let unmounted = of(&unmounted).sentence();
        assert!(unmounted.contains("`findmnt`"), "{unmounted}");
        let lost = Error::There(Box::new(Error::Damaged("the pack 1 is not there".to_owned())));
        let lost = of(&lost).sentence();
        assert!(
            lost.contains("the same command again") && !lost.contains("forget"),
            "{lost}"
        );
        let index = of(&format("could not read the index")).sentence();
        assert!(
            index.contains("repair index") && !index.contains("`mv`"),
            "{index}"
        );
    }
}
