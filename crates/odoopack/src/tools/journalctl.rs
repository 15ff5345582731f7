//! `journalctl`: what units and their processes said.
use std::time::Duration;

use crate::exec::Cmd;

/// Longest that a person follows the journal.
const FOLLOWED: Duration = Duration::from_hours(24 * 365);

/// Priority of a warning; worse is less (syslog(3)).
const WARNING: u8 = 4;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The unit that it is about.
    pub(crate) unit: String,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    /// Whether systemd says it about the unit, and not a process of it.
    pub(crate) by_systemd: bool,
    /// Whether it is a warning or worse for the journal, which knows that of what systemd says.
    pub(crate) bad: bool,
    /// The line.
    pub(crate) text: String,
}

/// Which part of the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// From this second since 1970.
    Since(i64),
    /// The newest lines.
    Newest(usize),
    /// What comes.
    Coming,
}

/// Prints what `units` said, oldest first, one JSON object per line.
///
/// # Source
/// journalctl(1), systemd 252: `-u` finds what the processes of a unit said and what systemd said about it.
pub(crate) fn read<S: AsRef<str>>(units: &[S], part: Part) -> Cmd {
    let cmd = Cmd::new("journalctl").args(["--no-pager", "--quiet", "--all", "--output=json"]);
    let fields = "--output-fields=MESSAGE,UNIT,_SYSTEMD_UNIT,PRIORITY";
    let cmd = match part {
        Part::Since(seconds) => cmd.arg(fields).arg(format!("--since=@{seconds}")),
        Part::Newest(lines) => cmd.arg(fields).arg(format!("--lines={lines}")),
        Part::Coming => cmd.arg(fields).args(["--lines=0", "--follow"]).patience(FOLLOWED),
    };
    units
        .iter()
        .fold(cmd, |cmd, unit| cmd.arg(format!("--unit={}", unit.as_ref())))
}

/// Prints the lines of a unit's processes that match a Perl regular expression, since a second since 1970.
pub(crate) fn search(unit: &str, pattern: &str, since: i64) -> Cmd {
    Cmd::new("journalctl")
        .args(["--no-pager", "--quiet", "--all", "--output=cat"])
        .args([
            format!("--since=@{since}"),
            format!("--grep={pattern}"),
            format!("--unit={unit}"),
        ])
}

/// Reads one line of `--output=json`; `None` for a line that is no record.
///
/// # Source
/// systemd.journal-fields(7); "Journal JSON Format": a text that is not valid UTF-8 is an array of bytes.
pub(crate) fn parse(line: &str) -> Option<Record> {
    let fields: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| fields.get(name).and_then(serde_json::Value::as_str);
    let about = text("UNIT");
    Some(Record {
        unit: about.or_else(|| text("_SYSTEMD_UNIT"))?.to_owned(),
        time: text("__REALTIME_TIMESTAMP")?.parse().ok()?,
        by_systemd: about.is_some(),
        bad: text("PRIORITY")
            .and_then(|level| level.parse().ok())
            .is_some_and(|level: u8| level <= WARNING),
        text: message(fields.get("MESSAGE")?)?,
    })
}

fn message(value: &serde_json::Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let byte = |value: &serde_json::Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
    let bytes: Option<Vec<u8>> = value.as_array()?.iter().map(byte).collect();
    Some(String::from_utf8_lossy(&bytes?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_the_units_of_a_pack() {
        let units = ["a.service", "b.service"];
        let head = "journalctl --no-pager --quiet --all --output=json \
                    --output-fields=MESSAGE,UNIT,_SYSTEMD_UNIT,PRIORITY";
        for (part, tail) in [
            (Part::Since(5), "--since=@5"),
            (Part::Newest(9), "--lines=9"),
            (Part::Coming, "--lines=0 --follow"),
        ] {
            assert_eq!(
                read(&units, part).to_string(),
                format!("{head} {tail} --unit=a.service --unit=b.service")
            );
        }
    }

    #[test]
    fn searches_one_unit() {
        assert_eq!(
            search("a.service", "alive", 5).to_string(),
            "journalctl --no-pager --quiet --all --output=cat --since=@5 --grep=alive --unit=a.service"
        );
    }

    #[test]
    fn reads_what_processes_and_systemd_say() {
        let text = include_str!("../../fixtures/journalctl-252.json");
        let records: Vec<Option<Record>> = text.lines().map(parse).collect();
        insta::assert_debug_snapshot!(records);
    }

    #[test]
    fn text_that_is_no_utf8_comes_as_bytes_and_other_lines_are_no_records() {
        let line = r#"{"__REALTIME_TIMESTAMP":"5","_SYSTEMD_UNIT":"a.service","MESSAGE":[99,97,102,233]}"#;
        assert_eq!(parse(line).unwrap().text, "caf\u{fffd}");
        assert_eq!(parse("-- No entries --"), None);
        assert_eq!(parse(r#"{"MESSAGE":"x"}"#), None);
    }
}
