//! `backup drill`: a snapshot is only a backup when it was brought back.
use std::time::Instant;

use odoopack_core::filestore::is_attachment;
use odoopack_core::restore::plan_drill;
use sha1::{Digest, Sha1};

use crate::apply::restore::source::Source;
use crate::apply::restore::{Found, Neutralized, Planned, Restore, take_up};
use crate::backup::failure::READ_ALL;
use crate::backup::proof;
use crate::backup::record::{self, Event, Line};
use crate::backup::stored::Opened;
use crate::commands::stored::Which;
use crate::commands::{bringing, environment, stored};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::store::lock;
use crate::store::operation::{half_restored, is_half_restored};

/// Prove that a snapshot can be brought back, and measure how long that takes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing that serves is touched, and nothing is left behind. `boot` restores into a database and a directory of its own, compares every row count, index and attachment with what the snapshot says, has `pg_amcheck` look at every page where it is installed, starts Odoo there without any network or scheduled job, signs in and looks at the web client. `backup status` shows the result as the age of the last proof, and exits with 8 when the last drill failed.\n\nExamples:\n  odoopack backup drill\n  odoopack backup drill 1a2b3c4d --level restore"
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
    let begun = Instant::now();
    let lines = record::all(&pack.layout)?;
    let opened = stored::open(cx, &pack, &args.snapshot, &args.which);
    let opened = opened.or_else(|failure| unopened(cx, &pack, (&lines, args), level, failure))?;
    of_this_pack(&pack, &opened)?;
    let (id, name) = (opened.id().to_owned(), opened.manifest().environment.clone());
    cx.ui.say(&format!(
        "snapshot {id} of {name}, taken {}",
        opened.manifest().taken
    ));
    let proof = prove(cx, &pack, opened, level);
    let damaged = proof.as_ref().ok().map(|found| found.damaged.len());
    let proof = proof.and_then(|found| {
        as_good_as_before(&found, &lines, &name, level).map_err(NoProof::Failed)?;
        Ok(found)
    });
    let seconds = begun.elapsed().as_secs_f64();
    let line = |event, detail| Line {
        at: jiff::Timestamp::now(),
        event,
        environment: name.clone(),
        snapshot: id.clone(),
        seconds,
        detail,
    };
    let found = match proof {
        Ok(found) => found,
        Err(NoProof::NotTried(failure)) => return Err(failure),
        Err(NoProof::Failed(failure)) => {
            // Whoever has just read all of it is not told to read all of it.
            let failure = if level == Level::Read {
                failure.without_hint(READ_ALL)
            } else {
                failure
            };
            if failure.kind != Kind::Locked {
                let line = line(Event::Unproven, why(level, damaged, &failure));
                note(cx, &pack, &line, args)?;
            }
            return Err(failure);
        }
    };
    let restored = level >= Level::Restore;
    if level >= Level::Read {
        let event = if restored { Event::Proven } else { Event::Read };
        let missing = restored.then_some(found.missing);
        let detail =
            serde_json::json!({ "level": level, "missing": missing, "damaged": found.damaged.len() });
        note(cx, &pack, &line(event, detail), args)?;
    }
    found.warnings.iter().for_each(|warning| cx.ui.warn(warning));
    cx.ui.json(&serde_json::json!({ "snapshot": id, "environment": name, "level": level, "seconds": seconds, "found": found }));
    cx.ui.result(&sentence(&id, level, seconds, &found));
    Ok(())
}

/// In a repository of several packs environments are called alike: a proof of another one's would count as one of ours.
fn of_this_pack(pack: &Pack, opened: &Opened) -> Result<()> {
    let (theirs, ours) = (&opened.manifest().pack, pack.layout.pack());
    if theirs == ours.as_str() {
        return Ok(());
    }
    let id = opened.id();
    Err(
        Failure::refused(format!("the snapshot {id} is of another pack, {theirs}")).hint(format!(
            "`odoopack --root DIR backup drill {id}`, with the directory of that pack"
        )),
    )
}

