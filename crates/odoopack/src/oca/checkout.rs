//! Checkouts below the pack: submodules where the pack is a git repository, so that plain git works with them too.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::oca_lock::Locked;

use super::mirror::Mirror;
use super::{Workshop, parallel};
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::git::checkout as git;
use crate::ui::Progress;

/// What stands where a repository should be checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing, or an empty directory.
    Absent,
    /// Something that is no repository of its own.
    Foreign,
    /// A repository.
    There {
        /// What is checked out.
        commit: String,
        /// Files that are not as the commit has them, and files that it does not have.
        changed: Vec<String>,
    },
}

/// Looks at a checkout; every file is read, no remembered time is believed.
pub(crate) fn look(place: &Utf8Path) -> Result<Seen> {
    if is_empty(place)? {
        return Ok(Seen::Absent);
    }
    if place.join(".git").symlink_metadata().is_err() {
        return Ok(Seen::Foreign);
    }
    let found = git::head(place).outcome()?;
    if !found.status.success() {
        return headless(place);
    }
    let head = found.stdout;
    let keep = tempfile::tempdir().map_err(|e| Failure::failed("could not make a directory").because(e))?;
    let index = Utf8Path::from_path(keep.path())
        .ok_or_else(|| Failure::failed("the directory for temporary files is not UTF-8"))?
        .join("index");
    git::fresh_index(place, &index).run()?;
    let compared = git::compare(place, &index).outcome()?;
    let mut changed = git::parse_changed(&compared.stdout);
    if changed.is_empty() && !matches!(compared.status.code(), Some(0)) {
        return Err(git::compare(place, &index).ended_badly(&compared));
    }
    let unknown = git::unknown(place, &index).read()?;
    let more = unknown.split('\0').map(str::trim).filter(|path| !path.is_empty());
    changed.extend(more.map(str::to_owned));
    Ok(Seen::There {
        commit: head.trim().to_owned(),
        changed,
    })
}

/// A repository without a commit is a first checkout that was cut off; files in it may be anybody's.
fn headless(place: &Utf8Path) -> Result<Seen> {
    let entries = place
        .read_dir_utf8()
        .map_err(|e| Failure::failed(format!("could not look into `{place}`")).because(e))?;
    let mut files = entries.filter(|entry| entry.as_ref().map_or(true, |entry| entry.file_name() != ".git"));
    if files.next().is_none() {
        return Ok(Seen::Absent);
    }
    Err(Failure::refused(format!(
        "`{place}` holds files, but no commit is checked out there"
    ))
    .because("a first checkout that was cut off looks like this, and files of yours would too")
    .hint("when nothing in it is yours: `rm -r` it, then `odoopack oca sync`"))
}

fn is_empty(place: &Utf8Path) -> Result<bool> {
    match place.read_dir_utf8() {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(Failure::failed(format!("could not look into `{place}`")).because(e)),
    }
}

/// The pack as a git repository.
#[derive(Clone, Debug)]
pub(crate) struct Pack {
    root: Utf8PathBuf,
    data: Utf8PathBuf,
}

impl Pack {
    /// The repository around a directory; `None` where there is none.
    pub(crate) fn around(directory: &Utf8Path) -> Result<Option<Self>> {
        let cmd = git::root(directory);
        let outcome = cmd.outcome()?;
        if !outcome.status.success() {
            if outcome.stderr.contains("dubious ownership") {
                return Err(cmd
                    .ended_badly(&outcome)
                    .during(format!("git does not trust `{directory}`"))
                    .hint("run as the user that the directory belongs to"));
            }
            return Ok(None);
        }
        let root = Utf8PathBuf::from(outcome.stdout.trim());
        let data = Utf8PathBuf::from(git::git_directory(directory).read()?.trim());
        Ok(Some(Self { root, data }))
    }

    /// The path of a checkout as the repository calls it.
    fn path(&self, place: &Utf8Path) -> Option<String> {
        let above = place.ancestors().find(|above| above.exists())?;
        let whole = above
            .canonicalize_utf8()
            .ok()?
            .join(place.strip_prefix(above).ok()?);
        let path = whole.strip_prefix(&self.root).ok()?;
        let path = path.as_str().trim_end_matches('/');
        (!path.is_empty()).then(|| path.to_owned())
    }

    /// The commits at which the index holds submodules below a directory.
    pub(crate) fn recorded(&self, directory: &Utf8Path) -> Result<BTreeMap<String, String>> {
        let Some(path) = self.path(directory) else {
            return Ok(BTreeMap::new());
        };
        let text = git::recorded(&self.root, &path).read()?;
        let rows = text.split('\0').filter(|row| row.starts_with("160000 "));
        let one = |row: &str| {
            let (head, at) = row.split_once('\t')?;
            let id = head.split(' ').nth(1)?;
            let name = at.trim().rsplit('/').next()?;
            Some((name.to_owned(), id.to_owned()))
        };
        Ok(rows.filter_map(one).collect())
    }
}

