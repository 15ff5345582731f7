//! Backups of a real Odoo: made while it works, looked into, brought back by stock restic and `pg_restore`.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts programs and writes files"
)]

mod backing;
#[path = "../../odoopack-repository/tests/bucket/mod.rs"]
#[expect(dead_code, reason = "what the tests of the repository need more of")]
mod bucket;
mod support;

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use support::Pack;

const FILE: &str = r#"[environments.production]
domain = "localhost"
users = 3
"#;

const CANARY: &str = "canary-backup-77aa01";

#[test]
fn snapshots_of_a_working_odoo() {
    let pack = Pack::with_file("backup", 31_200, &support::file("backup", FILE));
    pack.now("nothing to back up yet");
    pack.run(&["backup", "create"]).exits(4);
    pack.run(&["backup", "list"]).exits(4);
    assert!(
        !pack.path("backups/config").exists(),
        "a refused backup makes no repository"
    );
    pack.run_with(&["secret", "set", "CANARY"], CANARY).exits(0);
    pack.now("up");
    pack.run(&["up", "--yes"]).exits(0);
    first(&pack);
    the_key_is_kept_elsewhere(&pack);
    second_day(&pack);
    stock_restic_and_pg_restore(&pack);
    two_at_once(&pack);
    who_comes_second_is_told(&pack);
    a_dump_that_breaks_leaves_nothing(&pack);
    backing::locked::a_table(&pack);
    old_ones_go(&pack);
    backing::offsite::elsewhere(&pack);
    backing::killed::anywhere(&pack);
    backing::faults::a_full_disk(&pack);
    backing::faults::a_damaged_directory(&pack);
    backing::faults::a_server_that_stops(&pack);
    backing::faults::a_clock_one_year_ahead(&pack);
    nothing_leaks(&pack);
    pack.now("done");
}

fn sql(pack: &Pack, sql: &str) -> String {
    let answer = pack
        .run(&["psql", "production", "--admin", "--", "-Atc", sql])
        .exits(0);
    answer.stdout.trim().to_owned()
}

/// Counts, modules and attachments are what the database says.
fn first(pack: &Pack) {
    pack.now("the first snapshot");
    let made = pack.json(&["backup", "create", "--note", "the first"]);
    assert_eq!(
        (&made["environment"], &made["missing"]),
        (&"production".into(), &serde_json::json!([]))
    );
    let manifest = manifest(pack, "latest");
    for table in ["res_users", "ir_model_data", "ir_attachment"] {
        let rows: u64 = sql(pack, &format!("SELECT count(*) FROM {table}"))
            .parse()
            .unwrap();
        assert_eq!(
            manifest["database"]["tables"][format!("public.{table}")],
            rows,
            "{table}"
        );
    }
    let modules: usize = sql(
        pack,
        "SELECT count(*) FROM ir_module_module WHERE state = 'installed'",
    )
    .parse()
    .unwrap();
    assert_eq!(manifest["modules"].as_object().unwrap().len(), modules);
    assert_eq!(manifest["database"]["unaccent_immutable"], true);
    assert!(manifest["attachments"]["named"].as_u64().unwrap() > 0);
    let list = pack.json(&["backup", "list"]);
    assert_eq!(
        (&list[0]["snapshot"], &list[0]["note"]),
        (&made["snapshot"], &"the first".into())
    );
    let top = pack.json(&["backup", "ls", "latest"]);
    let names: Vec<&str> = top
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "config",
            "database",
            "filestore",
            "manifest.json",
            "pack",
            "secrets",
            "tls"
        ]
    );
}

fn manifest(pack: &Pack, snapshot: &str) -> Value {
    pack.run(&["backup", "cat", snapshot, "manifest.json"])
        .exits(0)
        .json()
}