/// Notes it in the record, and a proof or its end beside the snapshot too.
fn note(cx: &Context, pack: &Pack, line: &Line, args: &Args) -> Result<()> {
    record::add(&pack.layout, line)?;
    let what = if line.event == Event::Proven {
        "it is proven"
    } else if line.event == Event::Unproven {
        "it is proven no more"
    } else {
        return Ok(());
    };
    if let Err(failure) = proof::keep(pack, line, args.which.is_offsite()) {
        cx.ui.warn(&format!(
            "{what}, and only this machine knows of it: {}",
            failure.chain().join(": ")
        ));
    }
    Ok(())
}

/// Why there is no proof.
enum NoProof {
    /// Nothing of the snapshot was looked at: that says nothing of it.
    NotTried(Failure),
    /// It was looked at.
    Failed(Failure),
}

impl From<Failure> for NoProof {
    /// Of what goes before: what is refused there is refused whatever the snapshot holds.
    fn from(failure: Failure) -> Self {
        match failure.kind {
            Kind::Refused | Kind::Locked | Kind::Usage | Kind::Spec => Self::NotTried(failure),
            Kind::Failed | Kind::RolledBack | Kind::NeedsHuman | Kind::Drift => Self::Failed(failure),
        }
    }
}

fn why(level: Level, damaged: Option<usize>, failure: &Failure) -> serde_json::Value {
    serde_json::json!({ "level": level, "why": failure.chain(), "damaged": damaged })
}

