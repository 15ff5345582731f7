//! `module install`, `update` and `uninstall`: one act of Odoo between a stop and a start of the environment's services.
use odoopack_core::changed::Ground as Plan;
use odoopack_core::changed::{Act, Work, install, uninstall, update, update_changed};
use odoopack_core::name::Name;
use odoopack_core::plan::{Refusal, Step};
use odoopack_core::restore::room_for_copy;
use odoopack_core::spec::Edition;
use odoopack_core::units::Bytes;

use super::doing::Doing;
use super::ground::Ground;
use super::running::Running;
use crate::apply::{self, database_size, restore_point};
use crate::commands;
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::observe::{self, given};
use crate::store::journal::Journal;
use crate::store::{lock, marks};
use crate::ui::Ui;

/// Install modules into an environment's database
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stops the environment's services, so that nobody works while tables change, copies the database, runs Odoo once, judges its log and not only its exit code, and starts the services again. When something fails, the database comes back from its copy and the exit code is 6. Visitors wait at the gate for up to 30 s and then see a page that says so.\n\nExamples:\n  odoopack module install staging project_timeline --dry-run\n  odoopack module install production project_timeline web_responsive"
)]
pub(crate) struct Install {
    /// The environment
    environment: String,
    /// Modules; what they need comes with them
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// Update modules in an environment's database; without names, what changed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without names it does what `odoopack module changed` says: updates what must be updated, has bundles made again where only static files changed (nothing is stopped for that), and nothing for the rest. Otherwise as for install.\n\nExamples:\n  odoopack module update production --dry-run\n  odoopack module update production\n  odoopack module update staging project_timeline"
)]
pub(crate) struct Update {
    /// The environment
    environment: String,
    /// Modules; those that need them are updated as well
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// Remove modules, their data and what needs them from an environment's database
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Shows what goes with them, and asks. Tables and data of the modules are gone afterwards.\n\nExamples:\n  odoopack module uninstall staging project_timeline --dry-run\n  odoopack module uninstall production project_timeline --yes"
)]
pub(crate) struct Uninstall {
    /// The environment
    environment: String,
    /// Modules
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// What the three share.
#[derive(Clone, Copy, Debug, clap::Args)]
struct How {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Make no copy of the database to come back to when something fails; faster, and at your own risk
    #[arg(long)]
    no_restore_point: bool,
    /// First put back modules that somebody left in a state `to ...`, as Odoo does after a failure
    #[arg(long)]
    reset_states: bool,
}

struct Asked<'a> {
    act: Act,
    environment: &'a str,
    modules: &'a [String],
    how: How,
}

/// Runs `install`.
pub(crate) fn run_install(cx: &Context, args: &Install) -> Result<()> {
    run(
        cx,
        &Asked {
            act: Act::Install,
            environment: &args.environment,
            modules: &args.modules,
            how: args.how,
        },
    )
}

/// Runs `update`.
pub(crate) fn run_update(cx: &Context, args: &Update) -> Result<()> {
    run(
        cx,
        &Asked {
            act: Act::Update,
            environment: &args.environment,
            modules: &args.modules,
            how: args.how,
        },
    )
}

/// Runs `uninstall`.
pub(crate) fn run_uninstall(cx: &Context, args: &Uninstall) -> Result<()> {
    run(
        cx,
        &Asked {
            act: Act::Uninstall,
            environment: &args.environment,
            modules: &args.modules,
            how: args.how,
        },
    )
}

fn run(cx: &Context, asked: &Asked<'_>) -> Result<()> {
    let pack = cx.load()?;
    let mut ground = Ground::look(&pack, asked.environment)?;
    let size = database_size(&mut ground.client)?;
    let command = asked.command(&ground);
    let left = marks::module_work(&pack.layout.state(), &ground.environment)?;
    refuse_another(left.as_ref(), &command, asked.how.reset_states)?;
    let shown = plan(&pack, &ground, asked, left.is_some())?;
    let running = Running::look(&pack, &ground.environment, left.as_ref())?;
    refuse(&shown)?;
    if shown.is_empty() && left.is_none() {
        nothing_to_do(&cx.ui, &shown);
        return Ok(());
    }
    say_left(&cx.ui, left.as_ref(), &command);
    let links = running.links(&pack)?;
    links.iter().for_each(|step| cx.ui.say(&format!("  - {step}")));
    let point = point(asked, &shown, &ground);
    show(&cx.ui, &shown, &running, (&ground, point.as_ref().map(|_| size)));
    room(&pack, &ground.environment, point.is_some(), size)?;
    if asked.how.dry_run {
        let copied = point.map(|_| size.0);
        cx.ui.json(&serde_json::json!({
            "work": shown, "links": links, "stops": running.stops(&shown), "restore_point_bytes": copied, "done": false,
        }));
        return Ok(());
    }
    confirm(&cx.ui, &shown)?;
    let state = pack.layout.state();
    let _pack = lock::take(&state, &command)?;
    let _environment = lock::take_environment(&state, &ground.environment, &command)?;
    let seen = Seen {
        stops: running.stops(&shown),
        work: shown,
        links,
        // Nobody may be in a database that is copied, not even this program.
        release: { ground }.release.id,
        left,
    };
    let (mut ground, running) = look_again(&pack, asked, &seen)?;
    let older_points = older_points(seen.left.as_ref(), &command, &mut ground)?;
    let journal = Journal::start(&state, "module")?;
    let whole = asked.act == Act::Update && asked.modules.is_empty();
    let mut doing = Doing {
        cx,
        pack: &pack,
        ground,
        running,
        journal,
        whole,
        point,
        taken: false,
        older_points,
        command,
    };
    let outcome = doing.work(&seen.work);
    doing
        .journal
        .end(if outcome.is_ok() { "done" } else { "failed" })?;
    outcome
}

