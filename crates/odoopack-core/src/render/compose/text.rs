//! YAML, line by line.
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// Collects lines with their indentation.
pub(super) struct Text {
    out: String,
    depth: usize,
}

/// A text between double quotes, as YAML reads it and Compose does not interpolate it.
pub(super) fn scalar(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

impl Text {
    pub(super) fn new(head: String) -> Self {
        Self { out: head, depth: 0 }
    }

    pub(super) fn line(&mut self, line: impl Display) {
        writeln!(self.out, "{}{line}", "  ".repeat(self.depth)).expect("writing to a String cannot fail");
    }

    pub(super) fn note(&mut self, note: impl Display) {
        self.line(format_args!("# {note}"));
    }

    /// Everything that `inside` writes, one step further in.
    pub(super) fn block(&mut self, inside: impl FnOnce(&mut Self)) {
        self.depth += 1;
        inside(self);
        self.depth -= 1;
    }

    /// A list of YAML values under `key`; nothing when there are none.
    pub(super) fn list(&mut self, key: &str, values: impl Iterator<Item = String>) {
        self.all(key, values.map(|value| format!("- {value}")));
    }

    /// Whole entries under `key`; nothing when there are none.
    pub(super) fn entries(&mut self, key: &str, entries: impl Iterator<Item = String>) {
        self.all(key, entries);
    }

    pub(super) fn map(&mut self, key: &str, map: &BTreeMap<String, String>) {
        self.all(
            key,
            map.iter()
                .map(|(name, value)| format!("{}: {}", scalar(name), scalar(value))),
        );
    }

    fn all(&mut self, key: &str, lines: impl Iterator<Item = String>) {
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            self.line(format_args!("{key}:"));
            self.block(|t| lines.for_each(|line| t.line(line)));
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}
