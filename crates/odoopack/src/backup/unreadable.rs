//! What lies among the snapshots of a repository and cannot be read: it is said, and takes no other one out of reach.
use odoopack_repository::{Error, Listing, Repository, Snapshot, Unreadable};

use super::failure;
use crate::context::Context;
use crate::failure::Result;

/// So many are named; who can write there can put thousands.
const NAMED: usize = 3;

/// Everything that is listed; what cannot be read is said.
///
/// # Errors
/// When the listing failed.
pub(crate) fn listing(cx: &Context, repository: &Repository) -> Result<Listing> {
    let listing = repository.listing().map_err(|e| failure::of(&e))?;
    warn(cx, &listing.unreadable);
    Ok(listing)
}

/// The snapshots that can be read, oldest first; the others are passed over.
///
/// # Errors
/// When the listing failed.
pub(crate) fn passed_over(repository: &Repository) -> std::result::Result<Vec<Snapshot>, Error> {
    Ok(repository.listing()?.snapshots)
}

/// Says what cannot be read, and the way out.
pub(crate) fn warn(cx: &Context, all: &[Unreadable]) {
    sentences(all).iter().for_each(|sentence| cx.ui.warn(sentence));
}

fn sentences(all: &[Unreadable]) -> Vec<String> {
    let named = all.iter().take(NAMED).map(|one| {
        let Unreadable {
            object,
            place,
            why,
            aside,
        } = one;
        format!(
            "`{object}` at {place} is passed over, because it cannot be read: {why}; nothing is removed there until `{aside}` takes it out of the way, or a whole copy of it is in its place"
        )
    });
    let more = all.len().checked_sub(NAMED).filter(|more| *more > 0);
    let more = more.map(|more| format!("{more} more below `snapshots/` cannot be read"));
    named.chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_with_what_takes_it_away_up_to_a_few() {
        let one = |number: usize| Unreadable {
            object: format!("snapshots/{number}"),
            place: "/backups".to_owned(),
            why: "no".to_owned(),
            aside: format!("mv {number}"),
        };
        let said = |count: usize| sentences(&(0..count).map(one).collect::<Vec<_>>());
        assert_eq!(said(0), [""; 0]);
        assert!(said(1)[0].contains("`snapshots/0` at /backups") && said(1)[0].contains("`mv 0`"));
        assert_eq!((said(3).len(), said(9).len()), (3, 4));
        assert!(said(9)[3].starts_with("6 more"), "{:?}", said(9));
    }
}
