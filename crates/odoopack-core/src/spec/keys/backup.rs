//! Keys of `[backup]`.
use super::Fallback::{Absent, Literal};
use super::Key;
use crate::spec::shape::Shape;

/// A number of snapshots that a rule of `keep` counts up to.
const COUNT: Shape = Shape::Integer {
    least: 0,
    most: 100_000,
};

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "backup.schedule",
        shape: Shape::When,
        fallback: Absent("no backup is made by itself"),
        example: "\"02:00\"",
        doc: "When a snapshot of every production environment is made, in the pack's time zone.",
        why: "A machine that only tries things needs none.",
    },
    keep(
        "backup.keep.last",
        "0",
        "7",
        "The newest snapshots, so many of each environment.",
    ),
    keep(
        "backup.keep.hourly",
        "0",
        "24",
        "The newest one of each hour that has one.",
    ),
    keep(
        "backup.keep.daily",
        "7",
        "7",
        "The newest one of each day that has one.",
    ),
    keep(
        "backup.keep.weekly",
        "4",
        "4",
        "The newest one of each week that has one.",
    ),
    keep(
        "backup.keep.monthly",
        "12",
        "12",
        "The newest one of each month that has one.",
    ),
    keep(
        "backup.keep.yearly",
        "0",
        "3",
        "The newest one of each year that has one.",
    ),
    within("backup.keep.within"),
    Key {
        path: "backup.age.made",
        shape: Shape::Duration,
        fallback: Literal("\"26h\""),
        example: "\"26h\"",
        doc: "How old the newest snapshot of a production environment may be; `backup status` exits with 8 after that.",
        why: "A day, and two hours for a backup that takes longer one night.",
    },
    Key {
        path: "backup.age.proven",
        shape: Shape::Duration,
        fallback: Literal("\"8d\""),
        example: "\"8d\"",
        doc: "How long ago a snapshot may have been restored and found to be right for the last time.",
        why: "A week, and a day for a proof that is repeated.",
    },
];

const fn keep(path: &'static str, fallback: &'static str, example: &'static str, doc: &'static str) -> Key {
    Key {
        path,
        shape: COUNT,
        fallback: Literal(fallback),
        example,
        doc,
        why: "A week of days, a month of weeks, a year of months, as restic counts; 0 turns a rule off.",
    }
}

const fn within(path: &'static str) -> Key {
    Key {
        path,
        shape: Shape::Within,
        fallback: Absent("no such rule"),
        example: "\"30d\"",
        doc: "Everything so long before the newest one, in years, months, days and hours (`1y6m2d3h`).",
        why: "The counts say more about a year of backups.",
    }
}
