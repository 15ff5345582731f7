//! `recover`: an empty machine, the key and the repository are enough.
mod ground;
mod others;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::name::Name;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::BucketStyle;

use crate::apply::restore::source::Source;
use crate::apply::restore::{empty, is_done};
use crate::backup::elsewhere::{Elsewhere, Newest};
use crate::backup::offsite::Found;
use crate::backup::record::Line;
use crate::backup::stored::Opened;
use crate::backup::{Place, key, offsite, proof, unreadable};
use crate::commands::bringing::{self, Options};
use crate::commands::{environment, stored, up};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::observe;
use crate::store::lock;
use crate::store::recovering::{self, Recovering, Stage};

/// Bring a whole pack back on an empty machine, from its repository and its key
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Writes the pack's files, its secrets and certificates, builds and starts everything as `up` does, and restores the snapshot, and the newest of every other production environment of the pack. Scheduled jobs and outgoing mail are held until `odoopack env resume`. Cut off, the same command goes on with it.\n\nExamples:\n  odoopack recover /mnt/backups --key-file key.txt --root /opt/odoo\n  odoopack recover /mnt/backups --key-file key.txt --root /opt/odoo --snapshot 1a2b3c4d\n  odoopack recover /mnt/backups --key-file key.txt --root /opt/odoo --of shop\n  odoopack recover https://sgp1.digitaloceanspaces.com/odoo-backups --credentials-file spaces.txt --key-file key.txt --root /opt/odoo"
)]
pub(crate) struct Args {
    /// Directory of the repository, or `https://SERVICE/BUCKET`
    repository: String,
    /// For a bucket: file with `id:secret` of an access key
    #[arg(long, value_name = "FILE")]
    credentials_file: Option<Utf8PathBuf>,
    /// For a bucket: how requests name it, in their `path` or, `virtual`, in the host
    #[arg(long, default_value_t = BucketStyle::Path)]
    style: BucketStyle,
    /// For a bucket: the region that requests are signed for
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// File with the key that `backup key export` shows
    #[arg(long, value_name = "FILE")]
    key_file: Utf8PathBuf,
    /// Beginning of a snapshot's name, or `latest`
    #[arg(long, default_value = "latest")]
    snapshot: String,
    /// Whose `latest`; without it production's, or that of the only production environment
    #[arg(long, value_name = "ENV")]
    of: Option<Name>,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let root = cx.root.clone().ok_or_else(|| {
        Failure::new(Kind::Usage, "where to?").hint("`--root DIR` names the directory of the pack")
    })?;
    let begun = recovering::read(&root)?;
    if begun.is_none() {
        empty(&root)?;
    }
    let key = key(&args.key_file)?;
    let credentials = args.credentials_file.as_deref().map(credentials).transpose()?;
    let place = offsite::typed(&args.repository, (args.style, &args.region), credentials.as_ref())?;
    // What was begun with one snapshot is not ended with another.
    let name = begun.as_ref().map_or(&args.snapshot, |begun| &begun.snapshot);
    let elsewhere = Elsewhere::open(&place, &key)?;
    unreadable::warn(cx, elsewhere.unreadable());
    let opened = elsewhere.snapshot(name, args.of.as_ref().map(Name::as_str))?;
    let others = elsewhere.others(&opened);
    consent(cx, &root, (&opened, &others), begun.as_ref())?;
    let mark = begun.unwrap_or_else(|| Recovering::of(opened.id()));
    let proofs = proofs(cx, &place, &key, &opened.manifest().pack);
    let recovery = Recovery {
        cx,
        root,
        key,
        place,
        mark,
        proofs,
        elsewhere,
        others,
    };
    recovery.run(opened)
}

fn key(path: &Utf8Path) -> Result<SecretText> {
    let text = files::read_text(path)?.ok_or_else(|| {
        Failure::refused(format!("there is no `{path}`"))
            .hint("write the key into it; `backup key export` showed it on the machine that is gone")
    })?;
    Ok(SecretText::new(text.trim()))
}

/// What the repository says was proven. A recovery goes on without it.
fn proofs(cx: &Context, place: &Place, key: &SecretText, pack: &str) -> Vec<Line> {
    let (proofs, strange) = match proof::elsewhere(place, key, pack) {
        Ok(found) => found,
        Err(failure) => {
            let why = failure.chain().join(": ");
            cx.ui
                .warn(&format!("which snapshots were proven is not known: {why}"));
            return Vec::new();
        }
    };
    if strange > 0 {
        cx.ui.warn(&format!(
            "{strange} notes of proofs were not made with this key, and count for nothing"
        ));
    }
    proofs
}

