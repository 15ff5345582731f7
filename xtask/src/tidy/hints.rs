//! Hints: a command that a person shall type stands in backticks, so that it can be told from the words around it.
use super::Note;
use super::tree::{File, Tree};

/// Programs that hints name; each followed by a space and something that it is given.
const PROGRAMS: &[&str] = &[
    "odoopack",
    "sudo",
    "apt-get",
    "chmod",
    "chown",
    "mount",
    "umount",
    "systemctl",
    "docker",
    "git",
    "kill",
];

/// Where hints are made: whether every text of the call is one, or only the last.
const MAKERS: &[(&str, bool)] = &[(".hint(", true), ("Refusal::new(", false)];

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    let product = |file: &&File| file.path.starts_with("crates/") && file.path.contains("/src/");
    tree.files
        .iter()
        .filter(|file| file.is_rust())
        .filter(product)
        .flat_map(check_file)
        .collect()
}

fn check_file(file: &File) -> Vec<Note> {
    let mut notes = Vec::new();
    for (maker, all) in MAKERS {
        for (at, _) in file.text.match_indices(maker) {
            let texts = texts(&file.text[at + maker.len()..]);
            let hints = if *all {
                &texts[..]
            } else {
                &texts[texts.len().saturating_sub(1)..]
            };
            let line = file.text[..at].matches('\n').count() + 1;
            let bare = hints
                .iter()
                .filter_map(|(below, text)| Some((below, bare(text)?)));
            notes.extend(bare.map(|(below, program)| {
                let text = format!("write the command of a hint in backticks: `{program} ...`");
                Note::at(file, line + below, text)
            }));
        }
    }
    notes
}

/// The program that is named outside backticks as if it were to be typed.
fn bare(hint: &str) -> Option<&'static str> {
    let outside: String = hint.split('`').step_by(2).collect::<Vec<_>>().join("` `");
    let words: Vec<&str> = outside.split_whitespace().collect();
    let first = words.first()?;
    // Within a sentence `odoopack` is a name and `mount` a verb: there only what no sentence says is a command.
    let inside = words.windows(2).find_map(|pair| {
        let program = PROGRAMS.iter().find(|program| **program == pair[0])?;
        (pair[1].starts_with('-') || *program == "sudo").then_some(*program)
    });
    let begins = PROGRAMS
        .iter()
        .find(|program| *program == first && words.len() > 1);
    begins.copied().or(inside)
}

/// The string literals of a call's arguments, each with its line below the call's.
fn texts(rest: &str) -> Vec<(usize, String)> {
    let (mut all, mut depth, mut line) = (Vec::new(), 0_usize, 0);
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                let (at, mut text) = (line, String::new());
                while let Some(letter) = letters.next() {
                    line += usize::from(letter == '\n');
                    match letter {
                        '"' => break,
                        '\\' => drop(letters.next()),
                        letter => text.push(letter),
                    }
                }
                all.push((at, text));
            }
            '(' => depth += 1,
            ')' if depth == 0 => break,
            ')' => depth -= 1,
            '\n' => line += 1,
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    fn notes(text: &str) -> Vec<String> {
        said(check, &[("crates/odoopack/src/apply/mod.rs", text)])
    }

    #[test]
    fn a_bare_command_is_found() {
        for text in [
            "f.hint(\"odoopack up\")",
            "f\n.hint(format!(\"odoopack secret set {name} < FILE\"))",
            "f.hint(\"first `odoopack up`, then sudo systemctl restart x\")",
            "f.hint(\"run apt-get -y install x\")",
            "Refusal::new(format!(\"odoopack did it ({x})\"), \"apt-get install x\")",
        ] {
            assert_eq!(notes(text).len(), 1, "{text}");
        }
        let late = notes("f\n\n.hint(\n\"odoopack up\")");
        assert!(late[0].contains("mod.rs:4: write the command"), "{late:?}");
    }

    #[test]
    fn words_and_quoted_commands_are_fine() {
        for text in [
            "f.hint(\"`odoopack up`\")",
            "f.hint(\"make room, then run `odoopack up` again\").because(\"odoopack up\")",
            "f.hint(\"use the odoopack version that made it\")",
            "Refusal::new(\"odoopack up ended\", \"move it away\")",
            "\"odoopack up\"",
        ] {
            assert_eq!(notes(text), [""; 0], "{text}");
        }
    }
}
