//! Images: what Docker says of those that are here, and how others come.
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use odoopack_core::image_name::repository;

use super::{PULL, docker};
use crate::exec::Cmd;

/// Everything about an image that is here; ends badly when it is not.
pub(crate) fn image(name: &str) -> Cmd {
    docker(&["image", "inspect", name])
}

/// Ends well when all of these images are here.
pub(crate) fn are_here(names: &[&str]) -> Cmd {
    docker(&["image", "inspect", "--format", "{{.Id}}"]).args(names.iter().copied())
}

/// Whether [`image`] ended badly because the image is not here, and not because nobody could tell.
pub(crate) fn says_no_image(stderr: &str) -> bool {
    stderr.to_lowercase().contains("no such image")
}

/// An image of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// Its id: of its configuration in Docker's own store, of what a registry has in containerd's.
    pub(crate) id: String,
    /// `repository@sha256:...` for each of its names. Docker's own store knows one of what was pulled or pushed, containerd's
    /// gives every name one, also of an image that was made or tagged here.
    pub(crate) digests: Vec<String>,
    /// Where it came from, in [`repository`]'s form, and whether it was built here; Docker 29 says so, older ones do not.
    pub(crate) origin: Origin,
    /// The user that it runs as by itself.
    pub(crate) user: Option<String>,
    /// What its maker wrote on it.
    pub(crate) labels: BTreeMap<String, String>,
}

/// What Docker remembers of where an image came from; empty where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) pulled: BTreeSet<String>,
    pub(crate) built: bool,
}

/// What a registry calls an image that is here, as far as Docker can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// It came from there, as `repository@sha256:...`.
    Known(String),
    /// This is what it would be called; only the registry can say whether it has it.
    Possible(String),
    /// It was made here, or goes by a name here that is not the one it came by.
    None,
}

impl Image {
    /// What the registry of a name calls it.
    pub(crate) fn digest(&self, name: &str) -> Digest {
        let wanted = repository(name);
        let same = |digest: &&String| repository(digest) == wanted;
        let exact = |digest: &&String| name.split_once('@').is_none_or(|(_, own)| digest.ends_with(own));
        let mut all = self.digests.iter().filter(same);
        let Some(digest) = all.clone().find(exact).or_else(|| all.next()) else {
            return Digest::None;
        };
        // Docker's own store writes one down only where a registry was asked.
        if !digest.ends_with(&format!("@{}", self.id)) || self.origin.pulled.contains(wanted) {
            Digest::Known(digest.clone())
        } else if self.origin.built {
            Digest::None
        } else {
            Digest::Possible(digest.clone())
        }
    }
}

/// Reads what [`image`] prints.
///
/// # Errors
/// When it is not what Docker prints.
pub(crate) fn parse_image(text: &str) -> serde_json::Result<Option<Image>> {
    let all: Vec<raw::Image> = serde_json::from_str(text)?;
    Ok(all.into_iter().next().map(|image| {
        let config = image.config.unwrap_or_default();
        let identity = image.identity.unwrap_or_default();
        let pulled = identity.pull.unwrap_or_default().into_iter();
        Image {
            id: image.id,
            digests: image.repo_digests.unwrap_or_default(),
            origin: Origin {
                pulled: pulled.map(|one| repository(&one.repository).to_owned()).collect(),
                built: identity.build.is_some_and(|all| !all.is_empty()),
            },
            user: config.user,
            labels: config.labels.unwrap_or_default(),
        }
    }))
}

/// Ids of the images with a label, newest first.
pub(crate) fn labelled(label: &str) -> Cmd {
    docker(&["image", "ls", "--no-trunc", "--quiet", "--filter"]).arg(format!("label={label}"))
}

/// Gets an image from its registry.
pub(crate) fn pull(name: &str) -> Cmd {
    docker(&["pull", "--quiet", name]).patience(PULL)
}

