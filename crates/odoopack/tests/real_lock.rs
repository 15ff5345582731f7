//! Real modules of the OCA in a dozen repositories behind `git daemon`: locked, broken in every way, made again elsewhere.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too, and writes files as it likes"
)]

mod support;
mod upstreams;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use camino::Utf8Path;
use serde_json::Value;
use support::machine::must;
use support::wait_for;
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

/// A repository that only a key opens, on a host that only its own key proves.
fn private(place: &Place, pack: &Pack<'_>) {
    let keys = place.root.join("ssh");
    std::fs::create_dir_all(&keys).unwrap();
    let key = |name: &str| {
        let path = keys.join(name);
        must(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path.as_str()],
        );
        let public = std::fs::read_to_string(format!("{path}.pub")).unwrap();
        let bare = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
        (path, bare)
    };
    let [(host, host_key), (right, right_key), (wrong, wrong_key)] = ["host", "right", "wrong"].map(key);
    std::fs::write(keys.join("authorized"), format!("{right_key}\n")).unwrap();
    let (mut daemon, port) = daemon_of_ssh(&host, &keys.join("authorized"));
    let user = must("id", &["-un"]);
    let old = format!("git://127.0.0.1:{}/queue", place.port);
    let new = format!("ssh://{}@127.0.0.1:{port}{}", user.trim(), place.up("queue"));
    let update = |known: &str| {
        let mut answer = None;
        let keyed = format!("insecure = true\nkey = \"secret:DEPLOY\"\nknown = [\"{known}\"]\n");
        pack.with("odoopack.toml", "insecure = true\n", &keyed, || {
            pack.with("odoopack.toml", &old, &new, || {
                answer = Some(pack.run(&["oca", "update", "queue", "--dry-run"]));
            });
        });
        answer.unwrap()
    };
    let said = update(&host_key).exits(4).said();
    assert!(
        said.contains("there is no secret DEPLOY, the key for `127.0.0.1`"),
        "{said}"
    );
    let secret = |path: &Utf8Path| {
        let set = Command::new(env!("CARGO_BIN_EXE_odoopack"))
            .args(["secret", "set", "DEPLOY"])
            .current_dir(&pack.repo)
            .stdin(std::fs::File::open(path).unwrap())
            .status();
        assert!(set.unwrap().success());
    };
    secret(&wrong);
    let said = update(&host_key).exits(1).said();
    assert!(said.contains("Permission denied"), "{said}");
    secret(&right);
    drop(update(&host_key).exits(0));
    let said = update(&wrong_key).exits(1).said();
    assert!(said.contains("Host key verification failed"), "{said}");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

