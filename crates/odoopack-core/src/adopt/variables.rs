//! `${NAME}` in the values of a compose file, as Docker Compose fills it in.
use std::collections::BTreeMap;

/// Variables of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Reads a `.env` file.
    ///
    /// # Source
    /// Compose specification, "env file": `NAME=value`, `#` begins a comment, quotes around a value are taken off.
    pub fn read(text: &str) -> Self {
        Self::default().beside(text)
    }

    /// Reads a file of `env_file`, whose values may name these variables, and those that stand before them.
    ///
    /// # Source
    /// Docker Compose 2 (`compose-go`, `dotenv/parser.go`): variables are filled in, but not between single quotes.
    #[must_use]
    pub fn beside(&self, text: &str) -> Self {
        let mut known = self.clone();
        let mut own = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let (name, value) = (name.trim().to_owned(), known.value(value.trim()));
            if self.get(&name).is_none() {
                known.0.insert(name.clone(), value.clone());
            }
            own.insert(name, value);
        }
        Self(own)
    }

    fn value(&self, text: &str) -> String {
        let literal = text.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
        if let Some((inside, _)) = literal {
            return inside.to_owned();
        }
        if let Some(inside) = text.strip_prefix('"').and_then(between_double) {
            return self.fill(&inside);
        }
        self.fill(text.split(" #").next().unwrap_or_default().trim_end())
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A text with its variables filled in; one that has no value becomes nothing, as Compose does it.
    pub fn fill(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((inside, after)) = rest.strip_prefix('{').and_then(|rest| closed(rest)) {
                out.push_str(&self.braces(inside));
                rest = after;
            } else {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
                out.push_str(self.get(name).unwrap_or_default());
                rest = after;
            }
        }
        out + rest
    }

    /// `NAME`, `NAME:-default`, `NAME-default`, `NAME:?why`, `NAME?why`, `NAME:+other`, `NAME+other`.
    fn braces(&self, inside: &str) -> String {
        let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, rest) = inside.split_at(end.unwrap_or(inside.len()));
        let (rest, empty_counts) = match rest.strip_prefix(':') {
            Some(rest) => (rest, false),
            None => (rest, true),
        };
        let value = self.get(name).filter(|value| empty_counts || !value.is_empty());
        let mut letters = rest.chars();
        match (letters.next(), value) {
            (Some('-'), None) | (Some('+'), Some(_)) => self.fill(letters.as_str()),
            (Some('+'), None) => String::new(),
            (_, value) => value.unwrap_or_default().to_owned(),
        }
    }
}

/// What stands before the brace that closes, and what follows it.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// What stands before the quote that closes, with its escapes taken back; `$$` is what `fill` leaves alone.
fn between_double(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some(out),
            '\\' => match letters.next()? {
                '$' => out.push_str("$$"),
                'n' => out.push('\n'),
                quoted @ ('"' | '\\') => out.push(quoted),
                other => out.extend(['\\', other]),
            },
            other => out.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_every_form() {
        let all = Variables::read("# x\nA=1\nexport B=\"two words\"\nE=\nC=3 # why\n");
        for (text, filled) in [
            ("$A-${B}", "1-two words"),
            ("${X:-d}${E:-d}${E-d}${A:-d}", "dd1"),
            ("${X:-${A}}", "1"),
            ("${A:+y}${X:+y}${X?why}", "y"),
            ("$$A ${C}", "$A 3"),
            ("odoo:18.0", "odoo:18.0"),
        ] {
            assert_eq!(all.fill(text), filled, "{text}");
        }
    }

    #[test]
    fn a_dollar_between_single_quotes_is_one() {
        let outer = Variables::read("OUT=o\nBOTH=outer\n");
        let text = "LITERAL='a$OUT${B}' # why\nFILLED=\"$OUT-\\$OUT \\\"x\\\"\"\nBARE=${OUT}$$x\nBOTH=inner\nAGAIN=$LITERAL$BOTH\nOPEN='a\n";
        let all = outer.beside(text);
        for (name, value) in [
            ("LITERAL", "a$OUT${B}"),
            ("FILLED", "o-$OUT \"x\""),
            ("BARE", "o$x"),
            ("BOTH", "inner"),
            ("AGAIN", "a$OUT${B}outer"),
            ("OPEN", "'a"),
        ] {
            assert_eq!(all.get(name), Some(value), "{name}");
        }
        assert_eq!(all.get("OUT"), None);
    }
}
