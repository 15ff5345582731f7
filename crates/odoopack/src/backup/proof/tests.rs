//! A lost machine's proofs come back from the repository, and only those that its key has sealed.
use camino::Utf8PathBuf;
use odoopack_repository::{Content, Holder, Item, Label, Writer};

use super::*;

fn key() -> SecretText {
    SecretText::new("ABCD-EFGH")
}

struct Rig {
    _keep: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Rig {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        Self { _keep: keep, root }
    }

    fn place(&self) -> Place {
        Place::Directory(self.root.join("backups").into_string())
    }

    fn layout(&self, name: &str) -> Layout {
        let layout = Layout::new(&self.root.join(name), &"demo".parse().unwrap(), false);
        crate::files::directory_all(&layout.state()).unwrap();
        layout
    }
}

fn writer(repository: &Repository) -> Writer {
    let holder = Holder {
        host: "a".to_owned(),
        boot: "b".to_owned(),
        pid: std::process::id(),
        why: "test".to_owned(),
    };
    repository.writer(&holder).unwrap()
}

fn store(repository: &Repository, second: i64) -> Snapshot {
    let writer = writer(repository);
    let time = Timestamp::from_second(second).unwrap();
    let label = Label {
        pack: "demo".to_owned(),
        environment: "production".to_owned(),
        time,
        note: None,
    };
    let item = Item {
        content: Content::Bytes(second.to_string().into()),
        ..Item::small("a", second.to_string(), time)
    };
    let stored = repository.store(&writer, &label, std::iter::once(Ok(item)));
    stored.unwrap().publish().unwrap()
}

fn proven(snapshot: &Snapshot, at: i64) -> Line {
    Line {
        at: Timestamp::from_second(at).unwrap(),
        event: Event::Proven,
        environment: "production".to_owned(),
        snapshot: snapshot.id.clone(),
        seconds: 12.25,
        detail: serde_json::json!({ "level": "boot", "missing": 2, "why": null }),
    }
}

#[test]
fn what_was_proven_is_known_on_another_machine() {
    let rig = Rig::new();
    let repository = Repository::create(&rig.place(), &key()).unwrap();
    let [old, new] = [1, 2].map(|second| store(&repository, second));
    let line = proven(&old, 100);
    note(&repository, &key(), &old, &line).unwrap();
    assert!(
        repository
            .check(odoopack_repository::Reading::Everything)
            .unwrap()
            .is_empty()
    );
    let (proofs, strange) = elsewhere(&rig.place(), &key(), "demo").unwrap();
    assert_eq!((proofs.as_slice(), strange), ([line.clone()].as_slice(), 0));
    // Those of another pack in the same repository are none of ours.
    assert_eq!(
        elsewhere(&rig.place(), &key(), "another").unwrap(),
        (Vec::new(), 0)
    );
    let layout = rig.layout("second");
    // Cut off and run again, it is there once.
    take_over(&layout, &proofs).unwrap();
    take_over(&layout, &proofs).unwrap();
    let record = record::all(&layout).unwrap();
    assert_eq!(record, [line]);
    assert_eq!(record::when_proven(&record, "production", "missing"), Some(2));
    // Nothing is said to have been made here: the repository of this host may be another one.
    assert!(record::known(&record).is_empty());
    assert!(record::last_drill(&record, &new.id).is_none());
}

#[test]
fn nobody_without_the_key_proves_anything() {
    let rig = Rig::new();
    let repository = Repository::create(&rig.place(), &key()).unwrap();
    let [one, two, three] = [1, 2, 3].map(|second| store(&repository, second));
    note(&repository, &key(), &one, &proven(&one, 100)).unwrap();
    let notes = repository.notes(std::slice::from_ref(&one)).unwrap();
    let honest = &notes[0].1;
    // Another snapshot's, one of another key, one that was changed, and no note at all.
    repository.note(&two, honest).unwrap();
    note(
        &repository,
        &SecretText::new("other"),
        &three,
        &proven(&three, 100),
    )
    .unwrap();
    let (proofs, strange) = elsewhere(&rig.place(), &key(), "demo").unwrap();
    assert_eq!((proofs.len(), strange), (1, 2));
    for text in [honest.replace("12.25", "12.5"), "{}".to_owned(), String::new()] {
        repository.note(&one, &text).unwrap();
        assert_eq!(
            elsewhere(&rig.place(), &key(), "demo").unwrap(),
            (Vec::new(), 3),
            "{text}"
        );
    }
}

