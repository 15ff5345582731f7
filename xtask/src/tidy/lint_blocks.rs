//! A crate's clippy.toml replaces the root's, so what all share is repeated; this keeps the copies equal.
use super::Note;
use super::tree::Tree;

const BEGIN: &str = "# common: begin\n";
const END: &str = "# common: end\n";

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    let block = |text: &str| {
        text.split_once(BEGIN)
            .and_then(|(_, rest)| rest.split_once(END))
            .map(|(block, _)| block.to_owned())
    };
    let Some(common) = tree.get("clippy.toml").and_then(block) else {
        return vec![Note::whole("clippy.toml", "no common block")];
    };
    let copies = tree
        .files
        .iter()
        .filter(|file| file.path.ends_with("/clippy.toml"));
    let different = copies.filter(|file| block(&file.text).as_ref() != Some(&common));
    different
        .map(|file| Note::whole(&file.path, "the common block differs from the one in clippy.toml"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn a_copy_that_differs_is_refused() {
        let root = ("clippy.toml", "# common: begin\na = 1\n# common: end\nb = 2\n");
        assert_eq!(
            said(
                check,
                &[
                    root,
                    ("x/clippy.toml", "# common: begin\na = 1\n# common: end\nc = 3\n")
                ]
            ),
            [""; 0]
        );
        let said = said(
            check,
            &[
                root,
                ("x/clippy.toml", "# common: begin\na = 2\n# common: end\n"),
                ("y/clippy.toml", ""),
            ],
        );
        assert_eq!(said.len(), 2);
        assert_eq!(
            said[0],
            "error: x/clippy.toml: the common block differs from the one in clippy.toml"
        );
    }
}
