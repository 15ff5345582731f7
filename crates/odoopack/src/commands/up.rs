//! `up`: converge the machine to the file, stage by stage, until nothing is left to do.
use odoopack_core::plan::Plan;
use odoopack_core::up::{Consent, plan};

use crate::apply::Apply;
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::lockfile;
use crate::observe::{self, View};
use crate::store::journal::Journal;
use crate::store::operation::{cut_off, open_journals};
use crate::store::{left, lock, marks};
use crate::ui::Ui;

/// Stages that `up` has at most; more rounds mean that two of them undo each other.
const ROUNDS: usize = 20;

/// Make this machine match the file: build, configure, start and check what is missing
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Shows what will be done, asks, then does it step by step. Killed at any point, the next `up` finishes the work. A second `up` has nothing to do.\n\nExamples:\n  odoopack up --dry-run\n  odoopack up --yes"
)]
pub(crate) struct Args {
    /// Show the plan and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Replace rendered files that were edited by hand (each is kept beside as `.edited`)
    #[arg(long)]
    pub(crate) overwrite_edits: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    lockfile::debian_is_locked(&pack)?;
    left::came_in(&pack.layout.state())?;
    no_cut_off_restore(&pack.layout.state())?;
    let done = converge(cx, &pack, args)?;
    if args.dry_run {
        return Ok(());
    }
    cx.ui
        .json(&serde_json::json!({ "steps": done, "seconds": cx.ui.elapsed().as_secs_f64() }));
    if done == 0 {
        cx.ui.result("nothing to do");
    }
    Ok(())
}

/// Plans and applies until the plan is empty; returns the number of steps that were done.
pub(crate) fn converge(cx: &Context, pack: &Pack, args: &Args) -> Result<usize> {
    let consent = Consent {
        overwrite_edits: args.overwrite_edits,
    };
    let mut view = observe::look(pack)?;
    let mut next = plan(&pack.loaded.spec, &view.target, &view.facts, consent);
    if args.dry_run {
        super::plan::tell(&cx.ui, &next)?;
        return Ok(0);
    }
    if next.is_empty() {
        return Ok(0);
    }
    refuse(&next)?;
    show(&cx.ui, &next);
    confirm(&cx.ui)?;
    let (_lock, mut journal) = begin(pack)?;
    no_half_module_work(pack)?;
    let shown = next;
    (view, next) = look_again(cx, pack, consent, &shown)?;
    let mut done = 0;
    if next.is_empty() {
        finish(pack, &view, &mut journal)?;
        return Ok(done);
    }
    for _ in 0..ROUNDS {
        apply(cx, pack, &view, &next, &mut journal)?;
        done += next.steps.len();
        let before = next;
        view = observe::look(pack)?;
        next = plan(&pack.loaded.spec, &view.target, &view.facts, consent);
        refuse(&next)?;
        if next.is_empty() {
            finish(pack, &view, &mut journal)?;
            return Ok(done);
        }
        if next.steps == before.steps {
            break;
        }
    }
    Err(Failure::failed("the same steps are needed again and again")
        .because(sentences(&next))
        .hint("`odoopack plan`"))
}

/// Looks and plans under the lock: while a person was reading, somebody else may have done the work.
fn look_again(cx: &Context, pack: &Pack, consent: Consent, shown: &Plan) -> Result<(View, Plan)> {
    let view = observe::look(pack)?;
    let next = plan(&pack.loaded.spec, &view.target, &view.facts, consent);
    refuse(&next)?;
    if next.steps.iter().any(|step| !shown.steps.contains(step)) {
        cx.ui.say("meanwhile something has changed here; now to do:");
        show(&cx.ui, &next);
        confirm(&cx.ui)?;
    }
    Ok((view, next))
}

/// Takes the pack's lock and starts a journal; their directory is the first thing that exists.
pub(super) fn begin(pack: &Pack) -> Result<(lock::Lock, Journal)> {
    let state = pack.layout.state();
    crate::files::directory_all(&state.join("operations")).map_err(lock::not_writable)?;
    let lock = lock::take(&state, "odoopack up")?;
    no_half_restore(&state)?;
    marks::remember_made_by(&state, pack.layout.pack())?;
    crate::apply::heal_packages()?;
    Ok((lock, Journal::start(&state, "up")?))
}

