//! Backups of a night, the next night and the one after, beside what people would use instead, of the same data.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::data::{self, Amount, DATABASE, entrance, filestore, must, sql};
use super::odoo::Odoo;
use super::pack::Demo;
use super::stats::Times;

/// Runs of what is compared; Odoo's own ways, which nobody is compared with, run once.
const RUNS: u32 = 3;

/// One row of the page.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) times: Times,
    /// Bytes that the last run added to what is kept.
    pub(super) added: u64,
    /// The most memory that any run held, in KiB; of ours only, where one process does it all.
    pub(super) memory: Option<u64>,
}

impl Row {
    fn of(what: impl Into<String>, runs: &[Run]) -> Result<Self> {
        let times = runs.iter().map(|run| run.took).collect();
        Ok(Self {
            what: what.into(),
            times: Times::of(times).context("nothing was run")?,
            added: runs.last().map_or(0, |run| run.added),
            memory: runs.iter().filter_map(|run| run.memory).max(),
        })
    }
}

/// One run of one way.
#[derive(Clone, Copy)]
struct Run {
    took: Duration,
    added: u64,
    memory: Option<u64>,
}

impl Run {
    fn new(took: Duration, added: u64) -> Self {
        Self {
            took,
            added,
            memory: None,
        }
    }
}

/// What is measured in one run on the same data.
pub(super) struct Backups {
    pub(super) about: String,
    pub(super) rows: Vec<Row>,
}

struct Rig<'a> {
    demo: &'a Demo,
    place: PathBuf,
}

/// Fills the demo and measures.
pub(super) fn backups(demo: &Demo, amount: Amount) -> Result<Backups> {
    data::fill(demo, amount)?;
    let rig = Rig {
        demo,
        place: demo.root().join("bench-backups"),
    };
    fs::create_dir_all(&rig.place)?;
    let mut rows = vec![
        rig.nightly("`pg_dump -Fc`, `tar czf`", Rig::seeds_way)?,
        rig.nightly("`pg_dump -Fc -Z0`, `tar | zstd -T0`", Rig::zstd)?,
    ];
    rows.extend(rig.odoos_ways()?);
    rows.extend(rig.rounds("first", |_| rig.nothing_yet())?);
    rows.extend(rig.rounds("unchanged", |_| Ok(()))?);
    rows.extend(rig.rounds("1 % appended", |round| rig.append(amount, round))?);
    rows.extend(rig.rounds("1 % updated in place", |round| rig.update(round))?);
    let size = sql(
        demo,
        "postgres",
        &format!("SELECT pg_size_pretty(pg_database_size('{DATABASE}'))"),
    )?;
    fs::remove_dir_all(&rig.place)?;
    Ok(Backups {
        about: format!(
            "A database of {} with `fsync = {}`, and {} attachments of 2 to 82 kB; what was written before is on disk when a run begins. Ours is also checked: the dump is listed, every attachment of the \
             database is matched with a file, and the stored tree is walked. The others check nothing; `restic` is given a finished `pg_dump -Fd -j2 -Z0`, whose time counts.",
            size.trim(),
            sql(demo, "postgres", "SHOW fsync")?.trim(),
            amount.files
        ),
        rows,
    })
}

