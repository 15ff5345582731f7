//! A repository of a machine that is lost: whose snapshots are in it, and with which of them a recovery begins.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use odoopack_core::backup::{Manifest, paths};
use odoopack_core::secret::SecretText;
use odoopack_repository::{Error, Place, Repository, Snapshot, Unreadable};

use super::failure;
use super::stored::Opened;
use crate::failure::{Failure, Result};

/// The word for the newest snapshot.
const LATEST: &str = "latest";
/// How much older the newest snapshot of `production` may be than that of another environment that people work in.
const BEHIND: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);
/// What the manifest calls the kind of an environment that people work in.
const PRODUCTION: &str = "production";

/// The newest snapshot of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) environment: String,
    pub(crate) snapshot: String,
    pub(crate) pack: String,
    pub(crate) taken: Timestamp,
    /// As its manifest says; `None` when that cannot be read.
    kind: Option<String>,
}

impl Newest {
    /// One of which that is not known is not passed over.
    fn is_production(&self) -> bool {
        self.kind.as_deref().is_none_or(|kind| kind == PRODUCTION)
    }
}

/// The repository, opened with its key.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    repository: Repository,
    newest: Vec<Newest>,
    unreadable: Vec<Unreadable>,
}

impl Elsewhere {
    /// Opens it and looks whose snapshots are in it.
    pub(crate) fn open(place: &Place, key: &SecretText) -> Result<Self> {
        let repository = Repository::open(place, key).map_err(|e| lost(&e))?;
        let listing = repository.listing().map_err(|e| failure::of(&e))?;
        if listing.snapshots.is_empty() && !listing.unreadable.is_empty() {
            return Err(failure::of(&Error::Unreadable(listing.unreadable)));
        }
        let newest = look(&repository, listing.snapshots).map_err(|e| failure::of(&e))?;
        Ok(Self {
            repository,
            newest,
            unreadable: listing.unreadable,
        })
    }

    /// What is there and cannot be read; `latest` may have been among it.
    pub(crate) fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// Opens a snapshot by the beginning of its name; `latest` is the environment's `of`, or production's.
    ///
    /// # Errors
    /// Kind `Refused` when `latest` can mean several, or none of a production environment.
    pub(crate) fn snapshot(&self, name: &str, of: Option<&str>) -> Result<Opened> {
        if name == LATEST {
            return Opened::of(&self.repository, &first(&self.newest, of)?.snapshot, None);
        }
        Opened::of(&self.repository, name, of)
    }

    /// The newest snapshots of the other production environments of the same pack.
    pub(crate) fn others(&self, opened: &Opened) -> Vec<Newest> {
        let manifest = opened.manifest();
        others(&self.newest, (&manifest.pack, &manifest.environment))
    }
}

fn look(repository: &Repository, all: Vec<Snapshot>) -> std::result::Result<Vec<Newest>, Error> {
    let all = newest(all, Timestamp::now());
    let reader = repository.reader()?;
    let one = |snapshot: Snapshot| {
        let bytes = reader.read(&snapshot, paths::MANIFEST).ok();
        let manifest = bytes.and_then(|bytes| Manifest::from_json(&String::from_utf8_lossy(&bytes)).ok());
        Newest {
            kind: manifest.map(|manifest| manifest.kind),
            environment: snapshot.environment,
            snapshot: snapshot.id,
            pack: snapshot.pack,
            taken: snapshot.time,
        }
    };
    Ok(all.into_iter().map(one).collect())
}

/// The newest of each environment of each pack, which is none from the future while there is another; `all` comes oldest first.
fn newest(all: Vec<Snapshot>, now: Timestamp) -> Vec<Snapshot> {
    let mut newest: BTreeMap<(String, String), Snapshot> = BTreeMap::new();
    for snapshot in all {
        let whose = (snapshot.pack.clone(), snapshot.environment.clone());
        let known = newest.get(&whose);
        if snapshot.time <= now || known.is_none_or(|known| known.time > now) {
            newest.insert(whose, snapshot);
        }
    }
    newest.into_values().collect()
}

