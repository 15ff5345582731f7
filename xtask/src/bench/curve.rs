//! What a backup costs as files, rows and snapshots become more.
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::data::{self, Amount, DATABASE, filestore, must, sql};
use super::pack::Demo;
use super::stats::shown;

/// What the page says about it.
pub(super) const ABOUT: &str = "A demo with 10,000 made-up rows, three times: the same command again and again, with nothing new, until the repository holds so many snapshots; \
    rows added to the database until it has so many MB; small files (2 to 4 kB) put into the filestore, which Odoo knows nothing of. One time each.";

/// Files in the filestore, snapshots in the repository, and rows in the database, at which is measured.
pub(super) struct Points {
    pub(super) files: &'static [u32],
    pub(super) snapshots: &'static [usize],
    pub(super) rows: &'static [u32],
}

pub(super) const SOME: Points = Points {
    files: &[1_000, 10_000],
    snapshots: &[10, 30],
    rows: &[100_000, 400_000],
};
/// The database has 0.2, 1 and 4 GB then.
pub(super) const FULL: Points = Points {
    files: &[10_000, 100_000, 1_000_000],
    snapshots: &[10, 100, 1_000],
    rows: &[600_000, 3_200_000, 13_000_000],
};

/// Rows of the database while files and snapshots become more.
const FEW: u32 = 10_000;

/// One measured point: what, how many, how long.
pub(super) struct Point {
    pub(super) what: &'static str,
    pub(super) count: u64,
    pub(super) took: Duration,
    /// The most memory that it held, in KiB; of backups only.
    pub(super) memory: Option<u64>,
}

/// Makes files `sys.argv[2]` to `sys.argv[3]` below `sys.argv[1]`, as Odoo would name them.
const FILES: &str = r#"
import hashlib, os, random, sys
root, first, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(first, end):
    content = random.Random(number).randbytes(2000 + number % 2000)
    name = hashlib.sha1(content).hexdigest()
    place = os.path.join(root, name[:2])
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, name), "wb") as file:
        file.write(content)
"#;

/// Grows the number of snapshots, the database and the filestore, each in a pack of its own, so that none pays for what another made many of.
pub(super) fn points(binary: &Path, points: &Points) -> Result<Vec<Point>> {
    let mut all = in_a_pack(binary, |demo| of_snapshots(demo, points.snapshots))?;
    all.extend(in_a_pack(binary, |demo| of_rows(demo, points.rows))?);
    all.extend(in_a_pack(binary, |demo| of_files(demo, points.files))?);
    Ok(all)
}

fn in_a_pack(binary: &Path, measure: impl FnOnce(&Demo) -> Result<Vec<Point>>) -> Result<Vec<Point>> {
    let mut demo = Demo::new(binary, false)?;
    demo.start()?;
    data::fill(&demo, Amount { rows: FEW, files: 0 })?;
    let found = measure(&demo)?;
    demo.remove()?;
    Ok(found)
}

fn of_files(demo: &Demo, numbers: &[u32]) -> Result<Vec<Point>> {
    let mut all = Vec::new();
    let mut there = 0;
    for &files in numbers {
        grow(&filestore(demo), there, files)?;
        let new = u64::from(files - there);
        there = files;
        all.push(backup(demo, "`backup create`, so many new files", new)?);
        all.push(backup(
            demo,
            "`backup create`, so many unchanged files",
            files.into(),
        )?);
    }
    Ok(all)
}

fn of_snapshots(demo: &Demo, numbers: &[usize]) -> Result<Vec<Point>> {
    let mut all = Vec::new();
    let mut made = 0;
    for &snapshots in numbers {
        while made + 1 < snapshots {
            demo.read(&["backup", "create"])?;
            made += 1;
        }
        made += 1;
        let count = snapshots as u64;
        for (what, arguments) in [
            (
                "`backup create`, which makes so many snapshots",
                ["backup", "create"].as_slice(),
            ),
            ("`backup list` of so many", &["backup", "list"]),
            (
                "`backup forget --dry-run` of so many",
                &["backup", "forget", "--dry-run"],
            ),
        ] {
            let took = demo.timed(arguments)?;
            all.push(Point {
                what,
                count,
                took,
                memory: None,
            });
        }
        eprintln!(
            "bench: {snapshots} snapshots, the last in {}",
            shown(all[all.len() - 3].took)
        );
    }
    Ok(all)
}

fn of_rows(demo: &Demo, numbers: &[u32]) -> Result<Vec<Point>> {
    let mut all = Vec::new();
    let mut there = FEW;
    for &rows in numbers {
        let before = data::megabytes(demo)?;
        sql(demo, DATABASE, &data::more_rows(there, rows))?;
        there = rows;
        let now = data::megabytes(demo)?;
        let new = now.saturating_sub(before);
        all.push(backup(
            demo,
            "`backup create`, so many MB new in the database",
            new,
        )?);
        all.push(backup(
            demo,
            "`backup create`, so many MB unchanged in the database",
            now,
        )?);
    }
    Ok(all)
}

fn backup(demo: &Demo, what: &'static str, count: u64) -> Result<Point> {
    let begun = Instant::now();
    let (_, memory) = demo.heaviest(&["backup", "create"])?;
    Ok(Point {
        what,
        count,
        took: begun.elapsed(),
        memory: Some(memory),
    })
}

fn grow(filestore: &Path, there: u32, files: u32) -> Result<()> {
    let mut python = Command::new("python3");
    python
        .args(["-c", FILES])
        .arg(filestore)
        .args([there.to_string(), files.to_string()]);
    must(python)?;
    let mut owner = Command::new("chown");
    owner
        .arg("--recursive")
        .arg(format!("--reference={}", filestore.display()))
        .arg(filestore);
    must(owner).map(drop)
}
