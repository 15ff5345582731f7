//! The `debian` source: Debian's own Odoo package through an apt state of our own, with the assets that it links to.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::spec::Series;

use super::apt_state::Apt;
use super::record::Record;
use super::store::Store;
use super::{Builder, assets, decided, tree};
use crate::failure::{Failure, Result};
use crate::tools::apt_private::Package;
use crate::tools::dpkg;
use crate::ui::Progress;

/// The package of a series.
fn package(wanted: Series) -> Result<&'static str> {
    match wanted {
        Series::V19 => Ok("odoo-19"),
        Series::V17 | Series::V18 => Err(Failure::refused(format!(
            "Debian has no package of Odoo {wanted}, only of 19.0"
        ))
        .hint("set `source = { git = \"https://github.com/odoo/odoo.git\" }` in [odoo]")),
    }
}

/// The archive that the file names.
fn mirror<'a>(builder: &Builder<'a>) -> Option<&'a str> {
    builder.spec.odoo.debian_mirror.as_deref()
}

/// Decides on the newest version in the suite.
///
/// # Effects
/// Updates the private index; without a network the index that is in the cache decides.
pub(super) fn resolve(builder: &Builder<'_>, suite: &str, progress: &Progress) -> Result<Record> {
    let name = package(builder.spec.odoo.series)?;
    progress.detail("asking Debian for its newest Odoo");
    let apt = Apt::open(builder.cache, suite, mirror(builder))?;
    apt.update(builder)?;
    let packages = apt.locate(Some(name))?;
    if !packages.iter().any(|package| package.name == name) {
        return Err(
            Failure::refused(format!("Debian {suite} has no package `{name}`"))
                .hint("use another suite, such as `sid`"),
        );
    }
    record(builder, packages)
}

/// The decision for exactly these packages.
pub(super) fn record(builder: &Builder<'_>, mut packages: Vec<Package>) -> Result<Record> {
    let name = package(builder.spec.odoo.series)?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let main = packages.iter().find(|package| package.name == name);
    let main = main.ok_or_else(|| {
        Failure::refused(format!("the lock names no package `{name}`")).hint("`odoopack lock --update`")
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
        decided(builder, &identity),
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
        mirror: mirror(builder),
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
    let located = Apt::open(builder.cache, suite, mirror(builder)).and_then(|apt| {
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