/// The one that `latest` means.
fn first<'a>(all: &'a [Newest], of: Option<&str>) -> Result<&'a Newest> {
    if let Some(name) = of {
        let named: Vec<&Newest> = all.iter().filter(|one| one.environment == name).collect();
        return match named.as_slice() {
            [one] => Ok(*one),
            [] => Err(which(all, &format!("the repository holds no snapshot of {name}"))),
            _ => Err(which(
                all,
                &format!("the repository holds snapshots of {name} of several packs"),
            )),
        };
    }
    let productions: Vec<&Newest> = all.iter().filter(|one| one.is_production()).collect();
    // What nobody can read is of whom it may be: it makes nothing ambiguous.
    let known = productions.iter().filter(|one| one.kind.is_some());
    if known.map(|one| &one.pack).collect::<BTreeSet<_>>().len() > 1 {
        return Err(which(all, "the repository holds snapshots of several packs"));
    }
    let usual = productions.iter().find(|one| one.environment == PRODUCTION);
    let is_left = |usual: &&Newest| {
        productions
            .iter()
            .any(|other| other.taken.duration_since(usual.taken) > BEHIND)
    };
    if usual.is_some_and(is_left) {
        return Err(which(
            all,
            &format!("`{PRODUCTION}` was last backed up long before another production environment"),
        ));
    }
    match (productions.as_slice(), usual) {
        ([one], _) | (_, Some(one)) => Ok(*one),
        ([], None) => Err(which(
            all,
            "the repository holds no snapshot of a production environment",
        )),
        (_, None) => Err(which(
            all,
            "the repository holds snapshots of several production environments",
        )),
    }
}

/// Nothing is guessed; every environment is named with what chooses it.
fn which(all: &[Newest], why: &str) -> Failure {
    let several = all.iter().any(|one| one.pack != all[0].pack);
    let one = |failure: Failure, one: &Newest| {
        let kind = one.kind.as_deref().unwrap_or("unknown");
        let Newest {
            environment,
            snapshot,
            pack,
            taken,
            ..
        } = one;
        failure.hint(if several {
            format!("`--snapshot {snapshot}` recovers {environment} ({kind}) of the pack {pack} from its newest snapshot of {taken}")
        } else {
            format!("`--of {environment}` recovers it ({kind}) from its newest snapshot {snapshot} of {taken}")
        })
    };
    all.iter().fold(Failure::refused(why), one)
}

fn others(all: &[Newest], (pack, environment): (&str, &str)) -> Vec<Newest> {
    let other = |one: &&Newest| one.pack == pack && one.environment != environment && one.is_production();
    all.iter().filter(other).cloned().collect()
}

