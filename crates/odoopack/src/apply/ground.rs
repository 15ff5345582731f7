//! Packages, users, directories, secrets, files, the empty cluster.
use std::time::{Duration, Instant};

use camino::Utf8Path;
use odoopack_core::facts::Image;
use odoopack_core::hash;
use odoopack_core::layout::Layout;
use odoopack_core::spec::OwnServer;

use super::Apply;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe;
use crate::store::{marks, secrets};
use crate::tools::{accounts, docker, postgres};
use crate::ui::Progress;

/// How long a process that was ended may keep its user.
const LET_GO: Duration = Duration::from_secs(15);

impl Apply<'_> {
    pub(super) fn install_packages(&self, packages: &[String], progress: &Progress) -> Result<()> {
        let programs = self.target.programs.iter();
        let spare = programs.filter_map(|one| one.without.map(|_| one.package.clone()));
        crate::release::packages::install(self.ui, packages, &spare.collect(), progress)
    }

    pub(super) fn create_user(name: &str, home: &Utf8Path) -> Result<()> {
        let there = |home: &Utf8Path| {
            let accounts = observe::host::accounts()?;
            Ok::<_, Failure>(accounts.home_of(name).is_some_and(|seen| seen == home))
        };
        // The `useradd` of a run that was killed may finish while this one begins.
        if !there(home)? {
            let made = accounts::create(name, home, group_left_behind(name)?).run();
            if !there(home)? {
                return made;
            }
        }
        // A machine that lost its power in between has the user without its group.
        let grouped = || Ok::<_, Failure>(observe::host::accounts()?.group(name).is_some());
        if grouped()? {
            return Ok(());
        }
        let made = accounts::create_group(name).run();
        if !grouped()? {
            return made;
        }
        accounts::set_group(name).run()
    }

    pub(super) fn join_group(user: &str, group: &str) -> Result<()> {
        accounts::join(user, group).run()
    }

    pub(super) fn make_directory(&self, path: &Utf8Path) -> Result<()> {
        let wanted = self
            .target
            .directories
            .iter()
            .find(|directory| directory.path == path);
        let wanted =
            wanted.ok_or_else(|| Failure::failed(format!("nothing wants the directory `{path}`")))?;
        if path == self.layout.root() {
            files::directory_all(path)?;
        }
        let owner = Self::owner(wanted.access.user.as_deref(), wanted.access.group.as_deref())?;
        files::directory(path, wanted.access.mode, owner)
    }

    /// Links first, so that a module is never missing in between.
    pub(super) fn link_modules(&self, edition: &str, link: &[String], unlink: &[String]) -> Result<()> {
        let directory = self.layout.addons().join(edition);
        if directory.is_symlink() {
            return Err(Failure::refused(format!(
                "`{directory}` is a link; what it leads to is not ours to change"
            ))
            .hint(format!("`rm {directory}` removes the link alone")));
        }
        let farm = self
            .target
            .farms
            .iter()
            .find(|(name, _)| name.as_str() == edition);
        for name in link {
            let to = farm.and_then(|(_, farm)| farm.links.get(name));
            let to = to.ok_or_else(|| Failure::failed(format!("nothing wants the module `{name}`")))?;
            files::link(to, &directory.join(name))?;
        }
        unlink
            .iter()
            .try_for_each(|name| files::remove(&directory.join(name)))
    }

    /// Takes the place of nothing but a link.
    pub(super) fn link_view(path: &Utf8Path, to: Option<&Utf8Path>) -> Result<()> {
        if !path.is_symlink() && path.exists() {
            return Err(
                Failure::refused(format!("`{path}` is no link any more; it was not touched"))
                    .hint("`odoopack plan` says what becomes of it"),
            );
        }
        to.map_or_else(|| files::remove(path), |to| files::link(to, path))
    }

    /// Copies the running program, so that the gate keeps running while a newer one is built in its place.
    pub(super) fn place_binary(path: &Utf8Path) -> Result<()> {
        let failed = |e: std::io::Error| Failure::failed("could not copy this program").because(e);
        let this = std::env::current_exe().map_err(failed)?;
        let content = std::fs::read(&this).map_err(failed)?;
        files::replace(path, &content, 0o755, None)?;
        let time = std::fs::metadata(this)
            .and_then(|metadata| metadata.modified())
            .map_err(failed)?;
        std::fs::File::open(path)
            .and_then(|copy| copy.set_modified(time))
            .map_err(failed)
    }

    pub(super) fn generate_secret(&self, name: &str) -> Result<()> {
        let directory = self.layout.secrets();
        let value = match name.strip_suffix("_HASH") {
            Some(of) => {
                let all = secrets::all(&directory)?;
                let password = all.get(of);
                let password =
                    password.ok_or_else(|| Failure::failed(format!("secret {of} has no value yet")))?;
                crate::password::hash(password.expose())
            }
            None => crate::password::generate(),
        };
        secrets::set(&directory, name, &value)
    }

    pub(super) fn create_cluster(&self, major: u16, server: &OwnServer) -> Result<()> {
        let programs = self.facts.host.postgres.get(&major).ok_or_else(|| {
            Failure::refused(format!("PostgreSQL {major} is not installed"))
                .hint(format!("`apt-get install postgresql-{major}`"))
        })?;
        let user = self.layout.user("postgres");
        let mark = marks::unfinished_cluster(&self.layout.state(), server);
        if mark.exists() {
            self.clear_half_made_cluster(server)?;
        }
        files::replace(&mark, b"initdb was begun\n", 0o600, None)?;
        match self.facts.containers.images.get("postgres") {
            Some(image) if self.layout.containers() => {
                self.cluster_in_container(image, (programs, major), server)?;
            }
            _ => {
                postgres::initdb((programs, major), &self.layout.cluster(server), user.as_deref()).run()?;
                marks::forget_images(&self.layout.state())?;
            }
        }
        files::remove(&mark)
    }

    /// Made by the programs of the image, as the user that its server will run as.
    fn cluster_in_container(
        &self,
        image: &Image,
        programs: (&Utf8Path, u16),
        server: &OwnServer,
    ) -> Result<()> {
        let cluster = self.layout.cluster(server);
        // initdb asks for the name of its user; the rendered accounts come with the configuration, later.
        let [passwd, group] = self.layout.accounts();
        for path in [&passwd, &group] {
            self.write_file(path)?;
        }
        let user = self.container_user("postgres")?;
        let mounts = [
            (cluster.clone(), cluster.clone()),
            (passwd, "/etc/passwd".into()),
            (group, "/etc/group".into()),
        ];
        docker::once_with(
            &image.pinned,
            &user,
            &mounts,
            &postgres::initdb_argv(programs, &cluster),
        )
        .run()
    }

    /// `uid:gid` of a part's user, or ours where there are no such users.
    pub(super) fn container_user(&self, part: &str) -> Result<String> {
        let (uid, gid) = match self.layout.user(part) {
            Some(name) => {
                let fact = self.facts.users.get(&name);
                let fact = fact.ok_or_else(|| Failure::failed(format!("there is no user `{name}`")))?;
                (fact.uid, fact.gid)
            }
            None => self.facts.host.ids,
        };
        Ok(format!("{uid}:{gid}"))
    }

    /// An `initdb` that was killed leaves a `PG_VERSION` and half a cluster; the mark says that it never held data.
    fn clear_half_made_cluster(&self, server: &OwnServer) -> Result<()> {
        let cluster = self.layout.cluster(server);
        let failed =
            |e: std::io::Error| Failure::failed(format!("could not look into `{cluster}`")).because(e);
        for entry in cluster.read_dir_utf8().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir() {
                files::remove_tree(entry.path())?;
            } else {
                files::remove(entry.path())?;
            }
        }
        Ok(())
    }

    pub(super) fn write_file(&self, path: &Utf8Path) -> Result<()> {
        let file = self.target.file(path);
        let file = file.ok_or_else(|| Failure::failed(format!("nothing wants the file `{path}`")))?;
        let owner = Self::owner(file.access.user.as_deref(), file.access.group.as_deref())?;
        let content = file.content.expose().as_bytes();
        self.keep_edit(path)?;
        // Remembered first: a run that is stopped in between finds a file that it did not write, not an edit.
        marks::remember_written(&self.layout.state(), path, &hash::hex(content))?;
        files::replace(path, content, file.access.mode, owner)
    }

    /// An edited file stays beside its place, as one that is replaced.
    pub(super) fn remove_file(&self, path: &Utf8Path) -> Result<()> {
        self.keep_edit(path)?;
        files::remove(path)?;
        marks::forget_written(&self.layout.state(), path)
    }

    /// A hand edit that is replaced stays beside the file.
    fn keep_edit(&self, path: &Utf8Path) -> Result<()> {
        let Some(bytes) = files::read_bytes(path)? else {
            return Ok(());
        };
        let seen = hash::hex(&bytes);
        if self.facts.written.get(path) == Some(&seen) {
            return Ok(());
        }
        let kept = path.with_extension("edited");
        files::replace(&kept, &bytes, 0o600, None)?;
        self.ui.warn(&format!("the edited file is kept as {kept}"));
        Ok(())
    }
}

