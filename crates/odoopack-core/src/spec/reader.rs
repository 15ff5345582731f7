//! Walks the parsed file along the table of keys; collects values and every mistake.
use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key};
use super::mistake::{Mistake, Severity};
use super::shape::{Item, Shape, Wrong, wrong};
use super::suggest;
use super::written::{Position, position, quoted};

/// One value that fits its key.
#[derive(Debug)]
pub(super) struct Found {
    /// The value.
    pub(super) item: Item,
    /// Last part of the path, as written.
    pub(super) name: String,
    /// Where the value stands.
    pub(super) at: Position,
}

/// What the file says, without defaults.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Values by path.
    pub(super) values: BTreeMap<String, Found>,
    /// Tables by path, at their headers.
    pub(super) tables: BTreeMap<String, Position>,
    /// Paths whose value does not fit, so that nothing is concluded from their defaults.
    pub(super) bad: BTreeSet<String>,
}

/// A path both as written and as a pattern of the table.
struct Place {
    path: String,
    pattern: String,
}

/// The reader of one file.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    /// What was read so far.
    pub(super) document: Document,
    /// What was wrong so far.
    pub(super) mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    /// A reader of `text`, called `file` in messages.
    pub(super) fn new(text: &'a str, file: &'a str) -> Self {
        Self {
            text,
            file,
            document: Document::default(),
            mistakes: Vec::new(),
        }
    }

    /// Reads everything; a syntax error of TOML is the only mistake then.
    pub(super) fn read(&mut self) -> bool {
        match DeTable::parse(self.text) {
            Ok(root) => {
                self.table(
                    root.get_ref(),
                    &Place {
                        path: String::new(),
                        pattern: String::new(),
                    },
                );
                true
            }
            Err(error) => {
                let at = position(self.text, error.span().map_or(0, |s| s.start));
                let hint = "correct the TOML there: texts stand in quotes, every key and table once";
                self.note("", at, wrong(format!("not TOML: {}", error.message()), hint));
                false
            }
        }
    }

    fn table(&mut self, table: &DeTable<'_>, place: &Place) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let known = keys::children(&place.pattern);
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            let path = keys::join(&place.path, &quoted(name));
            let at = position(self.text, key.span().start);
            match child(&known, name, place) {
                Ok(child) => {
                    let pattern = keys::join(&place.pattern, child);
                    self.entry(name, value, &Place { path, pattern }, at);
                }
                Err(wrong) => self.note(&path, at, wrong),
            }
        }
    }

    fn entry(&mut self, name: &str, value: &Spanned<DeValue<'_>>, place: &Place, at: Position) {
        let nested = !keys::children(&place.pattern).is_empty();
        match (value.get_ref().as_table(), keys::find(&place.pattern)) {
            (Some(table), _) if nested => {
                self.document.tables.insert(place.path.clone(), at);
                self.table(table, place);
            }
            (_, Some(key)) => self.value(key, name, value, place),
            _ => {
                let what = format!(
                    "expected a table, found {}",
                    super::shape::type_of(value.get_ref())
                );
                self.document.bad.insert(place.path.clone());
                self.note(
                    &place.path,
                    at,
                    wrong(what, format!("write `[{}]` on a line of its own", place.path)),
                );
            }
        }
    }

    fn value(&mut self, key: &'static Key, name: &str, value: &Spanned<DeValue<'_>>, place: &Place) {
        match item(key, value) {
            Ok(item) => {
                let at = position(self.text, value.span().start);
                self.document.values.insert(
                    place.path.clone(),
                    Found {
                        item,
                        name: name.to_owned(),
                        at,
                    },
                );
            }
            Err(list) => {
                self.document.bad.insert(place.path.clone());
                for (start, wrong) in list {
                    let hint = wrong.hint.unwrap_or_else(|| example(key, name, value.get_ref()));
                    let at = position(self.text, start);
                    self.note(
                        &place.path,
                        at,
                        Wrong {
                            what: wrong.what,
                            hint: Some(hint),
                        },
                    );
                }
            }
        }
    }

    fn note(&mut self, path: &str, (line, column): Position, wrong: Wrong) {
        self.mistakes.push(Mistake {
            severity: Severity::Error,
            file: self.file.to_owned(),
            line: Some(line),
            column: Some(column),
            path: path.to_owned(),
            what: wrong.what,
            hint: wrong
                .hint
                .unwrap_or_else(|| "see the reference of the file".to_owned()),
        });
    }
}

/// Which of the known names `name` is.
fn child(known: &[&'static str], name: &str, place: &Place) -> Result<&'static str, Wrong> {
    if known == ["*"] {
        let shape = keys::table(&place.pattern)
            .and_then(|s| s.names)
            .map_or(Shape::Name, |(shape, _)| shape);
        return shape
            .single(&DeValue::String(name.into()))
            .map(|_| "*")
            .map_err(|w| renamed(w, shape));
    }
    known
        .iter()
        .find(|k| **k == name && name != "*")
        .copied()
        .ok_or_else(|| unknown(name, known))
}

/// The value, or what is wrong with it, for a list with each element.
fn item(key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Item, Vec<(usize, Wrong)>> {
    let (Shape::List(element), Some(list)) = (key.shape, value.get_ref().as_array()) else {
        return key
            .shape
            .read(value.get_ref())
            .map_err(|w| vec![(value.span().start, w)]);
    };
    let mut good: Vec<String> = Vec::new();
    let mut bad = Vec::new();
    for one in list {
        match element.single(one.get_ref()) {
            Ok(text) if good.contains(&text) => {
                let again = wrong(format!("`{text}` is listed twice"), "remove one of the two");
                bad.push((one.span().start, again));
            }
            Ok(text) => good.push(text),
            Err(wrong) => bad.push((one.span().start, wrong)),
        }
    }
    if bad.is_empty() {
        Ok(Item::Many(good))
    } else {
        Err(bad)
    }
}

fn unknown(name: &str, known: &[&str]) -> Wrong {
    let hint = match suggest::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "remove it: this version does not know it; known here: {}",
            known.join(", ")
        ),
    };
    wrong("unknown key", hint)
}

fn renamed(wrong: Wrong, shape: Shape) -> Wrong {
    let hint = if shape == Shape::Variable {
        "use capitals, digits and underscores".to_owned()
    } else {
        format!("rename it to {}", shape.expects())
    };
    Wrong {
        what: wrong.what,
        hint: Some(wrong.hint.unwrap_or(hint)),
    }
}

/// The key's own example; for a dotted name, how to write it.
fn example(key: &Key, name: &str, value: &DeValue<'_>) -> String {
    if value.is_table() && key.path.ends_with('*') {
        return format!("write a name with dots in quotes: `\"{name}.NAME\" = ...`");
    }
    format!("write for example `{} = {}`", quoted(name), key.example)
}
