//! A pack has more than one environment that people work in: each gets its own data back.
use std::collections::BTreeMap;

use odoopack_core::name::Name;
use odoopack_core::spec::Kind;

use super::Recovery;
use crate::apply::restore::empty;
use crate::backup::stored::Opened;
use crate::commands::{bringing, environment, up};
use crate::context::Pack;
use crate::failure::{Failure, Result};
use crate::store::{marks, recovering};

impl Recovery<'_> {
    /// Writes down which snapshots are to come, before the schedule of the pack begins: until then their databases are empty ones, of
    /// which nobody wants a backup.
    pub(super) fn await_data(&self, pack: &Pack, opened: &Opened) -> Result<()> {
        let own = opened.manifest().environment.as_str();
        let known = self
            .others
            .iter()
            .map(|other| (&*other.environment, &*other.snapshot));
        let all: BTreeMap<&str, &str> = known.chain([(own, opened.id())]).collect();
        for (name, environment) in &pack.loaded.spec.environments {
            let production = environment.kind == Kind::Production;
            match all.get(name.as_str()) {
                Some(snapshot) if production || name.as_str() == own => {
                    marks::remember_awaited(&pack.layout.state(), name, snapshot)?;
                }
                None if production => self.cx.ui.warn(&format!(
                    "{name} begins with an empty database: the repository holds no snapshot of it as production"
                )),
                _ => {}
            }
        }
        for other in &self.others {
            let named = |name: &Name| name.as_str() == other.environment;
            if !pack.loaded.spec.environments.keys().any(named) {
                self.cx.ui.warn(&format!(
                    "{} is not brought back: the recovered file does not name it, and its newest snapshot is {} of {}",
                    other.environment, other.snapshot, other.taken
                ));
            }
        }
        Ok(())
    }

    /// Every other production environment that awaits its data; one that fails keeps no other from coming back.
    pub(super) fn all_others(&self, pack: &Pack) -> Result<()> {
        let mut empty = Vec::new();
        for name in pack.loaded.spec.environments.keys() {
            let Some(snapshot) = marks::awaited(&pack.layout.state(), name)? else {
                continue;
            };
            if let Err(failure) = self.other(pack, name, &snapshot) {
                empty.push(format!(
                    "{name} awaits snapshot {snapshot}: {}",
                    failure.sentence()
                ));
            }
        }
        if empty.is_empty() {
            return Ok(());
        }
        let mark = recovering::path(&self.root);
        Err(Failure::failed(
            "not every production environment is back; those that are not have empty databases",
        )
        .because(empty.join("\n"))
        .hint("the same `odoopack recover` again goes on with them")
        .hint(format!("`rm {mark}` ends the recovery without them")))
    }

    fn other(&self, pack: &Pack, name: &Name, snapshot: &str) -> Result<()> {
        let opened = self.elsewhere.snapshot(snapshot, Some(name.as_str()))?;
        let (_, settings) = environment(pack, name.as_str())?;
        let view = bringing::look(pack, name)?;
        let apply = up::applier(self.cx, pack, &view);
        empty::still(&apply, (name, &settings.database), None, false).map_err(|failure| {
            let mark = marks::awaited_file(&pack.layout.state(), name);
            failure.hint(format!("`rm {mark}` when what is in it shall stay"))
        })?;
        let id = bringing::new_id();
        self.put(pack, name.as_str(), opened, &id)?;
        self.forget_empty(pack, name.as_str(), Some(&id))
    }
}

/// Whether an environment still awaits its data.
pub(super) fn awaits(pack: &Pack) -> Result<bool> {
    let state = pack.layout.state();
    for name in pack.loaded.spec.environments.keys() {
        if marks::awaited(&state, name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
