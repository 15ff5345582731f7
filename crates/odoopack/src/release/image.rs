//! The image that Odoo's containers are made from, as a lock names it.
use std::collections::BTreeMap;

use odoopack_core::facts::{self, ImagePin};
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::OdooPin;

use crate::failure::{Failure, Result};
use crate::observe::containers;
use crate::tools::docker::{self, Image};
use crate::tools::python;
use crate::ui::Progress;

/// Decides which image a name stands for: the one that the pack runs already, else the one that is here, else that of its
/// registry. With `newest` the registry is asked first, unless the image was made here.
pub(crate) fn pin(layout: &Layout, name: &str, newest: bool, progress: &Progress) -> Result<OdooPin> {
    if let Some(image) = runs(layout, name)?.filter(|_| !newest) {
        let (id, digest) = match image.built {
            Some(built) => (built.on.id, built.on.digest),
            None => (image.id, Some(image.pinned).filter(|pinned| pinned.contains('@'))),
        };
        return Ok(OdooPin::Image {
            name: name.to_owned(),
            id,
            digest,
        });
    }
    let here = containers::image(name)?;
    let made_here = here.as_ref().is_some_and(|image| image.digest.is_none());
    let found = match here.filter(|_| made_here || !newest) {
        Some(image) => image,
        None => pull(name, progress)?,
    };
    Ok(OdooPin::Image {
        name: name.to_owned(),
        id: found.id,
        digest: found.digest,
    })
}

/// The image that a lock names, from its registry where it is not here.
///
/// # Errors
/// Kind `Refused` when it was made on another machine and never came here.
pub(crate) fn bring(pin: &ImagePin, progress: &Progress) -> Result<Image> {
    if let Some(found) = containers::image(&pin.id)? {
        return Ok(found);
    }
    match &pin.digest {
        // One image may have several digests; the one of the lock is what is compared.
        Some(digest) => Ok(Image {
            digest: Some(digest.clone()),
            ..pull(digest, progress)?
        }),
        None => Err(Failure::refused(format!(
            "the image {} of `oca.lock.json` is not on this machine, and no registry knows it",
            pin.id
        ))
        .hint("`odoopack image import FILE` brings it, `odoopack lock --update` takes the one that is here")),
    }
}

/// Gets an image from its registry.
pub(crate) fn pull(name: &str, progress: &Progress) -> Result<Image> {
    progress.detail(&format!("pulling {name}"));
    docker::pull(name).run()?;
    containers::image(name)?.ok_or_else(|| Failure::failed(format!("there is no image `{name}`")))
}

/// The image that the pack runs; `None` while none is pinned.
pub(crate) fn runs(layout: &Layout, name: &str) -> Result<Option<facts::Image>> {
    containers::pinned(layout, "odoo", name)
}

/// Whether an image is on this machine.
pub(crate) fn is_here(id: &str) -> Result<bool> {
    Ok(containers::image(id)?.is_some())
}

/// Requirements that the Python of an image does not meet, with its words.
///
/// # Errors
/// When the image could not be asked.
pub(crate) fn unmet(image: &str, needs: &[&str]) -> Result<BTreeMap<String, String>> {
    let words = python::unmet_words(needs);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let text = docker::once(image, "python3", &words).read()?;
    python::parse_unmet(&text)
        .ok_or_else(|| Failure::failed(format!("the image's Python answered `{}`", text.trim())))
}
