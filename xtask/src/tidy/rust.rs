//! Rust source as words: enough to see paths and macros, blind to comments and strings.
use std::iter::Peekable;
use std::str::CharIndices;

/// A word, a `::`, or one other character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A path as it stands in a `use` or an expression, one entry per leaf of its braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// The words of a source text; comments, strings, characters and lifetimes are left out.
pub(crate) fn words(source: &str) -> Vec<Word> {
    let mut reader = Reader {
        rest: source.char_indices().peekable(),
        source,
        line: 1,
        words: Vec::new(),
    };
    while reader.step() {}
    reader.words
}

struct Reader<'a> {
    rest: Peekable<CharIndices<'a>>,
    source: &'a str,
    line: usize,
    words: Vec<Word>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let (_, found) = self.rest.next()?;
        self.line += usize::from(found == '\n');
        Some(found)
    }

    fn ahead(&mut self) -> &str {
        self.rest.peek().map_or("", |(at, _)| &self.source[*at..])
    }

    fn push(&mut self, text: impl Into<String>) {
        self.words.push(Word {
            text: text.into(),
            line: self.line,
        });
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.next();
        }
    }

    fn step(&mut self) -> bool {
        let ahead = self.ahead();
        let Some(first) = ahead.chars().next() else {
            return false;
        };
        if ahead.starts_with("//") {
            while self.ahead().chars().next().is_some_and(|found| found != '\n') {
                self.next();
            }
        } else if ahead.starts_with("/*") {
            self.block_comment();
        } else if let Some(hashes) = raw_string(ahead) {
            self.raw_string(hashes);
        } else if first == '"' {
            self.quoted('"');
        } else if first == '\'' {
            self.character_or_lifetime();
        } else if first.is_alphanumeric() || first == '_' {
            let text: String = ahead
                .chars()
                .take_while(|found| found.is_alphanumeric() || *found == '_')
                .collect();
            self.skip(text.chars().count());
            self.push(text);
        } else if ahead.starts_with("::") {
            self.skip(2);
            self.push("::");
        } else {
            self.next();
            if !first.is_whitespace() {
                self.push(first);
            }
        }
        true
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            if self.ahead().starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.ahead().starts_with("*/") {
                depth -= 1;
                self.skip(2);
            } else if self.next().is_none() {
                return;
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        while self.next().is_some_and(|found| found != '"') {}
        let end = format!("\"{}", "#".repeat(hashes));
        while !self.ahead().is_empty() && !self.ahead().starts_with(&end) {
            self.next();
        }
        self.skip(end.len());
    }

    fn quoted(&mut self, end: char) {
        self.next();
        while let Some(found) = self.next() {
            match found {
                '\\' => self.skip(1),
                found if found == end => return,
                _ => {}
            }
        }
    }

    fn character_or_lifetime(&mut self) {
        let mut after = self.ahead().chars().skip(1);
        let (first, second) = (after.next(), after.next());
        if first == Some('\\') || second == Some('\'') {
            self.quoted('\'');
        } else {
            self.next();
        }
    }
}