fn credentials(path: &Utf8Path) -> Result<SecretText> {
    let text = files::read_text(path)?.ok_or_else(|| {
        Failure::refused(format!("there is no `{path}`"))
            .hint("write `id:secret` of an access key for the bucket into it")
    })?;
    Ok(SecretText::new(text.trim()))
}

/// Nothing is recovered over something.
fn empty(root: &Utf8Path) -> Result<()> {
    for part in ["repo", "data"] {
        let path = root.join(part);
        if path.exists() {
            return Err(Failure::refused(format!("`{path}` is there already"))
                .hint("recover into an empty directory, or `odoopack restore` into the pack that is there"));
        }
    }
    Ok(())
}

fn consent(
    cx: &Context,
    root: &Utf8Path,
    (opened, others): (&Opened, &[Newest]),
    begun: Option<&Recovering>,
) -> Result<()> {
    let manifest = opened.manifest();
    cx.ui.say(&format!(
        "snapshot {} of {} of the pack {}, taken {}",
        opened.id(),
        manifest.environment,
        manifest.pack,
        manifest.taken
    ));
    // Later it is written down which of them are awaited.
    if begun.is_none_or(|begun| begun.stage == Stage::Files) {
        for other in others {
            cx.ui.say(&format!(
                "snapshot {} of {}, taken {}",
                other.snapshot, other.environment, other.taken
            ));
        }
    }
    let question = match begun.map(|begun| begun.stage) {
        None => format!("recover it into {root}?"),
        Some(Stage::Files | Stage::Services | Stage::Data) => {
            format!("go on with the recovery into {root} that was cut off?")
        }
        Some(Stage::Restored) => {
            format!(
                "it is in place; end the recovery into {root}, and remove the empty database that it replaced?"
            )
        }
    };
    let yes = cx
        .ui
        .confirm(&question)
        .map_err(|e| Failure::failed("could not ask").because(e))?;
    if yes {
        return Ok(());
    }
    Err(Failure::refused("nothing was changed").hint("`--yes` answers the question"))
}

/// One recovery; what has ended is not done again by the one that goes on.
struct Recovery<'a> {
    cx: &'a Context,
    root: Utf8PathBuf,
    key: SecretText,
    /// Where the repository is.
    place: Place,
    mark: Recovering,
    /// What was proven, as the repository knows it.
    proofs: Vec<Line>,
    elsewhere: Elsewhere,
    /// The newest snapshots of the pack's other production environments.
    others: Vec<Newest>,
}

