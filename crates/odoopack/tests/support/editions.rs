//! What keeps editions on one machine apart, asked of them while they run, on either engine.
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::{Value, json};

use super::browser::Browser;
use super::web::Site;
use super::{Pack, machine, wait_for};

/// An environment, its role and its database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edition {
    pub(crate) name: &'static str,
    pub(crate) role: &'static str,
    pub(crate) database: &'static str,
}

impl Edition {
    pub(crate) const fn new(name: &'static str, role: &'static str, database: &'static str) -> Self {
        Self { name, role, database }
    }

    /// Value of one of its secrets.
    pub(crate) fn secret(&self, pack: &Pack, what: &str) -> String {
        pack.secret(&format!("{}_{what}", self.name.to_uppercase()))
    }
}

/// Site of an environment that is called `NAME.localhost`.
pub(crate) fn site(pack: &Pack, name: &str) -> Site {
    Site {
        domain: format!("{name}.localhost"),
        ..pack.site()
    }
}

/// A statement as the environment's own role.
pub(crate) fn sql(pack: &Pack, name: &str, more: &[&str], text: &str) -> String {
    let args = [&["psql", name, "--"], more, &["-Atc", text]].concat();
    pack.run(&args).exits(0).stdout.trim().to_owned()
}

/// Marketing and accounting beside core, as the document has them.
pub(crate) fn add_two(pack: &Pack) {
    add(pack, "marketing", &["--http-port", "8070"]);
    add(
        pack,
        "accounting",
        &["--http-port", "8071", "--modules", "contacts"],
    );
}

/// The environment and the database of an edition that is added are called as it is.
fn add(pack: &Pack, name: &str, more: &[&str]) {
    let (domain, database) = (format!("{name}.localhost"), format!("odoo_{name}"));
    let edition = [
        "edition",
        "add",
        name,
        "--domain",
        &domain,
        "--database",
        &database,
    ];
    pack.run(&[&edition[..], more].concat()).exits(0);
}

/// Core, marketing and accounting, by their direct ports; whether one has `contacts`.
pub(crate) fn each_has_its_own_modules(pack: &Pack, all: [Edition; 3]) {
    pack.now("each serves on its port, with its own modules");
    let installed = "SELECT count(*) FROM ir_module_module WHERE name = 'contacts' AND state = 'installed'";
    for (edition, (port, contacts)) in all.into_iter().zip([(8069, "0"), (8070, "0"), (8071, "1")]) {
        assert_eq!(sql(pack, edition.name, &[], installed), contacts, "{edition:?}");
        assert_eq!(
            sql(pack, edition.name, &[], "SELECT current_database()"),
            edition.database
        );
        let page = machine::must("curl", &["-sL", &format!("http://127.0.0.1:{port}/web/login")]);
        assert!(page.contains("csrf_token"), "{port}: {page}");
    }
}

pub(crate) fn roles_are_closed(pack: &Pack, port: u16, all: &[Edition]) {
    pack.now("a role enters its own database only");
    let socket = pack.path("data/run/postgres");
    for one in all {
        let password = one.secret(pack, "DATABASE");
        for other in all {
            let place = format!("dbname={} port={port}", other.database);
            let said = machine::psql(&socket, (one.role, &place), &password, "SELECT 1");
            assert_eq!(said.is_some(), one.name == other.name, "{one:?} in {other:?}");
        }
    }
}

/// What a user of the host with this name reads.
pub(crate) fn user_reads(user: &str, path: &str) -> bool {
    let who = ["--reuid", user, "--regid", user, "--init-groups", "--"];
    super::command("setpriv", &[&who[..], &["head", "-c", "1", path]].concat())
        .output()
        .unwrap()
        .status
        .success()
}

pub(crate) fn no_directory_is_open(pack: &Pack) {
    let place = pack.path("data/environments");
    let options = ["-mindepth", "1", "-maxdepth", "1", "-perm", "/o+rx"];
    let listed = machine::must("find", &[&[place.as_str()], &options[..]].concat());
    assert_eq!(listed, "", "no environment's directory is open to others");
}

