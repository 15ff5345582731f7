//! Roles and databases of the running cluster.
use std::collections::BTreeMap;

use odoopack_core::facts::{DatabaseFact, Databases, Seen};
use odoopack_core::layout::{ADMIN_ROLE, Layout};
use odoopack_core::name::Name;
use odoopack_core::restore::Disk;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::{GivenServer, OwnServer, Roles, ServerUrl, Spec, TlsMode};
use odoopack_core::target::{DatabaseWant, SessionsWant, postgres_port, secret_name};
use postgres::{Client, Config, NoTls};

use super::encrypted::Encrypt;
use crate::failure::{Failure, Result as Outcome};
use crate::tools::postgres::Place;

/// Takes the limits back that the file, a role or a database sets for those who work in Odoo: what counts every row of a table takes as long as it
/// takes, and so does a snapshot that is held meanwhile. No name of it can be caught by what lies in a database.
///
/// # Source
/// PostgreSQL 14 and 17, release notes: `idle_session_timeout` and `transaction_timeout` came with them.
pub(crate) const PATIENT: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
     SELECT CASE WHEN pg_catalog.current_setting(one, true) IS NOT NULL THEN pg_catalog.set_config(one, '0', false) END \
       FROM (VALUES ('transaction_timeout'), ('idle_session_timeout')) later (one);";

/// The database server: the pack's own, or one that somebody else runs.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Directory of its socket, or its host.
    host: String,
    /// Names the socket, whether it listens on TCP or not.
    port: u16,
    /// Somebody else's, with the password of its role.
    given: Option<(GivenServer, SecretText)>,
}

/// The server with the database of an environment.
///
/// # Errors
/// Kind `Refused` when the secret with the URL of a server that somebody else runs has no usable value.
pub(crate) fn server(spec: &Spec, layout: &Layout, environment: &Name) -> Outcome<Server> {
    one(spec, layout, &spec.server_of(environment))
}

/// One server of the pack's own, or the one that somebody else runs.
///
/// # Errors
/// As `server`.
pub(crate) fn one(spec: &Spec, layout: &Layout, own: &OwnServer) -> Outcome<Server> {
    if !spec.postgres.is_given() {
        return Ok(Server {
            host: layout.postgres_socket(own).into_string(),
            port: postgres_port(spec),
            given: None,
        });
    }
    let url = super::given::url(spec, layout)?;
    url.map(Server::given).ok_or_else(|| {
        Failure::refused("the secret of [postgres] url or password has no value")
            .hint("`odoopack up` names it")
    })
}

/// The disk that a database of an environment fills; `None` where somebody else runs the server, whose disk nobody here sees.
///
/// # Errors
/// When it could not be looked at.
pub(crate) fn disk(spec: &Spec, layout: &Layout, environment: &Name) -> Outcome<Option<Disk>> {
    if spec.postgres.is_given() {
        return Ok(None);
    }
    super::host::disk(&layout.cluster(&spec.server_of(environment))).map(Some)
}

impl Server {
    /// One that somebody else runs.
    pub(super) fn given(url: ServerUrl) -> Self {
        let password = url.password.unwrap_or_else(|| SecretText::new(""));
        Self {
            host: url.server.host.clone(),
            port: url.server.port,
            given: Some((url.server, password)),
        }
    }

    /// Who administers: ours, or the role that was given to us.
    fn admin(&self) -> &str {
        self.given.as_ref().map_or(ADMIN_ROLE, |(server, _)| &server.role)
    }

    /// Whether somebody else runs it.
    pub(crate) fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// How the programs of PostgreSQL reach it as the administrator.
    pub(crate) fn place(&self) -> Place {
        let given = self.given.as_ref();
        let mut variables = given.map_or_else(Vec::new, |(server, _)| variables(server));
        variables.extend(given.map(|(_, password)| ("PGPASSWORD", password.clone())));
        Place {
            host: self.host.clone(),
            port: self.port,
            role: self.admin().to_owned(),
            variables,
        }
    }

    fn config(&self, role: &str, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(role)
            .dbname(database)
            .application_name("odoopack")
            .connect_timeout(std::time::Duration::from_secs(5));
        config
    }

    fn enter(&self, mut config: Config) -> Result<Client, postgres::Error> {
        let mut client = match &self.given {
            Some((server, _)) if server.tls != TlsMode::Disable => {
                config.ssl_mode(postgres::config::SslMode::Require);
                config.connect(Encrypt {
                    mode: server.tls,
                    authority: server.authority.clone(),
                })?
            }
            Some(_) | None => config.connect(NoTls)?,
        };
        client.batch_execute(PATIENT)?;
        Ok(client)
    }
}

/// What tells libpq how the way to a server is protected.
pub(crate) fn variables(server: &GivenServer) -> Vec<(&'static str, SecretText)> {
    let authority = server.authority.as_ref();
    let mut all = vec![("PGSSLMODE", SecretText::new(server.tls.as_str()))];
    all.extend(authority.map(|path| ("PGSSLROOTCERT", SecretText::new(path.as_str()))));
    all
}

/// Connects as the administrator through the pack's socket, or as the role that was given to us.
///
/// # Errors
/// The server's or the library's own words.
pub(crate) fn connect(server: &Server, database: &str) -> Result<Client, postgres::Error> {
    let mut config = server.config(server.admin(), database);
    if let Some((_, password)) = &server.given {
        config.password(password.expose());
    }
    server.enter(config)
}

