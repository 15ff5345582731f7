//! What goes wrong on the machine: nothing changed, or finished, and older snapshots whole.
use std::process::Command;

use camino::Utf8Path;
use serde_json::Value;

use crate::support::{self, Pack};
use crate::{restic, sql};

fn listed(pack: &Pack) -> Value {
    pack.json(&["backup", "list"])
}

fn ids(list: &Value) -> Vec<&Value> {
    list.as_array().unwrap().iter().map(|s| &s["snapshot"]).collect()
}

fn succeeds(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}");
}

/// Something that a backup takes a while for.
fn make_wide(pack: &Pack, rows: u32) {
    sql(
        pack,
        &format!(
            "CREATE TABLE wide AS SELECT g, md5(random()::text) || repeat(md5(g::text), 20) FROM generate_series(1, {rows}) g"
        ),
    );
}

/// The disk of the repository is full in the middle of a backup.
pub(crate) fn a_full_disk(pack: &Pack) {
    pack.now("a full disk");
    let before = listed(pack);
    let (backups, aside) = (pack.path("backups"), pack.path("backups-aside"));
    std::fs::rename(&backups, &aside).unwrap();
    std::fs::create_dir(&backups).unwrap();
    succeeds(
        "mount",
        &["-t", "tmpfs", "-o", "size=1g,mode=750", "tmpfs", backups.as_str()],
    );
    succeeds("cp", &["-a", &format!("{aside}/."), backups.as_str()]);
    make_wide(pack, 60_000);
    // What is left is less than the new table needs.
    let used = Command::new("du")
        .args(["-sk", backups.as_str()])
        .output()
        .unwrap();
    let used: u64 = String::from_utf8_lossy(&used.stdout)
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let size = |kilobytes: u64| format!("remount,size={kilobytes}k");
    succeeds("mount", &["-o", &size(used + 600), backups.as_str()]);
    let full = pack.run(&["backup", "create"]).exits(1);
    assert!(
        full.stderr.contains("No space left") && full.stderr.contains("older snapshots are as they were"),
        "{}",
        full.said()
    );
    assert_eq!(ids(&listed(pack)), ids(&before));
    restic(pack, &["--no-lock", "check", "--read-data"]);
    succeeds("mount", &["-o", &size(used + 600_000), backups.as_str()]);
    a_disk_that_takes_nothing_more(pack, &backups);
    pack.run(&["backup", "create"]).exits(0);
    restic(pack, &["check", "--read-data"]);
    let after = listed(pack);
    assert_eq!(ids(&after).len(), ids(&before).len() + 1);
    std::fs::remove_dir_all(&aside).unwrap();
    succeeds("cp", &["-a", backups.as_str(), aside.as_str()]);
    succeeds("umount", &[backups.as_str()]);
    std::fs::remove_dir(&backups).unwrap();
    std::fs::rename(&aside, &backups).unwrap();
    assert_eq!(listed(pack), after);
    sql(pack, "DROP TABLE wide");
}

/// As the kernel makes it after an error of the disk.
fn a_disk_that_takes_nothing_more(pack: &Pack, backups: &Utf8Path) {
    let before = listed(pack);
    let newest = before.as_array().unwrap().last().unwrap()["snapshot"]
        .as_str()
        .unwrap();
    succeeds("mount", &["-o", "remount,ro", backups.as_str()]);
    for asked in [&["backup", "create"][..], &["backup", "pin", newest]] {
        let refused = pack.run(asked).exits(1);
        assert!(
            refused.stderr.contains("Read-only file system") && refused.stderr.contains("`dmesg`"),
            "{}",
            refused.said()
        );
    }
    assert_eq!(listed(pack), before);
    succeeds("mount", &["-o", "remount,rw", backups.as_str()]);
}

/// A bit is flipped in a directory that the newest snapshot has stored: the next one says so and is whole.
pub(crate) fn a_damaged_directory(pack: &Pack) {
    pack.now("a damaged directory");
    pack.run(&["backup", "create"]).exits(0);
    let before = listed(pack);
    let newest = before.as_array().unwrap().last().unwrap();
    let newest = restic(pack, &["cat", "snapshot", newest["snapshot"].as_str().unwrap()]);
    let newest: Value = serde_json::from_str(&newest).unwrap();
    let tree = newest["tree"].as_str().unwrap();
    let found = restic(pack, &["find", "--tree", tree, "--show-pack-id"]);
    let (_, stored_in) = found.split_once("belongs to pack ").unwrap();
    let name: String = stored_in.chars().take_while(char::is_ascii_hexdigit).collect();
    let file = pack.path(&format!("backups/data/{}/{name}", &name[..2]));
    flip(&file);
    let anew = pack.run(&["backup", "create"]).exits(0);
    assert!(anew.stderr.contains("storing everything anew"), "{}", anew.said());
    let next = pack.run(&["backup", "create"]).exits(0);
    assert!(!next.stderr.contains("anew"), "{}", next.said());
    assert_eq!(ids(&listed(pack)).len(), ids(&before).len() + 2);
    pack.run(&["backup", "drill", "--level", "read"]).exits(0);
    flip(&file);
    restic(pack, &["check", "--read-data"]);
}

