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
                .hint("write it with `odoopack image export` where the pack runs")
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

impl Apply<'_> {
    /// Writes images into one file that is whole or not there.
    pub(crate) fn export_images(&self, all: &BTreeMap<&String, &Image>, file: &Utf8Path) -> Result<()> {
        let mut names = Vec::new();
        for (part, image) in all {
            let name = name(self.layout, part, &image.id);
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
            // Whoever pulled it knew a digest; this machine has nobody to ask for it.
            let found = docker::Image {
                digest: None,
                ..found
            };
            if part == GATE_PART {
                self.pin_gate(wanted, found)?;
            } else {
                let label = |name: &str| found.labels.get(name).cloned();
                let adds = |locked: &&LockedImage| part == "odoo" && locked.packages.is_some();
                let locked = self.facts.containers.locked.as_ref();
                let built = locked.filter(adds).and_then(|_| dockerfile::built(label));
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
