//! `env`: what is special about one environment: whether a copy is harmless, whether production is held.
use odoopack_core::render::sql::hand_over;
use odoopack_core::spec::Kind;

use crate::apply::restore::harmless;
use crate::commands::{bringing, environment};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::observe::databases::{connect_as_role, words};
use crate::store::lock;

/// Check that a copy is harmless, let a restored production go on, or give a database to its role
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    Check(Check),
    Resume(Resume),
    Give(Give),
}

/// Check by SQL that a copy of production can do no harm
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Looks for scheduled jobs that would run, mail servers, mailboxes, API keys, queued jobs, webhooks, payment providers and the like. Exit code 8 when one is found.\n\nExamples:\n  odoopack env check staging\n  odoopack env check staging --json"
)]
pub(crate) struct Check {
    /// Environment that is not production
    name: String,
}

/// Let scheduled jobs and outgoing mail of a restored production go
#[derive(Debug, clap::Args)]
#[command(
    after_help = "After a restore production is held: what is due would otherwise run at once, and mails of yesterday would be sent again. Exactly what was active before goes on.\n\nExamples:\n  odoopack env resume production --dry-run\n  odoopack env resume production"
)]
pub(crate) struct Resume {
    /// Environment
    name: String,
    /// Show what waits, and let nothing go
    #[arg(long)]
    dry_run: bool,
}

/// Print the SQL that gives the database of an environment to the environment's role
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For a server that somebody else runs, and a database there that belongs to another role. What it prints gives the database that it is run in away, object by object, and no other one of that role, as `REASSIGN OWNED` would. It takes no superuser, but a role that has CREATEDB and may become both.\n\nExamples:\n  odoopack env give production > give.sql\n  odoopack env give production | odoopack psql production --admin"
)]
pub(crate) struct Give {
    /// Environment
    name: String,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    match args {
        Args::Check(args) => check(cx, args),
        Args::Resume(args) => resume(cx, args),
        Args::Give(args) => give(cx, args),
    }
}

fn give(cx: &Context, args: &Give) -> Result<()> {
    let pack = cx.load()?;
    let (name, _) = environment(&pack, &args.name)?;
    if !pack.loaded.spec.postgres.is_given() {
        let why = "on the pack's own server each database belongs to its role";
        return Err(Failure::refused(why).hint("`odoopack up`"));
    }
    if pack.layout.server().is_none() {
        return Err(
            Failure::refused("the secret of [postgres] url has no value").hint("`odoopack up` names it")
        );
    }
    let text = hand_over(&pack.layout.role(name)) + ";";
    cx.ui
        .json(&serde_json::json!({ "environment": name, "sql": text }));
    cx.ui.document(&text);
    Ok(())
}

fn check(cx: &Context, args: &Check) -> Result<()> {
    let pack = cx.load()?;
    let (name, settings) = environment(&pack, &args.name)?;
    if settings.kind == Kind::Production {
        return Err(Failure::refused(format!(
            "{name} is a production environment: it is meant to send mail and run jobs"
        ))
        .hint("name an environment that is a copy"));
    }
    let mut client = inside(&pack, name, &settings.database)?;
    let broken = harmless::check(&mut client)?;
    cx.ui
        .json(&serde_json::json!({ "environment": name, "broken": broken }));
    if broken.is_empty() {
        cx.ui.result(&format!("{name} is harmless"));
        return Ok(());
    }
    Err(harmless::not_kept(&broken, name.as_str()).hint(format!(
        "a copy that was restored anew is harmless: `odoopack restore SNAPSHOT --to {name}`"
    )))
}

fn resume(cx: &Context, args: &Resume) -> Result<()> {
    let pack = cx.load()?;
    let (name, settings) = environment(&pack, &args.name)?;
    let mut client = inside(&pack, name, &settings.database)?;
    if !harmless::is_held(&mut client)? {
        cx.ui
            .json(&serde_json::json!({ "environment": name, "held": false }));
        cx.ui.result(&format!("nothing of {name} is held"));
        return Ok(());
    }
    let neutralized = settings.kind == Kind::Production && harmless::is_neutralized(&mut client)?;
    if neutralized {
        cx.ui.warn(&format!(
            "{name} is a neutralized database: {}; this lets go only what the restore held",
            harmless::NEUTRALIZED
        ));
    }
    let waiting = harmless::waiting(&mut client)?;
    waiting
        .iter()
        .for_each(|what| cx.ui.say(&format!("  waits: {what}")));
    if args.dry_run {
        cx.ui
            .json(&serde_json::json!({ "environment": name, "held": true, "waiting": waiting }));
        return Ok(());
    }
    let yes = cx
        .ui
        .confirm("let them go?")
        .map_err(|e| Failure::failed("could not ask").because(e))?;
    if !yes {
        return Err(Failure::refused("nothing was let go").hint("`--yes` answers the question"));
    }
    let _environment = lock::take_environment(&pack.layout.state(), name, "env resume")?;
    let went = harmless::resume(&mut client)?;
    cx.ui
        .json(&serde_json::json!({ "environment": name, "held": false, "went": went }));
    cx.ui.result(&format!("{name} goes on"));
    Ok(())
}

/// The environment's database as its own role.
fn inside(
    pack: &crate::context::Pack,
    name: &odoopack_core::name::Name,
    database: &str,
) -> Result<postgres::Client> {
    bringing::look(pack, name)?;
    connect_as_role(&pack.loaded.spec, &pack.layout, name, database)?
        .map_err(|e| Failure::failed(format!("could not enter `{database}`")).because(words(&e)))
}
