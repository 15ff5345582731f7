//! `restore`: a snapshot comes back, whole or in part; and what is left of earlier restores.
mod copy;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::backup::paths;
use odoopack_core::spec::Kind as EnvironmentKind;

use crate::apply::restore::source::Source;
use crate::backup::stored::Opened;
use crate::commands::bringing::{self, Options, Part, Place};
use crate::commands::stored::Which;
use crate::commands::{environment, stored};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::store::lock;
use crate::store::operation::{half_restored, is_half_restored};

/// Bring a snapshot back, put right a restore that was cut off, or remove what was replaced
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The snapshot is loaded under a hidden name and compared, row counts, indexes and attachments, and only then put in the place of what was there, which is kept. Into another environment it is a harmless copy. In production scheduled jobs and outgoing mail are held until `odoopack env resume`. A restore that was killed is finished by `--resume` when the new state is in place, and taken back else.\n\nExamples:\n  odoopack restore latest --to staging\n  odoopack restore latest --to staging --discard-replaced --yes\n  odoopack restore 1a2b3c4d --yes-replace production\n  odoopack restore 1a2b3c4d --as look --only database\n  odoopack restore --forget-copy look\n  odoopack backup cat latest database/dump | pg_restore -t res_partner -f -"
)]
pub(crate) struct Args {
    /// Beginning of a snapshot's name, or `latest`
    #[arg(required_unless_present_any = ["resume", "forget_replaced", "forget_copy"])]
    snapshot: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Put it in the place of this environment; without it, of the one that it was taken of
    #[arg(long, value_name = "ENV", conflicts_with_all = ["beside", "resume", "forget_replaced", "forget_copy"])]
    to: Option<String>,
    /// Put it beside, as a harmless copy under a name that no service uses
    #[arg(long = "as", value_name = "NAME", id = "beside", conflicts_with_all = ["resume", "forget_replaced", "forget_copy"])]
    beside: Option<String>,
    /// Bring only a part
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Only>,
    /// Then remove what it replaced, instead of keeping it; never of production
    #[arg(long, requires = "to")]
    discard_replaced: bool,
    #[command(flatten)]
    options: Options,
    /// Finish, or take back, restores that were cut off
    #[arg(long, conflicts_with_all = ["snapshot", "forget_replaced", "forget_copy"])]
    resume: bool,
    /// Remove the databases and attachments that restores of this environment have replaced
    #[arg(long, value_name = "ENV", conflicts_with_all = ["snapshot", "forget_copy"])]
    forget_replaced: Option<String>,
    /// Remove the copy that `--as NAME` has put beside: its database and its attachments
    #[arg(long, value_name = "NAME", conflicts_with = "snapshot")]
    forget_copy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// The database; attachments stay as they are
    Database,
    /// The attachments; the database stays as it is, and so do the attachments that the snapshot does not have
    Filestore,
    /// The pack's files and the rendered configuration, into a directory beside; nothing is replaced
    Config,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    if let Some(name) = &args.forget_replaced {
        return forget(cx, name, args.options.dry_run);
    }
    if let Some(name) = &args.forget_copy {
        return copy::forget(cx, name, args.options.dry_run);
    }
    match &args.snapshot {
        Some(name) if args.only == Some(Only::Config) => config(cx, args, name),
        Some(name) => bring(cx, args, name),
        None if args.options.dry_run => outlook(cx),
        None => resume(cx),
    }
}

fn bring(cx: &Context, args: &Args, name: &str) -> Result<()> {
    let pack = cx.load()?;
    let opened = stored::open(cx, &pack, name, &args.which)?;
    let own = opened.manifest().environment.clone();
    let place = match (&args.to, &args.beside) {
        (_, Some(beside)) => Place::beside(beside),
        (Some(to), None) => Place::to(to),
        (None, None) => {
            stored::is_ours(&pack, &opened)?;
            Place::to(&own)
        }
    };
    let only = match args.only {
        Some(Only::Database) => Some(Part::Database),
        Some(Only::Filestore) => Some(Part::Filestore),
        Some(Only::Config) | None => None,
    };
    let from = format!("snapshot {}", opened.id());
    let source = Source::Snapshot(stored::boxed(opened));
    cx.ui.say(&source.describe());
    let discard = args.to.as_deref().filter(|_| args.discard_replaced);
    if let Some(to) = discard {
        not_production(&pack, to)?;
        put_right(cx, &pack, args.options.dry_run)?;
    }
    let id = bringing::new_id();
    let options = args.options.with_id(&id);
    bringing::bring(cx, &pack, (&source, &from), &place, (only, &options))?;
    match discard.filter(|_| !args.options.dry_run) {
        Some(to) => discard_replaced(cx, &pack, to, &id),
        None => Ok(()),
    }
}

/// A copy that is made anew every night goes on by itself after the night in which the machine went down.
fn put_right(cx: &Context, pack: &Pack, dry_run: bool) -> Result<()> {
    if !dry_run {
        let done = bringing::resume(cx, pack)?;
        done.iter().for_each(|sentence| cx.ui.say(sentence));
    }
    Ok(())
}

/// What production held is removed by somebody who says so by itself.
fn not_production(pack: &Pack, name: &str) -> Result<()> {
    let (name, environment) = environment(pack, name)?;
    if environment.kind != EnvironmentKind::Production {
        return Ok(());
    }
    Err(
        Failure::refused(format!("{name} is production: what was in it is kept")).hint(format!(
            "without `--discard-replaced`; later `odoopack restore --forget-replaced {name}`"
        )),
    )
}

