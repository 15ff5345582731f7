//! A text of nested blocks with their indentation.
use std::fmt::{Display, Write};

/// nginx's configuration text while it grows.
#[derive(Debug)]
pub(super) struct Text {
    out: String,
    depth: usize,
}

impl Text {
    pub(super) fn new(first: String) -> Self {
        Self { out: first, depth: 0 }
    }

    /// One directive, without its semicolon.
    pub(super) fn line(&mut self, directive: impl Display) {
        self.raw(format_args!("{directive};"));
    }

    /// A comment, which says why the next line is there.
    pub(super) fn note(&mut self, words: &str) {
        self.raw(format_args!("# {words}"));
    }

    /// `head { ... }`
    pub(super) fn block(&mut self, head: impl Display, inside: impl FnOnce(&mut Self)) {
        self.raw(format_args!("{head} {{"));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.raw("}");
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.out.push('\n');
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn raw(&mut self, line: impl Display) {
        let indent = self.depth * 4;
        writeln!(self.out, "{:indent$}{line}", "").expect("writing to a String cannot fail");
    }
}

/// A word as nginx reads it: quoted, with quotes and backslashes escaped.
///
/// A `$` cannot be escaped in nginx (there is no syntax for it), so no path given here may hold one.
pub(super) fn quoted(word: impl Display) -> String {
    let escaped = word.to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A text as part of a regular expression.
pub(super) fn literal(text: &str) -> String {
    let special = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    text.chars()
        .map(|c| {
            if special(c) {
                format!("\\{c}")
            } else {
                c.to_string()
            }
        })
        .collect()
}
