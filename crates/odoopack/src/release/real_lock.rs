//! Releases from a lock: built on two machines they are equal byte by byte; what is not locked is not built.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{Release, Seen};
use odoopack_core::oca_lock::{FORMAT, Lock, OdooPin, Python};
use odoopack_core::spec::{Addons, Repository, Series, Source};

use super::fixture::{Scratch, tiny_odoo};
use super::real_sources::{git, times};
use super::{Builder, Machines, observe, walk};
use crate::failure::Kind;
use crate::files;
use crate::oca::resolve::{Move, Wish, resolve};
use crate::oca::{self, Workshop};
use crate::ui::{Progress, Ui};

fn progress() -> Progress {
    Ui::new(true, true, false).step("test")
}

/// A repository of modules on branch 18.0.
fn modules(place: &Utf8Path) {
    let manifest =
        "{'name': 'Timeline', 'version': '18.0.1.0.0', 'external_dependencies': {'python': ['six']}}\n";
    for (name, text) in [
        ("project_timeline/__manifest__.py", manifest),
        ("project_timeline/static/src/a.js", "let a = 1;\n"),
        (
            "project_wbs/__manifest__.py",
            "{'name': 'W', 'version': '18.0.1.0.0'}\n",
        ),
    ] {
        let path = place.join(name);
        files::directory_all(path.parent().unwrap()).unwrap();
        files::replace(&path, text.as_bytes(), 0o644, None).unwrap();
    }
    git(place, &["init", "--quiet"]);
    git(place, &["add", "--all"]);
    git(place, &["commit", "--quiet", "--message", "first"]);
}

/// A pack that wants one module of a repository.
fn pack(odoo: &Utf8Path, upstream: &Utf8Path) -> Scratch {
    let mut pack = Scratch::new(
        Series::V18,
        Source::Git {
            url: odoo.to_string(),
            commit: None,
        },
    );
    pack.spec.addons = Addons {
        oca: Some("oca".to_owned()),
        repositories: [(
            "project".to_owned(),
            Repository {
                url: upstream.to_string(),
                branch: "18.0".to_owned(),
                commit: None,
                modules: vec!["project_timeline".to_owned()],
                merges: Vec::new(),
                group: None,
            },
        )]
        .into(),
        ..Addons::default()
    };
    pack
}

/// The lock of a pack, whose Python packages are resolved by the cache that packs of this user share.
fn locked(pack: &Scratch) -> Lock {
    let builder = pack.builder();
    let release = builder.decision(&progress()).unwrap();
    let release = builder.fetch(&release, &progress()).unwrap();
    let workshop = Workshop::new(&pack.spec, &pack.layout, &pack.root, &pack.cache).unwrap();
    let wishes = [Wish {
        name: "project",
        wanted: &pack.spec.addons.repositories["project"],
        old: None,
        to: Move::Stay,
    }];
    let resolved = resolve(&workshop, &wishes, &progress()).unwrap().remove(0);
    let mut lock = Lock {
        format: FORMAT,
        series: Series::V18,
        odoo: builder.pin(&release).unwrap(),
        repositories: [("project".to_owned(), resolved.locked)].into(),
        groups: BTreeMap::new(),
        debian: Vec::new(),
        python: None,
    };
    let cache = super::cache();
    let with_wheels = Builder {
        cache: &cache,
        ..builder
    };
    let needs = lock.python_needs();
    assert_eq!(needs, ["six"]);
    lock.python = Some(
        with_wheels
            .lock_python(&release, &needs, &Machines::default(), &progress())
            .unwrap(),
    );
    lock
}

fn built(pack: &Scratch, lock: &Lock) -> Release {
    oca::file::write(&pack.root, lock).unwrap();
    let cache = super::cache();
    let builder = Builder {
        lock: Some(lock.clone()),
        ..pack.builder()
    };
    let release = builder.resolve(&progress()).unwrap();
    let release = builder.fetch(&release, &progress()).unwrap();
    let with_wheels = Builder {
        cache: &cache,
        ..builder
    };
    with_wheels.build_python(&release, &progress()).unwrap()
}

/// Every file below a directory with its content, and what is not a file with its kind.
fn contents(tree: &Utf8Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    walk::walk(tree, &mut |path, kind| {
        let content = if kind.is_file() {
            std::fs::read(path).unwrap()
        } else {
            Vec::new()
        };
        all.insert(path.strip_prefix(tree).unwrap().to_string(), content);
        Ok(())
    })
    .unwrap();
    all
}

