//! How repositories of a host are reached: with its deploy key, its known keys, or without protection.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::foreign::address;
use odoopack_core::layout::Layout;
use odoopack_core::spec::{GitHost, SecretRef, Spec};

use crate::failure::{Failure, Result};
use crate::files;
use crate::store::secrets;
use crate::tools::git::Way;

/// The ways to all hosts of a file.
#[derive(Debug)]
pub(crate) struct Access {
    ways: BTreeMap<String, Way>,
    /// Keys are files of their own while we run, readable by us alone.
    _keys: Option<tempfile::TempDir>,
}

impl Access {
    /// Prepares the ways that `[addons.hosts]` names.
    pub(crate) fn of(spec: &Spec, layout: &Layout) -> Result<Self> {
        let hosts = &spec.addons.hosts;
        let files = hosts
            .values()
            .any(|host| host.key.is_some() || !host.known.is_empty());
        let keys = files.then(|| tempfile::Builder::new().prefix("odoopack-keys-").tempdir());
        let keys = keys
            .transpose()
            .map_err(|e| Failure::failed("could not make a directory for keys").because(e))?;
        let place = keys.as_ref().and_then(|keys| Utf8Path::from_path(keys.path()));
        let mut ways = BTreeMap::new();
        for (name, host) in hosts {
            let mut way = Way {
                insecure: host.insecure,
                ..Way::default()
            };
            if let Some(place) = place {
                way.key = key(place, name, host, layout)?;
                way.known = known(place, name, host)?;
            }
            ways.insert(name.clone(), way);
        }
        Ok(Self { ways, _keys: keys })
    }

    /// The way to an address.
    pub(crate) fn way(&self, url: &str) -> Way {
        let host = address::host(url);
        host.and_then(|host| self.ways.get(host))
            .cloned()
            .unwrap_or_default()
    }
}

fn key(place: &Utf8Path, name: &str, host: &GitHost, layout: &Layout) -> Result<Option<Utf8PathBuf>> {
    let Some(SecretRef::Named(secret)) = &host.key else {
        return Ok(None);
    };
    let all = secrets::all(&layout.secrets())?;
    let value = all.get(secret).ok_or_else(|| {
        Failure::refused(format!("there is no secret {secret}, the key for `{name}`"))
            .hint(format!("`odoopack secret set {secret} < KEY-FILE`"))
    })?;
    let path = place.join(format!("{name}.key"));
    let text = format!("{}\n", value.expose().trim_end());
    files::replace(&path, text.as_bytes(), 0o600, None)?;
    Ok(Some(path))
}

fn known(place: &Utf8Path, name: &str, host: &GitHost) -> Result<Option<Utf8PathBuf>> {
    if host.known.is_empty() {
        return Ok(None);
    }
    let path = place.join(format!("{name}.known"));
    // `*` also stands for the host with a port of its own.
    let lines: String = host.known.iter().map(|key| format!("* {key}\n")).collect();
    files::replace(&path, lines.as_bytes(), 0o600, None)?;
    Ok(Some(path))
}
