//! Plans the way from what was seen to the target, one stage at a time.
//!
//! A stage holds only steps that can be named from what is known now; a step that makes new facts observable
//! ends its stage. Planning the last stage and getting nothing is what "done" means.
mod adopt;
mod ground;
mod refuse;
mod serve;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod views;

pub use adopt::another_library;
pub use refuse::{INTO_A_NEW_ROOT, to_another_engine};
pub use serve::{definition_hash, farm, inputs_hash, renewals, seen_inputs_hash, timer_hash};

use crate::facts::{Facts, Host};
use crate::plan::{Plan, Step};
use crate::spec::Spec;
use crate::target::Target;

/// What the operator allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// Files that were edited by hand may be replaced.
    pub overwrite_edits: bool,
}

/// One stage: its name for people, and its steps.
type Stage<'a> = (&'static str, fn(&Known<'a>) -> Vec<Step>);

pub(crate) struct Known<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) target: &'a Target,
    pub(crate) facts: &'a Facts,
    pub(crate) consent: Consent,
}

/// Plans the next stage that has anything to do.
///
/// # Shape
/// Empty when facts and target agree. With refusals there are no steps: nothing may be touched.
pub fn plan(spec: &Spec, target: &Target, facts: &Facts, consent: Consent) -> Plan {
    let known = Known {
        spec,
        target,
        facts,
        consent,
    };
    let refusals = refuse::refusals(&known);
    if !refusals.is_empty() {
        return Plan {
            refusals,
            ..Plan::default()
        };
    }
    let stages: [Stage<'_>; 6] = [
        ("packages, users, directories and secrets", ground::packages),
        ("users, directories and secrets", ground::ground),
        (
            "Odoo's code, its Python environment and the database cluster",
            ground::code,
        ),
        (
            "certificates, configuration and the database server",
            serve::configure,
        ),
        ("roles and databases", store::databases),
        (
            "the gate, Odoo and nginx, and checks of each environment",
            serve::serve,
        ),
    ];
    let mut steps = Vec::new();
    let mut then = Vec::new();
    for (name, stage) in stages {
        if steps.is_empty() && name.starts_with("roles") {
            let refusals: Vec<_> = refuse::databases(&known);
            if !refusals.is_empty() {
                return Plan {
                    refusals,
                    ..Plan::default()
                };
            }
        }
        if steps.is_empty() {
            steps = stage(&known);
        } else {
            then.push(name.to_owned());
        }
    }
    if then.first().is_some_and(|first| first.starts_with("users")) && steps.len() > 1 {
        then.remove(0);
    }
    Plan {
        steps,
        then,
        notes: notes(&known),
        refusals: Vec::new(),
    }
}

/// Refuses the machine on which nothing of the pack is but its file: users, ports, programs, room, memory.
///
/// # Shape
/// No steps; what depends on secrets, code or data of the pack is not asked.
pub fn unfit(spec: &Spec, target: &Target, facts: &Facts) -> Plan {
    let known = Known {
        spec,
        target,
        facts,
        consent: Consent::default(),
    };
    Plan {
        refusals: refuse::of_the_machine(&known),
        ..Plan::default()
    }
}

/// What a plan says besides its steps.
fn notes(known: &Known<'_>) -> Vec<String> {
    let mut notes = fences(&known.facts.host, known.target.stack.is_some());
    notes.extend(server::notes(known));
    notes.extend(views::notes(known));
    notes.extend(ground::reasons(known));
    notes.extend(serve::kept(known));
    notes.extend(beside(known));
    notes
}

/// What somebody added to the stack: only they know whether it may end.
fn beside<'a>(known: &'a Known<'_>) -> impl Iterator<Item = String> + 'a {
    let beside = known.facts.containers.beside.iter();
    beside.map(|service| {
        format!("`{service}` was added to this stack by somebody: `up` and `down` leave it as it is")
    })
}

/// What cannot be had on this machine, one sentence each; empty as root under systemd.
pub fn fences(host: &Host, containers: bool) -> Vec<String> {
    let mut all = Vec::new();
    if !host.root {
        all.push(format!(
            "every process runs as {}: only root can give Odoo, PostgreSQL and nginx users of their own, so a hole in one reaches all",
            host.user
        ));
    }
    if !host.systemd && !containers {
        all.push(
            "no service has a memory limit or a read-only file system: that takes systemd and root; Odoo's workers still keep their own memory limits".to_owned(),
        );
    }
    all
}
