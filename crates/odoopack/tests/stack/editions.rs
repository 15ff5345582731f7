//! Three editions in containers: what keeps them apart, asked while they run.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::editions::{self, Edition};
use crate::support::stack::{docker, id, must};
use crate::support::{Pack, machine, wait_for};

const PRODUCTION: Edition = Edition::new("production", "shop_production", "odoo_core");
const DEV: Edition = Edition::new("dev", "shop_dev", "shop_dev");
const MARKETING: Edition = Edition::new("marketing", "shop_marketing", "odoo_marketing");
const ACCOUNTING: Edition = Edition::new("accounting", "shop_accounting", "odoo_accounting");
const PRODUCTIVE: [Edition; 3] = [PRODUCTION, MARKETING, ACCOUNTING];
const ALL: [Edition; 4] = [PRODUCTION, DEV, MARKETING, ACCOUNTING];

/// Database and role of marketing's sessions.
const SESSIONS: &str = "shop_marketing-sessions";

/// PostgreSQL's own, where the file says nothing: its socket carries it.
const PORT: u16 = 5432;

/// Of the control group that a container is in, by version 2 or 1 of control groups.
const LIMIT: &str =
    "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";

/// Two are added to what runs, and one goes again.
pub(crate) fn three_are_apart(pack: &Pack) {
    pack.now("two more editions in production, beside core and development");
    let others = ["production.blue.web", "production.blue.cron", "dev.blue.web"];
    let before = others.map(id);
    editions::add_two(pack);
    let table = "[environments.marketing]\n";
    pack.edit_file(table, &format!("{table}sessions = \"database\"\n"));
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    assert_eq!(others.map(id), before, "nobody else was touched");
    editions::roles_are_closed(pack, PORT, &ALL);
    files_are_closed(pack);
    editions::crons_stay_at_home(pack, &PRODUCTIVE, &ALL);
    editions::each_has_its_own_modules(pack, PRODUCTIVE);
    memory_is_its_own(pack);
    sessions_are_in_a_database(pack);
    let site = pack.site();
    let session = site
        .sign_in(PRODUCTION.database, &PRODUCTION.secret(pack, "ADMIN"))
        .unwrap();
    editions::two_sessions_in_one_browser(pack, [(MARKETING, 8070), (ACCOUNTING, 8071)]);
    pack.now("an edition goes; the other ones serve on");
    editions::meanwhile(&site, || {
        for service in ["marketing.blue.web", "marketing.blue.cron"] {
            must(&["stop", &id(service)]);
        }
    });
    pack.run(&["edition", "remove", "marketing"]).exits(0);
    let said = pack.run(&["up", "--yes"]).exits(0).said();
    // Docker cannot close a published port of a container that runs, and nginx has those of all editions.
    assert_eq!(restarts(&said), ["nginx"], "{said}");
    assert_eq!(others.map(id), before);
    assert_eq!(id("marketing.blue.web"), "");
    let count = session.call("res.users", "search_count", &json!([[["login", "=", "admin"]]]));
    assert_eq!(count, 1, "whoever was signed in is still");
    let there = "SELECT count(*) FROM pg_database WHERE datname = 'odoo_marketing'";
    assert_eq!(
        editions::sql(pack, "production", &[], there),
        "1",
        "its data stay"
    );
    for database in [MARKETING.database, SESSIONS] {
        let sql = format!("DROP DATABASE \"{database}\"");
        let drop = ["-d", "postgres", "-c", &sql];
        pack.run(&[&["psql", "production", "--admin", "--"], &drop[..]].concat())
            .exits(0);
    }
}

