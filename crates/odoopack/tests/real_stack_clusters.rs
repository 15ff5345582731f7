//! A PostgreSQL container for each of two editions, with a real Docker Engine.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use support::stack::{docker, id, must, stack_file, with_docker};
use support::{Pack, editions};

const FILE: &str = r#"
[postgres]
cluster = "per-edition"

[editions.core]

[editions.marketing]

[environments.core]
edition = "core"
kind = "production"
domain = "core.localhost"
workers = 0
cron_workers = 0

[environments.marketing]
edition = "marketing"
kind = "production"
domain = "marketing.localhost"
workers = 0
cron_workers = 0
"#;

const EDITIONS: [&str; 2] = ["core", "marketing"];

#[test]
fn each_edition_of_a_stack_has_a_server() {
    with_docker("each_edition_of_a_stack_has_a_server", || {
        two_editions(&Pack::with_file(
            "stack-clusters",
            31_950,
            &stack_file("shop", FILE),
        ));
    });
}

fn two_editions(pack: &Pack) {
    pack.now("up from nothing");
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    containers_see_their_own_server_only(pack);
    a_notification_stays_on_its_server(pack);
    a_snapshot_comes_beside(pack);
    one_is_killed_and_the_other_serves(pack);
    data_outlive_the_containers(pack);
    pack.run(&["down"]).exits(0);
    assert_eq!(must(&["ps", "--all", "--quiet"]), "");
    pack.now("done");
}

/// What a server answers its administrator.
fn admin(pack: &Pack, edition: &str, database: &str, sql: &str) -> String {
    let args = ["psql", edition, "--admin", "--", "-d", database, "-Atqc", sql];
    pack.run(&args).exits(0).stdout.trim().to_owned()
}

fn containers_see_their_own_server_only(pack: &Pack) {
    pack.now("a container sees the socket and the data of its own server only");
    for edition in EDITIONS {
        let own = format!("postgres.{edition}");
        let seen = |service: &str, place: &str| {
            let place = pack.path(place);
            let listed = must(&["exec", &id(service), "ls", place.as_str()]);
            listed.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let web = format!("{edition}.blue.web");
        assert_eq!(seen(&web, "data/run"), [own.as_str()], "{web}");
        assert_eq!(seen(&own, "data/run"), [own.as_str()], "{own}");
        assert!(seen(&own, "data").contains(&own));
        assert!(
            EDITIONS
                .iter()
                .all(|other| *other == edition || !seen(&own, "data").contains(&format!("postgres.{other}")))
        );
        let databases = "SELECT string_agg(datname, ' ') FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'";
        assert_eq!(
            admin(pack, edition, "postgres", databases),
            format!("shop_{edition}")
        );
    }
    assert_eq!(id("postgres"), "");
}

/// Both are sent between `LISTEN` and the statement after which psql shows what came.
fn a_notification_stays_on_its_server(pack: &Pack) {
    pack.now("a notification is heard on its own server only");
    let say = |edition: &str| format!("NOTIFY imbus, 'said on {edition}'");
    let script = |word: &str| {
        let socket = pack.path("data/run/postgres.core");
        format!(
            "LISTEN imbus;\n\\echo ready\n\\! i=0; while [ ! -e /tmp/{word} ] && [ $i -lt 600 ]; do i=$((i+1)); sleep 0.1; done\n\
             \\! psql -h {socket} -U odoopack -d postgres -qc \"{}\"\nSELECT 1;\n",
            say("core")
        )
    };
    let server = id("postgres.core");
    let heard = std::thread::scope(|scope| {
        let listens = scope.spawn(|| {
            pack.run_with(
                &["psql", "core", "--admin", "--", "-d", "postgres"],
                &script("go"),
            )
            .exits(0)
            .stdout
        });
        support::wait_for("somebody listens", || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN imbus%' AND pid <> pg_backend_pid()";
            (admin(pack, "core", "postgres", sql) != "0").then_some(())
        });
        admin(pack, "marketing", "postgres", &say("marketing"));
        must(&["exec", &server, "touch", "/tmp/go"]);
        listens.join().unwrap()
    });
    assert!(
        heard.contains("said on core") && !heard.contains("said on marketing"),
        "{heard}"
    );
}

fn a_snapshot_comes_beside(pack: &Pack) {
    pack.now("a backup of one comes back beside it, on its own server");
    admin(
        pack,
        "marketing",
        "shop_marketing",
        "CREATE TABLE kept AS SELECT 'marketing' AS whose",
    );
    pack.run(&["backup", "create", "marketing"]).exits(0);
    pack.run(&["restore", "latest", "--of", "marketing", "--as", "look"])
        .exits(0);
    assert_eq!(
        admin(pack, "marketing", "look", "SELECT whose FROM kept"),
        "marketing"
    );
    admin(pack, "marketing", "postgres", "DROP DATABASE look");
}

fn one_is_killed_and_the_other_serves(pack: &Pack) {
    pack.now("a server is removed; the other edition serves on, and `up` brings it back");
    let core = editions::site(pack, "core");
    let before = ["postgres.core", "core.blue.web"].map(id);
    editions::meanwhile(&core, || {
        must(&["rm", "--force", &id("postgres.marketing")]);
        pack.run(&["up", "--yes"]).exits(0);
    });
    assert_eq!(["postgres.core", "core.blue.web"].map(id), before);
    editions::site(pack, "marketing").get("/web/login").is(200);
}

fn data_outlive_the_containers(pack: &Pack) {
    pack.now("`down` and `up` keep the data of both");
    pack.run(&["down"]).exits(0);
    assert!(docker(&["volume", "ls", "--quiet"]).stdout.trim().is_empty());
    let said = pack.run(&["up", "--yes"]).exits(0).said();
    assert!(!said.contains("create"), "{said}");
    assert_eq!(
        admin(pack, "marketing", "shop_marketing", "SELECT whose FROM kept"),
        "marketing"
    );
}