/// What was shown to a person.
struct Seen {
    work: Work,
    stops: Vec<String>,
    links: Vec<Step>,
    release: String,
    left: Option<marks::ModuleWork>,
}

/// Looks under the locks: while a person was reading, somebody else may have worked here.
///
/// # Errors
/// Kind `Refused` when anything is not as it was shown.
fn look_again(pack: &Pack, asked: &Asked<'_>, seen: &Seen) -> Result<(Ground, Running)> {
    let mut ground = Ground::look(pack, asked.environment)?;
    apply::exclude_click_odoo(&mut ground.client, &ground.database)?;
    ground.again(pack)?;
    let left = marks::module_work(&pack.layout.state(), &ground.environment)?;
    let running = Running::look(pack, &ground.environment, left.as_ref())?;
    let work = plan(pack, &ground, asked, left.is_some())?;
    let same = left == seen.left && ground.release.id == seen.release && work == seen.work;
    if !same || running.stops(&work) != seen.stops || running.links(pack)? != seen.links {
        return Err(
            Failure::refused("meanwhile something has changed here").hint("run the same command again")
        );
    }
    Ok((ground, running))
}

/// Copies that runs of the same command made before they were killed, as far as they are there.
fn older_points(left: Option<&marks::ModuleWork>, command: &str, ground: &mut Ground) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for point in left
        .filter(|left| left.command == command)
        .iter()
        .flat_map(|left| &left.restore_points)
    {
        if ground.has(point)? {
            all.push(point.clone());
        }
    }
    Ok(all)
}

impl Asked<'_> {
    /// As somebody would type it; the same text is the same work.
    fn command(&self, ground: &Ground) -> String {
        let words = [
            "odoopack module".to_owned(),
            self.act.to_string(),
            ground.environment.to_string(),
        ];
        let modules = self.modules.iter().cloned();
        words.into_iter().chain(modules).collect::<Vec<_>>().join(" ")
    }
}

/// Another operation would put back the states that a killed one left, and drop the only copy from before it.
fn refuse_another(left: Option<&marks::ModuleWork>, command: &str, reset: bool) -> Result<()> {
    let Some(left) = left.filter(|left| left.command != command && !reset) else {
        return Ok(());
    };
    let Some(point) = left.restore_points.first() else {
        return Ok(());
    };
    Err(Failure::refused(format!("`{}` did not end", left.command))
        .because(format!("before it the database was as {point} is"))
        .hint(format!("`{}` again puts right what it had begun", left.command))
        .hint("`--reset-states` goes on without it; the copy stays then, and is yours to drop"))
}

fn nothing_to_do(ui: &Ui, shown: &Work) {
    shown.notes.iter().for_each(|note| ui.say(note));
    ui.json(&serde_json::json!({ "work": shown, "done": false }));
    ui.result("nothing to do");
}

/// What a run that was killed left, and what becomes of it.
fn say_left(ui: &Ui, left: Option<&marks::ModuleWork>, command: &str) {
    let Some(left) = left else {
        return;
    };
    let note = "what it had begun is put right first";
    ui.say(&format!("  note: `{}` did not end; {note}", left.command));
    let then = if left.command == command {
        "dropped when this ends well"
    } else {
        "it stays"
    };
    for point in &left.restore_points {
        ui.say(&format!(
            "  note: before it the database was as {point} is; {then}"
        ));
    }
}

/// Name of the copy that is made before tables change.
fn point(asked: &Asked<'_>, work: &Work, ground: &Ground) -> Option<String> {
    let id = format!("{:08x}", jiff::Timestamp::now().as_second());
    let wanted = work.changes_tables() && !asked.how.no_restore_point;
    wanted.then(|| restore_point(&ground.database, &id))
}

