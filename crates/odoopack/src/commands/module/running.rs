//! The services of an environment around a module operation: which run, stopped before it, started after it.
use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::changed::Work;
use odoopack_core::layout::Layout;
use odoopack_core::name::Name;
use odoopack_core::plan::{Plan, Step};
use odoopack_core::up;

use crate::apply::Apply;
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};
use crate::observe::{self, View};
use crate::store::journal::Journal;
use crate::store::marks::ModuleWork;

/// What runs of an environment.
pub(super) struct Running {
    environment: Name,
    view: View,
    /// Services that are there now.
    now: Vec<String>,
    /// Services that shall be there afterwards: also those that a run of ours had stopped when it was killed.
    after: Vec<String>,
}

impl Running {
    /// Looks; `left` is what a run that was killed had under way.
    pub(super) fn look(pack: &Pack, environment: &Name, left: Option<&ModuleWork>) -> Result<Self> {
        let view = observe::look(pack)?;
        let prefix = format!("{environment}.");
        let of_it = view
            .target
            .services
            .iter()
            .map(|service| &service.name)
            .filter(|name| name.starts_with(&prefix));
        let stopped = |name: &String| left.is_some_and(|left| left.services.contains(name));
        let there = |name: &String| view.facts.services.contains_key(name);
        let (mut now, mut after) = (Vec::new(), Vec::new());
        for name in of_it {
            if there(name) {
                now.push(name.clone());
            }
            if there(name) || stopped(name) {
                after.push(name.clone());
            }
        }
        Ok(Self {
            environment: environment.clone(),
            view,
            now,
            after,
        })
    }

    /// What lets Odoo see modules that came or went since `up`.
    ///
    /// # Errors
    /// Kind `Refused` when Odoo does not look into the directory of links at all yet.
    pub(super) fn links(&self, pack: &Pack) -> Result<Vec<Step>> {
        let spec = &pack.loaded.spec;
        let (_, settings) = crate::commands::environment(pack, self.environment.as_str())?;
        let steps = up::farm(spec, &self.view.target, &self.view.facts, &settings.edition);
        let farm = self.view.facts.farms.get(settings.edition.as_str());
        let first = farm.is_none_or(|farm| farm.links.is_empty());
        if !steps.is_empty() && first {
            return Err(Failure::refused(format!(
                "Odoo does not look for modules of edition {} yet",
                settings.edition
            ))
            .hint("`odoopack up`"));
        }
        let unseen = self.unseen(&pack.layout, &settings.edition);
        if let Some(place) = unseen.filter(|_| !steps.is_empty()) {
            return Err(Failure::refused(format!(
                "the containers of {} do not see `{place}` yet",
                self.environment
            ))
            .hint("`odoopack up`"));
        }
        Ok(steps)
    }

    /// A directory that new links lead into and that no container sees: it is made anew for that, which is what `up` does.
    fn unseen(&self, layout: &Layout, edition: &Name) -> Option<Utf8PathBuf> {
        let farm = self
            .view
            .target
            .farms
            .get(edition)
            .filter(|_| layout.containers())?;
        let now = self.view.facts.farms.get(edition.as_str())?;
        let seen: BTreeSet<Option<&Utf8Path>> = now.links.values().map(|to| to.parent()).collect();
        let mut wanted = farm.links.values().map(|to| to.parent());
        wanted
            .find(|place| !seen.contains(place))?
            .map(Utf8Path::to_owned)
    }

    /// Links what came or went.
    pub(super) fn link(&self, cx: &Context, pack: &Pack, journal: &mut Journal) -> Result<()> {
        let steps = self.links(pack)?;
        let plan = Plan {
            steps,
            ..Plan::default()
        };
        self.apply(cx, pack).run(&plan, journal)
    }

    /// Services that the work interrupts.
    pub(super) fn stops(&self, work: &Work) -> Vec<String> {
        if work.changes_tables() || self.now != self.after {
            self.after.clone()
        } else {
            Vec::new()
        }
    }

    /// Stops what the work interrupts: crons first, for they begin something new any time; visitors wait at the gate.
    pub(super) fn stop(&self, cx: &Context, pack: &Pack, work: &Work, journal: &mut Journal) -> Result<()> {
        if self.stops(work).is_empty() {
            return Ok(());
        }
        let apply = self.apply(cx, pack);
        let (crons, rest): (Vec<&String>, Vec<&String>) =
            self.now.iter().partition(|name| name.ends_with(".cron"));
        apply.run(&removal(&crons), journal)?;
        journal.note("hold", &serde_json::json!({ "environment": self.environment }))?;
        apply.hold_requests(&self.environment)?;
        apply.run(&removal(&rest), journal)
    }

    /// Starts what was stopped, and waits until the environment answers.
    pub(super) fn start(&self, cx: &Context, pack: &Pack, work: &Work, journal: &mut Journal) -> Result<()> {
        let names = self.stops(work);
        let mut steps: Vec<Step> = names
            .iter()
            .map(|service| Step::StartService {
                service: service.clone(),
            })
            .collect();
        if names.iter().any(|name| name.ends_with(".web")) {
            let environment = self.environment.clone();
            steps.push(Step::ReleaseHold {
                environment: environment.clone(),
            });
            steps.push(Step::PassProbes { environment });
        }
        self.apply(cx, pack).run(
            &Plan {
                steps,
                ..Plan::default()
            },
            journal,
        )
    }

    /// Effects on the environment as it was seen.
    pub(super) fn apply<'a>(&'a self, cx: &'a Context, pack: &'a Pack) -> Apply<'a> {
        crate::commands::up::applier(cx, pack, &self.view)
    }
}

fn removal(services: &[&String]) -> Plan {
    let step = |service: &&String| Step::RemoveService {
        service: (*service).clone(),
    };
    Plan {
        steps: services.iter().map(step).collect(),
        ..Plan::default()
    }
}