/// Whether the group of a user that does not exist is there, as a cut-off `useradd` or `userdel` leaves it.
///
/// # Errors
/// Refused when it has members: they would read what belongs to the user.
fn group_left_behind(name: &str) -> Result<bool> {
    let accounts = observe::host::accounts()?;
    let members = accounts.members_of(name);
    if members.is_empty() {
        return Ok(accounts.group(name).is_some());
    }
    let names = members.into_iter().collect::<Vec<_>>().join(", ");
    Err(Failure::refused(format!(
        "the group `{name}` exists without its user, and has members: {names}"
    ))
    .hint(format!(
        "look at it with `getent group {name}`; when nobody needs it: `groupdel {name}`"
    )))
}

/// Removes a user; a process that was just ended keeps it busy for a moment.
fn remove_user(name: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let cmd = accounts::remove(name);
        let outcome = cmd.outcome()?;
        if outcome.status.success() {
            return Ok(());
        }
        if outcome.status.code() != Some(accounts::BUSY) || started.elapsed() > LET_GO {
            return Err(cmd.ended_badly(&outcome));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Removes the users of a pack, those of environments that left the file too; their files must be gone or given away before.
pub(crate) fn remove_users(layout: &Layout) -> Result<()> {
    let seen = observe::host::accounts()?;
    let Some(start) = layout.user("") else {
        return Ok(());
    };
    // A user of that name whose home is elsewhere serves another pack, perhaps the one that this is a copy of.
    let ours = seen
        .living_below(layout.root())
        .filter(|name| name.starts_with(&start));
    for name in ours {
        remove_user(name)?;
        // `userdel` leaves a group that was not the user's primary one, or that has members.
        if observe::host::accounts()?.group(name).is_some() {
            accounts::remove_group(name).run()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::Apply;

    #[test]
    fn a_view_takes_the_place_of_a_link_alone() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (view, file) = (root.join("view"), root.join("file"));
        for to in ["a", "b"] {
            Apply::link_view(&view, Some(&root.join(to))).unwrap();
            assert_eq!(view.read_link_utf8().unwrap(), root.join(to));
        }
        Apply::link_view(&view, None).unwrap();
        assert!(!view.is_symlink());
        crate::files::replace(&file, b"somebody's", 0o600, None).unwrap();
        for to in [Some(root), None] {
            let failure = Apply::link_view(&file, to).unwrap_err();
            assert!(
                failure.sentence().contains("was not touched"),
                "{}",
                failure.sentence()
            );
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"somebody's");
    }
}
