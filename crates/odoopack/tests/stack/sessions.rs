//! Sessions of a stack in Redis: they are there and nowhere else, outlive both, end by themselves, and a device is signed out.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

use std::time::Duration;

use serde_json::Value;

use crate::support::sessions::{digest, known, revoke};
use crate::support::stack::id;
use crate::support::web::{Session, Site};
use crate::support::{Pack, machine, wait_for};

const WEB: &str = "production.blue.web";
/// How long a session is let live unused, in seconds.
const SHORT: u64 = 8;

pub(crate) fn are_in_redis(pack: &Pack) {
    pack.now("sessions are in Redis, outlive it and Odoo, and end when nobody uses them");
    let site = pack.site();
    let session = sign_in(pack, &site);
    assert!(known(&session));
    let key = format!("s:{}", digest(&session));
    let held = redis(pack, "GET", &key);
    assert!(held.contains("\"uid\": 2"), "{held}");
    live_unused(pack, &SHORT.to_string());
    pack.run(&["restart", "redis"]).exits(0);
    pack.run(&["restart", WEB]).exits(0);
    good(pack);
    assert!(known(&session));
    // As long as Odoo's own setting says, from when it was used last.
    let left: u64 = redis(pack, "TTL", &key).parse().unwrap();
    assert!((1..=SHORT).contains(&left), "{left} seconds");
    std::thread::sleep(Duration::from_secs(SHORT + 1));
    assert_eq!(redis(pack, "EXISTS", &key), "0");
    assert!(
        session
            .get("/odoo")
            .is(303)
            .header("location")
            .contains("/web/login")
    );
    live_unused(pack, "604800");
    without_the_module_nobody_is_served(pack);
    a_device_is_signed_out(pack, &site);
    let files = std::fs::read_dir(pack.path("data/environments/production/sessions"));
    assert_eq!(files.unwrap().count(), 0);
}

/// Also the process that is told of it believes what it knew for a while.
fn live_unused(pack: &Pack, seconds: &str) {
    let script = format!(
        "env['ir.config_parameter'].sudo().set_param('sessions.max_inactivity_seconds', {seconds})\n\
         env['ir.http']._gc_sessions()\nenv.cr.commit()\n"
    );
    pack.run_with(&["shell", "production"], &script).exits(0);
    assert_eq!(redis(pack, "GET", "lifetime"), seconds);
}

/// A module that cannot be loaded is a fault, and never a silent way back to files.
fn without_the_module_nobody_is_served(pack: &Pack) {
    pack.now("without the module that puts sessions there nobody is served");
    let store = "data/odoopack/addons/odoopack_sessions/store.py";
    let text = pack.read(store);
    pack.write(store, "raise RuntimeError('broken')\n");
    let web = || pack.status()["services"][WEB].clone();
    machine::kill(u32::try_from(web()["pid"].as_u64().unwrap()).unwrap());
    wait_for("it ends again and again", || {
        (web()["restarts"].as_u64()? >= 2).then_some(())
    });
    assert_ne!(pack.status()["good"], true);
    let said = pack.run(&["logs", WEB, "-n", "1000"]).exits(0).stdout;
    assert!(said.contains("odoopack_sessions could not be loaded"), "{said}");
    pack.write(store, &text);
    good(pack);
}

fn a_device_is_signed_out(pack: &Pack, site: &Site) {
    pack.now("a device is signed out");
    let (session, other) = (sign_in(pack, site), sign_in(pack, site));
    revoke(pack, "production", &other);
    assert!(
        !known(&other) && known(&session),
        "the device alone is signed out"
    );
    let exists = |session| redis(pack, "EXISTS", &format!("s:{}", digest(session)));
    assert_eq!((exists(&other).as_str(), exists(&session).as_str()), ("0", "1"));
}

fn good(pack: &Pack) {
    wait_for("every probe passes again", || {
        (pack.status()["good"] == true).then_some(())
    });
}

fn sign_in<'a>(pack: &Pack, site: &'a Site) -> Session<'a> {
    site.sign_in("shop_production", &pack.secret("PRODUCTION_ADMIN"))
        .unwrap()
}

/// What Redis answers to the environment's own user; its password stands in no command line.
fn redis(pack: &Pack, command: &str, key: &str) -> String {
    let told: Value = serde_json::from_str(&pack.read("config/production.sessions.json")).unwrap();
    let text = |key: &str| told[key].as_str().unwrap();
    let container = id("redis");
    let call = [
        "exec",
        "--interactive",
        &container,
        "redis-cli",
        "-s",
        text("socket"),
    ];
    let (user, password, prefix) = (text("user"), text("password"), text("prefix"));
    let asked = format!("AUTH {user} {password}\n{command} {prefix}{key}\n");
    let said = machine::must_with("docker", &call, &asked);
    let (first, rest) = said.split_once('\n').unwrap();
    assert_eq!(first, "OK");
    rest.trim().to_owned()
}
