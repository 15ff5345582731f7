//! PostgreSQL's programs: a new cluster, a dump, what a dump holds.
use std::collections::BTreeSet;
use std::time::Duration;

use camino::Utf8Path;

use crate::exec::Cmd;
use odoopack_core::layout::ADMIN_ROLE;
use odoopack_core::secret::SecretText;

/// Creates a cluster in an empty directory: checksums on, UTF-8, the administrator's role only by operating-system user.
pub(crate) fn initdb((programs, major): (&Utf8Path, u16), cluster: &Utf8Path, user: Option<&str>) -> Cmd {
    let argv = initdb_argv((programs, major), cluster);
    Cmd::new(argv[0].clone())
        .args(argv.into_iter().skip(1))
        .user(user)
        .bare()
        .umask(0o077)
        .directory(cluster)
}

/// The same as words, for a container.
///
/// # Source
/// PostgreSQL 12 to 18, reference page of `initdb`: `--no-instructions` came with 14; 18 makes checksums by itself, and takes the option;
/// the provider of a locale that is named is the C library in all of them.
pub(crate) fn initdb_argv((programs, major): (&Utf8Path, u16), cluster: &Utf8Path) -> Vec<String> {
    let mut argv = [
        programs.join("initdb").as_str(),
        "-D",
        cluster.as_str(),
        &format!("--username={ADMIN_ROLE}"),
        "--auth-local=peer",
        "--auth-host=reject",
        "--data-checksums",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
    .map(str::to_owned)
    .to_vec();
    argv.extend((major >= 14).then(|| "--no-instructions".to_owned()));
    argv
}

/// Reads the configuration as the server with this command line would, beside one that runs: the name or value that it does not
/// take is on stderr.
pub(crate) fn test_configuration(server: &[String], user: Option<&str>) -> Cmd {
    let argv = test_argv(server);
    Cmd::new(argv[0].clone())
        .args(argv.into_iter().skip(1))
        .user(user)
        .bare()
}

/// The same as words, for a container.
pub(crate) fn test_argv(server: &[String]) -> Vec<String> {
    let (program, arguments) = server.split_first().expect("a service has a program");
    let asked = ["-C", "max_connections"].map(str::to_owned);
    std::iter::once(program.clone())
        .chain(asked)
        .chain(arguments.iter().cloned())
        .collect()
}

/// Where a server is, who we are there, and what only variables may say.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Directory of its socket, or its host.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// Role.
    pub(crate) role: String,
    /// For libpq.
    pub(crate) variables: Vec<(&'static str, SecretText)>,
}

impl Place {
    /// Lets a program connect there; secrets are no arguments.
    pub(crate) fn reached_by(&self, program: Cmd) -> Cmd {
        let program = program
            .arg(format!("--host={}", self.host))
            .arg(format!("--port={}", self.port))
            .arg(format!("--username={}", self.role));
        let set = |program: Cmd, (name, value): &(&str, SecretText)| program.env(*name, value.expose());
        self.variables.iter().fold(program, set)
    }
}

/// Variable with which a client says what it is.
pub(crate) const APPLICATION: &str = "PGAPPNAME";

/// Variable with options of a session, as libpq takes them.
pub(crate) const OPTIONS: &str = "PGOPTIONS";

/// Longest that a dump may take.
const DUMP: Duration = Duration::from_hours(24);

/// Dumps a database as the administrator sees it under an exported snapshot, uncompressed, to stdout; `pg_dump` is the
/// program of the server's own major, wherever it runs.
///
/// # Errors of the program
/// A table that somebody changes meanwhile: it waits a minute for the lock, then ends.
pub(crate) fn dump(pg_dump: Cmd, server: &Place, database: &str, snapshot: &str) -> Cmd {
    let pg_dump = pg_dump
        .args([
            "--format=custom",
            "--compress=0",
            "--no-password",
            "--lock-wait-timeout=60000",
        ])
        .arg(format!("--snapshot={snapshot}"));
    server
        .reached_by(pg_dump)
        .arg(format!("--dbname={database}"))
        .env(APPLICATION, "odoopack-backup")
        .patience(DUMP)
}

/// The same for a file that is kept: compressed, and of one moment of its own.
pub(crate) fn dump_kept(pg_dump: Cmd, server: (&Utf8Path, u16), database: &str) -> Cmd {
    pg_dump
        .args(["--format=custom", "--no-password", "--lock-wait-timeout=60000"])
        .arg(format!("--host={}", server.0))
        .arg(format!("--port={}", server.1))
        .arg(format!("--username={ADMIN_ROLE}"))
        .arg(format!("--dbname={database}"))
        .env(APPLICATION, "odoopack-backup")
        .patience(DUMP)
}

/// The server as one process that takes statements from its stdin, as the role that made the cluster.
///
/// # Source
/// PostgreSQL 12 to 18, reference page of `postgres`, "Single-User Mode": a statement ends with its line.
pub(crate) fn single_argv(programs: &Utf8Path, cluster: &Utf8Path) -> Vec<String> {
    let program = programs.join("postgres");
    [program.as_str(), "--single", "-D", cluster.as_str(), "postgres"]
        .map(str::to_owned)
        .into()
}

/// Looks into every page of every table and every index of a database, as the administrator, however long that takes; `pg_amcheck` is the
/// program of the server's own `major`.
///
/// # Source
/// PostgreSQL 15, seen: unlike `pg_dump` it takes no limit back by itself, and what `--maintenance-db` says of options is lost on the way to
/// the database.
pub(crate) fn amcheck((pg_amcheck, major): (Cmd, u16), server: &Place, database: &str) -> Cmd {
    let later = if major >= 17 {
        " -c transaction_timeout=0"
    } else {
        ""
    };
    let pg_amcheck = pg_amcheck.args(["--install-missing=pg_catalog", "--no-password", "--jobs=2"]);
    server
        .reached_by(pg_amcheck)
        .arg(format!("--database={database}"))
        .env(
            OPTIONS,
            format!("-c statement_timeout=0 -c lock_timeout=0{later}"),
        )
        .patience(DUMP)
}

/// Lists what the archive on stdin holds; reads no further than its table of contents.
pub(crate) fn list_archive(pg_restore: Cmd) -> Cmd {
    pg_restore.arg("--list")
}

/// The tables whose rows an archive holds, from what `pg_restore --list` printed (version 15 to 18).
#[derive(Debug)]
pub(crate) struct TablesWithData<'a>(BTreeSet<&'a str>);

