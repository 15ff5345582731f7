//! What the tests that bring up a real Odoo share: one pack in a directory of its own, and eyes on the machine.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "every test file uses its own part; a test starts programs, writes files and says what it does"
)]

pub(crate) mod addons;
pub(crate) mod browser;
pub(crate) mod clock;
pub(crate) mod compiled;
pub(crate) mod editions;
pub(crate) mod given;
pub(crate) mod guest;
pub(crate) mod hashes;
pub(crate) mod journal;
pub(crate) mod literals;
pub(crate) mod machine;
pub(crate) mod odoo_git;
pub(crate) mod probe;
pub(crate) mod registry;
pub(crate) mod sessions;
pub(crate) mod stack;
pub(crate) mod web;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// Longest wait for one thing to become true; the machine may be busy with much else.
pub(crate) const PATIENCE: Duration = Duration::from_mins(6);

/// Names the file in which a test that is left out says so; `cargo xtask test` sets it, and shows what is in it.
const LEFT_OUT: &str = "ODOOPACK_TESTS_LEFT_OUT";

/// Says that a test proves nothing on this machine, and why: it counts as passed, and whoever ran all of them shall know.
pub(crate) fn left_out(test: &str, why: &str) {
    println!("SKIPPED: {why}");
    let Some(path) = std::env::var_os(LEFT_OUT) else {
        return;
    };
    let file = std::fs::File::options().create(true).append(true).open(path);
    // One write: several tests say it at the same time.
    let line = format!("{test}: {}\n", why.lines().next().unwrap_or_default());
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the file that is named can be written to");
}

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Both streams, for messages.
    pub(crate) fn said(&self) -> String {
        format!("exit {:?}\n{}{}", self.code, self.stdout, self.stderr)
    }

    /// The JSON document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}): {}", self.said()))
    }

    /// The JSON document on the first line of stdout; an error may follow.
    pub(crate) fn first_json(&self) -> Value {
        let first = self.stdout.lines().next().unwrap_or_default();
        serde_json::from_str(first).unwrap_or_else(|e| panic!("no JSON ({e}): {}", self.said()))
    }

    /// The exit code must be this one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.said());
        self
    }
}

/// A pack in a directory of its own; taken down and removed at the end, also of a test that failed.
pub(crate) struct Pack {
    pub(crate) root: Utf8PathBuf,
    said: Mutex<String>,
    begun: Instant,
    /// Whether it is removed with the value.
    ours: bool,
}

impl Pack {
    /// An empty place for a pack; what an earlier run that was killed left there is removed first.
    pub(crate) fn new(name: &str) -> Self {
        machine::must_be_root();
        let pack = Self {
            root: machine::roomy().join(format!("odoopack-{name}")),
            said: Mutex::default(),
            begun: Instant::now(),
            ours: true,
        };
        pack.remove();
        machine::forget_accounts(&format!("odoo-{name}-"));
        pack
    }

    /// A place with a file of its own instead of the demo's; the mark lets `demo --down` remove it all.
    ///
    /// Its private ports begin at `first`, far from where a pack of somebody else on this machine would take its own.
    pub(crate) fn with_file(name: &str, first: u16, text: &str) -> Self {
        let pack = Self::new(name);
        let names = ["production", "staging", "core", "marketing", "dev", "accounting"];
        let ports: std::collections::BTreeMap<_, _> = names.into_iter().zip((first..).step_by(10)).collect();
        let ports = serde_json::json!(ports);
        pack.write("data/odoopack/ports.json", &ports.to_string());
        pack.write("repo/odoopack.toml", &text.replace("ROOT", pack.root.as_str()));
        pack.write(".odoopack-demo", "made by a test\n");
        pack
    }

    /// A pack that another process has made, which removes it.
    pub(crate) fn of_another_process(name: &str) -> Self {
        Self {
            root: machine::roomy().join(format!("odoopack-{name}")),
            said: Mutex::default(),
            begun: Instant::now(),
            ours: false,
        }
    }

    /// Says which part of the story begins.
    pub(crate) fn now(&self, what: &str) {
        println!("{:>6.1}s  {what}", self.begun.elapsed().as_secs_f64());
    }

    pub(crate) fn path(&self, below: &str) -> Utf8PathBuf {
        self.root.join(below)
    }

    pub(crate) fn write(&self, below: &str, text: &(impl AsRef<[u8]> + ?Sized)) {
        write(&self.path(below), text);
    }

    pub(crate) fn read(&self, below: &str) -> String {
        let path = self.path(below);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Replaces a text of the pack's file, which must be there.
    pub(crate) fn edit_file(&self, old: &str, new: &str) {
        let text = self.read("repo/odoopack.toml");
        assert!(text.contains(old), "no `{old}` in\n{text}");
        self.write("repo/odoopack.toml", &text.replacen(old, new, 1));
    }

    /// Value of a stored secret.
    pub(crate) fn secret(&self, name: &str) -> String {
        self.read(&format!("data/secrets/{name}")).trim().to_owned()
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        self.run_with(args, "")
    }

    /// Runs it with something to read.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Answer {
        let mut child = self.start(args);
        // A program that ends without reading is no fault.
        drop(
            child
                .stdin
                .take()
                .map(|mut pipe| pipe.write_all(input.as_bytes())),
        );
        self.end(child, args)
    }