/// Rows of a database of their own, and nowhere else; without their module nobody is served by files instead.
fn sessions_are_in_a_database(pack: &Pack) {
    pack.now("sessions in a database: rows, no files; they outlive Odoo, which does not start without their module");
    let site = editions::site(pack, "marketing");
    let session = wait_for("sign in", || {
        site.sign_in(MARKETING.database, &MARKETING.secret(pack, "ADMIN"))
    });
    let sid = session.cookie_value();
    let sql =
        format!("SELECT count(*) FROM http_sessions WHERE sid = '{sid}' AND payload LIKE '%\"uid\": 2%'");
    let rows = ["-d", SESSIONS, "-Atc", &sql];
    let rows = pack.run(&[&["psql", "marketing", "--admin", "--"], &rows[..]].concat());
    assert_eq!(rows.exits(0).stdout.trim(), "1");
    let module = pack.path("repo/addons/own/session_db");
    let away = pack.path("session_db");
    std::fs::rename(&module, &away).unwrap();
    let web = id("marketing.blue.web");
    must(&["restart", &web]);
    wait_for("Odoo ends instead of keeping sessions in files", || {
        let seen = pack.status();
        let probes = seen["probes"]["marketing"].as_array()?.iter();
        let bad = probes.filter(|probe| probe["verdict"] != "pass").count();
        (seen["good"] == false && bad > 0 && seen["services"]["marketing.blue.web"]["restarts"] != 0)
            .then_some(())
    });
    std::fs::rename(&away, &module).unwrap();
    pack.run(&["restart", "marketing"]).exits(0);
    wait_for("every probe passes again", || {
        (pack.status()["good"] == true).then_some(())
    });
    let users = session.call("res.users", "search_count", &json!([[["login", "=", "admin"]]]));
    assert_eq!(users, 1, "whoever was signed in is still");
    let files = pack.path("data/environments/marketing/sessions");
    assert_eq!(machine::must("find", &[files.as_str(), "-mindepth", "1"]), "");
    let seen = pack.run(&["status", "--json"]).exits(0).stdout;
    assert!(seen.contains("sessions are in a database of their own"), "{seen}");
}

/// Services that were restarted.
fn restarts(said: &str) -> Vec<&str> {
    let lines = said.lines().filter(|line| line.trim_start().starts_with("done "));
    let named = lines.filter_map(|line| line.split_once("  restart "));
    named
        .filter_map(|(_, rest)| rest.split_whitespace().next())
        .collect()
}

/// Neither on the host by its user, nor in its container, where those of others are not.
fn files_are_closed(pack: &Pack) {
    pack.now("a user reads its own files only");
    editions::no_directory_is_open(pack);
    let mut users = BTreeSet::new();
    for one in ALL {
        let user = format!("odoo-shop-{}", one.name);
        let web = id(&format!("{}.blue.web", one.name));
        let runs_as = must(&["inspect", "--format", "{{.Config.User}}", &web]);
        let uid = machine::must("id", &["--user", &user]);
        assert_eq!(runs_as.split(':').next(), Some(uid.trim()), "{user}");
        users.insert(runs_as);
        for other in ALL {
            let own = one.name == other.name;
            let conf = pack.path(&format!("config/{}.conf", other.name));
            let reads = editions::user_reads(&user, conf.as_str());
            assert_eq!(reads, own, "{user}: {conf}");
            let files = pack.path(&format!("data/environments/{}", other.name));
            let seen = docker(&["exec", &web, "ls", files.as_str()]).code == Some(0);
            assert_eq!(seen, own, "{}: {files}", one.name);
        }
        assert!(!editions::user_reads(
            &user,
            pack.path("data/secrets/DEV_DATABASE").as_str()
        ));
    }
    assert_eq!(users.len(), ALL.len());
}

/// The kernel's limit is the file's, and what goes past it ends while its neighbours do not notice.
fn memory_is_its_own(pack: &Pack) {
    pack.now("each has its own limit of memory, and it holds");
    let services = [
        "production.blue.web",
        "production.blue.cron",
        "dev.blue.web",
        "marketing.blue.web",
        "marketing.blue.cron",
        "accounting.blue.web",
        "accounting.blue.cron",
    ];
    for service in services {
        let asked = must(&["inspect", "--format", "{{.HostConfig.Memory}}", &id(service)]);
        assert_ne!(asked, "0", "{service}");
        assert_eq!(
            must(&["exec", &id(service), "sh", "-c", LIMIT]),
            asked,
            "{service}"
        );
    }
    let web = id("marketing.blue.web");
    let limit: u64 = must(&["inspect", "--format", "{{.HostConfig.Memory}}", &web])
        .parse()
        .unwrap();
    // The kernel ends the biggest; this one offers itself.
    let greedy = format!("open('/proc/self/oom_score_adj', 'w').write('1000'); x = b'x' * {limit}");
    let ended = docker(&["exec", &web, "python3", "-c", &greedy]);
    assert_eq!(ended.code, Some(137), "{}", ended.said());
    for one in ALL {
        let page = if one.name == "production" {
            pack.site()
        } else {
            editions::site(pack, one.name)
        };
        page.get("/web/login").is(200);
    }
}
