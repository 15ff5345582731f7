//! Restores that were cut off: what is left of them, and the way on or back.
use camino::Utf8Path;
use odoopack_core::layout::Layout;
use odoopack_core::name::Name;
use odoopack_core::restore::{Event, Recovery, kept_when_put_back, recover};
use odoopack_core::spec::Spec;

use super::{Apply, DONE, Planned, Restore, load, stuck};
use crate::failure::{Failure, Kind, Result};
use crate::store::lock;
use crate::store::operation::{RESTORE, Unfinished, has_ended, unfinished};

/// Whether the restore `id` has ended, with the new state in place.
pub(crate) fn is_done(state: &Utf8Path, id: &str) -> Result<bool> {
    has_ended(state, RESTORE, id, DONE)
}

/// Removes the plain dumps, and ends the containers, that restores and drills have left which were killed; only under the pack's lock.
pub(crate) fn sweep(layout: &Layout, spec: &Spec) -> Result<()> {
    spec.environments
        .keys()
        .try_for_each(|name| load::sweep(layout, name))
}

/// On another server nothing of what was begun is found, and what is left there would stay for ever.
fn same_servers(apply: &Apply<'_>, all: &[Unfinished<Planned, Event>]) -> Result<()> {
    let moved = all
        .iter()
        .map(|one| &one.what)
        .find(|what| apply.spec.server_of(&what.environment) != what.server);
    moved.map_or(Ok(()), |what| {
        let Planned { environment, server, .. } = what;
        Err(Failure::refused(format!(
            "a restore of {environment} on the server `{server}` was cut off, and the file says that {environment} is elsewhere, or nowhere"
        ))
        .hint(format!(
            "write [environments.{environment}] with the `edition` that it had, then `odoopack restore --resume`"
        )))
    })
}

/// Finishes or takes back every restore that was cut off; says what it did, one sentence each. `held` is the environment whose
/// lock the caller has.
///
/// # Errors
/// Kind `NeedsHuman` when one could neither be finished nor taken back; kind `Refused` while the file gives its environment another server.
pub(crate) fn take_up(apply: &Apply<'_>, held: Option<&Name>) -> Result<Vec<String>> {
    sweep(apply.layout, apply.spec)?;
    let mut said = Vec::new();
    let all: Vec<Unfinished<Planned, Event>> = unfinished(&apply.layout.state(), RESTORE)?;
    same_servers(apply, &all)?;
    let dark = wake(apply, all.iter().map(|one| &one.what.environment))?;
    for Unfinished {
        what: planned,
        events,
        operation,
    } in all
    {
        let (name, why) = (&planned.environment, "restore that was cut off");
        let _alone = match held {
            Some(held) if held == name => None,
            _ => Some(lock::take_environment(&apply.layout.state(), name, why)?),
        };
        let restore = Restore {
            dark,
            ..Restore::new(apply, &planned, None)
        };
        let done = match recover(&planned.steps, &events) {
            Recovery::Finish(from) => {
                let from = (from, events.contains(&Event::Begin(from)));
                restore.forward(&planned, from, operation).map(|()| "finished")
            }
            Recovery::Revert(order) => {
                let began = |at| events.contains(&Event::Begin(at));
                let kept = kept_when_put_back(&planned.steps, began, &planned.id);
                restore
                    .backward(&planned, &order, kept.as_deref(), operation)
                    .map(|()| "taken back")
            }
        };
        let done = done.map_err(|e| match e.kind {
            Kind::RolledBack | Kind::NeedsHuman => e,
            Kind::Failed | Kind::Usage | Kind::Spec | Kind::Refused | Kind::Locked | Kind::Drift => {
                stuck(&e, &Failure::failed("the restore was cut off"))
            }
        })?;
        said.push(format!(
            "a restore of {} from {} that was cut off was {done}",
            planned.environment, planned.source
        ));
    }
    if dark {
        said.push("`odoopack up` starts what does not run".to_owned());
    }
    Ok(said)
}

/// What `take_up` would do, one sentence each.
pub(crate) fn outlook(state: &Utf8Path) -> Result<Vec<String>> {
    let all: Vec<Unfinished<Planned, Event>> = unfinished(state, RESTORE)?;
    let sentence = |one: &Unfinished<Planned, Event>| {
        let what = match recover(&one.what.steps, &one.events) {
            Recovery::Finish(_) => "finish",
            Recovery::Revert(_) => "take back",
        };
        let (environment, source) = (&one.what.environment, &one.what.source);
        format!("{what} the restore of {environment} from {source} that was cut off")
    };
    Ok(all.iter().map(sentence).collect())
}

/// Starts the database servers where the machine went down under restores; says whether nothing else runs.
fn wake<'a>(apply: &Apply<'_>, environments: impl Iterator<Item = &'a Name>) -> Result<bool> {
    let mut dark = false;
    for environment in environments {
        let answers = apply.admin(environment, "postgres").map(drop);
        if answers.is_ok() || apply.spec.postgres.is_given() {
            answers?;
            continue;
        }
        dark = apply.facts.supervisor.is_absent();
        apply.start_supervisor()?;
        apply.start_service(&apply.spec.server_of(environment).to_string())?;
    }
    Ok(dark)
}