/// Connects as a role with its password.
///
/// # Errors
/// The server's or the library's own words.
pub(crate) fn connect_as(
    server: &Server,
    role: &str,
    password: &str,
    database: &str,
) -> Result<Client, postgres::Error> {
    let mut config = server.config(role, database);
    config.password(password);
    server.enter(config)
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
) -> Outcome<Result<Client, postgres::Error>> {
    let all = super::secrets::values(spec, layout)?;
    let password = all.get(&secret_name(environment, "DATABASE"));
    let password =
        password.ok_or_else(|| Failure::refused("the role has no password yet").hint("`odoopack up`"))?;
    let role = layout.role(environment);
    Ok(connect_as(
        &server(spec, layout, environment)?,
        &role,
        password.expose(),
        database,
    ))
}

/// Looks at everything that `wants` names; a role is right when it also logs in with its secret.
pub(crate) fn look(
    server: &Server,
    wants: &[DatabaseWant],
    sessions: &[SessionsWant],
    secrets: &BTreeMap<String, SecretText>,
) -> Seen<Databases> {
    let of_sessions = sessions.iter();
    let roles: Vec<(&str, String)> = wants
        .iter()
        .map(|want| (want.role.as_str(), secret_name(&want.environment, "DATABASE")))
        .chain(of_sessions.map(|want| (want.database.as_str(), want.secret.clone())))
        .collect();
    let sign_in = |(role, secret): &(&str, String)| {
        let password = secrets.get(secret);
        password.is_some_and(|password| logs_in(server, role, password))
    };
    // A sign-in is mostly arithmetic of both sides, so all of them go on beside the questions.
    let (seen, signed_in) = std::thread::scope(|scope| {
        let sign_in = &sign_in;
        let asked = roles.iter().map(|role| scope.spawn(move || sign_in(role)));
        let asked: Vec<_> = asked.collect();
        let seen = connect(server, "postgres").and_then(|mut client| databases(&mut client, server, wants));
        let joined = asked.into_iter().map(std::thread::ScopedJoinHandle::join);
        (seen, joined.collect::<Result<Vec<bool>, _>>())
    });
    let signed_in = signed_in.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let mut seen = match seen {
        Ok(seen) => seen,
        Err(e) => return Seen::Unknown(words(&e)),
    };
    for ((role, _), signed_in) in roles.iter().zip(signed_in) {
        seen.roles
            .entry((*role).to_owned())
            .and_modify(|good| *good = *good && signed_in);
    }
    Seen::Present(seen)
}

/// Every role may connect to `postgres`: Odoo's bus listens there.
fn logs_in(server: &Server, role: &str, password: &SecretText) -> bool {
    connect_as(server, role, password.expose(), "postgres").is_ok()
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
    let roles = match server.given.as_ref().map(|(given, _)| given.roles) {
        // It is as it was given.
        Some(Roles::Given) => "SELECT rolname, rolcanlogin FROM pg_roles",
        Some(Roles::PerEnvironment) => {
            "SELECT rolname, rolcanlogin AND pg_has_role(oid, 'USAGE') \
                    AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls) \
               FROM pg_roles"
        }
        None => {
            "SELECT rolname, rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls) \
                AND rolpassword LIKE 'SCRAM-SHA-256$%' \
           FROM pg_authid"
        }
    };
    let roles = client.query(roles, &[])?;
    seen.roles.extend(
        roles
            .iter()
            .map(|row| (row.get(0), row.get::<_, Option<bool>>(1).unwrap_or(false))),
    );
    let rows = client.query(
        "SELECT d.datname, d.oid, pg_get_userbyid(d.datdba), has_database_privilege('public', d.oid, 'CONNECT'), \
                CASE WHEN $1 THEN substring(shobj_description(d.oid, 'pg_database') FROM '^odoopack\\.kind=(.*)$') \
                     ELSE (SELECT split_part(c, '=', 2) FROM pg_db_role_setting s, unnest(s.setconfig) c \
                            WHERE s.setdatabase = d.oid AND s.setrole = 0 AND c LIKE 'odoopack.kind=%' LIMIT 1) END, \
                pg_has_role(d.datdba, 'USAGE') \
           FROM pg_database d WHERE NOT d.datistemplate AND d.datallowconn",
        &[&server.is_given()],
    )?;
    // Whether another database is the one that is missing is known by the address in it.
    let is_wanted = |name: &str| wants.iter().any(|want| want.database == name);
    let there = |want: &DatabaseWant| rows.iter().any(|row| row.get::<_, &str>(0) == want.database);
    let missing = !wants.iter().all(there);
    for row in rows {
        let name: String = row.get(0);
        let kind: Option<String> = row.get(4);
        let wanted = is_wanted(&name);
        let (mut is_filled, mut parameters) = (kind.is_some(), None);
        match (wanted, &kind) {
            (true, None) => is_filled = filled(server, &name)?,
            (true, Some(_)) => parameters = self::parameters(server, &name)?,
            (false, Some(_)) if missing && row.get(5) => parameters = self::parameters(server, &name)?,
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
