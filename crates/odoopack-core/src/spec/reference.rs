//! The reference of the file, from the table of keys.
use super::keys::{self, Key, SECTIONS, Section};
use super::load::FILE;
use super::starter::default;

/// Every key of the file as a page of Markdown.
pub fn reference() -> String {
    let first = keys::all()
        .filter(|k| !k.path.contains('.'))
        .map(|k| row(k, k.path));
    let intro = format!(
        "# `{FILE}`\n\nMade from the table of keys; `NAME` is a name that you choose. \
         `odoopack spec show` prints every value and where it came from.\n\n{HEAD}"
    );
    [intro]
        .into_iter()
        .chain(first)
        .chain(SECTIONS.iter().map(chapter))
        .collect()
}

fn chapter(section: &Section) -> String {
    let inside = keys::all().filter(|k| keys::split(k.path).0 == section.path);
    let rows: String = inside.map(|key| row(key, name(key, section))).collect();
    if rows.is_empty() {
        return rows;
    }
    let title = section.path.replace('*', "NAME");
    format!("\n## `[{title}]`\n\n{}\n\n{HEAD}{rows}", section.doc)
}

const HEAD: &str = "| key | value | meaning | why |\n|---|---|---|---|\n";

fn name(key: &Key, section: &Section) -> &'static str {
    match (keys::split(key.path).1, section.names) {
        ("*", Some(_)) => "NAME",
        (name, _) => name,
    }
}

fn row(key: &Key, name: &str) -> String {
    let cells = [
        format!("`{name}`"),
        format!("{}, such as `{}`", key.shape.expects(), key.example),
        format!("{} {}", key.doc, default(key)),
        key.why.to_owned(),
    ];
    format!("| {} |\n", cells.map(|c| c.replace('|', "\\|")).join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_key_in_a_table_of_four_columns() {
        let page = reference();
        let rows = page.lines().filter(|l| l.starts_with("| `")).count();
        assert_eq!(rows, keys::all().count());
        for line in page.lines().filter(|l| l.starts_with('|')) {
            assert_eq!(line.replace("\\|", "").matches('|').count(), 5, "{line}");
        }
    }
}
