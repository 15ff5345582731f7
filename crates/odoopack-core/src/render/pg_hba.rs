//! `pg_hba.conf` and `pg_ident.conf`: who may enter the cluster, from where, and how it is proved.
use std::fmt::Write;

use super::made_by;

/// Name of the map in `pg_ident.conf`.
const MAP: &str = "odoopack";

/// Every role needs it: Odoo opens `postgres` for its bus and its crons (E16).
const SHARED_DATABASE: &str = "postgres";

/// The group of the roles that load a backup of somebody else, each into the one database of its own name. No
/// environment's role can be called so: theirs have no hyphen.
pub const LOADERS: &str = "odoopack-loading";

/// Who may enter.
///
/// # Shape
/// Names hold no double quote and no line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Fingerprint for the first line.
    pub hash: String,
    /// The administering role; it enters by the socket only.
    pub admin: String,
    /// Users of the host who may be the administering role: the cluster's own and the one odoopack runs as.
    pub admin_users: Vec<String>,
    /// Roles of the environments, in the order in which they shall stand.
    pub roles: Vec<Role>,
    /// Network whose members may try, when the server listens on TCP: `127.0.0.1/32`.
    pub tcp: Option<String>,
}

/// One role and where it may go besides `postgres`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Name of the role.
    pub name: String,
    /// Its databases; often one.
    pub databases: Vec<String>,
}

/// Renders `pg_hba.conf`.
///
/// # Shape
/// The first line that fits decides; the last ones refuse the rest. `replication` is no database, so only the
/// administering role may stream.
///
/// # Source
/// PostgreSQL 15 manual, 21.1: a keyword between double quotes is an ordinary name.
pub fn pg_hba_conf(access: &Access) -> String {
    let mut out = made_by(&access.hash);
    let admin = name(&access.admin);
    for database in ["all", "replication"] {
        line(
            &mut out,
            &["local", database, &admin, "peer", &format!("map={MAP}")],
        );
    }
    for role in &access.roles {
        let databases = role.databases.iter().map(String::as_str).chain([SHARED_DATABASE]);
        let mut databases: Vec<String> = databases.map(name).collect();
        // A database that is being restored has a role of its own name, which the environment's role is a member of.
        databases.push("samerole".to_owned());
        let (databases, role) = (databases.join(","), name(&role.name));
        line(&mut out, &["local", &databases, &role, "scram-sha-256"]);
        if let Some(network) = &access.tcp {
            line(&mut out, &["host", &databases, &role, network, "scram-sha-256"]);
        }
    }
    let loaders = format!("+{}", name(LOADERS));
    line(&mut out, &["local", "samerole", &loaders, "scram-sha-256"]);
    line(&mut out, &["local", "all", "all", "reject"]);
    line(&mut out, &["host", "all", "all", "all", "reject"]);
    out
}

/// Renders `pg_ident.conf`: which users of the host are the administering role.
pub fn pg_ident_conf(access: &Access) -> String {
    let mut out = made_by(&access.hash);
    for user in &access.admin_users {
        line(&mut out, &[MAP, &name(user), &name(&access.admin)]);
    }
    out
}

fn name(text: &str) -> String {
    format!("\"{text}\"")
}

fn line(out: &mut String, fields: &[&str]) {
    writeln!(out, "{}", fields.join(" ")).expect("writing to a String cannot fail");
}
