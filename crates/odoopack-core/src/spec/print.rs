//! A spec as a whole file.
use super::Spec;
use super::flat::{Line, filled, flat};
use super::keys::{self, FORMAT};
use super::written::quoted;

/// The file that says everything that `spec` says, with nothing left to defaults.
///
/// # Shape
/// Loading it gives an equal spec. Values of secrets are not in it, references are.
pub fn print(spec: &Spec) -> String {
    let mut section = String::new();
    let mut parts = vec![format!("format = {FORMAT}\n")];
    for line in flat(spec) {
        let Some(value) = &line.value else { continue };
        let (header, key) = place(&line);
        if header != section {
            parts.push(format!("\n[{header}]\n"));
            section = header;
        }
        parts.push(format!("{key} = {value}\n"));
    }
    parts.concat()
}

/// The table that a line is written in, and its key there.
fn place(line: &Line) -> (String, String) {
    let (table, key) = keys::split(line.pattern);
    let key = if key == "*" {
        line.names.last().map_or_else(String::new, |n| quoted(n))
    } else {
        key.to_owned()
    };
    (filled(table, &line.names), key)
}
