//! When the jobs of the file are due: a pure question of times, zone and what has run before.
mod due;
mod jobs;
#[cfg(test)]
mod tests;
mod zone;

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::{Span, Timestamp, ToSpan, Zoned};

pub use due::{Attempt, CATCH_UP, Outcome, Past, State, judge};
pub use jobs::{FORMAT, Job, Table, jobs};
pub use zone::{UnknownZone, Zone};

/// Days ahead in which a weekly time must come, with one to spare for a day that a zone skipped.
const HORIZON: i64 = 9;

/// A time of day, on every day or on some days of the week: `02:00`, `Sun 03:00`, `Mon,Thu 22:30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// Empty: every day; else in the order of the week, each once.
    days: Vec<Weekday>,
    hour: i8,
    minute: i8,
}

/// A text that is no [`When`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time such as `02:00` or `Sun 03:00`")]
pub struct BadWhen(pub String);

/// Names of the days as they are written, Monday first.
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl FromStr for When {
    type Err = BadWhen;

    fn from_str(text: &str) -> Result<Self, BadWhen> {
        let wrong = || BadWhen(text.to_owned());
        let (days, time) = match text.split_once(' ') {
            Some((days, time)) => (days.split(',').map(day).collect::<Option<Vec<_>>>(), time),
            None => (Some(Vec::new()), text),
        };
        let mut days = days.ok_or_else(wrong)?;
        days.sort_by_key(|day| day.to_monday_zero_offset());
        let count = days.len();
        days.dedup();
        let (hour, minute) = clock(time).ok_or_else(wrong)?;
        if days.len() == count {
            Ok(Self { days, hour, minute })
        } else {
            Err(wrong())
        }
    }
}

fn day(text: &str) -> Option<Weekday> {
    DAYS.iter().find(|(name, _)| *name == text).map(|(_, day)| *day)
}

fn clock(text: &str) -> Option<(i8, i8)> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let (h, m) = (hour.parse().ok()?, minute.parse().ok()?);
    (two(hour) && two(minute) && (0..24).contains(&h) && (0..60).contains(&m)).then_some((h, m))
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.names();
        let gap = if days.is_empty() { "" } else { " " };
        f.pad(&format!("{days}{gap}{:02}:{:02}", self.hour, self.minute))
    }
}

impl serde::Serialize for When {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for When {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl When {
    /// Every day at this time.
    const fn daily(hour: i8, minute: i8) -> Self {
        Self {
            days: Vec::new(),
            hour,
            minute,
        }
    }

    fn names(&self) -> String {
        let name = |day: &Weekday| DAYS[usize::from(day.to_monday_zero_offset().unsigned_abs())].0;
        self.days.iter().map(name).collect::<Vec<_>>().join(",")
    }

    /// The first time after `after`, in seconds since 1970.
    ///
    /// A time that a day skips (clocks go forward) is that much later on it; one that a day has twice counts once, the
    /// first time.
    pub fn next(&self, zone: &Zone, after: i64) -> i64 {
        let start = local(zone, after);
        (-1..=HORIZON)
            .filter_map(|days| self.on(&start, days.days()))
            .find(|time| *time > after)
            .unwrap_or(i64::MAX)
    }

    /// The last time that is not after `until`.
    pub fn last(&self, zone: &Zone, until: i64) -> i64 {
        let start = local(zone, until);
        (-1..=HORIZON)
            .filter_map(|days| self.on(&start, (-days).days()))
            .find(|time| *time <= until)
            .unwrap_or(i64::MIN)
    }

    /// How many times there are after `after` and not after `until`; a year's worth is enough to know.
    pub fn count(&self, zone: &Zone, after: i64, until: i64) -> u32 {
        let mut count = 0;
        let mut time = self.next(zone, after);
        while time <= until && count < 366 {
            count += 1;
            time = self.next(zone, time);
        }
        count
    }

    fn on(&self, start: &Zoned, away: Span) -> Option<i64> {
        let date = start.date().checked_add(away).ok()?;
        let wanted = self.days.is_empty() || self.days.contains(&date.weekday());
        let time = Time::new(self.hour, self.minute, 0, 0).ok()?;
        let zoned = date.to_datetime(time).to_zoned(start.time_zone().clone()).ok()?;
        wanted.then(|| zoned.timestamp().as_second())
    }

    /// The same for systemd.
    ///
    /// # Source
    /// systemd 252, systemd.time(7), "CALENDAR EVENTS".
    pub fn on_calendar(&self, zone: &Zone) -> String {
        let days = self.names();
        let gap = if days.is_empty() { "" } else { " " };
        format!("{days}{gap}*-*-* {:02}:{:02}:00 {zone}", self.hour, self.minute)
    }
}

fn local(zone: &Zone, second: i64) -> Zoned {
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned(zone.rules())
}
