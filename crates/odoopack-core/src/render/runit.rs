//! The files of a runit service: `run`, `finish`, `control/*`, `log/run` and svlogd's `config`.
//!
//! A service directory that also holds a file called [`DOWN`] is supervised but not started: a slot at rest.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::made_by;
use super::shell::word;
use crate::service::{ROOT_CAPABILITIES, Service, Signal};
use crate::units::Bytes;

/// Name of the empty file that keeps `runsv` from starting a service by itself.
pub const DOWN: &str = "down";

/// Where our scripts look for programs; `runsvdir` may have been started with anything.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// File in the service directory with the id of the service's process group.
const LEADER: &str = "leader";

/// File in the service directory with one line `COUNT TIME`: how often the service was started, and the last time in
/// UTC. It also counts the starts after a `runsv` that was killed and ran no `finish`.
pub const STARTS: &str = "starts";

/// Where svlogd writes, and how much of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Existing directory; the newest lines are in `current`, [`log_config`] goes into `config`.
    pub directory: Utf8PathBuf,
    /// User of svlogd, who owns the directory; `None`: the user of the supervisor.
    pub user: Option<String>,
    /// Size of one file.
    pub size: Bytes,
    /// Older files kept beside `current`, at least 3.
    pub keep: u32,
}

/// The script `run`; mode 0755, or 0700 where arguments are nobody's business.
///
/// # Shape
/// Every line before the last one prepares; the last one is an `exec` chain that ends in the program itself, so that
/// it is a direct child of `runsv`, leader of a session of its own, and signals arrive. It inherits no variable. The
/// secret part of its environment is read as the user of the supervisor and never stands in an argument.
///
/// # Source
/// runsv(8), setpriv(1); `ulimit -c` and `-n` are beyond POSIX but in dash, bash and busybox; E33: `--pdeathsig` ends the service when `runsv` is killed, else it would keep its port.
pub fn run(service: &Service, hash: &str) -> String {
    let description = service.description.replace('\n', " ");
    let mut chain = vec!["exec /usr/bin/env -i".to_owned()];
    chain.extend(
        service
            .environment
            .iter()
            .map(|(k, v)| word(&format!("{k}={v}")).into_owned()),
    );
    if let Some(file) = &service.environment_file {
        chain.push(format!(
            r#"/bin/sh -c 'set -a; . "$0"; set +a; exec "$@"' {}"#,
            word(file.as_str())
        ));
    }
    chain.push(format!(
        "/usr/bin/setsid /usr/bin/setpriv {} --",
        privileges(service)
    ));
    chain.extend(service.argv.iter().map(|a| word(a).into_owned()));
    format!(
        "#!/bin/sh\n{}# {description}\nPATH={PATH}\nexec 2>&1\necho $$ >{LEADER}\n\
         n=$(cat {STARTS} 2>/dev/null)\necho \"$((${{n%%[!0-9]*}} + 1)) $(date -u +%Y-%m-%dT%H:%M:%SZ)\" >{STARTS}.new && mv {STARTS}.new {STARTS}\ncd {} || exit 111\n\
         umask {:03o}\n# shellcheck disable=SC3045\n{{ ulimit -c 0; ulimit -n {} 2>/dev/null || ulimit -n \"$(ulimit -Hn)\"; }}\n{}\n",
        made_by(hash),
        word(service.directory.as_str()),
        service.umask,
        service.open_files,
        chain.join(" \\\n    ")
    )
}

/// nginx's QUIT would wait for every websocket while the next nginx wants the pid file, so it gets TERM.
fn privileges(service: &Service) -> String {
    let death = if service.stop_signal == Signal::Int {
        "INT"
    } else {
        "TERM"
    };
    let fixed = format!("--no-new-privs --pdeathsig {death}");
    match &service.user {
        Some(user) if !service.starts_as_root => {
            let user = word(user);
            format!("{fixed} --reuid {user} --regid {user} --init-groups")
        }
        Some(_) | None if service.starts_as_root => {
            let kept = ROOT_CAPABILITIES.map(|name| format!(",+{name}")).concat();
            format!("{fixed} --bounding-set -all{kept}")
        }
        Some(_) | None => fixed,
    }
}