/// What an environment holds: its packages with their versions, and every file of theirs with its hash. Bytecode is left
/// out: it names the directory that it was made in.
fn listing(environment: &Utf8Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    walk::walk(environment, &mut |path, kind| {
        let inside = path.strip_prefix(environment).unwrap().as_str();
        if !inside.contains("/site-packages/") || inside.contains("/__pycache__") {
            return Ok(());
        }
        let content = if kind.is_file() {
            super::sha256(&std::fs::read(path).unwrap())
        } else {
            String::new()
        };
        all.insert(inside.to_owned(), content);
        Ok(())
    })
    .unwrap();
    all
}

fn scratch(name: &str) -> (tempfile::TempDir, Utf8PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(keep.path().join(name)).unwrap();
    files::directory_all(&path).unwrap();
    (keep, path)
}

fn upstreams() -> (Vec<tempfile::TempDir>, Utf8PathBuf, Utf8PathBuf) {
    let (keep_odoo, odoo) = scratch("odoo");
    tiny_odoo(&odoo, "18.0");
    git(&odoo, &["init", "--quiet"]);
    git(&odoo, &["add", "--all"]);
    git(&odoo, &["commit", "--quiet", "--message", "odoo"]);
    let (keep, project) = scratch("project");
    modules(&project);
    (vec![keep_odoo, keep], odoo, project)
}

#[test]
fn two_machines_build_the_same_from_one_lock() {
    let (_keep, odoo, project) = upstreams();
    let (one, other) = (pack(&odoo, &project), pack(&odoo, &project));
    let lock = locked(&one);
    // Upstream moves on; the lock does not.
    files::replace(
        &project.join("project_timeline/static/src/a.js"),
        b"let a = 2;\n",
        0o644,
        None,
    )
    .unwrap();
    git(&project, &["commit", "--quiet", "--all", "--message", "second"]);
    let (first, second) = (built(&one, &lock), built(&other, &lock));
    assert_eq!(first.id, second.id);
    let trees = |release: &Release| {
        [
            release.repositories["project"].clone(),
            release.entry.parent().unwrap().to_owned(),
        ]
    };
    for (a, b) in trees(&first).iter().zip(trees(&second)) {
        assert_eq!(contents(a), contents(&b));
        assert_eq!(times(a), times(&b));
    }
    let script = first.repositories["project"].join("project_timeline/static/src/a.js");
    assert_eq!(std::fs::read_to_string(script).unwrap(), "let a = 1;\n");
    let environments = [first.python.unwrap(), second.python.unwrap()].map(|directory| listing(&directory));
    assert_eq!(environments[0], environments[1]);
    let package = |ending: &str| environments[0].keys().any(|path| path.ends_with(ending));
    assert!(
        package("/six-1.17.0.dist-info/METADATA") && package("/six.py"),
        "{environments:?}"
    );
    let seen = observe(&one.layout, &one.spec, &one.root).unwrap();
    assert!(
        seen.present().is_some_and(|release| release.python.is_some()),
        "{seen:?}"
    );
}

#[test]
fn a_changed_byte_in_a_release_is_named_and_a_removed_tree_is_built_again() {
    let (_keep, odoo, project) = upstreams();
    let one = pack(&odoo, &project);
    let lock = locked(&one);
    let tree = built(&one, &lock).repositories["project"].clone();
    let workshop = Workshop::new(&one.spec, &one.layout, &one.root, &one.cache).unwrap();
    let breaks = || {
        let report = oca::verify::repositories(&workshop, &lock, true, &progress()).unwrap();
        report
            .breaks
            .iter()
            .map(|b| format!("{} {}", b.kind, b.what))
            .collect::<Vec<_>>()
    };
    assert_eq!(breaks(), [""; 0]);
    // The same length and the same time: only reading it shows the difference.
    let script = tree.join("project_timeline/static/src/a.js");
    let time = times(&tree)["project_timeline/static/src/a.js"];
    files::replace(&script, b"let a = 9;\n", 0o644, None).unwrap();
    files::set_modified(&script, i64::try_from(time).unwrap()).unwrap();
    assert_eq!(
        breaks(),
        ["release-changed files of the release were changed: project_timeline/static/src/a.js"]
    );
    files::remove_tree(&tree).unwrap();
    let seen = observe(&one.layout, &one.spec, &one.root).unwrap();
    assert!(seen.present().is_some_and(|release| !release.fetched));
    built(&one, &lock);
    assert_eq!(breaks(), [""; 0]);
}

