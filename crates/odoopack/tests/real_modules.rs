//! Modules of a running environment: what changed, and what is done about it, on a real Odoo.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod modules;
mod support;

use camino::Utf8Path;
use modules::mishaps::{a_broken_module, copies, killed_in_the_middle};
use modules::{
    BROKEN, NOTE, bundle_holds, changed, edit, is_changed, is_changed_module, pids, sql, states, write,
};
use serde_json::{Value, json};
use support::hashes::{ours, theirs, usual};
use support::{Pack, addons, machine, wait_for};

const FIRSTNAME: (&str, &str) = ("odoo-addon-partner-firstname", "19.0.1.0.3");
const AUDITLOG: (&str, &str) = ("odoo-addon-auditlog", "19.0.2.0.1");

/// click-odoo-update and what it needs besides Odoo, as wheels.
const CLICK_ODOO: &[(&str, &str)] = &[
    ("click-odoo", "1.8.0"),
    ("click-odoo-contrib", "1.24"),
    ("manifestoo-core", "1.16.1"),
    ("importlib-resources", "7.1.0"),
    ("click", "8.5.1"),
];

const FILE: &str = r#"[addons]
own = ["addons/oca", "addons/own"]

[editions.core]
modules = []

[environments.production]
edition = "core"
domain = "localhost"
users = 6
"#;

#[test]
fn modules_are_installed_changed_updated_tested_and_removed() {
    let pack = Pack::with_file("modules", 31_300, &support::file("modules", FILE));
    addons::lay_out(FIRSTNAME.0, FIRSTNAME.1, &pack.path("repo/addons/oca"));
    addons::lay_out(AUDITLOG.0, AUDITLOG.1, &pack.path("repo/addons/oca"));
    write(&pack, "shop_note", NOTE);
    write(&pack, "shop_broken", BROKEN);
    pack.now("up");
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(changed(&pack), [], "the first installation is remembered");
    install(&pack);
    each_edit_has_its_reaction(&pack);
    one_is_uploaded(&pack);
    static_files_only(&pack);
    code_of_two_modules(&pack);
    sql(&pack, "DELETE FROM ir_module_module WHERE name = 'shop_uploaded'");
    killed_in_the_middle(&pack);
    a_broken_module(&pack);
    missing_code(&pack);
    click_odoo_agrees(&pack);
    hashes_of_odoo(&pack);
    tests_run_apart(&pack);
    uninstall(&pack);
    pack.run(&["up", "--yes", "--json"]).exits(0);
    pack.run(&["down"]).exits(0);
    pack.now("done");
}

fn install(pack: &Pack) {
    pack.now("two modules are installed with what they need; a dry run changes nothing");
    let args = ["module", "install", "production", "auditlog", "shop_note"];
    let plan = pack.json(&[&args[..], &["--dry-run"]].concat());
    assert_eq!(plan["work"]["modules"], json!(["auditlog", "shop_note"]));
    assert_eq!(plan["work"]["others"], json!(["partner_firstname"]));
    let nix = pack.run(&["module", "install", "production", "nix"]).exits(4);
    assert!(nix.stderr.contains("there is no module `nix`"), "{}", nix.said());
    let installed = "SELECT count(*) FROM ir_module_module WHERE state = 'installed' AND name IN ('auditlog', 'shop_note', 'partner_firstname')";
    assert_eq!(sql(pack, installed), "0");
    let before = pids(pack);
    pack.json(&args);
    assert_eq!(
        (sql(pack, installed), states(pack)),
        ("3".to_owned(), String::new())
    );
    assert_ne!(pids(pack), before, "new code needs new processes");
    assert_eq!(changed(pack), []);
    let again = pack.run(&args).exits(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.said());
}