/// Commits at which the index of the repository at `root` holds submodules, by their path.
pub(crate) fn submodules(root: &Utf8Path) -> Result<BTreeMap<String, String>> {
    let text = git::recorded(root, ".").read()?;
    let one = |row: &str| {
        let (head, path) = row.strip_prefix("160000 ")?.split_once('\t')?;
        Some((path.to_owned(), head.split(' ').next()?.to_owned()))
    };
    Ok(text.split('\0').filter_map(one).collect())
}

/// Brings a checkout to the commit of the lock; gives whether anything was done.
///
/// # Errors
/// When files there were changed: they are never overwritten.
pub(crate) fn bring(
    workshop: &Workshop<'_>,
    pack: Option<&Pack>,
    name: &str,
    mirror: &Mirror,
    locked: &Locked,
) -> Result<bool> {
    let Some(place) = workshop.checkout(name) else {
        return Ok(false);
    };
    let submodule = pack
        .filter(|_| locked.merged.is_none())
        .and_then(|pack| Some((pack, pack.path(&place)?)));
    let mut moved = true;
    match look(&place)? {
        Seen::Absent => create(
            &place,
            submodule.as_ref().map(|(pack, path)| (*pack, path.as_str())),
            locked,
        )?,
        Seen::Foreign => {
            return Err(Failure::refused(format!("`{place}` is no git repository"))
                .hint(format!("move it away, then run `odoopack oca sync {name}`")));
        }
        Seen::There { commit, .. } if commit == locked.used() => moved = false,
        Seen::There { changed, .. } if changed.is_empty() => {}
        Seen::There { changed, .. } => {
            return Err(Failure::refused(format!("files in `{place}` were changed"))
                .because(changed.join(", "))
                .hint(format!(
                    "commit or remove the changes, then run `odoopack oca sync {name}`"
                )));
        }
    }
    if moved {
        git::take(&place, &mirror.place, locked.used()).run()?;
        git::switch(&place, locked.used()).run()?;
    }
    git::configure(&place, "remote.origin.url", &locked.url).run()?;
    if pack.is_some() && locked.merged.is_some() {
        files_of_ours(pack, &place)?;
    }
    Ok(moved)
}

/// Brings checkouts to the lock, several at a time; gives the names of those that were moved.
pub(crate) fn bring_all(
    workshop: &Workshop<'_>,
    pack: Option<&Pack>,
    all: &[(&String, &Locked)],
    progress: &Progress,
) -> Result<Vec<String>> {
    let bring_one = |(name, locked): &(&String, &Locked)| -> Result<Option<String>> {
        progress.detail(name);
        let mirror = workshop.bring(name, locked)?;
        let moved = bring(workshop, pack, name, &mirror, locked)?;
        Ok(moved.then(|| (*name).clone()))
    };
    let done = parallel::each(all, |(name, _)| name, bring_one)?;
    Ok(done.into_iter().flatten().collect())
}

/// Makes an empty repository for a checkout.
fn create(place: &Utf8Path, submodule: Option<(&Pack, &str)>, locked: &Locked) -> Result<()> {
    files::directory_all(place)?;
    // What a cut-off first checkout left behind: locks of git among it.
    clear_begun(&place.join(".git"))?;
    if let Some((pack, path)) = submodule {
        let data = pack.data.join("modules").join(path);
        clear_begun(&data)?;
        files::directory_all(data.parent().unwrap_or(&data))?;
        git::init(place, &data).run()?;
        // Relative, as git writes them: the pack may be moved as a whole.
        let up = |depth: usize| "../".repeat(depth);
        let depth = path.split('/').count();
        if pack.data.starts_with(&pack.root) {
            let inner = pack.data.strip_prefix(&pack.root).unwrap_or(&pack.data);
            let link = format!("gitdir: {}{inner}/modules/{path}\n", up(depth));
            files::replace(&place.join(".git"), link.as_bytes(), 0o644, None)?;
            let back = format!("{}{path}", up(depth + inner.components().count() + 1));
            git::configure(place, "core.worktree", &back).run()?;
        }
    } else {
        git::init_plain(place).run()?;
    }
    git::configure(place, "remote.origin.url", &locked.url).run()?;
    git::configure(
        place,
        "remote.origin.fetch",
        "+refs/heads/*:refs/remotes/origin/*",
    )
    .run()
}

/// Removes the data of a repository that never had a commit checked out and holds none of anybody's.
fn clear_begun(data: &Utf8Path) -> Result<()> {
    let Ok(seen) = data.symlink_metadata() else {
        return Ok(());
    };
    if seen.is_file() {
        return files::remove(data);
    }
    // Without its first file it is no repository yet.
    if data.join("HEAD").symlink_metadata().is_ok() {
        let own = git::local_commits(data).outcome()?;
        let empty = own.status.success() && own.stdout.trim().is_empty();
        if !empty || git::head_of(data).outcome()?.status.code() != Some(1) {
            return Ok(());
        }
    }
    files::remove_tree(data)
}