#[test]
fn a_changed_byte_in_a_release_is_named_where_only_a_checkout_has_the_commit() {
    let (_keep, odoo, project) = upstreams();
    let one = pack(&odoo, &project);
    let lock = locked(&one);
    let tree = built(&one, &lock).repositories["project"].clone();
    let workshop = Workshop::new(&one.spec, &one.layout, &one.root, &one.cache).unwrap();
    let all: Vec<_> = lock.repositories.iter().collect();
    oca::checkout::bring_all(&workshop, None, &all, &progress()).unwrap();
    files::remove_tree(&one.cache.join("git")).unwrap();
    let script = tree.join("project_timeline/static/src/a.js");
    files::replace(&script, b"let a = 9;\n", 0o644, None).unwrap();
    let report = oca::verify::repositories(&workshop, &lock, true, &progress()).unwrap();
    let kinds: Vec<&str> = report.breaks.iter().map(|b| b.kind).collect();
    assert_eq!(kinds, ["release-changed"]);
}

#[test]
fn what_is_not_locked_is_not_built() {
    let (_keep, odoo, project) = upstreams();
    let mut one = pack(&odoo, &project);
    let failure = one.builder().resolve(&progress()).unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert_eq!(failure.chain()[0], "the repositories of [addons] are not locked");
    let seen = observe(&one.layout, &one.spec, &one.root).unwrap();
    assert!(
        matches!(&seen, Seen::Unknown(why) if why.contains("odoopack lock")),
        "{seen:?}"
    );
    let lock = locked(&one);
    // The file wants something else than the lock.
    one.spec
        .addons
        .repositories
        .get_mut("project")
        .unwrap()
        .modules
        .push("project_wbs".to_owned());
    let builder = Builder {
        lock: Some(lock),
        ..one.builder()
    };
    let failure = builder.resolve(&progress()).unwrap_err();
    assert!(
        failure.chain()[1].contains("the file wants `project_wbs`"),
        "{:?}",
        failure.chain()
    );
}

#[test]
fn what_the_lock_cannot_mean_is_not_built() {
    let (_keep, odoo, project) = upstreams();
    let one = pack(&odoo, &project);
    let mut lock = locked(&one);
    let OdooPin::Git { commit, .. } = &lock.odoo else {
        panic!("{:?}", lock.odoo)
    };
    let other = commit.chars().rev().collect::<String>();
    // A tree that the commit does not have.
    lock.repositories.get_mut("project").unwrap().tree = other;
    let builder = Builder {
        lock: Some(lock.clone()),
        ..one.builder()
    };
    let release = builder.resolve(&progress()).unwrap();
    let failure = builder.fetch(&release, &progress()).unwrap_err();
    assert!(
        failure.chain()[0].contains("another tree than the lock says"),
        "{:?}",
        failure.chain()
    );
    let fails = |python: Option<Python>| {
        let mut lock = locked(&one);
        lock.python = python;
        let builder = Builder {
            lock: Some(lock),
            ..one.builder()
        };
        let release = builder.resolve(&progress()).unwrap();
        let release = builder.fetch(&release, &progress()).unwrap();
        let failure = builder.build_python(&release, &progress()).unwrap_err();
        failure.sentence()
    };
    // Python packages of another resolution.
    let said = fails(Some(Python {
        inputs: "00".repeat(32),
        targets: BTreeMap::new(),
    }));
    assert!(
        said.contains("has changed since `oca.lock.json` was made"),
        "{said}"
    );
    // A lock that somebody cut short.
    let said = fails(None);
    assert!(said.contains("names no Python packages"), "{said}");
    // Python packages for other machines than this one.
    let mut python = locked(&one).python.unwrap();
    let (here, list) = python.targets.pop_first().unwrap();
    python.targets.insert("3.10 aarch64 musl".to_owned(), list);
    let said = fails(Some(python));
    assert!(
        said.contains(&format!("has no Python packages for {here}"))
            && said.contains("only for 3.10 aarch64 musl")
            && said.contains(&format!("`odoopack lock --target '{here}'`")),
        "{said}"
    );
}

