//! Everything of a snapshot, in the order of its paths: each stage begins when the one before has been handed over.
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use odoopack_core::backup::{Attachments, Code, Manifest, Seconds, paths, read_attachments};
use odoopack_core::filestore::Named;
use odoopack_core::layout::Layout;
use odoopack_repository::{Content, Error, Item, Parts};

use super::database::{Counting, Frozen};
use super::filestore::{Files, Finding};
use super::gentle::Slow;
use super::{key, tree};
use crate::exec::Cmd;
use crate::exec::pipes::Pipe;
use crate::failure::{Failure, Result};
use crate::store::secrets;
use crate::tools::git::bundle as git;
use crate::tools::{docker, postgres};

/// Where a snapshot is made from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) layout: Layout,
    pub(crate) environment: String,
    pub(crate) kind: String,
    pub(crate) code: Code,
    /// Odoo's filestore of the database.
    pub(crate) filestore: Utf8PathBuf,
    /// The pack's own directory.
    pub(crate) pack: Utf8PathBuf,
    /// What the file names outside of it.
    pub(crate) outside: Vec<Utf8PathBuf>,
    /// The trees of the lock, in the order of their names.
    pub(crate) trees: Vec<Utf8PathBuf>,
    /// PostgreSQL's programs, of the server's own major.
    pub(crate) programs: Utf8PathBuf,
    /// Container that holds them; `None`: this host.
    pub(crate) inside: Option<String>,
    /// The server.
    pub(crate) server: postgres::Place,
    /// Whether people come first.
    pub(crate) gentle: bool,
}

impl Origin {
    /// A program of the server's own major, where it is.
    pub(crate) fn client(&self, program: &str) -> Cmd {
        let program = self.programs.join(program);
        match &self.inside {
            None => Cmd::new(program).bare(),
            Some(container) => docker::session(container, &[postgres::APPLICATION], false).arg(program),
        }
    }
}

/// What the stages leave behind for whoever waits for the snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) manifest: Arc<Mutex<Option<Manifest>>>,
    /// The database could not be read to its end: somebody may have changed a table meanwhile.
    pub(crate) database_failed: Arc<AtomicBool>,
    /// Why the history of the pack is not in it.
    pub(crate) history: Arc<Mutex<Option<String>>>,
}

type Items = Box<dyn Iterator<Item = std::result::Result<Item, Error>> + Send>;
type Stage = fn(&mut Work) -> Result<Items>;

/// The stages in the order of their paths.
const STAGES: &[Stage] = &[
    config,
    attachments,
    dump,
    files,
    manifest,
    addons,
    history,
    pack,
    secret_values,
    tls,
];

struct Work {
    origin: Origin,
    frozen: Frozen,
    counting: Option<Counting>,
    dumping: Option<Result<Pipe>>,
    finding: Option<Finding>,
    named: Named,
    found: Arc<Mutex<Attachments>>,
    /// Files of the pack's own tree.
    pack: Vec<Item>,
    begun: Instant,
    seconds: Seconds,
    dumped: Arc<AtomicU64>,
    told: Told,
}

/// The items of one snapshot.
pub(crate) fn all(
    origin: Origin,
    frozen: Frozen,
    told: Told,
    show: impl Fn(&str) + Send + 'static,
) -> impl Iterator<Item = std::result::Result<Item, Error>> + Send + 'static {
    let counting = Some(frozen.count(origin.gentle));
    // It reads the catalogue while the repository is read.
    let dumping = Some(start_dump(&origin, &frozen));
    let mut work = Work {
        origin,
        frozen,
        counting,
        dumping,
        finding: None,
        named: Named::default(),
        found: Arc::default(),
        pack: Vec::new(),
        begun: Instant::now(),
        seconds: Seconds::default(),
        dumped: Arc::default(),
        told,
    };
    let mut stages: VecDeque<Stage> = STAGES.iter().copied().collect();
    let mut current: Items = Box::new(std::iter::empty());
    std::iter::from_fn(move || {
        loop {
            if let Some(item) = current.next() {
                if let Ok(item) = &item {
                    show(&item.path);
                }
                return Some(item);
            }
            let stage = stages.pop_front()?;
            match stage(&mut work) {
                Ok(items) => current = items,
                Err(failure) => {
                    stages.clear();
                    return Some(Err(Error::NotWhole(failure.chain().join(": "))));
                }
            }
        }
    })
}

fn boxed(items: Vec<Item>) -> Items {
    Box::new(items.into_iter().map(Ok))
}

