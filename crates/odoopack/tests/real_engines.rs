//! A pack goes from one engine to the other in its own root, and back.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts programs and says what it does"
)]

mod support;

use camino::Utf8PathBuf;
use serde_json::json;
use support::stack::{docker, in_own_network, is_inside, must, with_docker_here};
use support::{Pack, artefacts, file};

const TEST: &str = "a_pack_goes_from_one_engine_to_the_other";

const PRODUCTION: &str = "[environments.production]\ndomain = \"localhost\"\nusers = 3\n";

/// What the file of a stack says more, and what only the other one says.
const IMAGES: &str = "[images]\npostgres = \"postgres:15\"\nnginx = \"nginx:1.22\"\n\n";
const DEBIAN: &str = "source = { debian = \"sid\" }\n";

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
    pack.now("left");
    let shown = pack.json(&["engine", "leave", "--dry-run"]);
    assert_eq!(shown["plan"].as_array().unwrap().len(), 4, "{shown}");
    let left = pack.run(&["engine", "leave", "--yes"]).exits(0);
    let kept = "what `native` made is kept in ";
    let place = left.stdout.lines().find_map(|line| line.strip_prefix(kept));
    note("place", place.unwrap());
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
    let entered = pack.run(&["engine", "enter", "--yes"]).exits(0);
    let words = "the pack runs with the engine `compose`, with what it held";
    assert!(entered.stdout.contains(words), "{}", entered.said());
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
    assert_eq!(all.as_array().map(Vec::len), Some(2), "{all}");
    assert_eq!(docker(&["ps", "--all", "--quiet"]).stdout.trim(), "");
    pack.run(&["down"]).exits(0);
    pack.now("done");
}
