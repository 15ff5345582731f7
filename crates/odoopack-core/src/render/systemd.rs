//! Units for systemd: one service each, a target and a slice for the pack.
use std::fmt::Write;

use camino::{Utf8Path, Utf8PathBuf};

use super::made_by;
use super::runit::signal_name;
use crate::schedule::Job;
use crate::service::{ENDED_FIRST, LESSER_SHARE, ROOT_CAPABILITIES, Service};

/// Time between the end of a service and its next start: the gate must be back within a second, and what cannot start
/// takes longer for its own attempt.
const RESTART_AFTER: &str = "500ms";

/// Seconds that systemd waits longer than the service itself needs, before SIGKILL.
const GRACE: u64 = 5;

/// Where units of the machine's administrator lie (systemd.unit(5)).
pub const DIRECTORY: &str = "/etc/systemd/system";

/// Fences that none of our programs needs open.
const FENCES: [(&str, &str); 17] = [
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "strict"),
    ("PrivateDevices", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("LockPersonality", "yes"),
    ("SystemCallArchitectures", "native"),
    ("LimitCORE", "0"),
    ("KeyringMode", "private"),
];

/// File name of a service's unit. Hyphens of the pack become underscores, else the units of `a` with an environment
/// `b-c` and of `a-b` with `c` would have one name.
pub fn unit_name(pack: &str, service: &str) -> String {
    format!("odoopack-{}-{service}.service", pack.replace('-', "_"))
}

/// The service of a unit of this pack; `None` for any other file.
pub fn service_name<'a>(pack: &str, unit: &'a str) -> Option<&'a str> {
    let start = format!("odoopack-{}-", pack.replace('-', "_"));
    unit.strip_prefix(start.as_str())?.strip_suffix(".service")
}

/// File name of the pack's target, which starts and stops all its services.
pub fn target_name(pack: &str) -> String {
    format!("odoopack-{}.target", pack.replace('-', "_"))
}

/// File names of a job's timer and of the unit that it starts.
pub fn job_units(pack: &str, job: &str) -> [String; 2] {
    ["timer", "service"].map(|kind| format!("odoopack-{}-job-{job}.{kind}", pack.replace('-', "_")))
}

/// The job of a timer of this pack; `None` for any other file.
pub fn job_name<'a>(pack: &str, unit: &'a str) -> Option<&'a str> {
    let start = format!("odoopack-{}-job-", pack.replace('-', "_"));
    unit.strip_prefix(start.as_str())?.strip_suffix(".timer")
}

/// Renders the timer of a job; `calendar` as [`When::on_calendar`](crate::schedule::When::on_calendar) says it.
///
/// # Source
/// systemd 252, systemd.timer(5): `Persistent` catches up what was missed while the machine was off. What was begun counts as done for it,
/// so the unit is also started after each boot, and sees for itself whether a run was cut off.
pub fn timer(hash: &str, pack: &str, job: &Job, calendar: &str) -> String {
    let mut unit = Unit { out: made_by(hash) };
    unit.section("Unit");
    unit.set(
        "Description",
        &percent(&format!("Odoo pack {pack}: {}", job.what)),
    );
    unit.set("PartOf", &target_name(pack));
    unit.section("Timer");
    unit.set("OnCalendar", calendar);
    unit.set("Persistent", "yes");
    unit.set("OnBootSec", "1min");
    unit.set("AccuracySec", "1s");
    unit.section("Install");
    unit.set("WantedBy", &target_name(pack));
    unit.out
}

/// Every end of a job but 5, which says that somebody else was at work, as of two backups of the same minute one does: only that one is begun
/// again, until it is alone (systemd 252, systemd.service(5); `RestartForceExitStatus` is not for `Type=oneshot`).
const NOT_LOCKED: &str =
    "1 2 3 4 6 7 8 70 101 126 127 129 130 143 SIGHUP SIGINT SIGTERM SIGKILL SIGABRT SIGSEGV SIGBUS";

/// Docker's own unit, in Debian and in Docker's packages.
const DOCKER: &str = "docker.service";

