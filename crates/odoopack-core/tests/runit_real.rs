//! The rendered scripts, read by the real shell and obeyed by the real runit.
#![expect(
    clippy::disallowed_methods,
    reason = "the test drives the real shell and runit"
)]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::render::{runit, shell};
use odoopack_core::service::{Service, Signal};
use odoopack_core::units::{Bytes, Seconds};
use proptest::prelude::*;
use support::{Running, must, open_directory, program, root, run, text, until};

mod support;

fn service(directory: &Utf8Path, argv: &[&str]) -> Service {
    Service {
        name: "example".into(),
        description: "an example".into(),
        argv: argv.iter().map(ToString::to_string).collect(),
        user: None,
        directory: directory.to_owned(),
        environment: BTreeMap::new(),
        environment_file: None,
        umask: 0o027,
        stop_signal: Signal::Term,
        stop_within: Seconds(10),
        reload_signal: None,
        writable: vec![],
        memory_max: None,
        open_files: 256,
        gives_way: false,
        after: vec![],
        starts_as_root: false,
        inputs: vec![],
        start_inputs: vec![],
    }
}

/// Writes `run` beside nothing else and runs it as `runsv` does: not as a leader, so that `setsid` in it need not fork.
fn output_of(directory: &Utf8Path, service: &Service) -> String {
    let script = directory.join("run");
    std::fs::write(&script, runit::run(service, "abc")).unwrap();
    must("sh", &["-n", script.as_str()]);
    must("sh", &["-c", r#"cd "$0" && exec sh run"#, directory.as_str()])
}

/// Root keeps what nginx needs; what a container took away before is no reason to fail.
#[test]
fn a_service_that_starts_as_root_has_few_capabilities() {
    if !root() {
        return;
    }
    let (_keep, directory) = open_directory();
    let mut service = service(&directory, &["/bin/grep", "CapEff", "/proc/self/status"]);
    service.starts_as_root = true;
    let said = output_of(&directory, &service);
    let effective = said.split_whitespace().last().unwrap();
    let effective = u64::from_str_radix(effective, 16).unwrap();
    // chown, dac_override, fowner, kill, setgid, setuid, net_bind_service, sys_resource (linux/capability.h)
    let wanted: u64 = [0, 1, 3, 5, 6, 7, 10, 24].iter().map(|bit| 1 << bit).sum();
    assert_eq!(effective & !wanted, 0, "{said}");
    assert_eq!(effective & (1 << 10), 1 << 10, "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_argument_and_variable_arrives_as_it_is(
        arguments in prop::collection::vec(r#"([ -~]|[\n\t$'"`\\é*])*"#, 1..8),
        plain in r#"([ -~]|[\n$'"`\\])*"#,
        secret in r#"([ -~]|[\n$'"`\\])*"#,
    ) {
        let (_keep, directory) = open_directory();
        let file = directory.join("it's secret.env");
        std::fs::write(&file, shell::environment_file("abc", &[("SECRET".to_owned(), secret.clone())].into())).unwrap();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let print = r#"printf '%s\0' "$PLAIN" "$SECRET" "$@""#;
        let mut service = service(&directory, &[&["/bin/sh", "-c", print, "sh"], &words[..]].concat());
        service.environment = [("PLAIN".to_owned(), plain.clone())].into();
        service.environment_file = Some(file);
        let expected: Vec<&str> = [plain.as_str(), secret.as_str()].into_iter().chain(words).collect();
        prop_assert_eq!(output_of(&directory, &service), expected.join("\0") + "\0");
    }
}

#[test]
fn the_environment_is_exactly_what_was_said_and_limits_hold() {
    let (_keep, directory) = open_directory();
    let script = "env; echo umask $(umask); echo files $(ulimit -n); echo core $(ulimit -c); pwd";
    let mut service = service(&directory, &["/bin/sh", "-c", script]);
    service.environment = [("A".to_owned(), "1".to_owned())].into();
    let said = output_of(&directory, &service);
    let rest: Vec<&str> = said.lines().filter(|l| !l.starts_with("PWD=")).collect();
    assert_eq!(
        rest,
        ["A=1", "umask 0027", "files 256", "core 0", directory.as_str()]
    );
}

#[test]
fn shellcheck_finds_nothing_to_say() {
    let (_keep, directory) = open_directory();
    let mut service = service(&directory.join("a b"), &["/bin/echo", "it's", "$HOME"]);
    service.environment_file = Some("/x/y".into());
    service.user = Some("www-data".into());
    service.stop_signal = Signal::Int;
    let log = Log(&directory).value();
    let mut texts = vec![
        runit::run(&service, "abc"),
        runit::finish("abc", &directory.join("x")),
        runit::log_run("abc", &log),
    ];
    texts.extend(runit::controls(&service, "abc").into_values());
    for text in texts {
        std::fs::write(directory.join("script"), text).unwrap();
        must(
            "shellcheck",
            &["--severity=warning", directory.join("script").as_str()],
        );
    }
}

struct Log<'a>(&'a Utf8Path);

impl Log<'_> {
    fn value(&self) -> runit::Log {
        runit::Log {
            directory: self.0.join("log"),
            user: None,
            size: Bytes::mib(1),
            keep: 5,
        }
    }
}

/// One service under a real `runsv`.
struct Supervised {
    _keep: tempfile::TempDir,
    path: Utf8PathBuf,
    runsv: Running,
}

impl Supervised {
    fn start(change: impl FnOnce(&Utf8Path, &mut Service)) -> Self {
        let (keep, path) = open_directory();
        let definition = path.join("service");
        let mut example = service(&path, &[]);
        change(&path, &mut example);
        for place in ["service/log", "service/control", "log"] {
            std::fs::create_dir_all(path.join(place)).unwrap();
        }
        script(&definition.join("run"), &runit::run(&example, "abc"));
        script(
            &definition.join("finish"),
            &runit::finish("abc", &path.join("example.exits")),
        );
        script(
            &definition.join("log/run"),
            &runit::log_run("abc", &Log(&path).value()),
        );
        std::fs::write(
            path.join("log/config"),
            runit::log_config("abc", &Log(&path).value()),
        )
        .unwrap();
        for (name, content) in runit::controls(&example, "abc") {
            script(&definition.join("control").join(name), &content);
        }
        let runsv = Running::start(Command::new(program("runsv")).arg(&definition));
        Self {
            _keep: keep,
            path,
            runsv,
        }
    }

    fn pid(&self) -> String {
        let file = self.path.join("service/supervise/pid");
        std::fs::read_to_string(file)
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    fn sv(&self, verb: &str) {
        must("sv", &["-w", "10", verb, self.path.join("service").as_str()]);
    }

    fn exits(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path.join("example.exits")).unwrap_or_default();
        text.lines()
            .map(|l| l.split_once(' ').unwrap().1.to_owned())
            .collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path.join("log/current")).unwrap_or_default()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(run(
            "sv",
            &["-w", "10", "force-shutdown", self.path.join("service").as_str()],
        ));
    }
}