/// PostgreSQL itself stops while it is read, and comes back.
pub(crate) fn a_server_that_stops(pack: &Pack) {
    pack.now("a server that stops");
    let before = listed(pack);
    make_wide(pack, 150_000);
    // What is read of it for the first time would be noted on its pages, and these written again from the log.
    sql(pack, "VACUUM (FREEZE) wide");
    sql(pack, "CHECKPOINT");
    let table = sql(pack, "SELECT pg_relation_filepath('wide')");
    let postmaster = pack.read("data/postgres/postmaster.pid");
    let postmaster = postmaster.lines().next().unwrap().to_owned();
    // Back before the second try of the backup it would make a good one.
    let service = pack.path("data/odoopack/enabled/postgres");
    succeeds("sv", &["once", service.as_str()]);
    let child = pack.start(&["backup", "create"]);
    let dumping = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'odoopack-backup' AND query LIKE 'COPY%'";
    support::wait_for("a dump to break", || (sql(pack, dumping) != "0").then_some(()));
    succeeds("kill", &["-QUIT", &postmaster]);
    let outcome = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("older snapshots are as they were"), "{said}");
    flip(&pack.path(&format!("data/postgres/{table}")));
    succeeds("sv", &["up", service.as_str()]);
    assert_eq!(listed(pack), before);
    restic(pack, &["check"]);
    support::wait_for("the server to come back", || {
        (pack
            .run(&["psql", "production", "--admin", "--", "-Atc", "SELECT 1"])
            .code
            == Some(0))
        .then_some(())
    });
    a_damaged_page(pack);
    assert_eq!(listed(pack), before);
    sql(pack, "DROP TABLE wide");
    pack.run(&["backup", "create"]).exits(0);
}

/// The disk gave back another byte than was written, while the server was away: it is no backup, and is not tried again.
fn a_damaged_page(pack: &Pack) {
    let damaged = pack.run(&["backup", "create"]).exits(1);
    assert!(
        damaged.stderr.contains("invalid page in block")
            && damaged.stderr.contains("older snapshots are as they were")
            && damaged.stderr.contains("`dmesg`")
            && !damaged.stderr.contains("trying again"),
        "{}",
        damaged.said()
    );
}

/// Flips a bit in the middle of a file.
fn flip(file: &Utf8Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

/// A backup and a policy under a clock that is wrong: nothing good goes, and the snapshot from the future counts for nothing.
pub(crate) fn a_clock_one_year_ahead(pack: &Pack) {
    pack.now("a clock one year ahead");
    let before = listed(pack);
    let asked = ["backup", "forget", "--dry-run"];
    let goes = pack.json(&asked);
    assert_eq!(goes, ahead(pack, &asked), "the clock decides nothing");
    ahead(pack, &["backup", "create"]);
    let after = listed(pack);
    let future = &after[ids(&after).len() - 1];
    assert_eq!(
        future["reasons"],
        serde_json::json!(["from the future, not judged"])
    );
    assert_eq!(ids(&after).len(), ids(&before).len() + 1);
    let status = pack.run(&["backup", "status", "--json"]).exits(8).first_json();
    assert_ne!(
        status["status"]["environments"][0]["made"]["snapshot"],
        future["snapshot"]
    );
    assert_eq!(pack.json(&asked), goes);
    let name = future["snapshot"].as_str().unwrap();
    pack.run(&["backup", "forget", name, "--yes"]).exits(0);
    assert_eq!(listed(pack), before);
    nothing_goes_unattended(pack);
    pack.run(&["backup", "create"]).exits(0);
    restic(pack, &["check", "--read-data"]);
}

/// The nightly command under such a clock, with a policy that counts back from the newest.
fn nothing_goes_unattended(pack: &Pack) {
    let before = pack.read("repo/odoopack.toml");
    let start = before.find("[backup.keep]").unwrap();
    let end = before[start + 1..]
        .find("\n[")
        .map_or(before.len(), |at| start + 1 + at);
    let keep = "[backup.keep]\ndaily = 0\nweekly = 0\nmonthly = 0\nwithin = \"30d\"\n";
    let within = format!("{}{keep}{}", &before[..start], &before[end..]);
    pack.write("repo/odoopack.toml", &within);
    while listed(pack).as_array().unwrap().len() < 12 {
        pack.run(&["backup", "create"]).exits(0);
    }
    let known = listed(pack);
    let outcome = run_ahead(pack, &["backup", "create", "--forget"]);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(4), "{said}");
    assert!(said.contains("365 days younger"), "{said}");
    let after = listed(pack);
    let (made, others) = ids(&after)
        .split_last()
        .map(|(last, rest)| (*last, rest.to_vec()))
        .unwrap();
    assert_eq!(others, ids(&known));
    pack.run(&["backup", "forget", made.as_str().unwrap(), "--yes"])
        .exits(0);
    pack.write("repo/odoopack.toml", &before);
}

/// Runs the program a year later.
fn ahead(pack: &Pack, args: &[&str]) -> Value {
    let outcome = run_ahead(pack, args);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success(), "{args:?}: {said}");
    serde_json::from_slice(&outcome.stdout).unwrap()
}

fn run_ahead(pack: &Pack, args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_odoopack"))
        .args(["--root", pack.root.as_str(), "--json"])
        .args(args)
        .env("LD_PRELOAD", super::CLOCK)
        .env("FAKETIME", "+365d")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .current_dir("/")
        .output()
        .unwrap()
}
