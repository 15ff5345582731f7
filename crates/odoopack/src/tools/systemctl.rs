//! `systemctl`: commands for units, and what `show` says about them.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::exec::Cmd;

/// Longest that systemd may take beyond the unit's own limit for a stop.
const MARGIN: Duration = Duration::from_mins(1);

/// What is asked of each unit.
const PROPERTIES: &str = "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,MainPID,NRestarts,\
                          ActiveEnterTimestampMonotonic,InactiveEnterTimestampMonotonic";

/// One unit as systemd sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "properties of a unit are independent"
)]
pub(crate) struct UnitState {
    /// Whether systemd has read a file for it.
    pub(crate) loaded: bool,
    /// Whether it runs; false while systemd waits to start it again.
    pub(crate) active: bool,
    /// Whether it starts with what wants it.
    pub(crate) enabled: bool,
    /// Whether its file has changed since systemd read it.
    pub(crate) outdated: bool,
    /// Main process.
    pub(crate) pid: Option<u32>,
    /// How often systemd started it again by itself.
    pub(crate) restarts: u64,
    /// When it last became active or inactive: microseconds of the monotonic clock.
    pub(crate) changed: Option<u64>,
}

/// Tells about units, also about unknown ones.
pub(crate) fn show<S: AsRef<str>>(units: &[S]) -> Cmd {
    systemctl("show")
        .arg(format!("--property={PROPERTIES}"))
        .arg("--")
        .args(units.iter().map(S::as_ref))
}

/// Reads what [`show`] prints: one block of `NAME=VALUE` lines for each unit, by name of the unit.
///
/// # Source
/// systemd 252, systemctl(1); `active` and `reloading` are the states in which the main process runs.
pub(crate) fn parse_show(text: &str) -> BTreeMap<String, UnitState> {
    text.split("\n\n").filter_map(parse_unit).collect()
}

fn parse_unit(block: &str) -> Option<(String, UnitState)> {
    let values: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| values.get(name).copied().unwrap_or_default();
    let active = matches!(value("ActiveState"), "active" | "reloading");
    let changed = value(if active {
        "ActiveEnterTimestampMonotonic"
    } else {
        "InactiveEnterTimestampMonotonic"
    });
    let state = UnitState {
        loaded: value("LoadState") == "loaded",
        active,
        enabled: value("UnitFileState") == "enabled",
        outdated: value("NeedDaemonReload") == "yes",
        pid: value("MainPID").parse().ok().filter(|pid| *pid != 0),
        restarts: value("NRestarts").parse().unwrap_or_default(),
        changed: changed.parse().ok().filter(|micros| *micros != 0),
    };
    let id = value("Id");
    (!id.is_empty()).then(|| (id.to_owned(), state))
}

/// Reads all unit files again.
pub(crate) fn daemon_reload() -> Cmd {
    systemctl("daemon-reload")
}

/// Starts it with whatever wants it, and now.
pub(crate) fn enable(unit: &str) -> Cmd {
    systemctl("enable").args(["--now", "--quiet", "--", unit])
}

/// Stops it within its own limit, and does not start it again by itself.
pub(crate) fn disable(unit: &str, within: Duration) -> Cmd {
    systemctl("disable")
        .args(["--now", "--quiet", "--", unit])
        .patience(within + MARGIN)
}

/// Stops it.
pub(crate) fn stop(unit: &str, within: Duration) -> Cmd {
    systemctl("stop").args(["--", unit]).patience(within + MARGIN)
}

/// Stops it within its own limit and starts it again.
pub(crate) fn restart(unit: &str, within: Duration) -> Cmd {
    systemctl("restart").args(["--", unit]).patience(within + MARGIN)
}

/// Makes it read its files again.
pub(crate) fn reload(unit: &str) -> Cmd {
    systemctl("reload").args(["--", unit])
}

/// Forgets that it failed, and how often it was started.
pub(crate) fn reset_failed(unit: &str) -> Cmd {
    systemctl("reset-failed").args(["--", unit])
}

fn systemctl(verb: &str) -> Cmd {
    Cmd::new("systemctl").args(["--no-ask-password", "--no-pager", verb])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_exact() {
        let minute = Duration::from_mins(1);
        let all = [
            enable("a.service"),
            disable("a.service", minute),
            stop("a.service", minute),
            restart("a.service", minute),
            reload("a.service"),
            reset_failed("a.service"),
            daemon_reload(),
        ];
        let head = "systemctl --no-ask-password --no-pager";
        let tails = [
            "enable --now --quiet -- a.service",
            "disable --now --quiet -- a.service",
            "stop -- a.service",
            "restart -- a.service",
            "reload -- a.service",
            "reset-failed -- a.service",
            "daemon-reload",
        ];
        for (cmd, tail) in all.iter().zip(tails) {
            assert_eq!(cmd.to_string(), format!("{head} {tail}"));
        }
        assert!(
            show(&["a.service", "b.target"])
                .to_string()
                .ends_with(" -- a.service b.target")
        );
    }

    #[test]
    fn reads_running_restarting_stopped_and_unknown_units() {
        let seen = parse_show(include_str!("../../fixtures/systemctl-252-show.txt"));
        insta::assert_debug_snapshot!(seen);
    }
}
