//! Bringing a snapshot back, beside restic with `pg_restore` and beside Odoo's own load, of the same data.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::data::{self, Amount, DATABASE, entrance, filestore, must, sql};
use super::pack::Demo;
use super::stats::{Times, measure};

/// Runs of what takes long, and of what does not.
const RUNS: usize = 2;
const SHORT: usize = 5;

/// What is measured in one run on the same data.
pub(super) struct Restores {
    pub(super) about: String,
    pub(super) rows: Vec<(&'static str, Times)>,
}

struct Rig<'a> {
    demo: &'a Demo,
    place: PathBuf,
    /// One attachment.
    file: String,
}

/// Fills the demo and measures.
pub(super) fn restores(demo: &Demo, amount: Amount) -> Result<Restores> {
    data::fill(demo, amount)?;
    demo.read(&["backup", "create"])?;
    let rig = Rig {
        demo,
        place: demo.root().join("bench"),
        file: sql(
            demo,
            DATABASE,
            "SELECT store_fname FROM ir_attachment WHERE name = 'bench 7'",
        )?
        .trim()
        .to_owned(),
    };
    fs::create_dir_all(&rig.place)?;
    rig.prepare_restic()?;
    let mut rows = Vec::new();
    rows.push((
        "`odoopack restore latest --as beside`",
        measure(RUNS, || rig.ours())?,
    ));
    rows.push((
        "`restic restore`, `pg_restore -j2`",
        measure(RUNS, || rig.restic())?,
    ));
    rows.push((
        "`odoo db load` of the zip of `backup export`",
        measure(1, || rig.odoo())?,
    ));
    let path = format!("filestore/{}", rig.file);
    rows.push((
        "one attachment: `odoopack backup cat`",
        measure(SHORT, || demo.timed(&["backup", "cat", "latest", &path]))?,
    ));
    rows.push((
        "one attachment: `restic dump`",
        measure(SHORT, || rig.restic_dump())?,
    ));
    for (what, level) in [
        ("`odoopack backup drill --level read`", "read"),
        ("`odoopack backup drill --level restore`", "restore"),
        ("`odoopack backup drill`, Odoo serves the copy", "boot"),
    ] {
        rows.push((
            what,
            measure(1, || demo.timed(&["backup", "drill", "--level", level]))?,
        ));
    }
    Ok(Restores {
        about: rig.about(amount)?,
        rows,
    })
}

