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
    Key {
        path: "backup.drill",
        shape: Shape::When,
        fallback: Absent("no snapshot is proven by itself"),
        example: "\"Sun 04:00\"",
        doc: "When the newest snapshot of every production environment is brought back beside it, started, compared and removed again, in the pack's time zone.",
        why: "It needs as much room as the environment itself, and a machine that only tries things needs none.",
    },
    Key {
        path: "backup.gentle",
        shape: Shape::Bool,
        fallback: Literal("false"),
        example: "true",
        doc: "Whether backups take as long as they need to disturb nobody who works in Odoo.",
        why: "Most are made at night, and are over sooner.",
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
        path: "backup.age.offsite",
        shape: Shape::Duration,
        fallback: Literal("\"26h\""),
        example: "\"26h\"",
        doc: "How old the newest snapshot off site may be; counts only with `[backup.offsite]`.",
        why: "What is made in a night is elsewhere the same night.",
    },
    Key {
        path: "backup.age.proven",
        shape: Shape::Duration,
        fallback: Literal("\"8d\""),
        example: "\"8d\"",
        doc: "How long ago a snapshot may have been restored and found to be right for the last time.",
        why: "A week, and a day for a proof that is repeated.",
    },
    Key {
        path: "backup.offsite.s3",
        shape: Shape::Bucket,
        fallback: Absent("nothing is copied to a bucket"),
        example: "\"https://sgp1.digitaloceanspaces.com/odoo-backups\"",
        doc: "The bucket of the second repository: service, bucket, and perhaps a directory in it.",
        why: "Not every machine has a second place.",
    },
    Key {
        path: "backup.offsite.directory",
        shape: Shape::Absolute,
        fallback: Absent("nothing is copied to a directory"),
        example: "\"/mnt/backups\"",
        doc: "The directory of the second repository, in place of a bucket.",
        why: "A directory is elsewhere only when another machine's disk is mounted there.",
    },
    Key {
        path: "backup.offsite.style",
        shape: Shape::Word(&["path", "virtual"]),
        fallback: Literal("\"path\""),
        example: "\"virtual\"",
        doc: "How requests name the bucket: in their path (`https://SERVICE/BUCKET`), or in the host (`https://BUCKET.SERVICE`), for services that take nothing else; `s3` is written as `https://SERVICE/BUCKET` with both.",
        why: "Most services take both, and a name with dots has no certificate as a host.",
    },
    Key {
        path: "backup.offsite.region",
        shape: Shape::Repository,
        fallback: Literal("\"us-east-1\""),
        example: "\"eu-central-1\"",
        doc: "Region that requests to the bucket are signed for.",
        why: "Most services besides AWS accept it.",
    },
    Key {
        path: "backup.offsite.credentials",
        shape: Shape::Secret,
        fallback: Absent("needed with `s3`"),
        example: "\"secret:SPACES\"",
        doc: "Secret that holds `id:secret` of an access key for the bucket that reads and writes; it need not be able to delete.",
        why: "Only the bucket's owner knows it.",
    },
    Key {
        path: "backup.offsite.prune_credentials",
        shape: Shape::Secret,
        fallback: Absent("`credentials` may delete too"),
        example: "\"secret:SPACES_PRUNE\"",
        doc: "Secret that holds `id:secret` of an access key that deletes; kept elsewhere, so that who takes this machine cannot delete its backups (the bucket needs versioning or object lock too, against overwriting), and given by `ODOOPACK_SECRET_NAME` when it is used.",
        why: "Few services make a second key without work.",
    },
    Key {
        path: "backup.offsite.object_lock",
        shape: Shape::Bool,
        fallback: Literal("false"),
        example: "true",
        doc: "Whether the bucket has object lock with a default retention: such a bucket takes nothing without a checksum, which some services refuse otherwise (Cloudflare R2).",
        why: "Few buckets have it, and versioning protects as well.",
    },
    Key {
        path: "backup.offsite.bandwidth",
        shape: Shape::Bytes,
        fallback: Absent("as fast as it goes"),
        example: "\"10MiB\"",
        doc: "Most bytes that are sent and read in a second.",
        why: "Only who pays for the line knows.",
    },
    keep(
        "backup.offsite.keep.last",
        "0",
        "7",
        "The newest snapshots there, so many of each environment.",
    ),
    keep(
        "backup.offsite.keep.hourly",
        "0",
        "24",
        "The newest one of each hour that has one.",
    ),
    keep(
        "backup.offsite.keep.daily",
        "0",
        "7",
        "The newest one of each day that has one.",
    ),
    keep(
        "backup.offsite.keep.weekly",
        "4",
        "4",
        "The newest one of each week that has one.",
    ),
    keep(
        "backup.offsite.keep.monthly",
        "12",
        "12",
        "The newest one of each month that has one.",
    ),
    keep(
        "backup.offsite.keep.yearly",
        "0",
        "3",
        "The newest one of each year that has one.",
    ),
    within("backup.offsite.keep.within"),
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
