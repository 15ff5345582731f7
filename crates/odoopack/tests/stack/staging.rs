//! Staging comes beside production.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on shall panic, in its helpers too; it says what it does"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::stack::id;
use crate::support::{Pack, editions};

const STAGING: &str = r#"
[environments.staging]
edition = "field"
domain = "staging.localhost"
workers = 0
cron_workers = 0
"#;

/// nginx is made anew, while somebody has Odoo open.
fn with_little_interruption<T>(pack: &Pack, act: impl FnOnce() -> T) {
    let site = pack.site();
    let (answer, _open) = site.open_websocket();
    assert!(answer.contains(" 101 "), "{answer}");
    let (nginx, over) = (id("nginx"), AtomicBool::new(false));
    let longest = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !over.load(Ordering::Relaxed) {
                if site.try_get("/web/health").is_ok_and(|page| page.status == 200) {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            longest
        });
        act();
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    assert_ne!(id("nginx"), nginx);
    println!("         {longest:?} without an answer");
    // Its workers alone would wait 30 s for the websocket.
    assert!(longest < Duration::from_secs(15), "{longest:?} without an answer");
}

/// Nobody takes it for production, neither a person nor a search engine.
pub(crate) fn stands_beside_production(pack: &Pack) {
    pack.now("staging beside production");
    let others = ["production.blue.web", "production.blue.cron", "postgres", "gate"];
    let before = others.map(id);
    let text = pack.read("repo/odoopack.toml");
    pack.write("repo/odoopack.toml", &format!("{text}{STAGING}"));
    with_little_interruption(pack, || pack.run(&["up", "--yes"]).exits(0));
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