fn each_edit_has_its_reaction(pack: &Pack) {
    pack.now("each kind of edit has its own reaction");
    let edit = |path: &str, old: &str, new: &str| edit(pack, &format!("own/shop_note/{path}"), old, new);
    let check = |path: &str, (old, new): (&str, &str), reaction: &str, reason: &str| {
        edit(path, old, new);
        is_changed(pack, reaction, reason);
        edit(path, new, old);
    };
    check("models.py", ("note_one", "note_two"), "update", "python");
    check("data.xml", ("first", "second"), "update", "data");
    check("static/src/note.js", ("first", "second"), "assets", "static");
    check("tests/test_note.py", ("1, 2", "1, 3"), "nothing", "tests");
    check(
        "__manifest__.py",
        ("19.0.1.0.0", "19.0.1.0.1"),
        "update",
        "version python",
    );
    edit("i18n/de.po", "nothing", "nothing at all");
    assert_eq!(
        changed(pack),
        [],
        "a translation into a language that nobody uses"
    );
    sql(pack, "UPDATE res_lang SET active = true WHERE code = 'de_DE'");
    let with_language = changed(pack);
    let note = with_language
        .iter()
        .find(|(module, _, _)| module == "shop_note")
        .unwrap();
    assert_eq!((note.1.as_str(), note.2.as_str()), ("update", "languages-added"));
    sql(pack, "UPDATE res_lang SET active = false WHERE code = 'de_DE'");
    assert_eq!(changed(pack), []);
}

/// A module that has no directory, because it came as an archive; with it Odoo says what 17.0 says of one.
fn one_is_uploaded(pack: &Pack) {
    sql(
        pack,
        "INSERT INTO ir_module_module (name, state, imported) VALUES ('shop_uploaded', 'installed', true)",
    );
    assert_eq!(changed(pack), []);
}

fn static_files_only(pack: &Pack) {
    pack.now("static files: bundles are made again, nothing is stopped");
    wait_for("the first bundle", || {
        bundle_holds(pack, "note-first").then_some(())
    });
    let before = pids(pack);
    pack.write(
        "repo/addons/own/shop_note/static/src/note.js",
        "console.log('note-second');\n",
    );
    pack.write("repo/addons/own/shop_note/tests/extra.py", "# a test\n");
    let done = pack.json(&["module", "update", "production"]);
    assert_eq!(
        (&done["work"]["modules"], &done["work"]["assets"]),
        (&json!([]), &json!(true))
    );
    assert_eq!(pids(pack), before);
    assert_eq!(changed(pack), []);
    wait_for("the second bundle", || {
        bundle_holds(pack, "note-second").then_some(())
    });
}

fn code_of_two_modules(pack: &Pack) {
    pack.now("a new field, and a newer version from the OCA: exactly these are updated");
    edit(pack, "own/shop_note/models.py", "note_one", "note_two");
    edit(pack, "oca/auditlog/__manifest__.py", "19.0.2.0.1", "19.0.2.0.2");
    let plan = pack.json(&["module", "update", "production", "--dry-run"]);
    assert_eq!(plan["work"]["modules"], json!(["auditlog", "shop_note"]));
    assert!(
        plan["restore_point_bytes"].as_u64().unwrap() > 1_000_000,
        "{plan}"
    );
    let before = pids(pack);
    pack.json(&["module", "update", "production"]);
    let columns = "SELECT string_agg(column_name, ' ') FROM information_schema.columns \
                   WHERE table_name = 'res_partner_category' AND column_name LIKE 'note_%'";
    assert!(sql(pack, columns).contains("note_two"));
    let version = "SELECT latest_version FROM ir_module_module WHERE name = 'auditlog'";
    assert_eq!((sql(pack, version), copies(pack)), ("19.0.2.0.2".to_owned(), 0));
    assert_ne!(pids(pack), before);
    assert_eq!(changed(pack), []);
}

fn missing_code(pack: &Pack) {
    pack.now("code that vanished is named, and nothing is updated before that is settled");
    std::fs::rename(pack.path("repo/addons/oca/auditlog"), pack.path("auditlog")).unwrap();
    let said = pack.run(&["module", "changed", "production"]).exits(8);
    assert!(
        said.stderr.contains("auditlog is installed, but no directory"),
        "{}",
        said.said()
    );
    pack.run(&["module", "update", "production"]).exits(4);
    std::fs::rename(pack.path("auditlog"), pack.path("repo/addons/oca/auditlog")).unwrap();
    // What complained was installed all the same, and not remembered as loaded.
    is_changed_module(pack, "shop_broken", "update", "never-hashed");
}

