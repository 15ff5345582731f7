//! Three editions in production, on the ports of the document, and a development environment on one PostgreSQL, one Redis and one nginx:
//! what they share and what they do not.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use serde_json::{Value, json};
use support::editions::{self, Edition, site};
use support::probe::{probe_module, write_controller, write_view};
use support::sessions::{digest, known, revoke};
use support::web::{Session, Site};
use support::{Pack, addons, machine, wait_for};

const FILE: &str = r#"[addons]
own = ["addons/own"]

[postgres]
port = PG_PORT

[editions.core]

[editions.field]
modules = ["dev_probe"]

[environments.core]
kind = "production"
edition = "core"
domain = "core.localhost"
database = "odoo_core"
http_port = 8069
sessions = "redis"
users = 5

[environments.dev]
edition = "field"
http_port = DEV_PORT
reload = true
"#;

const CORE: Edition = Edition::new("core", "editions_core", "odoo_core");
const MARKETING: Edition = Edition::new("marketing", "editions_marketing", "odoo_marketing");
const ACCOUNTING: Edition = Edition::new("accounting", "editions_accounting", "odoo_accounting");
const DEV: Edition = Edition::new("dev", "editions_dev", "editions_dev");

const PRODUCTIVE: [Edition; 3] = [CORE, MARKETING, ACCOUNTING];
const ALL: [Edition; 4] = [CORE, MARKETING, ACCOUNTING, DEV];

#[test]
fn editions_share_the_servers_and_nothing_else() {
    let [dev, postgres] = support::free_ports();
    let file = FILE
        .replace("DEV_PORT", &dev.to_string())
        .replace("PG_PORT", &postgres.to_string());
    let pack = Pack::with_file("editions", 32_600, &support::file("editions", &file));
    probe_module(&pack, "one", "first");
    pack.now("editions are added and everything comes up");
    editions::add_two(&pack);
    sessions_of_marketing_in_a_database(&pack);
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(pack.run(&["up", "--yes"]).exits(0).stdout.trim(), "nothing to do");
    pack.run(&["status"]).exits(0);
    assert!(machine::listening().contains(&postgres), "PostgreSQL on loopback");
    editions::roles_are_closed(&pack, postgres, &ALL);
    files_are_closed(&pack);
    editions::crons_stay_at_home(&pack, &PRODUCTIVE, &ALL);
    limits_are_their_own(&pack);
    editions::two_sessions_in_one_browser(&pack, [(CORE, 8069), (MARKETING, 8070)]);
    editions::no_ribbon(&site(&pack, "core"));
    editions::each_has_its_own_modules(&pack, PRODUCTIVE);
    sessions_are_in_redis(&pack);
    a_device_is_signed_out(&pack);
    sessions_are_in_a_database(&pack, postgres);
    development_takes_changes_in(&pack, dev);
    first_backups_at_once(&pack);
    one_goes_and_the_other_serves(&pack);
    pack.now("done");
}

fn files_are_closed(pack: &Pack) {
    pack.now("a user reads its own files only");
    let all = ALL.map(|edition| edition.name);
    for name in all {
        let user = format!("odoo-editions-{name}");
        let reads = |path: &str| editions::user_reads(&user, pack.path(path).as_str());
        for other in all {
            let own = name == other;
            assert_eq!(
                reads(&format!("data/config/{other}/blue/odoo.conf")),
                own,
                "{user}: odoo.conf of {other}"
            );
        }
        assert_eq!(
            reads("data/config/core/sessions.json"),
            name == "core",
            "{user}: password of Redis"
        );
        assert!(!reads("data/secrets/CORE_DATABASE"));
        assert!(!reads("data/tls/core.key"));
    }
    editions::no_directory_is_open(pack);
}

/// The hard limit of odoo.conf is the kernel's limit of a worker.
fn limits_are_their_own(pack: &Pack) {
    pack.now("each has its own limits");
    let status = pack.status();
    for name in PRODUCTIVE.map(|edition| edition.name) {
        let conf = pack.read(&format!("data/config/{name}/blue/odoo.conf"));
        let line = conf
            .lines()
            .find_map(|line| line.strip_prefix("limit_memory_hard = "))
            .unwrap()
            .to_owned();
        let master = status["services"][format!("{name}.blue.web")]["pid"]
            .as_u64()
            .unwrap();
        let limited = wait_for("a worker with its limit", || {
            machine::children(u32::try_from(master).unwrap())
                .into_iter()
                .find(|child| {
                    let limits =
                        std::fs::read_to_string(format!("/proc/{}/limits", child.pid)).unwrap_or_default();
                    limits
                        .lines()
                        .any(|l| l.starts_with("Max address space") && l.contains(&line))
                })
        });
        assert!(machine::alive(limited.pid));
    }
    for edition in PRODUCTIVE {
        assert!(edition.secret(pack, "ADMIN").len() > 10);
    }
}

