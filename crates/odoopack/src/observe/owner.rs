//! Who brought the pack up: what another user wrote as itself would be closed to that user afterwards.
use camino::Utf8Path;

use crate::failure::{Failure, Result};
use crate::store::marks;

/// Refuses to work on a pack that another user brought up.
pub(crate) fn check(state: &Utf8Path) -> Result<()> {
    let owner = marks::owner(state)?;
    let Some(owner) = owner.filter(|uid| *uid != rustix::process::geteuid().as_raw()) else {
        return Ok(());
    };
    let name = super::host::accounts()?.user_name(owner);
    let hint = match name.as_str() {
        "root" => "sudo odoopack ...".to_owned(),
        name => format!("sudo -u {name} odoopack ..."),
    };
    Err(Failure::refused(format!(
        "this pack belongs to user {name} (see `{}`)",
        state.join("pack")
    ))
    .hint(hint))
}
