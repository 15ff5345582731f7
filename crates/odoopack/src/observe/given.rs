//! A database server that somebody else runs: its URL, what it says of itself and of our role there.
use std::collections::BTreeMap;

use odoopack_core::facts::{Host, Seen, ServerFact};
use odoopack_core::layout::Layout;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::{BadServerUrl, GivenServer, Postgres, Roles, SecretRef, ServerUrl, Spec, Value};
use postgres::error::SqlState;

use super::databases::{Server, connect, words};
use crate::failure::{Failure, Kind, Result};

/// The server with its password; `None` without one in the file, or while a secret has no value.
///
/// # Errors
/// A secret's value that is no usable URL, or a command that gave none.
pub(crate) fn url(spec: &Spec, layout: &Layout) -> Result<Option<ServerUrl>> {
    let written = &spec.postgres;
    let mut values = BTreeMap::new();
    let url = match &written.url {
        Some(Value::Secret(reference)) => Some(reference),
        Some(Value::Plain(_)) => None,
        None => return Ok(None),
    };
    for reference in url.into_iter().chain(&written.password) {
        let value = super::secrets::value(reference, layout)?;
        values.extend(value.map(|value| (reference.key(), value)));
    }
    of(written, &values)
}

/// The same from values that were read already.
pub(super) fn of(written: &Postgres, values: &BTreeMap<String, SecretText>) -> Result<Option<ServerUrl>> {
    let value = |reference: &SecretRef| values.get(&reference.key()).cloned();
    written.given(value).map_err(|e| unusable(written, e))
}

/// Where the server is and who we are there, as far as that is known; what is wrong with a value is said by whoever needs it.
pub(crate) fn place(spec: &Spec, layout: &Layout) -> Option<GivenServer> {
    url(spec, layout).ok().flatten().map(|url| url.server)
}

fn unusable(written: &Postgres, why: BadServerUrl) -> Failure {
    let failure = match &written.url {
        Some(Value::Secret(reference)) => {
            let failure = Failure::refused(format!(
                "the value of `{reference}` cannot be used for [postgres] url"
            ));
            match reference {
                SecretRef::Named(name) => failure.hint(format!("`odoopack secret set {name} < FILE`")),
                SecretRef::Command(_) => failure,
            }
        }
        Some(Value::Plain(_)) | None => Failure::new(Kind::Spec, "[postgres] url cannot be used"),
    };
    failure.because(why)
}

/// Asks the server; `NotYet` without one, or while its URL has no value.
pub(crate) fn look(spec: &Spec, layout: &Layout) -> Result<Seen<ServerFact>> {
    let Some(url) = url(spec, layout)? else {
        return Ok(Seen::NotYet);
    };
    let roles = url.server.roles;
    let server = Server::given(url);
    Ok(match ask(&server) {
        // Roles that are made have no limit of their own.
        Ok(fact) if roles == Roles::PerEnvironment => Seen::Present(ServerFact {
            role_limit: None,
            ..fact
        }),
        Ok(fact) => Seen::Present(fact),
        Err(e) => Seen::Unknown(why(&e)),
    })
}

/// Odoo itself enters `postgres`, so that a server that does not let us is one that Odoo cannot use.
fn why(error: &postgres::Error) -> String {
    let shut = [
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
    ];
    let words = words(error);
    if error.code().is_some_and(|code| shut.contains(code)) {
        return format!("{words}; Odoo's notifications and scheduled jobs listen in the database `postgres`");
    }
    words
}

fn ask(server: &Server) -> std::result::Result<ServerFact, postgres::Error> {
    let mut client = connect(server, "postgres")?;
    let row = client.query_one(
        "SELECT current_setting('server_version_num')::int / 10000, current_setting('max_connections')::int, \
                current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0), \
                rolconnlimit, rolsuper, rolcreatedb, rolcreaterole \
           FROM pg_roles WHERE rolname = current_user",
        &[],
    )?;
    let extensions = client.query(
        "SELECT e.name::text, bool_or(v.trusted OR NOT v.superuser) FROM pg_available_extensions e \
           JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version \
          WHERE e.name IN ('pg_trgm', 'unaccent') GROUP BY e.name",
        &[],
    )?;
    let number = |at: usize| u32::try_from(row.get::<_, i32>(at));
    Ok(ServerFact {
        major: u16::try_from(row.get::<_, i32>(0)).unwrap_or_default(),
        max_connections: number(1).unwrap_or_default(),
        reserved: number(2).unwrap_or_default(),
        // -1: no limit.
        role_limit: number(3).ok(),
        superuser: row.get(4),
        create_database: row.get(5),
        create_role: row.get(6),
        extensions: extensions.iter().map(|row| (row.get(0), row.get(1))).collect(),
    })
}

/// The programs that talk to a server take the place of those that are one.
pub(crate) fn fill(host: &mut Host) {
    host.postgres = super::host::postgres_programs("pg_dump");
}

/// Refuses what needs a second database where the role may make none.
///
/// # Errors
/// Kind `Refused`, with what helps.
pub(crate) fn may_make_databases(server: &Seen<ServerFact>, role: &str, what: &str) -> Result<()> {
    match server.present() {
        Some(fact) if !fact.create_database => Err(Failure::refused(format!(
            "{what} needs a second database, and role {role} may make none"
        ))
        .because("it has no CREATEDB on the server that [postgres] url names")
        .hint(format!(
            "have the server's administrator run `ALTER ROLE {role} CREATEDB`"
        ))),
        Some(_) | None => Ok(()),
    }
}
