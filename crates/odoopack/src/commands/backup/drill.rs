//! `backup drill`: a snapshot is only a backup when it was brought back.
use std::time::Instant;

use odoopack_core::restore::plan_drill;
use sha1::{Digest, Sha1};

use crate::apply::restore::source::Source;
use crate::apply::restore::{Found, Planned, Restore, take_up};
use crate::backup::proof;
use crate::backup::record::{self, Event, Line};
use crate::backup::stored::Opened;
use crate::commands::stored::Which;
use crate::commands::{bringing, environment, stored};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};
use crate::store::lock;
use crate::store::operation::{half_restored, is_half_restored};

/// Prove that a snapshot can be brought back, and measure how long that takes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing that serves is touched, and nothing is left behind. `boot` restores into a database and a directory of its own, compares every row count, index and attachment with what the snapshot says, has `pg_amcheck` look at every page where it is installed, starts Odoo there without any network or scheduled job, signs in and looks at the web client. `backup status` shows the result as the age of the last proof.\n\nExamples:\n  odoopack backup drill\n  odoopack backup drill 1a2b3c4d --level restore"
)]
pub(crate) struct Args {
    /// Beginning of a snapshot's name, or `latest`
    #[arg(default_value = "latest")]
    snapshot: String,
    #[command(flatten)]
    which: Which,
    /// How far; `boot` when nothing is said, `restore` on a database server that somebody else runs
    #[arg(long, value_enum)]
    level: Option<Level>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    /// Every file and attachment that it should hold is in it
    Index,
    /// And every byte can be read, decrypted and is what its name says
    Read,
    /// And a database and a filestore come of it that are as they were
    Restore,
    /// And Odoo starts on them
    Boot,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let level = how_far(cx, &pack, args.level)?;
    let opened = stored::open(&pack, &args.snapshot, &args.which)?;
    let (id, name) = (opened.id().to_owned(), opened.manifest().environment.clone());
    cx.ui.say(&format!(
        "snapshot {id} of {name}, taken {}",
        opened.manifest().taken
    ));
    let begun = Instant::now();
    let lines = record::all(&pack.layout)?;
    let proof = prove(cx, &pack, opened, level).and_then(|found| {
        if level >= Level::Restore {
            no_more_missing(found.missing as u64, record::missing_when_proven(&lines, &name))?;
        }
        Ok(found)
    });
    let seconds = begun.elapsed().as_secs_f64();
    let restored = level >= Level::Restore;
    let event = match (&proof, restored) {
        (Ok(_), true) => Event::Proven,
        (Ok(_), false) => Event::Read,
        (Err(_), _) => Event::Unproven,
    };
    let why = proof.as_ref().err().map(Failure::chain);
    let missing = proof.as_ref().ok().map(|found| found.missing);
    let refused = proof.as_ref().is_err_and(|failure| {
        failure.kind == crate::failure::Kind::Refused || failure.kind == crate::failure::Kind::Locked
    });
    if !refused && level >= Level::Read {
        let line = Line {
            at: jiff::Timestamp::now(),
            event,
            environment: name.clone(),
            snapshot: id.clone(),
            seconds,
            detail: serde_json::json!({ "level": level, "why": why, "missing": missing }),
        };
        record::add(&pack.layout, &line)?;
        if event == Event::Proven
            && let Err(failure) = proof::keep(&pack, &line, args.which.is_offsite())
        {
            cx.ui.warn(&format!(
                "it is proven, and only this machine knows of it: {}",
                failure.chain().join(": ")
            ));
        }
    }
    let found = proof?;
    found.warnings.iter().for_each(|warning| cx.ui.warn(warning));
    cx.ui.json(&serde_json::json!({ "snapshot": id, "environment": name, "level": level, "seconds": seconds, "found": found }));
    cx.ui.result(&sentence(&id, level, seconds, &found));
    Ok(())
}

/// An Odoo without any network could not reach a database that is elsewhere.
fn how_far(cx: &Context, pack: &Pack, asked: Option<Level>) -> Result<Level> {
    match (asked, pack.layout.server()) {
        (Some(Level::Boot), Some(server)) => Err(Failure::refused("no Odoo is started on a copy here")
            .because(format!(
                "it would be without any network, and its database is on {server}"
            ))
            .hint("`odoopack backup drill --level restore` compares everything else")),
        (None, Some(server)) => {
            cx.ui.say(&format!(
                "no Odoo is started on the copy: it would be without any network, and its database is on {server}"
            ));
            Ok(Level::Restore)
        }
        (Some(level), _) => Ok(level),
        (None, None) => Ok(Level::Boot),
    }
}

/// A snapshot that brings back less than the last one that was proven is no proof.
fn no_more_missing(missing: u64, before: Option<u64>) -> Result<()> {
    match before {
        Some(before) if missing > before => Err(Failure::failed(format!(
            "{missing} attachments are missing in it, and {before} were in the snapshot that was proven last"
        ))
        .hint("look for the files in the filestore; `odoopack backup list` shows older snapshots, which may have them")),
        _ => Ok(()),
    }
}

