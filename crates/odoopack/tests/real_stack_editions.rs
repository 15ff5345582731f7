//! Three editions in production, on the ports of the document, development and staging in containers, with a real Docker Engine.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts programs and says what it does"
)]

#[path = "stack/copy.rs"]
mod copy;
#[path = "stack/development.rs"]
mod development;
#[path = "stack/editions.rs"]
mod editions;
#[path = "stack/staging.rs"]
mod staging;
mod support;
#[path = "stack/working.rs"]
mod working;

use support::probe::probe_module;
use support::stack::{id, must, stack_file, with_docker};
use support::{Pack, addons};

const FILE: &str = r#"
[mail]
smtp = "relay.example.com:25"

[addons]
own = ["addons/own"]

[editions.core]
only = ["dev_probe"]

[editions.field]
modules = ["dev_probe"]

[environments.production]
edition = "core"
domain = "localhost"
database = "odoo_core"
http_port = 8069
workers = 2

[environments.dev]
edition = "field"
domain = "dev.localhost"
http_port = 8072
demo = false
reload = true
"#;

/// Where production's mail goes, and nobody else's.
const RELAY: &str = "relay.example.com";

#[test]
fn three_editions_live_in_containers() {
    with_docker("three_editions_live_in_containers", || {
        editions_share_a_stack(&Pack::with_file(
            "stack-editions",
            31_750,
            &stack_file("shop", FILE),
        ));
    });
}

fn editions_share_a_stack(pack: &Pack) {
    probe_module(pack, "one", "first");
    // For an edition that comes later: one that is added to what an Odoo sees lets it start again.
    let (package, version) = addons::SESSION_DB;
    addons::lay_out(package, version, &pack.path("repo/addons/own"));
    pack.now("up from nothing");
    pack.run(&["up", "--yes"]).exits(0);
    nothing_to_do(pack);
    development::takes_changes_in(pack);
    development::keeps_its_mail_here(pack);
    staging::stands_beside_production(pack);
    working::modules_are_worked_on(pack);
    editions::three_are_apart(pack);
    copy::is_served(pack);
    the_database_is_published_on_loopback_alone(pack);
    pack.run(&["down"]).exits(0);
    assert_eq!(must(&["ps", "--all", "--quiet"]), "");
    pack.now("done");
}

#[track_caller]
fn nothing_to_do(pack: &Pack) {
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
}

fn the_database_is_published_on_loopback_alone(pack: &Pack) {
    pack.now("PostgreSQL answers on loopback when the file asks for it");
    let text = pack.read("repo/odoopack.toml");
    pack.write(
        "repo/odoopack.toml",
        &format!("{text}\n[postgres]\nport = 5432\n"),
    );
    pack.run(&["up", "--yes"]).exits(0);
    let ask = |user: &str, password: &str| {
        let url = format!("postgresql://{user}@127.0.0.1:5432/shop_dev");
        let output = std::process::Command::new("psql")
            .args([&url, "-Atc", "SELECT current_user"])
            .env("PGPASSWORD", password)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    assert_eq!(
        ask("shop_dev", &pack.secret("DEV_DATABASE")),
        (true, "shop_dev".to_owned())
    );
    assert!(!ask("shop_dev", "guessed").0);
    assert!(!ask("shop_production", &pack.secret("PRODUCTION_DATABASE")).0);
    let answer = pack.run(&["doctor", "--json"]).first_json();
    let told = answer["findings"].as_array().unwrap().iter();
    let of_postgres = told.filter(|one| one["place"] == "\"postgres\"");
    assert_eq!(of_postgres.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new());
    let format = "{{json .HostConfig.PortBindings}}";
    assert_eq!(
        must(&["inspect", "--format", format, &id("postgres")]),
        r#"{"5432/tcp":[{"HostIp":"127.0.0.1","HostPort":"5432"}]}"#
    );
    nothing_to_do(pack);
}
