//! The logrotate rule for the files that nginx writes itself.
use std::fmt::Write;

use camino::Utf8PathBuf;

use super::made_by;
use super::shell::word;
use crate::units::Bytes;

/// What the rule depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logrotate {
    /// Fingerprint for the first line.
    pub hash: String,
    /// Log files; never empty, no path holds a double quote.
    pub files: Vec<Utf8PathBuf>,
    /// File with the process id of nginx's master.
    pub pid: Utf8PathBuf,
    /// Owner of the directory when that is not root: `(user, group)`, who then does the rotation.
    pub owner: Option<(String, String)>,
    /// Days that are kept.
    pub days: u32,
    /// A file that grows beyond it is rotated before the day is over, if logrotate runs more often.
    pub size: Bytes,
}

/// Renders the rule.
///
/// # Source
/// logrotate(8); nginx documentation, "Controlling nginx": USR1 opens the log files again.
pub fn logrotate_conf(input: &Logrotate) -> String {
    let mut out = made_by(&input.hash);
    let files: Vec<String> = input.files.iter().map(|f| format!("\"{f}\"")).collect();
    let pid = word(input.pid.as_str());
    let owner = input
        .owner
        .as_ref()
        .map(|(user, group)| format!("    su {user} {group}\n"));
    let rule = [
        "daily",
        "dateext",
        "dateformat -%Y%m%d-%s",
        "compress",
        "delaycompress",
        "missingok",
        "notifempty",
        "sharedscripts",
    ];
    writeln!(
        out,
        "{} {{\n    {}\n    rotate {}\n    maxsize {}\n{}    postrotate\n        \
         [ ! -s {pid} ] || kill -USR1 \"$(cat {pid})\"\n    endscript\n}}",
        files.join(" "),
        rule.join("\n    "),
        input.days,
        input.size.0,
        owner.unwrap_or_default(),
    )
    .expect("writing to a String cannot fail");
    out
}
