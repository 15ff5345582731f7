//! What one engine made, changed for what the other begins with: one exchange of two directories.
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;

use crate::context::Pack;
use crate::engines::Engine;
use crate::failure::{Failure, Result};
use crate::files::{self, Owner};
use crate::observe::mounts;
use crate::store::left::{self, Left};
use crate::store::marks;

/// What of our own state does not belong to an engine: whose the pack is, its ports, what is known of its backups.
const STATE: [&str; 7] = [
    "pack",
    "ports.json",
    "backups.jsonl",
    "backup-key-confirmed",
    "backup-opened",
    "backup-opened-offsite",
    TURNS,
];

/// Without it this machine would be another one off site.
const TURNS: &str = "offsite-turns.json";

/// Where everything lies that was put aside.
pub(super) fn place(layout: &Layout) -> Utf8PathBuf {
    layout.aside()
}

/// A name for what an engine made, which nothing has yet.
pub(super) fn name(layout: &Layout, engine: &str) -> String {
    let begun = format!("{engine}-{}", jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S"));
    let (mut name, mut number) = (begun.clone(), 1);
    while place(layout).join(&name).exists() {
        number += 1;
        name = format!("{begun}-{number}");
    }
    name
}

/// Refuses what a change of two directories would not move: places elsewhere, and disks of their own.
///
/// # Errors
/// Kind `Refused` with the way that there is.
pub(super) fn movable(pack: &Pack) -> Result<()> {
    let spec = &pack.loaded.spec;
    let elsewhere = spec.environments.values().any(|one| one.directory.is_some());
    let why = if spec.postgres.is_given() {
        Some("its databases are on a server of somebody else".to_owned())
    } else if spec.postgres.directory.is_some() || elsewhere {
        Some("`directory` of its file names places outside its root".to_owned())
    } else {
        mounts::below(&pack.layout.data())?
            .map(|place| format!("{place} is a disk of its own, which no other name can be given"))
    };
    let Some(why) = why else { return Ok(()) };
    Err(
        Failure::refused(format!("this pack cannot change its engine in its root: {why}"))
            .hint(format!("to change it, {}", odoopack_core::up::INTO_A_NEW_ROOT)),
    )
}

/// Makes what the other engine begins with: secrets, certificates, and what is known of backups. `more` writes into its state.
pub(super) fn prepare(
    layout: &Layout,
    name: &str,
    more: impl FnOnce(&Utf8Path) -> Result<()>,
) -> Result<Utf8PathBuf> {
    let aside = place(layout);
    files::directory(&aside, 0o700, None)?;
    // Only what a run that was killed here has copied: nothing is ever exchanged with this name.
    let new = aside.join(".new");
    files::remove_tree(&new)?;
    like(&layout.data(), &new)?;
    for part in [layout.secrets(), layout.tls()] {
        if let Some(part_name) = part.file_name().filter(|_| part.is_dir()) {
            copy(&part, &new.join(part_name))?;
        }
    }
    let (from, state) = (layout.state(), new.join("odoopack"));
    like(&from, &state)?;
    for part in STATE.map(|part| from.join(part)) {
        if let Some(part_name) = part.file_name().filter(|_| part.is_file()) {
            copy(&part, &state.join(part_name))?;
        }
    }
    more(&state)?;
    files::sync_file_system(&aside)?;
    let ready = aside.join(name);
    files::rename_new(&new, &ready)?;
    Ok(ready)
}

/// Carries on what was noted of backups since, so that none of them is forgotten.
pub(super) fn carry_record(layout: &Layout, to: &Utf8Path) -> Result<()> {
    for name in ["backups.jsonl", TURNS] {
        let from = layout.state().join(name);
        if from.is_file() {
            copy(&from, &to.join("odoopack").join(name))?;
        }
    }
    Ok(())
}

/// What an exchange that was killed has left under a name of something else: what `leave` had prepared, or what `back` has taken out and
/// not named yet. In both cases what was left is in its place.
pub(super) fn misnamed(layout: &Layout) -> Result<Option<(Utf8PathBuf, Left)>> {
    let all = files::read_entries(&place(layout))?.into_iter();
    for entry in all.filter(|entry| entry.path().is_dir()) {
        let left = left::read(&entry.path().join("odoopack"))?;
        // What an engine made that was left says nothing of itself, at most of another one that was left before.
        if let Some(left) = left.filter(|left| left.place == entry.file_name()) {
            return Ok(Some((entry.into_path(), left)));
        }
    }
    Ok(None)
}

/// How something is called that was put in the place of what was left, once that is back.
pub(super) fn name_instead(layout: &Layout, left: &Left) -> String {
    name(layout, left.to.as_deref().unwrap_or("new"))
}

/// Gives all of that a name of its own.
pub(super) fn settle(layout: &Layout) -> Result<()> {
    while let Some((path, left)) = misnamed(layout)? {
        files::rename_new(&path, &place(layout).join(name_instead(layout, &left)))?;
    }
    Ok(())
}

/// Takes away what a stopped engine has outside `data`: units, and rendered files, which `up` writes again. Nobody shall start on what
/// is in `data` from now on what was made for something else.
pub(super) fn forget(layout: &Layout) -> Result<()> {
    Engine::here(layout).forget()?;
    let rendered = marks::written(&layout.state())?.into_keys();
    let outside = rendered.filter(|path| path.starts_with(layout.root()) && !path.starts_with(layout.data()));
    for path in outside {
        files::remove(&path)?;
    }
    Ok(())
}

/// The same directory, empty.
fn like(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let metadata = from
        .symlink_metadata()
        .map_err(|e| Failure::failed(format!("could not look at `{from}`")).because(e))?;
    let owner = Owner {
        uid: metadata.uid(),
        gid: metadata.gid(),
    };
    files::directory(to, metadata.permissions().mode() & 0o7777, Some(owner))
}

/// A file or a directory with everything in it, with owners and modes.
fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let failed = |e: std::io::Error| Failure::failed(format!("could not copy `{from}` to `{to}`")).because(e);
    let metadata = from.symlink_metadata().map_err(failed)?;
    if metadata.is_dir() {
        like(from, to)?;
        for entry in from.read_dir_utf8().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            copy(entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if metadata.is_symlink() {
        return files::link(&from.read_link_utf8().map_err(failed)?, to);
    }
    let owner = Owner {
        uid: metadata.uid(),
        gid: metadata.gid(),
    };
    let content = std::fs::read(from).map_err(failed)?;
    files::replace(to, &content, metadata.permissions().mode() & 0o7777, Some(owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(root: &Utf8Path) -> Layout {
        let layout = Layout::new(root, &"shop".parse().unwrap(), false);
        for directory in [
            layout.secrets(),
            layout.tls(),
            layout.state(),
            layout.data().join("postgres"),
        ] {
            std::fs::create_dir_all(directory).unwrap();
        }
        layout
    }

    fn left(to: Option<&str>) -> Left {
        Left {
            from: "native".to_owned(),
            place: "native-1".to_owned(),
            to: to.map(str::to_owned),
            brought: std::collections::BTreeMap::new(),
            ended: to.is_some(),
        }
    }

    fn names(layout: &Layout) -> Vec<String> {
        let all = files::read_entries(&place(layout)).unwrap();
        let mut all: Vec<String> = all.iter().map(|entry| entry.file_name().to_owned()).collect();
        all.sort();
        all
    }

    #[test]
    fn an_exchange_that_was_killed_leaves_nothing_under_the_name_of_something_else() {
        let keep = tempfile::tempdir().unwrap();
        let layout = layout(Utf8Path::from_path(keep.path()).unwrap());
        assert_eq!(misnamed(&layout).unwrap(), None);
        // `leave`, killed before its exchange: what it made ready is nothing that `native` made.
        let ready = prepare(&layout, "native-1", |state| left::write(state, &left(None))).unwrap();
        assert_eq!(misnamed(&layout).unwrap(), Some((ready, left(None))));
        settle(&layout).unwrap();
        let [new] = &names(&layout)[..] else {
            panic!("{:?}", names(&layout))
        };
        assert!(new.starts_with("new-"), "{new}");
        // The next one comes to its end, and the other engine takes the data in.
        let ready = prepare(&layout, "native-1", |state| left::write(state, &left(None))).unwrap();
        files::exchange(&layout.data(), &ready).unwrap();
        assert_eq!(misnamed(&layout).unwrap(), None);
        left::write(&layout.state(), &left(Some("compose"))).unwrap();
        std::fs::create_dir(layout.data().join("of-compose")).unwrap();
        // That one is left as well, and knows of the one before.
        let second = Left {
            from: "compose".to_owned(),
            place: "compose-2".to_owned(),
            ..left(None)
        };
        let other = prepare(&layout, "compose-2", |state| left::write(state, &second)).unwrap();
        files::exchange(&layout.data(), &other).unwrap();
        assert_eq!(misnamed(&layout).unwrap(), None);
        // `back` is killed after its exchange: `compose` is in its place, and another `back` must not go on to `native`.
        files::exchange(&layout.data(), &other).unwrap();
        assert!(layout.data().join("of-compose").is_dir());
        assert_eq!(misnamed(&layout).unwrap(), Some((other.clone(), second)));
        settle(&layout).unwrap();
        assert!(!other.exists() && misnamed(&layout).unwrap().is_none());
        assert_eq!(names(&layout).len(), 3, "{:?}", names(&layout));
        assert!(place(&layout).join("native-1/postgres").is_dir());
    }

    #[test]
    fn the_other_engine_begins_with_secrets_and_backups_and_without_data() {
        let keep = tempfile::tempdir().unwrap();
        let layout = layout(Utf8Path::from_path(keep.path()).unwrap());
        files::replace(&layout.secrets().join("BACKUP_KEY"), b"geheim", 0o600, None).unwrap();
        files::replace(&layout.tls().join("authority.pem"), b"ours", 0o644, None).unwrap();
        for part in ["pack", "backups.jsonl", TURNS, "images.json", "release.json"] {
            files::replace(&layout.state().join(part), part.as_bytes(), 0o644, None).unwrap();
        }
        std::fs::create_dir_all(place(&layout).join(".new/half")).unwrap();
        let ready = prepare(&layout, "native-1", |state| {
            files::replace(&state.join("left.json"), b"{}", 0o600, None)
        })
        .unwrap();
        let mode = |path: &str| ready.join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode("secrets/BACKUP_KEY"), mode("tls/authority.pem")),
            (0o600, 0o644)
        );
        let mut state: Vec<_> = ready
            .join("odoopack")
            .read_dir_utf8()
            .unwrap()
            .flatten()
            .collect();
        state.sort_by_key(|entry| entry.file_name().to_owned());
        let state: Vec<_> = state.iter().map(camino::Utf8DirEntry::file_name).collect();
        assert_eq!(state, ["backups.jsonl", "left.json", TURNS, "pack"]);
        assert!(!ready.join("postgres").exists() && !ready.join("half").exists());
        files::exchange(&layout.data(), &ready).unwrap();
        assert!(ready.join("postgres").is_dir() && layout.state().join("left.json").is_file());
    }
}
