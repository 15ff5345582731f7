//! `psql`, `pg_restore` and `pg_dump` on one database, as an environment's user and role.
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::secret::SecretText;

/// Longest that loading or writing a dump may take.
const PATIENCE: Duration = Duration::from_hours(12);

/// Nothing is lost with a database that only the operation knows.
const FAST: &str = "-c synchronous_commit=off -c maintenance_work_mem=128MB";

/// First releases of each major whose psql has `\restrict` (CVE-2025-8714, 2025-08-14).
const RESTRICT: [(u16, u16); 5] = [(13, 22), (14, 19), (15, 14), (16, 10), (17, 6)];

/// A call of one of PostgreSQL's programs of the server's own major, wherever that is.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its name.
    pub(crate) program: &'static str,
    pub(crate) args: Vec<String>,
    /// Variables for libpq.
    pub(crate) variables: Vec<(&'static str, SecretText)>,
    /// Files that it reads.
    pub(crate) files: Vec<Utf8PathBuf>,
    /// Longest that it may take.
    pub(crate) patience: Duration,
}

impl Call {
    fn new(program: &'static str, args: &[&str]) -> Self {
        Self {
            program,
            args: args.iter().map(|word| (*word).to_owned()).collect(),
            variables: Vec::new(),
            files: Vec::new(),
            patience: PATIENCE,
        }
    }

    fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|word| (*word).to_owned()));
        self
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, SecretText::new(value)));
        self
    }

    fn reads(mut self, file: &Utf8Path) -> Self {
        self.files.push(file.to_owned());
        self
    }
}

/// A database and who enters it.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    /// Directory of the server's socket, or its host.
    pub(crate) host: String,
    /// Names the socket.
    pub(crate) port: u16,
    /// What tells libpq how the way there is protected.
    pub(crate) protection: Vec<(&'static str, SecretText)>,
    /// Role.
    pub(crate) role: String,
    /// Its password.
    pub(crate) password: SecretText,
    /// Database.
    pub(crate) database: String,
}

impl Entrance {
    /// A program that connects; it sees no configuration of anybody.
    fn client(&self, program: &'static str) -> Call {
        let mut call = Call::new(program, &["-h", &self.host, "-p", &self.port.to_string()])
            .args(&["-U", &self.role, "-w"])
            .variable("PGPASSWORD", self.password.expose())
            .variable("PGAPPNAME", "odoopack")
            .variable("PGSYSCONFDIR", "/nonexistent")
            .variable("PGSERVICEFILE", "/nonexistent");
        call.variables.extend(self.protection.iter().cloned());
        call
    }

    /// Runs plain SQL from stdin and stops at the first error.
    pub(crate) fn psql(&self) -> Call {
        self.client("psql")
            .args(&["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .args(&["-d", &self.database])
            .variable("PGOPTIONS", FAST)
    }

    /// Restores an archive; without a path it comes by stdin, which cannot be read in parallel.
    pub(crate) fn pg_restore(&self, archive: Option<&Utf8Path>, list: &Utf8Path, jobs: u32) -> Call {
        let call = self
            .client("pg_restore")
            // A tablespace is the old machine's; the role may not make anything in one here.
            .args(&["--no-owner", "--no-acl", "--no-tablespaces", "--exit-on-error"])
            .args(&["-d", &self.database])
            .arg(format!("--use-list={list}"))
            .reads(list)
            .variable("PGOPTIONS", FAST);
        match archive {
            Some(path) => call.arg(format!("--jobs={jobs}")).arg(path.as_str()).reads(path),
            None => call,
        }
    }

    /// Writes a plain dump to stdout, as Odoo's own does.
    pub(crate) fn pg_dump_plain(&self) -> Call {
        self.client("pg_dump").args(&["--no-owner", "-d", &self.database])
    }

    /// Writes a custom archive to stdout.
    pub(crate) fn pg_dump_custom(&self) -> Call {
        self.client("pg_dump")
            .args(&["--no-owner", "--format=custom", "-d", &self.database])
    }
}

/// Lists the contents of an archive; without a path it comes by stdin.
pub(crate) fn pg_restore_list(archive: Option<&Utf8Path>) -> Call {
    let call = Call::new("pg_restore", &["--list"]);
    match archive {
        Some(path) => call.arg(path.as_str()).reads(path),
        None => call,
    }
}

/// Writes one table of the archive on stdin as SQL: its definition and its rows, or these alone.
pub(crate) fn table_of_archive((schema, table): (&str, &str), rows_alone: bool) -> Call {
    let call = Call::new("pg_restore", &["--no-owner", "--no-acl", "-f", "-"])
        .arg(format!("--schema={schema}"))
        .arg(format!("--table={table}"));
    if rows_alone { call.arg("--data-only") } else { call }
}

/// Asks psql for its version.
pub(crate) fn psql_version() -> Call {
    Call::new("psql", &["--version"])
}

/// Whether this psql has `\restrict`, from what `psql --version` prints.
pub(crate) fn parse_has_restrict(text: &str) -> bool {
    let version = text.split_whitespace().nth(2).unwrap_or_default();
    let mut numbers = version.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u16>().ok()
    });
    let (Some(Some(major)), minor) = (numbers.next(), numbers.next().flatten().unwrap_or(0)) else {
        return false;
    };
    major >= 18
        || RESTRICT
            .iter()
            .any(|(known, first)| *known == major && minor >= *first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrance() -> Entrance {
        Entrance {
            host: "/run/pg".to_owned(),
            port: 5432,
            protection: Vec::new(),
            role: "demo_production".to_owned(),
            password: SecretText::new("geheim"),
            database: "demo".to_owned(),
        }
    }

    #[test]
    fn everything_enters_as_the_environments_role_and_no_password_is_an_argument() {
        let entrance = entrance();
        let who = "-h /run/pg -p 5432 -U demo_production -w";
        let restore = "--no-owner --no-acl --no-tablespaces --exit-on-error -d demo --use-list=/l";
        let table = [
            (
                entrance.psql(),
                format!("psql {who} -X -q -v ON_ERROR_STOP=1 -f - -d demo"),
                vec![],
            ),
            (
                entrance.pg_restore(Some("/a".into()), "/l".into(), 2),
                format!("pg_restore {who} {restore} --jobs=2 /a"),
                vec!["/l", "/a"],
            ),
            (
                entrance.pg_restore(None, "/l".into(), 2),
                format!("pg_restore {who} {restore}"),
                vec!["/l"],
            ),
            (
                entrance.pg_dump_plain(),
                format!("pg_dump {who} --no-owner -d demo"),
                vec![],
            ),
            (
                entrance.pg_dump_custom(),
                format!("pg_dump {who} --no-owner --format=custom -d demo"),
                vec![],
            ),
        ];
        for (call, text, files) in table {
            assert_eq!(format!("{} {}", call.program, call.args.join(" ")), text);
            assert_eq!(call.files, files);
            let password = call.variables.iter().find(|(name, _)| *name == "PGPASSWORD");
            assert_eq!(password.unwrap().1.expose(), "geheim");
        }
    }

    #[test]
    fn which_psql_can_be_restricted() {
        for (text, has) in [
            ("psql (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", true),
            ("psql (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", false),
            ("psql (PostgreSQL) 17.6", true),
            ("psql (PostgreSQL) 12.22", false),
            ("psql (PostgreSQL) 18.0", true),
            ("psql (PostgreSQL) 18rc1", true),
            ("something else", false),
        ] {
            assert_eq!(parse_has_restrict(text), has, "{text}");
        }
    }
}
