//! The image that Odoo's containers are made from, as a lock names it.
use std::collections::BTreeMap;

use odoopack_core::facts::{self, ImagePin};
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::OdooPin;

use crate::failure::{Failure, Result};
use crate::observe::containers;
use crate::tools::docker::{self, Digest, Image};
use crate::tools::python;
use crate::ui::Progress;

/// An image of this machine that something is to be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) image: Image,
    /// `repository@sha256:...`, by which its registry gives it again; `None` for one that was made here or came in a file.
    pub(crate) digest: Option<String>,
    /// The id by which a lock names it, where that is not its id here.
    pub(crate) locked: Option<String>,
}

impl Found {
    /// One that no registry has.
    pub(crate) const fn made_here(image: Image) -> Self {
        Self {
            image,
            digest: None,
            locked: None,
        }
    }

    const fn of(image: Image, digest: Option<String>) -> Self {
        Self {
            image,
            digest,
            locked: None,
        }
    }

    fn pin(self, name: &str) -> OdooPin {
        OdooPin::Image {
            name: name.to_owned(),
            id: self.image.id,
            digest: self.digest,
        }
    }
}

/// Decides which image a name stands for: the one that the pack runs already, else the one that is here, else that of its
/// registry. With `newest` the registry is asked first, unless the image was made here.
pub(crate) fn pin(layout: &Layout, name: &str, newest: bool, progress: &Progress) -> Result<OdooPin> {
    if newest {
        return Ok(self::newest(name, progress)?.pin(name));
    }
    let Some(image) = runs(layout, name)? else {
        return Ok(get(name, progress)?.pin(name));
    };
    let digest = image.digest().map(str::to_owned);
    let (id, digest) = match image.built {
        Some(built) => (built.on.id, built.on.digest),
        None => (image.locked.unwrap_or(image.id), digest),
    };
    Ok(OdooPin::Image {
        name: name.to_owned(),
        id,
        digest,
    })
}

/// The image that a name stands for here, else in its registry.
pub(crate) fn get(name: &str, progress: &Progress) -> Result<Found> {
    let Some(image) = containers::image(name)? else {
        return pull(name, progress);
    };
    let digest = match image.digest(name) {
        Digest::Known(digest) => Some(digest),
        Digest::None => None,
        // All of it is here, so this only asks for its name.
        Digest::Possible(digest) => {
            progress.detail(&format!(
                "asking the registry of {name} whether it has this image"
            ));
            let asked = docker::pull(&digest).outcome()?;
            asked.status.success().then_some(digest)
        }
    };
    Ok(Found::of(image, digest))
}

/// The image that a name stands for in its registry; one that was made here stays what it is.
///
/// # Errors
/// When the registry does not answer.
pub(crate) fn newest(name: &str, progress: &Progress) -> Result<Found> {
    let here = match containers::image(name)? {
        Some(image) if image.digest(name) == Digest::None => return Ok(Found::made_here(image)),
        here => here,
    };
    progress.detail(&format!("pulling {name}"));
    let cmd = docker::pull(name);
    let outcome = cmd.outcome()?;
    if outcome.status.success() {
        return pulled(name);
    }
    here.and_then(|image| made_here(image, name, &outcome.stderr))
        .ok_or_else(|| cmd.ended_badly(&outcome))
}

/// An image that its registry refused to give, where that says that it was made here: not of one that came from there once, whose
/// loss shall be heard of.
fn made_here(image: Image, name: &str, stderr: &str) -> Option<Found> {
    let known = matches!(image.digest(name), Digest::Known(_));
    (!known && docker::says_refused(stderr)).then(|| Found::made_here(image))
}

/// The image that a lock names, from its registry where it is not here.
///
/// # Errors
/// Kind `Refused` when it was made on another machine and never came here.
pub(crate) fn bring(pin: &ImagePin, progress: &Progress) -> Result<Found> {
    if let Some(image) = containers::image(&pin.id)? {
        // One that came in a file goes by no name that its registry has.
        let named = pin.digest.clone().filter(|digest| image.digests.contains(digest));
        return Ok(Found::of(image, named));
    }
    match &pin.digest {
        // One image may have several digests; the one of the lock is what is compared.
        Some(digest) => Ok(Found {
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
fn pull(name: &str, progress: &Progress) -> Result<Found> {
    progress.detail(&format!("pulling {name}"));
    docker::pull(name).run()?;
    pulled(name)
}

/// What a pull that went well brought.
fn pulled(name: &str) -> Result<Found> {
    let image =
        containers::image(name)?.ok_or_else(|| Failure::failed(format!("there is no image `{name}`")))?;
    let digest = match image.digest(name) {
        Digest::Known(digest) | Digest::Possible(digest) => Some(digest),
        Digest::None => None,
    };
    Ok(Found::of(image, digest))
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
    ask(image, &python::unmet_words(needs))
}

/// Requirements of which the image lacks the package or the version, whether or not its Odoo could read them.
///
/// # Errors
/// When the image could not be asked.
pub(crate) fn missing(image: &str, needs: &[&str]) -> Result<BTreeMap<String, String>> {
    ask(image, &python::missing_words(needs))
}

fn ask(image: &str, words: &[String]) -> Result<BTreeMap<String, String>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let text = docker::once(image, "python3", &words).read()?;
    python::parse_unmet(&text)
        .ok_or_else(|| Failure::failed(format!("the image's Python answered `{}`", text.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_its_registry_does_not_have_was_made_here() {
        let image = |digests: &str, id: &str| {
            let text = format!(r#"[{{"Id":"{id}","RepoDigests":[{digests}]}}]"#);
            docker::parse_image(&text).unwrap().unwrap()
        };
        let refused =
            "Error response from daemon: pull access denied for acme/odoo, repository does not exist";
        let silent = "Error response from daemon: dial tcp: lookup registry-1.docker.io: no such host";
        // In containerd's store a name alone makes a digest.
        let here = image(r#""acme/odoo@sha256:1""#, "sha256:1");
        let found = made_here(here.clone(), "acme/odoo:18", refused).unwrap();
        assert_eq!((found.image.id.as_str(), found.digest), ("sha256:1", None));
        assert_eq!(made_here(here, "acme/odoo:18", silent), None);
        let pulled = image(r#""acme/odoo@sha256:2""#, "sha256:1");
        assert_eq!(made_here(pulled, "acme/odoo:18", refused), None);
    }
}
