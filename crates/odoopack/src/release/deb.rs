//! The `deb` source: a Debian package file, from this machine or from the network, by its checksum.
use camino::{Utf8Path, Utf8PathBuf};

use super::download::{self, Wanted, wrong_checksum};
use super::record::Record;
use super::store::Store;
use super::{Builder, debian, decided, tree};
use crate::failure::{Failure, Result};
use crate::tools::dpkg;
use crate::ui::Progress;

/// Decides by checksum: the file's own when it is here, the written one when it must be fetched.
pub(super) fn resolve(builder: &Builder<'_>, location: &str, sha256: Option<&str>) -> Result<Record> {
    let pin = match (is_url(location), sha256) {
        (true, Some(sha256)) => sha256.to_ascii_lowercase(),
        (true, None) => {
            return Err(Failure::refused("a package from the network needs its checksum")
                .because(format!("`{location}`"))
                .hint("add `sha256 = \"...\"` beside `deb` in [odoo] source"));
        }
        (false, sha256) => hash_of_local(&local(builder, location), sha256)?,
    };
    Ok(Record::new(
        decided(builder, &format!("deb sha256:{pin}")),
        &pin,
        Vec::new(),
    ))
}

/// Fetches the file if need be, checks it and unpacks it.
pub(super) fn fetch(
    builder: &Builder<'_>,
    location: &str,
    record: &Record,
    progress: &Progress,
) -> Result<()> {
    let file = file(builder, location, &record.pin, progress)?;
    let store = Store {
        cache: builder.cache,
        suite: "sid",
        mirror: builder.spec.odoo.debian_mirror.as_deref(),
    };
    tree::build(&builder.tree(&record.release), builder.spec.odoo.series, |new| {
        progress.detail("unpacking the package");
        dpkg::unpack(&file, new).run()?;
        let packages = debian::assets_for(builder, new, store.suite)?;
        debian::complete(builder, new, &packages, &store, progress)
    })
}

fn file(builder: &Builder<'_>, location: &str, pin: &str, progress: &Progress) -> Result<Utf8PathBuf> {
    if !is_url(location) {
        let file = local(builder, location);
        return hash_of_local(&file, Some(pin)).map(|_| file);
    }
    let place = place(builder, location, pin);
    download::get(
        &Wanted {
            url: location,
            sha256: pin,
            place: &place,
        },
        progress,
    )?;
    Ok(place)
}

/// Where the file is, or would be: here, or in the cache.
pub(super) fn place(builder: &Builder<'_>, location: &str, pin: &str) -> Utf8PathBuf {
    if !is_url(location) {
        return local(builder, location);
    }
    let name = format!("{pin}-{}", file_name(location));
    builder.cache.join("debs").join(name)
}

fn is_url(location: &str) -> bool {
    location.contains("://")
}

fn local(builder: &Builder<'_>, location: &str) -> Utf8PathBuf {
    builder.repo.join(location)
}

/// The last part of an address, with nothing in it that means something in a path.
fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._+~-".contains(*c))
        .collect()
}

fn hash_of_local(file: &Utf8Path, expected: Option<&str>) -> Result<String> {
    if !file.is_file() {
        return Err(Failure::refused(format!("there is no package file `{file}`"))
            .hint("correct `deb` in [odoo] source"));
    }
    let got = download::hash_of(file)?;
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&got) => {
            Err(wrong_checksum(file.as_str(), expected, &got))
        }
        _ => Ok(got),
    }
}
