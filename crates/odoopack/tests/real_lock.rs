//! Real modules of the OCA in a dozen repositories behind `git daemon`: locked, broken in every way, made again elsewhere.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too, and writes files as it likes"
)]

mod locking;
mod support;
mod upstreams;

use std::collections::BTreeSet;

use camino::Utf8Path;
use locking::{at_once, merges, outside, private};
use serde_json::Value;
use support::machine::must;
use upstreams::{MODULES, NAMES, Pack, Place, contents, git};

#[test]
fn a_lock_of_real_repositories_holds_and_every_break_is_named() {
    let place = Place::new(&["18.0", "19.0"]);
    let pack = place.pack("one", "18.0");
    pack.json(&["lock"]);
    let lock = pack.lock();
    let modules: usize = NAMES
        .iter()
        .map(|name| lock["repositories"][name]["modules"].as_object().unwrap().len())
        .sum();
    assert_eq!(modules, MODULES);
    let packages = lock["python"]["targets"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .as_array()
        .unwrap()
        .clone();
    let auditlog = packages
        .iter()
        .find(|package| package["name"] == "odoo-addon-auditlog");
    assert!(
        auditlog.unwrap()["version"]
            .as_str()
            .unwrap()
            .starts_with("18.0."),
        "{auditlog:?}"
    );
    pack.json(&["oca", "sync"]);
    pack.breaks(&[], &[]);
    pack.breaks(&["--offline"], &[]);
    assert!(
        pack.json(&["lock"])["changes"].as_array().unwrap().is_empty(),
        "a second lock changes nothing"
    );
    // Plain git sees ordinary submodules at the recorded commits.
    let status = git(&pack.repo, &["submodule", "status"]);
    assert_eq!(status.lines().count(), NAMES.len());
    assert!(
        !status.lines().any(|line| line.starts_with(['+', '-', 'U'])),
        "{status}"
    );

    checkouts(&pack);
    tampered(&pack);
    wrong_wishes(&pack);
    wheels(&pack, &packages);
    machines(&pack);
    upstream(&place, &pack);
    elsewhere(&place, &pack);
}

#[test]
fn modules_of_19_are_locked_as_well_and_pull_requests_merge_the_same_everywhere() {
    let place = Place::new(&["19.0"]);
    let pack = place.pack("nineteen", "19.0");
    pack.json(&["lock"]);
    let lock = pack.lock();
    let versions = lock["repositories"]["web"]["modules"].as_object().unwrap();
    assert!(
        versions
            .values()
            .all(|version| version.as_str().unwrap().starts_with("19.0.")),
        "{versions:?}"
    );
    pack.breaks(&[], &[]);
    pack.breaks(&["--offline"], &[]);
    // A commit that nobody has.
    let old = lock["repositories"]["web"]["commit"].as_str().unwrap();
    pack.with("oca.lock.json", old, &"5".repeat(40), || {
        let found = pack.broken(&["--offline"]);
        assert!(found.keys().any(|key| key == "web: absent"), "{found:?}");
    });
    merges(&place, &pack);
    outside(&place, &pack);
    at_once(&pack);
    private(&place, &pack);
}

fn checkouts(pack: &Pack<'_>) {
    // A byte of the same file, with the same size and time.
    let web = pack.checkout("web");
    let manifest = contents(&web)
        .into_keys()
        .find(|name| name.ends_with("__manifest__.py"))
        .unwrap();
    let path = web.join(&manifest);
    let before = std::fs::read(&path).unwrap();
    let time = path.metadata().unwrap().modified().unwrap();
    let mut after = before.clone();
    *after.last_mut().unwrap() = b' ';
    std::fs::write(&path, &after).unwrap();
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let found = pack.breaks(&["--offline"], &["web: checkout-changed"]);
    assert!(found["web: checkout-changed"].contains(&manifest), "{found:?}");
    std::fs::write(&path, &before).unwrap();
    // A file that the commit does not have.
    std::fs::write(web.join("extra.py"), "x").unwrap();
    pack.breaks(&["--offline"], &["web: checkout-changed"]);
    std::fs::remove_file(web.join("extra.py")).unwrap();
    pack.breaks(&["--offline"], &[]);
    // Somebody pulled: the checkout and then the submodule are elsewhere than the lock.
    let hr = pack.checkout("hr");
    git(
        &hr,
        &[
            "-c",
            "user.name=T",
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "local",
        ],
    );
    pack.breaks(&["--offline"], &["hr: checkout-moved"]);
    git(&pack.repo, &["add", "addons/external/oca/hr"]);
    pack.breaks(&["--offline"], &["hr: checkout-moved", "hr: submodule"]);
    assert_eq!(pack.json(&["oca", "sync"])["moved"], serde_json::json!(["hr"]));
    pack.breaks(&["--offline"], &[]);
}

/// The lock itself says something else than the commits have.
fn tampered(pack: &Pack<'_>) {
    let lock = pack.lock();
    let of = |name: &str, key: &str| lock["repositories"][name][key].as_str().unwrap().to_owned();
    let (tree, other) = (of("web", "tree"), of("hr", "tree"));
    pack.with("oca.lock.json", &tree, &other, || {
        pack.breaks(&["--offline"], &["web: tree"]);
    });
    let (module, version) = lock["repositories"]["web"]["modules"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let line = format!("\"{module}\": {version}");
    pack.with(
        "oca.lock.json",
        &line,
        &format!("\"{module}\": \"18.0.9.9.9\""),
        || {
            pack.breaks(&["--offline"], &[&format!("web/{module}: version")]);
        },
    );
    let neighbour = lock["repositories"]["hr"]["modules"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap();
    let more = format!(
        "\"base_sparse_field\": \"18.0.1.0.0\",\n        \"{neighbour}\": \"18.0.1.0.0\",\n        {line}"
    );
    pack.with("oca.lock.json", &line, &more, || {
        let core = "web/base_sparse_field: missing-module";
        let beside = format!("web/{neighbour}: missing-module");
        let mut wanted = [core, &beside];
        wanted.sort_unstable();
        let found = pack.breaks(&["--offline"], &wanted);
        assert!(found[core].ends_with("it is part of Odoo"), "{found:?}");
        assert!(found[&beside].ends_with("it is in `hr`"), "{found:?}");
    });
    let commit = of("web", "commit");
    pack.with("oca.lock.json", &commit, "HEAD", || {
        pack.breaks(&["--offline"], &["web: unpinned"]);
    });
}

/// The file wants what is not there: the lock is not written, and every reason is named.
fn wrong_wishes(pack: &Pack<'_>) {
    let before = pack.text("oca.lock.json");
    let web = format!(
        "[addons.repositories.web]\nurl = \"git://127.0.0.1:{}/web\"\n",
        pack.place.port
    );
    let wanted = "modules = [\"account_lock_date\", \"calendar_event_type\", \"project_task_template\", \"base_sparse_field\"]\n";
    pack.with("odoopack.toml", &web, &format!("{web}{wanted}"), || {
        pack.breaks(&["--offline"], &["web: differs"]);
        let said = pack.run(&["lock"]).exits(4).said();
        for module in [
            "account_lock_date",
            "calendar_event_type",
            "project_task_template",
        ] {
            assert!(said.contains(&format!("web/{module}: not in commit")), "{said}");
        }
        assert!(
            said.contains("it is part of Odoo") && said.contains("it is nowhere that is known here"),
            "{said}"
        );
    });
    let module = pack.lock()["repositories"]["web"]["modules"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let nineteen = format!("{web}branch = \"19.0\"\nmodules = [\"{module}\"]\n");
    pack.with("odoopack.toml", &web, &nineteen, || {
        let said = pack.run(&["lock"]).exits(4).said();
        assert!(
            said.contains("which is not of 18.0") || said.contains("not in commit"),
            "{said}"
        );
    });
    assert_eq!(pack.text("oca.lock.json"), before);
}

/// A lock for other machines than this one, whose packages are chosen again with everything else.
fn machines(pack: &Pack<'_>) {
    let targets = || pack.lock()["python"]["targets"].as_object().unwrap().clone();
    let has = |target: &Value, name: &str| {
        let all = target.as_array().unwrap();
        all.iter().any(|package| package["name"] == name)
    };
    let here = targets().keys().next().unwrap().clone();
    let there = "3.12 aarch64 musl";
    pack.json(&["lock", "--target", there]);
    assert!(has(&targets()[there], "six") && has(&targets()[there], "odoo-addon-auditlog"));
    pack.breaks(&["--offline"], &[]);
    let wanted = pack.text("requirements.txt");
    std::fs::write(pack.repo.join("requirements.txt"), format!("{wanted}attrs\n")).unwrap();
    pack.json(&["lock"]);
    assert!(has(&targets()[there], "attrs") && has(&targets()[&here], "attrs"));
    // What a machine that is not among them is told.
    let quoted = format!("\"{here}\"");
    pack.with("oca.lock.json", &quoted, "\"3.10 aarch64 glibc\"", || {
        let found = pack.breaks(&["--offline"], &["python: target"]);
        let only = format!("no packages for this machine, {here}, only for 3.10 aarch64 glibc, {there}");
        assert_eq!(found["python: target"], only);
    });
    pack.json(&["lock", "--drop-target", there]);
    assert_eq!(targets().keys().collect::<Vec<_>>(), [&here]);
}

fn wheels(pack: &Pack<'_>, packages: &[Value]) {
    let six = packages.iter().find(|package| package["name"] == "six").unwrap();
    let hashes: BTreeSet<&str> = six["hashes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| hash.as_str().unwrap())
        .collect();
    let before = pack.text("oca.lock.json");
    let mut tampered = before.clone();
    for hash in &hashes {
        tampered = tampered.replace(hash, &format!("sha256:{}", "0".repeat(64)));
    }
    std::fs::write(pack.repo.join("oca.lock.json"), tampered).unwrap();
    let found = pack.breaks(&["--offline"], &["python: hash"]);
    assert!(found["python: hash"].starts_with("six 1.17.0"), "{found:?}");
    std::fs::write(pack.repo.join("oca.lock.json"), before).unwrap();
    // The wheel leaves the cache, and comes back.
    let wheels = pack.cache.join("odoopack/wheels");
    let listed = must(
        "find",
        &[
            wheels.as_str(),
            "-path",
            "*wheels-*",
            "-type",
            "d",
            "-name",
            "six",
        ],
    );
    let place = listed
        .lines()
        .next()
        .unwrap_or_else(|| panic!("no six below {wheels}"));
    let aside = format!("{place}.aside");
    std::fs::rename(place, &aside).unwrap();
    let found = pack.breaks(&["--offline"], &["python: wheel"]);
    assert!(
        found["python: wheel"].starts_with("six 1.17.0: not in the cache"),
        "{found:?}"
    );
    drop(std::fs::remove_dir_all(place));
    std::fs::rename(&aside, place).unwrap();
    pack.breaks(&["--offline"], &[]);
}

fn upstream(place: &Place, pack: &Pack<'_>) {
    // The branch moves on: the lock holds, and what is new is shown.
    let up = place.up("web");
    let module = pack.lock()["repositories"]["web"]["modules"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let manifest = up.join(&module).join("__manifest__.py");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let version = pack.lock()["repositories"]["web"]["modules"][&module]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::write(&manifest, text.replace(&version, "18.0.99.0.0")).unwrap();
    let script = up.join(&module).join("migrations/18.0.99.0.0");
    std::fs::create_dir_all(&script).unwrap();
    std::fs::write(
        script.join("post-migration.py"),
        "def migrate(cr, version):\n    pass\n",
    )
    .unwrap();
    std::fs::create_dir_all(up.join("brand_new")).unwrap();
    std::fs::write(
        up.join("brand_new/__manifest__.py"),
        "{'name': 'N', 'version': '18.0.1.0.0'}\n",
    )
    .unwrap();
    git(&up, &["add", "--all"]);
    git(&up, &["commit", "--quiet", "--message", "[IMP] web: much better"]);
    let notes = pack.json(&["lock", "verify"])["notes"].clone();
    let moved = |note: &Value| note.as_str().unwrap().starts_with("web: `18.0` has moved on to ");
    assert!(notes.as_array().unwrap().iter().any(moved), "{notes}");
    let outdated = pack.json(&["oca", "outdated"]);
    assert_eq!(
        (outdated[0]["name"].as_str(), outdated[0]["commits"].as_u64()),
        (Some("web"), Some(1)),
        "{outdated}"
    );
    let log = pack.json(&["oca", "log", "web"]);
    assert_eq!(
        log["ahead"]["commits"][0]["subject"], "[IMP] web: much better",
        "{log}"
    );
    assert_eq!(log["ahead"]["added"], serde_json::json!(["brand_new"]));
    let changed = &log["ahead"]["changed"][0];
    assert_eq!(
        (&changed["module"], &changed["migrations"]),
        (&Value::from(module.clone()), &serde_json::json!(["18.0.99.0.0"]))
    );
    updates(pack, &up, &module);
}

/// Forward, back to a commit by name, and a branch that was rewritten under the lock.
fn updates(pack: &Pack<'_>, up: &Utf8Path, module: &str) {
    let before = pack.text("oca.lock.json");
    assert!(
        !pack.json(&["oca", "update", "web", "--dry-run"])["changes"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(pack.text("oca.lock.json"), before);
    pack.json(&["oca", "update", "web"]);
    assert_eq!(
        pack.lock()["repositories"]["web"]["modules"][module],
        "18.0.99.0.0"
    );
    assert_eq!(
        pack.lock()["repositories"]["web"]["commit"].as_str().unwrap(),
        git(up, &["rev-parse", "HEAD"])
    );
    pack.breaks(&["--offline"], &[]);
    // And back, to a commit by name.
    let first = git(up, &["rev-parse", "HEAD~1"]);
    pack.json(&["oca", "update", "web", "--to", &first]);
    pack.breaks(&[], &[]);
    by_date(pack, up);
    pack.json(&["oca", "update", "web", "--to", &first]);
    // The branch is rewritten: the commit is on this machine, and no longer on the branch.
    git(up, &["commit", "--quiet", "--amend", "--message", "rewritten"]);
    git(up, &["reset", "--quiet", "--hard", "HEAD~1"]);
    git(
        up,
        &["commit", "--quiet", "--amend", "--message", "another beginning"],
    );
    let found = pack.breaks(&[], &["web: rewritten"]);
    assert!(found["web: rewritten"].contains("no longer holds"), "{found:?}");
    pack.breaks(&["--offline"], &[]);
}

/// To what the branch was on a day, by the time at which commits came to be.
fn by_date(pack: &Pack<'_>, up: &Utf8Path) {
    let now = git(up, &["rev-parse", "HEAD"]);
    let tree = git(up, &["rev-parse", "HEAD^{tree}"]);
    let words = ["commit-tree", &tree, "-p", &now, "-m", "later"];
    let who = [
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@example.org",
        "-C",
        up.as_str(),
    ];
    let later = must(
        "env",
        &[
            &["GIT_COMMITTER_DATE=2035-06-01T12:00:00Z", "git"][..],
            &who,
            &words,
        ]
        .concat(),
    );
    git(up, &["reset", "--quiet", "--hard", later.trim()]);
    pack.json(&["oca", "update", "web", "--before", "2035-06-01"]);
    assert_eq!(
        pack.lock()["repositories"]["web"]["commit"].as_str(),
        Some(now.as_str())
    );
    pack.json(&["oca", "update", "web", "--before", "2035-06-02"]);
    assert_eq!(
        pack.lock()["repositories"]["web"]["commit"].as_str(),
        Some(later.trim())
    );
    let said = pack
        .run(&["oca", "update", "web", "--before", "2001-01-01"])
        .exits(4)
        .said();
    assert!(
        said.contains("has no commit on `18.0` before 2001-01-01"),
        "{said}"
    );
    git(up, &["reset", "--quiet", "--hard", "HEAD~1"]);
}

/// A second directory with a cache of its own, from what git carries.
fn elsewhere(place: &Place, pack: &Pack<'_>) {
    git(&pack.repo, &["add", "--all"]);
    git(&pack.repo, &["commit", "--quiet", "--message", "pack"]);
    let repo = place.root.join("two/repo");
    std::fs::create_dir_all(repo.parent().unwrap()).unwrap();
    git(
        &place.root,
        &["clone", "--quiet", pack.repo.as_str(), repo.as_str()],
    );
    let cache = place.root.join("cache");
    std::fs::create_dir_all(cache.join("odoopack")).unwrap();
    for shared in ["uv", "wheels", "locks"] {
        let from = pack.cache.join("odoopack").join(shared);
        std::os::unix::fs::symlink(from, cache.join("odoopack").join(shared)).unwrap();
    }
    let other = Pack { place, repo, cache };
    other.json(&["oca", "sync"]);
    other.breaks(&["--offline"], &[]);
    for name in NAMES {
        let (one, two) = (contents(&pack.checkout(name)), contents(&other.checkout(name)));
        assert!(one.len() > 3 && one == two, "{name}");
    }
    assert_eq!(git(&other.repo, &["status", "--porcelain"]), "");
}
