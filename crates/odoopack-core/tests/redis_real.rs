//! The rendered `redis.conf`, obeyed by the real Redis.
#![expect(clippy::disallowed_methods, reason = "the test drives the real Redis")]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
use std::process::Command;

use odoopack_core::render::redis::{Redis, User, redis_conf, redis_users};
use odoopack_core::units::Bytes;
use support::{Running, must, open_directory, program, until};

mod support;

#[test]
#[expect(clippy::too_many_lines, reason = "one story on one server")]
fn it_keeps_what_it_is_given_and_everybody_sees_only_their_own() {
    let (_keep, path) = open_directory();
    let users = path.join("my users.conf");
    let socket = path.join("redis.sock");
    let input = Redis {
        hash: "abc".into(),
        directory: path.clone(),
        socket: Some(socket.clone()),
        port: 0,
        users: users.clone(),
        memory: Bytes::mib(64),
    };
    let user = |name: &str| User {
        name: name.to_owned(),
        password: odoopack_core::hash::hex(format!("{name} \"x\" $").as_bytes()),
        prefix: format!("shop:{name}:"),
    };
    std::fs::write(path.join("redis.conf"), redis_conf(&input)).unwrap();
    std::fs::write(users, redis_users("abc", &[user("production"), user("staging")])).unwrap();
    let redis = Running::start(Command::new(program("redis-server")).arg(path.join("redis.conf")));
    until("it listens", || socket.exists());
    let ask = |words: &[&str]| must("redis-cli", &[&["-s", socket.as_str()], words].concat());
    assert!(ask(&["ping"]).contains("NOAUTH"));
    let known = |name: &str, words: &[&str]| {
        let password = format!("{name} \"x\" $");
        ask(&[&["--no-auth-warning", "--user", name, "-a", &password], words].concat())
    };
    assert_eq!(known("production", &["ping"]).trim(), "PONG");
    assert_eq!(
        known("production", &["set", "shop:production:s:1", "x"]).trim(),
        "OK"
    );
    for refused in [
        &["get", "shop:production:s:1"][..],
        &["set", "shop:production:s:1", "y"],
        &["keys", "*"],
        &["flushall"],
        &["config", "get", "*"],
        &["acl", "list"],
        &["shutdown"],
    ] {
        assert!(known("staging", refused).contains("NOPERM"), "{refused:?}");
    }
    // The store of the session module, on this very server, with the rules of 17.0 and of 18.0 and 19.0.
    let told = |name: &str| {
        let file = path.join(format!("{name}.json"));
        let told = serde_json::json!({ "socket": socket, "user": name, "password": format!("{name} \"x\" $"),
            "prefix": format!("shop:{name}:") });
        std::fs::write(&file, told.to_string()).unwrap();
        file
    };
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../addons/odoopack_sessions/test_store.py"
    );
    let (one, other) = (told("production"), told("staging"));
    assert_eq!(
        must("/usr/bin/python3", &["-B", script, one.as_str(), other.as_str()]).trim(),
        "good"
    );
    // Killed, it has what it was given a second before.
    assert_eq!(known("production", &["get", "shop:production:s:1"]).trim(), "x");
    std::thread::sleep(std::time::Duration::from_millis(1200));
    drop(redis);
    drop(std::fs::remove_file(&socket));
    let _redis = Running::start(Command::new(program("redis-server")).arg(path.join("redis.conf")));
    until("it listens again", || socket.exists());
    until("it has read its file", || {
        known("production", &["ping"]).trim() == "PONG"
    });
    assert_eq!(known("production", &["get", "shop:production:s:1"]).trim(), "x");
    // What was written in a transaction, too.
    assert_eq!(
        must("/usr/bin/python3", &["-B", script, one.as_str()]).trim(),
        "kept"
    );
}