impl<'a> TablesWithData<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let lines = text.lines().filter(|text| !text.starts_with(';'));
        Self(
            lines
                .filter_map(|line| Some(line.split_once(" TABLE DATA ")?.1))
                .collect(),
        )
    }

    /// Whether `schema.table` is among them; both may hold blanks and dots, and the owner follows.
    pub(crate) fn holds(&self, table: &str) -> bool {
        table.match_indices('.').any(|(at, _)| {
            let begins = format!("{} {} ", &table[..at], &table[at + 1..]);
            let mut from = self.0.range(begins.as_str()..);
            from.next().is_some_and(|line| line.starts_with(&begins))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_uncompressed_and_of_one_snapshot() {
        let place = Place {
            host: "/run/pg".to_owned(),
            port: 5432,
            role: ADMIN_ROLE.to_owned(),
            variables: vec![("PGPASSWORD", SecretText::new("geheim"))],
        };
        assert_eq!(
            dump(Cmd::new("/pg/bin/pg_dump"), &place, "demo", "00000003-0000001B-1").to_string(),
            "/pg/bin/pg_dump --format=custom --compress=0 --no-password --lock-wait-timeout=60000 \
             --snapshot=00000003-0000001B-1 --host=/run/pg --port=5432 --username=odoopack --dbname=demo"
        );
    }

    #[test]
    fn a_configuration_is_tested_with_the_servers_own_arguments() {
        let server = ["/pg/bin/postgres", "-D", "/d", "-c", "config_file=/c"].map(str::to_owned);
        assert_eq!(
            test_configuration(&server, Some("odoo-demo-postgres")).to_string(),
            "/pg/bin/postgres -C max_connections -D /d -c config_file=/c"
        );
    }

    #[test]
    fn tables_of_an_archive_are_found() {
        let text = ";\n; Archive created at 2026-11-26 12:00:00 UTC\n;     Format: CUSTOM\n\
                    215; 1259 16390 TABLE public res_users demo\n\
                    3380; 0 16390 TABLE DATA public res_users demo\n\
                    3381; 0 16400 TABLE DATA public ir_cron demo\n3382; 0 9 TABLE DATA my schema a b demo\n\
                    3383; 0 10 TABLE DATA v1.0 x demo\n3400; 0 0 SEQUENCE SET public ir_cron_id_seq demo\n";
        let found = TablesWithData::parse(text);
        for (table, holds) in [
            ("public.res_users", true),
            ("public.ir_cron", true),
            ("public.res_user", false),
            ("public.ir_cron_id_seq", false),
            ("my schema.a b", true),
            ("v1.0.x", true),
        ] {
            assert_eq!(found.holds(table), holds, "{table}");
        }
    }

    #[test]
    fn a_new_cluster_has_checksums_and_no_password_login() {
        for major in 12..=18 {
            let said = initdb(("/pg/bin".into(), major), "/d".into(), Some("odoo-demo-postgres")).to_string();
            let all = "/pg/bin/initdb -D /d --username=odoopack --auth-local=peer --auth-host=reject --data-checksums \
                       --encoding=UTF8 --locale=C.UTF-8";
            let quiet = if major < 14 { "" } else { " --no-instructions" };
            assert_eq!(said, format!("{all}{quiet}"), "{major}");
        }
    }
}
