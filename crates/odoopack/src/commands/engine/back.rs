//! `engine back`: what was left comes back as it was; what was made since is put aside in its stead.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;
use odoopack_core::spec;

use super::{Run, agreed, aside};
use crate::apply;
use crate::context::{Context, Pack};
use crate::engines::Engine;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe;
use crate::store::left::{self, Left};
use crate::store::lock;

pub(super) fn run(cx: &Context, run: Run) -> Result<()> {
    let pack = cx.load()?;
    let state = pack.layout.state();
    observe::owner::check(&state)?;
    if let Some((path, left)) = aside::misnamed(&pack.layout)? {
        return ended(cx, &pack, run, (path, &left));
    }
    let left = left::read(&state)?
        .ok_or_else(|| Failure::refused("no engine was left here").hint("`odoopack engine leave` does it"))?;
    aside::movable(&pack)?;
    let kept = aside::place(&pack.layout).join(&left.place);
    if !kept.join("odoopack/pack").is_file() {
        return Err(
            Failure::refused(format!("what `{}` made is not in {kept} any more", left.from))
                .hint("`odoopack engine enter` brings its data from the snapshots"),
        );
    }
    let layout = now(&pack, &left);
    stopped(&layout)?;
    let name = aside::name_instead(&layout, &left);
    if !agreed(cx, run, &steps(&layout, &left, &name), "go back?")? {
        return Ok(());
    }
    let _lock = lock::take(&state, "odoopack engine back")?;
    stopped(&layout)?;
    // What a killed restore of the other engine has left working sees the directories by what they were.
    apply::end_killed(&layout, &pack.loaded.spec)?;
    aside::carry_record(&layout, &kept)?;
    aside::forget(&layout)?;
    files::exchange(&layout.data(), &kept)?;
    let instead = aside::place(&layout).join(name);
    files::rename_new(&kept, &instead)?;
    tell(cx, &left, &instead);
    Ok(())
}

/// Ends an exchange that was killed, and goes no further: whoever repeats a command does not want to go back twice.
fn ended(cx: &Context, pack: &Pack, run: Run, (path, left): (Utf8PathBuf, &Left)) -> Result<()> {
    let instead = aside::place(&pack.layout).join(aside::name_instead(&pack.layout, left));
    let step = format!(
        "call {path} {instead}, for what `{}` made is in its place already",
        left.from
    );
    if !agreed(cx, run, &[step], "end what was cut off?")? {
        return Ok(());
    }
    let _lock = lock::take(&pack.layout.state(), "odoopack engine back")?;
    files::rename_new(&path, &instead)?;
    tell(cx, left, &instead);
    Ok(())
}

fn tell(cx: &Context, left: &Left, instead: &Utf8Path) {
    cx.ui
        .json(&serde_json::json!({ "back": left.from, "place": instead }));
    cx.ui.result(&format!(
        "what `{}` made is in its place; what was there is kept in {instead}",
        left.from
    ));
    cx.ui.say(&format!(
        "now write `engine = \"{}\"` into [pack] of the file, and `odoopack up`",
        left.from
    ));
}

/// The pack as the engine runs it that has taken the data in, whatever the file says by now.
fn now(pack: &Pack, left: &Left) -> Layout {
    let layout = pack.layout.clone();
    match left.to.as_deref() {
        Some("compose") => layout.with_engine(spec::Engine::Compose),
        Some("native") => layout.with_engine(spec::Engine::Native),
        Some(_) | None => layout,
    }
}

fn steps(layout: &Layout, left: &Left, name: &str) -> Vec<String> {
    let aside = aside::place(layout);
    let mut steps = vec![
        format!("put {} aside as {}", layout.data(), aside.join(name)),
        format!("put {} in its place", aside.join(&left.place)),
    ];
    if left.to.is_some() {
        steps.push("what people have done since the engine was left is only in what is put aside".to_owned());
    }
    steps
}

fn stopped(layout: &Layout) -> Result<()> {
    let engine = Engine::here(layout);
    let running = engine.services()?;
    if running.is_empty() && engine.process()?.is_absent() && engine.timers()?.is_empty() {
        return Ok(());
    }
    let word = left::word(layout.engine());
    Err(
        Failure::refused(format!("the pack runs with the engine `{word}`"))
            .hint(format!("`odoopack down`, with `engine = \"{word}\"` in the file")),
    )
}