    /// Runs it to its end; returns also how many bytes it and its programs have written, to files and pipes.
    pub(crate) fn run_counting(&self, args: &[&str]) -> (Answer, u64) {
        let child = self.start(args);
        let place = format!("/proc/{}", child.id());
        wait_for("it ends", || {
            let stat = std::fs::read_to_string(format!("{place}/stat")).unwrap();
            stat.rsplit(')').next()?.starts_with(" Z ").then_some(())
        });
        let counted = std::fs::read_to_string(format!("{place}/io")).unwrap();
        let written = counted.lines().find_map(|line| line.strip_prefix("wchar: "));
        let written = written.unwrap().parse().unwrap();
        (self.end(child, args), written)
    }

    /// Waits for what was started.
    pub(crate) fn end(&self, child: Child, args: &[&str]) -> Answer {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let answer = Answer {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        let mut said = self.said.lock().unwrap();
        said.push_str(&["$ odoopack ", &args.join(" "), "\n", &answer.said(), "\n"].concat());
        answer
    }

    /// Runs it as a root that lacks one capability.
    pub(crate) fn run_without(&self, capability: &str, args: &[&str]) -> Answer {
        let child = self.start_with(&["--bounding-set", &format!("-{capability}")], args);
        self.end(child, args)
    }

    /// Starts it and does not wait; it dies with a test that is killed.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.start_with(&[], args)
    }

    fn start_with(&self, privileges: &[&str], args: &[&str]) -> Child {
        Command::new("setpriv")
            .args(privileges)
            .args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_odoopack")])
            .args(["--root", self.root.as_str()])
            .args(args)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs it and expects success and a JSON document.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).exits(0).json()
    }

    /// `status --json`, whatever it thinks of what it sees.
    pub(crate) fn status(&self) -> Value {
        self.run(&["status", "--json"]).first_json()
    }

    /// Everything that the program has printed so far.
    pub(crate) fn everything_said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The port of nginx with TLS, and where it is spoken.
    pub(crate) fn site(&self) -> web::Site {
        let file: toml::Table = self.read("repo/odoopack.toml").parse().unwrap();
        let port = file["web"]["https_port"].as_integer().unwrap();
        web::Site {
            port: u16::try_from(port).unwrap(),
            domain: "localhost".to_owned(),
            authority: self.read("data/tls/authority.pem"),
        }
    }

    fn remove(&self) {
        if !self.root.exists() {
            return;
        }
        // What was recovered half has lost it.
        self.write(".odoopack-demo", "made by a test\n");
        let answer = self.run(&["demo", "--down", "--yes"]);
        if answer.code != Some(0) {
            println!("could not take {} down: {}", self.root, answer.said());
            machine::end_all_of(&self.root);
            drop(std::fs::remove_dir_all(&self.root));
        }
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            keep_logs(&self.root);
            println!("{}", tail(&self.everything_said(), 60));
        }
        if self.ours {
            self.remove();
        }
    }
}

/// Logs and journals of a pack whose test failed, before they are removed with it.
fn keep_logs(root: &Utf8Path) {
    let kept = artefacts().join(root.file_name().unwrap_or("pack"));
    drop(std::fs::remove_dir_all(&kept));
    for below in ["data/logs", "data/odoopack/operations"] {
        let to = kept.join(below);
        drop(std::fs::create_dir_all(&to));
        drop(
            Command::new("cp")
                .args(["-rT", root.join(below).as_str(), to.as_str()])
                .output(),
        );
    }
    println!("logs are kept in {kept}");
}

/// Where a failed test leaves what it saw.
pub(crate) fn artefacts() -> Utf8PathBuf {
    let target = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let place = target.join("real");
    std::fs::create_dir_all(&place).unwrap();
    place
}

/// Writes a file and the directories above it.
pub(crate) fn write(path: &Utf8Path, text: &(impl AsRef<[u8]> + ?Sized)) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A program with its arguments.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Waits until `look` sees something, and returns it.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "in {PATIENCE:?} it did not happen: {what}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The file of a pack with a name of its own, on free ports; `more` is appended.
pub(crate) fn file(name: &str, more: &str) -> String {
    let [http, https] = free_ports();
    format!(
        "format = 1\n\n[pack]\nname = \"{name}\"\nroot = \"ROOT\"\n\n[odoo]\nseries = \"19.0\"\nsource = {{ debian = \"sid\" }}\n\n\
         [web]\nlisten = [\"127.0.0.1\"]\nhttp_port = {http}\nhttps_port = {https}\n\n{more}"
    )
}

/// Ports nobody listens on at this moment.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = std::array::from_fn::<_, N, _>(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
