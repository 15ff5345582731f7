//! Times through a year, a change of clocks, a machine that was off, a clock that was wrong.
use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;

fn paris() -> Zone {
    "Europe/Paris".parse().unwrap()
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

fn shown(second: i64) -> String {
    Timestamp::from_second(second).unwrap().to_string()
}

#[test]
fn reads_back_what_it_prints_and_refuses_the_rest() {
    for text in [
        "02:00",
        "Sun 03:00",
        "Mon,Thu 22:30",
        "Mon,Tue,Wed,Thu,Fri,Sat,Sun 00:00",
        "23:59",
    ] {
        assert_eq!(text.parse::<When>().unwrap().to_string(), text);
    }
    assert_eq!(
        "Sun,Mon 03:00".parse::<When>().unwrap().to_string(),
        "Mon,Sun 03:00"
    );
    for text in [
        "",
        "2:00",
        "24:00",
        "02:60",
        "sun 03:00",
        "Sun,Sun 03:00",
        "Sun03:00",
        "Sun 03",
        "02:00 ",
        "+2:00",
    ] {
        assert!(text.parse::<When>().is_err(), "{text}");
    }
}

#[test]
fn a_zone_is_a_name_of_the_database() {
    assert_eq!(paris().to_string(), "Europe/Paris");
    for text in ["europe/paris", "Paris", "", "../UTC"] {
        assert!(text.parse::<Zone>().is_err(), "{text}");
    }
}

#[test]
fn a_night_that_skips_the_hour_and_one_that_has_it_twice_count_once() {
    let when: When = "02:30".parse().unwrap();
    // 29 March 2026: 02:00 becomes 03:00. 25 October 2026: 03:00 becomes 02:00.
    let table = [
        ("2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
        ("2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
        ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
    ];
    for (after, next) in table {
        assert_eq!(shown(when.next(&paris(), at(after))), next, "after {after}");
        assert_eq!(shown(when.last(&paris(), at(next))), next);
    }
}

#[test]
fn a_weekly_time_comes_once_a_week_in_local_time() {
    let when: When = "Sun 03:00".parse().unwrap();
    let mut time = at("2026-01-01T00:00:00Z");
    for _ in 0..52 {
        time = when.next(&paris(), time);
        let local = local(&paris(), time);
        assert_eq!(
            (local.weekday(), local.hour(), local.minute()),
            (Weekday::Sunday, 3, 0)
        );
    }
    assert_eq!(shown(time), "2026-12-27T02:00:00Z");
    assert_eq!(when.on_calendar(&paris()), "Sun *-*-* 03:00:00 Europe/Paris");
}

#[test]
fn a_day_that_a_zone_skipped_has_no_time() {
    // Samoa had no 30 December 2011.
    let when: When = "12:00".parse().unwrap();
    let zone: Zone = "Pacific/Apia".parse().unwrap();
    let first = when.next(&zone, at("2011-12-29T00:00:00Z"));
    assert_eq!(shown(first), "2011-12-29T22:00:00Z");
    assert_eq!(shown(when.next(&zone, first)), "2011-12-30T22:00:00Z");
}

fn ran(due: i64, outcome: Outcome) -> Attempt {
    Attempt {
        due,
        started: due + 5,
        ended: (outcome != Outcome::Running).then_some(due + 60),
        outcome,
        missed: 0,
        attempt: 1,
        said: None,
    }
}

#[test]
fn what_to_do_follows_from_the_past() {
    let when: When = "02:00".parse().unwrap();
    let zone: Zone = "UTC".parse().unwrap();
    let now = at("2026-05-10T02:00:20Z");
    let today = at("2026-05-10T02:00:00Z");
    let due = |missed, attempt| State::Due {
        due: today,
        missed,
        attempt,
    };
    let waits = State::Waits { until: today + DAY };
    let past = |since, last| Past { since, last };
    let long_ago = today - 30 * DAY;
    let table = [
        ("new since an hour", past(today - 3600, None), false, due(0, 1)),
        ("new since just now", past(now, None), false, waits.clone()),
        (
            "done today",
            past(long_ago, Some(ran(today, Outcome::Done))),
            false,
            waits.clone(),
        ),
        (
            "done yesterday",
            past(long_ago, Some(ran(today - DAY, Outcome::Done))),
            false,
            due(0, 1),
        ),
        (
            "off for three days",
            past(long_ago, Some(ran(today - 3 * DAY, Outcome::Done))),
            false,
            due(2, 1),
        ),
        (
            "failed today",
            past(long_ago, Some(ran(today, Outcome::Failed(Some(1))))),
            false,
            waits.clone(),
        ),
        (
            "runs",
            past(long_ago, Some(ran(today, Outcome::Running))),
            true,
            waits.clone(),
        ),
        (
            "was cut off",
            past(long_ago, Some(ran(today, Outcome::Running))),
            false,
            due(0, 2),
        ),
        (
            "found the door locked",
            past(long_ago, Some(ran(today, Outcome::Locked))),
            false,
            due(0, 1),
        ),
        (
            "ran in a year to come",
            past(long_ago, Some(ran(today + 365 * DAY, Outcome::Done))),
            false,
            waits.clone(),
        ),
    ];
    for (what, past, running, wanted) in table {
        assert_eq!(judge(&when, &zone, &past, running, now), wanted, "{what}");
    }
    let mut cut = ran(today, Outcome::Running);
    cut.attempt = 3;
    assert_eq!(
        judge(&when, &zone, &past(long_ago, Some(cut)), false, now),
        waits,
        "cut off three times"
    );
    // The wrong clock is back in order: the next night it runs.
    let wrong = past(long_ago, Some(ran(today + 365 * DAY, Outcome::Done)));
    assert!(!wrong.overdue(&when, &zone, false, now));
    assert!(past(long_ago, None).overdue(&when, &zone, false, now + 3600));
    assert!(!past(long_ago, None).overdue(&when, &zone, false, now));
}

#[test]
fn the_table_of_jobs_comes_back_from_its_json() {
    let file = "format = 1\n[environments.production]\ndomain = \"erp.example.com\"\n";
    let spec = crate::spec::load(file, &crate::spec::LoadContext::new("/opt/x/repo"))
        .unwrap()
        .spec;
    let table = Table::of(&spec);
    assert_eq!(table.jobs[0].name, "certificates");
    let text = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<Table>(&text).unwrap(), table);
}

proptest! {
    /// A scheduler that looks at any moments, is off at times and whose runs all end well: every time of the schedule has a run or
    /// is counted as missed, and none has two.
    #[test]
    fn every_time_is_run_or_counted(steps in proptest::collection::vec(1_i64..200_000, 1..60), weekly: bool) {
        let when: When = if weekly { "Wed 02:30" } else { "02:30" }.parse().unwrap();
        let start = at("2026-01-01T00:00:00Z");
        let mut past = Past::new(start);
        let mut now = start;
        let mut handled = 0;
        for step in steps {
            now += step;
            if let State::Due { due, missed, attempt } = judge(&when, &paris(), &past, false, now) {
                handled += missed + 1;
                prop_assert!(due <= now && attempt == 1);
                past.last = Some(Attempt { missed, ..ran(due, Outcome::Done) });
            }
        }
        prop_assert_eq!(handled, when.count(&paris(), start, now));
    }

    #[test]
    fn next_and_last_are_neighbours(second in 0_i64..4_000_000_000, text in "(Mon |Sat,Sun )?(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]") {
        let when: When = text.parse().unwrap();
        let next = when.next(&paris(), second);
        prop_assert!(when.last(&paris(), second) <= second && second < next);
        prop_assert_eq!(when.last(&paris(), next), next);
        prop_assert_eq!(when.last(&paris(), next - 1), when.last(&paris(), second));
    }
}
