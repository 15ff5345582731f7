//! Exclusion patterns as Python's `fnmatch` reads them: `*` also crosses directories.

/// One pattern, ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Char(char),
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads a pattern; every text is one.
    ///
    /// # Source
    /// Python's `fnmatch.translate`, 3.9 to 3.13, on POSIX, where case counts.
    pub fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            at += 1;
            parts.push(match c {
                '*' => Part::Any,
                '?' => Part::One,
                '[' => match end_of_set(&chars, at) {
                    Some(end) => {
                        let set = set(&chars[at..end]);
                        at = end + 1;
                        set
                    }
                    None => Part::Char('['),
                },
                c => Part::Char(c),
            });
        }
        parts.dedup_by(|a, b| *a == Part::Any && *b == Part::Any);
        Self(parts)
    }

    /// Whether the whole of `text` fits.
    pub fn fits(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        let (mut part, mut at) = (0, 0);
        // Where the last `*` stood, and how much of the text it has taken.
        let mut star: Option<(usize, usize)> = None;
        while at < chars.len() {
            match self.0.get(part) {
                Some(Part::Any) => {
                    star = Some((part, at));
                    part += 1;
                }
                Some(one) if one.takes(chars[at]) => {
                    part += 1;
                    at += 1;
                }
                _ => {
                    let Some((there, taken)) = star else { return false };
                    star = Some((there, taken + 1));
                    part = there + 1;
                    at = taken + 1;
                }
            }
        }
        self.0[part..].iter().all(|rest| *rest == Part::Any)
    }
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Char(own) => *own == c,
            Self::Set { negated, ranges } => {
                *negated != ranges.iter().any(|(first, last)| (*first..=*last).contains(&c))
            }
        }
    }
}

/// Where the `]` of a set that begins at `at` stands; one that comes first belongs to the set.
fn end_of_set(chars: &[char], at: usize) -> Option<usize> {
    let mut from = at;
    if chars.get(from) == Some(&'!') {
        from += 1;
    }
    if chars.get(from) == Some(&']') {
        from += 1;
    }
    let rest = chars.get(from..)?;
    rest.iter().position(|c| *c == ']').map(|found| from + found)
}

fn set(body: &[char]) -> Part {
    let negated = body.first() == Some(&'!');
    let body = if negated { &body[1..] } else { body };
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&first) = body.get(at) {
        if let (Some('-'), Some(&last)) = (body.get(at + 1), body.get(at + 2)) {
            ranges.push((first, last));
            at += 3;
        } else {
            ranges.push((first, first));
            at += 1;
        }
    }
    Part::Set { negated, ranges }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_what_python_fits() {
        let check = |pattern: &str, text: &str, wanted: bool| {
            assert_eq!(Pattern::new(pattern).fits(text), wanted, "{pattern} {text}");
        };
        check("*.pyc", "a/b/__pycache__/x.pyc", true);
        check("static/*", "static/src/js/x.js", true);
        check("static/*", "models/static/x", false);
        check("i18n/*.pot", "i18n/x.pot", true);
        check("", "x", false);
        check("x[!ab]y", "xcy", true);
        check("x[]]y", "x]y", true);
        check("x[a-", "x[a-", true);
        check("[!b-a]", "q", true);
        check("[b-a]", "b", false);
        check("a?c*", "abc", true);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b", "xxaxxbxx", false);
    }
}
