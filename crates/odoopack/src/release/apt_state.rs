//! An apt state of our own below the cache: the host's mirror and transport, another suite, the Debian keyring.
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Builder, assets};
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::apt_private::{self, Package};

/// How long what the host's apt said is believed.
const FRESH: Duration = Duration::from_mins(2);

/// An apt state of our own for one suite; one process at a time.
pub(super) struct Apt {
    pub(super) root: Utf8PathBuf,
    suite: String,
    _held: std::fs::File,
}

impl Apt {
    /// Prepares the state: the given mirror or the host's, the host's transport settings, nothing else of the host.
    pub(super) fn open(cache: &Utf8Path, suite: &str, mirror: Option<&str>) -> Result<Self> {
        let name = match mirror {
            Some(mirror) => format!("{suite}-{}", &super::sha256(mirror.as_bytes())[..12]),
            None => suite.to_owned(),
        };
        let root = cache.join("apt").join(name);
        files::directory_all(&root)?;
        let held = files::lock(&root.join(".lock"))?;
        let apt = Self {
            root,
            suite: suite.to_owned(),
            _held: held,
        };
        if !apt.is_fresh() {
            apt.prepare(mirror)?;
        }
        Ok(apt)
    }

    /// Whether the state was prepared a moment ago, by an earlier step of the same run.
    fn is_fresh(&self) -> bool {
        let modified = apt_private::config_file(&self.root)
            .metadata()
            .and_then(|data| data.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < FRESH))
    }

    fn prepare(&self, mirror: Option<&str>) -> Result<()> {
        for directory in apt_private::DIRECTORIES {
            files::directory_all(&self.root.join(directory))?;
        }
        self.write("state/status", "")?;
        let mirror = mirror.map_or_else(of_the_host, |mirror| Ok(mirror.to_owned()))?;
        let sources = apt_private::sources(&mirror, &self.suite, keyring()?);
        self.write(apt_private::sources_file(Utf8Path::new("")).as_str(), &sources)?;
        let carried = apt_private::parse_settings(&apt_private::settings().read()?);
        let config = apt_private::config(&self.root, &carried);
        self.write(apt_private::config_file(Utf8Path::new("")).as_str(), &config)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        files::replace(&self.root.join(name), text.as_bytes(), 0o644, None)
    }

    pub(super) fn update(&self, builder: &Builder<'_>) -> Result<()> {
        let Err(failure) = apt_private::update(&self.root).run() else {
            return Ok(());
        };
        let what = format!("could not fetch the package index of Debian {}", self.suite);
        if crate::exec::is_interrupted() {
            return Err(failure.during(what));
        }
        if !self.has_index()? {
            return Err(failure.during(what).hint("check the network, then run again"));
        }
        let why = failure.chain().pop().unwrap_or_default();
        builder.ui.warn(&format!(
            "no newer index of Debian {} could be fetched, the one in the cache decides: {}",
            self.suite,
            why.lines().map(str::trim).collect::<Vec<_>>().join("; ")
        ));
        Ok(())
    }

    fn has_index(&self) -> Result<bool> {
        let lists = self.root.join("state/lists");
        let unreadable = |e| Failure::failed(format!("could not read directory `{lists}`")).because(e);
        let mut names = lists
            .read_dir_utf8()
            .map_err(unreadable)?
            .filter_map(std::result::Result::ok);
        Ok(names.any(|entry| entry.file_name().contains("_Packages")))
    }

    /// Odoo and every asset package that may be needed, with versions and hashes.
    pub(super) fn locate(&self, name: Option<&str>) -> Result<Vec<Package>> {
        let names = name.into_iter().chain(assets::candidates());
        Ok(apt_private::parse_packages(
            &apt_private::locate(&self.root, names).read()?,
        ))
    }
}

/// The mirror that the host's own apt asks.
fn of_the_host() -> Result<String> {
    let refused = |why: &str| {
        Failure::refused(format!("Debian's Odoo cannot be fetched: {why}"))
            .hint("on Debian run `sudo apt-get update`; elsewhere set `debian_mirror` or `source = { git = \"https://github.com/odoo/odoo.git\" }` in [odoo]")
    };
    let outcome = apt_private::index_targets().outcome()?;
    if !outcome.status.success() {
        return Err(refused("this host has no working apt-get").because(outcome.stderr));
    }
    apt_private::parse_mirror(&outcome.stdout).ok_or_else(|| refused("this host's apt has no Debian mirror"))
}

fn keyring() -> Result<&'static str> {
    apt_private::KEYRINGS
        .into_iter()
        .find(|path| Utf8Path::new(path).is_file())
        .ok_or_else(|| {
            Failure::refused("Debian's packages cannot be checked: its keyring is not installed")
                .hint("`apt-get install debian-archive-keyring`")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_archive_has_a_state_of_its_own_and_is_the_only_one_that_is_asked() {
        let keep = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(keep.path()).unwrap();
        let mirror = "http://mirror.example.com/debian";
        let apt = Apt::open(cache, "sid", Some(mirror)).unwrap();
        assert_ne!(apt.root, cache.join("apt/sid"));
        let sources = files::read_text(&apt_private::sources_file(&apt.root))
            .unwrap()
            .unwrap();
        assert!(
            sources.contains(&format!("URIs: {mirror}\nSuites: sid\n")),
            "{sources}"
        );
    }
}
