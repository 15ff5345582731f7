//! What another pack has stored in the same repository is never taken for one's own.
use crate::of_a_recovery::{KEY, store};
use crate::place::{GOOD, Place};

/// The pack `acme`, and the snapshot of production of the pack `refused`, which is all that its repository holds.
fn beside_another() -> (Place, String) {
    let place = Place::with(&GOOD.replace("refused", "acme"));
    let backups = place.root.join("backups");
    let names = store(backups.to_str().unwrap(), GOOD, &[("production", "production")]);
    (place, names[0].clone())
}

fn refuses(place: &Place, args: &[&str], words: &[&str]) {
    let mut command = place.command(args);
    command.env("ODOOPACK_SECRET_BACKUP_KEY", KEY);
    place.refuses_as(command, 4, words);
}

#[test]
fn latest_is_none_of_another_pack() {
    let (place, _) = beside_another();
    let words = ["no snapshot of production of the pack acme", "backup list"];
    for args in [
        &["restore", "latest"][..],
        &["restore", "latest", "--to", "production"],
        &["backup", "ls", "latest"],
        &["backup", "cat", "latest", "manifest.json"],
        &["backup", "diff", "latest", "latest"],
        &["backup", "pin", "latest"],
        &["backup", "drill"],
    ] {
        refuses(&place, args, &words);
    }
}

/// By its name it is meant, but its environments are called as ours are.
#[test]
fn a_snapshot_of_another_pack_replaces_nothing_by_itself() {
    let (place, name) = beside_another();
    let words = ["of another pack, refused", "--to ENVIRONMENT", "--as NAME"];
    refuses(&place, &["restore", &name], &words);
}

/// An environment's name is not given to a copy beside it, and none is removed by it.
#[test]
fn a_copy_is_never_called_as_an_environment_is() {
    let (place, name) = beside_another();
    for taken in ["production", "acme_production"] {
        let words = ["is the name of the environment production", "--as NAME"];
        refuses(&place, &["restore", &name, "--as", taken], &words);
        refuses(&place, &["restore", "--forget-copy", taken, "--yes"], &words);
    }
}
