//! What the snapshots that are kept of a year take up, for data that grows and for data that changes in place.
use std::fs;
use std::process::Command;

use anyhow::Result;

use super::backup::{forget_all, size_of};
use super::data::{self, Amount, DATABASE, must, sql};
use super::pack::Demo;

/// The days before each of the 23 snapshots: months, weeks, days.
const DAYS: [u32; 23] = [
    0, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 7, 7, 7, 7, 1, 1, 1, 1, 1, 1, 1,
];

/// What is kept of a year of each kind of change.
pub(super) struct Years {
    pub(super) about: String,
    pub(super) all: Vec<Kept>,
}

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

/// The statement of so many days of change: after which day, how many, and the last number of the rows at the beginning.
type Change = fn(u32, u32, u32) -> String;

const CHANGES: [(&str, Change); 2] = [
    ("1 % a day appended", appended),
    ("1 % a day updated in place", updated),
];

fn appended(day: u32, days: u32, rows: u32) -> String {
    let percent = rows / 100;
    data::more_rows(rows + day * percent, rows + (day + days) * percent)
}

/// Rows of every page, and others each day until all had their turn.
fn updated(day: u32, days: u32, _: u32) -> String {
    format!("UPDATE bench_lines SET amount = amount + 1 WHERE (id * 7919::bigint + {day}) % 100 < {days}")
}

/// A year of each kind of change, both of the same data and into an empty repository.
pub(super) fn of_each_change(demo: &Demo, amount: Amount) -> Result<Years> {
    data::fill(demo, amount)?;
    let rows: u32 = sql(demo, DATABASE, "SELECT max(id) FROM bench_lines")?
        .trim()
        .parse()?;
    let about = about(demo, amount)?;
    let all = CHANGES
        .into_iter()
        .map(|(change, statement)| {
            as_it_was(demo, rows)?;
            year(demo, change, |day, days| statement(day, days, rows))
        })
        .collect::<Result<_>>()?;
    Ok(Years { about, all })
}

/// What the page says about it.
fn about(demo: &Demo, amount: Amount) -> Result<String> {
    Ok(format!(
        "Twelve monthly, four weekly and seven daily snapshots of a database of {} MB and {} attachments at the beginning, the one of the backups above where both are \
         measured in one run, each made by `odoopack backup create` after the changes of the days before it. A day is 1 % of the rows that were there at the beginning: appended, \
         or updated in place, others each day. The last alone is what `restic copy` of that snapshot puts into an empty repository.",
        data::megabytes(demo)?,
        amount.files
    ))
}

/// Neither the rows of another year nor its snapshots.
fn as_it_was(demo: &Demo, rows: u32) -> Result<()> {
    sql(
        demo,
        DATABASE,
        &format!("DELETE FROM bench_lines WHERE id > {rows}"),
    )?;
    sql(demo, DATABASE, "VACUUM FULL ANALYZE bench_lines")?;
    for directory in ["bench-alone", "bench-cache"] {
        drop(fs::remove_dir_all(demo.root().join(directory)));
    }
    forget_all(demo)
}

fn year(demo: &Demo, change: &'static str, statement: impl Fn(u32, u32) -> String) -> Result<Kept> {
    let mut day = 0;
    for days in DAYS {
        if days > 0 {
            sql(demo, DATABASE, &statement(day, days))?;
            day += days;
        }
        demo.read(&["backup", "create"])?;
        eprintln!("bench: {change}, day {day}");
    }
    Ok(Kept {
        change,
        snapshots: DAYS.len(),
        all: size_of(&demo.root().join("backups"))?,
        last: alone(demo)?,
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
