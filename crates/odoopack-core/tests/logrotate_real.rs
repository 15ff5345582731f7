//! The rendered rule, obeyed by the real logrotate.
#![expect(clippy::disallowed_methods, reason = "the test drives the real logrotate")]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
use std::process::Command;

use odoopack_core::render::logrotate::{Logrotate, logrotate_conf};
use odoopack_core::units::Bytes;
use support::{Running, must, open_directory, program, until};

mod support;

#[test]
fn files_are_moved_and_the_writer_is_told() {
    let (_keep, path) = open_directory();
    let (log, pid, told) = (
        path.join("my access.log"),
        path.join("it's.pid"),
        path.join("told"),
    );
    let script = format!("trap 'echo x >{told}' USR1; while :; do sleep 0.05; done");
    let writer = Running::start(Command::new(program("sh")).args(["-c", &script]));
    std::fs::write(&pid, writer.0.id().to_string()).unwrap();
    std::fs::write(&log, "a line\n").unwrap();
    let input = Logrotate {
        hash: "abc".into(),
        files: vec![log.clone(), path.join("missing.log")],
        pid,
        owner: None,
        days: 14,
        size: Bytes::mib(100),
    };
    let rule = path.join("rule");
    std::fs::write(&rule, logrotate_conf(&input)).unwrap();
    must(
        "logrotate",
        &["--force", "--state", path.join("state").as_str(), rule.as_str()],
    );
    until("the writer was told", || told.exists());
    assert!(!log.exists(), "the writer makes a new one");
    let names = std::fs::read_dir(&path)
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|n| n.starts_with("my access.log-")).count(), 1);
}
