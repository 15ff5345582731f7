//! The database held still: one exported snapshot for the dump, the counts and the lists, and the filestore's garbage collector kept out.
use std::collections::BTreeMap;
use std::thread::JoinHandle;

use jiff::Timestamp;
use odoopack_core::backup::{Database, Dump, Table, write_attachment};
use odoopack_core::name::Name;
use odoopack_core::sorting::Provider;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, Row};

use super::gentle::with_rest;
use crate::failure::{Failure, Kind, Result};
use crate::observe::databases::{Server, connect, words};

/// Longest wait for a garbage collection that runs just now.
const COLLECTOR: &str = "10min";

/// Tables with rows of their own, without those of extensions.
const TABLES: &str = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' \
       AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY 1, 2";

/// Tables that nobody else can read now, and who sees to that.
const LOCKS: &str = "SELECT l.relation::regclass::text, l.pid, coalesce(nullif(a.application_name, ''), 'unnamed') \
     FROM pg_locks l JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
     WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND c.relkind IN ('r', 'p') \
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1";

/// Those that a dump has: it leaves out what a `CREATE INDEX CONCURRENTLY` has left that failed.
const INDEXES: &str = "SELECT i.schemaname || '.' || i.indexname FROM pg_indexes i \
     JOIN pg_namespace n ON n.nspname = i.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = i.indexname \
     JOIN pg_index x ON x.indexrelid = c.oid AND x.indisvalid AND x.indisready \
    WHERE i.schemaname <> 'information_schema' AND i.schemaname NOT LIKE 'pg\\_%' \
    ORDER BY (i.schemaname || '.' || i.indexname) COLLATE \"C\"";

/// A database seen as it was at one moment; everything is let go when dropped.
pub(crate) struct Frozen {
    client: Client,
    server: Server,
    name: String,
    /// Name of the exported snapshot.
    pub(crate) snapshot: String,
    /// When it was taken.
    pub(crate) taken: Timestamp,
}

/// Keeps Odoo's garbage collector out of the filestore until it is dropped.
pub(crate) struct Collector(Option<Client>);

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Collector").field(&self.0.is_some()).finish()
    }
}

impl std::fmt::Debug for Frozen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Frozen").field(&self.name).finish()
    }
}

