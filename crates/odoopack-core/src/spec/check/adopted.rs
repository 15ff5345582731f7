//! Checks of places that another stack made and this pack takes over.
use std::collections::BTreeMap;

use crate::spec::load::Report;
use crate::spec::{Engine, Spec};

/// Containers alone take them over, and each place belongs to one thing.
pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let cluster = spec.postgres.directory.as_ref();
    let mut all: Vec<_> = cluster
        .map(|path| ("postgres.directory".to_owned(), path))
        .into_iter()
        .collect();
    all.extend(spec.environments.iter().filter_map(|(name, environment)| {
        let path = environment.directory.as_ref()?;
        Some((format!("environments.{name}.directory"), path))
    }));
    let mut taken = BTreeMap::new();
    for (key, path) in all {
        if spec.pack.engine != Engine::Compose {
            report.refuse(
                &key,
                "only the engine `compose` takes over what another stack made",
                "write `engine = \"compose\"` in [pack]; for processes of the host see `odoopack backup import --help`",
            );
        }
        let within = |(other, _): &(&&camino::Utf8PathBuf, &String)| {
            path.starts_with(other) || other.starts_with(path)
        };
        if let Some((_, other)) = taken.iter().find(within) {
            let what = format!("`{other}` names the same place, or one is inside the other");
            report.refuse(&key, what, "give each its own directory");
        }
        taken.insert(path, key);
    }
}