fn sentence(id: &str, level: Level, seconds: f64, found: &Found) -> String {
    let files = found.files.unwrap_or_default();
    match level {
        Level::Index => format!("snapshot {id} holds all that it should: {files} attachments"),
        Level::Read => {
            format!("snapshot {id} can be read: {files} attachments and the dump, in {seconds:.1} s")
        }
        Level::Restore => format!(
            "snapshot {id} is proven: {} tables with {} rows and {files} attachments came back, in {seconds:.1} s",
            found.tables, found.rows
        ),
        Level::Boot => format!(
            "snapshot {id} is proven: {} tables with {} rows and {files} attachments came back and Odoo serves them, in {seconds:.1} s",
            found.tables, found.rows
        ),
    }
}

fn prove(cx: &Context, pack: &Pack, opened: Opened, level: Level) -> Result<Found> {
    match level {
        Level::Index => index(&opened),
        Level::Read => read(cx, &opened),
        Level::Restore | Level::Boot => restore(cx, pack, opened, level == Level::Boot),
    }
}

/// What the snapshot lists against what its database names.
fn index(opened: &Opened) -> Result<Found> {
    let files: std::collections::BTreeMap<String, u64> = opened.files()?.into_iter().collect();
    let manifest = opened.manifest();
    let known: std::collections::BTreeSet<&str> =
        manifest.attachments.missing.iter().map(String::as_str).collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (place, size, _) in opened.attachments()? {
        match files.get(&format!("filestore/{place}")) {
            Some(stored) if i64::try_from(*stored) == Ok(size) => count += 1,
            Some(stored) => wrong.push(format!("{place} has {stored} bytes instead of {size}")),
            None if known.contains(place.as_str()) => {}
            None => wrong.push(format!("{place} is missing")),
        }
    }
    let dump: u64 = files
        .iter()
        .filter(|(path, _)| path.starts_with("database/dump/"))
        .map(|(_, size)| size)
        .sum();
    if dump != manifest.database.dump.size {
        wrong.push(format!(
            "the dump has {dump} bytes instead of {}",
            manifest.database.dump.size
        ));
    }
    if wrong.is_empty() {
        return Ok(Found {
            files: Some(count),
            ..Found::default()
        });
    }
    let shown: Vec<&str> = wrong.iter().take(3).map(String::as_str).collect();
    Err(Failure::failed(format!(
        "the snapshot does not hold all that it should: {} differences",
        wrong.len()
    ))
    .because(shown.join("; ")))
}

/// Every byte, and every attachment against its name.
fn read(cx: &Context, opened: &Opened) -> Result<Found> {
    let found = index(opened)?;
    let progress = cx.ui.step("read every byte of it");
    let all = opened.files()?.len();
    let (mut damaged, mut at) = (Vec::new(), 0);
    let begin = |_: &str| {
        at += 1;
        progress.detail(&format!("{at} of {all} files"));
        Sha1::new()
    };
    opened.each_file(begin, |path, hash| {
        let name = path
            .strip_prefix("filestore/")
            .and_then(|place| place.split('/').nth(1));
        if name.is_some_and(|name| name.len() == 40 && name != format!("{:x}", hash.finalize())) {
            damaged.push(path.to_owned());
        }
    })?;
    progress.done();
    if damaged.is_empty() {
        return Ok(found);
    }
    // They were so when they were stored: the snapshot is whole, the attachment was not.
    let warning = format!(
        "{} attachments were already damaged when they were backed up: {}",
        damaged.len(),
        damaged[0]
    );
    Ok(Found {
        damaged,
        warnings: vec![warning],
        ..found
    })
}

fn restore(cx: &Context, pack: &Pack, opened: Opened, boot: bool) -> Result<Found> {
    let (name, settings) = environment(pack, &opened.manifest().environment)?;
    let series = pack.loaded.spec.odoo.series.as_str();
    if opened.manifest().code.series != series {
        return Err(Failure::refused(format!(
            "the snapshot is of Odoo {}, this pack runs {series}",
            opened.manifest().code.series
        ))
        .hint("`--level read` proves as much of it as can be proven here"));
    }
    let from = format!("snapshot {}", opened.id());
    let source = Source::Snapshot(stored::boxed(opened));
    // The pack's: nobody replaces the release under it, or takes its journal for one that was cut off.
    let _lock = lock::take(&pack.layout.state(), "odoopack backup drill")?;
    let view = bringing::look(pack, name)?;
    bringing::not_newer(pack, &view, name, &source)?;
    bringing::given::fits(pack, &view, &source)?;
    // Somebody may work in what it has put in place: what becomes of that is no drill's to decide.
    if let Some(name) = half_restored(&pack.layout.state())?.first() {
        return Err(is_half_restored(name));
    }
    let apply = crate::commands::up::applier(cx, pack, &view);
    // What a killed one left takes room too.
    take_up(&apply, None)?
        .iter()
        .for_each(|sentence| cx.ui.say(sentence));
    bringing::room(&cx.ui, pack, name, (&source, None))?;
    let id = format!("{:08x}", jiff::Timestamp::now().as_second());
    let role = pack.layout.role(name);
    let place = pack.layout.environment(name);
    let planned = Planned {
        environment: name.clone(),
        served: false,
        source: from,
        steps: plan_drill(&id, &role, &place, &settings.database, boot),
        id,
    };
    Restore::drill(&apply, &planned, &source)
}
