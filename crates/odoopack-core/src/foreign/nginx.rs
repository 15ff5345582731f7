//! Reads nginx's configuration language into directives with their lines.
use std::iter::Peekable;
use std::str::Chars;

/// One directive with its arguments, and what stands in its braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directive {
    /// From 1.
    pub line: usize,
    /// Its first word.
    pub name: String,
    /// The other words, quotes removed.
    pub args: Vec<String>,
    /// Directives in its block; `None` without one.
    pub block: Option<Vec<Self>>,
}

impl Directive {
    /// The argument at this place, empty when there is none.
    pub fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    /// The directives of its block.
    pub fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The directives of its block with this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.inner().iter().filter(move |inner| inner.name == name)
    }
}

/// Why nginx would not read the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// Reads a whole file or a part that others include.
///
/// # Errors
/// At the first place where braces, quotes or semicolons do not match.
///
/// # Source
/// nginx 1.22 `ngx_conf_read_token`: words end at blanks, `;` and `{`, a quote counts only at the start of a word,
/// `#` starts a comment only there too, a backslash keeps the next character from meaning anything.
pub fn read(text: &str) -> Result<Vec<Directive>, Mistake> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
        line: 1,
    };
    let found = reader.directives(0)?;
    Ok(found)
}

/// Deeper than anybody nests; keeps a strange file from using up the stack.
const DEEPEST: usize = 32;

enum Token {
    Word(String, usize),
    Semicolon,
    Open,
    Close,
    End,
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn directives(&mut self, depth: usize) -> Result<Vec<Directive>, Mistake> {
        let mut found = Vec::new();
        let mut words: Vec<(String, usize)> = Vec::new();
        loop {
            match self.token()? {
                Token::Word(word, line) => words.push((word, line)),
                Token::Semicolon if !words.is_empty() => found.push(directive(&mut words, None)),
                Token::Open if !words.is_empty() && depth < DEEPEST => {
                    let block = self.directives(depth + 1)?;
                    found.push(directive(&mut words, Some(block)));
                }
                Token::Close if words.is_empty() && depth > 0 => return Ok(found),
                Token::End if words.is_empty() && depth == 0 => return Ok(found),
                Token::End if depth > 0 => {
                    return Err(self.wrong("a `}` is missing before the end of the file"));
                }
                Token::End | Token::Close => return Err(self.wrong("a `;` is missing, or a `}` is too much")),
                Token::Semicolon => return Err(self.wrong("a `;` without a directive")),
                Token::Open => return Err(self.wrong("a `{` that nothing explains")),
            }
        }
    }

    fn token(&mut self) -> Result<Token, Mistake> {
        while let Some(&c) = self.rest.peek() {
            match c {
                '#' => while self.rest.next_if(|c| *c != '\n').is_some() {},
                c if c.is_whitespace() => _ = self.next(),
                ';' | '{' | '}' => {
                    self.next();
                    return Ok(match c {
                        ';' => Token::Semicolon,
                        '{' => Token::Open,
                        _ => Token::Close,
                    });
                }
                '"' | '\'' => return self.quoted(c),
                _ => return Ok(self.word()),
            }
        }
        Ok(Token::End)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Mistake> {
        let line = self.line;
        self.next();
        let mut word = String::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => word.extend(self.escaped()),
                c if c == quote => return Ok(Token::Word(word, line)),
                c => word.push(c),
            }
        }
        Err(Mistake {
            line,
            what: format!("the quote {quote} is never closed"),
        })
    }

    /// What a backslash and the next character stand for; only quotes and backslashes lose theirs.
    fn escaped(&mut self) -> Vec<char> {
        match self.next() {
            Some(c @ ('"' | '\'' | '\\')) => vec![c],
            Some(c) => vec!['\\', c],
            None => vec!['\\'],
        }
    }

    fn word(&mut self) -> Token {
        let line = self.line;
        let mut word = String::new();
        while let Some(&c) = self.rest.peek() {
            let variable = c == '{' && word.ends_with('$');
            if c.is_whitespace() || c == ';' || (c == '{' && !variable) {
                break;
            }
            self.next();
            match c {
                '\\' => word.extend(self.escaped()),
                c => word.push(c),
            }
        }
        Token::Word(word, line)
    }

    fn wrong(&self, what: &str) -> Mistake {
        Mistake {
            line: self.line,
            what: what.to_owned(),
        }
    }
}

fn directive(words: &mut Vec<(String, usize)>, block: Option<Vec<Directive>>) -> Directive {
    let line = words.first().map_or(0, |(_, line)| *line);
    let mut words = std::mem::take(words).into_iter().map(|(word, _)| word);
    Directive {
        line,
        name: words.next().unwrap_or_default(),
        args: words.collect(),
        block,
    }
}

/// Bytes of a size such as `100M`; `None` when it is no size.
pub fn size(text: &str) -> Option<u64> {
    let (number, shift) = match text.to_ascii_lowercase() {
        text if text.ends_with('k') => (text[..text.len() - 1].to_owned(), 10),
        text if text.ends_with('m') => (text[..text.len() - 1].to_owned(), 20),
        text if text.ends_with('g') => (text[..text.len() - 1].to_owned(), 30),
        text => (text, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Seconds of a time such as `12m`, `1h30m` or `1h 30m`; `None` when it is no time.
///
/// # Source
/// nginx documentation, "Configuration file measurement units".
pub fn seconds(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text.trim(), 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        sum = sum.checked_add(milliseconds(number.parse().ok()?, unit)?)?;
        rest = after.trim_start();
    }
    Some(sum / 1000)
}

fn milliseconds(number: u64, unit: &str) -> Option<u64> {
    let one = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        "M" => 30 * 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return None,
    };
    number.checked_mul(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(directives: &[Directive]) -> String {
        let one = |d: &Directive| {
            let block = d
                .block
                .as_ref()
                .map_or_else(String::new, |inner| format!("{{{}}}", shown(inner)));
            format!("{}:{}{:?}{block}", d.line, d.name, d.args)
        };
        directives.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn reads_words_quotes_variables_comments_and_blocks() {
        let text = "a b; # no c;\nserver{listen 443 ssl;\n location ~ \"^/x{2}\\.css$\" { root ${x}y; }\n}\nlog 'it\\'s' a#b;";
        assert_eq!(
            shown(&read(text).unwrap()),
            r#"1:a["b"] 2:server[]{2:listen["443", "ssl"] 3:location["~", "^/x{2}\\.css$"]{3:root["${x}y"]}} 5:log["it's", "a#b"]"#
        );
    }

    #[test]
    fn says_where_it_does_not_match() {
        for (text, line) in [
            ("a b\nc;}", 2),
            ("server {\n a;\n", 3),
            ("a;\n'b", 2),
            (";", 1),
            ("{}", 1),
            ("a", 1),
        ] {
            assert_eq!(read(text).unwrap_err().line, line, "{text}");
        }
        assert!(read(&"a {".repeat(10_000)).is_err());
    }

    #[test]
    fn reads_sizes_and_times() {
        assert_eq!(
            ["100M", "1g", "0", "10k", "x"].map(super::size),
            [Some(100 << 20), Some(1 << 30), Some(0), Some(10 << 10), None]
        );
        assert_eq!(
            ["720s", "720", "12m", "900ms", "1h30m", "1h 30m", "1w"].map(super::seconds),
            [720, 720, 720, 0, 5400, 5400, 604_800].map(Some)
        );
        assert_eq!(
            ["x", "", "1x", "h", "99999999999y"].map(super::seconds),
            [None; 5]
        );
    }
}
