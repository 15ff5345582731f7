//! A store that fails: at any write, in a listing, half-way, silently. Whatever it does, older snapshots are whole and nothing else is seen.
mod changed;
mod copied;
mod full;
mod lost;
mod many;
mod named;
mod panics;
mod unreadable;

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;
use odoopack_core::secret::SecretText;

use crate::error::{Error, Result};
use crate::{Holder, Item, Label, Parts, Place, Reading, Repository, Snapshot};

/// What goes wrong at which request.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    seen: Vec<String>,
    rule: Option<(Fault, Rule)>,
}

type Rule = Box<dyn Fn(usize, &str) -> bool + Send>;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The store answers with an error.
    Error,
    /// The store says that it is done, and kept half of it.
    Half,
    /// The store says that it is done, and kept other bytes.
    Other,
}

impl Faults {
    fn set(&self, fault: Fault, rule: impl Fn(usize, &str) -> bool + Send + 'static) {
        *self.0.lock().unwrap() = Plan {
            seen: Vec::new(),
            rule: Some((fault, Box::new(rule))),
        };
    }

    fn clear(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap()).seen
    }

    fn next(&self, request: &str) -> Option<Fault> {
        let mut plan = self.0.lock().unwrap();
        let number = plan.seen.len();
        let (fault, rule) = plan.rule.as_ref()?;
        let hit = rule(number, request).then_some(*fault);
        plan.seen.push(request.to_owned());
        hit
    }

    pub(crate) fn fail(&self, request: &str) -> Result<()> {
        match self.next(request) {
            None => Ok(()),
            Some(_) => Err(broken(request)),
        }
    }

    pub(crate) fn spoil(&self, request: &str, content: Vec<Bytes>) -> Result<Vec<Bytes>> {
        match self.next(request) {
            None => Ok(content),
            Some(Fault::Error) => Err(broken(request)),
            Some(Fault::Half) => {
                let whole = content.concat();
                Ok(vec![Bytes::copy_from_slice(&whole[..whole.len() / 2])])
            }
            Some(Fault::Other) => {
                let mut whole = content.concat();
                let middle = whole.len() / 2;
                whole[middle] ^= 1;
                Ok(vec![Bytes::from(whole)])
            }
        }
    }
}

fn broken(request: &str) -> Error {
    Error::Store {
        act: request.to_owned(),
        place: "the faulty store".to_owned(),
        why: "500 Internal Server Error".to_owned(),
    }
}

fn key() -> SecretText {
    SecretText::new("key")
}

fn holder() -> Holder {
    Holder {
        host: "here".to_owned(),
        boot: "1".to_owned(),
        pid: std::process::id(),
        why: "a test".to_owned(),
    }
}

fn made(directory: &Path) -> Repository {
    Repository::create(&Place::Directory(directory.to_str().unwrap().to_owned()), &key()).unwrap()
}

fn store(repository: &Repository, dump: &[u8], second: i64) -> Result<Snapshot> {
    store_of("demo", repository, dump, second)
}

fn store_of(pack: &str, repository: &Repository, dump: &[u8], second: i64) -> Result<Snapshot> {
    let time = Timestamp::from_second(1_700_000_000 + second).unwrap();
    let label = Label {
        pack: pack.to_owned(),
        environment: "production".to_owned(),
        time,
        note: None,
    };
    let writer = repository.writer(&holder())?;
    let parts = Parts::new(Cursor::new(dump.to_vec()), "database", time);
    let stored = repository.store(
        &writer,
        &label,
        parts.chain([Ok(Item::small("manifest.json", "{}", time))]),
    )?;
    stored.publish()
}

fn whole(repository: &Repository, snapshot: &Snapshot, dump: &[u8]) {
    let mut back = Vec::new();
    repository
        .reader()
        .unwrap()
        .stream_parts(snapshot, "database", &mut back)
        .unwrap();
    assert!(back == dump, "snapshot {} is not whole", snapshot.id);
}

fn ids(repository: &Repository) -> Vec<String> {
    repository
        .snapshots()
        .unwrap()
        .into_iter()
        .map(|s| s.id)
        .collect()
}

/// Every single request of a backup fails once; each time older snapshots are whole, no new one is seen, and the next backup goes well.
#[test]
fn whatever_request_fails_nothing_half_done_is_seen() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let faults = repository.objects.faults.clone();
    let first = store(&repository, b"the first dump", 0).unwrap();
    faults.set(Fault::Error, |_, _| false);
    store(&repository, b"counted", 1).unwrap();
    let requests = faults.clear();
    assert!(
        requests.iter().filter(|r| r.starts_with("put ")).count() >= 5,
        "{requests:?}"
    );
    let mut seen = ids(&repository);
    for number in 0..requests.len() {
        faults.set(Fault::Error, move |at, _| at == number);
        let dump = format!("dump {number}");
        let outcome = store(&repository, dump.as_bytes(), 10 + i64::try_from(number).unwrap());
        let request = faults.clear().get(number).cloned().unwrap_or_default();
        match outcome {
            // Our own lock may stay; and without yesterday's snapshot every file is read again, which is slow and not wrong.
            Ok(snapshot) => {
                let whose = number + 2 == requests.len() && request == "get odoopack/writer";
                assert!(
                    whose || request.starts_with("remove odoopack/") || request.starts_with("get snapshots/"),
                    "{request} failed and was passed over"
                );
                seen.push(snapshot.id);
            }
            Err(_) => assert_eq!(ids(&repository), seen, "after {request} failed"),
        }
        whole(&repository, &first, b"the first dump");
    }
    let last = store(&repository, b"the last dump", 9_999).unwrap();
    whole(&repository, &last, b"the last dump");
    assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
}