/// A copy that fills the disk would take PostgreSQL down.
fn room(pack: &Pack, environment: &Name, copies: bool, size: Bytes) -> Result<()> {
    if !copies {
        return Ok(());
    }
    let server = given::look(&pack.loaded.spec, &pack.layout)?;
    if let Some(place) = pack.layout.server() {
        given::may_make_databases(
            &server,
            &place.role,
            "the restore point, which `--no-restore-point` does without,",
        )?;
    }
    let Some(disk) = observe::databases::disk(&pack.loaded.spec, &pack.layout, environment)? else {
        return Ok(());
    };
    room_for_copy(size, &disk).map_err(|e| {
        Failure::refused("there is no room for a restore point")
            .because(e)
            .hint("make room, or go without a way back: `--no-restore-point`")
    })
}

fn plan(pack: &Pack, ground: &Ground, asked: &Asked<'_>, left: bool) -> Result<Work> {
    let (_, settings) = commands::environment(pack, ground.environment.as_str())?;
    let edition = pack.loaded.spec.editions.get(&settings.edition);
    let in_file = edition.map(|edition| edition.modules.clone()).unwrap_or_default();
    let known = Plan {
        environment: &ground.environment,
        tree: &ground.code.tree,
        installed: ground.code.stored.names(),
        needs: &ground.code.stored.needs,
        underway: &ground.code.stored.underway,
        // What a run of ours left when it was killed is put back without a question: nobody else may have been here since.
        reset: asked.how.reset_states || left,
        in_file: &in_file,
    };
    Ok(match asked.act {
        Act::Install => {
            let mut work = install(&known, asked.modules);
            let sees = |edition: &Edition| known.tree.clone().of_edition(edition);
            let sees = edition.map_or_else(|| known.tree.clone(), sees);
            let unseen = |name: &&String| known.tree.get(name).is_some() && sees.get(name).is_none();
            work.refusals
                .extend(asked.modules.iter().filter(unseen).map(|name| {
                    let edition = &settings.edition;
                    let what = format!("`{name}` is there, but edition {edition} does not ask for it");
                    Refusal::new(
                        what,
                        format!("add it to `modules` of [editions.{edition}], then `odoopack up`"),
                    )
                }));
            work
        }
        Act::Uninstall => uninstall(&known, asked.modules),
        Act::Update => {
            let changes = ground.code.changes()?;
            if asked.modules.is_empty() {
                update_changed(&known, &changes)
            } else {
                update(&known, asked.modules, &changes)
            }
        }
    })
}

fn refuse(work: &Work) -> Result<()> {
    let Some((first, rest)) = work.refusals.split_first() else {
        return Ok(());
    };
    let failure = Failure::new(Kind::Refused, first.what.clone()).hint(first.hint.clone());
    Err(rest.iter().fold(failure, |failure, more| {
        failure.hint(format!("also: {}: {}", more.what, more.hint))
    }))
}

fn show(ui: &Ui, work: &Work, running: &Running, (ground, copied): (&Ground, Option<Bytes>)) {
    work.notes
        .iter()
        .for_each(|note| ui.say(&format!("  note: {note}")));
    if !work.reset.is_empty() {
        let list: Vec<&str> = work.reset.keys().map(String::as_str).collect();
        ui.say(&format!(
            "  - put the states of {} back, as they were before a run that did not end",
            list.join(", ")
        ));
    }
    let stops = running.stops(work);
    if !stops.is_empty() {
        ui.say(&format!(
            "  - let visitors wait at the gate and stop {}: nobody may work while tables change",
            stops.join(" and ")
        ));
    }
    if let Some(size) = copied {
        ui.say(&format!(
            "  - copy database {} ({size}), to come back to when something fails",
            ground.database
        ));
    }
    if !work.modules.is_empty() {
        let other = match work.act {
            Act::Install => ", which come with them",
            Act::Update => ", which need them",
            Act::Uninstall => ", which need them, AND ALL THEIR DATA",
        };
        let more = if work.others.is_empty() {
            String::new()
        } else {
            format!(" and {}{other}", work.others.join(", "))
        };
        ui.say(&format!(
            "  - {} {}{more}, in database {}",
            work.act,
            work.modules.join(", "),
            ground.database
        ));
    }
    if work.assets {
        ui.say("  - have bundles made again, while everything runs");
    }
    if !work.remember.is_empty() {
        ui.say(&format!("  - remember the files of {}", work.remember.join(", ")));
    }
    if !stops.is_empty() {
        ui.say(&format!(
            "  - start {} with the code of today, and wait until every probe passes",
            stops.join(" and ")
        ));
    }
}

fn confirm(ui: &Ui, work: &Work) -> Result<()> {
    let question = match work.act {
        Act::Uninstall => "uninstall them, with all their data?",
        Act::Install | Act::Update => "do this?",
    };
    let yes = ui
        .confirm(question)
        .map_err(|e| Failure::failed("could not ask").because(e))?;
    if yes {
        Ok(())
    } else {
        Err(Failure::refused("nothing was changed").hint("`--yes` answers the question"))
    }
}
