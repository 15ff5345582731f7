//! Taking away: snapshots first, then, at another time, the data that nothing needs any more.
use jiff::Span;
use rustic_core::repofile::{SnapshotFile, SnapshotId, StringList};
use rustic_core::{CheckOptions, CheckResults, PruneOptions, ReadSubsetOption, TreeId};

use crate::error::{Error, Result, format};
use crate::guarded::guarded;
use crate::repository::{PINNED, Repository, Snapshot};
use crate::{lock::Writer, warnings};

/// How long data stays that was marked: longer than any backup takes that might still refer to it.
const MARKED_HOURS: i32 = 23;

/// What a prune did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Bytes of packs that are marked now, and removed by a prune a day later.
    pub marked: u64,
    /// Bytes that were removed now: they had been marked a day ago.
    pub removed: u64,
}

/// Which part of the data to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Only the index: is every pack there?
    Nothing,
    /// The `number`th of seven parts, from 1; seven days read everything once.
    Seventh(u8),
    /// Everything.
    Everything,
}

impl Repository {
    /// Removes snapshots from the list. Their data stays until it was marked by one prune and removed by another a day later.
    ///
    /// # Errors
    /// [`Error::Fewer`] when the store lists fewer than `known` snapshots: a listing that lacks some is no ground to remove others.
    pub fn forget(&self, writer: &Writer, snapshots: &[Snapshot], known: &[String]) -> Result<()> {
        self.expect(known)?;
        writer.check()?;
        let ids: Vec<_> = snapshots.iter().flat_map(Snapshot::ids).collect();
        let removed = self.inner.delete_snapshots(&ids);
        removed.map_err(format("could not remove snapshots"))?;
        self.forget_notes(snapshots)
    }

    /// Marks data that no snapshot needs, and removes what was marked a day ago.
    pub fn prune(&self, writer: &Writer, known: &[String]) -> Result<Pruned> {
        self.expect(known)?;
        writer.check()?;
        self.backend.remove_replaced()?;
        let mut options = PruneOptions::default();
        options.keep_delete = Span::new().hours(MARKED_HOURS);
        let pruning = || guarded(|| self.pruned(writer, &options));
        let (done, heard) = warnings::listening(|| self.backend.writing(pruning));
        let pruned = done.map_err(|error| {
            if let Error::NotWhole(why) = error {
                // What it removes was marked a day ago, and what it marks stays: no snapshot lacks anything by it.
                let what = "could not prune".to_owned();
                return Error::Format { what, why };
            }
            error
        })?;
        if heard.is_empty() {
            Ok(pruned)
        } else {
            Err(Error::Format {
                what: "the prune did not go well".to_owned(),
                why: heard.join("; "),
            })
        }
    }

    fn pruned(&self, writer: &Writer, options: &PruneOptions) -> Result<Pruned> {
        let again = self.again()?;
        let plan = again.prune_plan(options);
        let plan = plan.map_err(format("could not plan the prune"))?;
        let size = plan.stats.size_sum();
        let pruned = Pruned {
            marked: size.remove + size.repackrm,
            removed: plan.stats.size_to_delete.remove,
        };
        writer.check()?;
        again.prune(options, plan).map_err(format("could not prune"))?;
        Ok(pruned)
    }

    /// Whether every snapshot of `known` is listed.
    ///
    /// # Errors
    /// [`Error::Fewer`] when one is not.
    pub fn expect(&self, known: &[String]) -> Result<()> {
        let listed = self.snapshots()?;
        if known.iter().all(|id| listed.iter().any(|s| s.id == *id)) {
            return Ok(());
        }
        Err(Error::Fewer {
            listed: listed.len(),
            known: known.len(),
        })
    }

    /// Pins a snapshot, or takes the pin away; its name stays, the id that restic shows changes.
    pub fn pin(&self, writer: &Writer, snapshot: &Snapshot, pinned: bool) -> Result<()> {
        writer.check()?;
        if snapshot.pinned == pinned {
            return self.remove_forms(&snapshot.twins);
        }
        let mut file: SnapshotFile = snapshot.file.clone();
        let tag: StringList = PINNED
            .parse()
            .map_err(|_| Error::NoSnapshot("the tag cannot be written".to_owned()))?;
        if pinned {
            file.add_tags(vec![tag]);
        } else {
            file.remove_tags(&[tag]);
        }
        file.original.get_or_insert(snapshot.file.id);
        // The new one first: at no moment is there none.
        self.inner
            .save_snapshots(vec![file])
            .map_err(format("could not write the snapshot"))?;
        self.remove_forms(&snapshot.ids())
    }

    fn remove_forms(&self, ids: &[SnapshotId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.inner
            .delete_snapshots(ids)
            .map_err(format("could not remove the snapshot's older form"))
    }

    /// Looks whether everything is there that the snapshots need which can be read, and reads a part of it; returns what is wrong.
    ///
    /// A pack that is gone after it had been marked for removal is fine: stock restic removes such packs at once.
    pub fn check(&self, reading: Reading) -> Result<Vec<String>> {
        let mut options = CheckOptions::default();
        options.read_data = reading != Reading::Nothing;
        if let Reading::Seventh(number) = reading {
            let subset: std::result::Result<ReadSubsetOption, _> = format!("{number}/7").parse();
            options.read_data_subset = subset.map_err(format("could not choose a part"))?;
        }
        let trees: Vec<TreeId> = self.listing()?.snapshots.iter().map(|s| s.file.tree).collect();
        let (results, _) = warnings::listening(|| patiently(|| self.checked(&options, &trees)));
        let wrong = results?
            .0
            .into_iter()
            .filter(|(level, _)| format!("{level:?}") == "Error");
        Ok(wrong
            .map(|(_, error)| error.to_string())
            .filter(|text| !(text.contains("marked to-delete: true") && text.contains("not present")))
            .collect())
    }

    fn checked(&self, options: &CheckOptions, trees: &[TreeId]) -> Result<CheckResults> {
        let again = self.again()?;
        guarded(|| {
            again
                .check_with_trees(*options, trees.to_vec())
                .map_err(format("could not check the repository"))
        })
    }
}

/// Does `work` again where the library gave up only because its own threads had not ended yet; five times at most.
///
/// # Source
/// `rustic_core` 0.13, `index.rs`, `GlobalIndex::into_index`: after the trees it waits a tenth of a second for the
/// threads that read them, and panics where one is still there; a busy machine is slower than that.
fn patiently<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..5 {
        match work() {
            Err(Error::NotWhole(why)) if why.contains("index still in use") => {}
            done => return done,
        }
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives up as the library does, the first `times`; returns how often it was tried, and what came of it.
    fn giving_up(times: u32, why: &'static str) -> (u32, Result<u32>) {
        let mut tried = 0;
        let done = patiently(|| {
            tried += 1;
            guarded(|| {
                assert!(tried > times, "{why}");
                Ok(7)
            })
        });
        (tried, done)
    }

    #[test]
    fn threads_of_the_library_that_end_late_are_no_failure_of_a_check() {
        let busy = "index still in use: Index(..)";
        assert!(matches!(giving_up(4, busy), (5, Ok(7))));
        assert!(matches!(giving_up(9, busy), (5, Err(Error::NotWhole(_)))));
        assert!(matches!(giving_up(1, "another"), (1, Err(Error::NotWhole(_)))));
    }
}
