//! `data/filestore` and `data/sessions` on both engines.
use camino::Utf8PathBuf;

use super::containers;
use super::machine::{FILE, Machine, OURS};
use crate::facts::{PathKind, Seen};
use crate::plan::Step;

fn up(file: &str) -> Machine {
    let mut machine = Machine::with_packages(file, true);
    machine.converge();
    machine
}

fn at(machine: &Machine, part: &str) -> Option<PathKind> {
    let path = Utf8PathBuf::from("/opt/shop/data").join(part);
    let seen = machine.facts.paths.get(&path).and_then(Seen::present)?;
    Some(seen.kind.clone())
}

#[test]
fn they_lead_to_production_as_long_as_there_is_one() {
    for file in [FILE, containers::FILE] {
        let mut machine = up(file);
        for part in ["filestore", "sessions"] {
            let to = format!("/opt/shop/data/environments/production/{part}");
            assert_eq!(at(&machine, part), Some(PathKind::Link(to.into())));
        }
        machine.spec = up(&file.replace("environments.production", "environments.live")).spec;
        machine.converge();
        assert_eq!(at(&machine, "filestore"), None, "`live` is no production");
        assert_eq!(at(&machine, "sessions"), None);
    }
}

#[test]
fn the_farms_have_their_place_before_there_is_one() {
    for file in [FILE, containers::FILE] {
        let machine = up(file);
        assert!(machine.spec.addons.own.is_empty() && machine.spec.addons.oca.is_none());
        assert_eq!(at(&machine, "addons"), Some(PathKind::Directory));
    }
}

#[test]
fn sessions_in_redis_have_no_directory_to_look_at() {
    let place = "[environments.production]\n";
    let machine = up(&FILE.replace(place, &format!("{place}sessions = \"redis\"\n")));
    assert!(at(&machine, "filestore").is_some());
    assert_eq!(at(&machine, "sessions"), None);
}

#[test]
fn what_somebody_has_there_stays_and_is_told() {
    for kind in [PathKind::Directory, PathKind::Link("/mnt/big".into())] {
        let mut machine = up(FILE);
        machine.put("/opt/shop/data/filestore".into(), kind.clone(), &OURS);
        assert_eq!(machine.plan().steps, []);
        let notes = machine.plan().notes;
        let told = |note: &String| note.starts_with("/opt/shop/data/filestore was left as it is");
        assert!(notes.iter().any(told), "{notes:?}");
        machine.converge();
        assert_eq!(at(&machine, "filestore"), Some(kind));
    }
}

#[test]
fn a_place_that_was_taken_over_is_no_view() {
    let place = "[environments.production]\n";
    let there = "directory = \"/opt/shop/data/filestore/.local/share/Odoo\"\n";
    let machine = Machine::fresh(&containers::FILE.replace(place, &format!("{place}{there}")), true);
    let views = machine.look().0.views;
    assert_eq!(views[0].to, None);
    let sessions = "/opt/shop/data/filestore/.local/share/Odoo/sessions";
    assert_eq!(views[1].to, Some(sessions.into()));
    let steps = machine.plan().steps;
    assert!(
        !steps
            .iter()
            .any(|step| matches!(step, Step::LinkView { path, .. } if path.ends_with("filestore")))
    );
}

#[test]
fn sessions_that_come_back_to_the_disk_find_their_directory_open_again() {
    let table = "[environments.production]\n";
    let apart = super::machine::FILE.replace(table, &format!("{table}sessions = \"redis\"\n"));
    let directory = camino::Utf8Path::new("/opt/shop/data/environments/production/sessions");
    let access = |machine: &Machine| {
        let fact = machine.facts.paths[directory].present().unwrap();
        (fact.user.clone(), fact.mode)
    };
    let mut machine = Machine::with_packages(&apart, true);
    machine.converge();
    assert_eq!(access(&machine), ("root".to_owned(), 0o555));
    let on_disk = Machine::fresh(super::machine::FILE, true);
    machine.spec = on_disk.spec;
    machine.converge();
    assert_eq!(access(&machine), ("odoo-shop-production".to_owned(), 0o700));
}