/// What earlier restores have kept stays.
fn discard_replaced(cx: &Context, pack: &Pack, name: &str, id: &str) -> Result<()> {
    let (name, environment) = environment(pack, name)?;
    let view = bringing::look(pack, name)?;
    let apply = super::up::applier(cx, pack, &view);
    let _environment = lock::take_environment(&pack.layout.state(), name, "restore --discard-replaced")?;
    let database = &environment.database;
    let replaced = crate::apply::restore::replaced::find(&apply, name, database)?.by(database, id);
    replaced.remove(&apply)?;
    cx.ui.say(&format!("removed {}", replaced.names().join(", ")));
    Ok(())
}

/// Files only ever go into a new directory.
fn config(cx: &Context, args: &Args, name: &str) -> Result<()> {
    let pack = cx.load()?;
    let opened = stored::open(cx, &pack, name, &args.which)?;
    let place = pack.layout.data().join("restored").join(opened.id());
    if place.exists() {
        return Err(Failure::refused(format!("`{place}` is there already")).hint("move it away"));
    }
    if args.options.dry_run {
        let parts = parts_in(&opened)?;
        cx.ui
            .json(&serde_json::json!({ "plan": { "directory": place, "parts": parts } }));
        cx.ui.say(&format!("  - put {} into {place}", parts.join(", ")));
        return Ok(());
    }
    let _lock = lock::take(&pack.layout.state(), "restore --only config")?;
    let made = files_of(&opened, &place);
    if made.is_err() {
        files::remove_tree(&place)?;
    }
    let parts = made?;
    cx.ui
        .json(&serde_json::json!({ "directory": place, "parts": parts }));
    cx.ui.result(&format!("{place}: {}", parts.join(", ")));
    Ok(())
}

/// What of it is in the snapshot.
fn parts_in(opened: &Opened) -> Result<Vec<&'static str>> {
    let files = opened.files()?;
    let within = |part: &&str| {
        files
            .iter()
            .any(|(path, _)| Utf8Path::new(path).starts_with(part))
    };
    Ok([paths::PACK, paths::CONFIG].into_iter().filter(within).collect())
}

fn files_of(opened: &Opened, place: &Utf8Path) -> Result<Vec<&'static str>> {
    let mut parts = Vec::new();
    if let Some(parent) = place.parent() {
        files::directory_all(parent)?;
    }
    files::directory(place, 0o700, None)?;
    for (part, to) in [(paths::PACK, "pack"), (paths::CONFIG, "config")] {
        let to: Utf8PathBuf = place.join(to);
        files::directory(&to, 0o700, None)?;
        if opened.directory(part, &to)? {
            parts.push(part);
        }
    }
    Ok(parts)
}

fn resume(cx: &Context) -> Result<()> {
    let pack = cx.load()?;
    let done = bringing::resume(cx, &pack)?;
    cx.ui.json(&serde_json::json!({ "resumed": done }));
    if done.is_empty() {
        cx.ui.result("no restore was cut off");
    }
    done.iter().for_each(|sentence| cx.ui.result(sentence));
    Ok(())
}

/// What `resume` would do.
fn outlook(cx: &Context) -> Result<()> {
    let pack = cx.load()?;
    let planned = bringing::outlook(&pack)?;
    cx.ui.json(&serde_json::json!({ "plan": planned }));
    if planned.is_empty() {
        cx.ui.result("no restore was cut off");
    }
    planned
        .iter()
        .for_each(|sentence| cx.ui.say(&format!("  - {sentence}")));
    Ok(())
}

fn forget(cx: &Context, name: &str, dry_run: bool) -> Result<()> {
    let pack = cx.load()?;
    let (name, environment) = environment(&pack, name)?;
    let view = bringing::look(&pack, name)?;
    let apply = super::up::applier(cx, &pack, &view);
    let replaced = crate::apply::restore::replaced::find(&apply, name, &environment.database)?;
    if replaced.is_empty() {
        cx.ui.json(&serde_json::json!({ "removed": [] }));
        cx.ui.result(&format!("nothing of {name} was replaced"));
        return Ok(());
    }
    replaced
        .names()
        .iter()
        .for_each(|what| cx.ui.say(&format!("  - remove {what}")));
    if dry_run {
        cx.ui
            .json(&serde_json::json!({ "plan": { "remove": replaced.names() } }));
        return Ok(());
    }
    for_good(cx)?;
    let state = pack.layout.state();
    let _environment = lock::take_environment(&state, name, "restore --forget-replaced")?;
    // It is the way back of a restore that was cut off.
    if half_restored(&state)?.contains(name) {
        return Err(is_half_restored(name));
    }
    replaced.remove(&apply)?;
    cx.ui.json(&serde_json::json!({ "removed": replaced.names() }));
    cx.ui.result(&format!("removed {}", replaced.names().join(", ")));
    Ok(())
}

fn for_good(cx: &Context) -> Result<()> {
    let yes = cx
        .ui
        .confirm("remove this for good?")
        .map_err(|e| Failure::failed("could not ask").because(e))?;
    if yes {
        return Ok(());
    }
    Err(Failure::new(Kind::Refused, "nothing was removed").hint("`--yes` answers the question"))
}
