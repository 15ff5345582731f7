//! Two machines with one past: a clone of a disk knows all that the original has copied, and only one of them may go on.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use odoopack_repository::Repository;
use rand::Rng;

use crate::backup::failure;
use crate::context::Pack;
use crate::failure::{Failure, Result};
use crate::files;

/// Words by place: that of the last copy from here, and before them the one that may be written there just now.
type Words = BTreeMap<String, Vec<String>>;

/// Whether the last copy of this pack to that place was made from here, or none was ever made that has a word.
///
/// # Errors
/// When that cannot be read.
pub(super) fn is_here(pack: &Pack, there: &Repository) -> Result<bool> {
    let last = there.turn(pack.layout.pack().as_str());
    let Some(last) = last.map_err(|e| failure::of(&e))? else {
        return Ok(true);
    };
    // Wherever it was written: the same place may have had another name.
    let words = read(pack)?;
    Ok(words.values().flatten().any(|word| *word == last))
}

/// Begins a copy, under the writer's lock: from now on no machine that shares our past up to here goes on there.
///
/// # Errors
/// When either side does not take the word.
pub(super) fn take(pack: &Pack, there: &Repository) -> Result<()> {
    let (place, name) = (there.place().to_string(), pack.layout.pack().as_str());
    let last = there.turn(name).map_err(|e| failure::of(&e))?;
    let word = format!("{:032x}", rand::rng().random::<u128>());
    let mut words = read(pack)?;
    // Cut off in between, either may be the one that is there.
    words.insert(place.clone(), last.into_iter().chain([word.clone()]).collect());
    write(pack, &words)?;
    there.take_turn(name, &word).map_err(|e| failure::of(&e))?;
    words.insert(place, vec![word]);
    write(pack, &words)
}

fn path(pack: &Pack) -> Utf8PathBuf {
    pack.layout.state().join("offsite-turns.json")
}

fn read(pack: &Pack) -> Result<Words> {
    let path = path(pack);
    let Some(text) = files::read_bytes(&path)? else {
        return Ok(Words::new());
    };
    serde_json::from_slice(&text).map_err(|e| {
        Failure::failed(format!("could not read `{path}`"))
            .because(e)
            .hint("where no other machine copies for this pack: `odoopack backup offsite --take-over`, after `rm` of that file")
    })
}

fn write(pack: &Pack, words: &Words) -> Result<()> {
    let text = serde_json::to_vec(words)
        .map_err(|e| Failure::failed("could not write down whose turn it is").because(e))?;
    files::replace(&path(pack), &text, 0o600, None)
}
