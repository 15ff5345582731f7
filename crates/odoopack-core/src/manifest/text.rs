//! Strings of a literal: prefixes, quotes, escapes, and those that stand side by side.
use super::Value;
use super::reader::{Read, Reader};

/// What the letters before a quote mean.
#[derive(Clone, Copy)]
struct Prefix {
    raw: bool,
    bytes: bool,
}

/// Reads the strings that stand here; Python joins neighbours.
pub(super) fn read(reader: &mut Reader<'_>) -> Read<Value> {
    let start = reader.at();
    let mut joined = one(reader)?;
    loop {
        reader.skip_blanks()?;
        if !begins(reader.rest()) {
            return Ok(joined);
        }
        match (&mut joined, one(reader)?) {
            (Value::Text(all), Value::Text(next)) => all.push_str(&next),
            (Value::Bytes(all), Value::Bytes(next)) => all.extend(next),
            _ => return Err(reader.refuse_at(start, "bytes and text side by side")),
        }
    }
}

/// Whether a string begins here.
fn begins(rest: &str) -> bool {
    let letters = rest.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    letters.starts_with(['"', '\'']) && rest.len() - letters.len() <= 2
}

fn one(reader: &mut Reader<'_>) -> Read<Value> {
    let prefix = prefix(reader)?;
    let start = reader.at();
    let rest = reader.rest();
    let quote = if rest.starts_with("\"\"\"") || rest.starts_with("'''") {
        &rest[..3]
    } else {
        &rest[..1]
    };
    let inner = &rest[quote.len()..];
    let Some(end) = end(inner, quote) else {
        return Err(reader.refuse_at(start, "a string that does not end"));
    };
    let body = &inner[..end];
    let from = start + quote.len();
    let value = if prefix.bytes {
        Value::Bytes(bytes(reader, body, from, prefix.raw)?)
    } else if prefix.raw || !body.contains('\\') {
        Value::Text(body.to_owned())
    } else {
        Value::Text(text(reader, body, from)?)
    };
    reader.move_to(from + end + quote.len());
    Ok(value)
}

fn prefix(reader: &mut Reader<'_>) -> Read<Prefix> {
    let rest = reader.rest();
    let length = rest.find(['"', '\'']).unwrap_or(0);
    let prefix = match rest[..length].to_ascii_lowercase().as_str() {
        "" | "u" => Prefix {
            raw: false,
            bytes: false,
        },
        "r" => Prefix {
            raw: true,
            bytes: false,
        },
        "b" => Prefix {
            raw: false,
            bytes: true,
        },
        "br" | "rb" => Prefix {
            raw: true,
            bytes: true,
        },
        "f" | "fr" | "rf" => {
            return Err(reader.refuse("an f-string is computed: a manifest holds values only"));
        }
        other => return Err(reader.refuse(format!("`{other}` before a string means nothing"))),
    };
    reader.move_to(reader.at() + length);
    Ok(prefix)
}

/// Where the closing quote begins.
fn end(inner: &str, quote: &str) -> Option<usize> {
    let (bytes, quote) = (inner.as_bytes(), quote.as_bytes());
    let is_short = quote.len() == 1;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' if is_short => return None,
            _ if byte == quote[0] && (is_short || bytes[at..].starts_with(quote)) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// An escape: what it stands for, and how many bytes after the backslash it takes.
enum Escape {
    /// A number: a character of text, or a byte.
    Code(u32, usize),
    /// Nothing: the line goes on.
    Nothing(usize),
    /// Not an escape: the backslash stays.
    No,
    Broken(&'static str),
}

fn escape(after: &str, is_bytes: bool) -> Escape {
    let Some(letter) = after.chars().next() else {
        return Escape::Broken("a backslash that escapes nothing");
    };
    match letter {
        '\n' => Escape::Nothing(1),
        '\\' | '\'' | '"' => Escape::Code(u32::from(letter), 1),
        'a' => Escape::Code(7, 1),
        'b' => Escape::Code(8, 1),
        'f' => Escape::Code(12, 1),
        'n' => Escape::Code(10, 1),
        'r' => Escape::Code(13, 1),
        't' => Escape::Code(9, 1),
        'v' => Escape::Code(11, 1),
        '0'..='7' => {
            let digits = after
                .bytes()
                .take(3)
                .take_while(|digit| matches!(digit, b'0'..=b'7'))
                .count();
            number(after, 0, digits, 8)
        }
        'x' => number(after, 1, 2, 16),
        'u' if !is_bytes => number(after, 1, 4, 16),
        'U' if !is_bytes => number(after, 1, 8, 16),
        _ => Escape::No,
    }
}

fn number(after: &str, skip: usize, digits: usize, base: u32) -> Escape {
    let written = after.get(skip..skip + digits);
    let valid = written.filter(|written| written.chars().all(|digit| digit.is_digit(base)));
    match valid.and_then(|written| u32::from_str_radix(written, base).ok()) {
        Some(code) => Escape::Code(code, skip + digits),
        None => Escape::Broken("an escape with too few hexadecimal digits"),
    }
}

fn text(reader: &mut Reader<'_>, body: &str, from: usize) -> Read<String> {
    let mut all = String::with_capacity(body.len());
    let mut at = 0;
    while let Some(next) = body[at..].find('\\') {
        all.push_str(&body[at..at + next]);
        let here = at + next;
        let after = &body[here + 1..];
        let place = from + here;
        if after.starts_with('N') {
            reader.move_to(place);
            return Err(reader.unsupported("a character by its name"));
        }
        at = here + 1;
        match escape(after, false) {
            Escape::Nothing(length) => at += length,
            Escape::No => all.push('\\'),
            Escape::Broken(why) => return Err(reader.refuse_at(place, why)),
            Escape::Code(code, length) => {
                let Some(letter) = char::from_u32(code) else {
                    return Err(no_character(reader, code, place));
                };
                all.push(letter);
                at += length;
            }
        }
    }
    all.push_str(&body[at..]);
    Ok(all)
}

/// Python lets half of a surrogate pair stand in a text; nothing that is written to a file or a database can hold it.
fn no_character(reader: &mut Reader<'_>, code: u32, place: usize) -> super::Unreadable {
    if code > 0x0010_ffff {
        return reader.refuse_at(place, "there is no such character");
    }
    reader.move_to(place);
    reader.unsupported("half of a character (a surrogate)")
}

fn bytes(reader: &Reader<'_>, body: &str, from: usize, raw: bool) -> Read<Vec<u8>> {
    if let Some(at) = body.find(|letter: char| !letter.is_ascii()) {
        return Err(reader.refuse_at(from + at, "bytes hold ASCII characters only"));
    }
    if raw {
        return Ok(body.as_bytes().to_vec());
    }
    let mut all = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        let letter = body.as_bytes()[at];
        at += 1;
        if letter != b'\\' {
            all.push(letter);
            continue;
        }
        match escape(&body[at..], true) {
            Escape::Nothing(length) => at += length,
            Escape::No => all.push(letter),
            Escape::Broken(why) => return Err(reader.refuse_at(from + at - 1, why)),
            Escape::Code(code, length) => {
                all.extend(u8::try_from(code & 0xff));
                at += length;
            }
        }
    }
    Ok(all)
}
