//! What containers run on and are made from.
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::Seen;
use crate::image_name::repository;

/// Docker, the images of the pack, and its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    /// The daemon and Compose.
    pub docker: Seen<Docker>,
    /// Whether what is called `docker` here is Podman.
    pub podman: bool,
    /// Images that were found and pinned, by part: `odoo`, `postgres`, `nginx`, `gate`.
    pub images: BTreeMap<String, Image>,
    /// Those that were pinned by their own id and that Docker no longer has.
    pub gone: BTreeMap<String, Image>,
    /// Parts whose pinned image is not here and that its registry can give again.
    pub absent: BTreeSet<String>,
    /// Services that somebody added to the pack's project in Docker Compose.
    pub beside: BTreeSet<String>,
    /// What the lock says of Odoo's image, when there is a lock.
    pub locked: Option<LockedImage>,
    /// The image that PostgreSQL of a stack ran in when it was taken over; `None`: nothing was taken over, or nobody wrote it down.
    pub adopted: Option<String>,
    /// C library of that image, as in [`Image`]; `None`: it could not be asked.
    pub adopted_library: Option<String>,
    /// First three bytes of the network of the stack: the one that it has, else one that is free here.
    pub network: [u8; 3],
}

impl Default for Containers {
    fn default() -> Self {
        Self {
            docker: Seen::NotYet,
            podman: false,
            images: BTreeMap::new(),
            gone: BTreeMap::new(),
            absent: BTreeSet::new(),
            beside: BTreeSet::new(),
            locked: None,
            adopted: None,
            adopted_library: None,
            network: [172, 28, 0],
        }
    }
}

impl Containers {
    /// What a part was pinned to last, whether that is still there or not.
    pub fn last(&self, part: &str) -> Option<&Image> {
        self.images.get(part).or_else(|| self.gone.get(part))
    }
}

/// Versions of what drives containers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Docker {
    /// Of the daemon.
    pub server: String,
    /// Of Compose; `None`: it is not installed.
    pub compose: Option<String>,
    /// How the daemon keeps containers apart: `seccomp`, `userns`, `rootless`, `selinux` where that is more than permissive.
    pub security: Vec<String>,
}

/// Python modules that something in the file may need of Odoo's image.
pub const PYTHON: [&str; 2] = ["redis", "watchdog"];

/// What a lock wants Odoo's containers to be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedImage {
    /// The image.
    pub pin: ImagePin,
    /// Hash of the Python packages that are added to it; `None`: it is used as it is.
    pub packages: Option<String>,
}

/// What an image was built from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Built {
    /// The image below.
    pub on: ImagePin,
    /// Hash of the Python packages that were added.
    pub packages: String,
}

/// The image that a lock names.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePin {
    /// Id, which follows from its content.
    pub id: String,
    /// `repository@sha256:...` when a registry knows it.
    pub digest: Option<String>,
}

/// An image that was found once and is kept until the file names another.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// As the file names it.
    pub wanted: String,
    /// What the stack names: `repository@sha256:...` when a registry knows it, else the image's own id.
    pub pinned: String,
    /// Id of the image on this machine.
    pub id: String,
    /// The id by which a lock names it, where it came in a file from a machine whose store of images gives other ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
    /// Version of the program in it; zeros where there is none to ask for.
    pub version: (u16, u16, u16),
    /// Those of [`PYTHON`] that Odoo's Python in it can import.
    #[serde(default)]
    pub python: Vec<String>,
    /// What is where in it: Odoo's own addons directories; the directory of PostgreSQL's programs; nginx's program.
    pub places: Vec<Utf8PathBuf>,
    /// C library by which PostgreSQL in it sorts texts: `glibc 2.36` or `musl`; `None`: nobody asked, or it did not say.
    #[serde(default)]
    pub c_library: Option<String>,
    /// What it was built from, where Python packages of a lock were added to another image.
    #[serde(default)]
    pub built: Option<Built>,
}

impl Image {
    /// What a registry gives it again by. `None`: only this machine has it, also where Docker gives what was made here a digest.
    pub fn digest(&self) -> Option<&str> {
        let known = self.built.is_none()
            && self.pinned.contains('@')
            && repository(&self.pinned) == repository(&self.wanted);
        known.then_some(self.pinned.as_str())
    }

    /// Whether Odoo's containers are to be made from it: the one of the lock, or without a lock any that nothing was added to.
    pub fn suits(&self, locked: Option<&LockedImage>) -> bool {
        locked.map_or(self.built.is_none(), |locked| self.is(locked))
    }

    /// Whether it is the one that a lock names. Which of both is compared depends on where it came from: a machine without a
    /// registry knows the id alone, and another store of images gives another id.
    pub fn is(&self, locked: &LockedImage) -> bool {
        let (id, digest) = match &self.built {
            Some(built) => (&built.on.id, built.on.digest.as_ref()),
            None => (&self.id, Some(&self.pinned)),
        };
        let pin = &locked.pin;
        let carried = self.built.is_none() && self.locked.as_ref() == Some(&pin.id);
        let same =
            *id == pin.id || carried || pin.digest.as_ref().is_some_and(|wanted| digest == Some(wanted));
        same && self.built.as_ref().map(|built| &built.packages) == locked.packages.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(wanted: &str, pinned: &str) -> Image {
        Image {
            wanted: wanted.to_owned(),
            pinned: pinned.to_owned(),
            id: "sha256:1".to_owned(),
            ..Image::default()
        }
    }

    fn pin(id: &str, digest: Option<&str>) -> ImagePin {
        ImagePin {
            id: id.to_owned(),
            digest: digest.map(str::to_owned),
        }
    }

    #[test]
    fn a_registry_knows_what_came_from_it_by_that_name() {
        let pulled = image("docker.io/library/odoo:18.0", "odoo@sha256:2");
        assert_eq!(pulled.digest(), Some("odoo@sha256:2"));
        for made_here in [
            image("odoo:18.0", "sha256:1"),
            image("odoo:18.0", "odoopack-shop/odoo@sha256:1"),
            Image {
                built: Some(Built {
                    on: pin("sha256:2", None),
                    packages: "ab".to_owned(),
                }),
                ..image("odoo:18.0", "odoo@sha256:1")
            },
        ] {
            assert_eq!(made_here.digest(), None, "{made_here:?}");
        }
    }

    #[test]
    fn what_came_in_a_file_is_still_the_one_of_the_lock() {
        let locked = |packages: Option<&str>| LockedImage {
            pin: pin("sha256:7", Some("odoo@sha256:8")),
            packages: packages.map(str::to_owned),
        };
        let other = image("odoo:18.0", "sha256:1");
        assert!(!other.is(&locked(None)));
        let carried = Image {
            locked: Some("sha256:7".to_owned()),
            ..other
        };
        assert!(carried.is(&locked(None)));
        assert!(!carried.is(&locked(Some("ab"))), "it lacks what the lock adds");
        assert_eq!(carried.digest(), None, "nobody here has a registry");
    }
}
