//! Numbers of a literal.
use super::Value;
use super::reader::{Read, Reader};

/// Reads the number that stands here.
pub(super) fn read(reader: &mut Reader<'_>) -> Read<Value> {
    let rest = reader.rest();
    if rest.starts_with("...") {
        return Err(reader.unsupported("`...`"));
    }
    let length = length(rest);
    let written = &rest[..length];
    let value = match written.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => based(reader, &written[2..], 16),
        Some("0o") => based(reader, &written[2..], 8),
        Some("0b") => based(reader, &written[2..], 2),
        _ => decimal(reader, written),
    }?;
    reader.move_to(reader.at() + length);
    Ok(value)
}

/// How far the number goes, with whatever is glued to it.
fn length(rest: &str) -> usize {
    let mut before = ' ';
    let is_hex = rest.len() > 1 && rest[1..].starts_with(['x', 'X']);
    let end = |letter: char| {
        let is_sign = matches!(letter, '+' | '-') && matches!(before, 'e' | 'E') && !is_hex;
        before = letter;
        !(is_sign || letter == '_' || letter == '.' || letter.is_alphanumeric())
    };
    rest.find(end).unwrap_or(rest.len())
}

fn based(reader: &Reader<'_>, digits: &str, base: u32) -> Read<Value> {
    // One underscore may follow the prefix.
    let digits = digits.strip_prefix('_').unwrap_or(digits);
    if digits.is_empty() || !is_run(digits, base) {
        return Err(reader.refuse("not a number"));
    }
    whole(reader, digits, base)
}

fn decimal(reader: &Reader<'_>, written: &str) -> Read<Value> {
    if written.ends_with(['j', 'J']) {
        return Err(reader.unsupported("a complex number"));
    }
    let (mantissa, exponent) = match written.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        ),
        None => (written, None),
    };
    if exponent.is_some_and(|digits| !is_run(digits, 10)) {
        return Err(reader.refuse("not a number"));
    }
    let (before, after) = match mantissa.split_once('.') {
        Some((before, after)) => (before, Some(after)),
        None => (mantissa, None),
    };
    let ok = |digits: &str| digits.is_empty() || is_run(digits, 10);
    let digits = before.len() + after.map_or(0, str::len);
    if digits == 0 || !ok(before) || !after.is_none_or(ok) {
        return Err(reader.refuse("not a number"));
    }
    if after.is_none() && exponent.is_none() {
        let is_zero = before.chars().all(|digit| matches!(digit, '0' | '_'));
        if before.starts_with('0') && !is_zero {
            return Err(reader.refuse("a whole number with a leading 0; octal numbers begin with `0o`"));
        }
        return whole(reader, before, 10);
    }
    let plain = written.replace('_', "");
    plain
        .parse()
        .map(Value::Float)
        .map_err(|_| reader.refuse("not a number"))
}

/// Digits of the base, single underscores between them.
fn is_run(digits: &str, base: u32) -> bool {
    digits
        .split('_')
        .all(|part| !part.is_empty() && part.chars().all(|digit| digit.is_digit(base)))
}

fn whole(reader: &Reader<'_>, digits: &str, base: u32) -> Read<Value> {
    let plain = digits.replace('_', "");
    let value = i128::from_str_radix(&plain, base);
    value
        .map(Value::Int)
        .map_err(|_| reader.unsupported("a number this big"))
}
