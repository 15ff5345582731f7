//! Where quotes, comments and statements begin and end, byte by byte, as psql's own scanner sees it.

/// What a byte belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Between tokens, or in a plain word.
    #[default]
    Plain,
    /// In `'...'`; `escapes` in `E'...'`.
    Single { escapes: bool, escaped: bool },
    /// After a quote that ends the text, unless another one follows.
    SingleEnd { escapes: bool, line_end: bool },
    /// In `"..."`.
    Double,
    /// In what may become `$tag$`.
    Tag(Vec<u8>),
    /// In `$tag$...$tag$`.
    Dollar { close: Vec<u8>, recent: Vec<u8> },
    /// After `--`.
    LineComment,
    /// In `/* */`, which nests.
    BlockComment { depth: u32, last: u8 },
}

/// What a byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Byte {
    /// Part of the statement.
    Part,
    /// The semicolon that ends it.
    End,
    /// A backslash outside quotes: a command to psql itself.
    Backslash,
}

/// The scanner.
#[derive(Debug, Default)]
pub(super) struct Lexer {
    pub(super) state: State,
    last: u8,
    before_last: u8,
}

impl Lexer {
    /// Takes one byte.
    pub(super) fn take(&mut self, byte: u8) -> Byte {
        let was = self.step(byte);
        self.before_last = self.last;
        self.last = byte;
        was
    }

    fn step(&mut self, byte: u8) -> Byte {
        match &mut self.state {
            State::Plain => return self.plain(byte),
            State::Single { escapes, escaped } => {
                let quotes = *escapes;
                if *escaped {
                    *escaped = false;
                } else if quotes && byte == b'\\' {
                    *escaped = true;
                } else if byte == b'\'' {
                    self.state = State::SingleEnd {
                        escapes: quotes,
                        line_end: false,
                    };
                }
            }
            State::SingleEnd { escapes, line_end } => {
                let (escapes, line_end) = (*escapes, *line_end);
                return self.after_text(escapes, line_end, byte);
            }
            State::Double => {
                if byte == b'"' {
                    self.state = State::Plain;
                }
            }
            State::Tag(tag) => {
                let goes_on = is_word(byte) && byte != b'$' && !(tag.is_empty() && byte.is_ascii_digit());
                if goes_on {
                    tag.push(byte);
                    return Byte::Part;
                }
                let close = [b"$".as_slice(), tag, b"$"].concat();
                return self.after_tag(close, byte);
            }
            State::Dollar { close, recent } => {
                recent.push(byte);
                if recent.len() > close.len() {
                    recent.remove(0);
                }
                if recent == close {
                    self.state = State::Plain;
                }
            }
            State::LineComment => {
                if byte == b'\n' {
                    self.state = State::Plain;
                }
            }
            State::BlockComment { depth, last } => {
                if ends_comment(depth, last, byte) {
                    self.state = State::Plain;
                    self.last = 0;
                }
            }
        }
        Byte::Part
    }

    /// `$tag$` begins a text; anything else was a parameter or part of a name.
    fn after_tag(&mut self, close: Vec<u8>, byte: u8) -> Byte {
        if byte != b'$' {
            self.state = State::Plain;
            return self.plain(byte);
        }
        self.state = State::Dollar {
            close,
            recent: Vec::new(),
        };
        Byte::Part
    }

    /// A doubled quote goes on; so does `E'...'` after a line end, still with escapes.
    fn after_text(&mut self, escapes: bool, line_end: bool, byte: u8) -> Byte {
        match byte {
            b'\'' if !line_end || escapes => {
                self.state = State::Single {
                    escapes,
                    escaped: false,
                };
                Byte::Part
            }
            b'\n' | b'\r' if escapes => {
                self.state = State::SingleEnd {
                    escapes,
                    line_end: true,
                };
                Byte::Part
            }
            b' ' | b'\t' if escapes && line_end => Byte::Part,
            _ => {
                self.state = State::Plain;
                self.plain(byte)
            }
        }
    }

    fn plain(&mut self, byte: u8) -> Byte {
        match byte {
            b';' => return Byte::End,
            b'\\' => return Byte::Backslash,
            b'\'' => {
                let escapes = matches!(self.last, b'e' | b'E') && !is_word(self.before_last);
                self.state = State::Single {
                    escapes,
                    escaped: false,
                };
            }
            b'"' => self.state = State::Double,
            b'$' if !is_word(self.last) => self.state = State::Tag(Vec::new()),
            b'-' if self.last == b'-' => self.state = State::LineComment,
            b'*' if self.last == b'/' => self.state = State::BlockComment { depth: 1, last: 0 },
            _ => {}
        }
        Byte::Part
    }
}

/// Counts comments within comments; whether the outermost ends.
fn ends_comment(depth: &mut u32, last: &mut u8, byte: u8) -> bool {
    match (*last, byte) {
        (b'/', b'*') => (*depth, *last) = (*depth + 1, 0),
        (b'*', b'/') => (*depth, *last) = (*depth - 1, 0),
        _ => *last = byte,
    }
    *depth == 0
}

/// Whether a byte can be part of a word (`scan.l`, `ident_cont`).
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}
