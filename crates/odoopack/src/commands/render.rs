//! `render`: write the rendered files, or show how what is on disk differs from them.
use std::collections::BTreeSet;

use camino::Utf8Path;
use odoopack_core::plan::{Plan, Step};
use odoopack_core::target::{File, Target};
use odoopack_core::up::{Consent, plan};
use similar::TextDiff;

use super::up;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::observe;

/// Write the rendered configuration, or compare it with what is on disk
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack render --check\n  odoopack render --into preview")]
pub(crate) struct Args {
    /// Write nothing; show differences and exit with 8 when there are any
    #[arg(long)]
    check: bool,
    /// Write the files below this directory instead, with secrets as `***`
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    into: Option<camino::Utf8PathBuf>,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let view = observe::look(&pack)?;
    if let Some(directory) = &args.into {
        return write_into(cx, &view.target, directory);
    }
    if !view.target.complete {
        return Err(
            Failure::refused("some files depend on what `up` has not built yet").hint("`odoopack up`"),
        );
    }
    if args.check {
        return check(cx, &view.target);
    }
    let whole = plan(&pack.loaded.spec, &view.target, &view.facts, Consent::default());
    up::refuse(&whole)?;
    let steps: Vec<Step> = whole
        .steps
        .into_iter()
        .filter(|step| matches!(step, Step::WriteFile { .. }))
        .collect();
    cx.ui.result(&format!(
        "{} files to write; services read them at the next `odoopack up`",
        steps.len()
    ));
    let part = Plan {
        steps,
        ..Plan::default()
    };
    up::apply_only(cx, &pack, &view, &part)?;
    cx.ui.json(&serde_json::json!({ "steps": part.steps }));
    Ok(())
}

fn check(cx: &Context, target: &Target) -> Result<()> {
    let mut different = Vec::new();
    for file in &target.files {
        let seen = files::read_bytes(&file.path)?;
        if seen.as_deref() != Some(file.content.expose().as_bytes()) {
            cx.ui.result(&diff(file, seen.as_deref()));
            different.push(file.path.as_str());
        }
    }
    cx.ui.json(&serde_json::json!({ "different": different }));
    if different.is_empty() {
        cx.ui.result("every rendered file is as it should be");
        return Ok(());
    }
    Err(Failure::new(
        Kind::Drift,
        format!(
            "{} of {} rendered files differ",
            different.len(),
            target.files.len()
        ),
    )
    .hint("move the change into odoopack.toml, then `odoopack up --overwrite-edits`"))
}

/// What would change; of a file with secrets only what cannot be one, because its text must not be printed.
fn diff(file: &File, seen: Option<&[u8]>) -> String {
    let Some(seen) = seen else {
        return format!("{}: not there", file.path);
    };
    let seen = String::from_utf8_lossy(seen);
    let secret = file.shown != file.content.expose();
    let hide = |text: &str| {
        if secret {
            hide_values(text, &file.shown)
        } else {
            text.to_owned()
        }
    };
    let (seen, wanted) = (hide(&seen), hide(file.content.expose()));
    let diff = TextDiff::from_lines(&seen, &wanted);
    let text = diff.unified_diff().header("on disk", "as rendered").to_string();
    if text.is_empty() {
        format!("{}: a secret value differs", file.path)
    } else {
        format!("{}\n{text}", file.path)
    }
}

/// A line is shown when it stands in `shown` too, or when its key does with a value that is no secret.
fn hide_values(text: &str, shown: &str) -> String {
    let key = |line: &str| Some(line.split_once('=')?.0.trim().to_owned());
    let (hidden, open): (Vec<&str>, Vec<&str>) = shown.lines().partition(|line| line.contains("***"));
    let hidden: BTreeSet<String> = hidden.into_iter().filter_map(key).collect();
    let keys: BTreeSet<String> = open.iter().copied().filter_map(key).collect();
    let lines: BTreeSet<&str> = open.into_iter().collect();
    let hide = |line: &str| match (lines.contains(line), key(line)) {
        (true, _) => format!("{line}\n"),
        (false, Some(key)) if keys.contains(&key) && !hidden.contains(&key) => format!("{line}\n"),
        (false, Some(key)) if keys.contains(&key) || hidden.contains(&key) => format!("{key} = ***\n"),
        (false, _) => "***\n".to_owned(),
    };
    text.lines().map(hide).collect()
}

fn write_into(cx: &Context, target: &Target, directory: &Utf8Path) -> Result<()> {
    for file in &target.files {
        let path = directory.join(file.path.as_str().trim_start_matches('/'));
        files::directory_all(path.parent().unwrap_or(directory))?;
        files::replace(&path, file.shown.as_bytes(), 0o644, None)?;
    }
    let written: Vec<&str> = target.files.iter().map(|file| file.path.as_str()).collect();
    cx.ui
        .json(&serde_json::json!({ "into": directory, "files": written }));
    cx.ui
        .result(&format!("wrote {} files below {directory}", target.files.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_with_secrets_only_what_cannot_be_one_is_shown() {
        let shown = "# made by odoopack\n[options]\ndb_password = ***\nworkers = 4\nSENTRY_DSN='***'\n";
        let disk = "# made by odoopack\n[options]\ndb_password = geheim\nworkers = 9\nSENTRY_DSN='https://geheim@x'\n\
                    PLAIN='geheim'\ngeheim\nuser shop on >geheim\n";
        assert_eq!(
            hide_values(disk, shown),
            "# made by odoopack\n[options]\ndb_password = ***\nworkers = 9\nSENTRY_DSN = ***\n***\n***\n***\n"
        );
    }
}
