//! `image`: what the containers are made from, shown and carried to a machine without a registry.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use odoopack_core::facts::{Image, Seen};
use odoopack_core::plan::{Plan, Step};

use super::up;
use crate::apply::Carried;
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};
use crate::observe::{self, View};

/// Show what the containers are made from, and carry it to a machine without a registry
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "For the engine `compose`. `up` finds or pulls each image once and pins it; these commands work on what is pinned. Where the lock names Python packages that Odoo's image lacks, an image is built on it. After `image import` `up` pulls nothing.\n\nExamples:\n  odoopack image list\n  odoopack image build --dry-run\n  odoopack image export shop-images.tar\n  odoopack image import shop-images.tar"
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
    let containers = &view.facts.containers;
    let locked = containers
        .locked
        .as_ref()
        .ok_or_else(|| Failure::refused("no image is built without a lock").hint("`odoopack lock`"))?;
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
        cx.ui.result(text.trim_end());
        return Ok(());
    }
    let name = view.target.images.get("odoo").cloned().unwrap_or_default();
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
            .hint("write it with `odoopack image export` where the pack runs"));
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