fn the_key_is_kept_elsewhere(pack: &Pack) {
    pack.now("the key");
    let key = pack.run(&["backup", "key", "export"]).exits(0).stdout;
    assert_eq!(key.trim(), pack.secret("BACKUP_KEY"));
    pack.run_with(&["backup", "key", "confirm"], "WRONG\n").exits(4);
    pack.run_with(&["backup", "key", "confirm"], &key).exits(0);
    // What is here may be the only copy; and a place that is not there is no place for a second repository.
    let set = ["secret", "set", "BACKUP_KEY"];
    pack.run_with(&set, "WRONG").exits(4);
    pack.run_with(&set, &key).exits(0);
    let (backups, aside) = (pack.path("backups"), pack.path("aside"));
    std::fs::rename(&backups, &aside).unwrap();
    pack.run_with(&set, "WRONG").exits(4);
    let gone = pack.run(&["backup", "create"]).exits(4);
    assert!(gone.stderr.contains("mount"), "{}", gone.said());
    assert!(!backups.join("config").exists());
    drop(std::fs::remove_dir_all(&backups));
    std::fs::rename(&aside, &backups).unwrap();
    assert_eq!(key.trim(), pack.secret("BACKUP_KEY"));
    let said = pack.run(&["backup", "create", "--gentle"]).exits(0).said();
    assert!(
        !said.contains("key"),
        "confirmed, so nothing more is said of it: {said}"
    );
}

/// A day's work shows in `diff`, and a file that is gone is said.
fn second_day(pack: &Pack) {
    pack.now("the second day");
    sql(
        pack,
        "INSERT INTO res_partner_category (name, active) VALUES ('{\"en_US\": \"backup\"}', true)",
    );
    let lost = sql(
        pack,
        "SELECT min(store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL",
    );
    let filestore = pack.path("data/environments/production/filestore");
    let database = sql(pack, "SELECT current_database()");
    std::fs::remove_file(filestore.join(&database).join(&lost)).unwrap();
    let made = pack.run(&["backup", "create", "--json"]).exits(0);
    assert!(
        made.stderr.contains("ALARM") && made.stderr.contains(&lost),
        "{}",
        made.said()
    );
    assert_eq!(made.json()["missing"], serde_json::json!([lost]));
    let first = pack.json(&["backup", "list"])[0]["snapshot"]
        .as_str()
        .unwrap()
        .to_owned();
    let diff = pack.json(&["backup", "diff", &first, "latest"]);
    assert_eq!(
        diff["tables"]["public.res_partner_category"],
        serde_json::json!(["0", "1"])
    );
    assert_eq!(diff["files"]["removed"], serde_json::json!([lost]));
    let kept = pack.run(&["backup", "cat", &first, &format!("filestore/{lost}")]);
    assert_eq!(kept.code, Some(0));
}

fn restic(pack: &Pack, arguments: &[&str]) -> String {
    let outcome = Command::new("restic")
        .args(arguments)
        .env("RESTIC_REPOSITORY", pack.path("backups"))
        .env("RESTIC_PASSWORD", pack.secret("BACKUP_KEY"))
        .env("RESTIC_CACHE_DIR", pack.path("restic-cache"))
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    String::from_utf8(outcome.stdout).unwrap()
}

/// The way out without this program: restic, `cat` and `pg_restore`.
fn stock_restic_and_pg_restore(pack: &Pack) {
    pack.now("stock restic and pg_restore");
    restic(pack, &["check", "--read-data"]);
    let target = pack.path("restic");
    restic(
        pack,
        &["restore", "latest", "--verify", "--target", target.as_str()],
    );
    let back = target.join("production");
    assert_eq!(
        std::fs::read_to_string(back.join("secrets/CANARY"))
            .unwrap()
            .trim(),
        CANARY
    );
    assert!(!back.join("secrets/BACKUP_KEY").exists());
    assert_eq!(
        std::fs::read(back.join("pack/tree/odoopack.toml")).unwrap(),
        std::fs::read(pack.path("repo/odoopack.toml")).unwrap()
    );
    pg_restore_puts_it_together(pack, &back);
}

