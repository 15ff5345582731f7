//! A pack goes from one engine to the other in its own root, and back.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts programs and says what it does"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::json;
use support::stack::{docker, in_own_network, is_inside, must, with_docker_here};
use support::{Pack, artefacts, file, machine};

const TEST: &str = "a_pack_goes_from_one_engine_to_the_other";

const PRODUCTION: &str = "[environments.production]\ndomain = \"localhost\"\nusers = 3\n";

/// What the file of a stack says more, and what only the other one says.
const IMAGES: &str = "[images]\npostgres = \"postgres:15\"\nnginx = \"nginx:1.22\"\n\n";
const DEBIAN: &str = "source = { debian = \"sid\" }\n";

/// What people read of it, and the words before what `enter` prints.
const PAGE: &str = include_str!("../../../docs/guides/containers.md");
const BEFORE_IT: &str = "Cut off, the same command goes on.\n";

/// Of the user `admin`, here and there.
const PASSWORD: &str = "as-it-was-4713";

/// What people have put into it.
const FILL: &str = r"
import base64
env['res.partner'].create({'name': 'Moved'})
env['ir.attachment'].create({'name': 'moved.txt', 'datas': base64.b64encode(b'these bytes move')})
env.cr.commit()
";

/// Rows of tables that nothing changes by itself.
const COUNTS: &str = "SELECT (SELECT count(*) FROM res_partner), (SELECT count(*) FROM ir_module_module), (SELECT count(*) FROM ir_model_fields)";

/// A cluster, whatever it is called and wherever it lies.
const CLUSTER: &str = "SELECT system_identifier FROM pg_control_system()";

#[test]
fn a_pack_goes_from_one_engine_to_the_other() {
    // Nothing of what the engine `native` needs can be downloaded in the network that leads nowhere.
    let made = (!is_inside()).then(natively);
    if !in_own_network(TEST) {
        // What is removed with it, and looks the same on every engine, is only in the network that has ended.
        drop(made);
        for what in ["counts", "cluster", "authority", "place"] {
            std::fs::remove_file(noted(what)).unwrap();
        }
        return;
    }
    with_docker_here(TEST, || there_and_back(&Pack::of_another_process("engines")));
}

fn asked(pack: &Pack, sql: &str) -> String {
    let ask = [
        "psql",
        "production",
        "--admin",
        "--",
        "-d",
        "engines_production",
        "-Atc",
        sql,
    ];
    pack.run(&ask).exits(0).stdout.trim().to_owned()
}

/// What both processes know.
fn noted(what: &str) -> Utf8PathBuf {
    artefacts().join(format!("engines.{what}"))
}

fn note(what: &str, text: &str) {
    std::fs::write(noted(what), text).unwrap();
}

fn read(what: &str) -> String {
    std::fs::read_to_string(noted(what)).unwrap()
}

fn natively() -> Pack {
    let pack = Pack::with_file("engines", 31_400, &file("engines", PRODUCTION));
    pack.now("the engine `native`, with something in it");
    pack.run_with(&["secret", "set", "PRODUCTION_ADMIN"], PASSWORD)
        .exits(0);
    pack.run(&["up", "--yes"]).exits(0);
    pack.run_with(&["shell", "production"], FILL).exits(0);
    note("counts", &asked(&pack, COUNTS));
    note("cluster", &asked(&pack, CLUSTER));
    note("authority", &pack.read("data/tls/authority.pem"));
    // There is no Docker here, and nobody shall install one for this.
    pack.now("the switch is refused with the way");
    to_compose(&pack);
    let refused = pack.run(&["up", "--yes"]).exits(1);
    for words in ["`odoopack engine leave --root ", "`odoopack engine enter --root "] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.said());
    }
    to_native(&pack);
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    not_while_somebody_works_in_it(&pack);
    nor_where_somebody_wrote_meanwhile(&pack);
    pack.now("left, by one that is killed as soon as it is done");
    let shown = pack.json(&["engine", "leave", "--dry-run"]);
    assert_eq!(shown["plan"].as_array().unwrap().len(), 4, "{shown}");
    let left = pack.path("data/odoopack/left.json");
    killed(&pack, &["engine", "leave", "--yes"], || left.is_file());
    let mut kept = pack.path("aside").read_dir_utf8().unwrap().flatten();
    let place = kept.next().unwrap().into_path();
    assert!(place.file_name().unwrap().starts_with("native-"), "{place}");
    assert!(kept.next().is_none(), "nothing else was put aside");
    note("place", place.as_str());
    let refused = pack.run(&["up", "--yes"]).exits(4);
    for words in ["`odoopack engine enter --root ", "`odoopack engine back --root "] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.said());
    }
    pack
}

