//! `engine leave`: nobody works in it, a snapshot of each environment, and everything aside.
use std::collections::BTreeMap;

use odoopack_core::name::Name;
use odoopack_core::spec::OwnServer;
use odoopack_core::up::{Consent, plan};

use super::{Run, agreed, alone, aside};
use crate::backup::create::{Wish, create};
use crate::commands::{backup, down, up};
use crate::context::{Context, Pack};
use crate::engines::Engine;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe;
use crate::store::journal::Journal;
use crate::store::left::{self, Left};
use crate::store::{lock, marks};

pub(super) fn run(cx: &Context, run: Run) -> Result<()> {
    let pack = cx.load()?;
    let state = pack.layout.state();
    observe::owner::check(&state)?;
    left::came_in(&state)?;
    aside::movable(&pack)?;
    as_the_file_says(&pack)?;
    let from = left::word(pack.layout.engine());
    let name = aside::name(&pack.layout, from);
    if !agreed(cx, run, &steps(&pack, &name), "stop the pack and do this?")? {
        return Ok(());
    }
    let _lock = lock::take(&state, "odoopack engine leave")?;
    as_the_file_says(&pack)?;
    aside::settle(&pack.layout)?;
    let mut journal = Journal::start(&state, "engine-leave")?;
    let snapshots = stopped_and_stored(cx, &pack)
        .map_err(|failure| failure.hint("nothing was put aside: `odoopack up` starts everything again"))?;
    journal.note("snapshots", &serde_json::json!(snapshots))?;
    let left = Left {
        from: from.to_owned(),
        place: name,
        to: None,
        brought: BTreeMap::new(),
        ended: false,
    };
    put_aside(&pack, &left, &snapshots)
        .map_err(|failure| failure.hint("`odoopack up` starts everything again"))?;
    // It went aside with everything else.
    journal.end("done")?;
    tell(cx, &pack, &left, &snapshots);
    Ok(())
}

fn tell(cx: &Context, pack: &Pack, left: &Left, snapshots: &BTreeMap<Name, String>) {
    let place = aside::place(&pack.layout).join(&left.place);
    cx.ui
        .json(&serde_json::json!({ "left": left.from, "place": place, "snapshots": snapshots }));
    for (environment, snapshot) in snapshots {
        cx.ui.result(&format!("{environment}: snapshot {snapshot}"));
    }
    cx.ui
        .result(&format!("what `{}` made is kept in {place}", left.from));
    cx.ui.say(
        "now write the other engine into [pack] of the file, and `odoopack engine enter`; or `odoopack engine back`",
    );
}

fn steps(pack: &Pack, name: &str) -> Vec<String> {
    let place = aside::place(&pack.layout).join(name);
    let mut steps = vec!["stop everything but PostgreSQL".to_owned()];
    let environments = pack.loaded.spec.environments.keys();
    steps.extend(environments.map(|environment| format!("make a snapshot of {environment}")));
    steps.push("stop PostgreSQL".to_owned());
    steps.push(format!(
        "put {} aside as {place}, and begin another one with the same secrets and certificates",
        pack.layout.data()
    ));
    steps
}

/// Something that is half done is ended, or its reason seen, before it is left.
fn as_the_file_says(pack: &Pack) -> Result<()> {
    let view = observe::look(pack)?;
    let next = plan(&pack.loaded.spec, &view.target, &view.facts, Consent::default());
    up::refuse(&next)?;
    match next.groups().first() {
        None => Ok(()),
        Some((sentence, _)) => Err(Failure::refused(
            "the pack is not as its file says, and is not left before it is",
        )
        .because(sentence.clone())
        .hint("`odoopack plan` shows what is to be done, `odoopack up` does it")),
    }
}

fn stopped_and_stored(cx: &Context, pack: &Pack) -> Result<BTreeMap<Name, String>> {
    down::stop(cx, pack, |service| OwnServer::called(service).is_none())?;
    let (mut snapshots, mut written) = (BTreeMap::new(), Vec::new());
    for environment in pack.loaded.spec.environments.keys() {
        written.push((environment, alone::empty(pack, environment)?));
        let wish = Wish {
            note: Some("before the engine was left"),
            gentle: false,
        };
        let made = create(cx, pack, environment, wish)?;
        backup::tell_missing(cx, &made);
        snapshots.insert(environment.clone(), made.snapshot.id);
    }
    let shut = written
        .into_iter()
        .map(|(environment, written)| alone::shut(pack, environment, written));
    // Nobody comes in any more before the server stops, which opens them again.
    let _shut = shut.collect::<Result<Vec<_>>>()?;
    down::stop(cx, pack, |_| true)?;
    Engine::here(&pack.layout).stop_supervisor()?;
    Ok(snapshots)
}

fn put_aside(pack: &Pack, left: &Left, snapshots: &BTreeMap<Name, String>) -> Result<()> {
    let layout = &pack.layout;
    let new = aside::prepare(layout, &left.place, |state| {
        for (environment, snapshot) in snapshots {
            marks::remember_awaited(state, environment, snapshot)?;
        }
        files::directory_all(&state.join("operations"))?;
        left::write(state, left)
    })?;
    let _new = lock::take(&new.join("odoopack"), "odoopack engine leave")?;
    aside::forget(layout)?;
    files::exchange(&layout.data(), &new)
}