fn pg_restore_puts_it_together(pack: &Pack, back: &Utf8Path) {
    let entries = back.join("database/dump").read_dir_utf8().unwrap();
    let mut parts: Vec<Utf8PathBuf> = entries.map(|e| e.unwrap().into_path()).collect();
    parts.sort();
    sql(pack, "CREATE DATABASE restored TEMPLATE template0");
    let socket = pack.path("data/run/postgres");
    let port = sql(pack, "SHOW port");
    let to = [
        "-h",
        socket.as_str(),
        "-U",
        "odoopack",
        "-p",
        &port,
        "-d",
        "restored",
    ];
    let mut restore = Command::new("pg_restore")
        .args(to)
        .arg("--no-owner")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = restore.stdin.take().unwrap();
    for part in parts {
        std::io::copy(&mut std::fs::File::open(part).unwrap(), &mut input).unwrap();
    }
    drop(input);
    let outcome = restore.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(back.join("manifest.json")).unwrap()).unwrap();
    for table in ["res_users", "ir_model_data", "res_partner_category"] {
        let count = format!("SELECT count(*) FROM {table}");
        let count = Command::new("psql")
            .args(to)
            .args(["-Atc", &count])
            .output()
            .unwrap();
        let count = String::from_utf8_lossy(&count.stdout);
        let count: u64 = count.trim().parse().unwrap_or_else(|_| panic!("{said}"));
        assert_eq!(
            manifest["database"]["tables"][format!("public.{table}")],
            count,
            "{table}: {said}"
        );
    }
    sql(pack, "DROP DATABASE restored");
}

/// Whichever is first makes its snapshot, and the other one touches nothing.
fn two_at_once(pack: &Pack) {
    pack.now("two backups are begun at once");
    let before = pack.json(&["backup", "list"]);
    let both = [(); 2].map(|()| pack.start(&["backup", "create"]));
    let ended = both.map(|child| child.wait_with_output().unwrap());
    let said: Vec<_> = ended
        .iter()
        .map(|one| String::from_utf8_lossy(&one.stderr))
        .collect();
    let mut codes = ended.each_ref().map(|one| one.status.code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(5)], "{said:?}");
    let after = pack.json(&["backup", "list"]);
    let names = |list: &Value| -> Vec<Value> {
        let all = list.as_array().unwrap().iter();
        all.map(|one| one["snapshot"].clone()).collect()
    };
    let (before, after) = (names(&before), names(&after));
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[..before.len()], before);
    restic(pack, &["check", "--read-data"]);
}

fn who_comes_second_is_told(pack: &Pack) {
    pack.now("one after the other");
    let lock = std::fs::File::open(pack.path("data/odoopack/locks/production")).unwrap();
    lock.lock().unwrap();
    let second = pack.run(&["backup", "create"]).exits(5);
    assert!(
        second.stderr.contains("odoopack backup create production"),
        "{}",
        second.said()
    );
    drop(lock);
    let lock = std::fs::File::open(pack.path("backups/odoopack.lock")).unwrap();
    lock.lock().unwrap();
    pack.run(&["backup", "create"]).exits(5);
}

/// PostgreSQL goes away in the middle: no snapshot, and what there was is whole.
fn a_dump_that_breaks_leaves_nothing(pack: &Pack) {
    pack.now("a dump that breaks");
    let before = pack.json(&["backup", "list"]);
    sql(
        pack,
        "CREATE TABLE wide AS SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 150000) g",
    );
    let child = pack.start(&["backup", "create"]);
    let dumping = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'odoopack-backup' AND query LIKE 'COPY%'";
    for _ in 0..3 {
        support::wait_for("a dump to break", || (sql(pack, dumping) == "t").then_some(()));
    }
    let outcome = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("trying again") && said.contains("older snapshots are as they were"),
        "{said}"
    );
    assert_eq!(pack.json(&["backup", "list"]), before);
    restic(pack, &["check"]);
    // Broken once, it is begun again and comes to its end.
    let child = pack.start(&["backup", "create"]);
    support::wait_for("a dump to break", || (sql(pack, dumping) == "t").then_some(()));
    let outcome = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("trying again").count(), 1, "{said}");
    let made = manifest(pack, "latest");
    assert_eq!(made["database"]["tables"]["public.wide"], 150_000);
    sql(pack, "DROP TABLE wide");
}

