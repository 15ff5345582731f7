//! Whatever the text, reading ends with a spec or with mistakes.
use proptest::prelude::*;

use super::*;

const EXAMPLES: [&str; 3] = [
    include_str!("../../../../../examples/seed.toml"),
    include_str!("../../../../../examples/editions.toml"),
    include_str!("../../../../../examples/annotated.toml"),
];

/// Reads `text`; checks what holds for every answer.
fn read(text: &str) {
    match load(text, &context()) {
        Ok(loaded) => {
            assert!(!loaded.warnings.fatal());
            let again = load(&print(&loaded.spec), &context()).unwrap_or_else(|m| panic!("{m}\n{text}"));
            assert_eq!(again.spec, loaded.spec);
        }
        Err(mistakes) => {
            assert!(mistakes.fatal());
            let places: Vec<_> = mistakes.iter().map(|m| (m.line, m.column)).collect();
            assert!(places.is_sorted());
            let lines = text.matches('\n').count() + 1;
            assert!(
                mistakes
                    .iter()
                    .all(|m| m.line.is_none_or(|l| l <= lines) && !m.hint.is_empty())
            );
        }
    }
}

/// The nearest place at or before `at` where `text` may be cut.
fn cut(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn any_value_anywhere_is_read(
        key in "[a-z_.*\"]{1,12}|(environments|odoo|web|pack|mail|postgres|editions)(\\.[a-z_*]{1,9}){0,3}",
        value in "true|-?[0-9]{1,25}|[0-9]\\.[0-9e]{1,5}|inf|nan|\"[^\"\\\\]{0,30}\"|\\[.{0,20}\\]|\\{.{0,20}\\}|2024-01-01",
    ) {
        read(&format!("format = 1\n{key} = {value}\n[environments.production]\ndomain = \"a.b\"\n"));
    }

    #[test]
    fn mutated_examples_are_read(
        example in 0..EXAMPLES.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[\\PC\n]{0,4}|[\"\\[\\]{}=.#\n0-9a-z]{0,6}"), 1..6),
    ) {
        let mut text = EXAMPLES[example].to_owned();
        for (at, length, insert) in edits {
            let start = cut(&text, at.index(text.len() + 1));
            let end = cut(&text, start + length).max(start);
            text.replace_range(start..end, &insert);
        }
        read(&text);
    }
}