fn config(work: &mut Work) -> Result<Items> {
    tree::items(&work.origin.layout.config(), paths::CONFIG).map(boxed)
}

fn attachments(work: &mut Work) -> Result<Items> {
    let list = list_attachments(&mut work.frozen, &work.origin.layout.state(), &mut work.named)?;
    // A file is written before its row can be seen, and none goes while the collector is held: after the snapshot of the database was
    // taken, every file of it is found.
    work.finding = Some(Finding::start(&work.origin.filestore));
    Ok(boxed(vec![list]))
}

/// The list of attachments in a file of `place` without a name, and their names in `named`.
fn list_attachments(frozen: &mut Frozen, place: &Utf8Path, named: &mut Named) -> Result<Item> {
    let not_kept = |e: io::Error| Failure::failed("could not keep the list of attachments").because(e);
    let mut file = BufWriter::new(tempfile::tempfile_in(place).map_err(not_kept)?);
    let mut size = 0;
    frozen.attachments(|line| {
        let rows = read_attachments(line);
        let rows = rows.map_err(|e| Failure::failed("could not list the attachments").because(e))?;
        rows.into_iter().for_each(|(name, _, _)| named.add(name));
        size += line.len() as u64;
        file.write_all(line.as_bytes()).map_err(not_kept)
    })?;
    let mut file = file.into_inner().map_err(|e| not_kept(e.into_error()))?;
    file.rewind().map_err(not_kept)?;
    Ok(Item {
        path: paths::ATTACHMENTS.to_owned(),
        content: Content::Opened(file),
        size,
        modified: frozen.taken,
        mode: 0o600,
    })
}

fn start_dump(origin: &Origin, frozen: &Frozen) -> Result<Pipe> {
    let pg_dump = origin.client("pg_dump");
    postgres::dump(pg_dump, &origin.server, frozen.name(), &frozen.snapshot).pipe()
}

