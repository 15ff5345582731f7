//! Snapshots that a recovery has found at the second place: they are there, and were not copied from here.
use camino::Utf8Path;
use jiff::Timestamp;
use odoopack_core::spec::{Elsewhere, Offsite};
use odoopack_repository::Place;

use crate::backup::record::{self, Event, Line};
use crate::backup::stored::Opened;
use crate::context::Pack;
use crate::failure::Result;

/// What the line of one that was found says, and that of one that was copied does not.
const RECOVERED: &str = "recovered";

/// A snapshot that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) environment: String,
    /// Its name.
    pub(crate) snapshot: String,
    pub(crate) taken: Timestamp,
}

impl Found {
    /// One that is open.
    pub(crate) fn of(opened: &Opened) -> Self {
        Self {
            environment: opened.manifest().environment.clone(),
            snapshot: opened.id().to_owned(),
            taken: opened.time(),
        }
    }
}

/// Notes that they are off site, each once, where `place` is the second place of the file.
///
/// # Errors
/// When the record cannot be read or written.
pub(crate) fn found_there(pack: &Pack, place: &Place, all: &[Found]) -> Result<()> {
    let offsite = pack.loaded.spec.backup.offsite.as_ref();
    if !offsite.is_some_and(|offsite| is_at(offsite, place)) {
        return Ok(());
    }
    let known = record::known_offsite(&record::all(&pack.layout)?);
    let new = all.iter().filter(|one| !known.contains(&one.snapshot));
    new.map(line)
        .try_for_each(|line| record::add(&pack.layout, &line))
}

fn line(found: &Found) -> Line {
    Line {
        // A copy is as old as what it is a copy of.
        at: found.taken,
        event: Event::Offsite,
        environment: found.environment.clone(),
        snapshot: found.snapshot.clone(),
        seconds: 0.0,
        detail: serde_json::json!({ RECOVERED: true }),
    }
}

/// Whether this machine has copied a snapshot off site, or taken over those of another one: to have found one gives no right to write.
pub(super) fn was_copied_from_here(line: &Line) -> bool {
    line.event == Event::Offsite && line.detail[RECOVERED] != true
}

/// The credentials say nothing of where it is.
fn is_at(offsite: &Offsite, place: &Place) -> bool {
    match (&offsite.place, place) {
        (Elsewhere::Directory(path), Place::Directory(other)) => path == Utf8Path::new(other),
        (Elsewhere::Bucket { address, .. }, Place::Bucket(bucket)) => {
            let service = |endpoint: &str| endpoint.trim_end_matches('/').to_owned();
            service(&address.endpoint) == service(&bucket.endpoint)
                && address.name == bucket.name
                && address.prefix == bucket.prefix
        }
        (Elsewhere::Directory(_), Place::Bucket(_)) | (Elsewhere::Bucket { .. }, Place::Directory(_)) => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use odoopack_core::layout::Layout;
    use odoopack_core::spec::{BucketStyle, LoadContext, load};

    use super::*;
    use crate::backup::offsite::typed;
    use crate::files;

    const FILE: &str = "format = 1\n[pack]\nname = \"shop\"\n[odoo]\nseries = \"19.0\"\nsource = { debian = \"sid\" }\n\
                        [environments.production]\ndomain = \"localhost\"\n[backup.offsite]\n";

    fn pack(root: &Utf8Path, offsite: &str) -> Pack {
        let loaded = load(
            &format!("{FILE}{offsite}\n"),
            &LoadContext::new(root).with_root(root),
        )
        .unwrap();
        let layout = Layout::new(root, &loaded.spec.pack.name, false);
        files::directory_all(&layout.state()).unwrap();
        Pack {
            loaded,
            layout,
            directory: root.to_owned(),
        }
    }

    #[test]
    fn what_was_found_at_the_second_place_of_the_file_is_off_site_and_was_not_copied_from_here() {
        let secret = odoopack_core::secret::SecretText::new("id:word");
        let bucket = "s3 = \"https://s3.example.com/shop/erp\"\ncredentials = \"secret:SPACES\"";
        let found = Found {
            environment: "production".to_owned(),
            snapshot: "1a2b3c4d".to_owned(),
            taken: Timestamp::from_second(1_700_000_000).unwrap(),
        };
        for (offsite, address, count) in [
            (bucket, "https://s3.example.com/shop/erp", 1),
            (bucket, "https://s3.example.com/shop", 0),
            (bucket, "https://s3.example.org/shop/erp", 0),
            (bucket, "/mnt/shop/erp", 0),
            ("directory = \"/mnt/shop\"", "/mnt/shop/", 1),
            ("directory = \"/mnt/shop\"", "/mnt/other", 0),
        ] {
            let keep = tempfile::tempdir().unwrap();
            let pack = pack(Utf8Path::from_path(keep.path()).unwrap(), offsite);
            let place = typed(address, (BucketStyle::Path, "us-east-1"), Some(&secret)).unwrap();
            for _ in 0..2 {
                found_there(&pack, &place, std::slice::from_ref(&found)).unwrap();
            }
            let lines = record::all(&pack.layout).unwrap();
            assert_eq!(lines.len(), count, "{offsite} {address}");
            assert_eq!(record::known_offsite(&lines).len(), count);
            assert!(!lines.iter().any(was_copied_from_here), "{lines:?}");
            assert!(lines.iter().all(|line| line.at == found.taken));
        }
    }
}
