//! Two editions and a development environment on one PostgreSQL, one Redis and one nginx: what they share and what they do not.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::{Value, json};
use support::browser::Browser;
use support::probe::{probe_module, write_controller, write_view};
use support::web::{Session, Site};
use support::{Pack, machine, wait_for};

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
http_port = CORE_PORT
sessions = "redis"
users = 5

[environments.dev]
edition = "field"
http_port = DEV_PORT
reload = true
"#;

#[test]
fn editions_share_the_servers_and_nothing_else() {
    let [core, marketing, dev, postgres] = support::free_ports();
    let file = FILE
        .replace("CORE_PORT", &core.to_string())
        .replace("DEV_PORT", &dev.to_string())
        .replace("PG_PORT", &postgres.to_string());
    let pack = Pack::with_file("editions", 31_300, &support::file("editions", &file));
    probe_module(&pack, "one", "first");
    pack.now("an edition is added and everything comes up");
    let port = marketing.to_string();
    let add = [
        "edition",
        "add",
        "marketing",
        "--domain",
        "marketing.localhost",
        "--database",
        "odoo_marketing",
        "--http-port",
        &port,
    ];
    pack.run(&add).exits(0);
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(pack.run(&["up", "--yes"]).exits(0).stdout.trim(), "nothing to do");
    pack.run(&["status"]).exits(0);
    assert!(machine::listening().contains(&postgres), "PostgreSQL on loopback");
    roles_are_closed(&pack, postgres);
    files_are_closed(&pack);
    crons_stay_at_home(&pack);
    limits_are_their_own(&pack);
    two_sessions_in_one_browser(&pack, (core, marketing));
    sessions_are_in_redis(&pack);
    a_device_is_signed_out(&pack);
    development_takes_changes_in(&pack, dev);
    one_goes_and_the_other_serves(&pack);
    pack.now("done");
}

fn site(pack: &Pack, name: &str) -> Site {
    Site {
        domain: format!("{name}.localhost"),
        ..pack.site()
    }
}

fn roles_are_closed(pack: &Pack, port: u16) {
    pack.now("a role enters its own database only");
    let socket = pack.path("data/run/postgres");
    let all = [
        ("core", "odoo_core"),
        ("marketing", "odoo_marketing"),
        ("dev", "editions_dev"),
    ];
    for (name, _) in all {
        let password = pack.secret(&format!("{}_DATABASE", name.to_uppercase()));
        for (other, database) in all {
            let role = format!("editions_{name}");
            let said = machine::psql(
                &socket,
                (&role, &format!("dbname={database} port={port}")),
                &password,
                "SELECT 1",
            );
            assert_eq!(said.is_some(), name == other, "{role} in {database}");
        }
    }
}

