//! Staging comes beside production.

use crate::support::stack::id;
use crate::support::{Pack, editions};

const STAGING: &str = r#"
[environments.staging]
edition = "field"
domain = "staging.localhost"
workers = 0
cron_workers = 0
"#;

/// Nobody takes it for production, neither a person nor a search engine.
pub(crate) fn stands_beside_production(pack: &Pack) {
    pack.now("staging beside production");
    let others = ["production.blue.web", "production.blue.cron", "postgres", "gate"];
    let before = others.map(id);
    let text = pack.read("repo/odoopack.toml");
    pack.write("repo/odoopack.toml", &format!("{text}{STAGING}"));
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(others.map(id), before, "nobody else was touched");
    let marked = editions::site(pack, "staging").get("/web/login").is(200);
    assert!(marked.text().contains("odoopack-ribbon"), "{}", marked.text());
    assert_eq!(marked.header("x-robots-tag"), "noindex");
    let real = pack.site().get("/web/login").is(200);
    assert!(!real.text().contains("odoopack-ribbon") && real.header("x-robots-tag").is_empty());
    let enters = "SELECT has_database_privilege('shop_staging', 'odoo_core', 'CONNECT'), \
                         has_database_privilege('shop_production', 'shop_staging', 'CONNECT')";
    assert_eq!(editions::sql(pack, "production", &[], enters), "f|f");
    let conf = pack.read("config/staging.conf");
    assert!(
        conf.lines().any(|line| line == "smtp_server = 127.0.0.1"),
        "{conf}"
    );
    pack.write("repo/odoopack.toml", &text);
    pack.run(&["up", "--yes"]).exits(0);
    let drop = ["-d", "postgres", "-c", "DROP DATABASE shop_staging"];
    pack.run(&[&["psql", "production", "--admin", "--"], &drop[..]].concat())
        .exits(0);
}