/// Whether [`pull`] ended badly because the registry answered that it does not give such an image, and not because it did not answer.
///
/// # Source
/// Docker Engine 20.10 to 29, `errdefs` and the words of the registries' own errors `DENIED`, `NAME_UNKNOWN` and `MANIFEST_UNKNOWN`
/// (Distribution Registry HTTP API V2).
pub(crate) fn says_refused(stderr: &str) -> bool {
    let said = stderr.to_lowercase();
    let words = [
        "pull access denied",
        "requested access to the resource is denied",
        "repository does not exist",
        "repository name not known to registry",
        "manifest unknown",
        ": not found",
        "insufficient_scope",
    ];
    words.iter().any(|words| said.contains(words))
}

/// Gives an image another name.
pub(crate) fn tag(id: &str, name: &str) -> Cmd {
    docker(&["tag", id, name])
}

/// Writes images under these names into one file.
pub(crate) fn save(names: &[String], file: &Utf8Path) -> Cmd {
    docker(&["save", "--output", file.as_str()])
        .args(names.iter().cloned())
        .patience(PULL)
}

/// Takes every image of a file in.
pub(crate) fn load(file: &Utf8Path) -> Cmd {
    docker(&["load", "--quiet", "--input", file.as_str()]).patience(PULL)
}

/// Prints what a file of [`save`] says that it holds.
pub(crate) fn saved(file: &Utf8Path) -> Cmd {
    Cmd::new("tar").args([
        "--extract",
        "--to-stdout",
        "--file",
        file.as_str(),
        "manifest.json",
    ])
}

/// Names of the images in what [`saved`] prints.
///
/// # Errors
/// When it is not what Docker writes.
pub(crate) fn parse_saved(text: &str) -> serde_json::Result<Vec<String>> {
    let all: Vec<raw::Saved> = serde_json::from_str(text)?;
    let names = all.into_iter().filter_map(|image| image.repo_tags);
    Ok(names.flatten().collect())
}