/// The policy, a pin, and the ages against the file.
fn old_ones_go(pack: &Pack) {
    pack.now("retention and status");
    let list = pack.json(&["backup", "list"]);
    let first = list[0]["snapshot"].as_str().unwrap().to_owned();
    let unproven = pack.run(&["backup", "status", "--json"]).exits(8).first_json();
    assert_eq!(
        unproven["complaints"],
        serde_json::json!([
            "production: proven never",
            "production: more attachments are missing in the filestore than before"
        ])
    );
    pack.edit_file(
        "[environments.production]",
        "[backup.keep]\nlast = 1\ndaily = 0\nweekly = 0\nmonthly = 0\n\n[environments.production]",
    );
    pack.json(&["backup", "pin", &first]);
    let proven = list[1]["snapshot"].as_str().unwrap().to_owned();
    pack.json(&["backup", "drill", &proven, "--level", "restore"]);
    let would = pack.json(&["backup", "forget", "--dry-run"]);
    assert_eq!(
        would["would_remove"].as_array().unwrap().len(),
        list.as_array().unwrap().len() - 3
    );
    assert_eq!(
        pack.json(&["backup", "list"]).as_array().unwrap().len(),
        list.as_array().unwrap().len()
    );
    pack.json(&["backup", "create", "--forget"]);
    let reasons = |left: &Value| -> Vec<String> {
        let all = left.as_array().unwrap().iter();
        all.map(|s| s["reasons"][0].as_str().unwrap().to_owned())
            .collect()
    };
    let left = pack.json(&["backup", "list"]);
    assert_eq!(reasons(&left), ["pinned", "last proven", "last"]);
    assert_eq!(
        (&left[0]["snapshot"], &left[1]["snapshot"]),
        (&first.as_str().into(), &proven.as_str().into())
    );
    for held in [&first, &proven] {
        pack.run(&["backup", "forget", held]).exits(4);
    }
    the_proof_is_taken_back(pack, &proven);
    let left = pack.json(&["backup", "list"]);
    assert_eq!(reasons(&left), ["pinned", "last"]);
    restic(pack, &["check"]);
    pack.run(&["backup", "cat", &first, "manifest.json"]).exits(0);
    let hidden = pack
        .path("backups/snapshots")
        .join(left[1]["restic"].as_str().unwrap());
    std::fs::rename(&hidden, pack.path("aside")).unwrap();
    let refused = pack.run(&["backup", "forget", "--yes"]).exits(4);
    assert!(refused.stderr.contains("--accept-missing"), "{}", refused.said());
    std::fs::rename(pack.path("aside"), &hidden).unwrap();
}

/// As a drill notes it that found the snapshot to be worth nothing; then nothing keeps it any more.
fn the_proof_is_taken_back(pack: &Pack, proven: &str) {
    let line = serde_json::json!({
        "at": jiff::Timestamp::now(), "event": "unproven", "environment": "production", "snapshot": proven,
        "seconds": 1.0, "detail": { "why": ["a test"] },
    });
    let record = pack.read("data/odoopack/backups.jsonl");
    pack.write("data/odoopack/backups.jsonl", &format!("{record}{line}\n"));
    let done = pack.json(&["backup", "forget", "--yes"]);
    assert_eq!(done["removed"], serde_json::json!([proven]));
}

fn nothing_leaks(pack: &Pack) {
    let key = pack.secret("BACKUP_KEY");
    let said = pack.everything_said();
    let (exports, others): (Vec<&str>, Vec<&str>) = said
        .split("\n$ odoopack ")
        .partition(|run| run.starts_with("backup key export"));
    assert!(exports.len() == 1 && exports[0].contains(&key), "{exports:?}");
    for run in others {
        assert!(
            !run.contains(&key),
            "the key was printed by {}",
            run.lines().next().unwrap()
        );
    }
    let mut written = vec![pack.path("data/odoopack/backups.jsonl")];
    for directory in ["data/odoopack/operations", "data/logs"] {
        let before = written.len();
        files_below(&pack.path(directory), &mut written);
        assert!(written.len() > before, "nothing is in {directory}");
    }
    for file in written {
        let text = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(&key) && !text.contains(CANARY), "{file}");
    }
}

fn files_below(directory: &Utf8Path, all: &mut Vec<Utf8PathBuf>) {
    for entry in directory.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            files_below(&path, all);
        } else if path.is_file() {
            all.push(path);
        }
    }
}
