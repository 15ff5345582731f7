//! Somebody changes a table while a backup begins, and Odoo's garbage collector wants to run meanwhile.
use std::process::Child;

use crate::support::{self, Pack};
use crate::{manifest, restic, sql};

const TABLE: &str = "res_partner_category";
/// What reads the dump and waits for a lock.
const WAITING: &str = "application_name = 'odoopack-backup' AND wait_event_type = 'Lock'";
/// What Odoo's cron asks for: the jobs that nobody else runs now.
const COLLECTOR: &str = "SELECT count(*) FROM (SELECT c.id FROM ir_cron c JOIN ir_model_data d ON d.model = 'ir.cron' AND d.res_id = c.id \
     WHERE d.module = 'base' AND d.name = 'autovacuum_job' FOR NO KEY UPDATE OF c SKIP LOCKED) free";

pub(crate) fn a_table(pack: &Pack) {
    pack.now("a table that is locked for a while");
    let until_free = || {
        support::wait_for("the collector to be nobody's", || {
            (sql(pack, COLLECTOR) == "1").then_some(())
        });
    };
    until_free();
    let holder = hold(pack);
    let mut child = pack.start(&["backup", "create"]);
    support::wait_for("the backup to wait", || waits(pack).then_some(()));
    assert_eq!(
        sql(pack, COLLECTOR),
        "0",
        "files may go that the database still names"
    );
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none() && waits(pack));
    assert_eq!(sql(pack, COLLECTOR), "0");
    let_go(pack, holder);
    let outcome = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(0), "{said}");
    assert!(!said.contains("trying again"), "{said}");
    let rows: u64 = sql(pack, &format!("SELECT count(*) FROM {TABLE}"))
        .parse()
        .unwrap();
    let made = manifest(pack, "latest");
    assert_eq!(made["database"]["tables"][format!("public.{TABLE}")], rows);
    until_free();
    for_good(pack);
}

/// Whoever reads it gives up, as after a minute of waiting.
fn for_good(pack: &Pack) {
    pack.now("a table that stays locked");
    let before = pack.json(&["backup", "list"]);
    let holder = hold(pack);
    let child = pack.start(&["backup", "create"]);
    let give_up = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WAITING}");
    for _ in 0..3 {
        support::wait_for("the backup to wait", || {
            (sql(pack, &give_up) == "t").then_some(())
        });
    }
    let outcome = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("the table {TABLE} is locked by process"))
            && said.contains("older snapshots are as they were"),
        "{said}"
    );
    let_go(pack, holder);
    assert_eq!(pack.json(&["backup", "list"]), before);
    restic(pack, &["check"]);
    pack.run(&["backup", "create"]).exits(0);
}

/// A session that keeps the table for itself until it is ended.
fn hold(pack: &Pack) -> Child {
    let lock = format!("BEGIN; LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)");
    let holder = pack.start(&["psql", "production", "--admin", "--", "-c", &lock]);
    support::wait_for("the table to be locked", || {
        (sql(pack, &format!("SELECT count(*) FROM {}", held())) == "1").then_some(())
    });
    holder
}

fn held() -> String {
    format!("pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = '{TABLE}'::regclass")
}

fn let_go(pack: &Pack, holder: Child) {
    sql(pack, &format!("SELECT pg_terminate_backend(pid) FROM {}", held()));
    drop(holder.wait_with_output().unwrap());
}

fn waits(pack: &Pack) -> bool {
    sql(
        pack,
        &format!("SELECT count(*) FROM pg_stat_activity WHERE {WAITING}"),
    ) != "0"
}