/// Renders the unit that a timer starts: `argv`, as root and without fences, for a job may do whatever this program may.
/// With `docker` it works on containers, which a job that was missed while the machine was off must not be ahead of.
pub fn job_service(hash: &str, pack: &str, job: &Job, argv: &[String], docker: bool) -> String {
    let mut unit = Unit { out: made_by(hash) };
    unit.section("Unit");
    unit.set(
        "Description",
        &percent(&format!("Odoo pack {pack}: {}", job.what)),
    );
    unit.set("After", &target_name(pack));
    if docker {
        unit.set("After", DOCKER);
        unit.set("Wants", DOCKER);
    }
    unit.set("StartLimitIntervalSec", "0");
    unit.section("Service");
    unit.set("Type", "oneshot");
    unit.note("The colon: a dollar stays a dollar.");
    let words: Vec<String> = argv.iter().map(|a| quoted(a)).collect();
    unit.set("ExecStart", &format!(":{}", words.join(" ")));
    for (name, value) in [
        (
            "Environment",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("Environment", "LANG=C.UTF-8"),
        ("Environment", "HOME=/root"),
        ("UMask", "0022"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", NOT_LOCKED),
        ("RestartSec", "30"),
        ("KillMode", "mixed"),
        ("TimeoutStopSec", "60"),
        ("LimitCORE", "0"),
        ("SyslogIdentifier", "schedule"),
    ] {
        unit.set(name, value);
    }
    unit.set("Slice", &slice_name(pack));
    unit.out
}

/// The directory in which `systemctl enable` links the units that the target starts.
pub fn enabled(pack: &str) -> Utf8PathBuf {
    Utf8Path::new(DIRECTORY).join(format!("{}.wants", target_name(pack)))
}

/// File name of the pack's slice. A hyphen would nest it, so the pack's become underscores.
pub fn slice_name(pack: &str) -> String {
    format!("odoopack-{}.slice", pack.replace('-', "_"))
}

/// Renders the target.
pub fn target(hash: &str, pack: &str) -> String {
    let head = made_by(hash);
    format!("{head}[Unit]\nDescription=Odoo pack {pack}\n\n[Install]\nWantedBy=multi-user.target\n")
}

/// Renders the slice.
pub fn slice(hash: &str, pack: &str) -> String {
    format!(
        "{}[Unit]\nDescription=Odoo pack {pack}\n\n[Slice]\nMemoryAccounting=yes\nTasksAccounting=yes\n",
        made_by(hash)
    )
}

/// Renders the unit of one service.
///
/// There is no start limit: a service that cannot start is tried again for ever, slowly, because the reason may go away. When
/// the kernel kills one of its children the rest stays (`OOMPolicy`): Odoo and PostgreSQL replace it themselves.
/// The environment file must be the one of [`environment_file`](super::shell::environment_file).
///
/// # Source
/// systemd 252, systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5).
pub fn unit(hash: &str, pack: &str, service: &Service) -> String {
    let mut unit = Unit { out: made_by(hash) };
    header(&mut unit, pack, service);
    unit.section("Service");
    process(&mut unit, pack, service);
    fences(&mut unit, service);
    unit.section("Install");
    unit.set("WantedBy", &target_name(pack));
    unit.out
}

fn header(unit: &mut Unit, pack: &str, service: &Service) {
    unit.section("Unit");
    unit.set("Description", &percent(&service.description.replace('\n', " ")));
    let after: Vec<String> = service.after.iter().map(|s| unit_name(pack, s)).collect();
    unit.set(
        "After",
        &["network-online.target"]
            .into_iter()
            .chain(after.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" "),
    );
    unit.set("Wants", "network-online.target");
    unit.set("PartOf", &target_name(pack));
    unit.set("StartLimitIntervalSec", "0");
}

fn process(unit: &mut Unit, pack: &str, service: &Service) {
    unit.set("Type", "exec");
    unit.note("The colon: a dollar stays a dollar.");
    let words: Vec<String> = service.argv.iter().map(|a| quoted(a)).collect();
    unit.set("ExecStart", &format!(":{}", words.join(" ")));
    if let Some(signal) = service.reload_signal {
        unit.set(
            "ExecReload",
            &format!("/bin/kill -s {} $MAINPID", signal_name(signal)),
        );
    }
    if let Some(user) = service.user.as_ref().filter(|_| !service.starts_as_root) {
        unit.set("User", user);
        unit.set("Group", user);
    }
    unit.set("WorkingDirectory", &percent(service.directory.as_str()));
    for (name, value) in &service.environment {
        unit.set("Environment", &quoted(&format!("{name}={value}")));
    }
    if let Some(file) = &service.environment_file {
        unit.set("EnvironmentFile", &percent(file.as_str()));
    }
    unit.set("UMask", &format!("{:04o}", service.umask));
    unit.set("LimitNOFILE", &service.open_files.to_string());
    unit.set("Restart", "always");
    unit.set("RestartSec", RESTART_AFTER);
    unit.set("KillMode", "mixed");
    unit.set("KillSignal", &format!("SIG{}", signal_name(service.stop_signal)));
    unit.set("TimeoutStopSec", &(service.stop_within.0 + GRACE).to_string());
    unit.set("OOMPolicy", "continue");
    unit.set("SyslogIdentifier", &percent(&service.name));
    unit.set("Slice", &slice_name(pack));
    if let Some(limit) = service.memory_max {
        unit.set("MemoryMax", &limit.0.to_string());
    }
    if service.gives_way {
        unit.note("Production comes first.");
        unit.set("CPUWeight", &LESSER_SHARE.to_string());
        unit.set("OOMScoreAdjust", &ENDED_FIRST.to_string());
    }
}

fn fences(unit: &mut Unit, service: &Service) {
    unit.note("Fences.");
    for (name, value) in FENCES {
        unit.set(name, value);
    }
    let root = service.user.is_none() || service.starts_as_root;
    let all = ROOT_CAPABILITIES.map(|name| format!("CAP_{}", name.to_uppercase()));
    let kept = if root { all.join(" ") } else { String::new() };
    unit.set("CapabilityBoundingSet", &kept);
    if used(service, &["/tmp", "/var/tmp"]) {
        unit.set("PrivateTmp", "no");
        unit.set("ReadWritePaths", "/tmp /var/tmp");
    } else {
        unit.set("PrivateTmp", "yes");
    }
    unit.set(
        "ProtectHome",
        if used(service, &["/home", "/root", "/run/user"]) {
            "read-only"
        } else {
            "yes"
        },
    );
    for place in &service.writable {
        unit.set("ReadWritePaths", &quoted(place.as_str()));
    }
}

/// True when the service needs something below one of `places`, which a fence would hide.
fn used(service: &Service, places: &[&str]) -> bool {
    let words = service.argv.iter().map(Utf8Path::new);
    let paths = [&service.directory]
        .into_iter()
        .chain(&service.environment_file)
        .chain(&service.writable);
    let mut all = words
        .chain(paths.map(Utf8PathBuf::as_path))
        .chain(service.inputs.iter().map(Utf8PathBuf::as_path));
    all.any(|path| places.iter().any(|place| path.starts_with(place)))
}

struct Unit {
    out: String,
}

impl Unit {
    fn section(&mut self, name: &str) {
        let gap = if self.out.ends_with("this one\n") {
            ""
        } else {
            "\n"
        };
        writeln!(self.out, "{gap}[{name}]").expect("writing to a String cannot fail");
    }

    fn set(&mut self, name: &str, value: &str) {
        writeln!(self.out, "{name}={value}").expect("writing to a String cannot fail");
    }

    fn note(&mut self, words: &str) {
        writeln!(self.out, "# {words}").expect("writing to a String cannot fail");
    }
}

fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// One word: quotes, backslashes, line ends and specifiers escaped.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' => "\\\\".to_owned(),
        '"' => "\\\"".to_owned(),
        '%' => "%%".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
        other => other.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}
