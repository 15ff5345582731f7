//! Rules that look at one entry.
use super::{Entry, Note, Severity};
use crate::odoo::Series;
use crate::odoo::options::{
    Elsewhere, Governor, Instead, Kind, clause, elsewhere, find, governor, is_secret, nearest,
};

/// Everything that is wrong with one entry by itself.
pub(super) fn judge(series: Series, entry: &Entry) -> Vec<Note> {
    if let Some(known) = elsewhere(series, &entry.key) {
        return vec![moved(series, entry, known)];
    }
    match find(series, &entry.key) {
        None => vec![unknown(series, entry)],
        Some(option) => value(series, entry, option.kind),
    }
}

/// The value without a comment that somebody put behind it.
pub(super) fn bare(value: &str) -> &str {
    comment(value).map_or(value, |at| value[..at].trim_end())
}

fn comment(value: &str) -> Option<usize> {
    let starts = value.match_indices(['#', ';']).map(|(at, _)| at);
    starts
        .into_iter()
        .find(|at| value[..*at].ends_with(char::is_whitespace))
}

fn moved(series: Series, entry: &Entry, known: &Elsewhere) -> Note {
    let obeyed = known.is_read_by(series);
    let id = match known.instead {
        Instead::Pack(_) if known.name.contains("redis") || known.name.starts_with("session") => {
            "session-store"
        }
        Instead::CommandLine => "command-line-only",
        Instead::Option(_) if obeyed => "old-name",
        Instead::Option(_) | Instead::Pack(_) | Instead::Nothing(_) => "removed-option",
    };
    let warning = obeyed || matches!(known.instead, Instead::CommandLine | Instead::Nothing(_));
    let severity = if warning {
        Severity::Warning
    } else {
        Severity::Error
    };
    let why = match (obeyed, series) {
        (true, _) => format!("Odoo {series} still obeys the old name, the next series may not"),
        (false, Series::V19) => format!("Odoo {series} warns of an unknown option and ignores it"),
        (false, Series::V17 | Series::V18) => format!("Odoo {series} ignores it without a word"),
    };
    note(
        (id, severity),
        entry,
        format!("`{}` is {} Odoo {series}", entry.key, known.standing(series)),
        why,
        replacement(known.instead),
    )
}

fn replacement(instead: Instead) -> String {
    let Instead::Option(option) = instead else {
        return clause(instead);
    };
    match governor(option) {
        Some(Governor::Key(key)) => format!("write `{option}`; with odoopack, `{key}`"),
        Some(Governor::Fixed(_)) => format!("write `{option}`; with odoopack, nothing: it sets it itself"),
        None => format!("write `{option}`"),
    }
}

fn unknown(series: Series, entry: &Entry) -> Note {
    let why = match series {
        Series::V19 => "Odoo logs a warning at every start and ignores it, unless a module reads it",
        Series::V17 | Series::V18 => "Odoo ignores it without a word, unless a module reads it",
    };
    let fix = nearest(series, &entry.key).map_or_else(
        || "remove the line if no module needs it".to_owned(),
        |option| format!("write `{option}` if that was meant, else remove the line"),
    );
    let what = format!("Odoo {series} has no option `{}`", entry.key);
    note(
        ("unknown-option", Severity::Warning),
        entry,
        what,
        why.to_owned(),
        fix,
    )
}

fn value(series: Series, entry: &Entry, kind: Kind) -> Vec<Note> {
    let textual = matches!(kind, Kind::Text | Kind::List | Kind::Path | Kind::Paths);
    let found = [
        inline_comment(entry, textual),
        quoted(entry),
        variable(entry, kind),
        false_for_nothing(series, entry, kind),
        misread(series, entry, kind),
    ];
    found.into_iter().flatten().collect()
}

fn inline_comment(entry: &Entry, textual: bool) -> Option<Note> {
    let at = comment(&entry.value)?;
    let (severity, why) = if textual {
        (
            Severity::Warning,
            "odoo.conf has no comments behind values: the comment is part of the value",
        )
    } else {
        (
            Severity::Error,
            "odoo.conf has no comments behind values: Odoo cannot read the value, or misreads it",
        )
    };
    let what = if is_secret(&entry.key) {
        format!("`{}` seems to have a comment behind its value", entry.key)
    } else {
        format!(
            "`{}` has the comment `{}` behind its value",
            entry.key,
            entry.value[at..].trim_end()
        )
    };
    let fix = "put the comment on a line of its own".to_owned();
    Some(note(
        ("inline-comment", severity),
        entry,
        what,
        why.to_owned(),
        fix,
    ))
}

