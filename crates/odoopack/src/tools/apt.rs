//! `apt-get` for the host's own packages: only what is missing, no question, no service started.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::exec::Cmd;

/// The environment of every installation: nothing is asked, no configuration file of the host is replaced, no
/// service is restarted for a new library.
const QUIET: [(&str, &str); 5] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBIAN_PRIORITY", "critical"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("NEEDRESTART_MODE", "l"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
];

/// Options of every installation. Without recommendations because runit's would replace PID 1.
///
/// # Source
/// Debian 12: `runit` 2.1.2-54 recommends `runit-run | runit-init`; runit-init conflicts with systemd-sysv.
const CAREFUL: [&str; 14] = [
    "-y",
    "-q",
    "--no-install-recommends",
    "--no-remove",
    "-o",
    "DPkg::Lock::Timeout=120",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "APT::Get::AutomaticRemove=false",
    "-o",
    "Dpkg::Use-Pty=0",
];

/// Tells what the host's lists know of packages.
///
/// # Shape
/// Its exit code says nothing: it is 0 as soon as one package is known, and for names that others only refer to (apt 2.6.1).
pub(crate) fn show<S: AsRef<str>>(packages: &[S]) -> Cmd {
    Cmd::new("apt-cache")
        .args(["show", "--no-all-versions", "--"])
        .args(packages.iter().map(S::as_ref))
}

/// Names of the packages that can be installed, from what [`show`] prints.
pub(crate) fn parse_shown(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("Package: "))
        .collect()
}

/// Packages that an installation could not have, with those that apt named in the place of each, from what it printed.
///
/// # Source
/// apt 2.6.1: `Unable to locate package`, `has no installation candidate`, and before it what provides or replaces the package.
pub(crate) fn parse_not_there(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut instead: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut all = BTreeMap::new();
    let mut of = None;
    for line in text.lines() {
        let begins = line
            .strip_prefix("Package ")
            .and_then(|rest| rest.split_once(' '));
        // Both streams of a build are one, so an error may follow half a line of something else, and be parted itself after its `E`.
        let after = |words| line.split_once(words).map(|(_, rest)| rest);
        let gone = after(": Unable to locate package ");
        let only_named =
            after(": Package '").and_then(|rest| rest.strip_suffix("' has no installation candidate"));
        if let Some((name, _)) = begins {
            of = Some(name);
        } else if let Some(name) = gone.or(only_named) {
            all.insert(name.trim(), Vec::new());
        } else if let (Some(other), Some(name)) = (line.strip_prefix("  "), of) {
            let other = other
                .split_whitespace()
                .next()
                .map(|other| other.split(':').next().unwrap_or(other));
            instead.entry(name).or_default().extend(other);
        }
    }
    for (name, found) in &mut all {
        found.extend(instead.remove(name).unwrap_or_default());
        found.dedup();
    }
    all
}

/// Fetches the host's lists anew.
pub(crate) fn update() -> Cmd {
    quiet().args(["-q", "-o", "DPkg::Lock::Timeout=120", "update"])
}

/// Installs packages. Name only missing ones: an installed one would be upgraded and its service restarted.
pub(crate) fn install<S: AsRef<str>>(packages: &[S]) -> Cmd {
    quiet()
        .args(CAREFUL)
        .args(["install", "--"])
        .args(packages.iter().map(S::as_ref))
}

fn quiet() -> Cmd {
    let cmd = Cmd::new("apt-get")
        .bare()
        .env("HOME", "/root")
        .patience(Duration::from_hours(1));
    QUIET
        .into_iter()
        .fold(cmd, |cmd, (name, value)| cmd.env(name, value))
}

/// What keeps package scripts from starting services (`invoke-rc.d(8)`, `deb-systemd-invoke(1p)`): exit code 101.
pub(crate) fn policy(pid: u32) -> String {
    format!("{POLICY_START}{pid}\nexit 101\n")
}

/// How a policy of ours begins; anybody else's is left alone.
const POLICY_START: &str = "#!/bin/sh\n# odoopack ";

/// Whether a policy is one of ours, perhaps left behind by a run that was killed.
pub(crate) fn is_our_policy(text: &str) -> bool {
    text.starts_with(POLICY_START)
}

/// Switches off services that packages have just brought, and stops them if they run.
pub(crate) fn disable(units: impl IntoIterator<Item = String>) -> Cmd {
    Cmd::new("systemctl")
        .args(["disable", "--now", "--quiet", "--"])
        .args(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installation_is_exact() {
        assert_eq!(
            install(&["nginx", "runit"]).to_string(),
            "apt-get -y -q --no-install-recommends --no-remove -o DPkg::Lock::Timeout=120 \
             -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
             -o APT::Get::AutomaticRemove=false -o Dpkg::Use-Pty=0 install -- nginx runit"
        );
        assert_eq!(
            show(&["git"]).to_string(),
            "apt-cache show --no-all-versions -- git"
        );
        assert_eq!(
            disable(["nginx.service".to_owned()]).to_string(),
            "systemctl disable --now --quiet -- nginx.service"
        );
    }

    #[test]
    fn what_cannot_be_had_is_told_with_what_is_there_instead() {
        let text = include_str!("../../fixtures/apt-get-2.6.1-not-there.txt");
        let found = parse_not_there(text);
        assert_eq!(
            found.keys().copied().collect::<Vec<_>>(),
            ["gone-for-good", "mail-transport-agent"]
        );
        assert_eq!(found["gone-for-good"], Vec::<&str>::new());
        let instead = &found["mail-transport-agent"];
        assert_eq!(
            (instead.len(), instead[0], instead[10]),
            (11, "ssmtp", "courier-mta")
        );
        assert_eq!(parse_not_there("E: Failed to fetch x\n"), BTreeMap::new());
        let mixed = "Reading package lists...E: Unable to locate package gone\n";
        assert_eq!(parse_not_there(mixed), BTreeMap::from([("gone", vec![])]));
        let parted = "Reading state information...E\n: Unable to locate package gone\n";
        assert_eq!(parse_not_there(parted), BTreeMap::from([("gone", vec![])]));
    }

    #[test]
    fn our_policy_forbids_every_start_and_is_known_again() {
        assert_eq!(policy(7), "#!/bin/sh\n# odoopack 7\nexit 101\n");
        assert!(is_our_policy(&policy(7)) && !is_our_policy("#!/bin/sh\nexit 101\n"));
    }
}
