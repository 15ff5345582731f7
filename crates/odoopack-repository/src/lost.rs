//! Packs that the index names and that are gone or cut short: taken out of it, so that what they held can be stored again.
use std::collections::{BTreeMap, HashMap};

use rustic_core::repofile::{IndexFile, IndexId, IndexPack};
use rustic_core::{FileType, Id, ReadBackend, RepairIndexOptions};

use crate::backend::name;
use crate::error::{Error, Result, format};
use crate::lock::{self, Writer};
use crate::repository::Repository;

/// Where indexes that named lost packs lie as they were; stock restic looks at nothing there.
const ASIDE: &str = "odoopack/index";

/// What the index names.
#[derive(Default)]
struct Named {
    /// Packs that are there, with the size that the index gives them.
    whole: HashMap<Id, u32>,
    /// What is wrong with those that are not.
    lost: BTreeMap<Id, String>,
    /// Packs that a prune has marked.
    marked: HashMap<Id, u32>,
    /// The indexes that name lost ones.
    indexes: Vec<IndexId>,
}

impl Repository {
    /// What to say of a snapshot that would not be whole: [`Error::Damaged`] when the reason was taken out of the index, and the same
    /// files can be stored again.
    pub(crate) fn without_lost_packs(&self, writer: &Writer, error: Error) -> Error {
        let (Error::NotWhole(why) | Error::Damaged(why)) = &error else {
            return error;
        };
        match self.leave_out_lost_packs(writer) {
            Ok(lost) if lost.is_empty() => error,
            Ok(lost) => Error::Damaged(format!("{}; the index names it no more", lost.join("; "))),
            Err(Error::Locked(who)) => Error::Locked(who),
            Err(refused) => Error::NotWhole(format!("{why}; the index still names it: {refused}")),
        }
    }

    /// Takes packs that are gone or cut short out of the index; returns what is wrong with each.
    ///
    /// A key that may not delete does the same: the indexes that it cannot remove are marked, and count no more. Nothing is lost by it: the indexes that named them lie aside as they were, and what is left of a pack stays until a prune finds
    /// every snapshot whole without it.
    fn leave_out_lost_packs(&self, writer: &Writer) -> Result<Vec<String>> {
        // Stock restic's prune takes packs out of the index and out of the store at different moments.
        lock::wait_for_restic(&self.objects)?;
        let named = self.named()?;
        if named.lost.is_empty() {
            return Ok(Vec::new());
        }
        if named.marked.keys().any(|id| named.whole.contains_key(id)) {
            return Err(Error::Format {
                what: "could not take it out of the index".to_owned(),
                why: "a prune was cut off, and the index has two words on a pack".to_owned(),
            });
        }
        for index in &named.indexes {
            if let Some(content) = self.objects.get(&name(FileType::Index, index))? {
                self.objects
                    .put(&format!("{ASIDE}/{}", index.to_hex().as_str()), &[content])?;
            }
        }
        writer.check()?;
        // The library reads again whatever is listed otherwise than the index has it, also what a killed writer left.
        self.backend
            .show_packs(Some(named.whole.into_iter().chain(named.marked).collect()));
        let repaired = self.again().and_then(|again| {
            let repaired = again.repair_index(&RepairIndexOptions::default(), false);
            repaired.map_err(format("could not write the index"))
        });
        self.backend.show_packs(None);
        repaired?;
        Ok(named.lost.into_values().collect())
    }

    fn named(&self) -> Result<Named> {
        let listed = self.backend.list_with_size(FileType::Pack);
        let listed: HashMap<Id, u32> = listed
            .map_err(format("could not list packs"))?
            .into_iter()
            .collect();
        let mut named = Named::default();
        let failed = format("could not read the index");
        for found in self.again()?.stream_files::<IndexFile>().map_err(&failed)? {
            let (index, file) = found.map_err(&failed)?;
            for pack in &file.packs {
                match self.what_is_wrong(pack, &listed)? {
                    None => drop(named.whole.insert(*pack.id, pack.pack_size())),
                    Some(wrong) => drop(named.lost.insert(*pack.id, wrong)),
                }
            }
            let marked = file.packs_to_delete.iter();
            named
                .marked
                .extend(marked.map(|pack| (*pack.id, pack.pack_size())));
            if file.packs.iter().any(|pack| named.lost.contains_key(&*pack.id)) {
                named.indexes.push(index);
            }
        }
        named.marked.retain(|id, _| !named.lost.contains_key(id));
        Ok(named)
    }

    /// `None` for a pack that is there. What the list says is asked of the store once more: a list may be old.
    fn what_is_wrong(&self, pack: &IndexPack, listed: &HashMap<Id, u32>) -> Result<Option<String>> {
        let (id, size) = (*pack.id, pack.pack_size());
        if listed.get(&id).is_some_and(|there| *there >= size) {
            return Ok(None);
        }
        let hex = id.to_hex();
        let hex = hex.as_str();
        let short = |there: u64| format!("the pack {hex} is cut short: {there} bytes of {size} are there");
        Ok(match self.objects.size(&name(FileType::Pack, &id))? {
            Some(there) if there >= u64::from(size) => None,
            Some(there) => Some(short(there)),
            None => Some(format!("the pack {hex} is not there")),
        })
    }
}
