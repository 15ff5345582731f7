//! Nobody but us in a database: who works in it, whether it was written to, and its door shut until its server stops.
use std::time::{Duration, Instant};

use odoopack_core::name::Name;
use odoopack_core::render::sql::rename_database;
use odoopack_core::restore::own_name;
use postgres::Client;
use postgres::error::SqlState;

use crate::commands::bringing;
use crate::context::Pack;
use crate::failure::{Failure, Result};
use crate::observe::databases::{self, Server};

/// How long a connection may outlive the process that had it.
const GONE: Duration = Duration::from_secs(5);

/// What has been written is counted by each session at its end; before version 15 a process of the server collects it, which takes
/// half a second at most (`PGSTAT_STAT_INTERVAL`).
const COUNTED: &str =
    "SELECT pg_sleep(CASE WHEN current_setting('server_version_num')::int < 150000 THEN 1 ELSE 0 END)";

/// Rows that were written, also those of the catalogue, which everything changes that makes or empties a table. What the server itself
/// keeps of its tables is nothing that anybody wrote, and what all databases share, to which a door of ours that was opened again counts
/// as well, is not in this one.
const WRITTEN: &str = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_all_tables \
     WHERE schemaname <> 'pg_toast' AND relname NOT IN ('pg_statistic', 'pg_statistic_ext_data') \
     AND relid NOT IN (SELECT oid FROM pg_class WHERE relisshared)";

/// All of them, as they can be seen from outside, with those of the server itself.
const FROM_OUTSIDE: &str =
    "SELECT (tup_inserted + tup_updated + tup_deleted)::bigint FROM pg_stat_database WHERE datid = $1";

/// A database that nobody can enter as long as this is there and its server runs.
pub(super) struct Shut {
    _outside: Client,
}

/// The database of an environment, and the way to it.
struct Place<'a> {
    server: Server,
    database: &'a str,
    environment: &'a Name,
}

impl<'a> Place<'a> {
    fn of(pack: &'a Pack, environment: &'a Name) -> Result<Self> {
        Ok(Self {
            server: databases::server(&pack.loaded.spec, &pack.layout, environment)?,
            database: &pack.loaded.spec.environments[environment].database,
            environment,
        })
    }

    fn failed(&self, error: &postgres::Error) -> Failure {
        Failure::failed(format!(
            "could not look who works in the database of {}",
            self.environment
        ))
        .because(databases::words(error))
    }

    fn enter(&self, database: &str) -> Result<Client> {
        databases::connect(&self.server, database).map_err(|e| self.failed(&e))
    }

    /// Who is in it, once those are gone that a process has left that ended.
    fn empty(&self, outside: &mut Client) -> Result<()> {
        let sql = "SELECT coalesce(nullif(application_name, ''), usename::text) FROM pg_stat_activity \
                   WHERE datname = $1 AND backend_type = 'client backend' LIMIT 1";
        let begun = Instant::now();
        loop {
            let who = outside
                .query_opt(sql, &[&self.database])
                .map_err(|e| self.failed(&e))?;
            let Some(who) = who else { return Ok(()) };
            if begun.elapsed() > GONE {
                return Err(self.in_use(&who.get::<_, String>(0)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn in_use(&self, who: &str) -> Failure {
        Failure::refused(format!("somebody works in database {}: {who}", self.database)).hint(format!(
            "end it, a `psql` or a `shell` for example; `odoopack psql {} --admin -- -c 'SELECT * FROM pg_stat_activity'` shows it",
            self.environment
        ))
    }

    /// Its number, what was written into it, and all of that with what the server wrote.
    fn written(&self) -> Result<(u32, i64, i64)> {
        counted(&mut self.enter(self.database)?).map_err(|e| self.failed(&e))
    }

    /// Shuts the door, unless somebody came in or wrote something since it was counted. Who wants to enter a database waits for the end of
    /// a transaction that gives it another name, and such a one begins only where nobody is in. It never ends well: the server takes it
    /// back when it stops, or when we do.
    fn shut(&self, outside: &mut Client, (number, all): (u32, i64)) -> Result<bool> {
        let other = own_name(self.database, "left", &bringing::new_id());
        let rename = rename_database(self.database, &other);
        let shut = outside.batch_execute(&format!(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; {rename} {COUNTED}"
        ));
        match shut {
            Ok(()) => {
                let now = outside.query_one(FROM_OUTSIDE, &[&number]);
                let now: i64 = now.map_err(|e| self.failed(&e))?.get(0);
                if now == all {
                    return Ok(true);
                }
            }
            Err(e) if e.code() == Some(&SqlState::OBJECT_IN_USE) => {}
            Err(e) => return Err(self.failed(&e)),
        }
        outside
            .batch_execute("ROLLBACK")
            .map(|()| false)
            .map_err(|e| self.failed(&e))
    }
}

fn counted(inside: &mut Client) -> std::result::Result<(u32, i64, i64), postgres::Error> {
    inside.query_one(COUNTED, &[])?;
    let number = "SELECT oid FROM pg_database WHERE datname = current_database()";
    let number: u32 = inside.query_one(number, &[])?.get(0);
    let rows: i64 = inside.query_one(WRITTEN, &[])?.get(0);
    let all: i64 = inside.query_one(FROM_OUTSIDE, &[&number])?.get(0);
    Ok((number, rows, all))
}

/// What somebody writes by hand while a snapshot is made would not be in it. Returns what was written until now.
///
/// # Errors
/// Kind `Refused` with who works in it.
pub(super) fn empty(pack: &Pack, environment: &Name) -> Result<i64> {
    let place = Place::of(pack, environment)?;
    place.empty(&mut place.enter("postgres")?)?;
    let (_, rows, _) = place.written()?;
    Ok(rows)
}

/// Keeps everybody out from now on, where nothing was written since `before`.
///
/// # Errors
/// Kind `Refused` when somebody works in it, or has.
pub(super) fn shut(pack: &Pack, environment: &Name, before: i64) -> Result<Shut> {
    let place = Place::of(pack, environment)?;
    let mut outside = place.enter("postgres")?;
    let begun = Instant::now();
    while begun.elapsed() < GONE {
        place.empty(&mut outside)?;
        let (number, rows, all) = place.written()?;
        if rows != before {
            return Err(Failure::refused(format!(
                "somebody wrote into database {} while its snapshot was made, which lacks it",
                place.database
            ))
            .hint("`odoopack up`, then `odoopack engine leave` once nobody writes by hand"));
        }
        if place.shut(&mut outside, (number, all))? {
            return Ok(Shut { _outside: outside });
        }
    }
    Err(place.in_use("it comes and goes"))
}
