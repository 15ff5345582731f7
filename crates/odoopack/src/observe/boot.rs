//! What brings the pack back after a reboot where systemd does not: a line for cron, or a script of the boot.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Seen;

use crate::exec::find_program;
use crate::failure::Result;
use crate::files;
use crate::tools::crontab;

/// Files that are read at every boot (`crontab(5)`, `rc.local` of System V's and systemd's kind).
const FILES: [&str; 2] = ["/etc/crontab", "/etc/rc.local"];
/// Directories of such files.
const DIRECTORIES: [&str; 2] = ["/etc/cron.d", "/etc/init.d"];

/// Where the pack below `root` is brought up at boot.
pub(super) fn look(root: &Utf8Path) -> Seen<String> {
    match places(root) {
        Ok(Some(place)) => Seen::Present(place),
        Ok(None) => Seen::Absent,
        Err(e) => Seen::Unknown(e.sentence()),
    }
}

fn places(root: &Utf8Path) -> Result<Option<String>> {
    if find_program("crontab").is_some() {
        let own = crontab::list().outcome()?;
        // Without a crontab it fails, and says so.
        if own.status.success() && of_cron(&own.stdout, root) {
            return Ok(Some("the crontab of this user".to_owned()));
        }
    }
    for path in candidates() {
        let Some(bytes) = files::read_bytes(&path)? else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let cron = path.starts_with("/etc/cron.d") || path == "/etc/crontab";
        if (cron && of_cron(&text, root)) || (!cron && of_script(&text, root)) {
            return Ok(Some(path.into_string()));
        }
    }
    Ok(None)
}

fn candidates() -> Vec<Utf8PathBuf> {
    let listed = |directory: &str| {
        let entries = Utf8Path::new(directory).read_dir_utf8().into_iter().flatten();
        let files = entries.flatten().map(|entry| entry.path().to_owned());
        files.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let mut all: Vec<Utf8PathBuf> = FILES.iter().map(Utf8PathBuf::from).collect();
    all.extend(DIRECTORIES.iter().flat_map(|directory| listed(directory)));
    all
}

/// A line for every boot that names this program and the root.
fn of_cron(text: &str, root: &Utf8Path) -> bool {
    let boot = |line: &str| line.trim_start().starts_with("@reboot") && of_script(line, root);
    text.lines().any(boot)
}

fn of_script(text: &str, root: &Utf8Path) -> bool {
    let brings = |line: &str| {
        let mut words = line.split_whitespace();
        !line.trim_start().starts_with('#')
            && line.contains("odoopack")
            && words.any(|word| {
                let word = word.trim_start_matches("--root=").trim_matches(['"', '\'']);
                word.trim_end_matches('/') == root.as_str()
            })
    };
    text.lines().any(brings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_for_this_root_and_for_every_boot_counts() {
        for (line, wanted) in [
            ("@reboot odoopack up --yes --root /opt/erp", true),
            (
                "@reboot root /usr/local/bin/odoopack up --yes --root '/opt/erp/'",
                true,
            ),
            ("@reboot odoopack up --yes --root=/opt/erp", true),
            ("# @reboot odoopack up --yes --root /opt/erp", false),
            ("@reboot odoopack up --yes --root /opt/erp2", false),
            ("@reboot backup /opt/erp", false),
            ("0 3 * * * odoopack up --yes --root /opt/erp", false),
        ] {
            assert_eq!(of_cron(line, "/opt/erp".into()), wanted, "{line}");
        }
        assert!(of_script(
            "#!/bin/sh\nodoopack up --yes --root /opt/erp\n",
            "/opt/erp".into()
        ));
    }
}
