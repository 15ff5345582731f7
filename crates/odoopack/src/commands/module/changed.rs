//! `module changed`: which modules changed since the database loaded them, why, and what each change asks for.
use odoopack_core::changed::{Change, Changes, Loaded, Reaction, Record};

use super::ground::Ground;
use crate::apply;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::store::lock;
use crate::ui::Ui;

/// Show which installed modules changed since the database loaded them, and why
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Compares hashes of the modules' files with those that were stored at the last install or update (the checksums of click-odoo-update, readable by both), versions, Odoo's build and languages.\n\n\
    update  the database must load it again; a change of Python counts (a new field needs its column)\n\
    assets  only bundles must be made again\n\
    nothing tests, or what only counts differently\n\n\
    Exit code 8 when an installed module has no code any more.\n\nExamples:\n  odoopack module changed production\n  odoopack module changed staging --json\n  odoopack module changed production --record"
)]
pub(crate) struct Args {
    /// The environment
    environment: String,
    /// Take the code of today for what the database has loaded; updates nothing
    #[arg(long)]
    record: bool,
    /// With `--record`: show how much would be stored, and store nothing
    #[arg(long, requires = "record")]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let mut ground = Ground::look(&pack, &args.environment)?;
    if args.record {
        return record(cx, &pack, &mut ground, args.dry_run);
    }
    let changes = ground.code.changes()?;
    cx.ui
        .json(&serde_json::json!({ "environment": args.environment, "changes": changes }));
    show(&cx.ui, &changes);
    gone(&changes, &args.environment)
}

fn record(cx: &Context, pack: &crate::context::Pack, ground: &mut Ground, dry_run: bool) -> Result<()> {
    let count = ground.code.stored.installed.len();
    if dry_run {
        cx.ui.json(&serde_json::json!({ "modules": count }));
        cx.ui
            .result(&format!("would remember the code of {count} modules"));
        return Ok(());
    }
    let _lock = lock::take_environment(
        &pack.layout.state(),
        &ground.environment,
        "odoopack module changed --record",
    )?;
    apply::exclude_click_odoo(&mut ground.client, &ground.database)?;
    let contents = ground.code.contents(ground.code.stored.names())?;
    let stored = &ground.code.stored;
    let names = stored.names();
    let run = Loaded {
        modules: &contents,
        build: &ground.code.build,
        languages: &stored.languages,
        whole: true,
    };
    let record = Record::default().after(&run, &|module| names.contains(module));
    apply::remember(&mut ground.client, &record)?;
    cx.ui.json(&serde_json::json!({ "modules": contents.len() }));
    cx.ui
        .result(&format!("remembered the code of {} modules", contents.len()));
    Ok(())
}

fn show(ui: &Ui, changes: &Changes) {
    for (reaction, title) in [
        (Reaction::Update, "update"),
        (Reaction::Assets, "make bundles again"),
        (Reaction::Nothing, "nothing to do for"),
    ] {
        let all: Vec<&Change> = changes
            .modules
            .iter()
            .filter(|change| change.reaction == reaction)
            .collect();
        if all.is_empty() {
            continue;
        }
        ui.result(&format!("{title} ({})", all.len()));
        let width = all.iter().map(|change| change.module.len()).max().unwrap_or(0);
        for change in all {
            let reasons: Vec<String> = change.reasons.iter().map(ToString::to_string).collect();
            ui.result(&format!("  {:width$}  {}", change.module, reasons.join("; ")));
        }
    }
    if !changes.dependents.is_empty() {
        ui.result(&format!(
            "updated as well, because they need one of these ({})",
            changes.dependents.len()
        ));
        ui.result(&format!("  {}", changes.dependents.join(", ")));
    }
    changes
        .notes
        .iter()
        .for_each(|note| ui.result(&format!("note: {note}")));
    if changes.modules.is_empty() && changes.gone.is_empty() {
        ui.result("nothing changed");
    }
}

/// An installed module without code is told apart: an update would leave it out without a word.
fn gone(changes: &Changes, environment: &str) -> Result<()> {
    if changes.gone.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = changes.gone.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = changes.gone.iter().map(|gone| gone.module.as_str()).collect();
    Err(Failure::new(Kind::Drift, "code of installed modules is missing")
        .because(said.join("\n"))
        .hint(format!(
            "put it back, or take it out of the database: `odoopack module uninstall {environment} {}`",
            names.join(" ")
        )))
}