/// A snapshot that was made here and cannot even be opened is as unproven as one that does not come back.
fn unopened(
    cx: &Context,
    pack: &Pack,
    (lines, args): (&[Line], &Args),
    level: Level,
    failure: Failure,
) -> Result<Opened> {
    let latest = args.snapshot == "latest";
    let of = if latest {
        Some(super::environment(pack, args.which.of())?)
    } else {
        args.which.of().cloned()
    };
    let known = record::known(lines);
    let meant = |line: &&Line| {
        line.event == Event::Made
            && known.contains(&line.snapshot)
            && of.as_ref().is_none_or(|of| line.environment == of.as_str())
            && (latest || line.snapshot.starts_with(&args.snapshot))
    };
    // A name that nothing here has ever had is a slip of who typed it.
    let made = lines.iter().rfind(meant);
    if let Some(made) = made.filter(|_| failure.kind != Kind::Locked) {
        let line = Line {
            at: jiff::Timestamp::now(),
            event: Event::Unproven,
            environment: made.environment.clone(),
            snapshot: made.snapshot.clone(),
            seconds: 0.0,
            detail: why(level, None, &failure),
        };
        note(cx, pack, &line, args)?;
    }
    Err(failure)
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

/// A snapshot that brings back less than the last one that was proven is no proof: that one has what this one lacks.
fn as_good_as_before(found: &Found, lines: &[Line], environment: &str, level: Level) -> Result<()> {
    let count = |what| record::when_proven(lines, environment, what);
    if level >= Level::Restore {
        no_more(found.missing, count("missing"), "are missing in it")?;
    }
    no_more(found.damaged.len(), count("damaged"), "are damaged in it")
}

fn no_more(now: usize, before: Option<u64>, what: &str) -> Result<()> {
    match before {
        Some(before) if now as u64 > before => Err(Failure::failed(format!(
            "{now} attachments {what}, and {before} were in the snapshot that was proven last"
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

fn prove(cx: &Context, pack: &Pack, opened: Opened, level: Level) -> std::result::Result<Found, NoProof> {
    match level {
        Level::Index => index(&opened).map_err(NoProof::Failed),
        Level::Read => read(cx, &opened).map_err(NoProof::Failed),
        Level::Restore | Level::Boot => restore(cx, pack, opened, level == Level::Boot),
    }
}

/// What the snapshot lists against what its database names.
fn index(opened: &Opened) -> Result<Found> {
    let files: std::collections::BTreeMap<String, u64> = opened.files()?.into_iter().collect();
    let manifest = opened.manifest();
    let known: std::collections::BTreeSet<&str> =
        manifest.attachments.missing.iter().map(String::as_str).collect();
    let (mut wrong, mut unlike) = (Vec::new(), Vec::new());
    let mut count = 0;
    for (place, size, _) in opened.attachments()? {
        match files.get(&format!("filestore/{place}")) {
            Some(stored) => {
                count += 1;
                // What was written by hand or by an old series may have no size, or that of another content.
                if size != 0 && i64::try_from(*stored) != Ok(size) {
                    unlike.push(format!("{place} has {stored} bytes instead of {size}"));
                }
            }
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
            warnings: other_sizes(&unlike, opened.id()),
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

/// Damaged attachments that are named in a sentence.
const SHOWN: usize = 8;

/// The file is what was there, and only its bytes can say whether it is what its name says.
fn other_sizes(unlike: &[String], id: &str) -> Vec<String> {
    let told = |first: &String| {
        format!(
            "attachments of another size than the database says: {}, the first {first}; `odoopack backup drill {id} --level read` compares them with their names",
            unlike.len()
        )
    };
    unlike.first().map(told).into_iter().collect()
}

/// Every byte, and every attachment against its name.
fn read(cx: &Context, opened: &Opened) -> Result<Found> {
    // Of their sizes it needs no word more.
    let found = Found {
        warnings: Vec::new(),
        ..index(opened)?
    };
    let progress = cx.ui.step("read every byte of it");
    let all = opened.files()?.len();
    let (mut damaged, mut at) = (Vec::new(), 0);
    let begin = |_: &str| {
        at += 1;
        progress.detail(&format!("{at} of {all} files"));
        Sha1::new()
    };
    opened.each_file(begin, |path, hash| {
        let place = path.strip_prefix("filestore/");
        let place = place.filter(|place| is_attachment(place));
        if place.is_some_and(|place| !place.ends_with(&format!("/{:x}", hash.finalize()))) {
            damaged.push(path.to_owned());
        }
    })?;
    progress.done();
    if damaged.is_empty() {
        return Ok(found);
    }
    // They were so when they were stored: the snapshot is whole, the attachment was not.
    let more = if damaged.len() > SHOWN {
        format!(" and {} more, which `--json` names", damaged.len() - SHOWN)
    } else {
        String::new()
    };
    let warning = format!(
        "{} attachments were already damaged when they were backed up: {}{more}",
        damaged.len(),
        damaged[..damaged.len().min(SHOWN)].join(", ")
    );
    Ok(Found {
        damaged,
        warnings: vec![warning],
        ..found
    })
}

fn restore(cx: &Context, pack: &Pack, opened: Opened, boot: bool) -> std::result::Result<Found, NoProof> {
    let (name, settings) = environment(pack, &opened.manifest().environment)?;
    right_series(pack, &opened)?;
    let from = format!("snapshot {}", opened.id());
    let source = Source::Snapshot(stored::boxed(opened));
    // The pack's: nobody replaces the release under it, or takes its journal for one that was cut off.
    let _lock = lock::take(&pack.layout.state(), "odoopack backup drill")?;
    let view = bringing::look(pack, name)?;
    bringing::not_newer(pack, &view, name, &source)?;
    bringing::given::fits(pack, &view, &source)?;
    // Somebody may work in what it has put in place: what becomes of that is no drill's to decide.
    if let Some(name) = half_restored(&pack.layout.state())?.first() {
        return Err(is_half_restored(name).into());
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
        server: pack.loaded.spec.server_of(name),
        served: false,
        neutralized: Neutralized::Refused,
        source: from,
        steps: plan_drill(&id, &role, &place, &settings.database, boot),
        id,
    };
    Restore::drill(&apply, &planned, &source).map_err(NoProof::Failed)
}

fn right_series(pack: &Pack, opened: &Opened) -> Result<()> {
    let (theirs, ours) = (
        &opened.manifest().code.series,
        pack.loaded.spec.odoo.series.as_str(),
    );
    if theirs == ours {
        return Ok(());
    }
    Err(
        Failure::refused(format!("the snapshot is of Odoo {theirs}, this pack runs {ours}"))
            .hint("`--level read` proves as much of it as can be proven here"),
    )
}