impl Rig<'_> {
    /// Ours and restic in turn, each time after what happened since the backups before.
    fn rounds(&self, what: &str, happened: impl Fn(u32) -> Result<()>) -> Result<[Row; 2]> {
        let (mut ours, mut beside) = (Vec::new(), Vec::new());
        for round in 0..RUNS {
            happened(round)?;
            written()?;
            ours.push(self.ours()?);
            written()?;
            beside.push(self.beside()?);
        }
        Ok([
            Row::of(format!("`odoopack backup create`, {what}"), &ours)?,
            Row::of(format!("`pg_dump -Fd -j2`, `restic backup`, {what}"), &beside)?,
        ])
    }

    /// A way that makes all of it anew every night.
    fn nightly(&self, what: &str, way: impl Fn(&Self) -> Result<Run>) -> Result<Row> {
        let night = |_| written().and_then(|()| way(self));
        let runs: Vec<Run> = (0..RUNS).map(night).collect::<Result<_>>()?;
        Row::of(format!("{what}, every night"), &runs)
    }

    /// Neither ours nor restic has stored anything.
    fn nothing_yet(&self) -> Result<()> {
        forget_all(self.demo)?;
        for directory in ["restic", "cache"] {
            drop(fs::remove_dir_all(self.place.join(directory)));
        }
        let mut init = self.restic();
        init.args(["init", "--quiet"]);
        must(init).map(drop)
    }

    fn ours(&self) -> Result<Run> {
        let begun = Instant::now();
        let (text, memory) = self.demo.heaviest(&["backup", "create", "--json"])?;
        let took = begun.elapsed();
        let added = number_of(&text, "added").context("`backup create --json` says nothing of `added`")?;
        Ok(Run {
            memory: Some(memory),
            ..Run::new(took, added)
        })
    }

    /// The way of the seed: both compressed, one after the other, all of it every night.
    fn seeds_way(&self) -> Result<Run> {
        let (dump, tar) = (self.place.join("seed.dump"), self.place.join("seed.tgz"));
        let begun = Instant::now();
        let mut command = self.dump();
        command.arg("-Fc").arg("-f").arg(&dump);
        must(command)?;
        let mut command = self.tar();
        command.arg("-czf").arg(&tar).arg(DATABASE);
        must(command)?;
        let took = begun.elapsed();
        let size = dump.metadata()?.len() + tar.metadata()?.len();
        Ok(Run::new(took, size))
    }

    fn zstd(&self) -> Result<Run> {
        let (dump, packed) = (self.place.join("plain.dump"), self.place.join("all.tar.zst"));
        let begun = Instant::now();
        let mut command = self.dump();
        command.args(["-Fc", "-Z0", "-f"]).arg(&dump);
        must(command)?;
        let mut command = self.tar();
        command
            .args(["-cf", "-", DATABASE, "-C"])
            .arg(&self.place)
            .arg("plain.dump");
        let mut tar = command.stdout(Stdio::piped()).spawn()?;
        let mut zstd = Command::new("zstd");
        zstd.args(["-T0", "-q", "-f", "-o"])
            .arg(&packed)
            .stdin(tar.stdout.take().context("tar has no output")?);
        must(zstd)?;
        if !tar.wait()?.success() {
            bail!("tar failed");
        }
        let took = begun.elapsed();
        let size = packed.metadata()?.len();
        fs::remove_file(dump)?;
        Ok(Run::new(took, size))
    }

    /// What Odoo and click-odoo-contrib offer, each all of it every night.
    fn odoos_ways(&self) -> Result<Vec<Row>> {
        let data = self.demo.root().join("data/environments/production");
        let odoo = Odoo::new(self.demo, &self.place, &data)?;
        let at = |name: &str| self.place.join(name).display().to_string();
        let [zip, folder, dump] = [at("click.zip"), at("click"), at("odoo.zip")];
        [
            (
                "`click-odoo-backupdb`",
                &zip,
                odoo.click("backupdb", &[DATABASE, &zip])?,
            ),
            (
                "`click-odoo-backupdb --format folder`",
                &folder,
                odoo.click("backupdb", &["--format", "folder", DATABASE, &folder])?,
            ),
            ("`odoo db dump`", &dump, odoo.db(&["dump", DATABASE, &dump])?),
        ]
        .into_iter()
        .map(|(what, target, command)| {
            written()?;
            let begun = Instant::now();
            must(command)?;
            let run = Run::new(begun.elapsed(), size_of(Path::new(target))?);
            let row = Row::of(format!("{what}, every night"), &[run])?;
            must({
                let mut remove = Command::new("rm");
                remove.args(["-rf", target]);
                remove
            })?;
            Ok(row)
        })
        .collect()
    }

    /// Restic on a finished dump and the filestore.
    fn beside(&self) -> Result<Run> {
        let dump = self.place.join("dump");
        let before = self.stored()?;
        let begun = Instant::now();
        let mut command = self.dump();
        command.args(["-Fd", "-j2", "-Z0", "-f"]).arg(&dump);
        must(command)?;
        let mut backup = self.restic();
        backup
            .args(["backup", "--quiet"])
            .arg(&dump)
            .arg(filestore(self.demo));
        must(backup)?;
        let took = begun.elapsed();
        fs::remove_dir_all(&dump)?;
        let added = self.stored()? - before;
        Ok(Run::new(took, added))
    }

    /// Bytes in restic's repository.
    fn stored(&self) -> Result<u64> {
        size_of(&self.place.join("restic"))
    }

    fn append(&self, amount: Amount, round: u32) -> Result<()> {
        let percent = amount.rows / 100;
        let from = amount.rows + round * percent;
        sql(self.demo, DATABASE, &data::more_rows(from, from + percent)).map(drop)
    }

    fn update(&self, round: u32) -> Result<()> {
        let statement = format!("UPDATE bench_lines SET amount = amount + 1 WHERE id % 100 = {round}");
        sql(self.demo, DATABASE, &statement).map(drop)
    }

    fn dump(&self) -> Command {
        let mut command = Command::new("pg_dump");
        command.args(entrance(self.demo.root())).args(["-d", DATABASE]);
        command
    }

    fn tar(&self) -> Command {
        let mut command = Command::new("tar");
        let filestore = filestore(self.demo);
        command.arg("-C").arg(filestore.parent().unwrap_or(&filestore));
        command
    }

    fn restic(&self) -> Command {
        let mut command = Command::new("restic");
        command
            .env("RESTIC_REPOSITORY", self.place.join("restic"))
            .env("RESTIC_PASSWORD", "bench")
            .env("RESTIC_CACHE_DIR", self.place.join("cache"));
        command
    }
}

/// Waits until what was written is on disk, so that nobody pays for what another one left.
fn written() -> Result<()> {
    must(Command::new("sync")).map(drop)
}

/// A pack that never made a backup.
pub(super) fn forget_all(demo: &Demo) -> Result<()> {
    drop(fs::remove_dir_all(demo.root().join("backups")));
    drop(fs::remove_file(demo.root().join("data/odoopack/backups.jsonl")));
    // The directory of the repository belongs to the layout.
    demo.read(&["up", "--yes"]).map(drop)
}

/// Bytes of a file, or of everything below a directory.
pub(super) fn size_of(path: &Path) -> Result<u64> {
    let mut du = Command::new("du");
    du.arg("-sb").arg(path);
    let text = must(du)?;
    let number = text.split_whitespace().next().context("du printed nothing")?;
    Ok(number.parse()?)
}

/// The whole number of a key of a JSON object.
fn number_of(json: &str, key: &str) -> Option<u64> {
    let (_, rest) = json.split_once(&format!("\"{key}\":"))?;
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number_of;

    #[test]
    fn a_number_is_found_by_its_key() {
        assert_eq!(number_of(r#"{"size":12,"added":345,"x":1}"#, "added"), Some(345));
        assert_eq!(number_of(r#"{"added":null}"#, "added"), None);
    }
}