/// The script `finish`; mode 0755.
///
/// Ends what the service left behind (the workers of a killed nginx keep its ports) and notes the end.
///
/// # Shape
/// Each end is a line `TIME CODE SIGNAL` in `exits`: UTC in ISO 8601, the exit code or -1, the signal or 0. A service that ends all the
/// time must not fill the disk: beyond 64 KiB the last 500 lines stay.
pub fn finish(hash: &str, exits: &Utf8Path) -> String {
    let exits = word(exits.as_str());
    format!(
        "#!/bin/sh\n{}PATH={PATH}\nexits={exits}\n\
         [ ! -s {LEADER} ] || kill -s KILL -- \"-$(cat {LEADER})\" 2>/dev/null\n\
         rm -f {LEADER}\n\
         echo \"$(date -u +%Y-%m-%dT%H:%M:%SZ) $1 $2\" >>\"$exits\"\n\
         if [ \"$(wc -c <\"$exits\")\" -gt 65536 ]; then\n    tail -n 500 \"$exits\" >\"$exits.new\" && mv \"$exits.new\" \"$exits\"\nfi\n",
        made_by(hash),
    )
}

/// Scripts below `control/` by name, for what differs from runsv's own signals; mode 0755. Often empty.
///
/// # Shape
/// `t` is also what `runsv` runs first for `sv down` and `sv exit`; there is no need for `d`.
///
/// # Source
/// runsv(8), "CUSTOMIZE CONTROL".
pub fn controls(service: &Service, hash: &str) -> BTreeMap<&'static str, String> {
    let stop = (service.stop_signal != Signal::Term).then_some(("t", service.stop_signal));
    let reload = service
        .reload_signal
        .filter(|s| *s != Signal::Hup)
        .map(|s| ("h", s));
    let script = |signal| {
        let signal = signal_name(signal);
        format!(
            "#!/bin/sh\n{}PATH={PATH}\nkill -s {signal} \"$(cat supervise/pid)\"\n",
            made_by(hash)
        )
    };
    stop.into_iter()
        .chain(reload)
        .map(|(name, signal)| (name, script(signal)))
        .collect()
}

/// `TERM`, `INT`, `QUIT` or `HUP`.
pub(super) fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Term => "TERM",
        Signal::Int => "INT",
        Signal::Quit => "QUIT",
        Signal::Hup => "HUP",
    }
}

/// The script `log/run`; mode 0755.
///
/// svlogd adds no time of its own: Odoo, PostgreSQL and nginx write theirs, and fail2ban's filters expect it first.
pub fn log_run(hash: &str, log: &Log) -> String {
    let user = log.user.as_deref().map(|u| {
        let u = word(u);
        format!(" /usr/bin/setpriv --no-new-privs --reuid {u} --regid {u} --init-groups --")
    });
    format!(
        "#!/bin/sh\n{}umask 027\nexec /usr/bin/env -i PATH={PATH}{} svlogd {}\n",
        made_by(hash),
        user.unwrap_or_default(),
        word(log.directory.as_str())
    )
}

/// svlogd's `config`, in the log directory.
///
/// # Source
/// svlogd(8): `s` size, `n` old files; `N`: on a full disk old files go down to this number before the writer blocks.
pub fn log_config(hash: &str, log: &Log) -> String {
    format!("{}s{}\nn{}\nN2\n", made_by(hash), log.size.0, log.keep.max(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_signals_need_a_control_script() {
        let mut service = example();
        assert_eq!(controls(&service, "x").into_keys().collect::<Vec<_>>(), ["t"]);
        service.stop_signal = Signal::Term;
        assert!(controls(&service, "x").is_empty());
    }

    #[test]
    fn the_files_of_a_service() {
        let log = Log {
            directory: "/x/logs/db".into(),
            user: None,
            size: Bytes::mib(10),
            keep: 10,
        };
        let exits = Utf8Path::new("/x/logs/postgres.exits");
        let texts = [
            run(&example(), "abc"),
            finish("abc", exits),
            controls(&example(), "abc").remove("t").unwrap(),
            log_run("abc", &log),
            log_config("abc", &log),
        ];
        insta::assert_snapshot!(texts.join("---\n"));
    }

    fn example() -> Service {
        Service {
            name: "postgres".into(),
            description: "the cluster".into(),
            argv: vec![
                "/usr/lib/postgresql/15/bin/postgres".into(),
                "-D".into(),
                "/x/my data".into(),
            ],
            user: Some("odoo-demo-postgres".into()),
            directory: "/x".into(),
            environment: [("TZ".to_owned(), "it's UTC".to_owned())].into(),
            environment_file: Some("/x/secrets/postgres.env".into()),
            umask: 0o027,
            stop_signal: Signal::Int,
            stop_within: crate::units::Seconds(30),
            reload_signal: Some(Signal::Hup),
            writable: vec![],
            memory_max: None,
            open_files: 4096,
            gives_way: false,
            after: vec![],
            starts_as_root: false,
            inputs: vec![],
            start_inputs: vec![],
        }
    }
}
