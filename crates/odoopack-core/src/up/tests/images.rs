//! Images of a stack: what a lock names or adds, and what happens to one that is gone.
use super::containers::{FILE, up};
use super::machine::Machine;
use crate::facts::{ImagePin, LockedImage};
use crate::plan::Step;

#[test]
fn the_image_that_a_lock_names_is_the_one_that_runs() {
    let mut machine = up(true);
    let image = machine.facts.containers.images["odoo"].clone();
    for (id, digest, same) in [
        (image.id.as_str(), None, true),
        ("sha256:1", Some(image.pinned.as_str()), true),
        ("sha256:1", None, false),
        ("sha256:1", Some("odoo@sha256:1"), false),
    ] {
        machine.facts.containers.locked = Some(LockedImage {
            pin: ImagePin {
                id: id.to_owned(),
                digest: digest.map(str::to_owned),
            },
            packages: None,
        });
        let steps: Vec<String> = machine.plan().steps.iter().map(ToString::to_string).collect();
        let wanted: &[&str] = if same {
            &[]
        } else {
            &["get image odoo:19.0 and pin it"]
        };
        assert_eq!(steps, wanted, "{id} {digest:?}");
    }
}

#[test]
fn locked_python_packages_are_built_into_an_image_once() {
    let file = format!("{FILE}[addons]\nrequirements = [\"requirements.txt\"]\n");
    let mut machine = Machine::with_packages(&file, true);
    let pin = ImagePin {
        id: "sha256:0".to_owned(),
        digest: None,
    };
    let locked = |packages: Option<&str>| {
        Some(LockedImage {
            pin: pin.clone(),
            packages: packages.map(str::to_owned),
        })
    };
    machine.facts.locked = true;
    machine.facts.containers.locked = locked(Some("ab"));
    let built = |done: &[Step]| {
        let build = |step: &&Step| matches!(step, Step::BuildImage { image } if image == "odoo:19.0");
        done.iter().filter(build).count()
    };
    let done = machine.converge();
    assert_eq!(built(&done), 1, "{done:#?}");
    let pinned = machine.facts.containers.images["odoo"].clone();
    assert_eq!(pinned.built.map(|built| built.packages).as_deref(), Some("ab"));
    assert!(machine.plan().is_empty());
    machine.facts.containers.locked = locked(Some("cd"));
    assert_eq!(built(&machine.converge()), 1);
    // Nothing is added any more.
    machine.facts.containers.locked = locked(None);
    let steps: Vec<String> = machine.plan().steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["get image odoo:19.0 and pin it"]);
}

#[test]
fn an_image_that_is_replaced_anyway_is_not_judged() {
    let file = FILE.replacen(
        "domain = \"erp.example.com\"",
        "domain = \"erp.example.com\"\nsessions = \"redis\"",
        1,
    );
    let mut machine = Machine::with_packages(&file, true);
    machine.converge();
    let odoo = machine.facts.containers.images.get_mut("odoo").unwrap();
    odoo.python.clear();
    let refusals = machine.plan().refusals;
    assert!(refusals[0].hint.starts_with("`odoopack lock`"), "{refusals:?}");
    machine.facts.locked = true;
    let locked = |id: &str, packages: Option<&str>| {
        Some(LockedImage {
            pin: ImagePin {
                id: id.to_owned(),
                digest: None,
            },
            packages: packages.map(str::to_owned),
        })
    };
    machine.facts.containers.locked = locked("sha256:0", Some("ab"));
    let plan = machine.plan();
    assert_eq!(plan.refusals, []);
    assert!(
        plan.steps
            .iter()
            .any(|step| matches!(step, Step::BuildImage { .. })),
        "{:#?}",
        plan.steps
    );
    // A tag that moved to another series, and a lock that was made anew.
    machine.facts.containers.locked = locked("sha256:1", None);
    machine.facts.containers.images.get_mut("odoo").unwrap().version = (18, 0, 0);
    assert_eq!(machine.plan().refusals, []);
}

#[test]
fn images_that_are_gone_are_made_or_got_again_and_the_cluster_stays_the_stacks() {
    for part in ["gate", "odoo", "nginx", "postgres"] {
        let mut machine = up(true);
        let image = machine.facts.containers.images.remove(part).unwrap();
        let name = image.wanted.clone();
        machine.facts.containers.gone.insert(part.to_owned(), image);
        let plan = machine.plan();
        assert_eq!(plan.refusals, [], "{part}");
        let wanted = if part == "gate" {
            Step::MakeGateImage { image: name }
        } else {
            Step::GetImage {
                part: part.to_owned(),
                image: name,
            }
        };
        assert!(plan.steps.contains(&wanted), "{part}: {:#?}", plan.steps);
        machine.converge();
        assert!(machine.plan().is_empty(), "{part}");
    }
}