impl Rig<'_> {
    fn about(&self, amount: Amount) -> Result<String> {
        let size = sql(
            self.demo,
            "postgres",
            &format!("SELECT pg_size_pretty(pg_database_size('{DATABASE}'))"),
        )?;
        Ok(format!(
            "A database of {} and {} attachments of 2 to 82 kB, in one run. What odoopack restores is also compared: every row count, \
             index and attachment; the others compare nothing, restic's attachments are not yet in Odoo's place, and Odoo's load is not neutralized.",
            size.trim(),
            amount.files
        ))
    }

    fn ours(&self) -> Result<Duration> {
        let took = self.demo.timed(&["restore", "latest", "--as", "beside"])?;
        sql(self.demo, "postgres", "DROP DATABASE beside")?;
        sql(self.demo, "postgres", "DROP ROLE beside")?;
        fs::remove_dir_all(filestore(self.demo).with_file_name("beside"))?;
        Ok(took)
    }

    fn restic_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("restic");
        command
            .args(arguments)
            .env("RESTIC_REPOSITORY", self.place.join("restic"))
            .env("RESTIC_PASSWORD", "bench")
            .env("RESTIC_CACHE_DIR", self.place.join("cache"));
        command
    }

    /// The dump as a directory and the filestore, as somebody with restic would back them up.
    fn prepare_restic(&self) -> Result<()> {
        let dump = self.place.join("dump");
        let mut command = Command::new("pg_dump");
        command
            .args(entrance(self.demo.root()))
            .args(["-Fd", "-j2", "-Z0", "-d", DATABASE, "-f"])
            .arg(&dump);
        must(command)?;
        must(self.restic_command(&["init", "--quiet"]))?;
        let mut backup = self.restic_command(&["backup", "--quiet"]);
        backup.arg(&dump).arg(filestore(self.demo));
        must(backup).map(drop)
    }

    fn restic(&self) -> Result<Duration> {
        let target = self.place.join("target");
        let begun = Instant::now();
        let mut restore = self.restic_command(&["restore", "latest", "--quiet", "--target"]);
        restore.arg(&target);
        must(restore)?;
        sql(
            self.demo,
            "postgres",
            "CREATE DATABASE byrestic TEMPLATE template0",
        )?;
        sql(
            self.demo,
            "byrestic",
            "CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent; ALTER FUNCTION unaccent(text) IMMUTABLE",
        )?;
        let mut load = Command::new("pg_restore");
        load.args(entrance(self.demo.root()))
            .args(["-j2", "--no-owner", "-d", "byrestic"])
            .arg(below(&target, &self.place.join("dump")));
        must(load)?;
        let took = begun.elapsed();
        sql(self.demo, "postgres", "DROP DATABASE byrestic")?;
        fs::remove_dir_all(&target)?;
        Ok(took)
    }

    fn restic_dump(&self) -> Result<Duration> {
        let begun = Instant::now();
        let mut dump = self.restic_command(&["dump", "latest"]);
        dump.arg(filestore(self.demo).join(&self.file));
        must(dump)?;
        Ok(begun.elapsed())
    }

    /// Odoo's own program as the administrator of the cluster, who may make databases.
    fn odoo(&self) -> Result<Duration> {
        let zip = self.place.join("out.zip").display().to_string();
        self.demo.read(&["backup", "export", "production", &zip])?;
        let conf = self.place.join("odoo.conf");
        let root = self.demo.root();
        let text = fs::read_to_string(root.join("data/config/production/blue/odoo.conf"))?;
        let data = self.place.join("odoo").display().to_string();
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some(("db_user", _)) => "db_user = odoopack\n".to_owned(),
            Some(("db_password", _)) => String::new(),
            Some(("data_dir", _)) => format!("data_dir = {data}\n"),
            _ => format!("{line}\n"),
        });
        fs::write(&conf, lines.collect::<String>())?;
        let mut command = self.like_the_service()?;
        command
            .args(["db", "-c"])
            .arg(&conf)
            .args(["load", "byodoo", &zip]);
        let begun = Instant::now();
        must(command)?;
        let took = begun.elapsed();
        sql(self.demo, "postgres", "DROP DATABASE byodoo")?;
        Ok(took)
    }

    /// Python, Odoo's entry and the variables of the service that runs.
    fn like_the_service(&self) -> Result<Command> {
        let status = self.demo.read(&["status", "--json"])?;
        let pid = pid_of(&status, "production.blue.web").context("Odoo does not run")?;
        let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}"));
        let line = read("cmdline").context("Odoo does not run")?;
        let mut words = line.split('\0');
        let mut command = Command::new(words.next().context("Odoo has no command")?);
        command.args(words.next());
        command.envs(
            read("environ")?
                .split('\0')
                .filter_map(|pair| pair.split_once('=')),
        );
        Ok(command)
    }
}

/// Where restic puts a path below its target.
fn below(target: &Path, path: &Path) -> PathBuf {
    target.join(path.strip_prefix("/").unwrap_or(path))
}

/// The process of a service in what `status --json` prints.
fn pid_of<'a>(status: &'a str, service: &str) -> Option<&'a str> {
    let (_, rest) = status.split_once(&format!("\"{service}\":{{"))?;
    let (service, _) = rest.split_once('}')?;
    let (_, number) = service.split_once("\"pid\":")?;
    number
        .split(',')
        .next()
        .filter(|number| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::pid_of;

    #[test]
    fn the_process_of_a_service_is_found() {
        let status = r#"{"services":{"nginx":{"pid":1,"up":true},"web":{"a":2,"pid":77,"z":1}}}"#;
        assert_eq!(pid_of(status, "web"), Some("77"));
        assert_eq!(pid_of(status, "gate"), None);
    }
}
