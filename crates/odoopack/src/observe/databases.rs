//! Roles and databases of the running cluster.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use odoopack_core::facts::{DatabaseFact, Databases, Seen};
use odoopack_core::layout::{ADMIN_ROLE, Layout};
use odoopack_core::name::Name;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::Spec;
use odoopack_core::target::{DatabaseWant, postgres_port, secret_name};
use postgres::{Client, NoTls};

/// Where the pack's server listens.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Directory of its socket.
    pub(crate) socket: Utf8PathBuf,
    /// Names the socket, whether it listens on TCP or not.
    pub(crate) port: u16,
}

/// The server of a pack.
pub(crate) fn server(spec: &Spec, layout: &Layout) -> Server {
    Server {
        socket: layout.postgres_socket(),
        port: postgres_port(spec),
    }
}

/// Connects as the administrator through the pack's socket.
///
/// # Errors
/// The server's or the library's own words.
pub(crate) fn connect(server: &Server, database: &str) -> Result<Client, postgres::Error> {
    postgres::Config::new()
        .host_path(server.socket.as_std_path())
        .port(server.port)
        .user(ADMIN_ROLE)
        .dbname(database)
        .application_name("odoopack")
        .connect_timeout(std::time::Duration::from_secs(5))
        .connect(NoTls)
}

/// Connects as a role with its password through the pack's socket.
///
/// # Errors
/// The server's or the library's own words.
pub(crate) fn connect_as(
    server: &Server,
    role: &str,
    password: &str,
    database: &str,
) -> Result<Client, postgres::Error> {
    postgres::Config::new()
        .host_path(server.socket.as_std_path())
        .port(server.port)
        .user(role)
        .password(password)
        .dbname(database)
        .application_name("odoopack")
        .connect_timeout(std::time::Duration::from_secs(5))
        .connect(NoTls)
}

/// Connects as the role of an environment.
///
/// # Errors
/// Outside: the role has no password yet; inside: the server's or the library's own words.
pub(crate) fn connect_as_role(
    spec: &Spec,
    layout: &Layout,
    environment: &Name,
    database: &str,
) -> crate::failure::Result<Result<Client, postgres::Error>> {
    let all = crate::store::secrets::all(&layout.secrets())?;
    let password = all.get(&secret_name(environment, "DATABASE"));
    let password = password.ok_or_else(|| {
        crate::failure::Failure::refused("the role has no password yet").hint("`odoopack up`")
    })?;
    let role = layout.role(environment);
    Ok(connect_as(
        &server(spec, layout),
        &role,
        password.expose(),
        database,
    ))
}

/// Looks at everything that `wants` names; a role is right when it also logs in with its secret.
pub(crate) fn look(
    server: &Server,
    wants: &[DatabaseWant],
    secrets: &BTreeMap<String, SecretText>,
) -> Seen<Databases> {
    let seen = connect(server, "postgres").and_then(|mut client| databases(&mut client, server, wants));
    let mut seen = match seen {
        Ok(seen) => seen,
        Err(e) => return Seen::Unknown(words(&e)),
    };
    for want in wants {
        let password = secrets.get(&secret_name(&want.environment, "DATABASE"));
        let logs_in = password.is_some_and(|password| logs_in(server, &want.role, password));
        seen.roles
            .entry(want.role.clone())
            .and_modify(|good| *good = *good && logs_in);
    }
    Seen::Present(seen)
}

/// Every role may connect to `postgres`: Odoo's bus listens there.
fn logs_in(server: &Server, role: &str, password: &SecretText) -> bool {
    postgres::Config::new()
        .host_path(server.socket.as_std_path())
        .port(server.port)
        .user(role)
        .password(password.expose())
        .dbname("postgres")
        .application_name("odoopack")
        .connect_timeout(std::time::Duration::from_secs(5))
        .connect(NoTls)
        .is_ok()
}

/// The server's message, or what the library says.
pub(crate) fn words(error: &postgres::Error) -> String {
    use std::error::Error;
    let server = error.as_db_error().map(|e| e.message().to_owned());
    server.unwrap_or_else(|| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

fn databases(
    client: &mut Client,
    server: &Server,
    wants: &[DatabaseWant],
) -> Result<Databases, postgres::Error> {
    let mut seen = Databases::default();
    let roles = client.query(
        "SELECT rolname, rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls) \
                AND rolpassword LIKE 'SCRAM-SHA-256$%' \
           FROM pg_authid",
        &[],
    )?;
    seen.roles.extend(
        roles
            .iter()
            .map(|row| (row.get(0), row.get::<_, Option<bool>>(1).unwrap_or(false))),
    );
    let rows = client.query(
        "SELECT d.datname, d.oid, pg_get_userbyid(d.datdba), has_database_privilege('public', d.oid, 'CONNECT'), \
                (SELECT split_part(c, '=', 2) FROM pg_db_role_setting s, unnest(s.setconfig) c \
                  WHERE s.setdatabase = d.oid AND s.setrole = 0 AND c LIKE 'odoopack.kind=%' LIMIT 1) \
           FROM pg_database d WHERE NOT d.datistemplate AND d.datallowconn",
        &[],
    )?;
    for row in rows {
        let name: String = row.get(0);
        let kind: Option<String> = row.get(4);
        let wanted = wants.iter().any(|want| want.database == name);
        let (mut is_filled, mut parameters) = (kind.is_some(), None);
        match (wanted, &kind) {
            (true, None) => is_filled = filled(server, &name)?,
            (true, Some(_)) => parameters = self::parameters(server, &name)?,
            (false, _) => {}
        }
        seen.databases.insert(
            name,
            DatabaseFact {
                oid: row.get(1),
                owner: row.get(2),
                open: row.get(3),
                kind,
                filled: is_filled,
                parameters,
            },
        );
    }
    Ok(seen)
}

/// Whether a database holds any table of its own.
fn filled(server: &Server, database: &str) -> Result<bool, postgres::Error> {
    let row = connect(server, database)?.query_one(
        "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                         WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT LIKE 'pg\\_%' \
                           AND n.nspname <> 'information_schema' \
                           AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = c.oid AND deptype = 'e'))",
        &[],
    )?;
    Ok(row.get(0))
}

/// System parameters of Odoo that this program sets; `None` in a database without Odoo.
fn parameters(server: &Server, database: &str) -> Result<Option<BTreeMap<String, String>>, postgres::Error> {
    let mut client = connect(server, database)?;
    let table = "SELECT to_regclass('public.ir_config_parameter') IS NOT NULL";
    if !client.query_one(table, &[])?.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = "SELECT key, value FROM public.ir_config_parameter WHERE key LIKE 'web.base.url%' OR key = 'report.url'";
    let rows = client.query(sql, &[])?;
    let value = |row: &postgres::Row| (row.get(0), row.get::<_, Option<String>>(1).unwrap_or_default());
    Ok(Some(rows.iter().map(value).collect()))
}
