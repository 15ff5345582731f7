//! A module operation under its locks: stop, run Odoo, judge, remember, start.
use std::collections::{BTreeMap, BTreeSet};

use odoopack_core::changed::{Act, Contents, Loaded, Work};

use super::ground::Ground;
use super::running::Running;
use crate::apply;
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};
use crate::store::journal::Journal;
use crate::store::marks;

/// One operation under its locks.
pub(super) struct Doing<'a> {
    pub(super) cx: &'a Context,
    pub(super) pack: &'a Pack,
    pub(super) ground: Ground,
    pub(super) running: Running,
    pub(super) journal: Journal,
    /// As it was typed.
    pub(super) command: String,
    /// Whether nothing that changed is left out.
    pub(super) whole: bool,
    /// The copy of the database to come back to; `None` when none is wanted.
    pub(super) point: Option<String>,
    /// Whether it is there.
    pub(super) taken: bool,
    /// Copies that killed runs of the same command made; kept until one ends well.
    pub(super) older_points: Vec<String>,
}

impl Doing<'_> {
    /// Stops, acts, remembers, starts; whatever happens in between, the services come back.
    ///
    /// # Errors
    /// With the state that the database and the environment are in.
    pub(super) fn work(&mut self, work: &Work) -> Result<()> {
        let state = self.pack.layout.state();
        self.running.link(self.cx, self.pack, &mut self.journal)?;
        let before = self
            .ground
            .code
            .contents(work.all().chain(work.remember.iter().map(String::as_str)))?;
        let mut mark = self.mark(work);
        marks::remember_module_work(&state, &self.ground.environment, &mark)?;
        let stopped = self.running.stop(self.cx, self.pack, work, &mut self.journal);
        let outcome = match stopped {
            Ok(()) => self.act_or_return(work, &before, &mut mark),
            Err(failure) => {
                // Nothing was copied yet.
                mark.restore_points.retain(|one| self.point.as_ref() != Some(one));
                Err(failure)
            }
        };
        mark.ended = true;
        // Whatever happened, the services come back: the code is the one that they ran before.
        let started = self.running.start(self.cx, self.pack, work, &mut self.journal);
        // What could not be started (^C) is started by the next run, which this mark tells.
        if started.is_ok() {
            mark.services.clear();
        }
        let outcome = match (outcome, &started) {
            // Only now is it known that nobody wants to go back.
            (Ok(said), Ok(())) => Ok(self.forget_points(said, &mut mark)),
            (outcome, _) => outcome,
        };
        if mark.services.is_empty() && mark.restore_points.is_empty() {
            marks::forget_module_work(&state, &self.ground.environment)?;
        } else {
            marks::remember_module_work(&state, &self.ground.environment, &mark)?;
        }
        match (outcome, started) {
            (Ok(said), Ok(())) => {
                self.report(work, &said);
                Ok(())
            }
            (Ok(_), Err(failure)) => {
                let failure = failure.during(format!(
                    "the modules are done, but {} does not serve",
                    self.ground.environment
                ));
                Err(mark.restore_points.iter().fold(failure, |failure, point| {
                    failure.hint(format!(
                        "before it the database was as {point} is, which stays until `{}` ends well",
                        self.command
                    ))
                }))
            }
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

    /// What the next run has to know when this one is cut off.
    fn mark(&self, work: &Work) -> marks::ModuleWork {
        marks::ModuleWork {
            command: self.command.clone(),
            services: self.running.stops(work),
            restore_points: self.older_points.iter().chain(&self.point).cloned().collect(),
            ended: false,
        }
    }

    /// Acts; what fails brings the database back from its restore point. In `mark` stay the copies that are still there.
    fn act_or_return(
        &mut self,
        work: &Work,
        before: &BTreeMap<String, Contents>,
        mark: &mut marks::ModuleWork,
    ) -> Result<Vec<String>> {
        let failure = match self.act(work, before) {
            Ok(said) => return Ok(said),
            Err(failure) => failure,
        };
        let Some(point) = self.point.clone() else {
            return Err(failure);
        };
        if !self.taken {
            let apply = self.running.apply(self.cx, self.pack);
            if apply
                .forget_restore_points(&self.ground.environment, std::slice::from_ref(&point))
                .is_ok()
            {
                mark.restore_points.retain(|one| *one != point);
            }
            return Err(failure);
        }
        match self.bring_back(&point) {
            Ok(()) => {
                mark.restore_points.retain(|one| *one != point);
                // A copy that this run made holds what a killed one had begun.
                if let Some(older) = self.older_points.first() {
                    let back = format!(
                        "the database is as this run found it; before an earlier `{}`, which did not end well, it was as {older} is",
                        self.command
                    );
                    return Err(failure.hint(back).into_need_of_a_person());
                }
                let back = "the database is as it was before: it came back from its restore point";
                Err(failure.hint(back).into_rolled_back())
            }
            Err(second) => {
                let stays = format!(
                    "database {} did not come back: {}; as it was before it is {point}",
                    self.ground.database,
                    second.chain().join(": ")
                );
                Err(failure.hint(stays).into_need_of_a_person())
            }
        }
    }

    fn forget_points(&self, mut said: Vec<String>, mark: &mut marks::ModuleWork) -> Vec<String> {
        let apply = self.running.apply(self.cx, self.pack);
        match apply.forget_restore_points(&self.ground.environment, &mark.restore_points) {
            Ok(()) => mark.restore_points.clear(),
            Err(failure) => said.push(failure.chain().join(": ")),
        }
        said
    }

    /// Copies the database while nobody is in it, not even this program.
    fn take_point(&mut self, point: &str) -> Result<()> {
        self.journal
            .note("restore-point", &serde_json::json!({ "database": point }))?;
        let progress = self.cx.ui.step("take a restore point");
        self.ground.step_out(self.pack)?;
        let apply = self.running.apply(self.cx, self.pack);
        let taken = apply.take_restore_point(&self.ground.environment, point);
        drop(apply);
        // Whatever came of it, the work or its failure goes on in the database.
        let inside = self.ground.step_in(self.pack);
        match taken.and(inside) {
            Ok(()) => {
                progress.done();
                Ok(())
            }
            Err(failure) => {
                progress.failed();
                Err(failure.during("could not take a restore point"))
            }
        }
    }

    fn bring_back(&mut self, point: &str) -> Result<()> {
        let progress = self.cx.ui.step("bring the database back");
        let outcome = self.ground.step_out(self.pack).and_then(|()| {
            let apply = self.running.apply(self.cx, self.pack);
            apply.return_to_restore_point(&self.ground.environment, point)
        });
        match &outcome {
            Ok(()) => progress.done(),
            Err(_) => progress.failed(),
        }
        self.journal.note(
            "returned",
            &serde_json::json!({ "database": point, "well": outcome.is_ok() }),
        )?;
        outcome
    }

    /// Everything between stop and start; gives what is worth saying.
    fn act(&mut self, work: &Work, before: &BTreeMap<String, Contents>) -> Result<Vec<String>> {
        if work.changes_tables() {
            apply::end_strays(
                &self.pack.layout,
                &self.ground.environment,
                &mut self.ground.client,
            )?;
        }
        if !work.reset.is_empty() {
            apply::reset_states(&mut self.ground.client)?;
        }
        if let Some(point) = self.point.clone() {
            self.take_point(&point)?;
            self.taken = true;
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
        self.remember(work, before, &loaded)
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
        let before = self.ground.code.stored.clone();
        let apply = self.running.apply(self.cx, self.pack);
        let (verdict, wrong) = apply.work_on_modules(&self.ground.environment, work, &log, &progress)?;
        drop(apply);
        let left = self.left_over(work, &before.names())?;
        let Some(failure) = wrong.or(left) else {
            progress.done();
            return Ok(verdict.worked_on.into_iter().collect());
        };
        progress.failed();
        let mut failure = failure.during(format!("could not {sentence} in {}", self.ground.environment));
        if !self.taken {
            failure = failure.hint(self.state_after(work)?);
        }
        Err(failure.hint(format!("the whole log: {log}")))
    }

    /// What Odoo says with exit code 0 and a clean log can still be untrue.
    fn left_over(&mut self, work: &Work, before: &BTreeSet<&str>) -> Result<Option<Failure>> {
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
        let shown: BTreeSet<&str> = work.all().collect();
        let unasked: Vec<&str> = before
            .iter()
            .filter(|name| !names.contains(*name) && !shown.contains(*name))
            .copied()
            .collect();
        if work.act == Act::Uninstall && !unasked.is_empty() {
            let list = unasked.join(", ");
            return Ok(Some(Failure::failed(format!(
                "Odoo took away what nobody was shown: {list}"
            ))));
        }
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
        loaded: &[String],
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
            unusual: code.stored.is_unusual(),
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