/// Nobody is sent to make a backup on a machine that was lost.
fn lost(error: &Error) -> Failure {
    if matches!(error, Error::Absent(_)) {
        return Failure::refused(error.to_string())
            .hint("name the directory that holds `config`, `data`, `index`, `keys` and `snapshots`");
    }
    if matches!(error, Error::WrongKey(_)) {
        return Failure::refused(error.to_string())
            .hint("`--key-file FILE` names the key that `backup key export` showed");
    }
    if failure::is_of_the_bucket(error) {
        return Failure::refused(error.to_string()).hint(
            "`--credentials-file FILE` names the `id:secret` that may read there; the address is `https://SERVICE/BUCKET`, with `--style virtual` where the service wants `https://BUCKET.SERVICE`",
        );
    }
    failure::of(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(of: &[(&str, Option<&str>)]) -> Vec<Newest> {
        let one = |(number, (environment, kind)): (usize, &(&str, Option<&str>))| Newest {
            environment: (*environment).to_owned(),
            snapshot: format!("{number:08x}"),
            pack: "demo".to_owned(),
            taken: Timestamp::UNIX_EPOCH,
            kind: kind.map(str::to_owned),
        };
        of.iter().enumerate().map(one).collect()
    }

    #[test]
    fn nobody_who_recovers_is_sent_to_a_pack_that_is_not_there() {
        for code in ["NoSuchBucket", "AccessDenied"] {
            let error = Error::Store {
                act: "read config".to_owned(),
                place: "https://s3.example.com/erp".to_owned(),
                why: format!("<Code>{code}</Code>"),
            };
            let said = lost(&error).sentence();
            assert!(
                said.contains("--credentials-file") && !said.contains("secret set"),
                "{said}"
            );
        }
    }

    const P: Option<&str> = Some("production");
    const S: Option<&str> = Some("staging");

    #[test]
    fn of_several_packs_none_is_guessed() {
        let mut all = all(&[("production", P), ("production", P), ("shop", P), ("odd", None)]);
        "other".clone_into(&mut all[1].pack);
        for of in [None, Some("production")] {
            let said = first(&all, of).unwrap_err().sentence();
            for one in &all {
                assert!(said.contains(&format!("`--snapshot {}`", one.snapshot)), "{said}");
            }
            assert!(said.contains("of the pack other"), "{said}");
        }
        assert_eq!(first(&all, Some("shop")).unwrap().environment, "shop");
        // What nobody can read makes nothing ambiguous.
        all.remove(1);
        "foreign".clone_into(&mut all[2].pack);
        assert_eq!(first(&all, None).unwrap().environment, "production");
    }

    #[test]
    fn latest_is_of_a_production_environment_or_of_none() {
        for (there, of, expected) in [
            (&[("production", P), ("staging", S)][..], None, Some("production")),
            (&[("main", P), ("staging", S)], None, Some("main")),
            (&[("production", P), ("shop", P)], None, Some("production")),
            (&[("main", P), ("shop", P)], None, None),
            (&[("main", P), ("shop", P)], Some("shop"), Some("shop")),
            (&[("staging", S)], None, None),
            (&[("staging", S)], Some("staging"), Some("staging")),
            (&[("staging", S)], Some("main"), None),
            // By its name alone nothing is production.
            (&[("production", S)], None, None),
            (&[("main", P), ("unreadable", None)], None, None),
            (&[], None, None),
        ] {
            let all = all(there);
            let chosen = first(&all, of);
            let name = chosen.as_ref().ok().map(|one| one.environment.as_str());
            assert_eq!(name, expected, "{there:?} {of:?}");
            if let Err(failure) = chosen {
                let said = failure.sentence();
                for one in &all {
                    assert!(said.contains(&format!("`--of {}`", one.environment)), "{said}");
                    assert!(said.contains(&one.snapshot), "{said}");
                }
            }
        }
    }

    /// The environment has another name since, and its last snapshot under the old one is never removed.
    #[test]
    fn production_is_not_what_was_called_so_long_ago() {
        let mut all = all(&[("production", P), ("main", P)]);
        all[1].taken = Timestamp::UNIX_EPOCH + BEHIND;
        assert_eq!(first(&all, None).unwrap().environment, "production");
        all[1].taken += jiff::SignedDuration::from_secs(1);
        let said = first(&all, None).unwrap_err().sentence();
        assert!(
            said.contains("`--of main`") && said.contains("`--of production`"),
            "{said}"
        );
        assert_eq!(first(&all, Some("production")).unwrap().environment, "production");
    }

    #[test]
    fn every_production_environment_of_the_pack_comes_back() {
        let mut all = all(&[
            ("production", P),
            ("shop", P),
            ("staging", S),
            ("torn", None),
            ("x", P),
        ]);
        all[4].pack = "other".to_owned();
        let names: Vec<String> = others(&all, ("demo", "production"))
            .into_iter()
            .map(|one| one.environment)
            .collect();
        assert_eq!(names, ["shop", "torn"]);
    }
}
