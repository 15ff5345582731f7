//! Environments whose requests the gate keeps waiting.
use std::collections::BTreeSet;
use std::time::Duration;

use camino::Utf8Path;
use odoopack_core::gate::{Request, Response};
use odoopack_core::name::Name;

use crate::gate::call;

/// How long the gate may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the gate; one that does not run, or does not answer, is judged by the probes that go through it.
pub(super) fn look(control: &Utf8Path) -> BTreeSet<Name> {
    let Ok(Response::Status(status)) = call(control, &Request::Status {}, PATIENCE) else {
        return BTreeSet::new();
    };
    let held = status.environments.iter().filter(|(_, seen)| seen.hold.is_some());
    held.filter_map(|(name, _)| name.parse().ok()).collect()
}