/// While click-odoo-update holds its lock nothing of ours works on the database, and nothing is stopped for it.
fn it_keeps_us_away(pack: &Pack) {
    pack.now("click-odoo-update at work keeps us away");
    let number = odoopack_core::changed::advisory_lock("modules_production");
    let held = format!("SELECT pg_advisory_lock({number}), pg_sleep(60)");
    let mut holder = pack.start(&["psql", "production", "--", "-Atc", &held]);
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_for("the lock", || (sql(pack, asleep) == "1").then_some(()));
    let before = pids(pack);
    let refused = pack
        .run(&["module", "update", "production", "shop_note", "--yes"])
        .exits(5);
    assert!(
        refused.stderr.contains("click-odoo-update is at work"),
        "{}",
        refused.said()
    );
    assert_eq!(pids(pack), before);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    sql(pack, end);
    holder.wait().unwrap();
}

/// The real click-odoo-update reads our checksums, and lists what we list.
fn click_odoo_agrees(pack: &Pack) {
    it_keeps_us_away(pack);
    pack.now("click-odoo-update lists the same modules");
    let lists = || {
        let said = click_odoo_update(pack);
        let line = said
            .lines()
            .find_map(|line| line.split_once("for their hash changed: "));
        line.map_or_else(Vec::new, |(_, names)| {
            names
                .trim_end()
                .trim_end_matches('.')
                .split(',')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
    };
    let ours = || {
        changed(pack)
            .into_iter()
            .map(|(module, _, _)| module)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (lists(), ours()),
        (vec!["shop_broken".to_owned()], vec!["shop_broken".to_owned()])
    );
    pack.write("repo/addons/own/shop_note/extra.py", "# more\n");
    let mut theirs = lists();
    theirs.sort();
    assert_eq!((theirs, ours().len()), (ours(), 2));
    std::fs::remove_file(pack.path("repo/addons/own/shop_note/extra.py")).unwrap();
    // Other patterns in the database are other sums, of Odoo's own modules too.
    let key = "module_auto_update.exclude_patterns";
    let patterns = "*.pyc,*.pyo,i18n/*.pot,i18n_extra/*.pot,static/*,models/*";
    let set = |sql: &str| pack.run(&["psql", "production", "--", "-qc", sql]).exits(0);
    set(&format!(
        "INSERT INTO ir_config_parameter (key, value) VALUES ('{key}', '{patterns}')"
    ));
    let mut theirs = lists();
    theirs.sort();
    assert!(theirs.contains(&"base".to_owned()), "{theirs:?}");
    assert_eq!(theirs, ours());
    set(&format!("DELETE FROM ir_config_parameter WHERE key = '{key}'"));
}

/// `click-odoo-update --list-only` as it is published, by the release's own Python, as the environment's user.
fn click_odoo_update(pack: &Pack) -> String {
    let place = tempfile::tempdir().unwrap();
    let place = Utf8Path::from_path(place.path()).unwrap();
    for (package, version) in CLICK_ODOO {
        machine::must(
            "cp",
            &["-rT", addons::unpacked(package, version).as_str(), place.as_str()],
        );
    }
    machine::must("chmod", &["-R", "a+rX", place.as_str()]);
    let one = |below: &str, wanted: &str| {
        let mut entries = pack
            .path(below)
            .read_dir_utf8()
            .unwrap()
            .map(|entry| entry.unwrap().into_path());
        entries
            .find(|path| path.file_name().unwrap().starts_with(wanted))
            .unwrap()
    };
    let code = one("data/releases", "19.0-").join("usr/lib/python3/dist-packages");
    let python = one("data/releases/python", "").join("bin/python");
    let conf = pack.path("data/config/production/blue/odoo.conf");
    let user = "odoo-modules-production";
    let program = "from click_odoo_contrib.update import main; main()";
    let path = format!("PYTHONPATH={place}:{code}");
    let who = ["--reuid", "--regid"].map(|what| format!("{what}={user}"));
    machine::must_say(
        "setpriv",
        &[
            &who[0],
            &who[1],
            "--init-groups",
            "--",
            "env",
            "HOME=/tmp",
            "PYTHONDONTWRITEBYTECODE=1",
            &path,
            python.as_str(),
            "-c",
            program,
            "-c",
            conf.as_str(),
            "-d",
            "modules_production",
            "--list-only",
        ],
    )
}

/// Every module of Odoo itself has the checksum that click-odoo-update computes.
fn hashes_of_odoo(pack: &Pack) {
    pack.now("checksums of every module of Odoo");
    let releases = pack
        .path("data/releases")
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().into_path());
    let release = releases
        .into_iter()
        .find(|path| path.file_name().unwrap().starts_with("19.0-"))
        .unwrap();
    let top = release.join("usr/lib/python3/dist-packages/odoo/addons");
    let case = usual(&["en_US", "fr_BE"]);
    let ours = ours(std::slice::from_ref(&top), &case);
    assert!(ours.len() > 400, "{}", ours.len());
    assert_eq!([ours], theirs(&[top], &[case])[..]);
}

fn tests_run_apart(pack: &Pack) {
    pack.now("tests run in a database of their own, and those that fail have file and line");
    let before = pids(pack);
    let failed = pack.run(&["module", "test", "production", "shop_note"]).exits(8);
    assert!(failed.stderr.contains("1 of 2 tests failed"), "{}", failed.said());
    assert!(
        failed.stderr.contains("shop_note/tests/test_note.py:8"),
        "{}",
        failed.said()
    );
    assert!(
        failed.stderr.contains("AssertionError: 1 != 2"),
        "{}",
        failed.said()
    );
    assert_eq!(pids(pack), before);
    assert_eq!(
        sql(
            pack,
            "SELECT count(*) FROM pg_database WHERE datname LIKE '%_tests'"
        ),
        "0"
    );
    assert!(!pack.path("data/environments/production/tests").exists());
}

fn uninstall(pack: &Pack) {
    pack.now("what needs a module goes with it");
    let plan = pack.json(&[
        "module",
        "uninstall",
        "production",
        "partner_firstname",
        "--dry-run",
    ]);
    assert_eq!(plan["work"]["others"], json!(["shop_note"]));
    // As after new code that needs less, before its first update: Odoo goes by what the database says.
    sql(
        pack,
        "INSERT INTO ir_module_module_dependency (module_id, name) SELECT id, 'shop_note' FROM ir_module_module WHERE name = 'auditlog'",
    );
    let old = pack.json(&["module", "uninstall", "production", "shop_note", "--dry-run"]);
    assert_eq!(old["work"]["others"], json!(["auditlog"]));
    sql(
        pack,
        "DELETE FROM ir_module_module_dependency d USING ir_module_module m WHERE m.id = d.module_id AND m.name = 'auditlog' \
         AND d.name = 'shop_note'",
    );
    // The code of both is gone, and uninstalling is the only way to be rid of them.
    for module in ["oca/partner_firstname", "own/shop_note"] {
        std::fs::remove_dir_all(pack.path(&format!("repo/addons/{module}"))).unwrap();
    }
    pack.run(&["module", "uninstall", "production", "partner_firstname", "--yes"])
        .exits(0);
    let left = "SELECT count(*) FROM ir_module_module WHERE state = 'installed' AND name IN ('shop_note', 'partner_firstname')";
    assert_eq!((sql(pack, left), states(pack)), ("0".to_owned(), String::new()));
    let stored = sql(
        pack,
        "SELECT value FROM ir_config_parameter WHERE key = 'module_auto_update.installed_checksums'",
    );
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert!(
        stored["base"].is_string() && stored["shop_note"].is_null(),
        "{stored}"
    );
    pack.run(&["status"]).exits(0);
}
