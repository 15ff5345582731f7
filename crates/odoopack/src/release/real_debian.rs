//! Debian's Odoo 19 for real: resolved, fetched, its environment built, started by another user.
use camino::Utf8Path;
use odoopack_core::facts::{Release, Seen};
use odoopack_core::spec::{Series, Source};

use super::fixture::Scratch;
use super::{assets, environment, observe};
use crate::exec::Cmd;
use crate::ui::Ui;

#[test]
fn debians_odoo_19_runs_from_nothing() {
    let mut scratch = Scratch::new(
        Series::V19,
        Source::Debian {
            suite: "sid".to_owned(),
        },
    );
    scratch.cache = super::cache();
    let release = build(&scratch);
    assert_eq!(
        assets::missing(&scratch.root.join("data/releases").join(&release.id)).unwrap(),
        [].into()
    );
    assert_eq!(
        observe(&scratch.layout, &scratch.spec, &scratch.root).unwrap(),
        Seen::Present(release.clone()),
        "what was built is what is seen"
    );
    assert_eq!(build(&scratch), release, "the second run changes nothing");
    if rustix::process::geteuid().is_root() {
        runs_as_another_user(&release);
    }
    another_machine_gets_what_was_decided(&scratch);
}

/// What a lock or a colleague decided on is downloaded where no index ever was.
fn another_machine_gets_what_was_decided(scratch: &Scratch) {
    let record = super::record::read(&scratch.layout).unwrap().unwrap();
    let small = record.packages.iter().min_by_key(|package| package.size).unwrap();
    let empty = scratch.root.join("other-cache");
    let store = super::store::Store {
        cache: &empty,
        suite: "sid",
        mirror: None,
    };
    let progress = Ui::new(true, true, false).step("get");
    assert_eq!(store.get(&[small], &progress).unwrap(), [store.place(small)]);
    // A lock whose packages nobody has any more is told so, and without a network only that nothing was compared.
    let never = odoopack_core::oca_lock::DebianPackage {
        name: small.name.clone(),
        version: "0.0.1-never".to_owned(),
        size: 1,
        sha256: "00".repeat(32),
    };
    let pin = odoopack_core::oca_lock::OdooPin::Debian {
        suite: "sid".to_owned(),
        packages: vec![never],
    };
    let builder = scratch.builder();
    let kinds = |network| {
        let (breaks, notes) = builder.package_breaks(&pin, network).unwrap();
        (breaks.iter().map(|one| one.kind).collect::<Vec<_>>(), notes.len())
    };
    assert_eq!(kinds(Some(&progress)), (vec!["gone"], 0));
    assert_eq!(kinds(None), (vec![], 1));
}

fn build(scratch: &Scratch) -> Release {
    let ui = Ui::new(false, true, true);
    let builder = scratch.builder();
    let step = |name: &str| ui.step(name);
    let progress = step("resolve");
    let release = builder.resolve(&progress).unwrap();
    progress.done();
    let progress = step("fetch");
    let release = builder.fetch(&release, &progress).unwrap();
    progress.done();
    let progress = step("python");
    let release = builder.build_python(&release, &progress).unwrap();
    progress.done();
    release
}

fn runs_as_another_user(release: &Release) {
    let python = release.python.as_deref().unwrap();
    let argv = environment::version(python, release);
    let text = argv.user(Some("daemon")).read();
    assert_eq!(text.unwrap().trim(), "Odoo Server 19.0");
    assert_eq!(unreadable(python), "");
    assert_eq!(unreadable(release.python_path.as_deref().unwrap()), "");
}

fn unreadable(directory: &Utf8Path) -> String {
    let find = Cmd::new("find").args([directory.as_str(), "-not", "-type", "l", "-not", "-perm", "-o=r"]);
    find.read().unwrap()
}
