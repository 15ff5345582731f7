//! `psql`, `pg_restore` and `pg_dump` on one database, as an environment's user and role.
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::secret::SecretText;

use crate::exec::Cmd;

/// Longest that loading or writing a dump may take.
const PATIENCE: Duration = Duration::from_hours(12);

/// First releases of each major whose psql has `\restrict` (CVE-2025-8714, 2025-08-14).
const RESTRICT: [(u16, u16); 5] = [(13, 22), (14, 19), (15, 14), (16, 10), (17, 6)];

/// A database and who enters it.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    /// Directory of the programs of the server's own major.
    pub(crate) programs: Utf8PathBuf,
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
    /// User of the host.
    pub(crate) user: Option<String>,
}

impl Entrance {
    /// A program that connects; it sees nothing of our environment, and no configuration of anybody.
    fn client(&self, program: &str) -> Cmd {
        let cmd = Cmd::new(self.programs.join(program))
            .args(["-h", &self.host, "-p", &self.port.to_string()])
            .args(["-U", &self.role, "-w"])
            .bare()
            .env("PGPASSWORD", self.password.expose())
            .env("PGAPPNAME", "odoopack")
            .env("PGSYSCONFDIR", "/nonexistent")
            .env("PGSERVICEFILE", "/nonexistent")
            .user(self.user.as_deref())
            .umask(0o027)
            .patience(PATIENCE);
        let set = |cmd: Cmd, (name, value): &(&str, SecretText)| cmd.env(*name, value.expose());
        self.protection.iter().fold(cmd, set)
    }

    /// Runs plain SQL from stdin and stops at the first error.
    pub(crate) fn psql(&self) -> Cmd {
        self.client("psql")
            .args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-f",
                "-",
                "-d",
                &self.database,
            ])
            .env(
                "PGOPTIONS",
                "-c synchronous_commit=off -c maintenance_work_mem=128MB",
            )
    }

    /// Restores an archive; without a path it comes by stdin, which cannot be read in parallel.
    pub(crate) fn pg_restore(&self, archive: Option<&Utf8Path>, list: &Utf8Path, jobs: u32) -> Cmd {
        let cmd = self
            .client("pg_restore")
            .args(["--no-owner", "--no-acl", "--exit-on-error", "-d", &self.database])
            .arg(format!("--use-list={list}"))
            .env(
                "PGOPTIONS",
                "-c synchronous_commit=off -c maintenance_work_mem=128MB",
            );
        match archive {
            Some(path) => cmd.arg(format!("--jobs={jobs}")).arg(path.as_str()),
            None => cmd,
        }
    }

    /// Writes a plain dump to stdout, as Odoo's own does.
    pub(crate) fn pg_dump_plain(&self) -> Cmd {
        self.client("pg_dump").args(["--no-owner", "-d", &self.database])
    }

    /// Writes a custom archive to stdout.
    pub(crate) fn pg_dump_custom(&self) -> Cmd {
        self.client("pg_dump")
            .args(["--no-owner", "--format=custom", "-d", &self.database])
    }
}

/// Lists the contents of an archive; without a path it comes by stdin.
pub(crate) fn pg_restore_list(programs: &Utf8Path, user: Option<&str>, archive: Option<&Utf8Path>) -> Cmd {
    let cmd = Cmd::new(programs.join("pg_restore"))
        .arg("--list")
        .bare()
        .user(user);
    match archive {
        Some(path) => cmd.arg(path.as_str()),
        None => cmd,
    }
}

/// Asks psql for its version.
pub(crate) fn psql_version(programs: &Utf8Path) -> Cmd {
    Cmd::new(programs.join("psql")).arg("--version")
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
            programs: "/pg/bin".into(),
            host: "/run/pg".to_owned(),
            port: 5432,
            protection: Vec::new(),
            role: "demo_production".to_owned(),
            password: SecretText::new("geheim"),
            database: "demo".to_owned(),
            user: Some("odoo-demo-production".to_owned()),
        }
    }

    #[test]
    fn everything_enters_as_the_environments_role_and_no_password_is_an_argument() {
        let entrance = entrance();
        let who = "-h /run/pg -p 5432 -U demo_production -w";
        let table = [
            (
                entrance.psql(),
                format!("/pg/bin/psql {who} -X -q -v ON_ERROR_STOP=1 -f - -d demo"),
            ),
            (
                entrance.pg_restore(Some("/a".into()), "/l".into(), 2),
                format!(
                    "/pg/bin/pg_restore {who} --no-owner --no-acl --exit-on-error -d demo --use-list=/l --jobs=2 /a"
                ),
            ),
            (
                entrance.pg_restore(None, "/l".into(), 2),
                format!("/pg/bin/pg_restore {who} --no-owner --no-acl --exit-on-error -d demo --use-list=/l"),
            ),
            (
                entrance.pg_dump_plain(),
                format!("/pg/bin/pg_dump {who} --no-owner -d demo"),
            ),
            (
                entrance.pg_dump_custom(),
                format!("/pg/bin/pg_dump {who} --no-owner --format=custom -d demo"),
            ),
        ];
        for (cmd, text) in table {
            assert_eq!(cmd.to_string(), text);
            assert!(cmd.argv().contains(&"--reuid=odoo-demo-production".to_owned()));
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