#[test]
fn a_snapshot_that_goes_takes_its_note_along() {
    let rig = Rig::new();
    let repository = Repository::create(&rig.place(), &key()).unwrap();
    let [one, two] = [1, 2].map(|second| store(&repository, second));
    for snapshot in [&one, &two] {
        note(&repository, &key(), snapshot, &proven(snapshot, 100)).unwrap();
    }
    let writer = writer(&repository);
    repository
        .forget(&writer, std::slice::from_ref(&one), &[])
        .unwrap();
    let notes = rig.root.join("backups/odoopack/notes").read_dir_utf8().unwrap();
    assert_eq!(notes.count(), 1);
}

#[test]
fn a_copy_elsewhere_gets_the_newest_proof_of_what_it_holds() {
    let rig = Rig::new();
    let repository = Repository::create(&rig.place(), &key()).unwrap();
    let [copied, here] = [1, 2].map(|second| store(&repository, second));
    let place = Place::Directory(rig.root.join("elsewhere").into_string());
    let there = repository.create_beside(&place, &key()).unwrap();
    let held = writer(&there);
    repository
        .copy_to(&there, &held, std::slice::from_ref(&copied))
        .unwrap();
    let lines = [proven(&copied, 100), proven(&copied, 300), proven(&here, 400)];
    for (known, newest) in [(1, 100), (3, 300), (1, 300)] {
        carry(&key(), &there, &lines[..known]).unwrap();
        let (proofs, _) = elsewhere(&place, &key(), "demo").unwrap();
        assert_eq!(proofs, [proven(&copied, newest)]);
    }
}

fn failed(snapshot: &Snapshot, at: i64) -> Line {
    Line {
        event: Event::Unproven,
        detail: serde_json::json!({ "level": "boot", "why": ["x"] }),
        ..proven(snapshot, at)
    }
}

#[test]
fn a_proof_that_was_taken_back_proves_nothing_on_another_machine() {
    let rig = Rig::new();
    let repository = Repository::create(&rig.place(), &key()).unwrap();
    let [one, two] = [1, 2].map(|second| store(&repository, second));
    settle(&repository, &key(), &one, &proven(&one, 100)).unwrap();
    settle(&repository, &key(), &one, &failed(&one, 200)).unwrap();
    // Nobody has ever said that this one is proven.
    settle(&repository, &key(), &two, &failed(&two, 200)).unwrap();
    let (noted, strange) = elsewhere(&rig.place(), &key(), "demo").unwrap();
    assert_eq!((noted.as_slice(), strange), ([failed(&one, 200)].as_slice(), 0));
    let layout = rig.layout("second");
    take_over(&layout, &noted).unwrap();
    assert!(!record::is_proven(&record::all(&layout).unwrap(), &one.id));
    settle(&repository, &key(), &one, &proven(&one, 300)).unwrap();
    let (noted, _) = elsewhere(&rig.place(), &key(), "demo").unwrap();
    assert_eq!(noted, [proven(&one, 300)]);
    // What this machine has found out itself counts more than what was noted.
    take_over(&layout, &noted).unwrap();
    assert!(!record::is_proven(&record::all(&layout).unwrap(), &one.id));
}

#[test]
fn a_proof_is_taken_back_elsewhere_too() {
    let rig = Rig::new();
    let repository = Repository::create(&rig.place(), &key()).unwrap();
    let [one, two] = [1, 2].map(|second| store(&repository, second));
    let place = Place::Directory(rig.root.join("elsewhere").into_string());
    let there = repository.create_beside(&place, &key()).unwrap();
    let held = writer(&there);
    repository
        .copy_to(&there, &held, &[one.clone(), two.clone()])
        .unwrap();
    // The second one was proven under a clock that was far ahead.
    let mut lines = vec![proven(&one, 100), proven(&two, 9_000)];
    carry(&key(), &there, &lines).unwrap();
    lines.extend([failed(&one, 200), failed(&two, 300)]);
    carry(&key(), &there, &lines).unwrap();
    let (noted, _) = elsewhere(&place, &key(), "demo").unwrap();
    assert_eq!(noted, [failed(&one, 200), failed(&two, 300)]);
    // Somebody else has proven it later, at another place.
    note(&there, &key(), &one, &proven(&one, 400)).unwrap();
    carry(&key(), &there, &lines).unwrap();
    let (noted, _) = elsewhere(&place, &key(), "demo").unwrap();
    assert_eq!(noted[0], proven(&one, 400));
    lines.push(proven(&two, 500));
    carry(&key(), &there, &lines).unwrap();
    assert_eq!(elsewhere(&place, &key(), "demo").unwrap().0[1], proven(&two, 500));
}