fn signed_in<'a>(site: &'a Site, pack: &Pack) -> Session<'a> {
    wait_for("sign in", || {
        site.sign_in("odoo_core", &pack.secret("CORE_ADMIN"))
    })
}

fn sessions_are_in_redis(pack: &Pack) {
    pack.now("sessions: in Redis, not in files; they outlive Odoo and Redis, and a device is signed out");
    let core = site(pack, "core");
    let session = signed_in(&core, pack);
    assert!(known(&session));
    let digest = digest(&session);
    let told: Value = serde_json::from_str(&pack.read("data/config/core/sessions.json")).unwrap();
    let redis = |words: &[&str]| {
        let socket = pack.path("data/run/redis/redis.sock");
        let start = [
            "-s",
            socket.as_str(),
            "--no-auth-warning",
            "--user",
            "core",
            "-a",
            told["password"].as_str().unwrap(),
        ];
        machine::must("redis-cli", &[&start, words].concat())
            .trim()
            .to_owned()
    };
    let key = format!("editions:core:s:{digest}");
    assert_eq!(redis(&["exists", &key]), "1");
    assert!(redis(&["get", &key]).contains("\"uid\": 2"));
    for service in ["core", "redis"] {
        pack.run(&["restart", service]).exits(0);
        wait_for("the session is known after the restart", || {
            known(&session).then_some(())
        });
    }
    assert_eq!(files_of_sessions(pack), "");
}

fn sessions_of_marketing_in_a_database(pack: &Pack) {
    let text = pack.read("repo/odoopack.toml");
    let table = "[environments.marketing]\n";
    assert!(text.contains(table), "{text}");
    let asked = text.replacen(table, &format!("{table}sessions = \"database\"\n"), 1);
    pack.write("repo/odoopack.toml", &asked);
    let refused = pack.run(&["up", "--yes"]).exits(4).said();
    assert!(
        refused.contains("needs OCA's module `session_db`")
            && refused.contains("odoopack oca add server-tools --modules session_db"),
        "{refused}"
    );
    let (package, version) = addons::SESSION_DB;
    addons::lay_out(package, version, &pack.path("repo/addons/own"));
}

fn sessions_are_in_a_database(pack: &Pack, port: u16) {
    pack.now("sessions: rows of a database of their own, not files; they outlive Odoo, end, and a device is signed out");
    let marketing = site(pack, "marketing");
    let sign_in = || {
        wait_for("sign in", || {
            marketing.sign_in("odoo_marketing", &pack.secret("MARKETING_ADMIN"))
        })
    };
    let (session, other) = (sign_in(), sign_in());
    let place = format!("dbname=editions_marketing-sessions port={port}");
    let rows = |role: &str, secret: &str, sql: &str| {
        let socket = pack.path("data/run/postgres");
        machine::psql(&socket, (role, &place), &pack.secret(secret), sql)
    };
    let own = |sql: &str| rows("editions_marketing-sessions", "MARKETING_SESSIONS", sql).unwrap();
    let row = |session: &Session<'_>| {
        let sid = session.cookie_value();
        own(&format!(
            "SELECT count(*) FROM http_sessions WHERE sid = '{sid}' AND payload LIKE '%\"uid\": 2%'"
        ))
    };
    assert_eq!((row(&session).trim(), row(&other).trim()), ("1", "1"));
    assert_eq!(
        rows("editions_marketing", "MARKETING_DATABASE", "SELECT 1"),
        None,
        "nobody else enters"
    );
    pack.run(&["restart", "marketing"]).exits(0);
    wait_for("the session is known after the restart", || {
        known(&session).then_some(())
    });
    assert!(known(&other));
    revoke(pack, "marketing", &other);
    assert!(!known(&other) && known(&session), "only the device is signed out");
    let old = "UPDATE http_sessions SET write_date = write_date - interval '8 days'";
    own(&format!("{old} WHERE sid = '{}'", session.cookie_value()));
    pack.run_with(&["shell", "marketing"], "env['ir.http']._gc_sessions()\n")
        .exits(0);
    assert!(!known(&session), "a week without use is the end");
    let fresh = sign_in();
    assert!(known(&fresh));
    let files = pack.path("data/environments/marketing/sessions");
    assert_eq!(machine::must("find", &[files.as_str(), "-mindepth", "1"]), "");
    let seen = pack.run(&["status", "--json"]).exits(0).stdout;
    assert!(seen.contains("sessions are in a database of their own"), "{seen}");
}

fn files_of_sessions(pack: &Pack) -> String {
    let place = pack.path("data/environments/core/sessions");
    machine::must("find", &[place.as_str(), "-mindepth", "1"])
}

