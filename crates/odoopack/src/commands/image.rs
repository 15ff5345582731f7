//! `image`: what the containers are made from, shown and carried to a machine without a registry.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use odoopack_core::facts::{Image, Seen};
use odoopack_core::plan::{Plan, Step};
use odoopack_core::target::GATE_PART;
use odoopack_core::up::{Consent, plan};

use super::up;
use crate::apply::Carried;
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::lockfile;
use crate::observe::{self, View};

/// Show what the containers are made from, and carry it to a machine without a registry
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "For the engine `compose`. `up` finds or pulls each image once and pins it; these commands work on what is pinned. `image update` takes newer ones. Where the lock names Python packages that Odoo's image lacks, an image is built on it. After `image import` `up` pulls nothing.\n\nExamples:\n  odoopack image list\n  odoopack image build --dry-run\n  odoopack image export shop-images.tar\n  odoopack image import shop-images.tar"
)]
pub(crate) enum Args {
    /// Show the images of the file and what they are pinned to
    List,
    /// Build the image that has the lock's Python packages besides Odoo, and pin it
    #[command(
        after_help = "`up` does the same when it has to. An image is built once for a lock and found by its label then; containers run it as users of their own, read-only.\n\nExamples:\n  odoopack image build\n  odoopack image build --dry-run"
    )]
    Build {
        /// Print the Dockerfile and stop
        #[arg(long)]
        dry_run: bool,
    },
    /// Ask the registries for newer images under the names of the file, and pin them
    #[command(
        after_help = "A name such as `postgres:16` comes to mean another image with every security update; what is pinned stays what it is until this is asked for. Nothing restarts before `up`. Where a lock names Odoo's image, `odoopack lock --update` moves that one.\n\nExamples:\n  odoopack image update --dry-run\n  odoopack image update postgres"
    )]
    Update {
        /// One part alone, such as `postgres`
        part: Option<String>,
        /// Show what would be pinned and stop; it is pulled all the same
        #[arg(long)]
        dry_run: bool,
    },
    /// Write every pinned image into one file, which `docker load` reads too
    Export {
        /// The file; it must not be there yet
        file: Utf8PathBuf,
        /// Show what would be written and stop
        #[arg(long)]
        dry_run: bool,
    },
    /// Take images from a file that `image export` wrote, and pin them
    Import {
        /// The file
        file: Utf8PathBuf,
        /// Show what would be pinned and stop
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    if !pack.layout.containers() {
        return Err(Failure::refused("the engine `native` has no images")
            .hint("`engine = \"compose\"` in [pack] runs containers"));
    }
    let view = observe::look(&pack)?;
    match args {
        Args::List => {
            list(cx, &view);
            Ok(())
        }
        Args::Build { dry_run } => build(cx, &pack, &view, *dry_run),
        Args::Update { part, dry_run } => update(cx, &pack, &view, part.as_deref(), *dry_run),
        Args::Export { file, dry_run } => export(cx, &pack, &view, &absolute(file)?, *dry_run),
        Args::Import { file, dry_run } => import(cx, &pack, &view, &absolute(file)?, *dry_run),
    }
}

fn absolute(file: &Utf8PathBuf) -> Result<Utf8PathBuf> {
    camino::absolute_utf8(file).map_err(|e| Failure::refused(format!("`{file}` is no path")).because(e))
}

/// The image that a part is pinned to, when it is the one that the file names.
fn pinned<'a>(view: &'a View, part: &str, wanted: &str) -> Option<&'a Image> {
    let image = view.facts.containers.images.get(part)?;
    (image.wanted == wanted).then_some(image)
}

fn list(cx: &Context, view: &View) {
    let rows: Vec<_> = view
        .target
        .images
        .iter()
        .map(|(part, wanted)| (part, wanted, pinned(view, part, wanted)))
        .collect();
    let shown: Vec<_> = rows
        .iter()
        .map(|(part, wanted, image)| {
            serde_json::json!({ "part": part, "image": wanted, "pinned": image.map(|one| &one.pinned), "id": image.map(|one| &one.id) })
        })
        .collect();
    cx.ui.json(&serde_json::json!({ "images": shown }));
    for (part, wanted, image) in rows {
        let at = image.map_or("not pinned yet: `odoopack up`", |image| image.pinned.as_str());
        cx.ui.result(&format!("{part:<9} {wanted:<24} {at}"));
    }
}

