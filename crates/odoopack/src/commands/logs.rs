//! `logs`: the logs of all services in one stream, or of some.
use std::collections::BTreeMap;

use odoopack_core::units::Seconds;

use crate::context::Context;
use crate::engines::{Engine, Stretch};
use crate::failure::{Failure, Result};
use crate::ui;

/// Show the logs of all services in one stream, by time
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  odoopack logs production --level error --since 2h\n  odoopack logs nginx -f"
)]
pub(crate) struct Args {
    /// Environment (`production`) or service (`postgres`); all when left out
    name: Option<String>,
    /// Keep printing what comes
    #[arg(short, long)]
    follow: bool,
    /// Only lines of this level and above: debug, info, warning, error, critical
    #[arg(long, value_parser = level)]
    level: Option<usize>,
    /// Only lines younger than this: 30s, 15m, 2h, 7d
    #[arg(long, value_name = "AGE")]
    since: Option<Seconds>,
    /// At most this many lines, the newest
    #[arg(short = 'n', long, default_value_t = 200)]
    lines: usize,
}

/// Words for levels, Odoo's and PostgreSQL's, by weight.
const LEVELS: [&[&str]; 5] = [
    &["DEBUG", "DEBUG1"],
    &["INFO", "LOG", "NOTICE", "[notice]"],
    &["WARNING", "[warn]"],
    &["ERROR", "[error]"],
    &["CRITICAL", "FATAL", "PANIC", "[crit]", "[alert]", "[emerg]"],
];

const LEVEL_NAMES: [&str; 5] = ["debug", "info", "warning", "error", "critical"];

fn level(text: &str) -> std::result::Result<usize, String> {
    LEVEL_NAMES
        .iter()
        .position(|name| *name == text)
        .ok_or_else(|| format!("one of {}", LEVEL_NAMES.join(", ")))
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let engine = Engine::here(&pack.layout);
    let services = services(engine.logged()?, args.name.as_deref());
    if services.is_empty() {
        let whose = args
            .name
            .as_ref()
            .map_or_else(|| "any service".to_owned(), |name| format!("`{name}`"));
        return Err(Failure::refused(format!("there are no logs of {whose}")).hint("`odoopack status`"));
    }
    let since = args.since.map(|since| seconds_ago(since.0));
    let part = Stretch {
        since,
        lines: args.lines,
    };
    let texts = engine.logs(&services, part)?;
    let mut lines: Vec<Entry> = texts
        .iter()
        .flat_map(|(service, text)| entries(service, text))
        .collect();
    let oldest = since.map(oldest);
    lines.retain(|entry| wanted(entry, args.level, oldest.as_deref()));
    lines.sort_by(|a, b| a.time.cmp(&b.time));
    let newest = &lines[lines.len().saturating_sub(args.lines)..];
    if cx.ui.json && !args.follow {
        let all: Vec<_> = newest.iter().map(Entry::json).collect();
        cx.ui.json(&serde_json::json!(all));
        return Ok(());
    }
    let show = |entry: &Entry| {
        ui::reaches(&if cx.ui.json {
            entry.json().to_string()
        } else {
            entry.show()
        })
    };
    if !newest.iter().all(show) || !args.follow {
        return Ok(());
    }
    // A reader that went away, such as `head`, ends it.
    let mut levels = BTreeMap::new();
    engine.follow(&services, &mut |service, text| {
        let mut all = entries(service, text);
        carry(service, &mut all, &mut levels);
        all.iter()
            .filter(|entry| wanted(entry, args.level, None))
            .all(show)
    })
}

/// Lines without a time that come by themselves belong to the record before them, and have its level.
fn carry(service: &str, all: &mut [Entry], levels: &mut BTreeMap<String, usize>) {
    if let Some(first) = all.first_mut().filter(|first| first.time.is_empty()) {
        first.level = levels.get(service).copied().unwrap_or(first.level);
    }
    if let Some(last) = all.last() {
        levels.insert(service.to_owned(), last.level);
    }
}

/// One record: a line with a time, and the lines without one that follow it (a traceback).
struct Entry {
    time: String,
    service: String,
    level: usize,
    text: String,
}

impl Entry {
    fn json(&self) -> serde_json::Value {
        let level = LEVEL_NAMES.get(self.level);
        serde_json::json!({ "time": self.time, "service": self.service, "level": level, "text": self.text })
    }

