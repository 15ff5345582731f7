//! A filter between a plain dump and psql: rows pass untouched, statements are judged, commands to psql are refused.
use std::collections::BTreeSet;

use super::lexer::{Byte, Lexer, State};
use super::statement::{Verdict, judge, words};

/// A statement that is longer is judged by its beginning, and must be one of those that pass.
const LONGEST: usize = 1 << 20;
/// Words that are enough for that: no verdict looks further.
const ENOUGH: usize = 4;
/// Statements that are told about, at most.
const TOLD: usize = 20;
/// What some editors put before a text in UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();
/// Lines with which a dump begins and ends.
///
/// # Source
/// PostgreSQL 8.0 to 18, `pg_backup_archiver.c` `RestoreArchive`: by `pg_dump` and `pg_restore -f` alike.
const FIRST: &[u8] = b"-- PostgreSQL database dump";
const LAST: &[u8] = b"-- PostgreSQL database dump complete";

/// Why a dump is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A command to psql, which could run programs or write files.
    #[error("line {line} has a command to psql itself (`{text}`), which no dump needs")]
    Command {
        /// Line, from 1.
        line: u64,
        /// Its beginning.
        text: String,
    },
    /// A statement that no single database's dump has.
    #[error("line {line}: {why}")]
    Statement {
        /// Line on which it ends, from 1.
        line: u64,
        /// Why.
        why: &'static str,
    },
    /// An extension that whoever loads it may not make.
    #[error("line {line}: it makes the extension `{name}`")]
    Extension {
        /// Line on which the statement ends, from 1.
        line: u64,
        /// Its name.
        name: String,
    },
    /// The dump ends in the middle.
    #[error("it ends in the middle of {0}: the file was cut off")]
    CutOff(&'static str),
    /// A binary archive.
    #[error("it is no plain SQL")]
    Binary,
}

/// What was left out of a dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Extensions that the dump wants.
    pub extensions: Vec<String>,
    /// Statements that only a superuser could run, left out.
    pub skipped: Vec<String>,
    /// Tables whose rows came.
    pub tables: u64,
    /// Rows that came.
    pub rows: u64,
}

/// The filter; feed it bytes in any portions.
#[derive(Debug)]
pub struct Filter {
    server: u16,
    /// Extensions that may be made.
    usable: BTreeSet<String>,
    lexer: Lexer,
    statement: Vec<u8>,
    flushed: bool,
    mode: Mode,
    line: u64,
    /// Whether a dump has begun with its line and not ended with its own.
    open: bool,
    summary: Summary,
}

#[derive(Debug)]
enum Mode {
    /// At the very beginning: so many bytes of the mark were seen.
    Beginning(usize),
    Statements,
    /// A line that begins with a backslash.
    Command(Vec<u8>),
    /// After `COPY ... FROM stdin;`, up to the line end.
    BeforeRows,
    /// Rows; the beginning of the present line.
    Rows {
        start: [u8; 3],
        length: usize,
    },
}

impl Filter {
    /// A filter for a server of this major, on which whoever loads the dump may make the extensions `usable`.
    pub fn new(server: u16, usable: BTreeSet<String>) -> Self {
        Self {
            server,
            usable,
            lexer: Lexer::default(),
            statement: Vec::new(),
            flushed: false,
            mode: Mode::Beginning(0),
            line: 1,
            open: false,
            summary: Summary::default(),
        }
    }