/// Writes down in the pack that its checkouts are submodules at the commits of the lock.
///
/// # Effects
/// `.gitmodules` and the index of the pack's own repository; nothing is committed.
pub(crate) fn record(workshop: &Workshop<'_>, pack: &Pack, all: &[(&String, &Locked)]) -> Result<()> {
    let recorded = git::recorded(&pack.root, ".").read()?;
    let mut described = false;
    for (name, _) in all.iter().filter(|(_, locked)| locked.merged.is_some()) {
        let path = workshop.checkout(name).and_then(|place| pack.path(&place));
        // What only we can make is no submodule any more.
        if let Some(path) = path.filter(|path| is_recorded(&recorded, path)) {
            forget(pack, &path)?;
        }
    }
    for (name, locked) in all.iter().filter(|(_, locked)| locked.merged.is_none()) {
        let Some(path) = workshop.checkout(name).and_then(|place| pack.path(&place)) else {
            continue;
        };
        let key = |what: &str| format!("submodule.{path}.{what}");
        git::describe(&pack.root, &key("path"), &path).run()?;
        git::describe(&pack.root, &key("url"), &locked.url).run()?;
        git::describe(&pack.root, &key("branch"), &locked.branch).run()?;
        git::describe(&pack.root, &key("shallow"), "true").run()?;
        git::configure(&pack.root, &key("url"), &locked.url).run()?;
        git::configure(&pack.root, &key("active"), "true").run()?;
        git::record(&pack.root, &path, &locked.commit).run()?;
        described = true;
    }
    if described {
        git::add(&pack.root, ".gitmodules").run()?;
    }
    Ok(())
}

/// A tree that only we can make is nothing that the pack's repository could point at: it is ignored there.
fn files_of_ours(pack: Option<&Pack>, place: &Utf8Path) -> Result<()> {
    let Some((pack, path)) = pack.and_then(|pack| Some((pack, pack.path(place)?))) else {
        return Ok(());
    };
    let file = pack.data.join("info/exclude");
    let text = files::read_text(&file)?.unwrap_or_default();
    let line = format!("/{path}/");
    if text.lines().any(|known| known == line) {
        return Ok(());
    }
    files::directory_all(file.parent().unwrap_or(&file))?;
    files::replace(&file, format!("{text}{line}\n").as_bytes(), 0o644, None)
}

/// Removes a checkout and what the pack knows of it.
///
/// # Errors
/// When files there were changed, or commits are there that nobody else has: a person removes them.
pub(crate) fn remove(workshop: &Workshop<'_>, pack: Option<&Pack>, name: &str) -> Result<()> {
    let Some(place) = workshop.checkout(name) else {
        return Ok(());
    };
    match look(&place)? {
        Seen::Absent => {}
        Seen::There { changed, .. } if changed.is_empty() => keep_commits(&place, name)?,
        Seen::There { changed, .. } => {
            return Err(Failure::refused(format!("files in `{place}` were changed"))
                .because(changed.join(", "))
                .hint(format!(
                    "commit or remove the changes, then run `odoopack oca remove {name}` again"
                )));
        }
        Seen::Foreign => {
            return Err(Failure::refused(format!("`{place}` is no git repository"))
                .hint(format!("remove it, then run `odoopack oca remove {name}` again")));
        }
    }
    let path = pack.and_then(|pack| Some((pack, pack.path(&place)?)));
    files::remove_tree(&place)?;
    if let Some((pack, path)) = path {
        files::remove_tree(&pack.data.join("modules").join(&path))?;
        forget(pack, &path)?;
    }
    Ok(())
}

/// Commits on no branch of a remote would go with the repository.
fn keep_commits(place: &Utf8Path, name: &str) -> Result<()> {
    let own = git::local_commits(&place.join(".git")).read()?;
    if own.trim().is_empty() {
        return Ok(());
    }
    let list: Vec<&str> = own.lines().collect();
    Err(Failure::refused(format!("`{place}` holds commits that are nowhere else"))
        .because(list.join(", "))
        .hint(format!(
            "push them (`git -C {place} push`) or drop their branches, then run `odoopack oca remove {name}` again"
        )))
}

fn is_recorded(staged: &str, path: &str) -> bool {
    let mut rows = staged.split('\0').filter(|row| row.starts_with("160000 "));
    rows.any(|row| row.split_once('\t').is_some_and(|(_, at)| at.trim() == path))
}

/// Takes a submodule out of the pack's index and of `.gitmodules`; its files stay.
fn forget(pack: &Pack, path: &str) -> Result<()> {
    git::forget(&pack.root, path).run()?;
    // A section that is not there is no mistake.
    let section = format!("submodule.{path}");
    git::unconfigure(&pack.root, &section).outcome()?;
    if git::undescribe(&pack.root, &section).outcome()?.status.success() {
        git::add(&pack.root, ".gitmodules").run()?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "checkout/tests.rs"]
mod tests;