fn dump(work: &mut Work) -> Result<Items> {
    let started = work.dumping.take();
    let pipe = started.unwrap_or_else(|| start_dump(&work.origin, &work.frozen))?;
    let stream = Counted {
        stream: Slow::new(pipe, work.origin.gentle),
        bytes: Arc::clone(&work.dumped),
        failed: Arc::clone(&work.told.database_failed),
    };
    Ok(Box::new(Parts::new(stream, paths::DUMP, work.frozen.taken)))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a stage as the others")]
fn files(work: &mut Work) -> Result<Items> {
    work.seconds.database = work.begun.elapsed().as_secs_f64();
    let filestore = &work.origin.filestore;
    let finding = work.finding.take().unwrap_or_else(|| Finding::start(filestore));
    let named = std::mem::take(&mut work.named);
    let of = (named, work.frozen.taken);
    let files = Files::new(finding, of, Arc::clone(&work.found));
    let not_whole = |failure: Failure| Error::NotWhole(failure.chain().join(": "));
    Ok(Box::new(files.map(move |item| item.map_err(not_whole))))
}

fn manifest(work: &mut Work) -> Result<Items> {
    work.seconds.filestore = work.begun.elapsed().as_secs_f64() - work.seconds.database;
    let counted = work.counting.take().map(Counting::result);
    let tables = counted.unwrap_or_else(|| Err(Failure::failed("the rows were not counted")));
    let tables = tables.inspect_err(|_| work.told.database_failed.store(true, Ordering::SeqCst))?;
    let mut database = work.frozen.describe()?;
    database.tables = tables;
    database.dump.size = work.dumped.load(Ordering::SeqCst);
    database.dump.parts = database.dump.size.div_ceil(odoopack_repository::PART as u64);
    let found = find_pack(&work.origin);
    work.pack = found.items;
    let manifest = Manifest {
        format: odoopack_core::backup::FORMAT,
        odoopack: env!("CARGO_PKG_VERSION").to_owned(),
        pack: work.origin.layout.pack().to_string(),
        environment: work.origin.environment.clone(),
        kind: work.origin.kind.clone(),
        taken: work.frozen.taken.to_string(),
        code: work.origin.code.clone(),
        database,
        modules: work.frozen.modules()?,
        attachments: work.found.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        left_out: found.left_out,
        seconds: work.seconds,
    };
    let item = Item::small(paths::MANIFEST, manifest.to_json(), work.frozen.taken);
    *work.told.manifest.lock().unwrap_or_else(PoisonError::into_inner) = Some(manifest);
    Ok(boxed(vec![item]))
}

/// The pack's own tree; it is looked for before the manifest is written, which says what could not be taken of it.
fn find_pack(origin: &Origin) -> tree::Found {
    // Where the file lies in the root itself, all of this lies below it.
    let layout = &origin.layout;
    let but = [layout.data(), layout.backups(), layout.config(), layout.aside()];
    let mut found = tree::readable(&origin.pack, paths::PACK, &but);
    let outside = |path: &Utf8PathBuf| format!("{path}: it lies outside of the pack's directory");
    found.left_out.extend(origin.outside.iter().map(outside));
    found
}

#[expect(clippy::unnecessary_wraps, reason = "it is a stage like the others")]
fn pack(work: &mut Work) -> Result<Items> {
    Ok(boxed(std::mem::take(&mut work.pack)))
}

fn addons(work: &mut Work) -> Result<Items> {
    let mut items = Vec::new();
    for tree in &work.origin.trees {
        let name = tree.file_name().unwrap_or_default();
        items.extend(tree::items_of_git(tree, &format!("{}/{name}", paths::ADDONS))?);
    }
    Ok(boxed(items))
}

/// Data, files and code are whole without it: a history that cannot be read is only warned of.
#[expect(clippy::unnecessary_wraps, reason = "it is a stage as the others")]
fn history(work: &mut Work) -> Result<Items> {
    if work.origin.code.commit.is_none() {
        return Ok(boxed(Vec::new()));
    }
    match bundled(&work.origin.pack, &work.origin.layout.state()) {
        Ok(stream) => Ok(Box::new(Parts::new(stream, paths::HISTORY, work.frozen.taken))),
        Err(failure) => {
            let mut why = work.told.history.lock().unwrap_or_else(PoisonError::into_inner);
            *why = Some(failure.chain().join(": "));
            Ok(boxed(Vec::new()))
        }
    }
}

/// The history of a repository in a file of `place` without a name: only when it was written to its end is any of it stored.
fn bundled(directory: &Utf8Path, place: &Utf8Path) -> Result<File> {
    let failed = |e: io::Error| Failure::failed("could not keep the pack's history").because(e);
    let mut file = tempfile::tempfile_in(place).map_err(failed)?;
    git::bundle(directory).drain(|out| io::copy(out, &mut file).map(drop).map_err(failed))?;
    file.rewind().map_err(failed)?;
    Ok(file)
}

fn secret_values(work: &mut Work) -> Result<Items> {
    let directory = work.origin.layout.secrets();
    let mut items = Vec::new();
    for name in secrets::names(&directory)? {
        // The key that opens the repository would open nothing from inside of it.
        if name == key::NAME {
            continue;
        }
        let path = secrets::path(&directory, &name);
        let metadata = path.metadata();
        let metadata =
            metadata.map_err(|e| Failure::failed(format!("could not look at `{path}`")).because(e))?;
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok());
        items.push(Item {
            path: format!("{}/{name}", paths::SECRETS),
            content: Content::File(path.into_std_path_buf()),
            size: metadata.len(),
            modified: modified.unwrap_or(work.frozen.taken),
            mode: 0o600,
        });
    }
    Ok(boxed(items))
}

fn tls(work: &mut Work) -> Result<Items> {
    tree::items(&work.origin.layout.tls(), paths::TLS).map(boxed)
}

/// Counts what is read, and notes when reading failed.
struct Counted<R> {
    stream: R,
    bytes: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Ok(got) => {
                self.bytes.fetch_add(got as u64, Ordering::SeqCst);
                Ok(got)
            }
            Err(e) => {
                self.failed.store(true, Ordering::SeqCst);
                Err(e)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::git::checkout;

    #[test]
    fn a_history_that_cannot_be_read_leaves_nothing_of_itself() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        checkout::init_plain(root).run().unwrap();
        bundled(root, root).unwrap_err();
        let git = |args: &[&str]| {
            let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
            let cmd = Cmd::new("git").without("GIT_").directory(root);
            cmd.args(who).args(args.iter().copied()).run().unwrap();
        };
        git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
        let mut text = Vec::new();
        bundled(root, root).unwrap().read_to_end(&mut text).unwrap();
        assert!(text.starts_with(b"# v2 git bundle"));
        // Of a damaged repository git writes the beginning of a bundle, and then fails.
        let objects = root.join(".git/objects");
        for two in objects.read_dir_utf8().unwrap().flatten() {
            if two.file_name().len() == 2 {
                std::fs::remove_dir_all(two.path()).unwrap();
            }
        }
        bundled(root, root).unwrap_err();
    }
}
