//! `up` as root through everything that goes wrong: no network, a bad download, a full disk, ^C; then it finishes.
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs, writes files and panics"
)]
mod faults;

use std::path::PathBuf;
use std::process::{Child, Command};

use faults::{Disk, expect, processes_in, quiet, seed, signal, wait_until};

/// A pack of this test alone.
struct Pack {
    disk: Disk,
}

const FILE: &str = r#"format = 1
[pack]
name = "mishaps"
[odoo]
series = "19.0"
source = { debian = "sid" }
[postgres]
port = 15499
[web]
listen = ["127.0.0.1"]
http_port = 18981
https_port = 18944
[environments.production]
domain = "localhost"
users = 3
"#;

impl Pack {
    fn new() -> Self {
        let pack = Self {
            disk: Disk::new("faults", "7g"),
        };
        std::fs::create_dir_all(pack.root().join("repo")).unwrap();
        std::fs::write(pack.root().join("repo/odoopack.toml"), FILE).unwrap();
        // This lets `demo --down` remove the pack with its users.
        let mark = format!("made by a test, which may remove\n{}\n", pack.root().display());
        std::fs::write(pack.root().join(".odoopack-demo"), mark).unwrap();
        pack
    }

    fn root(&self) -> PathBuf {
        self.disk.place.join("pack")
    }

    fn cache(&self) -> PathBuf {
        self.disk.place.join("cache/odoopack")
    }

    /// The program without any network but loopback.
    fn offline(&self, args: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-euc", "ip link set lo up; exec \"$@\"", "sh"]);
        command
            .arg(env!("CARGO_BIN_EXE_odoopack"))
            .arg("--root")
            .arg(self.root())
            .args(args);
        command
            .env("XDG_CACHE_HOME", self.disk.place.join("cache"))
            .current_dir("/");
        quiet(command)
    }

    /// Starts `up` and waits until the step that begins like this has begun.
    fn up_until(&self, step: &str) -> Child {
        let earlier = self.last_journal_path();
        let child = self.offline(&["up", "--yes"]).spawn().unwrap();
        let begun = format!("{{\"step\":\"{step}\"");
        wait_until(step, || {
            // The journal of an earlier run that was interrupted ends in the same words.
            let journal = self
                .last_journal_path()
                .filter(|path| earlier.as_ref() != Some(path));
            let journal = journal.map(|path| std::fs::read_to_string(path).unwrap());
            journal
                .unwrap_or_default()
                .lines()
                .last()
                .is_some_and(|line| line.contains("\"begin\"") && line.contains(&begun[1..]))
        });
        child
    }

    fn last_journal_path(&self) -> Option<PathBuf> {
        let directory = self.root().join("data/odoopack/operations");
        let all = std::fs::read_dir(directory).into_iter().flatten().flatten();
        all.map(|entry| entry.path()).max()
    }

    /// Names in the directory of releases that are no leftovers of an interrupted run.
    fn releases(&self) -> Vec<String> {
        let all = std::fs::read_dir(self.root().join("data/releases"))
            .into_iter()
            .flatten()
            .flatten();
        let names = all.map(|entry| entry.file_name().into_string().unwrap());
        names
            .filter(|name| !name.starts_with('.') && name != "python")
            .collect()
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        let gone = self.offline(&["demo", "--down", "--yes"]).output().unwrap();
        if !gone.status.success() {
            // Shown with the failure of the test.
            drop(std::fs::write("/dev/stderr", faults::said(&gone)));
        }
    }
}

#[test]
fn up_says_what_went_wrong_leaves_nothing_half_done_and_finishes() {
    let pack = Pack::new();
    let up = ["up", "--yes"];
    // No network, nothing in the cache.
    expect(
        &mut pack.offline(&up),
        1,
        &[
            "could not fetch the package index of Debian sid",
            "hint: check the network",
        ],
    );
    seed(&pack.cache());
    a_bad_download_is_never_used(&pack);
    a_full_disk_is_named(&pack);
    interrupts_end_what_runs(&pack);
    // No network, everything in the cache.
    let text = expect(&mut pack.offline(&up), 0, &["check production"]);
    assert!(!text.contains("FAILED"), "{text}");
    // Its servers live in the network of the run that started them, so it is looked at from there by `down` only.
    let mut down = pack.offline(&["down"]);
    expect(&mut down, 0, &["stopped 6 services"]);
    let left = processes_in(&pack.root());
    assert!(left.is_empty(), "{left:?}");
    a_second_up_at_the_same_time_is_told(&pack);
}

/// A file in the cache that was cut off, and one with other bytes of the same length.
fn a_bad_download_is_never_used(pack: &Pack) {
    let debs = pack.cache().join("debs");
    let odoo = std::fs::read_dir(&debs).unwrap().flatten().map(|e| e.path());
    let odoo = odoo
        .into_iter()
        .find(|path| path.to_str().unwrap().ends_with("-odoo-19.deb"))
        .unwrap();
    let good = std::fs::read(&odoo).unwrap();
    let mut wrong = good.clone();
    wrong[1_000_000] ^= 1;
    for bad in [&good[..good.len() / 2], &wrong] {
        std::fs::write(&odoo, bad).unwrap();
        let words = ["could not download odoo-19", "could not get Odoo"];
        expect(&mut pack.offline(&["up", "--yes"]), 1, &words);
        assert_eq!(pack.releases(), [""; 0]);
    }
    std::fs::write(&odoo, good).unwrap();
}

fn a_full_disk_is_named(pack: &Pack) {
    let child = pack.up_until("fetch-odoo");
    // What is there stays; there is no room for much more.
    pack.disk.resize("1200m");
    let output = child.wait_with_output().unwrap();
    let text = faults::said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let disk = format!("the disk of {}", pack.disk.place.display());
    for words in [
        "could not get Odoo",
        "No space left on device",
        &disk,
        "make room",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert_eq!(pack.releases(), [""; 0]);
    pack.disk.resize("7g");
}

/// ^C, or a closed terminal, reaches only the program itself: what it runs is in groups of their own.
fn interrupts_end_what_runs(pack: &Pack) {
    for (sent, code) in [
        (rustix::process::Signal::INT, 130),
        (rustix::process::Signal::TERM, 143),
        // What a closed terminal sends.
        (rustix::process::Signal::HUP, 129),
    ] {
        let child = pack.up_until("fetch-odoo");
        wait_until("dpkg-deb to run", || processes_in(&pack.root()).len() > 1);
        signal(child.id(), sent);
        let output = child.wait_with_output().unwrap();
        let text = faults::said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains("run again, goes on from here"), "{text}");
        wait_until("every child to end", || processes_in(&pack.root()).is_empty());
        assert_eq!(pack.releases(), [""; 0]);
    }
}

fn a_second_up_at_the_same_time_is_told(pack: &Pack) {
    let first = pack.up_until("start-service");
    let words = ["somebody else is at work here: odoopack up, process"];
    expect(&mut pack.offline(&["up", "--yes"]), 5, &words);
    expect(&mut pack.offline(&["demo", "--down", "--yes"]), 5, &words);
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", faults::said(&output));
}