#[test]
fn a_module_of_another_series_is_named() {
    let (_keep, odoo, project) = upstreams();
    let old = b"{'name': 'W', 'version': '17.0.1.0.0'}\n";
    files::replace(&project.join("project_wbs/__manifest__.py"), old, 0o644, None).unwrap();
    git(&project, &["commit", "--quiet", "--all", "--message", "old"]);
    let one = pack(&odoo, &project);
    let mut lock = locked(&one);
    let modules = &mut lock.repositories.get_mut("project").unwrap().modules;
    modules.insert("project_wbs".to_owned(), "17.0.1.0.0".to_owned());
    let workshop = Workshop::new(&one.spec, &one.layout, &one.root, &one.cache).unwrap();
    let report = oca::verify::repositories(&workshop, &lock, true, &progress()).unwrap();
    let said: Vec<_> = report.breaks.iter().map(|b| (b.kind, b.about.as_str())).collect();
    assert_eq!(said, [("wrong-series", "project/project_wbs")]);
}

#[test]
fn what_an_own_module_pulls_in_runs_and_needs_its_python_too() {
    let (_keep, odoo, project) = upstreams();
    let manifest = b"{'name': 'W', 'version': '18.0.1.0.0', 'external_dependencies': {'python': ['idna']}}\n";
    files::replace(
        &project.join("project_wbs/__manifest__.py"),
        manifest,
        0o644,
        None,
    )
    .unwrap();
    git(&project, &["commit", "--quiet", "--all", "--message", "needs"]);
    let mut one = pack(&odoo, &project);
    let lock = locked(&one);
    one.spec.addons.own = vec!["own".to_owned()];
    let own = one.root.join("own/mine/__manifest__.py");
    files::directory_all(own.parent().unwrap()).unwrap();
    files::replace(&own, b"{'name': 'M', 'depends': ['project_wbs']}\n", 0o644, None).unwrap();
    let workshop = Workshop::new(&one.spec, &one.layout, &one.root, &one.cache).unwrap();
    let report = oca::verify::repositories(&workshop, &lock, true, &progress()).unwrap();
    let said: Vec<_> = report.breaks.iter().map(|b| (b.kind, b.about.as_str())).collect();
    assert_eq!(said, [("python-needs", "project")]);
}

#[test]
fn a_module_of_the_index_is_installed_without_a_network_and_linked_from_the_cache() {
    let (_keep, odoo, project) = upstreams();
    let mut one = pack(&odoo, &project);
    one.write("requirements.txt", "odoo-addon-auditlog\n");
    one.spec.addons.requirements = vec!["requirements.txt".to_owned()];
    let lock = locked(&one);
    let first = built(&one, &lock).python.unwrap();
    let mut assets = 0;
    walk::walk(&first, &mut |path, kind| {
        if kind.is_file() && path.as_str().contains("/odoo/addons/auditlog/static/") {
            let wanted = odoopack_core::oca_lock::time_of(&super::download::hash_of(path)?);
            let time = std::os::unix::fs::MetadataExt::mtime(&path.metadata().unwrap());
            assert_eq!(time, wanted, "{path}");
            assets += 1;
        }
        Ok(())
    })
    .unwrap();
    assert!(assets > 0, "the module sends something to browsers");
    // Links only go as far as one file system: beside the cache, and not where scratch packs lie.
    let cache = super::cache();
    let keep = tempfile::tempdir_in(&cache).unwrap();
    let place = Utf8Path::from_path(keep.path()).unwrap().join("env");
    let uv = super::index::there(&cache).unwrap();
    uv.venv(&one.python, &place).run().unwrap();
    uv.sync(&place, &first.join("requirements.lock"), true)
        .run()
        .unwrap();
    let mut links = Vec::new();
    walk::walk(&place, &mut |path, _| {
        if path.ends_with("odoo/addons/auditlog/__manifest__.py") {
            links.push(std::os::unix::fs::MetadataExt::nlink(&path.metadata().unwrap()));
        }
        Ok(())
    })
    .unwrap();
    assert!(matches!(links[..], [count] if count >= 2), "{links:?}");
}
