//! What cannot be restored on a database server that somebody else runs, said before anything is touched.
use crate::apply::restore::source::Source;
use crate::context::Pack;
use crate::failure::{Failure, Result};
use crate::observe::View;
use crate::observe::given::may_make_databases;

/// Refuses what the role that was given to us could not do to its end.
///
/// # Errors
/// Kind `Refused`: no second database may be made, the backup is of somebody else, or it has what only a superuser makes.
pub(crate) fn fits(pack: &Pack, view: &View, source: &Source) -> Result<()> {
    let Some(server) = pack.layout.server() else {
        return Ok(());
    };
    may_make_databases(&view.facts.server, &server.role, "a restore")?;
    let Source::Snapshot(stored) = source else {
        return Err(Failure::refused(format!(
            "a backup that odoopack did not make is not loaded on {server}"
        ))
        .because(format!(
            "what it holds would run as role {}, which owns the database of the environment too, and there is no other role",
            server.role
        ))
        .hint("restore it in a pack without `url` in [postgres], `odoopack backup create --root THERE`, and restore that snapshot here"));
    };
    if stored.manifest().database.unaccent_immutable {
        return Err(Failure::refused(format!(
            "the snapshot has an immutable `unaccent`, and indexes that need it, which role {} may not make on {server}",
            server.role
        ))
        .because("only a superuser may change the function")
        .hint("have the server's administrator restore it, or keep this database on a server of the pack's own"));
    }
    Ok(())
}
