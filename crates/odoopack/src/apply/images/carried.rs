//! Images in one file, for a machine without a registry.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{Image, LockedImage};
use odoopack_core::layout::Layout;
use odoopack_core::render::dockerfile;
use odoopack_core::target::GATE_PART;

use super::Apply;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::containers;
use crate::release::image::Found;
use crate::tools::docker;
use crate::ui::Progress;

/// How much of an image's id its name in the file holds.
const SHORT: usize = 12;

/// A file of images, and what it says that it holds.
#[derive(Debug)]
pub(crate) struct Carried {
    file: Utf8PathBuf,
    parts: BTreeMap<String, String>,
}

impl Carried {
    /// Reads what a file says that it holds.
    ///
    /// # Errors
    /// Kind `Refused` when Docker did not write it, or not for a pack.
    pub(crate) fn look(file: &Utf8Path) -> Result<Self> {
        if !file.is_file() {
            return Err(Failure::refused(format!("there is no file `{file}`")));
        }
        let strange = || {
            Failure::refused(format!("`{file}` holds no images of a pack"))
                .hint("write it with `image export` where the pack runs")
        };
        let outcome = docker::saved(file).outcome()?;
        if !outcome.status.success() {
            return Err(strange().because(crate::exec::tail(&outcome.stderr, 3)));
        }
        let names = docker::parse_saved(&outcome.stdout).map_err(|e| strange().because(e))?;
        let parts: BTreeMap<String, String> = names
            .into_iter()
            .filter_map(|name| Some((part(&name)?.to_owned(), name)))
            .collect();
        if parts.is_empty() {
            return Err(strange());
        }
        Ok(Self {
            file: file.to_owned(),
            parts,
        })
    }

    /// The part of a stack that each image is for, with its name in the file.
    pub(crate) fn parts(&self) -> &BTreeMap<String, String> {
        &self.parts
    }
}

/// Name of a part's image in the file. It stays on the machine too: an image without any name is one that
/// `docker image prune` takes away.
fn name(layout: &Layout, part: &str, id: &str) -> String {
    let short: String = id.trim_start_matches("sha256:").chars().take(SHORT).collect();
    format!("{}/{part}:{short}", layout.project())
}

/// The part in such a name.
fn part(name: &str) -> Option<&str> {
    let (repository, _) = name.strip_prefix("odoopack-")?.rsplit_once(':')?;
    Some(repository.split_once('/')?.1)
}

/// The id that an image goes by in the file: that of the lock, by which the other machine knows it too.
fn named_by<'a>(image: &'a Image, locked: Option<&'a LockedImage>) -> &'a str {
    let locked = locked.filter(|locked| image.built.is_none() && image.is(locked));
    locked.map_or(&image.id, |locked| &locked.pin.id)
}

/// The id that the lock has for the image of this name in the file, where it is that one.
fn same(name: &str, locked: &LockedImage) -> Option<String> {
    let (_, short) = name.rsplit_once(':')?;
    let id = &locked.pin.id;
    let is = short.len() == SHORT && id.trim_start_matches("sha256:").starts_with(short);
    is.then(|| id.clone())
}

impl Apply<'_> {
    /// What the lock says of a part, which is Odoo's alone.
    fn locked(&self, part: &str) -> Option<&LockedImage> {
        self.facts.containers.locked.as_ref().filter(|_| part == "odoo")
    }

    /// Writes images into one file that is whole or not there.
    pub(crate) fn export_images(&self, all: &BTreeMap<&String, &Image>, file: &Utf8Path) -> Result<()> {
        let mut names = Vec::new();
        for (part, image) in all {
            let name = name(self.layout, part, named_by(image, self.locked(part)));
            docker::tag(&image.id, &name).run()?;
            names.push(name);
        }
        let new = Utf8PathBuf::from(format!("{file}.new"));
        if let Err(failure) = docker::save(&names, &new).run() {
            files::remove(&new)?;
            return Err(self.with_disk(failure));
        }
        files::rename(&new, file)
    }

    /// Takes the images of a file in and pins them as what the parts are made from.
    pub(crate) fn import_images(&self, carried: &Carried, progress: &Progress) -> Result<()> {
        docker::load(&carried.file)
            .run()
            .map_err(|failure| self.with_disk(failure))?;
        // PostgreSQL's may be refused, and then nothing else is to be another one either.
        let all = self.target.images.iter();
        let (first, rest): (Vec<_>, Vec<_>) = all.partition(|(part, _)| *part == "postgres");
        for (part, wanted) in first.into_iter().chain(rest) {
            let missing = || Failure::failed(format!("`{}` brought no image for {part}", carried.file));
            let name = carried.parts.get(part).ok_or_else(missing)?;
            let found = containers::image(name)?.ok_or_else(missing)?;
            if part == GATE_PART {
                self.pin_gate(wanted, found)?;
            } else {
                let label = |name: &str| found.labels.get(name).cloned();
                let adds = |locked: &&LockedImage| locked.packages.is_some();
                let locked = self.locked(part);
                let built = locked.filter(adds).and_then(|_| dockerfile::built(label));
                // Whoever pulled it knew a digest; this machine has nobody to ask for it.
                let found = Found {
                    locked: locked.and_then(|locked| same(name, locked)),
                    ..Found::made_here(found)
                };
                self.pin(part, wanted, (found, built), progress)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use odoopack_core::spec::Engine;

    use super::*;

    #[test]
    fn the_image_of_a_lock_is_known_by_it_in_the_file_whatever_id_a_machine_gives_it() {
        let locked = LockedImage {
            pin: odoopack_core::facts::ImagePin {
                id: "sha256:0123456789abcdef".to_owned(),
                digest: Some("odoo@sha256:2".to_owned()),
            },
            packages: None,
        };
        // Where it was exported another store gave it another id as well, and the digest says which it is.
        let image = Image {
            wanted: "odoo:18.0".to_owned(),
            pinned: "odoo@sha256:2".to_owned(),
            id: "sha256:ffffffffffffffff".to_owned(),
            ..Image::default()
        };
        assert_eq!(named_by(&image, Some(&locked)), locked.pin.id);
        assert_eq!(named_by(&image, None), image.id);
        let other = Image {
            pinned: image.id.clone(),
            ..image
        };
        assert_eq!(named_by(&other, Some(&locked)), other.id);
        let id = Some(locked.pin.id.clone());
        assert_eq!(same("odoopack-shop/odoo:0123456789ab", &locked), id);
        for other in [
            "odoopack-shop/odoo:ffffffffffff",
            "odoopack-shop/odoo:0123",
            "odoopack-shop/odoo",
        ] {
            assert_eq!(same(other, &locked), None, "{other}");
        }
    }

    #[test]
    fn a_name_in_the_file_says_for_which_part_it_is() {
        let layout = Layout::new("/opt/shop".into(), &"shop".parse().unwrap(), true);
        let layout = layout.with_engine(Engine::Compose);
        let name = name(&layout, "odoo", "sha256:0123456789abcdef");
        assert_eq!(name, "odoopack-shop/odoo:0123456789ab");
        assert_eq!(part(&name), Some("odoo"));
        for other in ["odoo:18.0", "odoopack-gate:1", "docker.io/odoopack-x/y:1"] {
            assert_eq!(part(other), None, "{other}");
        }
    }
}
