//! `import`: what other tools' files say, carried over into this pack's file; what could not be is named.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::foreign::address;
use odoopack_core::import::{self, Imported, carry};

use crate::context::{Context, FILE, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::oca;

/// Requirements that came from a file which cannot be used as it is.
const REQUIREMENTS: &str = "requirements.imported.txt";

/// Carry over what other tools' files say: submodules, git-aggregator, doodba, requirement files, locks
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads .gitmodules, repos.yaml, gitaggregate.yaml, addons.yaml, oca_dependencies.txt, odoo_requirements.txt, requirements.txt, apt.txt and locks of repositories. What the pack's file says already stays. `odoopack lock` then pins everything.\n\nExamples:\n  odoopack import .gitmodules addons.yaml --dry-run\n  odoopack import vendor/oca.lock.json"
)]
pub(crate) struct Args {
    /// Files to read
    #[arg(required = true, value_name = "FILE")]
    files: Vec<Utf8PathBuf>,
    /// Show what would change and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let (pack, _held) = super::lock::alone(cx, "odoopack import")?;
    let series = pack.loaded.spec.odoo.series;
    let mut all = Imported::default();
    for file in &args.files {
        let text =
            files::read_text(file)?.ok_or_else(|| Failure::refused(format!("there is no `{file}`")))?;
        let kind = import::kind(file.as_str(), &text).ok_or_else(|| {
            Failure::refused(format!("`{file}` is no file that can be carried over"))
                .hint("`odoopack import --help`")
        })?;
        if kind == import::Kind::GitModules {
            all.recorded = recorded(file)?;
        }
        // What stands beside this one is named from the pack on.
        let beside = (kind == import::Kind::AddonsYaml)
            .then(|| in_pack(&pack, file))
            .flatten();
        let named = beside.unwrap_or_else(|| file.clone());
        import::read(named.as_str(), kind, &text, series, &mut all)
            .map_err(|why| Failure::refused(format!("`{file}` could not be carried over")).because(why))?;
    }
    if let Some(other) = all.series.as_ref().filter(|other| *other != series.as_str()) {
        all.left.push(format!(
            "the files are for Odoo {other}, the pack for {series}: every branch that they name was kept"
        ));
    }
    let held = all
        .repositories
        .iter()
        .filter(|(_, found)| found.commit.is_some());
    let held: Vec<&str> = held.map(|(name, _)| name.as_str()).collect();
    if !held.is_empty() {
        all.left.push(format!(
            "updates of {}: the file holds them at a commit now; `odoopack oca update NAME` moves one, without `commit` it follows its branch",
            held.join(", ")
        ));
    }
    write(cx, &pack, &all, args)
}

/// Commits of the submodules of the repository whose `.gitmodules` this is, by their path; none where it is no repository.
fn recorded(file: &Utf8Path) -> Result<BTreeMap<String, String>> {
    let whole = file
        .canonicalize_utf8()
        .map_err(|e| Failure::failed(format!("could not look at `{file}`")).because(e))?;
    match whole.parent().filter(|beside| beside.join(".git").exists()) {
        Some(beside) => oca::checkout::submodules(beside),
        None => Ok(BTreeMap::new()),
    }
}

/// The path of a file as the pack calls it; `None` when it is elsewhere.
fn in_pack(pack: &Pack, file: &Utf8Path) -> Option<Utf8PathBuf> {
    let whole = file.canonicalize_utf8().ok()?;
    let root = pack.directory.canonicalize_utf8().ok()?;
    whole.strip_prefix(root).ok().map(Utf8Path::to_owned)
}

fn write(cx: &Context, pack: &Pack, all: &Imported, args: &Args) -> Result<()> {
    let dry_run = args.dry_run;
    let file = pack.directory.join(FILE);
    let before = files::read_text(&file)?.unwrap_or_default();
    let not_toml = |e| Failure::new(Kind::Spec, format!("`{FILE}` is no TOML")).because(e);
    let mut carried = carry(&before, all, pack.loaded.spec.odoo.series).map_err(not_toml)?;
    let requirements = pack.directory.join(REQUIREMENTS);
    if !all.requirements.is_empty() {
        carried.text = import::with_requirements(&carried.text, REQUIREMENTS)
            .map_err(|e| Failure::new(Kind::Spec, format!("`{FILE}` is no TOML")).because(e))?;
        carried.done.push(format!(
            "{REQUIREMENTS}: {}",
            address::blanked(&all.requirements.join(", "))
        ));
    }
    cx.load_text(pack, &carried.text)?;
    if !dry_run {
        if !all.requirements.is_empty() {
            files::replace(&requirements, merged(&requirements, all)?.as_bytes(), 0o644, None)?;
        }
        files::replace(&file, carried.text.as_bytes(), 0o644, None)?;
    }
    carried.done.extend(put_aside(pack, args)?);
    cx.ui.json(&serde_json::json!({
        "written": !dry_run, "done": carried.done, "kept": carried.kept, "left": all.left,
    }));
    let rows =
        |mark: &str, rows: &[String]| rows.iter().for_each(|row| cx.ui.result(&format!("{mark} {row}")));
    rows("carried over:", &carried.done);
    rows("unchanged:   ", &carried.kept);
    rows("left behind: ", &all.left);
    cx.ui.result(if dry_run {
        "nothing was written"
    } else {
        "next: `odoopack lock` pins every commit and package"
    });
    Ok(())
}

/// Another tool's lock where ours will stand gets another name.
fn put_aside(pack: &Pack, args: &Args) -> Result<Option<String>> {
    let ours = pack.directory.join(odoopack_core::oca_lock::FILE);
    let here = |path: &Utf8PathBuf| path.canonicalize_utf8().ok();
    let whole = here(&ours);
    if whole.is_none() || !args.files.iter().any(|file| here(file) == whole) {
        return Ok(None);
    }
    let aside = ours.with_file_name("oca.lock.imported.json");
    if !args.dry_run {
        files::rename(&ours, &aside)?;
    }
    Ok(Some(format!("{ours} becomes {aside}")))
}

/// The lines that are there with the new ones behind them.
fn merged(path: &Utf8Path, all: &Imported) -> Result<String> {
    let mut text = files::read_text(path)?.unwrap_or_default();
    for line in &all.requirements {
        if !text.lines().any(|known| known == line) {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}
