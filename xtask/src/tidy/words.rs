//! Text that belongs in no file: paths of the machine it was written on, registries' hosts, talk about who wrote it.
use super::Note;
use super::tree::{File, Tree};

/// Hidden from this very check by standing in two halves.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a path of one machine"),
    ("/fa", "rm/", "a path of one machine"),
    ("/tmp/ta", "rget", "a path of one machine"),
    ("py", "pi.org", "name the registry, not its host"),
    ("python", "hosted.org", "name the registry, not its host"),
    ("crates", ".io", "name the registry, not its host"),
    ("npm", "js.org", "name the registry, not its host"),
    ("npm", "js.com", "name the registry, not its host"),
    ("deb.deb", "ian.org", "the host's own apt knows its mirror"),
    ("security.deb", "ian.org", "the host's own apt knows its mirror"),
    ("ftp.deb", "ian.org", "the host's own apt knows its mirror"),
    ("cla", "ude", "say what it does, not who wrote it"),
    ("anthro", "pic", "say what it does, not who wrote it"),
    ("chat", "gpt", "say what it does, not who wrote it"),
    ("open", "ai", "say what it does, not who wrote it"),
    ("co", "pilot", "say what it does, not who wrote it"),
    ("l", "lm", "say what it does, not who wrote it"),
    ("coding ", "assistant", "say what it does, not who wrote it"),
    ("coding ", "agent", "say what it does, not who wrote it"),
    ("sub", "agent", "say what it does, not who wrote it"),
    ("co-auth", "ored-by", "say what it does, not who wrote it"),
];

/// Cargo writes the registry's index into it.
const EXEMPT: &[&str] = &["Cargo.lock"];

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    let files = tree
        .files
        .iter()
        .filter(|file| !EXEMPT.contains(&file.path.as_str()));
    files.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Note> {
    let text = file.text.to_lowercase();
    let mut notes = Vec::new();
    for (first, second, why) in FORBIDDEN {
        let word = format!("{first}{second}");
        for (index, line) in text.lines().enumerate() {
            if stands_in(line, &word) {
                notes.push(Note::at(file, index + 1, format!("`{word}`: {why}")));
            }
        }
    }
    notes
}

/// True when `word` stands in `line` as a whole word; a path is whole where it begins at a root.
fn stands_in(line: &str, word: &str) -> bool {
    let is_inner = |found: Option<char>| found.is_some_and(|found| found.is_alphanumeric() || found == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (
            line[..at].chars().next_back(),
            line[at + word.len()..].chars().next(),
        );
        if word.starts_with('/') {
            !is_inner(before) && !before.is_some_and(|found| ".-})*~".contains(found))
        } else {
            !is_inner(before) && !is_inner(after)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn each_forbidden_text_is_found() {
        for (first, second, why) in FORBIDDEN {
            let text = format!("fine\nsee `{}{second}x", first.to_uppercase());
            let text = if first.starts_with('/') {
                text
            } else {
                text.trim_end_matches('x').to_owned()
            };
            let said = said(check, &[("docs/a.md", &text)]);
            assert_eq!(said, [format!("error: docs/a.md:2: `{first}{second}`: {why}")]);
        }
    }

    #[test]
    fn parts_of_other_words_and_relative_paths_are_fine() {
        let halves = |index: usize| format!("{}{}", FORBIDDEN[index].0, FORBIDDEN[index].1);
        let short = FORBIDDEN.iter().position(|(first, _, _)| *first == "l").unwrap();
        let text = format!(
            "a{}x frame{}y {{root}}{}z wi{}",
            halves(short),
            halves(0),
            halves(0),
            halves(short)
        );
        assert_eq!(said(check, &[("a.md", &text)]), [""; 0]);
        let lock = format!(
            "registry {}",
            FORBIDDEN
                .iter()
                .find(|row| row.1 == ".io")
                .map_or("", |row| row.0)
        ) + ".io";
        assert_eq!(said(check, &[("Cargo.lock", &lock)]), [""; 0]);
    }
}
