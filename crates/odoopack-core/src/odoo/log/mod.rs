//! Odoo's log: lines into entries, and what a run of Odoo says about itself that its exit code does not.
mod harmless;
mod judge;
mod tests_report;

pub use harmless::{HARMLESS, Harmless};
pub use judge::{Complaint, Judge, Trouble, Verdict};
pub use tests_report::{TestFailure, TestReport};

/// How serious an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// `DEBUG`
    Debug,
    /// `INFO`, also what Odoo logs as `RUNBOT`.
    Info,
    /// `WARNING`
    Warning,
    /// `ERROR`
    Error,
    /// `CRITICAL`
    Critical,
}

impl Level {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "DEBUG" => Self::Debug,
            "INFO" | "RUNBOT" => Self::Info,
            "WARNING" => Self::Warning,
            "ERROR" => Self::Error,
            "CRITICAL" => Self::Critical,
            _ => return None,
        })
    }
}

/// One entry of the log.
///
/// # Source
/// `odoo/netsvc.py` of 17.0 to 19.0: `%(asctime)s %(pid)s %(levelname)s %(dbname)s %(name)s: %(message)s %(perf_info)s`,
/// the time always in UTC, `?` where there is no database. A traceback follows on lines of its own.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// `2026-01-31 12:00:00,123`, UTC.
    pub time: String,
    /// How serious.
    pub level: Level,
    /// The database; `None` for `?`.
    pub database: Option<String>,
    /// Name of the logger, `odoo.modules.loading`.
    pub logger: String,
    /// First line of the message and every line that follows it, the traceback included.
    pub message: String,
}

impl Entry {
    /// The entry that begins with this line; `None` when the line goes on with the one before.
    pub fn begin(line: &str) -> Option<Self> {
        let line = without_colours(line);
        let (time, rest) = line.split_at_checked(23)?;
        let shape = "0000-00-00 00:00:00,000";
        let fits = |(c, s): (char, char)| if s == '0' { c.is_ascii_digit() } else { c == s };
        if !time.chars().zip(shape.chars()).all(fits) {
            return None;
        }
        let mut words = rest.strip_prefix(' ')?.splitn(5, ' ');
        words.next()?.parse::<u32>().ok()?;
        let level = Level::of(words.next()?)?;
        let database = words.next()?;
        let logger = words.next()?.strip_suffix(':')?;
        Some(Self {
            time: time.to_owned(),
            level,
            database: (database != "?").then(|| database.to_owned()),
            logger: logger.to_owned(),
            message: words.next().unwrap_or_default().trim_end().to_owned(),
        })
    }

    /// The first line of the message.
    pub fn first_line(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// What a traceback ends with: the exception and its text, up to the next blank line.
    pub fn exception(&self) -> Option<String> {
        let traceback = self.message.rsplit_once("Traceback (most recent call last):")?.1;
        let frame = |line: &&str| line.is_empty() || line.starts_with(' ');
        let text: Vec<&str> = traceback.lines().skip_while(frame).collect();
        let text: Vec<&str> = text
            .into_iter()
            .take_while(|line| !line.trim().is_empty())
            .collect();
        (!text.is_empty()).then(|| text.join("\n"))
    }

    /// File and line of the deepest frame of the last traceback that `wanted` accepts.
    pub fn frame(&self, wanted: impl Fn(&str) -> bool) -> Option<(&str, u32)> {
        let traceback = self.message.rsplit_once("Traceback (most recent call last):")?.1;
        traceback.lines().rev().find_map(|line| {
            let (file, rest) = line
                .trim_start()
                .strip_prefix("File \"")?
                .split_once("\", line ")?;
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            wanted(file).then(|| number.parse().ok().map(|number| (file, number)))?
        })
    }
}

/// Lines put together into entries.
#[derive(Debug, Default)]
pub struct Reader {
    open: Option<Entry>,
}

impl Reader {
    /// Takes one line; gives the entry that it ended.
    pub fn feed(&mut self, line: &str) -> Option<Entry> {
        if let Some(entry) = Entry::begin(line) {
            return self.open.replace(entry);
        }
        if let Some(open) = &mut self.open {
            open.message.push('\n');
            open.message.push_str(line.trim_end());
        }
        None
    }