fn quoted(entry: &Entry) -> Option<Note> {
    let value = &entry.value;
    let by = |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    (by('"') || by('\'')).then(|| {
        let what = format!("the value of `{}` stands in quotes", entry.key);
        let why = "odoo.conf has no quoting: the quotes are part of the value".to_owned();
        note(
            ("quoted-value", Severity::Error),
            entry,
            what,
            why,
            "remove the quotes".to_owned(),
        )
    })
}

fn variable(entry: &Entry, kind: Kind) -> Option<Note> {
    let expanded = matches!(kind, Kind::Path | Kind::Paths);
    let name = (!expanded).then(|| reference(&entry.value)).flatten()?;
    let part_of_secret = is_secret(&entry.key) && name != entry.value;
    let what = if part_of_secret {
        format!("`{}` refers to a variable", entry.key)
    } else {
        format!("`{}` refers to `{name}`", entry.key)
    };
    let why = "Odoo replaces no variables in odoo.conf: it takes the text as it stands".to_owned();
    let fix =
        "write the value itself into a file that only Odoo can read; with odoopack `secret:NAME`".to_owned();
    Some(note(("not-interpolated", Severity::Error), entry, what, why, fix))
}

/// The first `${NAME}` or `%(NAME)s`, or a value that is `$NAME` and nothing else (hashes and regular
/// expressions hold `$` too).
fn reference(value: &str) -> Option<&str> {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if value.strip_prefix('$').is_some_and(is_name) {
        return Some(value);
    }
    let enclosed = |open: &str, close: &str| {
        value.match_indices(open).find_map(|(at, _)| {
            let (name, _) = value[at + open.len()..].split_once(close)?;
            let end = at + open.len() + name.len() + close.len();
            is_name(name).then(|| &value[at..end])
        })
    };
    enclosed("${", "}").or_else(|| enclosed("%(", ")s"))
}

fn false_for_nothing(series: Series, entry: &Entry, kind: Kind) -> Option<Note> {
    let found =
        series == Series::V19 && kind != Kind::Bool && matches!(entry.value.as_str(), "False" | "false");
    found.then(|| {
        let what = format!("`{}` is `{}` but no boolean", entry.key, entry.value);
        let why = "up to 18.0 this meant \"not set\"; 19.0 logs a warning and skips the line".to_owned();
        note(
            ("false-for-nothing", Severity::Warning),
            entry,
            what,
            why,
            "remove the line".to_owned(),
        )
    })
}

fn misread(series: Series, entry: &Entry, kind: Kind) -> Option<Note> {
    let value = bare(&entry.value);
    let nothing = matches!(value, "False" | "false") || (series == Series::V19 && value == "None");
    let expected = match kind {
        Kind::Bool => boolean(series, value),
        _ if nothing || reference(value).is_some() => None,
        Kind::Int => value
            .replace('_', "")
            .parse::<i64>()
            .err()
            .map(|_| "a whole number".to_owned()),
        Kind::Float => value.parse::<f64>().err().map(|_| "a number".to_owned()),
        Kind::Choice(words) => (!words.contains(&value)).then(|| format!("one of {}", words.join(", "))),
        Kind::Text | Kind::List | Kind::Path | Kind::Paths => None,
    }?;
    let what = format!("`{}` is `{value}`, not {expected}", entry.key);
    let why = match (kind, series) {
        (Kind::Bool, Series::V17 | Series::V18) => "any other text counts as true, also `0` and `no`",
        _ => "Odoo does not start, or fails where it uses the value",
    };
    Some(note(
        ("bad-value", Severity::Error),
        entry,
        what,
        why.to_owned(),
        format!("write {expected}"),
    ))
}

/// Whether Odoo takes a text for true: up to 18.0 all but two, in 19.0 as `configparser` does.
pub(super) fn is_true(series: Series, value: &str) -> bool {
    match series {
        Series::V17 | Series::V18 => !matches!(value, "False" | "false"),
        Series::V19 => !matches!(value.to_lowercase().as_str(), "0" | "no" | "false" | "off"),
    }
}

fn boolean(series: Series, value: &str) -> Option<String> {
    let known = match series {
        Series::V17 | Series::V18 => matches!(value, "True" | "true" | "False" | "false"),
        Series::V19 => {
            let words = ["1", "yes", "true", "on", "0", "no", "false", "off"];
            words.contains(&value.to_lowercase().as_str())
        }
    };
    (!known).then(|| "`True` or `False`".to_owned())
}

fn note(rule: (&'static str, Severity), entry: &Entry, what: String, why: String, fix: String) -> Note {
    let (id, severity) = rule;
    Note {
        id,
        severity,
        line: Some(entry.line),
        what,
        why,
        fix,
    }
}