    fn show(&self) -> String {
        self.text
            .lines()
            .map(|line| format!("{:<22} {line}", self.service))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Cuts a log into records; all but Redis write the time first.
fn entries(service: &str, text: &str) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for line in text.lines() {
        match time(line) {
            None if !all.is_empty() => {
                if let Some(last) = all.last_mut() {
                    last.text.push('\n');
                    last.text.push_str(line);
                }
            }
            time => all.push(Entry {
                time: time.unwrap_or_default(),
                service: service.to_owned(),
                level: weight(line),
                text: line.to_owned(),
            }),
        }
    }
    all
}

/// `2026-11-23 16:00:00,123` or with a dot, nginx's `2026/11/23 16:00:00`, or Redis' own, in one form.
fn time(line: &str) -> Option<String> {
    time_first(line).or_else(|| time_of_redis(line))
}

/// `812:M 23 Nov 2026 16:00:00.123 * Ready` (Redis 7.0, `serverLogRaw`).
fn time_of_redis(line: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = line.split(' ');
    let (process, day, month) = (words.next()?, words.next()?, words.next()?);
    let (pid, role) = process.split_once(':')?;
    let number = |text: &str, long: usize| text.len() == long && text.bytes().all(|b| b.is_ascii_digit());
    if role.len() != 1 || !number(pid, pid.len()) || !number(day, 2) {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let year = words.next().filter(|year| number(year, 4))?;
    time_first(&format!("{year}-{month:02}-{day} {}", words.next()?))
}

fn time_first(line: &str) -> Option<String> {
    let line = line.strip_prefix(r#"{"time":""#).unwrap_or(line);
    let head = line.get(..19)?;
    let shape = head.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-' || byte == b'/',
        10 => byte == b' ' || byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let fraction = line
        .get(19..23)
        .filter(|f| f.starts_with([',', '.']))
        .unwrap_or(",000");
    shape.then(|| {
        format!(
            "{}{}",
            head.replace('/', "-").replace('T', " "),
            fraction.replace('.', ",")
        )
    })
}

fn weight(line: &str) -> usize {
    let words: Vec<&str> = line
        .split_whitespace()
        .take(8)
        .map(|word| word.trim_end_matches(':'))
        .collect();
    let found = (0..LEVELS.len())
        .rev()
        .find(|at| words.iter().any(|word| LEVELS[*at].contains(word)));
    found.unwrap_or(1)
}

fn wanted(entry: &Entry, level: Option<usize>, since: Option<&str>) -> bool {
    level.is_none_or(|level| entry.level >= level) && since.is_none_or(|since| entry.time.as_str() >= since)
}

fn seconds_ago(seconds: u64) -> i64 {
    let now = jiff::Timestamp::now().as_second();
    now - i64::try_from(seconds).unwrap_or(now)
}

/// Logs are in UTC: Odoo forces it, the others are told so.
fn oldest(since: i64) -> String {
    let then = jiff::Timestamp::from_second(since).unwrap_or_default();
    then.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Those of an environment, or one by its name.
fn services(mut all: Vec<String>, name: Option<&str>) -> Vec<String> {
    let of = |service: &str, name: &str| service == name || service.starts_with(&format!("{name}."));
    all.retain(|service| name.is_none_or(|name| of(service, name)));
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_stays_with_its_line_and_levels_are_known() {
        let text = "2026-11-23 16:00:00,123 45 ERROR prod odoo.http: oops \nTraceback:\n  File x\n\
                    2026-11-23 16:00:01.500 UTC [7] LOG:  ready\n2026/11/23 16:00:02 [error] 9#9: x\n";
        let all = entries("a", text);
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].text.lines().count(), 3);
        assert_eq!(all.iter().map(|e| e.level).collect::<Vec<_>>(), [3, 1, 3]);
        assert!(all[0].time < all[1].time && all[1].time < all[2].time);
    }

    #[test]
    fn a_traceback_that_comes_later_has_the_level_of_its_line() {
        let mut levels = BTreeMap::new();
        let mut level = |text: &str| {
            let mut all = entries("a", text);
            carry("a", &mut all, &mut levels);
            all.iter().map(|entry| entry.level).collect::<Vec<_>>()
        };
        assert_eq!(
            level("2026-11-23 16:00:00,123 45 ERROR prod odoo.http: oops \n"),
            [3]
        );
        assert_eq!(level("Traceback:\n  File x\n"), [3]);
        assert_eq!(
            level("ValueError: x\n2026-11-23 16:00:01,000 45 INFO prod odoo: y\n"),
            [3, 1]
        );
        assert_eq!(level("no time\n"), [1]);
    }

    #[test]
    fn every_program_that_says_something_says_when() {
        for (line, wanted) in [
            (
                "812:M 23 Nov 2026 16:00:00.123 * Ready",
                Some("2026-11-23 16:00:00,123"),
            ),
            (
                "2026-11-23 16:00:00,123 switched",
                Some("2026-11-23 16:00:00,123"),
            ),
            ("a:b 23 Nov 2026 16:00:00.123", None),
            ("  File \"x\", line 23", None),
        ] {
            assert_eq!(time(line).as_deref(), wanted, "{line}");
        }
    }
}
