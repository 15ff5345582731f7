//! The PostgreSQL servers of the pack's own: one for all editions, or one for each.
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{Spec, UnknownWord};
use crate::name::Name;

/// How many servers of the pack's own hold the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clusters {
    /// One for all editions.
    Shared,
    /// One for each edition that an environment has.
    PerEdition,
}

impl fmt::Display for Clusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Shared => "shared",
            Self::PerEdition => "per-edition",
        })
    }
}

impl FromStr for Clusters {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "shared" => Ok(Self::Shared),
            "per-edition" => Ok(Self::PerEdition),
            other => Err(UnknownWord {
                word: other.to_owned(),
                known: "shared, per-edition",
            }),
        }
    }
}

/// One PostgreSQL server of the pack's own, called as its service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct OwnServer(Option<Name>);

impl OwnServer {
    /// The one of all editions.
    pub const SHARED: Self = Self(None);

    /// The server that a service or a data directory of this name belongs to.
    pub fn called(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("postgres")?;
        match rest.strip_prefix('.') {
            None => rest.is_empty().then_some(Self::SHARED),
            Some(edition) => edition.parse().ok().map(|name| Self(Some(name))),
        }
    }

    /// The edition that it serves alone.
    pub fn edition(&self) -> Option<&Name> {
        self.0.as_ref()
    }

    /// Whether it serves all editions.
    pub fn is_shared(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a service of this name is this server.
    pub fn is_called(&self, service: &str) -> bool {
        match &self.0 {
            None => service == "postgres",
            Some(edition) => service.strip_prefix("postgres.") == Some(edition.as_str()),
        }
    }
}

impl fmt::Display for OwnServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.pad("postgres"),
            Some(edition) => write!(f, "postgres.{edition}"),
        }
    }
}

impl Spec {
    /// The server that holds the database of an environment.
    pub fn server_of(&self, environment: &Name) -> OwnServer {
        let environment = self.environments.get(environment);
        match (self.postgres.cluster, environment) {
            (Clusters::PerEdition, Some(environment)) => OwnServer(Some(environment.edition.clone())),
            (Clusters::Shared, _) | (Clusters::PerEdition, None) => OwnServer::SHARED,
        }
    }

    /// Every server of the pack's own, each once; none where somebody else runs it.
    pub fn servers(&self) -> Vec<OwnServer> {
        if self.postgres.is_given() {
            return Vec::new();
        }
        match self.postgres.cluster {
            Clusters::Shared => vec![OwnServer::SHARED],
            Clusters::PerEdition => {
                let all: BTreeSet<_> = self
                    .environments
                    .keys()
                    .map(|name| self.server_of(name))
                    .collect();
                all.into_iter().collect()
            }
        }
    }

    /// Whether a service is one of them.
    pub fn is_server(&self, service: &str) -> bool {
        self.servers().iter().any(|server| server.is_called(service))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LoadContext, load};
    use super::*;

    #[test]
    fn a_server_is_called_as_its_service_and_its_directory_are() {
        for name in ["postgres", "postgres.core", "postgres.eu-west"] {
            assert_eq!(OwnServer::called(name).unwrap().to_string(), name);
        }
        for other in ["postgresql", "postgres.", "postgres.15", "postgres.a.b", "redis"] {
            assert_eq!(OwnServer::called(other), None, "{other}");
        }
    }

    fn mistakes(root: &str, postgres: &str) -> String {
        let text = format!(
            "format = 1\n[postgres]\n{postgres}\n[editions.sixteen-letters1]\n\
             [environments.production]\ndomain = \"erp.example.com\"\n"
        );
        let loaded = load(&text, &LoadContext::new("/opt/shop/repo").with_root(root));
        loaded
            .err()
            .map_or_else(String::new, |mistakes| mistakes.to_string())
    }

    #[test]
    fn what_belongs_to_one_server_is_refused_for_several() {
        let apart = "cluster = \"per-edition\"\n";
        for (more, says) in [
            (
                "port = 5432",
                "postgres.port: several servers cannot listen on one port",
            ),
            (
                "directory = \"/srv/db\"",
                "postgres.directory: the cluster that is taken over",
            ),
            (
                "url = \"secret:URL\"",
                "postgres.cluster: the server that `url` names is one",
            ),
        ] {
            let said = mistakes("/opt/shop", &format!("{apart}{more}"));
            assert!(said.contains(says), "{said}");
        }
        // The socket of the longest name is the longest path.
        let root = format!("/opt/{}", "a".repeat(55));
        assert_eq!(mistakes(&root, ""), "");
        assert!(mistakes(&root, apart).contains("data/run/postgres.sixteen-letters1/.s.PGSQL.5432"));
    }
}
