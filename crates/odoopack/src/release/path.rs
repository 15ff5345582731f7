//! The `path` source: a checkout that is already there, used read-only where it stands.
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;

use super::record::Record;
use super::{Builder, decided, tree};
use crate::failure::{Failure, Result};
use crate::files;

/// Checks the directory; what it holds may change under us, so only its place is recorded.
pub(super) fn resolve(builder: &Builder<'_>, directory: &Utf8Path) -> Result<Record> {
    tree::describe(directory, builder.spec.odoo.series)?;
    if builder.layout.own_users() {
        check_readable(directory)?;
    }
    Ok(Record::new(
        decided(builder, &format!("path {directory}")),
        "",
        Vec::new(),
    ))
}

/// Gives the directory the release's name: a link, nothing is copied.
pub(super) fn fetch(builder: &Builder<'_>, directory: &Utf8Path, record: &Record) -> Result<()> {
    files::directory_all(&builder.layout.releases())?;
    files::link(directory, &builder.tree(&record.release))
}

/// The servers run as other users: they must be able to reach the checkout.
fn check_readable(directory: &Utf8Path) -> Result<()> {
    let closed = directory.ancestors().find(|path| {
        path.metadata()
            .is_ok_and(|data| data.permissions().mode() & 1 == 0)
    });
    match closed {
        Some(path) => Err(
            Failure::refused(format!("the servers' users cannot enter `{path}`")).hint(format!(
                "`chmod o+rx {path}`, or move the checkout to a place such as `/srv`"
            )),
        ),
        None => Ok(()),
    }
}