/// `woken` run their scheduled jobs; `all` are those whose connections may be seen.
pub(crate) fn crons_stay_at_home(pack: &Pack, woken: &[Edition], all: &[Edition]) {
    pack.now("the scheduled jobs of one never touch the database of another");
    for one in woken {
        sql(
            pack,
            one.name,
            &[],
            "UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC' - interval '1 minute', lastcall = NULL WHERE active",
        );
        // Odoo's own way to wake its scheduler, which else looks once a minute.
        let wake = format!("SELECT pg_notify('cron_trigger', '{}')", one.database);
        sql(pack, one.name, &["-d", "postgres"], &wake);
    }
    let done = |one: &Edition| {
        let count = "SELECT count(*) FROM ir_cron WHERE active AND lastcall IS NOT NULL";
        sql(pack, one.name, &[], count) != "0"
    };
    let (mut seen, first) = (BTreeSet::new(), woken.first().unwrap().name);
    let roles: Vec<String> = all.iter().map(|one| format!("'{}'", one.role)).collect();
    let text = format!(
        "SELECT DISTINCT usename || ' ' || datname FROM pg_stat_activity WHERE usename IN ({})",
        roles.join(", ")
    );
    wait_for("all run their jobs", || {
        seen.extend(sql(pack, first, &[], &text).lines().map(str::to_owned));
        woken.iter().all(done).then_some(())
    });
    for pair in &seen {
        let (role, database) = pair.split_once(' ').unwrap();
        let one = all.iter().find(|one| one.role == role).unwrap();
        // The bus of every environment listens on the database `postgres`.
        assert!(database == one.database || database == "postgres", "{seen:?}");
    }
    for one in woken {
        assert!(
            seen.contains(&format!("{} {}", one.role, one.database)),
            "{seen:?}"
        );
    }
}

fn who(browser: &Browser, address: &str) -> Value {
    browser.open(&format!("{address}/web/login"));
    let script = "var x = new XMLHttpRequest(); x.open('POST', '/web/session/get_session_info', false); \
                  x.setRequestHeader('Content-Type', 'application/json'); \
                  x.send('{\"jsonrpc\": \"2.0\", \"method\": \"call\", \"params\": {}}'); return x.responseText";
    serde_json::from_str(browser.script(script).as_str().unwrap()).unwrap()
}

/// By their direct ports: cookies know hosts and no ports.
pub(crate) fn two_sessions_in_one_browser(pack: &Pack, both: [(Edition, u16); 2]) {
    pack.now("one browser is signed in at two editions, by their direct ports");
    let [(first, _), _] = both;
    let certificate = pack.read(&format!("data/tls/{}.pem", first.name));
    let browser = Browser::start(&site(pack, first.name), &certificate);
    let address = |(one, port): (Edition, u16)| format!("http://{}.localhost:{port}", one.name);
    for one in both {
        browser.open(&format!("{}/web/login", address(one)));
        browser.type_into("input[name=login]", "admin");
        browser.type_into("input[name=password]", &one.0.secret(pack, "ADMIN"));
        browser.click("button[type=submit]");
        wait_for("signed in", || {
            let path = browser.script("return location.pathname");
            (path != "/web/login").then_some(())
        });
    }
    for one in both {
        let info = who(&browser, &address(one));
        let seen = (&info["result"]["uid"], &info["result"]["db"]);
        assert_eq!(seen, (&json!(2), &json!(one.0.database)), "{info}");
    }
}

pub(crate) fn no_ribbon(site: &Site) {
    let page = site.get("/web/login").is(200);
    assert!(
        !page.text().contains("odoopack-ribbon"),
        "production wears no ribbon"
    );
}

/// Does something while another edition is asked all the time, and never in vain.
pub(crate) fn meanwhile<T>(asked: &Site, act: impl FnOnce() -> T) -> T {
    let (over, served) = (AtomicBool::new(false), AtomicU32::new(0));
    let done = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                asked.get("/web/login").is(200);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
        let done = act();
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap();
        done
    });
    assert!(served.load(Ordering::Relaxed) > 3);
    asked.get("/web/login").is(200);
    done
}
