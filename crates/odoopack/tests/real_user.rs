//! `odoopack demo` as an ordinary user: a whole Odoo on high ports below the home, and everything that needs root refused.
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs, writes files and panics"
)]
mod faults;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use faults::{Disk, expect, processes_in, quiet, run, seed};

/// A user for this test alone, whose home is in memory.
struct User {
    name: String,
    disk: Disk,
}

impl User {
    fn new() -> Self {
        let disk = Disk::new("user", "6g");
        let name = format!("odoopack-{}", std::process::id());
        run(Command::new("useradd")
            .args(["--no-create-home", "--home-dir"])
            .arg(&disk.place)
            .arg(&name));
        let user = Self { name, disk };
        std::fs::copy(env!("CARGO_BIN_EXE_odoopack"), user.home().join("odoopack")).unwrap();
        seed(&user.home().join(".cache/odoopack"));
        run(Command::new("chown")
            .args(["-R", &format!("{0}:{0}", user.name)])
            .arg(user.home()));
        user
    }

    fn home(&self) -> PathBuf {
        self.disk.place.clone()
    }

    fn root(&self) -> PathBuf {
        self.home().join(".local/share/odoopack/demo")
    }

    /// The program as this user, with a mask that closes everything, after `prepare` was done in a mount namespace.
    fn command(&self, prepare: &str, args: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-euc"]);
        command.arg(format!(
            "{prepare} cd $1; exec runuser -u $0 -- env HOME=$1 XDG_CACHE_HOME= \
             PATH=/usr/bin:/bin LANG=de_DE.UTF-8 sh -c 'umask 077; exec ./odoopack {args}'"
        ));
        command.arg(&self.name).arg(self.home());
        quiet(command)
    }

    fn odoopack(&self, code: i32, args: &str, words: &[&str]) -> String {
        expect(&mut self.command("", args), code, words)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        for pid in processes_in(&self.disk.place) {
            faults::signal(pid, rustix::process::Signal::KILL);
        }
        faults::wait_until("the user's processes to end", || {
            processes_in(&self.disk.place).is_empty()
        });
        drop(Command::new("userdel").arg(&self.name).output());
    }
}

#[test]
fn an_ordinary_user_gets_a_whole_odoo_and_plain_words_about_the_rest() {
    let user = User::new();
    what_needs_root_is_refused(&user);
    let text = user.odoopack(
        0,
        "demo --yes",
        &["sign in", "https://localhost:", "Nothing starts it at boot"],
    );
    let fences = format!("every process runs as {}", user.name);
    assert!(text.contains(&fences) && text.contains("memory limit"), "{text}");
    user.odoopack(
        0,
        "status --root .local/share/odoopack/demo",
        &["websocket   ok", "login       ok", &fences],
    );
    everything_is_the_users(&user);
    user.odoopack(0, "demo --yes", &["nothing to do"]);
    backups_are_proven(&user);
    edits_are_kept(&user);
    let mut root = Command::new(env!("CARGO_BIN_EXE_odoopack"));
    root.arg("--root").arg(user.root()).args(["up", "--yes"]);
    let words = [&format!("belongs to user {}", user.name), "sudo -u"];
    expect(&mut quiet(root), 4, &words);
    user.odoopack(0, "demo --down --yes", &["the demo is gone"]);
    let left = processes_in(&user.root());
    assert!(left.is_empty() && !user.root().exists(), "{left:?}");
}

fn what_needs_root_is_refused(user: &User) {
    let hidden = "mount --bind /dev/null /usr/sbin/nginx;";
    let words = [
        "only root can install: nginx",
        "hint: `sudo apt-get install --no-install-recommends nginx`; that also starts servers of the host",
    ];
    expect(&mut user.command(hidden, "demo --yes"), 4, &words);
    assert!(!user.root().exists(), "a refusal left something behind");
    let low = "format = 1\n[web]\nhttps_port = 443\n[odoo]\nseries = \"19.0\"\nsource = { debian = \"sid\" }\n\
               [environments.production]\ndomain = \"localhost\"\n";
    let place = user.home().join("low");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("odoopack.toml"), low).unwrap();
    user.odoopack(
        4,
        "--root low up --yes",
        &["ordinary user cannot listen on port 443", "https_port", "port 80"],
    );
    user.odoopack(
        4,
        "--root /opt/not-mine demo --yes",
        &["Permission denied", "--root DIR"],
    );
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);
}

fn everything_is_the_users(user: &User) {
    let uid = std::fs::metadata(user.home()).unwrap().uid();
    let all = processes_in(&user.root());
    assert!(all.len() > 10, "only {} processes", all.len());
    for pid in all {
        let Ok(data) = std::fs::metadata(format!("/proc/{pid}")) else {
            continue;
        };
        assert_eq!(data.uid(), uid, "process {pid}");
    }
    let file = std::fs::read_to_string(user.root().join("repo/odoopack.toml")).unwrap();
    let file: toml::Table = file.parse().unwrap();
    for key in ["http_port", "https_port"] {
        assert!(file["web"][key].as_integer().unwrap() > 1023);
    }
}

/// The drill needs a namespace without a network, which the kernel gives to an ordinary user as well.
fn backups_are_proven(user: &User) {
    let root = "--root .local/share/odoopack/demo";
    user.odoopack(
        0,
        &format!("backup create {root}"),
        &["snapshot", "of production"],
    );
    user.odoopack(
        0,
        &format!("backup drill {root}"),
        &["is proven", "Odoo serves them"],
    );
    let status = user.odoopack(8, &format!("backup status {root}"), &["back in"]);
    let words: Vec<_> = status.split_whitespace().collect();
    let proven = words.iter().position(|word| *word == "proven").unwrap();
    assert!(words[proven + 1].parse::<jiff::civil::Date>().is_ok(), "{status}");
    everything_is_the_users(user);
}

fn edits_are_kept(user: &User) {
    let check = "render --check --root .local/share/odoopack/demo";
    let up = "up --yes --root .local/share/odoopack/demo";
    user.odoopack(0, check, &["every rendered file is as it should be"]);
    let path = user.root().join("data/config/nginx/nginx.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}# by hand\n")).unwrap();
    user.odoopack(8, check, &["-# by hand", "1 of"]);
    user.odoopack(4, up, &["nginx.conf was edited by hand", "--overwrite-edits"]);
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("# by hand\n"));
    user.odoopack(0, &format!("{up} --overwrite-edits"), &["kept as"]);
    let kept = std::fs::read_to_string(path.with_extension("edited")).unwrap();
    assert!(kept.ends_with("# by hand\n") && std::fs::read_to_string(&path).unwrap() == text);
    user.odoopack(0, check, &[]);
}
