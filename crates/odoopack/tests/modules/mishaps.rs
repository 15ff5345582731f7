//! Module operations that end badly: killed in the middle, or with something that Odoo complains of.
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{changed, sql, states, write};
use crate::support::{Pack, machine, wait_for};

/// Killed while Odoo installs: what was begun is put back, and the same command ends it.
pub(crate) fn killed_in_the_middle(pack: &Pack) {
    pack.now("an installation is killed in the middle; run again, it ends");
    let first = "{'name': 'First', 'version': '19.0.1.0.0', 'author': 'us', 'license': 'LGPL-3'}\n";
    write(
        pack,
        "shop_first",
        &[("__manifest__.py", first), ("__init__.py", "")],
    );
    let slow = "{'name': 'Slow', 'version': '19.0.1.0.0', 'author': 'us', 'license': 'LGPL-3', 'depends': ['shop_first'], \
                'post_init_hook': 'wait'}\n";
    let hook = "import time\n\ndef wait(env):\n    env.cr.execute(\"SELECT pg_sleep(60) WHERE EXISTS (SELECT FROM ir_config_parameter \
                WHERE key = 'hold')\")\n";
    write(
        pack,
        "shop_slow",
        &[("__manifest__.py", slow), ("__init__.py", hook)],
    );
    sql(
        pack,
        "INSERT INTO ir_config_parameter (key, value) VALUES ('hold', '1')",
    );
    let args = ["module", "install", "production", "shop_slow", "--yes"];
    let mut child = pack.start(&args);
    // The first module is committed, and the second one waits.
    let waits = || (states(pack) == "shop_slow to install").then_some(());
    wait_for("the hook of the second module", waits);
    let turned = pack.site().websocket();
    assert!(turned.contains(" 503"), "{turned}");
    let odoo = machine::processes_of(&pack.root);
    let odoo = odoo
        .iter()
        .find(|process| process.line.contains("-i shop_slow"))
        .unwrap()
        .pid;
    machine::kill(child.id());
    child.wait().unwrap();
    wait_for("Odoo's end", || (!machine::alive(odoo)).then_some(()));
    assert_eq!((states(pack).as_str(), copies(pack)), ("shop_slow to install", 1));
    sql(pack, "DELETE FROM ir_config_parameter WHERE key = 'hold'");
    nothing_starts(pack);
    let plan = pack.json(&[&args[..4], &["--dry-run"]].concat());
    assert_eq!(plan["work"]["reset"], json!({ "shop_slow": "to install" }));
    pack.run(&args).exits(0);
    let both =
        "SELECT string_agg(state, ' ') FROM ir_module_module WHERE name IN ('shop_first', 'shop_slow')";
    assert_eq!(
        (states(pack), sql(pack, both), copies(pack)),
        (String::new(), "installed installed".to_owned(), 0)
    );
    pack.run(&["status"]).exits(0);
    // The first one was loaded by the run that was killed before it could remember that.
    let left: Vec<String> = changed(pack).into_iter().map(|(module, _, _)| module).collect();
    assert_eq!(left, ["shop_first"]);
    pack.json(&["module", "changed", "production", "--record"]);
    assert_eq!(changed(pack), []);
}

/// What is half-way is put right first.
fn nothing_starts(pack: &Pack) {
    pack.now("nothing starts on what is half-way, and status says so");
    let refused = pack.run(&["up", "--yes"]).exits(4);
    let command = "`odoopack module install production shop_slow";
    assert!(
        refused.stderr.contains(&format!("{command}` was cut off")),
        "{}",
        refused.said()
    );
    let seen = pack.run(&["status"]).exits(8);
    let words: Vec<&str> = seen.stdout.split_whitespace().collect();
    assert!(
        words
            .join(" ")
            .contains(&format!("{command} --root {}` has not ended", pack.root)),
        "{}",
        seen.said()
    );
}

/// What complains takes nothing with it: the database comes back as it was, and no visitor meets an error.
pub(crate) fn a_broken_module(pack: &Pack) {
    pack.now("a module that complains while Odoo exits with 0: the database comes back, visitors wait");
    sql(
        pack,
        "ALTER DATABASE modules_production SET statement_timeout = '13min'",
    );
    let before = whole(pack);
    let args = ["module", "install", "production", "shop_broken", "--yes"];
    let (failed, seen) = visited_during(pack, || pack.run(&args));
    let failed = failed.exits(6);
    for text in [
        "half of the data is missing",
        "Odoo ended well but complained",
        "the database is as it was before",
    ] {
        assert!(failed.stderr.contains(text), "{}", failed.said());
    }
    assert_eq!((whole(pack), copies(pack)), (before, 0));
    assert!(
        !seen.is_empty() && seen.iter().all(|status| [200, 503].contains(status)),
        "{seen:?}"
    );
    pack.run(&["status"]).exits(0);
    pack.now("without a restore point what was committed stays");
    let failed = pack.run(&[&args[..], &["--no-restore-point"]].concat()).exits(1);
    assert!(
        failed.stderr.contains("installed: shop_broken"),
        "{}",
        failed.said()
    );
    assert_eq!(states(pack), "");
    pack.run(&["status"]).exits(0);
}

/// Modules with everything that is said of them, and what is set for the database.
fn whole(pack: &Pack) -> String {
    let rows = "SELECT md5(string_agg(m::text, '|' ORDER BY id)) FROM ir_module_module m";
    let set = "SELECT d.datacl, s.setconfig FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid \
               WHERE d.datname = current_database()";
    format!("{} {}", sql(pack, rows), sql(pack, set))
}

/// Databases that were made to come back to, or put aside by that.
pub(crate) fn copies(pack: &Pack) -> usize {
    let names = sql(
        pack,
        "SELECT datname FROM pg_database WHERE datname ~ '_(before|undone)_'",
    );
    names.lines().count()
}

/// What a visitor who comes again and again is answered meanwhile; 0 for no answer at all.
fn visited_during<T>(pack: &Pack, work: impl FnOnce() -> T) -> (T, Vec<u16>) {
    let site = pack.site();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            let mut seen = Vec::new();
            while !over.load(Ordering::Relaxed) {
                seen.push(site.try_get("/web/login").map_or(0, |page| page.status));
            }
            seen
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        (done, visitor.join().unwrap())
    })
}
