//! `postgresql.conf` of the pack's own cluster.
use std::collections::BTreeMap;
use std::fmt::Write;

use camino::Utf8PathBuf;

use super::made_by;
use crate::units::Bytes;

/// What `postgresql.conf` depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgresql {
    /// Fingerprint for the first line.
    pub hash: String,
    /// Major version of the server, 13 to 18.
    pub major: u16,
    /// Shown in the process list; the pack's name.
    pub cluster_name: String,
    /// Directory of the unix socket, at most 90 bytes long.
    pub socket_directory: Utf8PathBuf,
    /// Names the socket file; also the TCP port.
    pub port: u16,
    /// Addresses to listen on besides the socket; empty: none.
    pub listen: &'static str,
    /// Needs a restart when it changes.
    pub max_connections: u32,
    /// Needs a restart when it changes.
    pub shared_buffers: Bytes,
    /// Memory of one sort or hash.
    pub work_mem: Bytes,
    /// Memory of one vacuum or index build.
    pub maintenance_work_mem: Bytes,
    /// What the planner may count on to be cached.
    pub effective_cache_size: Bytes,
    /// Libraries that are installed for this major, such as `pg_stat_statements`; a missing one stops the start.
    pub preload: Vec<String>,
    /// `[postgres.options]`, written last so that they win.
    pub options: BTreeMap<String, String>,
}

/// Renders `postgresql.conf`.
///
/// The socket stays open to every user of the host: entering it is decided by `pg_hba.conf`, with a password for every role
/// that Odoo uses, and a group shared by all environments would say no more.
///
/// `idle_in_transaction_session_timeout` stays 0: a backup holds its exported snapshot in an idle transaction for
/// as long as the dump takes, and a cron may wait for a slow partner inside of one.
///
/// # Source
/// PostgreSQL 15 manual, chapter 20; `jit` off and the lock table: Odoo's queries are short, its module updates touch
/// thousands of relations in one transaction.
pub fn postgresql_conf(input: &Postgresql) -> String {
    let mut out = made_by(&input.hash);
    for (name, value) in settings(input).into_iter().chain(by_major(input.major)) {
        writeln!(out, "{name} = {}", quoted(&value)).expect("writing to a String cannot fail");
    }
    if !input.options.is_empty() {
        out.push_str("\n# [postgres.options]\n");
    }
    for (name, value) in &input.options {
        writeln!(out, "{name} = {}", quoted(value)).expect("writing to a String cannot fail");
    }
    out
}

/// A value as the file wants it; numbers may stand between quotes too.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

fn kib(bytes: Bytes) -> String {
    format!("{}kB", bytes.0 >> 10)
}

type Setting = (&'static str, String);

fn settings(input: &Postgresql) -> Vec<Setting> {
    let mut all = vec![
        ("listen_addresses", input.listen.to_owned()),
        ("port", input.port.to_string()),
        ("unix_socket_directories", input.socket_directory.to_string()),
        ("cluster_name", input.cluster_name.clone()),
        ("max_connections", input.max_connections.to_string()),
        ("shared_buffers", kib(input.shared_buffers)),
        ("work_mem", kib(input.work_mem)),
        ("maintenance_work_mem", kib(input.maintenance_work_mem)),
        ("effective_cache_size", kib(input.effective_cache_size)),
        ("shared_preload_libraries", input.preload.join(",")),
    ];
    all.extend(FIXED.iter().map(|(name, value)| (*name, (*value).to_owned())));
    all
}

/// What does not depend on the host.
const FIXED: [(&str, &str); 25] = [
    ("password_encryption", "scram-sha-256"),
    ("max_locks_per_transaction", "256"),
    ("wal_compression", "on"),
    ("min_wal_size", "256MB"),
    ("max_wal_size", "2GB"),
    ("checkpoint_timeout", "15min"),
    ("checkpoint_completion_target", "0.9"),
    ("random_page_cost", "1.1"),
    ("jit", "off"),
    ("autovacuum_vacuum_scale_factor", "0.05"),
    ("autovacuum_analyze_scale_factor", "0.02"),
    ("autovacuum_naptime", "30s"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_line_prefix", "%m [%p] %q%u@%d %a "),
    ("log_min_duration_statement", "5s"),
    ("log_autovacuum_min_duration", "1min"),
    ("log_lock_waits", "on"),
    ("log_temp_files", "64MB"),
    ("log_checkpoints", "on"),
    ("log_connections", "off"),
    ("log_disconnections", "off"),
    ("log_timezone", "UTC"),
    ("timezone", "UTC"),
    ("lc_messages", "C"),
];

/// # Source
/// PostgreSQL 18 release notes: `file_copy_method` (`clone` uses `copy_file_range`, which shares blocks where
/// the file system can and copies where it cannot), and a better default of `effective_io_concurrency`.
fn by_major(major: u16) -> Vec<Setting> {
    if major >= 18 {
        vec![("file_copy_method", "clone".to_owned())]
    } else {
        vec![("effective_io_concurrency", "16".to_owned())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_file() {
        let input = Postgresql {
            hash: "abc".into(),
            major: 15,
            cluster_name: "demo".into(),
            socket_directory: "/x/run".into(),
            port: 5432,
            listen: "",
            max_connections: 100,
            shared_buffers: Bytes::mib(128),
            work_mem: Bytes::mib(4),
            maintenance_work_mem: Bytes::mib(64),
            effective_cache_size: Bytes::gib(1),
            preload: vec!["pg_stat_statements".into()],
            options: [("application_name".to_owned(), r"it's \ mine".to_owned())].into(),
        };
        insta::assert_snapshot!(postgresql_conf(&input));
        let newer = postgresql_conf(&Postgresql { major: 18, ..input });
        assert!(newer.contains("file_copy_method") && !newer.contains("effective_io_concurrency"));
    }
}
