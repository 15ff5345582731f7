//! The PostgreSQL servers of the pack's own: one for all editions.
use std::fmt;

use super::Spec;
use crate::name::Name;

/// One PostgreSQL server of the pack's own, called as its service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnServer(Option<Name>);

impl OwnServer {
    /// The one of all editions.
    pub const SHARED: Self = Self(None);

    /// The edition that it serves alone.
    pub fn edition(&self) -> Option<&Name> {
        self.0.as_ref()
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
    pub fn server_of(&self, _environment: &Name) -> OwnServer {
        OwnServer::SHARED
    }

    /// Every server of the pack's own; none where somebody else runs it.
    pub fn servers(&self) -> Vec<OwnServer> {
        if self.postgres.is_given() {
            Vec::new()
        } else {
            vec![OwnServer::SHARED]
        }
    }
}
