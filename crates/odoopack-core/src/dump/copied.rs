//! Rows of one table as `pg_restore --data-only` writes them.
use std::collections::BTreeMap;

/// Reads lines, and hands out rows.
#[derive(Clone, Debug, Default)]
pub struct Copied {
    columns: Option<Vec<String>>,
}

/// A row by the names of its columns; NULL is absent.
pub type Row = BTreeMap<String, String>;

impl Copied {
    /// Reads the next line; the row, when it is one.
    ///
    /// # Source
    /// PostgreSQL 15, COPY, "Text Format".
    pub fn feed(&mut self, line: &str) -> Option<Row> {
        let Some(columns) = &self.columns else {
            self.columns = columns(line);
            return None;
        };
        if line == "\\." {
            self.columns = None;
            return None;
        }
        let values = line
            .split('\t')
            .map(|value| (value != "\\N").then(|| unescaped(value)));
        let named = columns.iter().zip(values);
        Some(
            named
                .filter_map(|(column, value)| value.map(|value| (column.clone(), value)))
                .collect(),
        )
    }
}

/// `COPY public.ir_attachment (id, name, "group") FROM stdin;`
fn columns(line: &str) -> Option<Vec<String>> {
    let list = line
        .strip_prefix("COPY ")?
        .strip_suffix(") FROM stdin;")?
        .split_once('(')?
        .1;
    let names = list.split(", ").map(|name| name.trim_matches('"').to_owned());
    Some(names.collect())
}

fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut all = value.chars();
    while let Some(c) = all.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match all.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_by_column_and_nothing_else_does() {
        let text = "SET client_encoding = 'UTF8';\n\nCOPY public.ir_attachment (id, name, \"group\", store_fname) FROM stdin;\n\
            1\ta\\tb\\\\c\t\\N\tab/abcd\n2\t\tx\t\\N\n\\.\n3\tno row\tx\ty\n";
        let mut copied = Copied::default();
        let rows: Vec<Row> = text.lines().filter_map(|line| copied.feed(line)).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["name"], "a\tb\\c");
        assert_eq!(rows[0].get("group"), None);
        assert_eq!((rows[1]["name"].as_str(), rows[1].get("store_fname")), ("", None));
    }
}
