//! What the snapshots that are kept of a year take up, for data that grows and for data that changes in place.
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::backup::size_of;
use super::data::{self, Amount, DATABASE, must, sql};
use super::pack::Demo;

/// What the page says about it.
pub(super) const ABOUT: &str = "Twelve monthly, four weekly and seven daily snapshots of a small database (100,000 rows, 500 attachments at the beginning), \
    each made by `odoopack backup create` after the changes of the days before it. A day is 1 % of the rows that were there at the beginning: appended, or updated in place, \
    others each day. The last alone is what `restic copy` of that snapshot puts into an empty repository.";

/// The days before each of the 23 snapshots: months, weeks, days.
const DAYS: [u32; 23] = [
    0, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 7, 7, 7, 7, 1, 1, 1, 1, 1, 1, 1,
];

const AMOUNT: Amount = Amount {
    rows: 100_000,
    files: 500,
};

/// Bytes of one kind of change.
pub(super) struct Kept {
    pub(super) change: &'static str,
    pub(super) snapshots: usize,
    /// Of the repository with all of them.
    pub(super) all: u64,
    /// Of a repository with the last one.
    pub(super) last: u64,
}

impl Kept {
    /// All of them beside the last one.
    pub(super) fn times(&self) -> f64 {
        let [all, last] =
            [self.all, self.last].map(|bytes| f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)));
        all / last
    }
}

/// A year of each kind of change.
pub(super) fn of_each_change(binary: &Path) -> Result<Vec<Kept>> {
    let appended: fn(u32, u32) -> String = |day, days| {
        let (from, to) = (
            AMOUNT.rows + day * percent(),
            AMOUNT.rows + (day + days) * percent(),
        );
        data::more_rows(from, to)
    };
    let updated: fn(u32, u32) -> String = |day, days| {
        format!(
            "UPDATE bench_lines SET amount = amount + 1 WHERE (id * 7919::bigint + {day} * 100) % {} < {}",
            AMOUNT.rows,
            days * percent()
        )
    };
    [
        ("1 % a day appended", appended),
        ("1 % a day updated in place", updated),
    ]
    .into_iter()
    .map(|(change, statement)| year(binary, change, statement))
    .collect()
}

fn percent() -> u32 {
    AMOUNT.rows / 100
}

fn year(binary: &Path, change: &'static str, statement: fn(u32, u32) -> String) -> Result<Kept> {
    let mut demo = Demo::new(binary, false)?;
    demo.start()?;
    data::fill(&demo, AMOUNT)?;
    let mut day = 0;
    for days in DAYS {
        if days > 0 {
            sql(&demo, DATABASE, &statement(day, days))?;
            day += days;
        }
        demo.read(&["backup", "create"])?;
    }
    let all = size_of(&demo.root().join("backups"))?;
    let last = alone(&demo)?;
    demo.remove()?;
    Ok(Kept {
        change,
        snapshots: DAYS.len(),
        all,
        last,
    })
}

/// The size of a repository that holds the last snapshot only.
fn alone(demo: &Demo) -> Result<u64> {
    let place = demo.root().join("bench-alone");
    let password = fs::read_to_string(demo.root().join("data/secrets/BACKUP_KEY"))?;
    let restic = |arguments: &[&str]| {
        let mut command = Command::new("restic");
        command
            .args(arguments)
            .env("RESTIC_REPOSITORY", &place)
            .env("RESTIC_PASSWORD", password.trim())
            .env("RESTIC_FROM_REPOSITORY", demo.root().join("backups"))
            .env("RESTIC_FROM_PASSWORD", password.trim())
            .env("RESTIC_CACHE_DIR", demo.root().join("bench-cache"));
        command
    };
    must(restic(&["init", "--quiet", "--copy-chunker-params"]))?;
    must(restic(&["copy", "--quiet", "latest"]))?;
    size_of(&place)
}

#[cfg(test)]
mod tests {
    use super::DAYS;

    #[test]
    fn the_days_make_a_year() {
        assert_eq!(DAYS.iter().sum::<u32>(), 365);
    }
}
