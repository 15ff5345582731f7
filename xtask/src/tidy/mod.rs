//! `tidy`: the house rules that no compiler or linter knows.
mod core_is_pure;
mod direction;
mod hints;
mod links;
mod lint_blocks;
mod marks;
mod named;
mod rust;
mod supply;
mod tree;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use tree::File;
pub(crate) use tree::Tree;

use crate::run;

/// One broken rule at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    place: String,
    text: String,
    /// A warning is shown and fails nothing.
    is_warning: bool,
}

impl Note {
    fn at(file: &File, line: usize, text: impl Into<String>) -> Self {
        Self {
            place: format!("{}:{line}", file.path),
            text: text.into(),
            is_warning: false,
        }
    }

    fn whole(place: &str, text: impl Into<String>) -> Self {
        Self {
            place: place.to_owned(),
            text: text.into(),
            is_warning: false,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_warning { "warning" } else { "error" };
        write!(f, "{kind}: {}: {}", self.place, self.text)
    }
}

/// Every rule reads the whole tree and returns what breaks it.
const RULES: &[fn(&Tree) -> Vec<Note>] = &[
    marks::check,
    direction::check,
    core_is_pure::check,
    lint_blocks::check,
    words::check,
    hints::check,
    links::check,
    named::check,
    supply::check,
];

fn notes(tree: &Tree) -> Vec<Note> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}

/// Checks the working tree.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::load(&run::root())?;
    let notes = notes(&tree);
    for note in &notes {
        eprintln!("{note}");
    }
    let errors = notes.iter().filter(|note| !note.is_warning).count();
    if errors > 0 {
        bail!("tidy found {errors} to mend");
    }
    println!("tidy: {} files, {} rules", tree.files.len(), RULES.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let tree = Tree::load(&run::root()).unwrap();
        assert!(
            tree.files.iter().any(|file| file.path == "Cargo.toml"),
            "looked in the wrong place"
        );
        let errors: Vec<_> = notes(&tree)
            .into_iter()
            .filter(|note| !note.is_warning)
            .map(|note| note.to_string())
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}