fn script(path: &Utf8Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn alive(pid: &str) -> bool {
    run("kill", &["-0", pid]).status.success()
}

#[test]
fn a_killed_service_comes_back_without_the_children_it_left() {
    let supervised = Supervised::start(|path, service| {
        let child = format!("trap '' TERM INT; echo $$ >{path}/child; exec sleep 1000");
        service.argv = vec![
            "/bin/sh".into(),
            "-c".into(),
            format!("sh -c \"{child}\" & echo up; wait; sleep 1000"),
        ]
        .into_iter()
        .map(|a: String| a.replace("$$", "\\$\\$"))
        .collect();
    });
    let child = || {
        std::fs::read_to_string(supervised.path.join("child"))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    until("it runs", || {
        supervised.log().contains("up") && !child().is_empty()
    });
    let (first, orphan) = (supervised.pid(), child());
    assert_eq!(
        must("ps", &["-o", "pgid=", "-p", &orphan]).trim(),
        first,
        "one group for the service"
    );
    must("kill", &["-KILL", &first]);
    until("it is back", || {
        !supervised.pid().is_empty() && supervised.pid() != first
    });
    until("the orphan is gone", || !alive(&orphan));
    assert_eq!(supervised.exits(), ["-1 9"]);
}

#[test]
fn a_killed_supervisor_takes_the_service_with_it() {
    let mut supervised = Supervised::start(|_, service| {
        service.argv = vec!["/bin/sleep".into(), "1000".into()];
        // A change of user clears the request to die with the parent, so the order matters.
        service.user = root().then(|| "www-data".to_owned());
    });
    until("it runs", || {
        let pid = supervised.pid();
        !pid.is_empty() && must("cat", &[&format!("/proc/{pid}/cmdline")]).starts_with("/bin/sleep")
    });
    let pid = supervised.pid();
    drop(supervised.runsv.0.kill());
    drop(supervised.runsv.0.wait());
    until("it is gone", || !alive(&pid));
}

#[test]
fn a_stop_asks_with_the_signal_of_the_service() {
    let supervised = Supervised::start(|_, service| {
        let script = "trap 'echo got INT; exit 7' INT; trap 'echo got TERM; exit 8' TERM; echo up; while :; do sleep 0.1; done";
        service.argv = vec!["/bin/sh".into(), "-c".into(), script.into()];
        service.stop_signal = Signal::Int;
    });
    until("it runs", || supervised.log().contains("up"));
    supervised.sv("down");
    assert_eq!(supervised.exits(), ["7 0"]);
    until("its last words are logged", || {
        supervised.log().contains("got INT")
    });
    assert!(!supervised.log().contains("TERM"));
}

#[test]
fn a_secret_reaches_the_program_and_no_argument_list() {
    let supervised = Supervised::start(|path, service| {
        let file = path.join("secret.env");
        std::fs::write(
            &file,
            shell::environment_file("abc", &[("PGPASSWORD".to_owned(), "s3cret'$x".to_owned())].into()),
        )
        .unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        service.environment_file = Some(file);
        service.user = root().then(|| "www-data".to_owned());
        service.argv = vec![
            "/bin/sh".into(),
            "-c".into(),
            r#"id -un; id -Gn; echo "got $PGPASSWORD"; sleep 1000"#.into(),
        ];
    });
    until("it runs", || supervised.log().contains("got s3cret'$x"));
    if root() {
        assert!(
            supervised.log().starts_with("www-data\nwww-data"),
            "{}",
            supervised.log()
        );
    }
    let arguments = must("ps", &["-eo", "args"]);
    assert!(!arguments.contains("s3cret"));
    let dump = must("cat", &[&format!("/proc/{}/status", supervised.pid())]);
    assert!(dump.contains("NoNewPrivs:\t1"), "{}", text(dump.as_bytes()));
}