impl Recovery<'_> {
    fn run(mut self, opened: Opened) -> Result<()> {
        let from_the_start = self.mark.stage == Stage::Files;
        if from_the_start {
            files::directory_all(&self.root).map_err(lock::not_writable)?;
            self.reached(Stage::Files)?;
            let progress = self
                .cx
                .ui
                .step("write the pack's files, history, secrets and certificates");
            self.ground(&opened)?;
            progress.done();
            self.reached(Stage::Services)?;
        } else {
            self.warn_of_history();
        }
        let pack = self.cx.load()?;
        let name = opened.manifest().environment.clone();
        let wanted = opened.manifest().code.identity.clone();
        let own = Found::of(&opened);
        if self.mark.stage < Stage::Restored || others::awaits(&pack)? {
            self.services(&pack)?;
        }
        // `services` may have found that the restore itself had ended.
        if self.mark.stage < Stage::Restored {
            self.data(&pack, &name, opened, from_the_start)?;
        }
        self.take_over(&pack, own)?;
        self.forget_empty(&pack, &name, self.mark.operation.as_deref())?;
        self.all_others(&pack)?;
        self.same_release(&pack, wanted.as_deref())?;
        recovering::end(&self.root)?;
        self.cx.ui.result(&format!("{} is back", pack.layout.root()));
        if pack.loaded.spec.backup.offsite.is_some() {
            self.cx.ui.say(
                "backups go off site again after `odoopack backup offsite --take-over`, once the machine that made them runs no more",
            );
        }
        Ok(())
    }

    fn reached(&mut self, stage: Stage) -> Result<()> {
        self.mark.stage = stage;
        recovering::write(&self.root, &self.mark)
    }

    /// Builds and starts everything; a restore that was cut off is put right before.
    fn services(&mut self, pack: &Pack) -> Result<()> {
        let resumed = bringing::resume(self.cx, pack)?;
        resumed.iter().for_each(|sentence| self.cx.ui.say(sentence));
        if let Some(id) = &self.mark.operation
            && is_done(&pack.layout.state(), id)?
        {
            self.reached(Stage::Restored)?;
        }
        let everything = up::Args {
            dry_run: false,
            overwrite_edits: false,
        };
        up::converge(self.cx, pack, &everything).map(drop)
    }

    /// Restores, and never a second time: from its end on people may work in what came back.
    fn data(&mut self, pack: &Pack, name: &str, opened: Opened, just_made: bool) -> Result<()> {
        let (environment_name, settings) = environment(pack, name)?;
        let view = bringing::look(pack, environment_name)?;
        let apply = up::applier(self.cx, pack, &view);
        // On a server of somebody else the database may have outlived this machine.
        let just_made = just_made && !pack.loaded.spec.postgres.is_given();
        let empty = empty::still(
            &apply,
            (environment_name, &settings.database),
            self.mark.empty,
            just_made,
        )
        .map_err(|failure| self.in_use(failure, name))?;
        let id = bringing::new_id();
        self.mark.empty = self.mark.empty.or(empty);
        self.mark.operation = Some(id.clone());
        self.reached(Stage::Data)?;
        self.put(pack, name, opened, &id)?;
        self.reached(Stage::Restored)
    }

    /// Puts a snapshot in the place of an empty database.
    fn put(&self, pack: &Pack, name: &str, opened: Opened, id: &str) -> Result<()> {
        let from = format!("snapshot {}", opened.id());
        let source = Source::Snapshot(stored::boxed(opened));
        let options = Options::replacing(name, id);
        bringing::bring(
            self.cx,
            pack,
            (&source, &from),
            &bringing::Place::to(name),
            (None, &options),
        )
    }

    fn in_use(&self, failure: Failure, name: &str) -> Failure {
        let (snapshot, mark) = (&self.mark.snapshot, recovering::path(&self.root));
        failure
            .hint(format!(
                "`odoopack restore {snapshot} --to {name}` puts the snapshot in its place all the same, and keeps what is there"
            ))
            .hint(format!("`rm {mark}` ends the recovery when {name} is as it should be"))
    }

    /// What `up` had made was empty; what other restores have replaced is not.
    fn forget_empty(&self, pack: &Pack, name: &str, operation: Option<&str>) -> Result<()> {
        let Some(id) = operation else {
            return Ok(());
        };
        let (name, settings) = environment(pack, name)?;
        let _lock = lock::take(&pack.layout.state(), "odoopack recover")?;
        let view = bringing::look(pack, name)?;
        let apply = up::applier(self.cx, pack, &view);
        let progress = self.cx.ui.step("remove the empty database that it began with");
        let forgotten = empty::forget(&apply, (name, &settings.database), id);
        if forgotten.is_ok() {
            progress.done();
        } else {
            progress.failed();
        }
        if let Some(kept) = forgotten? {
            self.cx.ui.warn(&empty::is_kept(name, &kept));
        }
        Ok(())
    }

    /// What is known for sure: what was proven, that somebody has the key, and which snapshots are at the second place of the file.
    fn take_over(&self, pack: &Pack, own: Found) -> Result<()> {
        proof::take_over(&pack.layout, &self.proofs)?;
        key::confirm(&pack.layout, self.key.expose())?;
        let others = self.others.iter().map(|other| Found {
            environment: other.environment.clone(),
            snapshot: other.snapshot.clone(),
            taken: other.taken,
        });
        let all: Vec<Found> = std::iter::once(own).chain(others).collect();
        offsite::found_there(pack, &self.place, &all)
    }

    /// A branch or a suite moves on; then it is said which code runs now.
    fn same_release(&self, pack: &Pack, wanted: Option<&str>) -> Result<()> {
        let release = observe::release(pack)?;
        let runs = release.present().map(|release| release.identity.as_str());
        match (wanted, runs) {
            (Some(wanted), Some(runs)) if wanted != runs => {
                let text = format!("the snapshot ran on {wanted}, this machine runs {runs}");
                self.cx.ui.warn(&text);
            }
            _ => {}
        }
        Ok(())
    }
}
