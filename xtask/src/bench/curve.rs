//! What a backup costs as files, and as snapshots, become more.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::data::{self, Amount, filestore, must};
use super::pack::Demo;
use super::stats::shown;

/// What the page says about it.
pub(super) const ABOUT: &str = "A database with 10,000 made-up rows, and small files (2 to 4 kB) put into the filestore, which Odoo knows nothing of. Then the same command \
    again and again, with nothing new, until the repository holds so many snapshots. One time each.";

/// Files in the filestore, and snapshots in the repository, at which is measured.
pub(super) struct Points {
    pub(super) files: &'static [u32],
    pub(super) snapshots: &'static [usize],
}

pub(super) const SOME: Points = Points {
    files: &[1_000, 10_000],
    snapshots: &[10, 30],
};
pub(super) const FULL: Points = Points {
    files: &[10_000, 100_000],
    snapshots: &[10, 100, 300],
};

/// One measured point: what, how many, how long.
pub(super) struct Point {
    pub(super) what: &'static str,
    pub(super) count: u64,
    pub(super) took: Duration,
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

/// Grows the filestore, then the number of snapshots.
pub(super) fn points(demo: &Demo, points: &Points) -> Result<Vec<Point>> {
    data::fill(
        demo,
        Amount {
            rows: 10_000,
            files: 0,
        },
    )?;
    let mut all = Vec::new();
    let mut there = 0;
    for &files in points.files {
        grow(&filestore(demo), there, files)?;
        let more = u64::from(files - there);
        there = files;
        let took = demo.timed(&["backup", "create"])?;
        all.push(Point {
            what: "`backup create`, so many new files",
            count: more,
            took,
        });
        let took = demo.timed(&["backup", "create"])?;
        all.push(Point {
            what: "`backup create`, so many unchanged files",
            count: files.into(),
            took,
        });
    }
    let mut made = points.files.len() * 2;
    for &snapshots in points.snapshots {
        while made + 1 < snapshots {
            demo.read(&["backup", "create"])?;
            made += 1;
        }
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
            all.push(Point { what, count, took });
        }
        made += 1;
        eprintln!(
            "bench: {snapshots} snapshots, the last in {}",
            shown(all[all.len() - 3].took)
        );
    }
    Ok(all)
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
