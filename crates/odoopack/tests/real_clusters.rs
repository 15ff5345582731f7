//! A PostgreSQL server for each of two editions: nobody hears or enters the other's, and both are backed up, restored, removed.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use camino::Utf8PathBuf;
use serde_json::Value;
use support::{Pack, editions, machine};

const FILE: &str = r#"[postgres]
cluster = "per-edition"

[editions.core]

[editions.marketing]

[environments.core]
edition = "core"
kind = "production"
domain = "core.localhost"
users = 3
workers = 0

[environments.marketing]
edition = "marketing"
kind = "production"
domain = "marketing.localhost"
users = 3
workers = 0
"#;

const EDITIONS: [&str; 2] = ["core", "marketing"];

#[test]
fn each_edition_has_a_server_that_no_other_hears_or_enters() {
    let pack = Pack::with_file("clusters", 31_600, &support::file("clusters", FILE));
    pack.now("two editions, two servers");
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(pack.run(&["up", "--yes"]).exits(0).stdout.trim(), "nothing to do");
    two_servers_run(&pack);
    a_notification_stays_on_its_server(&pack);
    a_role_is_known_on_its_server_only(&pack);
    pack.run(&["doctor"]).exits(0);
    both_are_backed_up_and_one_comes_back(&pack);
    databases_stay_where_they_are(&pack);
    one_goes_and_is_found_again(&pack);
    pack.now("down");
    pack.run(&["down"]).exits(0);
    let left = machine::processes_of(&pack.root);
    assert!(left.is_empty(), "{left:?}");
    pack.now("done");
}

fn socket(pack: &Pack, edition: &str) -> Utf8PathBuf {
    pack.path(&format!("data/run/postgres.{edition}"))
}

fn server(pack: &Pack, edition: &str) -> Value {
    pack.status()["services"][format!("postgres.{edition}")].clone()
}

/// As the administrator of the edition's server.
fn admin(pack: &Pack, edition: &str, database: &str, sql: &str) -> String {
    let socket = socket(pack, edition);
    let who = ["-h", socket.as_str(), "-U", "odoopack", "-d", database];
    machine::must("psql", &[&who[..], &["-Atqc", sql]].concat())
        .trim()
        .to_owned()
}

fn two_servers_run(pack: &Pack) {
    let pids = EDITIONS.map(|edition| server(pack, edition)["pid"].as_u64().unwrap());
    assert_ne!(pids[0], pids[1]);
    assert!(pack.status()["services"]["postgres"].is_null() && !pack.path("data/postgres").exists());
    for edition in EDITIONS {
        let own = "SELECT string_agg(datname, ' ') FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'";
        assert_eq!(
            admin(pack, edition, "postgres", own),
            format!("clusters_{edition}")
        );
        let place = "SELECT current_setting('data_directory')";
        let wanted = pack.path(&format!("data/postgres.{edition}"));
        assert_eq!(admin(pack, edition, "postgres", place), wanted);
    }
}

/// psql shows what came meanwhile after each of its statements.
fn a_notification_stays_on_its_server(pack: &Pack) {
    pack.now("a notification is heard on its own server only");
    let say = |edition: &str| {
        let socket = socket(pack, edition);
        format!("\\! psql -h {socket} -U odoopack -d postgres -qc \"NOTIFY imbus, 'said on {edition}'\"")
    };
    let socket = socket(pack, "core");
    let (theirs, ours) = (say("marketing"), say("core"));
    let heard = machine::must(
        "psql",
        &[
            "-h",
            socket.as_str(),
            "-U",
            "odoopack",
            "-d",
            "postgres",
            "-c",
            "LISTEN imbus",
            "-c",
            &theirs,
            "-c",
            &ours,
            "-c",
            "SELECT 1",
        ],
    );
    assert!(
        heard.contains("said on core") && !heard.contains("said on marketing"),
        "{heard}"
    );
}