    /// The last entry.
    pub fn finish(self) -> Option<Entry> {
        self.open
    }
}

/// Module and how far it is, from a line such as `Loading module sale (12/80)`.
pub fn loading(line: &str) -> Option<&str> {
    let rest = line.split_once(" odoo.modules.loading: Loading module ")?.1;
    Some(rest.trim_end())
}

/// The text without the sequences that colour it: `ODOO_PY_COLORS` puts them in, and `docker build`, anywhere in what a program writes to stderr.
pub fn without_colours(line: &str) -> std::borrow::Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return line.into();
    }
    let mut text = String::with_capacity(line.len());
    let mut inside = false;
    for c in line.chars() {
        match (inside, c) {
            (false, '\u{1b}') => inside = true,
            (false, c) => text.push(c),
            (true, c) => inside = !c.is_ascii_alphabetic(),
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_wherever_they_are() {
        let said =
            "\u{1b}[0mReading\n\u{1b}[91mE: Unable to locate \u{1b}[0m\u{1b}[91mpackage gone\n\u{1b}[0m";
        assert_eq!(
            without_colours(said),
            "Reading\nE: Unable to locate package gone\n"
        );
    }

    #[test]
    fn an_entry_has_its_parts_and_no_trailing_blank() {
        let line = "2026-01-31 12:00:00,123 45 WARNING pack_dev odoo.modules.loading: invalid module names, ignored: nix ";
        let entry = Entry::begin(line).unwrap();
        assert_eq!(
            (entry.level, entry.database.as_deref()),
            (Level::Warning, Some("pack_dev"))
        );
        assert_eq!(entry.logger, "odoo.modules.loading");
        assert_eq!(entry.message, "invalid module names, ignored: nix");
        assert_eq!(
            Entry::begin("2026-01-31 12:00:00,123 45 INFO ? odoo: ")
                .unwrap()
                .database,
            None
        );
    }

    #[test]
    fn colours_are_taken_out() {
        let line = "2026-01-31 12:00:00,123 45 \u{1b}[1;31m\u{1b}[1;49mERROR\u{1b}[0m ? odoo.x: bad ";
        assert_eq!(Entry::begin(line).unwrap().level, Level::Error);
    }

    #[test]
    fn other_lines_begin_nothing() {
        for line in [
            "",
            "Traceback (most recent call last):",
            "2026-01-31 12:00:00,123",
            "2026-01-31 12:00:00,123 x INFO ? odoo: text",
            "2026-01-31 12:00:00,123 1 NOTICE ? odoo: text",
            "2026-01-31T12:00:00,123 1 INFO ? odoo: text",
            "\u{e9}026-01-31 12:00:00,12 1 INFO ? odoo: text",
        ] {
            assert_eq!(Entry::begin(line), None, "{line}");
        }
    }

    #[test]
    fn a_traceback_belongs_to_its_entry() {
        let mut reader = Reader::default();
        let text = "2026-01-31 12:00:00,123 1 ERROR d odoo.x: bad\nTraceback (most recent call last):\n  File \"/a/models/x.py\", line 7, in f\n    g()\n  \
                    File \"/core/y.py\", line 9, in g\nValueError: one\ntwo\n\nView error\n2026-01-31 12:00:00,124 1 INFO d odoo: next";
        let ended: Vec<Entry> = text.lines().filter_map(|line| reader.feed(line)).collect();
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].exception().as_deref(), Some("ValueError: one\ntwo"));
        assert_eq!(
            ended[0].frame(|file| file.contains("/models/")),
            Some(("/a/models/x.py", 7))
        );
        assert_eq!(reader.finish().unwrap().message, "next");
    }

    #[test]
    fn progress_is_read_from_the_line() {
        let line = "2026-01-31 12:00:00,123 1 INFO d odoo.modules.loading: Loading module web (3/12) ";
        assert_eq!(loading(line), Some("web (3/12)"));
    }
}