/// Nobody reads a plan, or says yes to it, that is not carried out.
fn no_cut_off_restore(state: &camino::Utf8Path) -> Result<()> {
    let all = cut_off(state)?;
    if all.is_empty() {
        return Ok(());
    }
    Err(
        Failure::refused(format!("{}, and must be put right first", all.join("; ")))
            .hint("`odoopack restore --resume` finishes it or takes it back"),
    )
}

/// Services must not start on a new database with old attachments.
fn no_half_restore(state: &camino::Utf8Path) -> Result<()> {
    if open_journals(state)?.is_empty() {
        return Ok(());
    }
    Err(
        Failure::refused("a restore was cut off here and must be put right first")
            .hint("`odoopack restore --resume`"),
    )
}

/// Nor on a database that a module operation left half-way when it was killed.
fn no_half_module_work(pack: &Pack) -> Result<()> {
    for environment in pack.loaded.spec.environments.keys() {
        let Some(left) = marks::module_work(&pack.layout.state(), environment)? else {
            continue;
        };
        if let Some(what) = left.half_way(environment) {
            let hint = format!("`{}` puts right what it had begun", left.command);
            return Err(Failure::refused(what).hint(hint));
        }
    }
    Ok(())
}

fn apply(cx: &Context, pack: &Pack, view: &View, next: &Plan, journal: &mut Journal) -> Result<()> {
    let state = pack.layout.state();
    let ports = view
        .target
        .ports
        .iter()
        .map(|(name, ports)| (name.clone(), ports.first))
        .collect();
    marks::remember_ports(&state, &ports)?;
    if pack.layout.containers() {
        marks::remember_network(&state, view.facts.containers.network)?;
    }
    applier(cx, pack, view).run(next, journal)
}

/// What carries out steps on this pack.
pub(crate) fn applier<'a>(cx: &'a Context, pack: &'a Pack, view: &'a View) -> Apply<'a> {
    Apply {
        ui: &cx.ui,
        spec: &pack.loaded.spec,
        layout: &pack.layout,
        target: &view.target,
        facts: &view.facts,
        repo: pack.directory.clone(),
        cache: crate::context::cache(),
    }
}

/// Applies a part of a plan under the lock.
pub(crate) fn apply_only(cx: &Context, pack: &Pack, view: &View, part: &Plan) -> Result<()> {
    let (_lock, mut journal) = begin(pack)?;
    apply(cx, pack, view, part, &mut journal)?;
    journal.end("done")
}

fn finish(pack: &Pack, view: &View, journal: &mut Journal) -> Result<()> {
    if !view.target.complete {
        return Err(
            Failure::failed("nothing is left to do, but the target is not complete")
                .hint("report this with the output of `odoopack plan --json`")
                .during(format!("could not bring up {}", pack.layout.root())),
        );
    }
    journal.end("done")
}

/// Prints a plan: its steps, and what follows.
pub(crate) fn show(ui: &Ui, plan: &Plan) {
    for (sentence, _) in plan.groups() {
        ui.say(&format!("  - {sentence}"));
    }
    for then in &plan.then {
        ui.say(&format!("    then: {then}"));
    }
    if !plan.steps.is_empty() {
        plan.notes
            .iter()
            .for_each(|note| ui.say(&format!("  note: {note}")));
    }
}

fn confirm(ui: &Ui) -> Result<()> {
    let yes = ui
        .confirm("do this?")
        .map_err(|e| Failure::failed("could not ask").because(e))?;
    if yes {
        Ok(())
    } else {
        Err(Failure::refused("nothing was changed").hint("`--yes` answers the question"))
    }
}

/// Refusals end the run before anything is touched.
pub(crate) fn refuse(plan: &Plan) -> Result<()> {
    let Some(first) = plan.refusals.first() else {
        return Ok(());
    };
    let failure = Failure::new(Kind::Refused, first.what.clone()).hint(first.hint.clone());
    let rest = &plan.refusals[1..];
    Err(rest.iter().fold(failure, |failure, more| {
        failure.hint(format!("also: {}: {}", more.what, more.hint))
    }))
}

fn sentences(plan: &Plan) -> String {
    plan.steps
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
