//! Pull requests, private repositories, modules that lie partly elsewhere, and several people at once.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too, and writes files as it likes"
)]

use std::process::{Child, Command, Stdio};

use camino::Utf8Path;
use serde_json::Value;

use crate::support::machine::must;
use crate::support::wait_for;
use crate::upstreams::{NAMES, Pack, Place, contents, git};

/// A module of which a part lies in another repository or in Git LFS is refused, and named.
pub(crate) fn outside(place: &Place, pack: &Pack<'_>) {
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
pub(crate) fn at_once(pack: &Pack<'_>) {
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

/// A repository that only a key opens, on a host that only its own key proves.
pub(crate) fn private(place: &Place, pack: &Pack<'_>) {
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
pub(crate) fn merges(place: &Place, pack: &Pack<'_>) {
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
