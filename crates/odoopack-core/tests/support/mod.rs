//! What the tests that drive real programs share.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "every test file uses its own part"
)]
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

/// The program's path, or a failure that says how to get it.
pub(crate) fn program(name: &str) -> PathBuf {
    let paths = std::env::var("PATH").unwrap_or_default();
    let places = paths.split(':').chain(["/usr/sbin", "/sbin"]);
    places
        .map(|p| Path::new(p).join(name))
        .find(|p| p.is_file())
        .unwrap_or_else(|| {
            panic!("`{name}` is not installed; `cargo xtask setup` installs what the tests need")
        })
}

/// Runs to the end, whatever the outcome.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program was found")
}

/// Runs to the end, which must be a good one; standard output.
pub(crate) fn must(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
    text(&output.stdout)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A directory that other users may enter.
pub(crate) fn open_directory() -> (tempfile::TempDir, Utf8PathBuf) {
    let directory = tempfile::Builder::new().prefix("odoopack").tempdir().unwrap();
    let path = Utf8PathBuf::try_from(directory.path().to_owned()).unwrap();
    must("chmod", &["755", path.as_str()]);
    (directory, path)
}

/// Ports nobody listens on at this moment.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|l| l.local_addr().unwrap().port())
}

/// Waits for a condition, at most ten seconds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited 10 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// True when this test runs as root.
pub(crate) fn root() -> bool {
    must("id", &["-u"]).trim() == "0"
}

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(
            command
                .stdin(Stdio::null())
                .spawn()
                .expect("the program was found"),
        )
    }

    /// Asks it to end and waits; nginx and PostgreSQL would leave their children behind after SIGKILL.
    pub(crate) fn end(&mut self) {
        drop(run("kill", &["-TERM", &self.0.id().to_string()]));
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
