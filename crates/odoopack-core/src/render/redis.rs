//! `redis.conf` for sessions, and the file with its users.
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
    /// File with [`redis_users`].
    pub users: Utf8PathBuf,
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
        quoted(input.users.as_str()),
    )
}

/// Somebody who may use Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name, of letters, digits and hyphens.
    pub name: String,
    /// SHA-256 of the password in hex: the file holds nothing to sign in with.
    pub password: String,
    /// What all of its keys begin with, of letters, digits, hyphens and colons.
    pub prefix: String,
}

/// Who asks whether Redis works: it may do nothing else, so it needs no password; no environment can have the name.
pub const ASKS: &str = "odoopack_asks";

/// Renders the included file with the users: each reads and writes its own keys, and nobody administers.
///
/// # Source
/// Redis 7.0, `redis.io/docs/management/security/acl`.
pub fn redis_users(hash: &str, users: &[User]) -> String {
    let one = |user: &User| {
        format!(
            "user {} on #{} ~{}* resetchannels -@all +@read +@write +@connection +@transaction -@dangerous\n",
            user.name, user.password, user.prefix
        )
    };
    let users: String = users.iter().map(one).collect();
    // Nobody signs in as `default`, which has no password. It keeps its rights, because Redis reads its own file as
    // this user: without them every transaction in the file is refused, and lost (tried on 7.0.15).
    let default = "user default on resetpass ~* &* +@all";
    let asks = format!("user {ASKS} on nopass resetkeys resetchannels -@all +ping");
    format!("{}{default}\n{asks}\n{users}", made_by(hash))
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
