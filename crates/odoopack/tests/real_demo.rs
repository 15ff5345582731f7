//! `odoopack demo` from nothing to gone, with a person in a browser in between.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::{Value, json};
use support::browser::Browser;
use support::web::Site;
use support::{Pack, machine, wait_for};

#[test]
fn a_demo_from_nothing_is_whole_and_leaves_nothing() {
    let pack = Pack::new("demo");
    // The usual ports are taken, so the demo must find others.
    let taken: Vec<TcpListener> = (0..20)
        .flat_map(|n| [8080 + n, 8443 + n])
        .filter_map(listen)
        .collect();
    let (clusters, listening) = (machine::host_clusters(), machine::listening());
    pack.now("demo from nothing");
    let told = pack.json(&["demo", "--yes"]);
    let site = pack.site();
    assert_eq!(told["address"], site.url(""));
    assert!(!taken.is_empty() && site.port > 8462, "{}", site.port);

    pack.now("every probe passes, the host's own services are as before");
    probes_pass(&pack);
    host_untouched(&clusters, &listening);
    doors(&site);
    assets(&site);
    a_person_signs_in(&pack, &site);
    attachments(&pack, &site);
    prints(&pack);
    nothing_to_do(&pack);
    hand_edits(&pack);
    addresses_follow_the_file(&pack, &site);
    down_and_up(&pack, &site);

    pack.now("demo --down removes everything");
    pack.run(&["demo", "--down"]).exits(0);
    assert!(!pack.root.exists());
    assert_eq!(machine::users("odoo-demo-"), Vec::<String>::new());
    assert_eq!(left_running(&pack), Vec::<String>::new());
    host_untouched(&clusters, &listening);
    pack.now("done");
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).ok()
}

fn probes_pass(pack: &Pack) {
    let status = pack.run(&["status", "--json"]).exits(0).json();
    assert_eq!(status["good"], true, "{status}");
    for probe in status["probes"]["production"].as_array().unwrap() {
        assert_eq!(probe["verdict"], "pass", "{probe}");
    }
}

fn host_untouched(clusters: &str, listening: &BTreeSet<u16>) {
    assert_eq!(machine::host_clusters(), clusters);
    let now = machine::listening();
    let new: Vec<&u16> = now
        .difference(listening)
        .filter(|port| [80, 443, 5432].contains(*port))
        .collect();
    assert_eq!(new, Vec::<&u16>::new());
}

/// The bus opens, the database manager is shut, a file comes from nginx.
fn doors(site: &Site) {
    assert!(
        site.websocket().starts_with("HTTP/1.1 101 "),
        "{}",
        site.websocket()
    );
    for path in [
        "/web/database/manager",
        "/web/database/selector",
        "/web/database/backup",
    ] {
        let page = site.get(path);
        assert!([403, 404].contains(&page.status), "{path}: {}", page.headers);
    }
    let file = site.get("/web/static/img/favicon.ico").is(200);
    let tag = file.header("etag").trim_matches('"').to_owned();
    // nginx's tag is time-size in hexadecimal; Odoo's server makes three parts.
    assert_eq!(tag.split('-').count(), 2, "{tag}");
    assert!(tag.ends_with(&format!("-{:x}", file.body.len())), "{tag}");
}

/// Every script, style sheet and image of the login page is there and has bytes.
fn assets(site: &Site) {
    let page = site.get("/web/login").is(200).text();
    let named: BTreeSet<&str> = ["src=\"/", "href=\"/"]
        .iter()
        .flat_map(|mark| page.split(mark).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|path| {
            path.starts_with("web/assets/") || path.contains("/static/") || path.starts_with("web/image")
        })
        .collect();
    assert!(named.len() > 2, "{named:?}");
    for path in named {
        let path = format!("/{}", path.replace("&amp;", "&"));
        let asset = site.get(&path).is(200);
        assert!(!asset.body.is_empty(), "{path} is empty");
    }
}

fn a_person_signs_in(pack: &Pack, site: &Site) {
    pack.now("a person signs in with a browser");
    let browser = Browser::start(site, &pack.read("data/tls/production.pem"));
    browser.type_into("input[name=login]", "admin");
    browser.type_into("input[name=password]", &pack.secret("PRODUCTION_ADMIN"));
    browser.click("button[type=submit]");
    browser.find(".o_main_navbar");
    browser.open(&site.url("/odoo/apps"));
    browser.find(".o_kanban_record");
    let text = browser.script("return document.body.innerText");
    assert!(text.as_str().unwrap().contains("Apps"), "{text}");
    let broken = browser.script("return performance.getEntriesByType('resource').filter(r => r.responseStatus >= 400).map(r => r.name)");
    assert_eq!(broken, json!([]));
}

/// What people upload is served by nginx from the filestore, byte for byte.
fn attachments(pack: &Pack, site: &Site) {
    pack.now("an attachment goes in and comes back through nginx");
    let session = site
        .sign_in("demo_production", &pack.secret("PRODUCTION_ADMIN"))
        .unwrap();
    session.picture_goes_round();
    let logo = site.get("/web/binary/company_logo").is(200);
    assert!(logo.body.len() > 100, "{}", logo.headers);
    let log = pack.read("data/logs/nginx/current");
    let line = |path: &str| -> Value {
        let found = log.lines().rev().find(|line| line.contains(path));
        serde_json::from_str(found.unwrap_or_else(|| panic!("nothing about {path} in\n{log}"))).unwrap()
    };
    let upstream = |path: &str| line(path)["upstream"].as_str().unwrap_or_default().to_owned();
    assert_eq!(upstream("/web/static/img/favicon.ico"), "", "nginx asked nobody");
    assert_ne!(upstream("/web/login"), "", "Odoo was asked");
}