/// An ssh server of the test's own, which ends with it, and its port.
fn daemon_of_ssh(host: &Utf8Path, authorized: &Utf8Path) -> (Child, u16) {
    // Debian's server looks for it; its service makes it, and no service runs here.
    std::fs::create_dir_all("/run/sshd").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let daemon = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "--",
            "/usr/sbin/sshd",
            "-D",
            "-f",
            "/dev/null",
        ])
        .args(["-h", host.as_str(), "-p", &port.to_string()])
        .args([
            "-o",
            "ListenAddress=127.0.0.1",
            "-o",
            "PidFile=none",
            "-o",
            "StrictModes=no",
        ])
        .args(["-o", "UsePAM=no", "-o", "PasswordAuthentication=no"])
        .args(["-o", &format!("AuthorizedKeysFile={authorized}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("sshd listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (daemon, port)
}

/// A module of which a part lies in another repository or in Git LFS is refused, and named.
fn outside(place: &Place, pack: &Pack<'_>) {
    let before = pack.text("oca.lock.json");
    let module = pack.lock()["repositories"]["web"]["modules"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let up = place.up("web");
    git(&up, &["checkout", "--quiet", "19.0"]);
    std::fs::write(up.join(".gitattributes"), "*.mp4 filter=lfs -text\n").unwrap();
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 9\n",
        "4d".repeat(32)
    );
    std::fs::write(up.join(&module).join("film.mp4"), pointer).unwrap();
    std::fs::create_dir_all(up.join(&module).join("lib")).unwrap();
    git(&up, &["add", "--all"]);
    let link = format!("160000,{},{module}/lib", "5".repeat(40));
    git(&up, &["update-index", "--add", "--cacheinfo", &link]);
    git(&up, &["commit", "--quiet", "--message", "outside"]);
    let said = pack.run(&["oca", "update", "web"]).exits(4).said();
    for what in ["film.mp4` is a file in Git LFS", "lib` is a submodule"] {
        assert!(
            said.contains(&format!("web/{module}: `{module}/{what}")),
            "{said}"
        );
    }
    assert_eq!(pack.text("oca.lock.json"), before);
    git(&up, &["reset", "--quiet", "--hard", "HEAD~1"]);
}

/// Several people change file and lock at once: each is done wholly or told to wait, and nothing is lost.
fn at_once(pack: &Pack<'_>) {
    let until_free = |args: &[&str]| {
        loop {
            let answer = pack.run(args);
            if answer.code != Some(5) {
                drop(answer.exits(0));
                return;
            }
            assert!(
                answer.said().contains("somebody else is at work here"),
                "{}",
                answer.said()
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| until_free(&["oca", "remove", "social"]));
        scope.spawn(|| until_free(&["oca", "remove", "hr"]));
        scope.spawn(|| until_free(&["oca", "update", "queue"]));
        until_free(&["lock"]);
    });
    let (file, lock) = (pack.text("odoopack.toml"), pack.lock());
    for gone in ["social", "hr"] {
        assert!(!file.contains(&format!("repositories.{gone}]")), "{file}");
        assert!(lock["repositories"].get(gone).is_none(), "{gone}");
    }
    assert_eq!(lock["repositories"].as_object().unwrap().len(), NAMES.len() - 2);
    pack.breaks(&["--offline"], &[]);
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
    pack.breaks(&[], &[]);
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

/// A pull request that got new commits, or was closed and taken away, is outdated too.
fn moved_pull(up: &Utf8Path, pack: &Pack<'_>) {
    let merges = || {
        let outdated = pack.json(&["oca", "outdated"]);
        outdated
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == "project")
            .map(|row| row["merges"].clone())
    };
    assert_eq!(merges(), None);
    let old = git(up, &["rev-parse", "refs/pull/7/head"]);
    let tree = git(up, &["rev-parse", "refs/pull/7/head^{tree}"]);
    let new = git(up, &["commit-tree", &tree, "-p", &old, "-m", "more"]);
    git(up, &["update-ref", "refs/pull/7/head", &new]);
    let moved = |to: &Value| serde_json::json!([{ "ref": "refs/pull/7/head", "from": old, "to": to }]);
    assert_eq!(merges(), Some(moved(&Value::from(new))));
    git(up, &["update-ref", "-d", "refs/pull/7/head"]);
    assert_eq!(merges(), Some(moved(&Value::Null)));
    let said = pack.run(&["oca", "log", "project"]).exits(0).said();
    assert!(
        said.contains("refs/pull/7/head, which is merged, is gone"),
        "{said}"
    );
    git(up, &["update-ref", "refs/pull/7/head", &old]);
}

/// Pull requests: merged, the same on another machine, refused when they conflict.
fn merges(place: &Place, pack: &Pack<'_>) {
    let up = place.up("project");
    git(&up, &["checkout", "--quiet", "--detach", "19.0"]);
    std::fs::create_dir_all(up.join("from_pull")).unwrap();
    std::fs::write(
        up.join("from_pull/__manifest__.py"),
        "{'name': 'P', 'version': '19.0.1.0.0'}\n",
    )
    .unwrap();
    git(&up, &["add", "--all"]);
    git(&up, &["commit", "--quiet", "--message", "pull"]);
    git(&up, &["update-ref", "refs/pull/7/head", "HEAD"]);
    git(&up, &["checkout", "--quiet", "19.0"]);
    std::fs::write(up.join("README"), "the branch\n").unwrap();
    git(&up, &["add", "--all"]);
    git(&up, &["commit", "--quiet", "--message", "branch"]);
    pack.json(&["oca", "add", "project", "--merge", "refs/pull/7/head"]);
    pack.json(&["oca", "update", "project"]);
    let locked = pack.lock()["repositories"]["project"].clone();
    assert_eq!(locked["modules"]["from_pull"], "19.0.1.0.0", "{locked}");
    pack.breaks(&[], &[]);
    moved_pull(&up, pack);
    // Another machine merges again and gets the same commit.
    let cache = place.root.join("cache-of-merges");
    std::fs::create_dir_all(cache.join("odoopack")).unwrap();
    for shared in ["uv", "wheels", "locks"] {
        std::os::unix::fs::symlink(
            pack.cache.join("odoopack").join(shared),
            cache.join("odoopack").join(shared),
        )
        .unwrap();
    }
    let (one, merged) = (pack.checkout("project"), locked["merged"].as_str().unwrap());
    assert_eq!(git(&one, &["rev-parse", "HEAD"]), merged);
    let before = contents(&one);
    std::fs::remove_dir_all(&one).unwrap();
    let other = Pack {
        place,
        repo: pack.repo.clone(),
        cache,
    };
    other.json(&["oca", "sync", "project"]);
    assert_eq!(git(&one, &["rev-parse", "HEAD"]), merged);
    assert_eq!(contents(&one), before);
    // A pull request that does not fit.
    git(&up, &["checkout", "--quiet", "--detach", "19.0~1"]);
    std::fs::write(up.join("README"), "the pull request\n").unwrap();
    git(&up, &["add", "--all"]);
    git(&up, &["commit", "--quiet", "--message", "conflict"]);
    git(&up, &["update-ref", "refs/pull/8/head", "HEAD"]);
    let said = pack
        .run(&["oca", "add", "project", "--merge", "refs/pull/8/head"])
        .exits(4)
        .said();
    assert!(
        said.contains("does not merge into `project`") && said.contains("conflicts in README"),
        "{said}"
    );
    pack.breaks(&["--offline"], &[]);
}