/// The parts of Docker's answers that are read (Engine API 1.41; `Identity` is of 1.53).
mod raw {
    use std::collections::BTreeMap;

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Saved {
        #[serde(default)]
        pub(super) repo_tags: Option<Vec<String>>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Image {
        pub(super) id: String,
        #[serde(default)]
        pub(super) repo_digests: Option<Vec<String>>,
        #[serde(default)]
        pub(super) identity: Option<Identity>,
        #[serde(default)]
        pub(super) config: Option<ImageConfig>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Identity {
        #[serde(default)]
        pub(super) pull: Option<Vec<Pulled>>,
        #[serde(default)]
        pub(super) build: Option<Vec<serde::de::IgnoredAny>>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Pulled {
        #[serde(default)]
        pub(super) repository: String,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct ImageConfig {
        #[serde(default)]
        pub(super) user: Option<String>,
        #[serde(default)]
        pub(super) labels: Option<BTreeMap<String, String>>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In Docker's own store, after a pull (ids of moby/moby, issue 17670); what is not read is left out.
    const PULLED_OWN_STORE: &str = r#"[{"Id":"sha256:932926da21bff1c81d80563ecdecb37363efa19862af61e4a523098ad5e4b419",
        "RepoTags":["circleci/picard:latest","ours:1"],
        "RepoDigests":["circleci/picard@sha256:af8d416a5fbec4ce1766c0b9e945f0a93be79bed8b2713209d4bb8a6af5ec213"],
        "Parent":"","Config":{"User":"odoo","Labels":null}}]"#;

    /// The same of one that was built there.
    const BUILT_OWN_STORE: &str = r#"[{"Id":"sha256:932926da21bff1c81d80563ecdecb37363efa19862af61e4a523098ad5e4b419",
        "RepoTags":["acme/odoo:18"],"RepoDigests":[],"Config":{"User":"","Labels":{"a":"b"}}}]"#;

    /// In containerd's store, after `docker pull alpine` and `docker tag alpine myimage` (moby/moby, pull request 45122).
    const CONTAINERD: &str = r#"[{"Id":"sha256:69665d02cb32192e52e07644d76bc6f25abeb5410edc1c7a81a10ba3f0efb90a",
        "RepoTags":["alpine:latest","myimage:latest"],
        "RepoDigests":["alpine@sha256:69665d02cb32192e52e07644d76bc6f25abeb5410edc1c7a81a10ba3f0efb90a",
        "myimage@sha256:69665d02cb32192e52e07644d76bc6f25abeb5410edc1c7a81a10ba3f0efb90a"],"Config":{"Labels":{}}}]"#;

    fn read(text: &str) -> Image {
        parse_image(text).unwrap().unwrap()
    }

    #[test]
    fn docker_s_own_store_knows_a_digest_of_what_was_pulled_only() {
        let pulled = read(PULLED_OWN_STORE);
        let digest =
            "circleci/picard@sha256:af8d416a5fbec4ce1766c0b9e945f0a93be79bed8b2713209d4bb8a6af5ec213"
                .to_owned();
        for name in [
            "circleci/picard",
            "circleci/picard:latest",
            "docker.io/circleci/picard:latest",
            &digest,
        ] {
            assert_eq!(pulled.digest(name), Digest::Known(digest.clone()), "{name}");
        }
        // A registry knows it, by a name that is not this one.
        assert_eq!(pulled.digest("ours:1"), Digest::None);
        assert_eq!(pulled.user.as_deref(), Some("odoo"));
        assert_eq!(read(BUILT_OWN_STORE).digest("acme/odoo:18"), Digest::None);
    }

    #[test]
    fn containerd_s_store_gives_every_name_a_digest_and_proves_nothing_by_it() {
        let image = read(CONTAINERD);
        for name in ["alpine", "myimage"] {
            let digest = format!("{name}@{}", image.id);
            assert_eq!(image.digest(name), Digest::Possible(digest), "{name}");
        }
        assert_eq!(image.digest("odoopack-shop/odoo:1"), Digest::None);
    }

    #[test]
    fn a_newer_docker_says_where_an_image_came_from() {
        let with = |identity: &str| {
            read(&CONTAINERD.replace(r#""Config":"#, &format!(r#""Identity":{identity},"Config":"#)))
        };
        let pulled = with(r#"{"Pull":[{"Repository":"docker.io/library/alpine"}]}"#);
        assert_eq!(
            pulled.digest("alpine:latest"),
            Digest::Known(format!("alpine@{}", pulled.id))
        );
        assert_eq!(
            pulled.digest("myimage"),
            Digest::Possible(format!("myimage@{}", pulled.id))
        );
        let built = with(r#"{"Build":[{"Ref":"x","CreatedAt":"2026-01-01T00:00:00Z"}]}"#);
        assert_eq!(built.digest("myimage"), Digest::None);
    }

    #[test]
    fn one_of_several_digests_is_the_one_that_is_named() {
        let image = Image {
            id: "sha256:1".to_owned(),
            digests: ["x@sha256:2", "odoo@sha256:3", "odoo@sha256:4"]
                .map(str::to_owned)
                .into(),
            origin: Origin::default(),
            user: None,
            labels: BTreeMap::new(),
        };
        for (name, wanted) in [
            ("odoo:18.0", "odoo@sha256:3"),
            ("odoo@sha256:4", "odoo@sha256:4"),
            ("x", "x@sha256:2"),
        ] {
            assert_eq!(image.digest(name), Digest::Known(wanted.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_registry_that_refuses_is_told_from_one_that_does_not_answer() {
        for refused in [
            "Error response from daemon: pull access denied for acme/odoo, repository does not exist or may require 'docker login': denied: requested access to the resource is denied\n",
            "Error response from daemon: manifest for localhost:5000/x:1 not found: manifest unknown: manifest unknown\n",
            "Error response from daemon: failed to resolve reference \"docker.io/library/x:1\": docker.io/library/x:1: not found\n",
        ] {
            assert!(says_refused(refused), "{refused}");
        }
        for silent in [
            "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host\n",
            "Error response from daemon: Get \"http://localhost:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused\n",
            "Error response from daemon: toomanyrequests: You have reached your pull rate limit.\n",
        ] {
            assert!(!says_refused(silent), "{silent}");
        }
    }

    #[test]
    fn reads_the_names_in_a_file_of_images() {
        let text = r#"[{"Config":"0.json","RepoTags":["a/odoo:1","b:2"],"Layers":[]},{"Config":"1.json","RepoTags":null,"Layers":[]}]"#;
        assert_eq!(parse_saved(text).unwrap(), ["a/odoo:1", "b:2"]);
        parse_saved("{}").unwrap_err();
    }
}
