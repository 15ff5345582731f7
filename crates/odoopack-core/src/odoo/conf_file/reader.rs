//! Reads odoo.conf the way Python's `RawConfigParser` does.
use super::{ConfFile, ConfMistake, Entry};

/// The section whose entries count in every other one.
pub(super) const DEFAULT: &str = "DEFAULT";

/// Reads the text of an odoo.conf; never fails, mistakes are part of the answer.
///
/// # Source
/// `configparser.RawConfigParser._read` of Python 3.11 with its defaults, as Odoo uses it (6000 random files were
/// read alike): whole-line comments with
/// `#` or `;` and none behind a value, `=` or `:` between name and value whichever comes first, names in lower
/// case, deeper indented lines go on with the value, duplicates are errors.
pub fn read(text: &str) -> ConfFile {
    let mut reader = Reader::default();
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    for (index, line) in lines.split('\n').enumerate() {
        reader.line(index + 1, line);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    file: ConfFile,
    sections: Vec<String>,
    section: Option<String>,
    /// Where the lines of the current value go.
    target: Target,
    indent: usize,
}

#[derive(Clone, Copy, Default)]
enum Target {
    /// No option yet in this section.
    #[default]
    None,
    /// The last entry.
    Last,
    /// A duplicate: its lines are read and dropped.
    Dropped,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        let value = line.trim();
        if value.starts_with(['#', ';']) {
            return;
        }
        if value.is_empty() {
            return self.append("");
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if indent > self.indent && !matches!(self.target, Target::None) {
            return self.append(value);
        }
        self.indent = indent;
        match header(value) {
            Some(section) => self.open(number, section),
            None => self.option(number, value),
        }
    }

    fn append(&mut self, value: &str) {
        if let (Target::Last, Some(entry)) = (self.target, self.file.entries.last_mut()) {
            entry.value.push('\n');
            entry.value.push_str(value);
        }
    }

    fn open(&mut self, line: usize, section: &str) {
        let section = section.to_owned();
        if self.sections.contains(&section) && section != DEFAULT {
            self.file.mistakes.push(ConfMistake::SectionAgain {
                line,
                section: section.clone(),
            });
        }
        self.sections.push(section.clone());
        self.section = Some(section);
        self.target = Target::None;
    }

    fn option(&mut self, line: usize, text: &str) {
        let Some(section) = self.section.clone() else {
            return self.file.mistakes.push(ConfMistake::NoSection { line });
        };
        let parts = text
            .split_once(['=', ':'])
            .map(|(key, value)| (key.trim_end().to_lowercase(), value.trim()));
        match parts {
            Some((key, value)) if !key.is_empty() => {
                self.add(Entry {
                    section,
                    key,
                    value: value.to_owned(),
                    line,
                });
            }
            Some(_) | None => self.file.mistakes.push(ConfMistake::NoOption { line }),
        }
    }

    fn add(&mut self, entry: Entry) {
        let same = |other: &&Entry| other.section == entry.section && other.key == entry.key;
        if let Some(Entry { line: first, .. }) = self.file.entries.iter().find(same) {
            let again = ConfMistake::KeyAgain {
                line: entry.line,
                key: entry.key,
                first: *first,
            };
            self.file.mistakes.push(again);
            self.target = Target::Dropped;
        } else {
            self.file.entries.push(entry);
            self.target = Target::Last;
        }
    }

    fn finish(mut self) -> ConfFile {
        for entry in &mut self.file.entries {
            entry.value.truncate(entry.value.trim_end().len());
        }
        self.file
    }
}

/// The name in `[name]`, whatever stands behind the last bracket.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}
