//! A recovery that would be a guess, or cannot begin, leaves the place as empty as it was.
use odoopack_core::secret::SecretText;
use odoopack_repository::{Holder, Item, Label, Place as Store, Repository};
use serde_json::json;

use crate::place::{GOOD, Place, said};

pub(crate) const KEY: &str = "ABCD-EFGH-JKLM";
/// A file at which a recovery that was allowed ends.
const WRONG: &str = "format = 99\n";

/// A repository beside the place, with one snapshot of each environment of these kinds, which holds `file`; returns it and the file with
/// its key.
fn repository(place: &Place, file: &'static str, environments: &[(&str, &str)]) -> (String, String) {
    let beside = |name: &str| place.keep.path().join(name).to_str().unwrap().to_owned();
    let (directory, key) = (beside("backups"), beside("key"));
    std::fs::write(&key, KEY).unwrap();
    store(&directory, file, environments);
    (directory, key)
}

/// Makes a repository with one snapshot of each; returns their names.
pub(crate) fn store(directory: &str, file: &'static str, environments: &[(&str, &str)]) -> Vec<String> {
    let place = Store::Directory(directory.to_owned());
    let repository = Repository::create(&place, &SecretText::new(KEY)).unwrap();
    let holder = Holder {
        host: "test".to_owned(),
        boot: "test".to_owned(),
        pid: std::process::id(),
        why: "a test".to_owned(),
    };
    let writer = repository.writer(&holder).unwrap();
    let mut names = Vec::new();
    for (number, (environment, kind)) in (1..).zip(environments) {
        let time = jiff::Timestamp::from_second(1_700_000_000 + number).unwrap();
        let label = Label {
            pack: "refused".to_owned(),
            environment: (*environment).to_owned(),
            time,
            note: None,
        };
        let items = [
            Item::small("manifest.json", manifest(environment, kind), time),
            Item::small("pack/tree/odoopack.toml", file, time),
            // The history of a pack that nobody can make a repository of.
            Item::small("pack/history/part-00000", "no bundle", time),
        ];
        let stored = repository
            .store(&writer, &label, items.into_iter().map(Ok))
            .unwrap();
        names.push(stored.publish().unwrap().id);
    }
    names
}

fn manifest(environment: &str, kind: &str) -> String {
    let code = json!({ "series": "19.0", "release": null, "identity": null, "commit": null });
    let database = json!({
        "name": "refused", "owner": "refused", "server": "15.14", "major": 15, "locale": ["UTF8", "C", "C.UTF-8"], "size": 1, "uuid": null,
        "extensions": {}, "unaccent_immutable": true, "tables": {}, "indexes": [], "dump": { "format": "custom", "size": 0, "parts": 0 },
    });
    json!({
        "format": 1, "odoopack": "0.1.0", "pack": "refused", "environment": environment, "kind": kind, "taken": "2026-11-26T12:00:00Z",
        "code": code, "database": database, "modules": {},
        "attachments": { "named": 0, "files": 0, "bytes": 0, "missing": [] }, "seconds": { "database": 0.0, "filestore": 0.0 },
    })
    .to_string()
}

#[test]
fn latest_of_no_production_environment_or_of_several_is_no_guess() {
    for (environments, why) in [
        (
            &[("staging", "staging"), ("try", "development")][..],
            "no snapshot of a production environment",
        ),
        (
            &[
                ("main", "production"),
                ("shop", "production"),
                ("staging", "staging"),
            ],
            "several production environments",
        ),
    ] {
        let place = Place::empty();
        let (repository, key) = repository(&place, WRONG, environments);
        let choices: Vec<String> = environments
            .iter()
            .map(|(name, _)| format!("`--of {name}`"))
            .collect();
        let words: Vec<&str> = choices.iter().map(String::as_str).chain([why]).collect();
        place.refuses(&["recover", &repository, "--key-file", &key, "--yes"], 4, &words);
        // With the choice made it goes on.
        let (name, _) = environments[0];
        let chosen = ["recover", &repository, "--key-file", &key, "--of", name];
        begins(&place, &chosen, &[name]);
    }
}

/// Each of these is said to come back, and then the place is as empty as before, for the file is wrong.
fn begins(place: &Place, args: &[&str], environments: &[&str]) {
    std::fs::create_dir(&place.root).unwrap();
    // The first one also says of which pack, for a repository may hold several.
    let pack = [" of the pack refused", "", ""];
    let said: Vec<String> = std::iter::zip(environments, pack)
        .map(|(name, pack)| format!("of {name}{pack}, taken"))
        .collect();
    let words: Vec<&str> = said.iter().map(String::as_str).chain(["odoopack.toml"]).collect();
    place.refuses(args, 3, &words);
}

#[test]
fn production_is_the_only_one_of_its_kind() {
    let place = Place::empty();
    let (repository, key) = repository(&place, WRONG, &[("main", "production"), ("staging", "staging")]);
    begins(&place, &["recover", &repository, "--key-file", &key], &["main"]);
}

/// The other production environments are named before anybody says yes.
#[test]
fn everything_that_comes_back_is_said_before() {
    let place = Place::empty();
    let environments = [
        ("production", "production"),
        ("shop", "production"),
        ("try", "staging"),
    ];
    let (repository, key) = repository(&place, WRONG, &environments);
    let args = ["recover", &repository, "--key-file", &key];
    begins(&place, &args, &["production", "shop"]);
}

#[test]
fn root_by_another_name_leaves_the_place_empty() {
    let place = Place::empty();
    let (real, link) = (place.keep.path().join("real"), place.keep.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let place = Place {
        root: link.join("pack"),
        ..place
    };
    let (repository, key) = repository(&place, GOOD, &[("production", "production")]);
    let text = refused(&place, &repository, &key);
    let root = real.join("pack");
    assert!(text.contains(&format!("`--root {}`", root.display())), "{text}");
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "{text}");
}

/// What `recover` refuses with.
fn refused(place: &Place, repository: &str, key: &str) -> String {
    let output = place
        .command(&["recover", repository, "--key-file", key, "--yes"])
        .output()
        .unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    text
}

/// A port that somebody has, in a file that is right but for that; the listener keeps it taken.
fn taken() -> (std::net::TcpListener, String, &'static str) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let file = GOOD.replace("18443", &port).leak();
    (listener, port, file)
}

#[test]
fn machine_on_which_a_port_is_taken_is_left_without_a_secret() {
    let (_listener, port, file) = taken();
    let place = Place::empty();
    std::fs::create_dir(&place.root).unwrap();
    let (repository, key) = repository(&place, file, &[("production", "production")]);
    let words = [&*format!("port {port} is taken"), "https_port"];
    place.refuses(&["recover", &repository, "--key-file", &key, "--yes"], 4, &words);
}

/// Nobody may have read what the run said that was cut off.
#[test]
fn a_run_that_goes_on_says_again_where_the_history_lies() {
    // It ends where everything is to be started.
    let (_listener, port, file) = taken();
    let place = Place::empty();
    let (repository, key) = repository(&place, file, &[("production", "production")]);
    let kept = "the history is kept as history.bundle";
    place.write("repo/odoopack.toml", file);
    let mark = json!({ "snapshot": "latest", "stage": "services", "history": kept });
    place.write(".odoopack-recovering", &mark.to_string());
    let text = refused(&place, &repository, &key);
    for word in [kept, &format!("port {port} is taken")] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