fn build(cx: &Context, pack: &Pack, view: &View, dry_run: bool) -> Result<()> {
    if let Seen::Unknown(why) = &view.facts.release {
        return Err(Failure::refused("what shall be built is not known").because(why.clone()));
    }
    let name = view.target.images.get("odoo").cloned().unwrap_or_default();
    let locked = view.facts.containers.locked.as_ref();
    let locked = locked.ok_or_else(|| unlocked(&name))?;
    lockfile::debian_is_locked(pack)?;
    if locked.packages.is_none() {
        cx.ui.json(&serde_json::json!({ "built": false, "image": null }));
        cx.ui
            .result("nothing to build: the lock adds neither Python nor Debian packages to Odoo's image");
        return Ok(());
    }
    let applier = up::applier(cx, pack, view);
    if dry_run {
        let text = applier.image_text()?;
        cx.ui
            .json(&serde_json::json!({ "built": false, "dockerfile": text }));
        cx.ui.document(text.trim_end());
        return Ok(());
    }
    let part = Plan {
        steps: vec![Step::BuildImage { image: name.clone() }],
        ..Plan::default()
    };
    up::apply_only(cx, pack, view, &part)?;
    let after = observe::look(pack)?;
    let image = pinned(&after, "odoo", &name).map(|image| &image.pinned);
    cx.ui.json(&serde_json::json!({ "built": true, "image": image }));
    cx.ui.result(&format!(
        "odoo is pinned to {}",
        image.map_or("nothing", String::as_str)
    ));
    Ok(())
}

/// What an image is built of is what a lock names.
fn unlocked(name: &str) -> Failure {
    Failure::refused(format!(
        "nothing is locked, so no image is built: containers of Odoo run `{name}` as it is"
    ))
    .hint(
        "`odoopack lock`, then `odoopack image build`, where Python or Debian packages shall be added to it",
    )
}

/// The parts to look for newer images of, with what they are pinned to.
///
/// # Errors
/// Kind `Refused` when a part that was named has no image of its own to update.
fn updated<'a>(view: &'a View, wanted: Option<&str>) -> Result<Vec<(&'a str, &'a Image)>> {
    let locked = view.facts.containers.locked.is_some();
    let all = view.target.images.iter();
    let all = all.filter(|(part, _)| part.as_str() != GATE_PART && !(locked && *part == "odoo"));
    let chosen = all.filter(|(part, _)| wanted.is_none_or(|wanted| *part == wanted));
    let pinned: Vec<_> = chosen
        .filter_map(|(part, name)| Some((part.as_str(), pinned(view, part, name)?)))
        .collect();
    match wanted {
        Some("odoo") if locked => Err(Failure::refused("the lock names the image of odoo")
            .hint("`odoopack lock --update`, then `odoopack up`")),
        Some(GATE_PART) => {
            Err(Failure::refused("the image of the gate is made from this program").hint("`odoopack up`"))
        }
        Some(wanted) if !view.target.images.contains_key(wanted) => {
            let known: Vec<&str> = view.target.images.keys().map(String::as_str).collect();
            Err(Failure::new(Kind::Usage, format!("no part is called `{wanted}`"))
                .hint(format!("one of {}", known.join(", "))))
        }
        _ if pinned.is_empty() => Err(Failure::refused("no image is pinned yet").hint("`odoopack up`")),
        _ => Ok(pinned),
    }
}

fn update(cx: &Context, pack: &Pack, view: &View, part: Option<&str>, dry_run: bool) -> Result<()> {
    let parts = updated(view, part)?;
    let held = if dry_run { None } else { Some(up::begin(pack)?) };
    let applier = up::applier(cx, pack, view);
    let mut newer = Vec::new();
    // All of them are judged before the first is pinned.
    for (part, before) in &parts {
        let progress = cx.ui.step(&format!("look for a newer image of {part}"));
        match applier.newer_image(part, before, &progress) {
            Ok(image) => newer.extend(image.map(|image| (*part, *before, image))),
            Err(failure) => {
                progress.failed();
                return Err(failure);
            }
        }
        progress.done();
    }
    if let Some((_lock, mut journal)) = held {
        for (part, _, image) in &newer {
            applier.repin(part, image)?;
        }
        journal.end("done")?;
    }
    told(cx, pack, &newer, dry_run)
}