/// The number of `#` of a raw string that starts here.
fn raw_string(ahead: &str) -> Option<usize> {
    let rest = ["r", "br", "cr"].iter().find_map(|prefix| {
        let rest = ahead.strip_prefix(prefix)?;
        rest.starts_with(['#', '"']).then_some(rest)
    })?;
    let hashes = rest.chars().take_while(|found| *found == '#').count();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// The words without the items that stand behind `#[cfg(test)]`.
pub(crate) fn without_tests(words: &[Word]) -> Vec<Word> {
    let marker = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < words.len() {
        if follows(words, at, &marker) {
            at = end_of_item(words, at + marker.len());
        } else {
            kept.push(words[at].clone());
            at += 1;
        }
    }
    kept
}

/// True when `texts` stand at `at`.
pub(crate) fn follows(words: &[Word], at: usize, texts: &[&str]) -> bool {
    texts
        .iter()
        .enumerate()
        .all(|(index, text)| words.get(at + index).is_some_and(|word| word.text == *text))
}

/// Just behind the `;` or the closing brace of the item that starts at `at`.
fn end_of_item(words: &[Word], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(word) = words.get(at) {
        at += 1;
        match word.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            // `use a::{b};` ends behind its semicolon, a body at its brace.
            "}" if depth <= 1 => return at + usize::from(follows(words, at, &[";"])),
            "}" => depth -= 1,
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    at
}

/// Every path that starts with one of `roots`, braces taken apart; `super::` is resolved against `module`.
pub(crate) fn paths(words: &[Word], roots: &[&str], module: &[&str]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while let Some(word) = words.get(at) {
        let starts_path = words.get(at + 1).is_some_and(|next| next.text == "::")
            && (at == 0 || !matches!(words[at - 1].text.as_str(), "::" | "." | "$"));
        match word.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|(_, opened)| *opened <= depth);
            }
            "mod" if words.get(at + 2).is_some_and(|next| next.text == "{") => {
                inline.push((words[at + 1].text.clone(), depth + 1));
            }
            "super" if starts_path => {
                let here = module
                    .iter()
                    .copied()
                    .chain(inline.iter().map(|(name, _)| name.as_str()));
                at = above(words, at, here.collect(), &mut found);
                continue;
            }
            root if starts_path && roots.contains(&root) => {
                at = branch(words, at, &[], &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads `super::super::x`, `at` being the first `super`, as a path from `crate`.
fn above(words: &[Word], mut at: usize, mut here: Vec<&str>, found: &mut Vec<Named>) -> usize {
    while follows(words, at, &["super", "::"]) {
        here.pop();
        at += 2;
    }
    let prefix: Vec<String> = std::iter::once("crate").chain(here).map(str::to_owned).collect();
    branch(words, at, &prefix, found)
}

/// Reads one path below `prefix`; returns where it ends.
fn branch(words: &[Word], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let mut segments = prefix.to_vec();
    while let Some(word) = words.get(at) {
        if word.text == "{" {
            return group(words, at + 1, &segments, found);
        }
        let is_name = word
            .text
            .starts_with(|first: char| first.is_alphanumeric() || first == '_' || first == '*');
        if is_name && word.text != "self" {
            segments.push(word.text.clone());
        }
        at += usize::from(is_name);
        let goes_on = is_name && follows(words, at, &["::"]) && !follows(words, at, &["::", "<"]);
        if !goes_on {
            found.push(Named {
                segments,
                line: word.line,
            });
            return at;
        }
        at += 1;
    }
    at
}

/// Reads the branches of `{a, b::c}` up to its closing brace.
fn group(words: &[Word], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    while let Some(word) = words.get(at) {
        at = match word.text.as_str() {
            "}" => return at + 1,
            "," => at + 1,
            _ => {
                let end = branch(words, at, prefix, found);
                // `a as b`: the new name is not a path.
                if follows(words, end, &["as"]) {
                    end + 2
                } else {
                    end.max(at + 1)
                }
            }
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> String {
        words(source)
            .into_iter()
            .map(|word| word.text)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn named(source: &str, module: &[&str]) -> Vec<String> {
        paths(&words(source), &["crate", "std"], module)
            .into_iter()
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn comments_strings_and_lifetimes_are_not_words() {
        assert_eq!(texts("a // b\n/* c /* d */ e */ f"), "a f");
        assert_eq!(
            texts(r##"x("y \" z", r#"w " v"#, br"u", 't', '\'', s)"##),
            "x ( , , b , , , s )".replace("b ,", ",")
        );
        assert_eq!(texts("fn a<'b>(c: &'b str)"), "fn a < b > ( c : & b str )");
        assert_eq!(words("\"a\nb\"\nc")[0].line, 3);
    }

    #[test]
    fn test_items_are_left_out() {
        let source = "a; #[cfg(test)] mod tests { fn b() { c } } d; #[cfg(test)] use e::{f, g}; h; #[cfg(test)] mod i; j";
        let kept: Vec<_> = without_tests(&words(source))
            .into_iter()
            .map(|word| word.text)
            .collect();
        assert_eq!(kept.join(" "), "a ; d ; h ; j");
    }

    #[test]
    fn braces_are_taken_apart() {
        assert_eq!(
            named("use crate::{a, b::{self, c as d}, e::*}; use std::fmt;", &[]),
            ["crate::a", "crate::b", "crate::b::c", "crate::e::*", "std::fmt"]
        );
        assert_eq!(
            named("pub(crate) fn f() { x.y(crate::a::B::<u8>::new()) }", &[]),
            ["crate::a::B"]
        );
        assert_eq!(
            named("use {crate::a, std::env}; crate::b { c }", &[]),
            ["crate::a", "std::env", "crate::b"]
        );
    }

    #[test]
    fn super_is_resolved_through_inline_modules() {
        assert_eq!(named("use super::b;", &["tools", "git"]), ["crate::tools::b"]);
        assert_eq!(
            named("use super::super::{b, c};", &["tools", "git"]),
            ["crate::b", "crate::c"]
        );
        assert_eq!(
            named("mod t { use super::x; } use super::y;", &["ui"]),
            ["crate::ui::x", "crate::y"]
        );
    }
}