/// What somebody writes by hand is in no snapshot; the engine is not left, and starts again.
fn not_while_somebody_works_in_it(pack: &Pack) {
    pack.now("it is not left while somebody works in the database");
    let ask = ["psql", "production", "--admin", "--", "-d", "engines_production"];
    let mut somebody = pack.start(&ask);
    support::wait_for("somebody is connected", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'engines_production' AND application_name = 'psql' AND pid <> pg_backend_pid()";
        (asked(pack, sql) == "1").then_some(())
    });
    let refused = pack.run(&["engine", "leave", "--yes"]).exits(4);
    assert!(
        refused.stderr.contains("somebody works in database"),
        "{}",
        refused.said()
    );
    assert!(!pack.path("aside").exists());
    drop(somebody.stdin.take());
    assert!(somebody.wait().unwrap().success());
    pack.run(&["up", "--yes"]).exits(0);
}

/// Nor where somebody came, wrote and went while the snapshot was made, which lacks it.
fn nor_where_somebody_wrote_meanwhile(pack: &Pack) {
    pack.now("it is not left with a snapshot that lacks what somebody wrote");
    let leave = ["engine", "leave", "--yes"];
    let leaving = pack.start(&leave);
    support::wait_for("the snapshot begins", || {
        let journals = pack.path("data/odoopack/operations").read_dir_utf8().unwrap();
        let mut journals = journals.flatten();
        journals
            .any(|one| one.file_name().ends_with("-backup-create.jsonl"))
            .then_some(())
    });
    let socket = pack.path("data/run/postgres");
    let write = "UPDATE res_partner SET comment = 'meanwhile' WHERE name = 'Moved'";
    let written = machine::psql(&socket, ("odoopack", "engines_production"), "", write);
    assert_eq!(written.as_deref(), Some("UPDATE 1"));
    let refused = pack.end(leaving, &leave).exits(4);
    assert!(
        refused
            .stderr
            .contains("somebody wrote into database engines_production"),
        "{}",
        refused.said()
    );
    assert!(!pack.path("aside").exists());
    pack.run(&["up", "--yes"]).exits(0);
}

