//! `redis.conf` for sessions, and the file with its password.
use camino::Utf8PathBuf;

use super::made_by;
use crate::units::Bytes;

/// What `redis.conf` depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Fingerprint for the first line.
    pub hash: String,
    /// Directory for its files.
    pub directory: Utf8PathBuf,
    /// Unix socket, beside the port; at most 107 bytes long.
    pub socket: Option<Utf8PathBuf>,
    /// Port on 127.0.0.1; 0: the socket only.
    pub port: u16,
    /// File with [`redis_secret`], mode 0600.
    pub secret: Utf8PathBuf,
    /// Most memory for data.
    pub memory: Bytes,
}

/// Renders `redis.conf`.
///
/// Sessions are kept, not cached: written to the append-only file each second, and never evicted. A full Redis
/// refuses a new sign-in, which is seen; evicting would sign people out one by one.
///
/// # Source
/// Redis 7.0, the annotated `redis.conf` of the release.
pub fn redis_conf(input: &Redis) -> String {
    let socket = input
        .socket
        .as_ref()
        .map(|s| format!("unixsocket {}\nunixsocketperm 777\n", quoted(s.as_str())));
    let fixed = "protected-mode yes\ndaemonize no\nsupervised no\npidfile \"\"\nlogfile \"\"\nloglevel notice\n\
                 appendonly yes\nappendfsync everysec\nsave \"\"\nmaxmemory-policy noeviction\n";
    format!(
        "{}bind 127.0.0.1\nport {}\n{}dir {}\nmaxmemory {}\n{fixed}include {}\n",
        made_by(&input.hash),
        input.port,
        socket.unwrap_or_default(),
        quoted(input.directory.as_str()),
        input.memory.0,
        quoted(input.secret.as_str()),
    )
}

/// Renders the included file with the password.
pub fn redis_secret(hash: &str, password: &str) -> String {
    format!("{}requirepass {}\n", made_by(hash), quoted(password))
}

/// # Source
/// Redis 7.0, `src/sds.c`, `sdssplitargs`: between double quotes a backslash escapes.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' => "\\\\".to_owned(),
        '"' => "\\\"".to_owned(),
        '\n' => "\\n".to_owned(),
        other => other.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}
