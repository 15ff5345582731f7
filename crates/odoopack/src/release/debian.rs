//! The `debian` source: Debian's own Odoo package through an apt state of our own, with the assets that it links to.
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::spec::Series;

use super::download::{self, human};
use super::record::Record;
use super::{Builder, assets, decided, series, tree};
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::apt_private::{self, Package};
use crate::tools::dpkg;
use crate::ui::Progress;

/// How long what the host's apt said is believed.
const FRESH: Duration = Duration::from_mins(2);

/// The package of a series.
fn package(wanted: Series) -> Result<&'static str> {
    match wanted {
        Series::V19 => Ok("odoo-19"),
        Series::V17 | Series::V18 => Err(Failure::refused(format!(
            "Debian has no package of Odoo {}, only of 19.0",
            series(wanted)
        ))
        .hint("set `source = { git = \"https://github.com/odoo/odoo.git\" }` in [odoo]")),
    }
}

/// Decides on the newest version in the suite.
///
/// # Effects
/// Updates the private index; without a network the index that is in the cache decides.
pub(super) fn resolve(builder: &Builder<'_>, suite: &str, progress: &Progress) -> Result<Record> {
    let name = package(builder.spec.odoo.series)?;
    progress.detail("asking Debian for its newest Odoo");
    let apt = Apt::open(builder.cache, suite)?;
    apt.update(builder)?;
    let packages = apt.locate(Some(name))?;
    let main = packages
        .iter()
        .find(|package| package.name == name)
        .ok_or_else(|| {
            Failure::refused(format!("Debian {suite} has no package `{name}`"))
                .hint("use another suite, such as `sid`")
        })?;
    let parts: Vec<String> = packages
        .iter()
        .map(|p| format!("{}={} {}", p.name, p.version, p.sha256))
        .collect();
    let parts = &super::sha256(parts.join("\n").as_bytes())[..12];
    let identity = format!(
        "{name} {} sha256:{} with assets {parts}",
        main.version, main.sha256
    );
    Ok(Record::new(
        decided(builder.spec, &identity),
        &main.sha256.clone(),
        packages,
    ))
}

/// Fetches and unpacks exactly the packages that were decided on.
pub(super) fn fetch(builder: &Builder<'_>, suite: &str, record: &Record, progress: &Progress) -> Result<()> {
    let main = record
        .packages
        .iter()
        .find(|package| package.sha256 == record.pin)
        .ok_or_else(|| {
            Failure::failed("the recorded release names no package")
                .hint("remove `release.json` and run again")
        })?;
    let store = Store {
        cache: builder.cache,
        suite,
    };
    let file = store.get(&[main], progress)?.remove(0);
    tree::build(&builder.tree(&record.release), builder.spec.odoo.series, |new| {
        progress.detail(&format!("unpacking {}", main.name));
        dpkg::unpack(&file, new).run()?;
        complete(builder, new, &record.packages, &store, progress)
    })
}

/// Unpacks what links of the tree lead to, until nothing more is known to help.
pub(super) fn complete(
    builder: &Builder<'_>,
    tree: &Utf8Path,
    known: &[Package],
    store: &Store<'_>,
    progress: &Progress,
) -> Result<()> {
    let mut unpacked: Vec<&Package> = Vec::new();
    loop {
        let missing = assets::missing(tree)?;
        assets::mend(tree, &missing)?;
        let owners: Vec<&str> = missing.iter().filter_map(|place| assets::owner(place)).collect();
        let wanted =
            |package: &&Package| owners.contains(&package.name.as_str()) && !unpacked.contains(package);
        let more: Vec<&Package> = known.iter().filter(wanted).collect();
        if more.is_empty() {
            return warn_of_missing(builder, tree);
        }
        for file in store.get(&more, progress)? {
            dpkg::unpack(&file, tree).run()?;
        }
        unpacked.extend(more);
    }
}

/// Packages for a tree whose links want some, from the suite as it is now; a tree without such links asks nobody.
pub(super) fn assets_for(builder: &Builder<'_>, tree: &Utf8Path, suite: &str) -> Result<Vec<Package>> {
    if assets::missing(tree)?
        .iter()
        .all(|place| assets::owner(place).is_none())
    {
        return Ok(Vec::new());
    }
    let located = Apt::open(builder.cache, suite).and_then(|apt| {
        apt.update(builder)?;
        apt.locate(None)
    });
    located.or_else(|failure| {
        builder.ui.warn(&format!(
            "the assets that this package links to cannot be fetched: {}",
            failure.chain().join(": ")
        ));
        Ok(Vec::new())
    })
}

/// Says which links lead nowhere in the end: pages that use them answer 404 or 500.
pub(super) fn warn_of_missing(builder: &Builder<'_>, tree: &Utf8Path) -> Result<()> {
    let missing: Vec<String> = assets::missing(tree)?
        .into_iter()
        .map(Utf8PathBuf::into_string)
        .collect();
    if !missing.is_empty() {
        let list = missing.join("\n  ");
        builder.ui.warn(&format!(
            "these files that Odoo links to could not be found, pages may miss them:\n  {list}"
        ));
    }
    Ok(())
}