fn a_device_is_signed_out(pack: &Pack) {
    pack.now("sessions: a device is signed out");
    let core = site(pack, "core");
    let session = signed_in(&core, pack);
    // Signed out from another device.
    let other = signed_in(&core, pack);
    revoke(pack, "core", &other);
    assert!(!known(&other) && known(&session), "only the device is signed out");
    assert_eq!(files_of_sessions(pack), "");
    // A module that cannot be loaded is a fault, never a silent way back to files.
    pack.now("sessions: without the module the environment does not serve");
    let store = "data/odoopack/addons/odoopack_sessions/store.py";
    let text = pack.read(store);
    pack.write(store, "raise RuntimeError('broken')\n");
    let web = || pack.status()["services"]["core.blue.web"].clone();
    machine::kill(u32::try_from(web()["pid"].as_u64().unwrap()).unwrap());
    wait_for("it ends again and again", || {
        (web()["restarts"].as_u64()? >= 2).then_some(())
    });
    assert_ne!(pack.status()["good"], true);
    assert_eq!(files_of_sessions(pack), "");
    pack.write(store, &text);
    wait_for("all is well again", || {
        (pack.status()["good"] == true).then_some(())
    });
    assert!(known(&session));
}

fn development_takes_changes_in(pack: &Pack, port: u16) {
    pack.now("development: demo data, a ribbon, and changes that are taken in at once");
    let dev = site(pack, "dev");
    let page = dev.get("/probe").is(200);
    assert!(
        page.text().contains("python says one, the view says first"),
        "{}",
        page.text()
    );
    assert!(
        page.text().contains("odoopack-ribbon") && page.text().contains(">dev</div>"),
        "{}",
        page.text()
    );
    assert_eq!(page.header("x-robots-tag"), "noindex");
    let real = site(pack, "core").get("/web/login").is(200);
    assert!(!real.text().contains("odoopack-ribbon") && real.header("x-robots-tag").is_empty());
    let direct = machine::must("curl", &["-s", &format!("http://127.0.0.1:{port}/probe")]);
    assert!(direct.contains("python says one"), "{direct}");
    let sql = |text: &str| {
        pack.run(&["psql", "dev", "--", "-Atc", text])
            .exits(0)
            .stdout
            .trim()
            .to_owned()
    };
    assert_ne!(
        sql("SELECT count(*) FROM ir_module_module WHERE demo AND name = 'base'"),
        "0"
    );
    let conf = pack.read("data/config/dev/blue/odoo.conf");
    assert!(
        conf.contains("smtp_server = 127.0.0.1") && conf.contains("workers = 0"),
        "{conf}"
    );
    let services = pack.status()["services"].clone();
    assert!(services["dev.blue.cron"].is_null());
    let pid = services["dev.blue.web"]["pid"].clone();
    write_view(pack, "second");
    wait_for("the view is taken in", || {
        dev.try_get("/probe")
            .ok()?
            .text()
            .contains("the view says second")
            .then_some(())
    });
    write_controller(pack, "two");
    wait_for("Python is taken in", || {
        dev.try_get("/probe")
            .ok()?
            .text()
            .contains("python says two")
            .then_some(())
    });
    let now = pack.status()["services"]["dev.blue.web"].clone();
    assert_eq!(
        (&now["pid"], &now["restarts"]),
        (&pid, &json!(0)),
        "nobody restarted it"
    );
}

/// The first night: all begin in the same second, and there is neither a repository nor a key.
fn first_backups_at_once(pack: &Pack) {
    pack.now("the first backups, at once");
    let all = PRODUCTIVE.map(|one| pack.start(&["backup", "create", one.name]));
    let codes = all.map(|child| child.wait_with_output().unwrap().status.code());
    assert!(codes.contains(&Some(0)), "{codes:?}");
    // Who found the repository taken is told so, and comes back.
    for (one, code) in PRODUCTIVE.iter().zip(codes) {
        assert!(matches!(code, Some(0 | 5)), "{one:?}: {code:?}");
        pack.run(&["backup", "create", one.name]).exits(0);
    }
    let keys = pack.path("backups/keys").read_dir_utf8().unwrap().count();
    assert_eq!(keys, 1);
    let status = pack.run(&["backup", "status", "--json"]).first_json();
    for row in status["status"]["environments"].as_array().unwrap() {
        assert_eq!(row["failed"], Value::Null, "nothing has failed: {row}");
    }
}

fn one_goes_and_the_other_serves(pack: &Pack) {
    pack.now("an edition goes; the other one serves on");
    let core = site(pack, "core");
    let session = signed_in(&core, pack);
    let before = pack.status()["services"]["core.blue.web"]["pid"].clone();
    pack.run(&["edition", "remove", "marketing"]).exits(0);
    let said = editions::meanwhile(&core, || pack.run(&["up", "--yes"]).exits(0).said());
    assert!(!said.contains("restart"), "{said}");
    let services = pack.status()["services"].clone();
    assert_eq!(services["core.blue.web"]["pid"], before);
    assert!(services["marketing.blue.web"].is_null());
    assert!(known(&session));
    let there = pack.run(&[
        "psql",
        "core",
        "--",
        "-Atc",
        "SELECT datname FROM pg_database WHERE datname = 'odoo_marketing'",
    ]);
    assert_eq!(there.exits(0).stdout.trim(), "odoo_marketing", "its data stay");
}
