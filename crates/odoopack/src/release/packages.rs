//! Packages of the host's distribution: installed so that nothing of the host's own starts or changes.
use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::{apt, dpkg};
use crate::ui::{Progress, Ui};

/// Keeps postgresql-common from making a cluster of the host's own.
///
/// # Source
/// postgresql-common 248: its `createcluster.conf` is managed by ucf, a file made before it would be a conflict; the
/// shipped one includes this directory.
const NO_CLUSTER: (&str, &str) = (
    "/etc/postgresql-common/createcluster.d/odoopack.conf",
    "create_main_cluster = false\n",
);
/// What apt knows of its archives.
const LISTS: &str = "/var/lib/apt/lists";
/// Where package scripts ask whether they may start services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

fn installed() -> Result<BTreeSet<String>> {
    Ok(dpkg::parse_installed(&dpkg::installed().read()?))
}

/// Those of some packages that no archive of this host has; none while no list was ever fetched.
pub(crate) fn unavailable(packages: &[String]) -> Result<BTreeSet<String>> {
    let lists = Utf8Path::new(LISTS).read_dir_utf8();
    let fetched = lists.is_ok_and(|mut all| {
        all.any(|entry| entry.is_ok_and(|entry| entry.file_name().contains("_Packages")))
    });
    if fetched {
        unknown(packages)
    } else {
        Ok(BTreeSet::new())
    }
}

/// Those of some packages that the host's lists do not know.
fn unknown(packages: &[String]) -> Result<BTreeSet<String>> {
    let shown = apt::show(packages).outcome()?.stdout;
    let known = apt::parse_shown(&shown);
    let unknown = packages
        .iter()
        .filter(|package| !known.contains(package.as_str()));
    Ok(unknown.cloned().collect())
}

/// Installs packages, as root; `spare` are those that are left out where no archive has them.
///
/// # Effects
/// No service is started: neither now (`policy-rc.d`, removed again whatever happens) nor at the next boot (services
/// that came with the packages are disabled under systemd, which is said). No PostgreSQL cluster is made.
pub(crate) fn install(
    ui: &Ui,
    packages: &[String],
    spare: &BTreeSet<String>,
    progress: &Progress,
) -> Result<()> {
    let packages = &known(packages, spare, progress)?;
    if packages.is_empty() {
        return Ok(());
    }
    let before = installed()?;
    no_cluster()?;
    progress.detail(&packages.join(" "));
    let policy = Policy::put(Utf8Path::new(POLICY))?;
    let done = apt::install(packages).outlives().run().map_err(|failure| {
        failure
            .during(format!("could not install {}", packages.join(", ")))
            .hint("see the message of apt above; after mending it, run again")
    });
    policy.take_away()?;
    disable_new(ui, &before)?;
    done
}

/// Removes a policy of ours that a run left behind when it was ended, once no package manager works any more.
pub(crate) fn heal() -> Result<()> {
    let path = Utf8Path::new(POLICY);
    let left = files::read_text(path)?.is_some_and(|text| apt::is_our_policy(&text));
    if left && !working() { remove(path) } else { Ok(()) }
}

/// Whether any apt or dpkg runs on this host.
fn working() -> bool {
    let name = |entry: camino::Utf8DirEntry| files::read_text(&entry.path().join("comm")).ok().flatten();
    let Ok(entries) = Utf8Path::new("/proc").read_dir_utf8() else {
        return true;
    };
    let mut names = entries.flatten().filter_map(name);
    names.any(|name| ["apt-get", "apt", "dpkg"].contains(&name.trim()))
}