/// An apt state of our own for one suite; one process at a time.
struct Apt {
    root: Utf8PathBuf,
    suite: String,
    _held: std::fs::File,
}

impl Apt {
    /// Prepares the state: the host's mirror and transport settings, nothing else of the host.
    fn open(cache: &Utf8Path, suite: &str) -> Result<Self> {
        let root = cache.join("apt").join(suite);
        files::directory_all(&root)?;
        let held = files::lock(&root.join(".lock"))?;
        let apt = Self {
            root,
            suite: suite.to_owned(),
            _held: held,
        };
        if !apt.is_fresh() {
            apt.prepare()?;
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

    fn prepare(&self) -> Result<()> {
        for directory in apt_private::DIRECTORIES {
            files::directory_all(&self.root.join(directory))?;
        }
        self.write("state/status", "")?;
        let sources = apt_private::sources(&mirror()?, &self.suite, keyring()?);
        self.write(apt_private::sources_file(Utf8Path::new("")).as_str(), &sources)?;
        let carried = apt_private::parse_settings(&apt_private::settings().read()?);
        let config = apt_private::config(&self.root, &carried);
        self.write(apt_private::config_file(Utf8Path::new("")).as_str(), &config)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        files::replace(&self.root.join(name), text.as_bytes(), 0o644, None)
    }

    fn update(&self, builder: &Builder<'_>) -> Result<()> {
        let Err(failure) = apt_private::update(&self.root).run() else {
            return Ok(());
        };
        if !self.has_index()? {
            return Err(failure
                .during(format!(
                    "could not fetch the package index of Debian {}",
                    self.suite
                ))
                .hint("check the network, then run again"));
        }
        builder.ui.warn(&format!(
            "no newer index of Debian {} could be fetched; the one in the cache decides",
            self.suite
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
    fn locate(&self, name: Option<&str>) -> Result<Vec<Package>> {
        let names = name.into_iter().chain(assets::candidates());
        Ok(apt_private::parse_packages(
            &apt_private::locate(&self.root, names).read()?,
        ))
    }
}

fn mirror() -> Result<String> {
    let refused = |why: &str| {
        Failure::refused(format!("Debian's Odoo cannot be fetched: {why}"))
            .hint("on Debian run `sudo apt-get update`; elsewhere set `source = { git = \"https://github.com/odoo/odoo.git\" }` in [odoo]")
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

/// Package files in the cache, by hash.
#[derive(Clone, Copy)]
pub(super) struct Store<'a> {
    pub(super) cache: &'a Utf8Path,
    pub(super) suite: &'a str,
}

impl Store<'_> {
    /// Gives the files of packages, downloading those that are not there or not as they should be.
    fn get(&self, packages: &[&Package], progress: &Progress) -> Result<Vec<Utf8PathBuf>> {
        let mut absent = Vec::new();
        for package in packages {
            if !download::is_file_with(&self.place(package), &package.sha256)? {
                absent.push(*package);
            }
        }
        if !absent.is_empty() {
            self.download(&absent, progress)?;
        }
        Ok(packages.iter().map(|package| self.place(package)).collect())
    }

    fn place(&self, package: &Package) -> Utf8PathBuf {
        self.cache
            .join("debs")
            .join(format!("{}-{}.deb", package.sha256, package.name))
    }

    /// Downloads into a directory of this run; a file gets its place only with the hash that was decided on.
    fn download(&self, packages: &[&Package], progress: &Progress) -> Result<()> {
        let apt = Apt::open(self.cache, self.suite)?;
        let work = self.cache.join("debs").join(format!(".part-{}", self.suite));
        files::remove_tree(&work)?;
        files::directory_all(&work)?;
        let total = packages.iter().map(|package| package.size).sum();
        let cmd = apt_private::download(&apt.root, &work, packages);
        let result = download::watched(&work, total, progress, || cmd.run()).map_err(|failure| {
            failure.during(format!("could not download {} from Debian {}", named(packages, total), self.suite)).hint(
                "a version that has left the mirror can be replaced by the newest: remove `release.json` of the pack and run again",
            )
        });
        let kept = result.and_then(|()| self.keep(&work, packages));
        files::remove_tree(&work)?;
        kept
    }

    fn keep(&self, work: &Utf8Path, packages: &[&Package]) -> Result<()> {
        let unreadable = |e| Failure::failed(format!("could not read directory `{work}`")).because(e);
        for entry in work.read_dir_utf8().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.into_path();
            let hash = download::hash_of(&path)?;
            if let Some(package) = packages.iter().find(|package| package.sha256 == hash) {
                files::rename(&path, &self.place(package))?;
            }
        }
        match packages.iter().find(|package| !self.place(package).is_file()) {
            Some(package) => Err(Failure::failed(format!(
                "apt brought no `{}` with the decided hash",
                package.name
            ))
            .because(format!("expected sha256 {}", package.sha256))
            .hint("remove `release.json` of the pack and run again")),
            None => Ok(()),
        }
    }
}

fn named(packages: &[&Package], total: u64) -> String {
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    format!("{} ({})", names.join(", "), human(total))
}
