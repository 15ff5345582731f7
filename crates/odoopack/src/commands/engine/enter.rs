//! `engine enter`: the engine of the file builds the pack, and each environment gets its data back.
use odoopack_core::name::Name;

use super::{Run, aside};
use crate::apply::restore::empty;
use crate::apply::restore::source::Source;
use crate::backup::stored::Opened;
use crate::backup::{failure, place};
use crate::commands::bringing::{self, Options};
use crate::commands::{environment, stored, up};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};
use crate::lockfile;
use crate::observe;
use crate::store::left::{self, Left};
use crate::store::{lock, marks};

pub(super) fn run(cx: &Context, run: Run) -> Result<()> {
    let pack = cx.load()?;
    let state = pack.layout.state();
    observe::owner::check(&state)?;
    let Some(mut left) = left::read(&state)? else {
        return Err(Failure::refused("no engine was left here")
            .hint("`odoopack engine leave` does it, with the old engine in the file"));
    };
    if left.ended {
        cx.ui.json(&serde_json::json!({ "entered": [] }));
        cx.ui.result("nothing to do");
        return Ok(());
    }
    if left.from == left::word(pack.layout.engine()) {
        return Err(Failure::refused(format!(
            "the engine `{}` was left, and the file still names it",
            left.from
        ))
        .hint("write the other engine into [pack] of the file")
        .hint("`odoopack engine back` puts back what was left"));
    }
    aside::movable(&pack)?;
    lockfile::debian_is_locked(&pack)?;
    let awaited = awaited(&pack)?;
    for (environment, snapshot) in &awaited {
        cx.ui.say(&format!("{environment} awaits snapshot {snapshot}"));
    }
    let everything = up::Args {
        dry_run: run.dry_run,
        overwrite_edits: false,
    };
    if run.dry_run {
        return up::converge(cx, &pack, &everything).map(drop);
    }
    left.to = Some(left::word(pack.layout.engine()).to_owned());
    left::write(&state, &left)?;
    let part = Context {
        ui: cx.ui.for_a_part(),
        root: cx.root.clone(),
    };
    brought(&part, &pack, &mut left, &everything).map_err(|failure| {
        failure
            .hint("the same `odoopack engine enter` again goes on")
            .hint("`odoopack down`, then `odoopack engine back` puts back what was left")
    })?;
    left.brought.clear();
    left.ended = true;
    left::write(&state, &left)?;
    tell(cx, &pack, &left, &awaited);
    Ok(())
}

fn tell(cx: &Context, pack: &Pack, left: &Left, awaited: &[(Name, String)]) {
    let place = aside::place(&pack.layout).join(&left.place);
    let names: Vec<&Name> = awaited.iter().map(|(name, _)| name).collect();
    cx.ui
        .json(&serde_json::json!({ "entered": names, "from": left.from, "place": place }));
    cx.ui.result(&format!(
        "the pack runs with the engine `{}`, with what it held",
        left.to.as_deref().unwrap_or_default()
    ));
    cx.ui.say(&format!(
        "what `{}` made is still in {place}, and holds secrets: `rm -r {place}` when nobody wants it back",
        left.from
    ));
}

/// What each environment awaits still.
///
/// # Errors
/// Refuses when the file has lost one of them.
fn awaited(pack: &Pack) -> Result<Vec<(Name, String)>> {
    let state = pack.layout.state();
    let mut all = Vec::new();
    for name in marks::all_awaited(&state)? {
        if !pack.loaded.spec.environments.contains_key(&name) {
            let mark = marks::awaited_file(&state, &name);
            return Err(Failure::refused(format!(
                "the file has no environment {name}, and what it held was left"
            ))
            .hint(format!("write [environments.{name}] into it again"))
            .hint(format!("`rm {mark}` when its data shall stay a snapshot")));
        }
        let snapshot = marks::awaited(&state, &name)?;
        all.extend(snapshot.map(|snapshot| (name, snapshot)));
    }
    Ok(all)
}

fn brought(cx: &Context, pack: &Pack, left: &mut Left, everything: &up::Args) -> Result<()> {
    let resumed = bringing::resume(cx, pack)?;
    resumed.iter().for_each(|sentence| cx.ui.say(sentence));
    up::converge(cx, pack, everything)?;
    for (name, snapshot) in awaited(pack)? {
        one(cx, pack, left, (&name, &snapshot))?;
    }
    // Also those of a run that was killed when its data were in.
    let there = |name: &&Name| pack.loaded.spec.environments.contains_key(*name);
    for name in left.brought.keys().filter(there) {
        forget_empty(cx, pack, name, &left.brought[name])?;
    }
    Ok(())
}

/// Puts a snapshot in the place of the empty database that `up` made.
fn one(cx: &Context, pack: &Pack, left: &mut Left, (name, snapshot): (&Name, &str)) -> Result<()> {
    let repository = place::open(pack)?;
    let found = repository
        .snapshot(snapshot, Some(name.as_str()))
        .map_err(|e| failure::of(&e))?;
    let opened = Opened::read(&repository, found)?;
    let (_, settings) = environment(pack, name.as_str())?;
    let view = bringing::look(pack, name)?;
    let apply = up::applier(cx, pack, &view);
    empty::still(&apply, (name, &settings.database), None, false).map_err(|failure| {
        let mark = marks::awaited_file(&pack.layout.state(), name);
        failure.hint(format!("`rm {mark}` when what is in it shall stay"))
    })?;
    let id = bringing::new_id();
    left.brought.insert(name.clone(), id.clone());
    left::write(&pack.layout.state(), left)?;
    let from = format!("snapshot {}", opened.id());
    let source = Source::Snapshot(stored::boxed(opened));
    bringing::bring(
        cx,
        pack,
        (&source, &from),
        &bringing::Place::to(name.as_str()),
        (None, &Options::replacing(name.as_str(), &id)),
    )
}

/// Removes that one, when it is still empty.
fn forget_empty(cx: &Context, pack: &Pack, name: &Name, id: &str) -> Result<()> {
    let (name, settings) = environment(pack, name.as_str())?;
    let _lock = lock::take(&pack.layout.state(), "odoopack engine enter")?;
    let view = bringing::look(pack, name)?;
    let apply = up::applier(cx, pack, &view);
    if let Some(kept) = empty::forget(&apply, (name, &settings.database), id)? {
        cx.ui.warn(&empty::is_kept(name, &kept));
    }
    Ok(())
}
