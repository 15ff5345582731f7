//! The rendered `redis.conf`, obeyed by the real Redis.
#![expect(clippy::disallowed_methods, reason = "the test drives the real Redis")]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
use std::process::Command;

use odoopack_core::render::redis::{Redis, redis_conf, redis_secret};
use odoopack_core::units::Bytes;
use support::{Running, free_ports, must, open_directory, program, until};

mod support;

#[test]
fn it_keeps_what_it_is_given_and_asks_for_the_password() {
    let (_keep, path) = open_directory();
    let [port] = free_ports();
    let (password, secret) = (r#"it's "a" \ $x"#, path.join("my secret.conf"));
    let input = Redis {
        hash: "abc".into(),
        directory: path.clone(),
        socket: Some(path.join("redis.sock")),
        port,
        secret: secret.clone(),
        memory: Bytes::mib(64),
    };
    std::fs::write(path.join("redis.conf"), redis_conf(&input)).unwrap();
    std::fs::write(secret, redis_secret("abc", password)).unwrap();
    let _redis = Running::start(Command::new(program("redis-server")).arg(path.join("redis.conf")));
    until("it listens", || path.join("redis.sock").exists());
    let socket = path.join("redis.sock");
    let ask = |words: &[&str]| must("redis-cli", &[&["-s", socket.as_str()], words].concat());
    assert!(ask(&["ping"]).contains("NOAUTH"));
    let known = |words: &[&str]| ask(&[&["--no-auth-warning", "-a", password], words].concat());
    assert_eq!(known(&["-p", &port.to_string(), "ping"]).trim(), "PONG");
    for (name, value) in [
        ("maxmemory", "67108864"),
        ("maxmemory-policy", "noeviction"),
        ("appendonly", "yes"),
        ("bind", "127.0.0.1"),
        ("dir", path.as_str()),
    ] {
        assert_eq!(known(&["config", "get", name]).trim(), format!("{name}\n{value}"));
    }
}
