//! Walks over the text of a literal: blanks, comments, lines, brackets.
use super::{Fault, Unreadable, Value};

/// Deeper nesting than any manifest has; Python itself stops at 200 brackets.
const DEEPEST: usize = 90;

pub(super) type Read<T> = Result<T, Unreadable>;

/// Where reading stands.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Open brackets; inside of one the end of a line is a blank.
    depth: usize,
}

/// Reads a text as Python's `ast.literal_eval` does; `text` has `\n` as its only line end.
pub(super) fn read(text: &str) -> Read<Value> {
    let mut reader = Reader {
        text,
        at: text.len() - text.trim_start_matches([' ', '\t']).len(),
        depth: 0,
    };
    if let Some(at) = text.find('\0') {
        return Err(reader.refuse_at(at, "a null byte"));
    }
    reader.skip_lines()?;
    let value = reader.top()?;
    reader.skip_blanks()?;
    if reader.peek().is_some() && !reader.take("\n") {
        return Err(reader.refuse("the value ends before this: only one value is expected"));
    }
    reader.skip_lines()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.refuse("the value ends before this: only one value is expected")),
    }
}

impl<'a> Reader<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Takes `word` when it stands here.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let there = self.rest().starts_with(word);
        if there {
            self.at += word.len();
        }
        there
    }

    /// Goes one bracket deeper.
    pub(super) fn enter(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unsupported("brackets nested this deep"));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn refuse(&self, what: impl Into<String>) -> Unreadable {
        self.refuse_at(self.at, what)
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> Unreadable {
        let mut error = self.refuse_at(self.at, what);
        error.what.push_str(" cannot be read here");
        error.fault = Fault::Unsupported;
        error
    }

    pub(super) fn refuse_at(&self, at: usize, what: impl Into<String>) -> Unreadable {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Unreadable {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.into(),
            fault: Fault::Text,
        }
    }

    /// A value, or several with commas between them, which make a tuple.
    fn top(&mut self) -> Read<Value> {
        let first = self.expression()?;
        self.skip_blanks()?;
        if !self.rest().starts_with(',') {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take(",") {
            self.skip_blanks()?;
            if matches!(self.peek(), None | Some('\n')) {
                break;
            }
            items.push(self.expression()?);
            self.skip_blanks()?;
        }
        Ok(Value::Tuple(items))
    }

    /// Skips what may stand between two words.
    pub(super) fn skip_blanks(&mut self) -> Read<()> {
        loop {
            // Bytes: most of a manifest is blanks.
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\t' | b'\x0c') => self.at += 1,
                Some(b'\n') if self.depth > 0 => self.at += 1,
                Some(b'#') => self.skip_comment(),
                Some(b'\\') => {
                    if !self.rest().starts_with("\\\n") {
                        return Err(self.refuse("a backslash that does not end its line"));
                    }
                    self.at += 2;
                    if self.rest().is_empty() {
                        return Err(self.refuse("the text ends after a backslash"));
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    /// Skips whole lines that hold nothing but blanks and comments; a value must begin its line.
    fn skip_lines(&mut self) -> Read<()> {
        loop {
            let rest = self.rest();
            let inner = rest.trim_start_matches([' ', '\t', '\x0c']);
            let blanks = &rest[..rest.len() - inner.len()];
            // A form feed begins the line anew.
            let indented = blanks
                .rsplit('\x0c')
                .next()
                .is_some_and(|after| !after.is_empty());
            self.at += blanks.len();
            match inner.chars().next() {
                Some('\n') => self.at += 1,
                Some('#') => {
                    self.skip_comment();
                    self.take("\n");
                }
                Some('\\') => return Err(self.unsupported("a backslash on a line of its own")),
                _ if indented => {
                    return Err(self.refuse("an indented line, where nothing may be indented"));
                }
                _ => return Ok(()),
            }
        }
    }
}
