//! Whether a value can stand in odoo.conf and says what was meant.
use super::Kind;

/// Why a value does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// Not of the option's kind.
    #[error("is not {0}")]
    NotA(String),
    /// odoo.conf is read line by line.
    #[error("holds a line break or another control character, which odoo.conf cannot carry")]
    Control,
    /// The reader strips blanks, and nothing can be quoted.
    #[error("starts or ends with a blank, which Odoo strips from odoo.conf; nothing can be quoted there")]
    Edge,
    /// Odoo turns these words into booleans or nothing, whatever the option is.
    #[error("would be read as a boolean or as nothing, not as a text")]
    Word,
    /// Odoo expands variables in paths.
    #[error("holds `$` or starts with `~`, which Odoo expands in paths; write the path in full")]
    Expanded,
}

/// Checks that `value` is one that an option of this `kind` understands in every series.
///
/// # Source
/// `odoo/tools/config.py`: 17.0 and 18.0 turn exactly `True`, `true`, `False` and `false` into booleans for any
/// option, and leave `0` or `no` as a text, which counts as true; 19.0 reads `None` as nothing and skips `False`
/// with a warning where the option is no boolean.
pub fn fits(kind: Kind, value: &str) -> Result<(), BadValue> {
    let wanted = |ok: bool, what: &str| {
        if ok {
            Ok(())
        } else {
            Err(BadValue::NotA(what.to_owned()))
        }
    };
    one_line(value)?;
    match kind {
        Kind::Bool => wanted(matches!(value, "True" | "False"), "`True` or `False`"),
        Kind::Int => wanted(value.parse::<i64>().is_ok(), "a whole number"),
        Kind::Float => wanted(value.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
        Kind::Choice(words) => wanted(words.contains(&value), &format!("one of {}", words.join(", "))),
        Kind::Text | Kind::List => text(value),
        Kind::Path | Kind::Paths => text(value).and_then(|()| path(value)),
    }
}

/// What no value in odoo.conf may hold, whatever the option.
pub(super) fn one_line(value: &str) -> Result<(), BadValue> {
    // Python splits lines at these as well (`str.splitlines`), though not when it reads a file.
    if value
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
    {
        return Err(BadValue::Control);
    }
    if value.trim() == value {
        Ok(())
    } else {
        Err(BadValue::Edge)
    }
}

fn text(value: &str) -> Result<(), BadValue> {
    let word = matches!(value, "True" | "true" | "False" | "false" | "None");
    if word { Err(BadValue::Word) } else { Ok(()) }
}

fn path(value: &str) -> Result<(), BadValue> {
    let expanded = value.contains('$') || value.split(',').any(|part| part.trim().starts_with('~'));
    if expanded { Err(BadValue::Expanded) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_every_series_reads_as_meant() {
        let good = [
            (Kind::Bool, "True"),
            (Kind::Int, "-1"),
            (Kind::Float, "0.2"),
            (Kind::Text, "^%h$ ; not a comment # either"),
            (Kind::Text, ""),
            (Kind::List, ":INFO,odoo.sql_db:DEBUG"),
            (Kind::Path, "/var/lib/odoo data"),
            (Kind::Choice(&["a", "b"]), "b"),
        ];
        for (kind, value) in good {
            assert_eq!(fits(kind, value), Ok(()), "{kind:?} {value}");
        }
    }

    #[test]
    fn refuses_what_some_series_would_misread() {
        let bad = [
            (Kind::Bool, "0"),
            (Kind::Bool, "yes"),
            (Kind::Int, ""),
            (Kind::Int, "12 # comment"),
            (Kind::Float, "inf"),
            (Kind::Text, "None"),
            (Kind::Text, " x"),
            (Kind::Text, "a\nb = c"),
            (Kind::Text, "a\u{85}b"),
            (Kind::Path, "$HOME/x"),
            (Kind::Paths, "/a,~/b"),
            (Kind::Choice(&["a", "b"]), "c"),
        ];
        for (kind, value) in bad {
            assert!(fits(kind, value).is_err(), "{kind:?} {value}");
        }
    }
}
