//! `module install`, `update` and `uninstall`: one act of Odoo between a stop and a start of the environment's services.
use std::collections::BTreeMap;

use odoopack_core::changed::Ground as Plan;
use odoopack_core::changed::{Act, Contents, Loaded, Work, install, uninstall, update, update_changed};

use super::ground::Ground;
use super::running::Running;
use crate::apply;
use crate::commands;
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::store::journal::Journal;
use crate::store::{lock, marks};
use crate::ui::Ui;

/// Install modules into an environment's database
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stops the environment's services, so that nobody works while tables change, runs Odoo once, judges its log and not only its exit code, and starts the services again. Whoever works in the environment is interrupted for that time.\n\nExamples:\n  odoopack module install staging project_timeline --dry-run\n  odoopack module install production project_timeline web_responsive"
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
    let left = marks::module_work(&pack.layout.state(), &ground.environment)?;
    let shown = plan(&pack, &ground, asked, left.is_some())?;
    let running = Running::look(&pack, &ground.environment, left.as_ref())?;
    refuse(&shown)?;
    if shown.is_empty() && left.is_none() {
        shown.notes.iter().for_each(|note| cx.ui.say(note));
        cx.ui.json(&serde_json::json!({ "work": shown, "done": false }));
        cx.ui.result("nothing to do");
        return Ok(());
    }
    show(&cx.ui, &shown, &running, &ground);
    if asked.how.dry_run {
        cx.ui
            .json(&serde_json::json!({ "work": shown, "stops": running.stops(&shown), "done": false }));
        return Ok(());
    }
    confirm(&cx.ui, &shown)?;
    let state = pack.layout.state();
    let why = format!("odoopack module {} {}", asked.act, ground.environment);
    let _pack = lock::take(&state, &why)?;
    let _environment = lock::take_environment(&state, &ground.environment, &why)?;
    apply::exclude_click_odoo(&mut ground.client, &ground.database)?;
    ground.again(&pack)?;
    let work = plan(&pack, &ground, asked, left.is_some())?;
    if work != shown {
        return Err(
            Failure::refused("meanwhile something has changed here").hint("run the same command again")
        );
    }
    let journal = Journal::start(&state, "module")?;
    let whole = asked.act == Act::Update && asked.modules.is_empty();
    let mut doing = Doing {
        cx,
        pack: &pack,
        ground,
        running,
        journal,
        whole,
    };
    let outcome = doing.work(&work);
    doing
        .journal
        .end(if outcome.is_ok() { "done" } else { "failed" })?;
    outcome
}