fn a_role_is_known_on_its_server_only(pack: &Pack) {
    pack.now("a role enters its own server only");
    for one in EDITIONS {
        let role = format!("clusters_{one}");
        let password = pack.secret(&format!("{}_DATABASE", one.to_uppercase()));
        for other in EDITIONS {
            let said = machine::psql(&socket(pack, other), (&role, "postgres"), &password, "SELECT 1");
            assert_eq!(said.is_some(), one == other, "{role} on the server of {other}");
        }
        let own = editions::sql(pack, one, &[], "SELECT current_database() || ' ' || current_user");
        assert_eq!(own, format!("{role} {role}"));
    }
}

fn both_are_backed_up_and_one_comes_back(pack: &Pack) {
    pack.now("both are backed up; one comes back, beside and in its place");
    for edition in EDITIONS {
        let database = format!("clusters_{edition}");
        admin(
            pack,
            edition,
            &database,
            &format!("CREATE TABLE kept AS SELECT '{edition}' AS whose"),
        );
        pack.run(&["backup", "create", edition]).exits(0);
    }
    pack.run(&["restore", "latest", "--of", "marketing", "--as", "look"])
        .exits(0);
    assert_eq!(
        admin(pack, "marketing", "look", "SELECT whose FROM kept"),
        "marketing"
    );
    let others = "SELECT count(*) FROM pg_database WHERE datname = 'look'";
    assert_eq!(admin(pack, "core", "postgres", others), "0");
    for statement in ["DROP DATABASE look", "DROP ROLE IF EXISTS look"] {
        admin(pack, "marketing", "postgres", statement);
    }
    admin(
        pack,
        "marketing",
        "clusters_marketing",
        "UPDATE kept SET whose = 'changed'",
    );
    let before = server(pack, "core")["pid"].clone();
    let replace = [
        "restore",
        "latest",
        "--of",
        "marketing",
        "--to",
        "marketing",
        "--yes-replace",
        "marketing",
    ];
    pack.run(&replace).exits(0);
    let back = admin(pack, "marketing", "clusters_marketing", "SELECT whose FROM kept");
    assert_eq!(back, "marketing");
    assert_eq!(server(pack, "core")["pid"], before);
    pack.run(&["env", "resume", "marketing", "--yes"]).exits(0);
}

fn databases_stay_where_they_are(pack: &Pack) {
    pack.now("a change of the file that would begin with empty databases is refused");
    let text = pack.read("repo/odoopack.toml");
    pack.edit_file("cluster = \"per-edition\"", "cluster = \"shared\"");
    let said = pack.run(&["up", "--yes"]).exits(4).said();
    assert!(
        said.contains("data/postgres.core, data/postgres.marketing hold"),
        "{said}"
    );
    pack.write("repo/odoopack.toml", &text);
    pack.edit_file("edition = \"marketing\"", "edition = \"core\"");
    let said = pack.run(&["up", "--yes"]).exits(4).said();
    assert!(said.contains("data/postgres.core has no such database"), "{said}");
    pack.write("repo/odoopack.toml", &text);
    assert_eq!(pack.run(&["up", "--yes"]).exits(0).stdout.trim(), "nothing to do");
}

fn one_goes_and_is_found_again(pack: &Pack) {
    pack.now("an edition goes with its server, the other one serves on, and its data are found again");
    let text = pack.read("repo/odoopack.toml");
    let before = server(pack, "core")["pid"].clone();
    let said = pack.run(&["edition", "remove", "marketing"]).exits(0).said();
    assert!(
        said.contains("data/postgres.marketing keeps the databases"),
        "{said}"
    );
    let core = editions::site(pack, "core");
    let said = editions::meanwhile(&core, || pack.run(&["up", "--yes"]).exits(0).said());
    assert!(
        said.contains("data/postgres.marketing keeps its databases"),
        "{said}"
    );
    assert!(server(pack, "marketing").is_null());
    assert_eq!(server(pack, "core")["pid"], before);
    assert!(pack.path("data/postgres.marketing/PG_VERSION").exists());
    pack.write("repo/odoopack.toml", &text);
    let said = pack.run(&["up", "--yes"]).exits(0).said();
    assert!(!said.contains("create"), "{said}");
    let back = admin(pack, "marketing", "clusters_marketing", "SELECT whose FROM kept");
    assert_eq!(back, "marketing");
    assert_eq!(server(pack, "core")["pid"], before);
    editions::site(pack, "marketing").get("/web/login").is(200);
}