/// Printing has its own memory limit, whatever that of the worker is.
fn prints(pack: &Pack) {
    pack.now("a report is printed through the program with the limit");
    let doctor = pack.run(&["doctor", "--json"]).json();
    let mut probes = doctor["probes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["seen"]);
    let report = probes.find(|seen| seen["probe"] == "report").unwrap();
    assert_eq!(report["verdict"], "pass", "{report}");
    let log = pack.read("data/logs/production.blue.web/current");
    let warned = |line: &&str| {
        let names_it = line.contains(" odoo.tools.config:") || line.contains("tools/config.py");
        line.contains(" WARNING ") && names_it
    };
    assert_eq!(
        log.lines().find(warned),
        None,
        "Odoo has nothing against its odoo.conf"
    );
    let program = pack.path("data/config/bin/wkhtmltopdf");
    assert!(
        log.contains(&format!("Will use the Wkhtmltopdf binary at {program}")),
        "{log}"
    );
}

fn nothing_to_do(pack: &Pack) {
    pack.now("a second demo and a second up have nothing to do");
    assert_eq!(pack.json(&["demo", "--yes"])["steps"], 0);
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    pack.run(&["plan", "--exit-code"]).exits(0);
    // A root that may not look into other users' processes knows its own services by their users.
    pack.run_without("sys_ptrace", &["plan", "--exit-code"]).exits(0);
    pack.run(&["render", "--check"]).exits(0);
}

/// A hand edit is drift: shown, never silently replaced, kept when it is replaced.
fn hand_edits(pack: &Pack) {
    pack.now("an edited file is reported, refused, and replaced only when asked for");
    an_edit_that_opens_something_is_judged(pack);
    let file = "data/config/nginx/nginx.conf";
    let before = pack.read(file);
    // Not all that people type is UTF-8.
    let edited = [before.as_bytes(), b"# somebody was here, \xe9t\xe9\n"].concat();
    pack.write(file, &edited);
    let check = pack.run(&["render", "--check"]).exits(8);
    assert!(check.stdout.contains("-# somebody was here"), "{}", check.said());
    let refused = pack.run(&["up", "--yes"]).exits(4);
    assert!(refused.stderr.contains("edited by hand"), "{}", refused.said());
    pack.run(&["up", "--yes", "--overwrite-edits"]).exits(0);
    assert_eq!(pack.read(file), before);
    let kept = std::fs::read(pack.path("data/config/nginx/nginx.edited")).unwrap();
    assert!(kept.ends_with(b"somebody was here, \xe9t\xe9\n"));
    pack.run(&["render", "--check"]).exits(0);
}

/// `doctor` has nothing against what we rendered, and judges what somebody made of it as a file of anybody.
fn an_edit_that_opens_something_is_judged(pack: &Pack) {
    let file = "data/config/production/blue/odoo.conf";
    let found = |pack: &Pack| {
        let all = pack.run(&["doctor", "--json"]).first_json()["findings"].clone();
        let here = |finding: &&Value| {
            finding["place"]
                .as_str()
                .is_some_and(|place| place.contains(file))
        };
        let all = all.as_array().unwrap().iter().filter(here);
        all.map(|finding| finding["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(pack), [""; 0]);
    let before = pack.read(file);
    pack.write(
        file,
        before.replace("list_db = False", "list_db = True").as_bytes(),
    );
    assert_eq!(found(pack), ["conf-database-list-open", "environment-drift"]);
    pack.write(file, before.as_bytes());
}

/// What Odoo names in mails follows the file, in an Odoo that runs too.
fn addresses_follow_the_file(pack: &Pack, site: &Site) {
    pack.now("an address that is not the file's is set again, and the running Odoo says it");
    let session = site
        .sign_in("demo_production", &pack.secret("PRODUCTION_ADMIN"))
        .unwrap();
    let says = || session.call("ir.config_parameter", "get_param", &json!(["web.base.url"]));
    assert_eq!(says(), site.url(""));
    let sql = "UPDATE ir_config_parameter SET value = 'https://old.example.com' WHERE key = 'web.base.url'; \
               INSERT INTO orm_signaling_registry DEFAULT VALUES";
    pack.run(&["psql", "production", "--", "-qc", sql]).exits(0);
    wait_for("Odoo says the old address", || {
        (says() == "https://old.example.com").then_some(())
    });
    let up = pack.run(&["up", "--yes"]).exits(0);
    assert!(
        up.stderr.contains("set the addresses of Odoo in demo_production"),
        "{}",
        up.said()
    );
    wait_for("Odoo says the new address", || {
        (says() == site.url("")).then_some(())
    });
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
}

fn down_and_up(pack: &Pack, site: &Site) {
    pack.now("down leaves no process, up brings everything back");
    let password = pack.secret("PRODUCTION_ADMIN");
    let session = site.sign_in("demo_production", &password).unwrap();
    let kept = session.call("res.partner", "create", &json!([[{ "name": "Survivor" }]]));
    pack.run(&["demo", "--down", "--keep-data"]).exits(0);
    assert_eq!(left_running(pack), Vec::<String>::new());
    pack.run(&["status"]).exits(8);
    pack.run(&["up", "--yes"]).exits(0);
    let session = wait_for("sign in again", || site.sign_in("demo_production", &password));
    let found = session.call("res.partner", "search", &json!([[["name", "=", "Survivor"]]]));
    assert_eq!(found, kept);
    probes_pass(pack);
}

fn left_running(pack: &Pack) -> Vec<String> {
    machine::processes_of(&pack.root)
        .into_iter()
        .map(|process| process.line)
        .collect()
}