fn plan(pack: &Pack, ground: &Ground, asked: &Asked<'_>, left: bool) -> Result<Work> {
    let (_, settings) = commands::environment(pack, ground.environment.as_str())?;
    let edition = pack.loaded.spec.editions.get(&settings.edition);
    let in_file = edition.map(|edition| edition.modules.clone()).unwrap_or_default();
    let known = Plan {
        environment: &ground.environment,
        tree: &ground.code.tree,
        installed: ground.code.stored.names(),
        underway: &ground.code.stored.underway,
        // What a run of ours left when it was killed is put back without a question: nobody else may have been here since.
        reset: asked.how.reset_states || left,
        in_file: &in_file,
    };
    Ok(match asked.act {
        Act::Install => install(&known, asked.modules),
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

fn show(ui: &Ui, work: &Work, running: &Running, ground: &Ground) {
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
            "  - stop {}: nobody may work while tables change",
            stops.join(" and ")
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

/// One operation under its locks.
struct Doing<'a> {
    cx: &'a Context,
    pack: &'a Pack,
    ground: Ground,
    running: Running,
    journal: Journal,
    /// Whether nothing that changed is left out.
    whole: bool,
}

impl Doing<'_> {
    fn work(&mut self, work: &Work) -> Result<()> {
        let state = self.pack.layout.state();
        let before = self
            .ground
            .code
            .contents(work.all().chain(work.remember.iter().map(String::as_str)))?;
        let mark = marks::ModuleWork {
            command: format!("odoopack module {} {}", work.act, self.ground.environment),
            services: self.running.stops(work),
        };
        marks::remember_module_work(&state, &self.ground.environment, &mark)?;
        self.running.stop(self.cx, self.pack, work, &mut self.journal)?;
        let outcome = self.act(work, &before);
        // Whatever happened, the services come back: the code is the one that they ran before.
        let started = self.running.start(self.cx, self.pack, work, &mut self.journal);
        marks::forget_module_work(&state, &self.ground.environment)?;
        match (outcome, started) {
            (Ok(said), Ok(())) => {
                self.report(work, &said);
                Ok(())
            }
            (Ok(_), Err(failure)) => Err(failure.during(format!(
                "the modules are done, but {} does not serve",
                self.ground.environment
            ))),
            (Err(failure), Ok(())) => Err(failure),
            (Err(failure), Err(second)) => {
                let failure = failure.hint(format!(
                    "{} does not serve: {}",
                    self.ground.environment,
                    second.chain().join(": ")
                ));
                Err(failure.into_need_of_a_person())
            }
        }
    }

    /// Everything between stop and start; gives what is worth saying.
    fn act(&mut self, work: &Work, before: &BTreeMap<String, Contents>) -> Result<Vec<String>> {
        if work.changes_tables() {
            apply::end_strays(&mut self.ground.client)?;
        }
        if !work.reset.is_empty() {
            apply::reset_states(&mut self.ground.client)?;
        }
        let loaded = if work.modules.is_empty() {
            Vec::new()
        } else {
            self.run_odoo(work)?
        };
        if work.assets {
            let progress = self.cx.ui.step("have bundles made again");
            self.running
                .apply(self.cx, self.pack)
                .regenerate_assets(&self.ground.environment, &progress)?;
            progress.done();
        }
        self.remember(work, before, loaded)
    }

    /// Runs Odoo and judges; gives the modules that it worked on.
    fn run_odoo(&mut self, work: &Work) -> Result<Vec<String>> {
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S");
        let log = self.pack.layout.state().join(format!(
            "operations/{stamp}-module-{}.log",
            self.ground.environment
        ));
        let sentence = format!("{} {}", work.act, work.modules.join(", "));
        self.journal
            .note("odoo", &serde_json::json!({ "work": work, "log": log }))?;
        let progress = self.cx.ui.step(&sentence);
        let apply = self.running.apply(self.cx, self.pack);
        let (verdict, wrong) = apply.work_on_modules(&self.ground.environment, work, &log, &progress)?;
        drop(apply);
        let left = self.left_over(work)?;
        let Some(failure) = wrong.or(left) else {
            progress.done();
            return Ok(verdict.worked_on.into_iter().collect());
        };
        progress.failed();
        let state = self.state_after(work)?;
        Err(failure
            .during(format!("could not {sentence} in {}", self.ground.environment))
            .hint(state)
            .hint(format!("the whole log: {log}")))
    }

    /// What Odoo says with exit code 0 and a clean log can still be untrue.
    fn left_over(&mut self, work: &Work) -> Result<Option<Failure>> {
        self.ground.again(self.pack)?;
        let stored = &self.ground.code.stored;
        if !stored.underway.is_empty() {
            let list: Vec<String> = stored
                .underway
                .iter()
                .map(|(name, state)| format!("{name} ({state})"))
                .collect();
            return Ok(Some(Failure::failed(format!(
                "modules are left half-way: {}",
                list.join(", ")
            ))));
        }
        let names = stored.names();
        let wrong: Vec<&str> = match work.act {
            Act::Install | Act::Update => work
                .modules
                .iter()
                .map(String::as_str)
                .filter(|name| !names.contains(name))
                .collect(),
            Act::Uninstall => work.all().filter(|name| names.contains(name)).collect(),
        };
        let how = if work.act == Act::Uninstall {
            "still installed"
        } else {
            "not installed"
        };
        Ok((!wrong.is_empty()).then(|| Failure::failed(format!("{how}: {}", wrong.join(", ")))))
    }

    /// In which state a failure leaves the database; states under way are put back.
    fn state_after(&mut self, work: &Work) -> Result<String> {
        if !self.ground.code.stored.underway.is_empty() {
            apply::reset_states(&mut self.ground.client)?;
            self.ground.again(self.pack)?;
        }
        let names = self.ground.code.stored.names();
        let (done, not): (Vec<&str>, Vec<&str>) = match work.act {
            Act::Install => work.all().partition(|name| names.contains(name)),
            Act::Uninstall => work.all().partition(|name| !names.contains(name)),
            Act::Update => {
                return Ok("Odoo commits after each module: those before the failure are updated, the others are as before; \
                           no module is left half-way; nothing is remembered as loaded, so the same command does it again"
                    .to_owned());
            }
        };
        let list = |all: &[&str]| {
            if all.is_empty() {
                "none".to_owned()
            } else {
                all.join(", ")
            }
        };
        Ok(format!(
            "{}ed: {}; not: {}; no module is left half-way",
            work.act,
            list(&done),
            list(&not)
        ))
    }

    /// Stores the hashes of what was loaded; a file that changed meanwhile is told, and its module not remembered.
    fn remember(
        &mut self,
        work: &Work,
        before: &BTreeMap<String, Contents>,
        loaded: Vec<String>,
    ) -> Result<Vec<String>> {
        self.ground.again(self.pack)?;
        let code = &self.ground.code;
        let names = code.stored.names();
        let wanted: Vec<&str> = match work.act {
            Act::Uninstall => Vec::new(),
            Act::Install | Act::Update => loaded
                .iter()
                .chain(&work.remember)
                .map(String::as_str)
                .filter(|name| names.contains(name))
                .collect(),
        };
        let after = code.contents(wanted.iter().copied())?;
        let mut said = Vec::new();
        let mut contents = BTreeMap::new();
        for (module, now) in after {
            match before.get(&module) {
                Some(then) if *then != now => said.push(format!(
                    "files of {module} changed while it was loaded: run `odoopack module update {} {module}` again",
                    self.ground.environment
                )),
                _ => {
                    contents.insert(module, now);
                }
            }
        }
        let run = Loaded {
            modules: &contents,
            build: &code.build,
            languages: &code.stored.languages,
            whole: self.whole && said.is_empty(),
        };
        let record = code
            .stored
            .record()?
            .after(&run, &|module| names.contains(module));
        apply::remember(&mut self.ground.client, &record)?;
        Ok(said)
    }

    fn report(&self, work: &Work, said: &[String]) {
        let ui = &self.cx.ui;
        said.iter().for_each(|text| ui.warn(text));
        ui.json(&serde_json::json!({
            "work": work, "done": true, "warnings": said, "seconds": ui.elapsed().as_secs_f64(),
        }));
        let what = if work.modules.is_empty() {
            "done".to_owned()
        } else {
            format!(
                "{}ed {}",
                work.act.as_str().trim_end_matches('e'),
                work.modules.join(", ")
            )
        };
        ui.result(&what);
    }
}
