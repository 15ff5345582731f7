//! How TOML writes keys and texts, and where something stands in the text of a file.
/// Line and column, from 1.
pub(super) type Position = (usize, usize);

/// A key as TOML writes it.
pub(super) fn quoted(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        literal(name)
    }
}

/// A text as TOML writes it.
pub(super) fn literal(text: &str) -> String {
    let inner: String = text.chars().map(escaped).collect();
    format!("\"{inner}\"")
}

fn escaped(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\U{:08X}", u32::from(c)),
        c => c.to_string(),
    }
}

/// Line and column of a byte offset; columns count characters.
pub(super) fn position(text: &str, offset: usize) -> Position {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    (line, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("ab\ncd", 3), (2, 1));
        assert_eq!(position("é = 1", 3), (1, 3));
        assert_eq!(position("é", 1), (1, 1));
        assert_eq!(position("a\n", 99), (2, 1));
    }

    #[test]
    fn names_and_texts_are_quoted_only_where_they_must() {
        assert_eq!(quoted("work_mem"), "work_mem");
        assert_eq!(quoted("a.b"), "\"a.b\"");
        assert_eq!(literal("a\"\\\u{1}"), "\"a\\\"\\\\\\U00000001\"");
    }
}