    /// Takes a portion and appends to `out` what may pass.
    ///
    /// # Errors
    /// When the dump must not be loaded; nothing of the offending statement was passed on.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        while !bytes.is_empty() {
            if matches!(self.mode, Mode::Rows { .. }) {
                bytes = self.rows(bytes, out);
                continue;
            }
            let byte = bytes[0];
            bytes = &bytes[1..];
            if byte == b'\n' {
                self.line += 1;
            }
            self.byte(byte, out)?;
        }
        Ok(())
    }

    /// Ends the dump.
    ///
    /// # Errors
    /// When it ends within rows, a quote or a statement, or without the line that ends what began with its own.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Summary, Refused> {
        if let Mode::Command(_) = self.mode {
            self.command()?;
        }
        match (&self.mode, &self.lexer.state) {
            (Mode::Rows { .. } | Mode::BeforeRows, _) => return Err(Refused::CutOff("rows")),
            (_, State::Plain | State::LineComment) => {}
            _ => return Err(Refused::CutOff("a quoted text")),
        }
        let rest = String::from_utf8_lossy(&self.statement);
        let blank = rest.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with("--")
        });
        if self.flushed || !blank {
            return Err(Refused::CutOff("a statement"));
        }
        if self.lexer.state == State::LineComment {
            self.comment();
        }
        if self.open {
            return Err(Refused::CutOff(
                "the dump, before its line `-- PostgreSQL database dump complete`",
            ));
        }
        out.append(&mut self.statement);
        Ok(self.summary)
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Refused> {
        match &mut self.mode {
            Mode::Beginning(seen) => {
                let seen = *seen;
                return self.beginning(seen, byte, out);
            }
            Mode::Command(line) => {
                if byte != b'\n' {
                    line.push(byte);
                    return Ok(());
                }
                return self.command();
            }
            Mode::BeforeRows => {
                out.push(byte);
                if byte == b'\n' {
                    self.mode = Mode::Rows {
                        start: [0; 3],
                        length: 0,
                    };
                } else if !byte.is_ascii_whitespace() {
                    return Err(self.statement("something follows `COPY` on its line"));
                }
                return Ok(());
            }
            Mode::Statements | Mode::Rows { .. } => {}
        }
        if byte == 0 {
            return Err(Refused::Binary);
        }
        if byte == b'\n' && self.lexer.state == State::LineComment {
            self.comment();
        }
        match self.lexer.take(byte) {
            Byte::Part => {
                self.statement.push(byte);
                if self.statement.len() > LONGEST {
                    if !self.flushed && !self.passes_by_its_beginning() {
                        return Err(self.statement("a statement of more than 1 MiB cannot be judged"));
                    }
                    out.append(&mut self.statement);
                    self.flushed = true;
                }
                Ok(())
            }
            Byte::End => self.end(out),
            Byte::Backslash => {
                if !self.flushed && is_blank(&self.statement) {
                    self.mode = Mode::Command(vec![byte]);
                    return Ok(());
                }
                Err(Refused::Command {
                    line: self.line,
                    text: tail(&self.statement),
                })
            }
        }
    }

    /// A line that ends with a comment has ended.
    fn comment(&mut self) {
        let begins = self.statement.iter().rposition(|byte| *byte == b'\n');
        let line = &self.statement[begins.map_or(0, |at| at + 1)..];
        match line.trim_ascii_end() {
            FIRST => self.open = true,
            LAST => self.open = false,
            _ => {}
        }
    }

    /// psql passes the mark over too, but only where nothing is before it.
    fn beginning(&mut self, seen: usize, byte: u8, out: &mut Vec<u8>) -> Result<(), Refused> {
        if MARK[seen] == byte && seen + 1 < MARK.len() {
            self.mode = Mode::Beginning(seen + 1);
            return Ok(());
        }
        self.mode = Mode::Statements;
        if MARK[seen] == byte {
            return Ok(());
        }
        MARK[..seen].iter().try_for_each(|byte| self.byte(*byte, out))?;
        self.byte(byte, out)
    }

    /// `\restrict` and `\unrestrict` are what patched clients write since August 2025; we set our own.
    fn command(&mut self) -> Result<(), Refused> {
        let Mode::Command(line) = std::mem::replace(&mut self.mode, Mode::Statements) else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&line).into_owned();
        let mut words = text.split_whitespace();
        let harmless = matches!(words.next(), Some(r"\restrict" | r"\unrestrict"))
            && words.all(|word| word.chars().all(|c| c.is_ascii_alphanumeric()));
        self.lexer = Lexer::default();
        if harmless {
            return Ok(());
        }
        Err(Refused::Command {
            line: self.line.saturating_sub(1).max(1),
            text: text.chars().take(60).collect(),
        })
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let statement = std::mem::take(&mut self.statement);
        if std::mem::take(&mut self.flushed) {
            out.extend(statement);
            out.push(b';');
            return Ok(());
        }
        match judge(&String::from_utf8_lossy(&statement), self.server) {
            Verdict::Pass => {}
            Verdict::Rows => {
                self.summary.tables += 1;
                self.mode = Mode::BeforeRows;
            }
            Verdict::Skip => return Ok(()),
            Verdict::Tell(text) => {
                self.tell(text);
                return Ok(());
            }
            Verdict::Extension(name) => {
                if !self.passes(name)? {
                    return Ok(());
                }
            }
            Verdict::Refuse(why) => return Err(self.statement(why)),
        }
        out.extend(statement);
        out.push(b';');
        Ok(())
    }

    fn tell(&mut self, text: String) {
        if self.summary.skipped.len() < TOLD {
            self.summary.skipped.push(text);
        }
    }

    /// Whether the statement that makes this extension goes on.
    fn passes(&mut self, name: String) -> Result<bool, Refused> {
        let made = super::MADE_BEFORE.contains(&name.as_str());
        let needless = super::NEEDLESS.contains(&name.as_str());
        if !made && !needless && !self.usable.contains(&name) {
            return Err(Refused::Extension {
                line: self.line,
                name,
            });
        }
        if needless {
            self.tell(format!("extension {name}"));
        }
        self.summary.extensions.push(name);
        Ok(!made && !needless)
    }

    /// Passes rows on until the line `\.`; returns what follows it.
    fn rows<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let Mode::Rows { start, length } = &mut self.mode else {
            return bytes;
        };
        let mut from = 0;
        while from < bytes.len() {
            let rest = &bytes[from..];
            let (line, ended) = match rest.iter().position(|byte| *byte == b'\n') {
                Some(at) => (&rest[..at], true),
                None => (rest, false),
            };
            for (slot, byte) in start.iter_mut().skip(*length).zip(line) {
                *slot = *byte;
            }
            *length += line.len();
            from += line.len();
            if !ended {
                break;
            }
            from += 1;
            self.line += 1;
            let last = (*length == 2 && start.starts_with(br"\.")) || (*length == 3 && start == b"\\.\r");
            *length = 0;
            if last {
                self.mode = Mode::Statements;
                self.lexer = Lexer::default();
                out.extend_from_slice(&bytes[..from]);
                return &bytes[from..];
            }
            self.summary.rows += 1;
        }
        out.extend_from_slice(bytes);
        &[]
    }

    fn passes_by_its_beginning(&self) -> bool {
        let text = String::from_utf8_lossy(&self.statement);
        words(&text).len() >= ENOUGH && judge(&text, self.server) == Verdict::Pass
    }

    fn statement(&self, why: &'static str) -> Refused {
        Refused::Statement { line: self.line, why }
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with("--")
    })
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().last().unwrap_or_default().trim();
    format!(
        "{} \\",
        line.chars()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<String>()
    )
}
