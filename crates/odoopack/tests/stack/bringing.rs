//! Backups of a pack in containers come back: drilled, written out and brought in, restored as a harmless copy.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

use crate::support::stack::must;
use crate::support::{Pack, machine, wait_for, write};

/// Databases besides those of the environments.
const OTHERS: &str = "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1', 'shop_production') ORDER BY 1";
fn admin(pack: &Pack, database: &str, sql: &str) -> String {
    let args = ["psql", "production", "--admin", "--", "-d", database, "-Atc", sql];
    pack.run(&args).exits(0).stdout.trim().to_owned()
}

/// Containers of operations, which end with them.
fn left() -> String {
    must(&[
        "ps",
        "--all",
        "--filter",
        "name=[.](load|export|boot|look)$",
        "--format",
        "{{.Names}}",
    ])
}

#[track_caller]
fn nothing_is_left(pack: &Pack) {
    assert_eq!(left(), "");
    assert_eq!(admin(pack, "postgres", OTHERS), "");
}

/// Needs a snapshot.
pub(crate) fn a_snapshot_is_proven(pack: &Pack) {
    pack.now("one table of the snapshot");
    let table = pack
        .run(&["backup", "cat", "latest", "--table", "res_lang"])
        .exits(0);
    assert!(table.stdout.contains("COPY public.res_lang "), "{}", table.said());
    pack.now("a drill that is killed while Odoo starts, and put right");
    let mut child = pack.start(&["backup", "drill"]);
    wait_for("Odoo starts on the copy", || {
        left().contains(".look").then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ne!(left(), "");
    pack.run(&["restore", "--resume"]).exits(0);
    nothing_is_left(pack);
    pack.now("a drill");
    let drilled = pack.run(&["backup", "drill", "--level", "boot"]).exits(0);
    assert!(drilled.stdout.contains("Odoo serves them"), "{}", drilled.said());
    nothing_is_left(pack);
}

pub(crate) fn a_zip_goes_out_and_comes_in(pack: &Pack) {
    pack.now("a zip goes out and comes in");
    let zip = pack.path("out.zip");
    pack.run(&["backup", "export", "production", zip.as_str()])
        .exits(0);
    pack.run(&["backup", "import", zip.as_str(), "--as", "look"])
        .exits(0);
    assert_eq!(left(), "");
    assert_eq!(admin(pack, "postgres", OTHERS), "look");
    let neutral = "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'";
    assert_eq!(admin(pack, "look", neutral), "true");
    let same = "SELECT count(*) FROM ir_attachment";
    assert_eq!(admin(pack, "look", same), admin(pack, "shop_production", same));
    pack.run(&["restore", "--forget-copy", "look", "--yes"]).exits(0);
    assert_eq!(admin(pack, "postgres", OTHERS), "");
    std::fs::remove_file(zip).unwrap();
}

/// Repository and key are all there is; images are where they come from, which is this machine.
pub(crate) fn a_lost_machine_comes_back(pack: &Pack) {
    pack.now("the machine is lost, and recovered from repository and key");
    let partners = "SELECT string_agg(name, ',' ORDER BY name) FROM res_partner";
    let before = admin(pack, "shop_production", partners);
    pack.run(&["backup", "create", "production"]).exits(0);
    let keep = tempfile::tempdir().unwrap();
    let place = keep.path().to_str().unwrap();
    let (key, repository) = (format!("{place}/key"), format!("{place}/backups"));
    machine::must("cp", &["-r", pack.path("backups").as_str(), place]);
    write(key.as_str().into(), &pack.secret("BACKUP_KEY"));
    pack.run(&["down"]).exits(0);
    for part in ["repo", "data", "backups", "config", "deploy"] {
        machine::must("rm", &["-rf", pack.path(part).as_str()]);
    }
    pack.run(&["recover", &repository, "--key-file", &key, "--yes"])
        .exits(0);
    assert_eq!(admin(pack, "shop_production", partners), before);
    pack.run(&["env", "resume", "production", "--yes"]).exits(0);
    assert_eq!(pack.status()["good"], true);
    nothing_is_left(pack);
}
