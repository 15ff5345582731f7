//! Bringing a snapshot back, beside restic with `pg_restore` and beside Odoo's own load, of the same data.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::data::{self, Amount, DATABASE, entrance, filestore, must, sql};
use super::odoo::Odoo;
use super::pack::Demo;
use super::stats::{Times, measure};

/// Runs of what takes long, and of what does not.
const RUNS: usize = 3;
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
    let mut rows = vec![
        (
            "`odoopack restore latest --as beside`",
            measure(RUNS, || rig.ours())?,
        ),
        (
            "`restic restore`, `pg_restore -j2`, `sync -f`",
            measure(RUNS, || rig.restic(true))?,
        ),
        (
            "`restic restore`, `pg_restore -j2`",
            measure(RUNS, || rig.restic(false))?,
        ),
        (
            "`odoo db load` of the zip of `backup export`",
            measure(1, || rig.odoo())?,
        ),
        (
            "`click-odoo-restoredb --jobs 2` of its own folder",
            measure(1, || rig.click_odoo())?,
        ),
    ];
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
             index and attachment, and is on disk at the end, which `sync -f` adds to restic; the others compare nothing, restic's attachments are not yet in Odoo's place, and Odoo's load is not neutralized.",
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

    /// With `kept` it ends as ours does: the attachments outlive a power cut.
    fn restic(&self, kept: bool) -> Result<Duration> {
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
        if kept {
            let mut sync = Command::new("sync");
            sync.arg("-f").arg(&target);
            must(sync)?;
        }
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

    /// Odoo's own load; `odoo db` is there from 19 on.
    fn odoo(&self) -> Result<Duration> {
        let zip = self.place.join("out.zip").display().to_string();
        self.demo.read(&["backup", "export", "production", &zip])?;
        let command = self.programs()?.db(&["load", "byodoo", &zip])?;
        let begun = Instant::now();
        must(command)?;
        let took = begun.elapsed();
        sql(self.demo, "postgres", "DROP DATABASE byodoo")?;
        Ok(took)
    }

    /// click-odoo-restoredb of the folder that click-odoo-backupdb made, which it uses up.
    fn click_odoo(&self) -> Result<Duration> {
        let folder = self.place.join("folder").display().to_string();
        let from = Odoo::new(
            self.demo,
            &self.place,
            &self.demo.root().join("data/environments/production"),
        )?;
        must(from.click("backupdb", &["--format", "folder", DATABASE, &folder])?)?;
        let command = self
            .programs()?
            .click("restoredb", &["--jobs", "2", "byclick", &folder])?;
        let begun = Instant::now();
        must(command)?;
        let took = begun.elapsed();
        sql(self.demo, "postgres", "DROP DATABASE byclick")?;
        fs::remove_dir_all(&folder)?;
        Ok(took)
    }

    fn programs(&self) -> Result<Odoo<'_>> {
        Odoo::new(self.demo, &self.place, &self.place.join("odoo"))
    }
}

/// Where restic puts a path below its target.
fn below(target: &Path, path: &Path) -> PathBuf {
    target.join(path.strip_prefix("/").unwrap_or(path))
}
