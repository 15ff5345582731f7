//! `recover`: an empty machine, the key and the repository are enough.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::backup::paths;
use odoopack_core::secret::SecretText;

use crate::apply::restore::source::Source;
use crate::backup::key;
use crate::backup::stored::Opened;
use crate::commands::bringing::{self, Options, Place};
use crate::commands::{environment, stored, up};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::observe;
use crate::store::{lock, secrets};

/// Bring a whole pack back on an empty machine, from its repository and its key
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Writes the pack's files, its secrets and certificates, builds and starts everything as `up` does, and restores the snapshot. Scheduled jobs and outgoing mail are held until `odoopack env resume`.\n\nExamples:\n  odoopack recover /mnt/backups --key-file key.txt --root /opt/odoo\n  odoopack recover /mnt/backups --key-file key.txt --root /opt/odoo --snapshot 1a2b3c4d"
)]
pub(crate) struct Args {
    /// Directory of the repository
    repository: Utf8PathBuf,
    /// File with the key that `backup key export` shows
    #[arg(long, value_name = "FILE")]
    key_file: Utf8PathBuf,
    /// Beginning of a snapshot's name, or `latest`
    #[arg(long, default_value = "latest")]
    snapshot: String,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let root = empty_root(cx)?;
    let text = files::read_text(&args.key_file)?
        .ok_or_else(|| Failure::refused(format!("there is no `{}`", args.key_file)))?;
    let key = SecretText::new(text.trim());
    let directory = camino::absolute_utf8(&args.repository)
        .map_err(|e| Failure::refused(format!("`{}` is no path", args.repository)).because(e))?;
    let opened = Opened::elsewhere(&directory, &key, &args.snapshot)?;
    let name = opened.manifest().environment.clone();
    cx.ui.say(&format!(
        "snapshot {} of {name}, taken {}",
        opened.id(),
        opened.manifest().taken
    ));
    let yes = cx
        .ui
        .confirm(&format!("recover it into {root}?"))
        .map_err(|e| Failure::failed("could not ask").because(e))?;
    if !yes {
        return Err(Failure::refused("nothing was changed").hint("`--yes` answers the question"));
    }
    let progress = cx.ui.step("write the pack's files, secrets and certificates");
    let pack = ground(cx, &root, &opened, &key)?;
    progress.done();
    let everything = up::Args {
        dry_run: false,
        overwrite_edits: false,
    };
    up::converge(cx, &pack, &everything)?;
    let from = format!("snapshot {}", opened.id());
    let wanted = opened.manifest().code.identity.clone();
    let source = Source::Snapshot(stored::boxed(opened));
    let options = Options::replacing(&name);
    bringing::bring(cx, &pack, (&source, &from), &Place::to(&name), (None, &options))?;
    forget_empty(cx, &pack, &name)?;
    same_release(cx, &pack, wanted.as_deref())
}

/// Nothing is recovered over something.
fn empty_root(cx: &Context) -> Result<Utf8PathBuf> {
    let root = cx.root.clone().ok_or_else(|| {
        Failure::new(Kind::Usage, "where to?").hint("`--root DIR` names the directory of the pack")
    })?;
    for part in ["repo", "data"] {
        let path = root.join(part);
        if path.exists() {
            return Err(Failure::refused(format!("`{path}` is there already"))
                .hint("recover into an empty directory, or `odoopack restore` into the pack that is there"));
        }
    }
    Ok(root)
}

fn ground(cx: &Context, root: &Utf8Path, opened: &Opened, key: &SecretText) -> Result<Pack> {
    let repo = root.join("repo");
    files::directory_all(&repo)?;
    if !opened.directory(paths::PACK, &repo)? {
        return Err(Failure::refused("the snapshot holds no pack"));
    }
    let pack = cx.load()?;
    if pack.layout.root() != root {
        return Err(Failure::refused(format!(
            "the file of the snapshot says that its root is {}",
            pack.layout.root()
        ))
        .hint(format!("`--root {}`", pack.layout.root())));
    }
    files::directory_all(&pack.layout.data())?;
    for (part, to) in [
        (paths::SECRETS, pack.layout.secrets()),
        (paths::TLS, pack.layout.tls()),
    ] {
        files::directory(&to, 0o700, None)?;
        opened.directory(part, &to)?;
    }
    secrets::set(&pack.layout.secrets(), key::NAME, key.expose())?;
    cx.load()
}

/// What `up` had made was empty.
fn forget_empty(cx: &Context, pack: &Pack, name: &str) -> Result<()> {
    let (name, settings) = environment(pack, name)?;
    let view = bringing::look(pack)?;
    let apply = up::applier(cx, pack, &view);
    let _lock = lock::take(&pack.layout.state(), "odoopack recover")?;
    crate::apply::restore::replaced::find(&apply, name, &settings.database)?.remove(&apply)
}

/// A branch or a suite moves on; then it is said which code runs now.
fn same_release(cx: &Context, pack: &Pack, wanted: Option<&str>) -> Result<()> {
    let release = observe::release(pack)?;
    let runs = release.present().map(|release| release.identity.as_str());
    match (wanted, runs) {
        (Some(wanted), Some(runs)) if wanted != runs => {
            cx.ui
                .warn(&format!("the snapshot ran on {wanted}, this machine runs {runs}"));
        }
        _ => {}
    }
    cx.ui.result(&format!("{} is back", pack.layout.root()));
    Ok(())
}
