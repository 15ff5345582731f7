//! What the file says under `keep`.
use std::fmt;
use std::str::FromStr;

use jiff::{Span, Timestamp, Zoned};

/// `keep = { last, hourly, daily, weekly, monthly, yearly, within }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Keep {
    /// The newest ones.
    pub last: u32,
    /// One for each of the last hours that have one.
    pub hourly: u32,
    /// One for each of the last days that have one.
    pub daily: u32,
    /// One for each of the last weeks (ISO 8601) that have one.
    pub weekly: u32,
    /// One for each of the last months that have one.
    pub monthly: u32,
    /// One for each of the last years that have one.
    pub yearly: u32,
    /// Everything so long before the newest one.
    pub within: Option<Within>,
}

/// A length of time in calendar units: `1y5m7d2h` (`m` is a month), as restic writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Years.
    pub years: u32,
    /// Months.
    pub months: u32,
    /// Days.
    pub days: u32,
    /// Hours.
    pub hours: u32,
}

/// A text that is no [`Within`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length such as `30d` or `1y6m` (years, months, days, hours: `y`, `m`, `d`, `h`)")]
pub struct BadWithin(pub String);

pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) count: u32,
    /// Equal for snapshots of one bucket; the number of the snapshot makes each its own.
    pub(super) bucket: fn(&Zoned, usize) -> (i64, i64),
}

impl Keep {
    /// Whether nothing is said: then everything is kept.
    pub fn is_empty(&self) -> bool {
        self.rules().iter().all(|rule| rule.count == 0) && self.within.is_none()
    }

    pub(super) fn rules(&self) -> [Rule; 6] {
        let rule = |name, count, bucket| Rule { name, count, bucket };
        [
            rule("last", self.last, |_, at| {
                (i64::try_from(at).unwrap_or(i64::MAX), 0)
            }),
            rule("hourly", self.hourly, |time, _| (day(time), time.hour().into())),
            rule("daily", self.daily, |time, _| (day(time), 0)),
            rule("weekly", self.weekly, |time, _| {
                let week = time.date().iso_week_date();
                (week.year().into(), week.week().into())
            }),
            rule("monthly", self.monthly, |time, _| {
                (time.year().into(), time.month().into())
            }),
            rule("yearly", self.yearly, |time, _| (time.year().into(), 0)),
        ]
    }
}

fn day(time: &Zoned) -> i64 {
    i64::from(time.year()) * 1000 + i64::from(time.day_of_year())
}

impl Within {
    /// The moment so long before `time`; a day that a month does not have runs over into the next one, as in restic.
    pub(super) fn before(self, time: &Zoned) -> Timestamp {
        let months = i64::from(time.year()) * 12 + i64::from(time.month()) - 1;
        let months = months - i64::from(self.years) * 12 - i64::from(self.months);
        let first = i16::try_from(months.div_euclid(12))
            .ok()
            .zip(i8::try_from(months.rem_euclid(12) + 1).ok())
            .and_then(|(year, month)| jiff::civil::Date::new(year, month, 1).ok());
        let days = Span::new().try_days(i64::from(time.day()) - 1 - i64::from(self.days));
        let day = first
            .zip(days.ok())
            .and_then(|(first, days)| first.checked_add(days).ok());
        let moment = day.and_then(|day| {
            day.to_datetime(time.time())
                .to_zoned(time.time_zone().clone())
                .ok()
        });
        let hours = jiff::SignedDuration::from_hours(self.hours.into());
        // So long ago that no calendar has it: everything is within.
        moment
            .and_then(|moment| moment.timestamp().checked_sub(hours).ok())
            .unwrap_or(Timestamp::MIN)
    }

    /// Whether it is no length at all.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl FromStr for Within {
    type Err = BadWithin;

    fn from_str(text: &str) -> Result<Self, BadWithin> {
        let wrong = || BadWithin(text.to_owned());
        let mut within = Self::default();
        let mut rest = text;
        // In this order, each at most once.
        for (unit, field) in [
            ('y', &mut within.years),
            ('m', &mut within.months),
            ('d', &mut within.days),
            ('h', &mut within.hours),
        ] {
            if let Some((number, after)) = rest.split_once(unit) {
                *field = number.parse().map_err(|_| wrong())?;
                rest = after;
            }
        }
        if rest.is_empty() && !within.is_zero() && !text.contains('+') {
            Ok(within)
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.years, 'y'),
            (self.months, 'm'),
            (self.days, 'd'),
            (self.hours, 'h'),
        ];
        parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .try_for_each(|(number, unit)| write!(f, "{number}{unit}"))
    }
}

impl serde::Serialize for Within {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn lengths_are_read_as_restic_reads_them() {
        let all: Within = "1y5m7d2h".parse().unwrap();
        assert_eq!((all.years, all.months, all.days, all.hours), (1, 5, 7, 2));
        assert_eq!(all.to_string(), "1y5m7d2h");
        assert_eq!("30d".parse::<Within>().unwrap().days, 30);
        for wrong in ["", "30", "d", "1d1y", "-1d", "1w", "0d", "+1d"] {
            assert!(wrong.parse::<Within>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_month_back_from_its_last_day_runs_over() {
        let before = |text: &str, within: &str| {
            let time: Zoned = text.parse().unwrap();
            let moment = within.parse::<Within>().unwrap().before(&time);
            moment.to_zoned(time.time_zone().clone()).date()
        };
        // 31 February is 3 March.
        assert_eq!(before("2026-03-31T12:00[UTC]", "1m"), date(2026, 3, 3));
        assert_eq!(before("2024-02-29T12:00[UTC]", "1y"), date(2023, 3, 1));
        assert_eq!(before("2026-01-10T12:00[UTC]", "10d"), date(2025, 12, 31));
        assert_eq!(before("2026-01-10T01:00[UTC]", "2h"), date(2026, 1, 9));
    }
}