#[test]
fn a_store_that_keeps_half_of_an_object_is_found_out_at_once() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let faults = repository.objects.faults.clone();
    for kind in ["data/", "index/", "snapshots/"] {
        faults.set(Fault::Half, move |_, request| {
            request.starts_with(&format!("put {kind}"))
        });
        let failed = store(&repository, kind.as_bytes(), 5).unwrap_err().to_string();
        faults.clear();
        assert!(
            failed.contains("bytes were written") && failed.contains("were removed"),
            "{kind}: {failed}"
        );
        assert!(!failed.contains("acktrace"), "{failed}");
    }
    let last = store(&repository, b"the last dump", 9).unwrap();
    assert_eq!(ids(&repository), [last.id]);
    assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
}

/// A half-written snapshot file is there, cannot be removed and cannot be read: then there is no list, and so no prune.
#[test]
fn a_torn_snapshot_file_stops_everything_that_could_remove_data() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let faults = repository.objects.faults.clone();
    store(&repository, b"whole", 0).unwrap();
    faults.set(Fault::Half, |_, request| {
        request.starts_with("put snapshots/") || request.starts_with("remove snapshots/")
    });
    let failed = store(&repository, b"torn", 1).unwrap_err().to_string();
    assert!(failed.contains("could not be removed"), "{failed}");
    faults.clear();
    assert!(repository.snapshots().is_err());
    let writer = repository.writer(&holder()).unwrap();
    assert!(repository.prune(&writer, &[]).is_err());
}

/// An unreadable listing once looked like an empty one, and a prune removed every pack.
#[test]
fn a_listing_that_fails_or_lacks_something_removes_nothing() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let faults = repository.objects.faults.clone();
    let kept = store(&repository, b"kept", 0).unwrap();
    let writer = repository.writer(&holder()).unwrap();
    for directory in ["snapshots", "index", "data"] {
        faults.set(Fault::Error, move |_, request| {
            request == format!("list {directory}")
        });
        assert!(
            repository.prune(&writer, std::slice::from_ref(&kept.id)).is_err(),
            "{directory}"
        );
        faults.clear();
        whole(&repository, &kept, b"kept");
    }
    let hidden = keep.path().join("snapshots").join(kept.restic_id());
    let aside = keep.path().join("aside");
    std::fs::rename(&hidden, &aside).unwrap();
    let refused = repository
        .prune(&writer, std::slice::from_ref(&kept.id))
        .unwrap_err();
    assert!(
        matches!(refused, Error::Fewer { listed: 0, known: 1 }),
        "{refused}"
    );
    assert!(matches!(
        repository.forget(&writer, &[], std::slice::from_ref(&kept.id)),
        Err(Error::Fewer { .. })
    ));
    std::fs::rename(&aside, &hidden).unwrap();
    whole(&repository, &kept, b"kept");
}

/// What is said of one flipped byte, which part of the repository it is in, and whether both snapshots are whole once the file is back.
#[test]
fn one_flipped_byte_is_found_in_any_pack_index_or_key_and_the_file_brought_back_puts_it_right() {
    for kind in ["data", "index", "keys"] {
        let keep = tempfile::tempdir().unwrap();
        let repository = made(keep.path());
        let dumps = [7, 8].map(|byte| vec![byte; 100_000]);
        let older = store(&repository, &dumps[0], 0).unwrap();
        let newer = store(&repository, &dumps[1], 1).unwrap();
        let place = repository.place().clone();
        let files = files(&keep.path().join(kind));
        let wanted = if kind == "keys" { 1 } else { 2 };
        // In the middle of a key lies what is encrypted; around it, who made it and when.
        let places: &[usize] = if kind == "keys" { &[50] } else { &[1, 50, 99] };
        assert!(files.len() >= wanted, "{kind}: {files:?}");
        for file in files {
            for of_hundred in places {
                let kept = flip(&file, *of_hundred);
                let said = found(&place);
                let words = match kind {
                    "data" => "pack",
                    "index" => "index:",
                    _ => "key",
                };
                let about = format!("{kind}, byte at {of_hundred} %: {said}");
                assert!(said.to_lowercase().contains(words), "{about}");
                put(&file, &kept);
                let again = Repository::open(&place, &key()).unwrap();
                assert_eq!(again.check(Reading::Everything).unwrap(), [""; 0], "{about}");
                whole(&again, &older, &dumps[0]);
                whole(&again, &newer, &dumps[1]);
            }
        }
    }
}

/// What opening and reading everything says; empty where nothing is found.
fn found(place: &Place) -> String {
    let checked = Repository::open(place, &key()).and_then(|again| again.check(Reading::Everything));
    match checked {
        Ok(wrong) => wrong.join("; "),
        Err(error) => error.to_string(),
    }
}

/// Every file below `directory`.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all
}

#[expect(clippy::disallowed_methods, reason = "a test spoils its own files")]
fn put(file: &Path, bytes: &[u8]) {
    std::fs::write(file, bytes).unwrap();
}

/// Flips a bit so many hundredths into a file; returns what was there.
fn flip(file: &Path, of_hundred: usize) -> Vec<u8> {
    let kept = std::fs::read(file).unwrap();
    let mut bytes = kept.clone();
    bytes[kept.len() * of_hundred / 100] ^= 1;
    put(file, &bytes);
    kept
}
