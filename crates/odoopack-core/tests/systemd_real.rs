//! The rendered units, read by the real systemd.
#![expect(clippy::disallowed_methods, reason = "the test drives the real systemd")]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
use std::collections::BTreeMap;
use std::process::Command;

use camino::Utf8Path;
use odoopack_core::render::{shell, systemd};
use odoopack_core::service::{Service, Signal};
use odoopack_core::units::{Bytes, Seconds};
use support::{must, open_directory, program, root, run, text};

mod support;

fn service(name: &str) -> Service {
    Service {
        name: name.into(),
        description: "50 % of it".into(),
        argv: vec!["/bin/echo".into()],
        user: Some("www-data".into()),
        directory: "/srv/a b%c".into(),
        environment: BTreeMap::new(),
        environment_file: Some("/srv/a b%c/secret.env".into()),
        umask: 0o027,
        stop_signal: Signal::Int,
        stop_within: Seconds(60),
        reload_signal: Some(Signal::Hup),
        writable: vec!["/srv/a b%c/data".into(), "/var/tmp/x".into()],
        memory_max: Some(Bytes::gib(2)),
        open_files: 4096,
        gives_way: true,
        after: if name == "postgres" {
            vec![]
        } else {
            vec!["postgres".into()]
        },
        starts_as_root: false,
        inputs: vec![],
        start_inputs: vec![],
    }
}

/// Writes the units of a pack with `services` and gives the names of the files.
fn write(directory: &Utf8Path, services: &[Service]) -> Vec<String> {
    let mut files: Vec<(String, String)> = services
        .iter()
        .map(|s| {
            (
                systemd::unit_name("my-pack", &s.name),
                systemd::unit("abc", "my-pack", s),
            )
        })
        .collect();
    files.push((systemd::target_name("my-pack"), systemd::target("abc", "my-pack")));
    files.push((systemd::slice_name("my-pack"), systemd::slice("abc", "my-pack")));
    let place = |(name, content): (String, String)| {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        path.into_string()
    };
    files.into_iter().map(place).collect()
}

/// What systemd understood: the dump of a manager that starts nothing. It refuses to do that for root.
fn understood(directory: &Utf8Path, unit: &str) -> String {
    if root() {
        must("chown", &["www-data", directory.as_str()]);
    }
    let mut command = Command::new(program("setpriv"));
    if root() {
        command.args(["--reuid", "www-data", "--regid", "www-data", "--init-groups"]);
    }
    command.args([
        "/lib/systemd/systemd",
        "--test",
        "--user",
        &format!("--unit={unit}"),
    ]);
    let place = [
        ("SYSTEMD_UNIT_PATH", format!("{directory}:")),
        ("XDG_RUNTIME_DIR", directory.to_string()),
    ];
    let output = command
        .envs(place)
        .env("HOME", directory)
        .output()
        .expect("systemd is installed");
    let dump = text(&output.stdout) + &text(&output.stderr);
    let start = format!("-> Unit {unit}:");
    let own = dump
        .split_once(&start)
        .unwrap_or_else(|| panic!("{unit} is not in the dump:\n{dump}"))
        .1;
    own.split_once("-> Unit ").map_or(own, |(own, _)| own).to_owned()
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let (_keep, directory) = open_directory();
    let mut nginx = service("nginx");
    nginx.starts_as_root = true;
    nginx.stop_signal = Signal::Quit;
    let files = write(
        &directory,
        &[service("postgres"), service("production.blue.web"), nginx],
    );
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let output = run("systemd-analyze", &[&["verify", "--man=no"], &names[..]].concat());
    let said = text(&output.stderr) + &text(&output.stdout);
    let ours: Vec<&str> = said.lines().filter(|l| l.contains("odoopack")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn arguments_and_variables_arrive_as_they_are() {
    let (_keep, directory) = open_directory();
    let mut one = service("one");
    let words = [
        "it's",
        "$HOME",
        "${HOME}",
        "100%",
        "%n",
        "a\"b\\c\nd",
        "",
        ";",
        "-x",
    ];
    one.argv.extend(words.map(str::to_owned));
    one.environment = [("A".to_owned(), "it's \"q\" $HOME %n \\".to_owned())].into();
    write(&directory, &[one]);
    let dump = understood(&directory, &systemd::unit_name("my-pack", "one"));
    // systemd writes words back as a shell would want them.
    let line = r#"Command Line: /bin/echo "it's" "\$HOME" "\${HOME}" 100% %n "a\"b\\c\nd" "" ";" -x"#;
    for expected in [
        line,
        r#"Environment: A=it's "q" $HOME %n \"#,
        "Description: 50 % of it",
        "WorkingDirectory: /srv/a b%c",
        "EnvironmentFile: /srv/a b%c/secret.env",
        "/srv/a b%c/data",
        "UMask: 0027",
        "KillMode: mixed",
        "KillSignal: SIGINT",
        "Restart: always",
        "MemoryMax: 2147483648",
        "TimeoutStopSec: 1min 5s",
    ] {
        assert!(dump.contains(expected), "`{expected}` is not in:\n{dump}");
    }
}

#[test]
fn the_fences_leave_little_open() {
    let (_keep, directory) = open_directory();
    let files = write(&directory, &[service("one")]);
    must(
        "systemd-analyze",
        &[
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold=35",
            &files[0],
        ],
    );
}

#[test]
fn what_a_service_needs_is_not_hidden_from_it() {
    let mut one = service("one");
    one.writable = vec!["/home/demo/data".into()];
    let unit = systemd::unit("abc", "demo", &one);
    assert!(unit.contains("ProtectHome=read-only") && unit.contains("PrivateTmp=yes"));
    one.writable = vec!["/tmp/demo".into()];
    let unit = systemd::unit("abc", "demo", &one);
    assert!(unit.contains("ProtectHome=yes") && unit.contains("PrivateTmp=no"));
}

/// `systemd-firstboot` prints a value of a file that it reads with the parser of `EnvironmentFile=`.
#[test]
fn the_environment_file_means_the_same_to_systemd_as_to_a_shell() {
    let (_keep, directory) = open_directory();
    let value = r#"it's $x \ y # "z" %n"#;
    let variables = [("PRETTY_NAME".to_owned(), value.to_owned())].into();
    std::fs::create_dir(directory.join("etc")).unwrap();
    std::fs::write(
        directory.join("etc/os-release"),
        shell::environment_file("abc", &variables),
    )
    .unwrap();
    let said = text(
        &run(
            "systemd-firstboot",
            &["--root", directory.as_str(), "--prompt-hostname"],
        )
        .stdout,
    );
    assert!(said.contains(&format!("of {value}!")), "{said}");
}