/// Kills a command as soon as it has reached something.
fn killed(pack: &Pack, args: &[&str], reached: impl Fn() -> bool) {
    let mut child = pack.start(args);
    loop {
        let ended = child.try_wait().unwrap();
        if reached() {
            break;
        }
        assert_eq!(ended, None, "{args:?} ended before");
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The same as soon as it has said something; what it had printed by then.
fn killed_saying(pack: &Pack, args: &[&str], words: &str) -> String {
    let mut child = pack.start(args);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let found = said.find(|line| line.as_ref().unwrap().contains(words));
    assert!(found.is_some(), "{args:?} ended without `{words}`");
    child.kill().unwrap();
    let printed = child.wait_with_output().unwrap();
    String::from_utf8(printed.stdout).unwrap()
}

fn to_compose(pack: &Pack) {
    pack.edit_file("[pack]\n", "[pack]\nengine = \"compose\"\n");
    pack.edit_file(DEBIAN, "");
    pack.edit_file("[web]\n", &format!("{IMAGES}[web]\n"));
}

fn to_native(pack: &Pack) {
    pack.edit_file("engine = \"compose\"\n", "");
    pack.edit_file("series = \"19.0\"\n", &format!("series = \"19.0\"\n{DEBIAN}"));
    pack.edit_file(IMAGES, "");
}

fn there_and_back(pack: &Pack) {
    pack.now("the engine `compose`, in the same root");
    to_compose(pack);
    let unlocked = pack.run(&["image", "build"]).exits(4);
    assert!(
        unlocked.stderr.contains("so no image is built"),
        "{}",
        unlocked.said()
    );
    killed_and_entered(pack);
    pack.now("everything is there, and it works");
    assert_ne!(asked(pack, CLUSTER), read("cluster"));
    everything_is_there(pack);
    pack.run(&["env", "resume", "production", "--yes"]).exits(0);
    assert_eq!(pack.status()["good"], true);
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    // The empty database in whose place it came is gone, and what the other engine made is not.
    let databases = "SELECT string_agg(datname, ' ') FROM pg_database WHERE NOT datistemplate";
    assert_eq!(
        asked(pack, databases)
            .split(' ')
            .collect::<std::collections::BTreeSet<_>>(),
        ["engines_production", "postgres"].into()
    );
    let place = Utf8PathBuf::from(read("place"));
    assert!(place.join("postgres/PG_VERSION").is_file(), "{place}");
    that_engine_is_left_as_well(pack);
    back(pack);
}

/// Killed as soon as the data begin to come, and when they are in: the same command goes on, and throws nothing away that people made.
fn killed_and_entered(pack: &Pack) {
    let enter = ["engine", "enter", "--yes"];
    let begun = pack.path("data/odoopack/open");
    killed(pack, &enter, || {
        let mut journals = begun.read_dir_utf8().into_iter().flatten().flatten();
        journals.next().is_some()
    });
    pack.now("entered again, and killed when the data are in");
    let said = killed_saying(pack, &enter, "lets them go");
    let kept = "SELECT datname FROM pg_database WHERE datname LIKE '%replaced%'";
    let kept = asked(pack, kept);
    assert!(kept.starts_with("engines_production_replaced_"), "{kept}");
    // What a person did in the empty one just before.
    let worked = "UPDATE res_partner SET create_uid = 2 WHERE id = 1";
    let psql = ["psql", "production", "--admin", "--", "-d", &kept, "-c", worked];
    pack.run(&psql).exits(0);
    pack.now("entered once more");
    let entered = pack.run(&enter).exits(0);
    let words = "the pack runs with the engine `compose`, with what it held";
    assert!(entered.stdout.contains(words), "{}", entered.said());
    assert!(
        entered.stderr.contains(&format!("it is kept as {kept}")),
        "{}",
        entered.said()
    );
    pack.run(&["restore", "--forget-replaced", "production", "--yes"])
        .exits(0);
    as_the_page_says(pack, &(said + &entered.stdout));
}

/// The guide shows what is printed.
fn as_the_page_says(pack: &Pack, printed: &str) {
    let (_, page) = PAGE.split_once(BEFORE_IT).unwrap();
    let shown = page.lines().skip_while(|line| line.is_empty());
    let shown = shown.map_while(|line| line.strip_prefix("    "));
    let printed = printed.replace(pack.root.as_str(), "/opt/odoo");
    let printed = printed.replace("engines_production", "odoo_production");
    // Which jobs are due depends on the hour.
    let printed = printed.lines().filter(|line| !line.starts_with("  waits: "));
    assert_eq!(
        shown.map(without_numbers).collect::<Vec<_>>(),
        printed.map(without_numbers).collect::<Vec<_>>()
    );
}

/// Counts, versions and ids differ from run to run.
fn without_numbers(line: &str) -> String {
    let words = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let number = |word: &str| {
        let word = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        word.starts_with(|c: char| c.is_ascii_digit())
            || word.len() == 8 && word.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let shown = |word: &str| {
        if number(word) {
            word.replace(|c: char| c.is_ascii_alphanumeric(), "")
        } else {
            word.to_owned()
        }
    };
    words.map(shown).collect()
}

fn everything_is_there(pack: &Pack) {
    assert_eq!(asked(pack, COUNTS), read("counts"));
    // Browsers that trust the pack go on trusting it.
    assert_eq!(pack.read("data/tls/authority.pem"), read("authority"));
    let site = pack.site();
    let session = site.sign_in("engines_production", PASSWORD);
    let session = session.expect("the old password is right");
    let found = session.call("res.partner", "search_count", &json!([[["name", "=", "Moved"]]]));
    assert_eq!(found, 1);
    let found = session.call("ir.attachment", "search", &json!([[["name", "=", "moved.txt"]]]));
    let page = session.get(&format!("/web/content/{}", found[0])).is(200);
    assert_eq!(page.body, b"these bytes move");
}

/// With nothing to download what follows is only the way back.
fn that_engine_is_left_as_well(pack: &Pack) {
    pack.now("containers are left in the same way");
    let refused = pack.run(&["engine", "back", "--yes"]).exits(4);
    assert!(
        refused.stderr.contains("`odoopack down --root "),
        "{}",
        refused.said()
    );
    let left = pack.json(&["engine", "leave", "--yes"]);
    assert_eq!(
        (&left["left"], must(&["ps", "--all", "--quiet"])),
        (&json!("compose"), String::new())
    );
    assert!(!pack.path("data/postgres").exists());
    // Nobody starts containers on what is in its place.
    assert!(!pack.path("deploy/docker-compose.yml").exists());
    let back = pack.json(&["engine", "back", "--yes"]);
    assert_eq!(back["back"], "compose");
    assert!(pack.path("data/postgres/PG_VERSION").is_file());
}

fn back(pack: &Pack) {
    pack.now("back, on the cluster that was left first");
    let back = pack.json(&["engine", "back", "--yes"]);
    let instead = Utf8PathBuf::from(back["place"].as_str().unwrap());
    assert!(instead.join("postgres/PG_VERSION").is_file(), "{instead}");
    to_native(pack);
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(asked(pack, CLUSTER), read("cluster"));
    everything_is_there(pack);
    // The one that was made there is remembered here.
    let all = pack.json(&["backup", "list"]);
    assert_eq!(all.as_array().map(Vec::len), Some(3), "{all}");
    assert_eq!(docker(&["ps", "--all", "--quiet"]).stdout.trim(), "");
    pack.run(&["down"]).exits(0);
    pack.now("done");
}