/// Packages that can be installed; the mirror is asked only when the host's lists do not know one.
fn known(packages: &[String], spare: &BTreeSet<String>, progress: &Progress) -> Result<Vec<String>> {
    if packages.is_empty() || unknown(packages)?.is_empty() {
        return Ok(packages.to_vec());
    }
    progress.detail("fetching the package lists");
    apt::update()
        .run()
        .map_err(|failure| failure.hint("check the network and `/etc/apt/sources.list.d`"))?;
    let unknown = unknown(packages)?;
    let needed: Vec<&str> = unknown.difference(spare).map(String::as_str).collect();
    if !needed.is_empty() {
        return Err(Failure::refused(format!("no archive of this host has {}", needed.join(", ")))
            .hint("add the archive that has them (`apt-cache policy PACKAGE`): Debian's main one, apt.postgresql.org for other majors of PostgreSQL"));
    }
    let there = packages.iter().filter(|package| !unknown.contains(*package));
    Ok(there.cloned().collect())
}

fn no_cluster() -> Result<()> {
    let path = Utf8Path::new(NO_CLUSTER.0);
    files::directory_all(path.parent().unwrap_or(path))?;
    files::replace(path, NO_CLUSTER.1.as_bytes(), 0o644, None)
}

/// Under systemd a service that was kept from starting would start at the next boot.
fn disable_new(ui: &Ui, before: &BTreeSet<String>) -> Result<()> {
    if !Utf8Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    let new: Vec<String> = installed()?.difference(before).cloned().collect();
    if new.is_empty() {
        return Ok(());
    }
    let units = dpkg::parse_services(&dpkg::files(&new).read()?);
    if units.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = units.iter().map(String::as_str).collect();
    ui.say(&format!(
        "switched off, because this pack runs its own: {}",
        names.join(", ")
    ));
    apt::disable(units).run()
}

/// A policy that forbids package scripts to start anything; removed when dropped.
struct Policy {
    ours: Option<Utf8PathBuf>,
}

impl Policy {
    /// Puts the policy in place unless somebody else's is there; one of ours that was left behind is taken over.
    fn put(path: &Utf8Path) -> Result<Self> {
        if files::read_text(path)?.is_some_and(|text| !apt::is_our_policy(&text)) {
            return Ok(Self { ours: None });
        }
        files::replace(path, apt::policy(std::process::id()).as_bytes(), 0o755, None)?;
        Ok(Self {
            ours: Some(path.to_owned()),
        })
    }

    /// Removes it, and says so when that fails.
    fn take_away(mut self) -> Result<()> {
        self.ours.take().map_or(Ok(()), |path| remove(&path))
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if let Some(path) = &self.ours {
            remove(path).unwrap_or_else(|failure| crate::ui::failure(&crate::failure::render(&failure)));
        }
    }
}

/// Removes a policy that is still ours.
fn remove(path: &Utf8Path) -> Result<()> {
    match files::read_text(path)? {
        Some(text) if apt::is_our_policy(&text) => files::remove(path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Utf8PathBuf) {
        let keep = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(keep.path().join("policy-rc.d")).unwrap();
        (keep, path)
    }

    #[test]
    fn a_name_that_others_only_refer_to_is_no_package() {
        let names = ["dpkg", "mail-transport-agent", "no-such-package"].map(str::to_owned);
        let unknown: Vec<String> = unknown(&names).unwrap().into_iter().collect();
        assert_eq!(unknown, names[1..]);
    }

    #[test]
    fn the_policy_is_gone_after_a_failure_too() {
        let (_keep, path) = scratch();
        let failing = || -> Result<()> {
            let _policy = Policy::put(&path)?;
            assert!(path.is_file());
            Err(Failure::failed("apt failed"))
        };
        failing().unwrap_err();
        assert!(!path.exists());
    }

    #[test]
    fn a_policy_of_somebody_else_stays_and_one_left_behind_does_not() {
        let (_keep, path) = scratch();
        let foreign = "#!/bin/sh\nexit 101\n";
        files::replace(&path, foreign.as_bytes(), 0o755, None).unwrap();
        Policy::put(&path).unwrap().take_away().unwrap();
        assert_eq!(files::read_text(&path).unwrap().as_deref(), Some(foreign));
        files::replace(&path, apt::policy(1).as_bytes(), 0o755, None).unwrap();
        Policy::put(&path).unwrap().take_away().unwrap();
        assert!(!path.exists());
    }
}