fn files_are_closed(pack: &Pack) {
    pack.now("a user reads its own files only");
    let all = ["core", "marketing", "dev"];
    for name in all {
        let user = format!("odoo-editions-{name}");
        let reads = |path: &str| {
            let args = [
                "--reuid",
                &user,
                "--regid",
                &user,
                "--init-groups",
                "--",
                "head",
                "-c",
                "1",
            ];
            let path = pack.path(path);
            support::command("setpriv", &[&args[..], &[path.as_str()]].concat())
                .output()
                .unwrap()
                .status
                .success()
        };
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
    let listed = machine::must(
        "find",
        &[
            pack.path("data/environments").as_str(),
            "-maxdepth",
            "1",
            "-perm",
            "/o+rx",
            "-mindepth",
            "1",
        ],
    );
    assert_eq!(listed, "", "no environment's directory is open to others");
}

fn crons_stay_at_home(pack: &Pack) {
    pack.now("the scheduled jobs of one never touch the database of another");
    let sql = |database: &str, text: &str| {
        pack.run(&["psql", database, "--", "-Atc", text])
            .exits(0)
            .stdout
            .trim()
            .to_owned()
    };
    for name in ["core", "marketing"] {
        sql(
            name,
            "UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC' - interval '1 minute', lastcall = NULL WHERE active",
        );
        // Odoo's own way to wake its scheduler, which else looks once a minute.
        let wake = format!("SELECT pg_notify('cron_trigger', 'odoo_{name}')");
        pack.run(&["psql", name, "--", "-d", "postgres", "-Atc", &wake])
            .exits(0);
    }
    let done = |name: &str| {
        sql(
            name,
            "SELECT count(*) FROM ir_cron WHERE active AND lastcall IS NOT NULL",
        ) != "0"
    };
    let mut seen = BTreeSet::new();
    wait_for("both run their jobs", || {
        let pairs = sql(
            "core",
            "SELECT DISTINCT usename || ' ' || datname FROM pg_stat_activity WHERE usename LIKE 'editions%'",
        );
        seen.extend(pairs.lines().map(str::to_owned));
        (done("core") && done("marketing")).then_some(())
    });
    let allowed = |pair: &String| {
        let (role, database) = pair.split_once(' ').unwrap();
        let own = match role {
            "editions_core" => "odoo_core",
            "editions_marketing" => "odoo_marketing",
            _ => "editions_dev",
        };
        // The bus of every environment listens on the database `postgres`.
        database == own || database == "postgres"
    };
    assert!(seen.iter().all(allowed), "{seen:?}");
    assert!(
        seen.contains("editions_core odoo_core") && seen.contains("editions_marketing odoo_marketing"),
        "{seen:?}"
    );
}

/// The hard limit of odoo.conf is the kernel's limit of a worker.
fn limits_are_their_own(pack: &Pack) {
    pack.now("each has its own limits");
    let status = pack.status();
    for name in ["core", "marketing"] {
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
    for name in ["CORE", "MARKETING"] {
        assert!(pack.secret(&format!("{name}_ADMIN")).len() > 10);
    }
}

fn who(browser: &Browser, address: &str) -> Value {
    browser.open(&format!("{address}/web/login"));
    let script = "var x = new XMLHttpRequest(); x.open('POST', '/web/session/get_session_info', false); \
                  x.setRequestHeader('Content-Type', 'application/json'); \
                  x.send('{\"jsonrpc\": \"2.0\", \"method\": \"call\", \"params\": {}}'); return x.responseText";
    serde_json::from_str(browser.script(script).as_str().unwrap()).unwrap()
}

fn two_sessions_in_one_browser(pack: &Pack, ports: (u16, u16)) {
    pack.now("one browser is signed in at two editions, by their direct ports");
    let core = site(pack, "core");
    let browser = Browser::start(&core, &pack.read("data/tls/core.pem"));
    let addresses = [
        (format!("http://core.localhost:{}", ports.0), "CORE", "odoo_core"),
        (
            format!("http://marketing.localhost:{}", ports.1),
            "MARKETING",
            "odoo_marketing",
        ),
    ];
    for (address, name, _) in &addresses {
        browser.open(&format!("{address}/web/login"));
        browser.type_into("input[name=login]", "admin");
        browser.type_into("input[name=password]", &pack.secret(&format!("{name}_ADMIN")));
        browser.click("button[type=submit]");
        wait_for("signed in", || {
            let path = browser.script("return location.pathname");
            (path != "/web/login").then_some(())
        });
    }
    for (address, _, database) in &addresses {
        let info = who(&browser, address);
        assert_eq!(
            (&info["result"]["uid"], &info["result"]["db"]),
            (&json!(2), &json!(database)),
            "{info}"
        );
    }
    let page = browser.script("return document.querySelectorAll('.odoopack-ribbon').length");
    assert_eq!(page, 0, "production wears no ribbon");
}

fn signed_in<'a>(site: &'a Site, pack: &Pack) -> Session<'a> {
    wait_for("sign in", || {
        site.sign_in("odoo_core", &pack.secret("CORE_ADMIN"))
    })
}

fn known(session: &Session<'_>) -> bool {
    let page = session.get("/odoo");
    page.status == 200
}

fn sessions_are_in_redis(pack: &Pack) {
    pack.now("sessions: in Redis, not in files; they outlive Odoo and Redis, and a device is signed out");
    let core = site(pack, "core");
    let session = signed_in(&core, pack);
    assert!(known(&session));
    let digest = sha256(session.cookie_value());
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
    let identifier = &other.cookie_value()[..42];
    let sql = format!("SELECT count(*) FROM res_device_log WHERE session_identifier = '{identifier}'");
    wait_for("the device is logged", || {
        assert!(known(&other));
        let count = pack.run(&["psql", "core", "--", "-Atc", &sql]).exits(0).stdout;
        (count.trim() != "0").then_some(())
    });
    let script = format!(
        "env['res.device'].search([('session_identifier', '=', '{identifier}')])._revoke()\nenv.cr.commit()\n"
    );
    pack.run_with(&["shell", "core"], &script).exits(0);
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

fn sha256(text: &str) -> String {
    use sha2::Digest;
    format!("{:x}", sha2::Sha256::digest(text))
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

fn one_goes_and_the_other_serves(pack: &Pack) {
    pack.now("an edition goes; the other one serves on");
    let core = site(pack, "core");
    let session = signed_in(&core, pack);
    let before = pack.status()["services"]["core.blue.web"]["pid"].clone();
    pack.run(&["edition", "remove", "marketing"]).exits(0);
    let (over, served) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                core.get("/web/login").is(200);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
        let said = pack.run(&["up", "--yes"]).exits(0).said();
        assert!(!said.contains("restart"), "{said}");
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap();
    });
    assert!(served.load(Ordering::Relaxed) > 3);
    core.get("/web/login").is(200);
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
