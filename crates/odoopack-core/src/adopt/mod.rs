//! An Odoo that somebody runs with Docker Compose, as this pack's file says it: what is kept, what changes, what is left.
mod command;
mod decide;
mod left;
mod limits;
mod parts;
mod ports;
mod project;
mod server;
mod site;
mod stack;
#[cfg(test)]
mod tests;
mod unread;
mod variables;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

pub use decide::decide;
pub use parts::{NAMES, OVERRIDES};
pub use project::{Place, Project};
pub use site::{SiteFile, is_site};
pub use stack::{Stack, Volumes};
pub use variables::Variables;

use crate::name::Name;
use crate::odoo::Series;
use crate::plan::Refusal;
use crate::secret::SecretText;

/// What the operator says.
#[derive(Clone, Debug)]
pub struct Wants {
    /// Root of the new pack.
    pub root: Utf8PathBuf,
    /// Its name.
    pub name: Name,
    /// `None`: as the image's tag says.
    pub series: Option<Series>,
    /// `None`: as nginx's configuration says.
    pub domain: Option<String>,
    /// `None`: as the files say.
    pub database: Option<String>,
}

/// What was read and seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// nginx's files.
    pub nginx: &'a [SiteFile],
    /// Directory of each volume.
    pub volumes: &'a Volumes,
    /// What places of the host hold; one that is not there is missing.
    pub directories: &'a BTreeMap<Utf8PathBuf, Holds>,
    /// Where those really are that a link leads to: what lies there is to be given away, not the link.
    pub links: &'a BTreeMap<Utf8PathBuf, Utf8PathBuf>,
    /// Findings of `doctor` about the files: id, what was seen, why it matters.
    pub findings: &'a [crate::checks::Finding],
}

/// What a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Modules.
    Modules,
    /// Directories that hold modules.
    Repositories,
    /// A PostgreSQL cluster.
    Cluster,
    /// A cluster with tables outside of its directory.
    Tablespaces,
    /// Attachments of Odoo, in `filestore`.
    Filestore,
    /// A file.
    File,
    /// Something else, or nothing.
    Other,
}

/// What is taken over, and how.
#[derive(Clone, Debug, Default)]
pub struct Adoption {
    /// The file.
    pub text: String,
    /// Secret values to store, by name.
    pub secrets: Vec<(String, SecretText)>,
    /// What stays as it is: what, where.
    pub kept: Vec<(String, String)>,
    /// What `up` will do differently, and why.
    pub changes: Vec<(String, String)>,
    /// What was not carried over, and why.
    pub left: Vec<(String, String)>,
    /// Why nothing is written.
    pub refusals: Vec<Refusal>,
}

/// Every place of the host that has to be looked at.
pub fn places(stack: &Stack<'_>, nginx: &[SiteFile], volumes: &Volumes) -> Vec<Utf8PathBuf> {
    let inside = stack.odoo_data();
    let data = inside
        .iter()
        .map(|inside| stack.data(stack.odoo, inside, volumes));
    let cluster = stack.data(stack.postgres, &stack.cluster(), volumes);
    let mut all: Vec<Utf8PathBuf> = data.chain([cluster]).flatten().collect();
    all.extend(addons(stack, volumes).into_iter().filter_map(|(_, host)| host));
    all.extend(stack.certificates(nginx, volumes));
    all
}

/// Places of modules that Odoo's `addons_path` names: in the container, and on the host where they are mounted.
pub fn addons(stack: &Stack<'_>, volumes: &Volumes) -> Vec<(String, Option<Utf8PathBuf>)> {
    let said = stack.entry("addons_path");
    // The official image's own odoo.conf names this one directory.
    let text = said.map_or("/mnt/extra-addons", |entry| entry.value.as_str());
    let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
    paths
        .map(|path| {
            let place = stack
                .project
                .place(stack.odoo, Utf8Path::new(path.trim_end_matches('/')));
            let host = place.and_then(|place| stack.host(&place, volumes).ok());
            (path.to_owned(), host)
        })
        .collect()
}
