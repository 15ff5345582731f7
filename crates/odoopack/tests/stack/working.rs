//! Module operations in containers: in development, whose module was edited while it ran.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

use serde_json::{Value, json};

use crate::support::stack::{docker, id, must};
use crate::support::{Pack, compiled, machine, wait_for};

/// A module with one test that passes and one that does not; its hook waits while `hold` is set.
const NOTE: &[(&str, &str)] = &[
    (
        "__manifest__.py",
        "{'name': 'Note', 'version': '19.0.1.0.0', 'author': 'us', 'license': 'LGPL-3', 'depends': ['base'], 'post_init_hook': 'wait'}\n",
    ),
    (
        "__init__.py",
        "def wait(env):\n    env.cr.execute(\"SELECT pg_sleep(120) WHERE EXISTS (SELECT FROM ir_config_parameter WHERE key = 'hold')\")\n",
    ),
    ("tests/__init__.py", "from . import test_note\n"),
    (
        "tests/test_note.py",
        "from odoo.tests import TransactionCase\n\nclass TestNote(TransactionCase):\n    def test_good(self):\n        \
         self.assertTrue(self.env['res.partner'].search([]))\n\n    def test_bad(self):\n        self.assertEqual(1, 2)\n",
    ),
];

/// Containers of operations, whether they run or not.
fn acts() -> String {
    must(&[
        "ps",
        "--all",
        "--format",
        "{{.Names}}",
        "--filter",
        "name=shop.dev.",
    ])
    .lines()
    .filter(|name| name.ends_with(".act") || name.ends_with(".tests"))
    .collect()
}

fn ask(pack: &Pack, sql: &str) -> String {
    let answer = pack.run(&["psql", "dev", "--", "-Atc", sql]).exits(0);
    answer.stdout.trim().to_owned()
}

fn note(pack: &Pack) -> String {
    ask(pack, "SELECT state FROM ir_module_module WHERE name = 'dev_note'")
}

fn changed(pack: &Pack) -> Vec<Value> {
    let said = pack.json(&["module", "changed", "dev"]);
    let all = said["changes"]["modules"].as_array().unwrap();
    all.iter()
        .map(|one| json!([one["module"], one["reaction"], one["reasons"]]))
        .collect()
}

/// Everything that `module` does to a database.
pub(crate) fn modules_are_worked_on(pack: &Pack) {
    pack.now("an edited module is found and updated");
    what_changed_is_updated(pack);
    the_images_modules_are_hashed_as_well(pack);
    pack.now("an installation is killed; its container works on until the next one ends it");
    an_installation_that_is_killed_ends(pack);
    pack.now("tests of a module in a database of their own");
    tests_run_apart(pack);
    pack.now("a module is uninstalled");
    pack.run(&["module", "uninstall", "dev", "dev_note", "--yes"])
        .exits(0);
    assert_eq!((note(pack), acts()), ("uninstalled".to_owned(), String::new()));
    std::fs::remove_dir_all(pack.path("repo/addons/own/dev_note")).unwrap();
    pack.run(&["up", "--yes"]).exits(0);
}

fn what_changed_is_updated(pack: &Pack) {
    let reasons = json!([{ "because": "python" }, { "because": "data" }]);
    assert_eq!(changed(pack), [json!(["dev_probe", "update", reasons])]);
    let before = (id("dev.blue.web"), id("production.blue.web"));
    pack.run(&["module", "update", "dev", "--yes"]).exits(0);
    assert_eq!(changed(pack), Vec::<Value>::new());
    let after = (id("dev.blue.web"), id("production.blue.web"));
    assert_ne!(after.0, before.0);
    assert_eq!(after.1, before.1);
    let edited = pack.path("repo/addons/own/dev_probe/controllers.py");
    compiled::is_used(&after.0, &edited);
    let copies = "SELECT count(*) FROM pg_database WHERE datname LIKE '%_before_%'";
    assert_eq!((ask(pack, copies), acts()), ("0".to_owned(), String::new()));
}

/// As click-odoo-update in such a container would store it.
fn the_images_modules_are_hashed_as_well(pack: &Pack) {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().to_str().unwrap();
    let from = "/usr/lib/python3/dist-packages/odoo/addons/base_setup";
    must(&["cp", &format!("{}:{from}", id("production.blue.web")), to]);
    let hashed = pack.json(&[
        "module",
        "hash",
        &format!("{to}/base_setup"),
        "--language",
        "en_US",
    ]);
    let stored = "SELECT value::json->>'base_setup' FROM ir_config_parameter WHERE key = 'module_auto_update.installed_checksums'";
    assert_eq!(hashed["checksums"]["base_setup"], ask(pack, stored));
}

fn an_installation_that_is_killed_ends(pack: &Pack) {
    for (path, text) in NOTE {
        pack.write(&format!("repo/addons/own/dev_note/{path}"), text);
    }
    let install = ["module", "install", "dev", "dev_note", "--yes"];
    let unasked = pack
        .run(&["module", "install", "production", "dev_note"])
        .exits(4);
    assert!(
        unasked.stderr.contains("does not ask for it"),
        "{}",
        unasked.said()
    );
    ask(
        pack,
        "INSERT INTO ir_config_parameter (key, value) VALUES ('hold', '1')",
    );
    let mut child = pack.start(&install);
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    // Whoever asks while the restore point is copied is thrown out.
    wait_for("the hook", || {
        let seen = pack.run(&["psql", "dev", "--", "-Atc", waiting]);
        (seen.code == Some(0) && seen.stdout.trim() == "1").then_some(())
    });
    machine::kill(child.id());
    child.wait().unwrap();
    ask(pack, "DELETE FROM ir_config_parameter WHERE key = 'hold'");
    let running = docker(&[
        "inspect",
        "--format",
        "{{.State.Running}}",
        "odoopack-shop.dev.act",
    ]);
    assert_eq!(running.exits(0).stdout.trim(), "true");
    pack.run(&install).exits(0);
    assert_eq!((note(pack), acts()), ("installed".to_owned(), String::new()));
}

fn tests_run_apart(pack: &Pack) {
    let before = id("dev.blue.web");
    let failed = pack.run(&["module", "test", "dev", "dev_note"]).exits(8);
    for text in [
        "1 of 2 tests failed",
        "dev_note/tests/test_note.py:8",
        "AssertionError: 1 != 2",
    ] {
        assert!(failed.stderr.contains(text), "{text}: {}", failed.said());
    }
    assert_eq!((id("dev.blue.web"), acts()), (before, String::new()));
    let made = "SELECT count(*) FROM pg_database WHERE datname LIKE '%_tests'";
    assert_eq!(ask(pack, made), "0");
    assert!(!pack.path("data/environments/dev/tests").exists());
}