/// What is newer, and what `up` would do about it; also where `up` would be refused, for what is pinned is pinned.
///
/// # Errors
/// Kind `Refused` when `up` would be.
fn told(cx: &Context, pack: &Pack, newer: &[(&str, &Image, Image)], dry_run: bool) -> Result<()> {
    if dry_run || newer.is_empty() {
        rows(cx, newer, None, dry_run);
        return Ok(());
    }
    let next = observe::look(pack)
        .map(|view| plan(&pack.loaded.spec, &view.target, &view.facts, Consent::default()));
    rows(cx, newer, next.as_ref().ok(), dry_run);
    up::refuse(&next?)
}

fn rows(cx: &Context, newer: &[(&str, &Image, Image)], next: Option<&Plan>, dry_run: bool) {
    let shown = newer.iter().map(|(part, before, now)| {
        serde_json::json!({ "part": part, "image": now.wanted, "before": before.pinned, "pinned": now.pinned })
    });
    let shown: Vec<_> = shown.collect();
    let allowed = next.filter(|next| next.refusals.is_empty());
    let groups = allowed.map(Plan::groups).unwrap_or_default();
    let then: Vec<_> = groups.into_iter().map(|(sentence, _)| sentence).collect();
    cx.ui
        .json(&serde_json::json!({ "newer": shown, "pinned": !dry_run, "then": then }));
    if newer.is_empty() {
        cx.ui
            .result("nothing newer: every name stands for the image that is pinned");
    }
    for (part, before, now) in newer {
        cx.ui.result(&format!(
            "{part:<9} {}: {} -> {}",
            now.wanted, before.pinned, now.pinned
        ));
    }
    if !then.is_empty() {
        cx.ui.result("`odoopack up` would");
    }
    for sentence in then {
        cx.ui.result(&format!("  - {sentence}"));
    }
}

fn export(cx: &Context, pack: &Pack, view: &View, file: &Utf8PathBuf, dry_run: bool) -> Result<()> {
    if file.exists() {
        return Err(Failure::refused(format!("`{file}` is there already"))
            .hint("choose another name, or move it away"));
    }
    let all: BTreeMap<&String, &Image> = view
        .target
        .images
        .iter()
        .filter_map(|(part, wanted)| Some((part, pinned(view, part, wanted)?)))
        .collect();
    if let Some(part) = view.target.images.keys().find(|part| !all.contains_key(part)) {
        return Err(
            Failure::refused(format!("the image for {part} is not pinned yet")).hint("`odoopack up`"),
        );
    }
    for (part, image) in &all {
        cx.ui.say(&format!("{part}: {} ({})", image.wanted, image.id));
    }
    if !dry_run {
        let progress = cx.ui.step(&format!("write {file}"));
        let written = up::applier(cx, pack, view).export_images(&all, file);
        if written.is_err() {
            progress.failed();
        } else {
            progress.done();
        }
        written?;
    }
    cx.ui
        .json(&serde_json::json!({ "file": file, "images": all, "written": !dry_run }));
    Ok(())
}

fn import(cx: &Context, pack: &Pack, view: &View, file: &Utf8PathBuf, dry_run: bool) -> Result<()> {
    let native = view.facts.on_disk().next().is_some() && view.facts.containers.last("postgres").is_none();
    if native {
        return Err(Failure::refused(
            "data/postgres was not made by the engine `compose`; no image may start on it",
        )
        .hint(format!(
            "to change the engine, {}",
            odoopack_core::up::INTO_A_NEW_ROOT
        )));
    }
    let found = Carried::look(file)?;
    let parts = found.parts();
    let missing = view.target.images.keys().find(|part| !parts.contains_key(*part));
    if let Some(part) = missing {
        return Err(Failure::refused(format!("`{file}` holds no image for {part}"))
            .hint("write it with `image export` where the pack runs"));
    }
    for (part, wanted) in &view.target.images {
        cx.ui.say(&format!("{part}: {wanted} becomes {}", parts[part]));
    }
    if !dry_run {
        let (_lock, mut journal) = up::begin(pack)?;
        let progress = cx.ui.step(&format!("take images from {file}"));
        let taken = up::applier(cx, pack, view).import_images(&found, &progress);
        if taken.is_err() {
            progress.failed();
        } else {
            progress.done();
        }
        taken?;
        journal.end("done")?;
    }
    cx.ui
        .json(&serde_json::json!({ "file": file, "images": parts, "pinned": !dry_run }));
    Ok(())
}