impl Frozen {
    /// Takes a snapshot of a database.
    ///
    /// # Errors
    /// Kind `Refused` when it cannot be reached or is none of Odoo's.
    pub(crate) fn take(server: &Server, database: &str) -> Result<Self> {
        let unreachable = |e: &postgres::Error| {
            Failure::refused(format!("could not connect to database `{database}`"))
                .because(words(e))
                .hint("`odoopack status`")
        };
        let mut client = connect(server, database).map_err(|e| unreachable(&e))?;
        let odoo = client.query_one("SELECT to_regclass('ir_module_module') IS NOT NULL", &[]);
        if !odoo
            .map_err(|e| failed("look at the database", &e))?
            .get::<_, bool>(0)
        {
            return Err(
                Failure::refused(format!("`{database}` is no database of Odoo yet")).hint("`odoopack up`"),
            );
        }
        let begun = client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .and_then(|()| client.query_one("SELECT pg_export_snapshot()", &[]));
        let row = begun.map_err(|e| failed("take a snapshot of the database", &e))?;
        Ok(Self {
            client,
            server: server.clone(),
            name: database.to_owned(),
            snapshot: row.get(0),
            taken: Timestamp::now(),
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Counts every row, at the same time as the dump is read; joins with [`Counting::result`].
    pub(crate) fn count(&self, gentle: bool) -> Counting {
        let (server, name, snapshot) = (self.server.clone(), self.name.clone(), self.snapshot.clone());
        Counting(std::thread::spawn(move || {
            count(&server, &name, &snapshot, gentle)
        }))
    }

    /// Gives the line of each attachment that lies in the filestore, in the order of their files; there may be millions.
    pub(crate) fn attachments(&mut self, mut give: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let sql = "SELECT store_fname, coalesce(max(file_size), 0)::bigint, coalesce(max(checksum), '') FROM ir_attachment \
                    WHERE store_fname IS NOT NULL AND store_fname !~ '[\\t\\n]' GROUP BY store_fname ORDER BY store_fname COLLATE \"C\"";
        let wrong = |e: postgres::Error| failed("list the attachments", &e);
        let mut rows = self
            .client
            .query_raw(sql, std::iter::empty::<i32>())
            .map_err(wrong)?;
        while let Some(row) = rows.next().map_err(wrong)? {
            give(&write_attachment(row.get(0), row.get(1), row.get(2)))?;
        }
        Ok(())
    }

    /// Installed modules with their versions.
    pub(crate) fn modules(&mut self) -> Result<BTreeMap<String, String>> {
        let sql = "SELECT name, coalesce(latest_version, '') FROM ir_module_module WHERE state = 'installed'";
        let rows = self.query("list the modules", sql)?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// What the manifest says of the database, without its rows and its dump.
    pub(crate) fn describe(&mut self) -> Result<Database> {
        let sql = "SELECT pg_get_userbyid(d.datdba)::text, current_setting('server_version'), \
                          current_setting('server_version_num')::int / 10000, pg_encoding_to_char(d.encoding)::text, \
                          d.datcollate::text, d.datctype::text, pg_database_size(d.oid), \
                          (SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'), \
                          coalesce((SELECT bool_or(p.provolatile = 'i' OR EXISTS (SELECT FROM pg_depend u \
                                              WHERE u.refclassid = 'pg_proc'::regclass AND u.refobjid = p.oid \
                                                AND u.classid IN ('pg_class'::regclass, 'pg_attrdef'::regclass))) FROM pg_proc p \
                                     WHERE p.proname = 'unaccent' AND p.pronargs = 1), false), \
                          CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' END, \
                          coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), to_jsonb(d) ->> 'daticurules' \
                     FROM pg_database d WHERE d.datname = current_database()";
        let about = self.query("describe the database", sql)?;
        let about = about
            .first()
            .ok_or_else(|| Failure::failed("the database does not know itself"))?;
        let extensions = self.query(
            "list the extensions",
            "SELECT extname::text, extversion, nspname::text FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace",
        )?;
        let elsewhere = |schema: &str| schema != "public" && !schema.starts_with("pg_");
        let indexes = self.query("list the indexes", INDEXES)?;
        let number = |value: i64| u64::try_from(value).unwrap_or_default();
        Ok(Database {
            name: self.name.clone(),
            owner: about.get(0),
            server: about.get(1),
            major: u16::try_from(about.get::<_, i32>(2)).unwrap_or_default(),
            locale: [about.get(3), about.get(4), about.get(5)],
            provider: provider(about),
            size: number(about.get(6)),
            uuid: about.get(7),
            unaccent_immutable: about.get(8),
            extensions: extensions.iter().map(|row| (row.get(0), row.get(1))).collect(),
            extension_schemas: extensions
                .iter()
                .filter(|row| elsewhere(row.get(2)))
                .map(|row| (row.get(0), row.get(2)))
                .collect(),
            tables: BTreeMap::new(),
            indexes: indexes.iter().map(|row| row.get(0)).collect(),
            dump: Dump {
                format: "custom".to_owned(),
                size: 0,
                parts: 0,
            },
        })
    }

    fn query(&mut self, what: &str, sql: &str) -> Result<Vec<Row>> {
        self.client.query(sql, &[]).map_err(|e| failed(what, &e))
    }
}

/// Who sorts the texts, where that is not the C library.
///
/// # Source
/// `pg_database` of PostgreSQL 15 to 18: `datlocprovider` came with 15, and since 17 the locale is called `datlocale`.
fn provider(about: &Row) -> Option<Provider> {
    let (name, locale) = (
        about.get::<_, Option<String>>(9)?,
        about.get::<_, Option<String>>(10)?,
    );
    let rules = about.get(11);
    Some(Provider { name, locale, rules })
}

/// Row counts that are being made.
#[derive(Debug)]
pub(crate) struct Counting(JoinHandle<Result<BTreeMap<String, Table>>>);

impl Counting {
    /// Waits for the counts.
    pub(crate) fn result(self) -> Result<BTreeMap<String, Table>> {
        self.0
            .join()
            .unwrap_or_else(|_| Err(Failure::failed("the rows could not be counted")))
    }
}

fn count(server: &Server, database: &str, snapshot: &str, gentle: bool) -> Result<BTreeMap<String, Table>> {
    let wrong = |e: postgres::Error| failed("count the rows", &e);
    let mut client = connect(server, database).map_err(wrong)?;
    let begun = client.batch_execute(&format!(
        "SET max_parallel_workers_per_gather = 0; SET lock_timeout = '60s'; \
         BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'"
    ));
    begun.map_err(wrong)?;
    let tables = client.query(TABLES, &[]).map_err(wrong)?;
    let mut counts = BTreeMap::new();
    for row in &tables {
        let (schema, table): (String, String) = (row.get(0), row.get(1));
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let sql = format!("SELECT count(*) FROM ONLY {}.{}", quoted(&schema), quoted(&table));
        let counted = with_rest(gentle, || client.query_one(&sql, &[]));
        let counted =
            counted.map_err(|e| failed(&format!("count the rows of the table {schema}.{table}"), &e))?;
        let rows = u64::try_from(counted.get::<_, i64>(0)).unwrap_or_default();
        counts.insert(format!("{schema}.{table}"), Table { rows });
    }
    Ok(counts)
}

impl Collector {
    /// Locks the row of Odoo's vacuum job: Odoo takes it with `SKIP LOCKED`, skips the job and runs it later. Writers of attachments are
    /// not held up, as they would be by a lock on `ir_attachment`.
    ///
    /// # Errors
    /// When the job runs now and does not end.
    pub(crate) fn hold(server: &Server, database: &str) -> Result<Self> {
        let what = "keep Odoo's garbage collector out of the filestore";
        let mut client = connect(server, database).map_err(|e| failed(what, &e))?;
        let held = client
            .batch_execute(&format!(
                "SET lock_timeout = '{COLLECTOR}'; BEGIN"
            ))
            .and_then(|()| {
                client.query(
                    "SELECT c.id FROM ir_cron c JOIN ir_model_data d ON d.model = 'ir.cron' AND d.res_id = c.id \
                      WHERE d.module = 'base' AND d.name = 'autovacuum_job' FOR NO KEY UPDATE OF c",
                    &[],
                )
            });
        // Without the row there is no job that could run.
        let rows = held.map_err(|e| not_held(failed(what, &e), e.code()))?;
        Ok(Self((!rows.is_empty()).then_some(client)))
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it was not held all the time.
    pub(crate) fn release(self) -> Result<()> {
        let Some(mut client) = self.0 else { return Ok(()) };
        client.batch_execute("ROLLBACK").map_err(|e| {
            failed("keep Odoo's garbage collector out of the filestore", &e)
                .hint("run the backup again: files may have been removed while it was made")
        })
    }
}

/// What runs ends some time: whoever is to make a backup every night asks again, as where another backup is made.
fn not_held(failure: Failure, state: Option<&SqlState>) -> Failure {
    if state != Some(&SqlState::LOCK_NOT_AVAILABLE) {
        return failure;
    }
    Failure::new(
        Kind::Locked,
        "Odoo collects its garbage, which takes longer than a backup waits for it",
    )
    .because(failure)
    .hint("run the backup again when it has ended")
}

/// Names whoever keeps a table for itself alone, to what failed for it: those who read it waited in vain.
pub(super) fn naming_locks(
    failure: Failure,
    (server, database): (&Server, &str),
    environment: &Name,
) -> Failure {
    // What cannot be seen explains nothing.
    let rows = connect(server, database).and_then(|mut client| client.query(LOCKS, &[]));
    let hint = |failure: Failure, row: &Row| {
        let (table, pid, program): (String, i32, String) = (row.get(0), row.get(1), row.get(2));
        failure.hint(format!(
            "the table {table} is locked by process {pid} of PostgreSQL ({program}): wait until that has ended, or end it with `odoopack psql {environment} --admin -- -c 'SELECT pg_terminate_backend({pid})'`"
        ))
    };
    rows.unwrap_or_default().iter().fold(failure, hint)
}

fn failed(what: &str, error: &postgres::Error) -> Failure {
    Failure::failed(format!("could not {what}")).because(words(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_that_takes_long_is_waited_for_and_anything_else_is_a_failure() {
        let of = |state: SqlState| not_held(Failure::failed("could not"), Some(&state)).kind;
        assert_eq!(of(SqlState::LOCK_NOT_AVAILABLE), Kind::Locked);
        assert_eq!(of(SqlState::UNDEFINED_TABLE), Kind::Failed);
        assert_eq!(not_held(Failure::failed("could not"), None).kind, Kind::Failed);
    }
}
