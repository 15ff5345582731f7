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
        between: false,
    }
}

const NOW: &str = "2026-05-10T02:00:20Z";
const TODAY: &str = "2026-05-10T02:00:00Z";

fn judged(last: Option<Attempt>, running: bool) -> State {
    let past = Past {
        since: at(TODAY) - 30 * DAY,
        times: None,
        last,
    };
    judge(
        &"02:00".parse().unwrap(),
        &"UTC".parse().unwrap(),
        &past,
        running,
        at(NOW),
    )
}

#[test]
fn what_was_cut_off_to_the_end_of_its_attempts_is_given_up_until_the_next_time() {
    let at_attempt = |attempt, outcome| Past {
        since: 0,
        times: None,
        last: Some(Attempt {
            attempt,
            ..ran(at(TODAY), outcome)
        }),
    };
    assert!(!Past::new(0).given_up(false));
    for attempt in 1..3 {
        assert!(
            !at_attempt(attempt, Outcome::Running).given_up(false),
            "{attempt}"
        );
    }
    let last = at_attempt(3, Outcome::Running);
    assert!(last.given_up(false) && !last.given_up(true));
    assert_eq!(
        judged(last.last, false),
        State::Waits {
            until: at(TODAY) + DAY
        }
    );
    for ended in [Outcome::Done, Outcome::Locked, Outcome::Failed(None)] {
        assert!(!at_attempt(3, ended).given_up(false));
    }
}

#[test]
fn what_to_do_follows_from_the_past() {
    let today = at(TODAY);
    let due = |missed, attempt| State::Due {
        due: today,
        missed,
        attempt,
    };
    let waits = State::Waits { until: today + DAY };
    let table = [
        (0, Outcome::Done, waits.clone()),
        (-1, Outcome::Done, due(0, 1)),
        (-3, Outcome::Done, due(2, 1)),
        (0, Outcome::Failed(Some(1)), waits.clone()),
        (-1, Outcome::Failed(None), due(0, 1)),
        (0, Outcome::Running, due(0, 2)),
        (0, Outcome::Locked, due(0, 1)),
    ];
    for (days, outcome, wanted) in table {
        let last = ran(today + days * DAY, outcome);
        assert_eq!(
            judged(Some(last), false),
            wanted,
            "{outcome:?} {days} days from now"
        );
    }
    let mut locked = ran(today, Outcome::Locked);
    locked.ended = Some(at(NOW) - 10);
    let soon = State::Waits { until: at(NOW) + 20 };
    assert_eq!(judged(Some(locked), false), soon, "not at once");
    assert_eq!(judged(Some(ran(today, Outcome::Running)), true), waits, "it runs");
    let mut third = ran(today, Outcome::Running);
    third.attempt = 3;
    assert_eq!(judged(Some(third), false), waits, "cut off three times");
    assert_eq!(judged(None, false), due(29, 1), "never begun");
}

/// Begun by hand ten minutes before the time of today, and over ten seconds after it.
fn by_hand(outcome: Outcome) -> Attempt {
    let past = Past {
        since: 0,
        times: None,
        last: Some(ran(at(TODAY) - DAY, Outcome::Done)),
    };
    let (when, zone) = ("02:00".parse().unwrap(), "UTC".parse().unwrap());
    let begun = past.begin(&when, &zone, at(TODAY) - 600);
    assert_eq!((begun.due, begun.between), (at(TODAY) - DAY, true));
    Attempt {
        ended: (outcome != Outcome::Running).then_some(at(TODAY) + 10),
        outcome,
        ..begun
    }
}

#[test]
fn a_time_that_comes_while_the_job_is_run_by_hand_needs_no_run_of_its_own() {
    let today = State::Due {
        due: at(TODAY),
        missed: 0,
        attempt: 1,
    };
    let waits = State::Waits {
        until: at(TODAY) + DAY,
    };
    assert_eq!(judged(Some(by_hand(Outcome::Done)), false), waits);
    let mut before = by_hand(Outcome::Done);
    before.ended = Some(at(TODAY) - 1);
    assert_eq!(judged(Some(before), false), today, "it was over before the time");
    for outcome in [Outcome::Failed(Some(1)), Outcome::Locked, Outcome::Running] {
        assert_eq!(judged(Some(by_hand(outcome)), false), today, "{outcome:?}");
    }
    // The backup of last night that takes a whole day makes up for no other.
    let mut long = ran(at(TODAY) - DAY, Outcome::Done);
    long.ended = Some(at(TODAY) + 10);
    assert_eq!(judged(Some(long), false), today);
}

#[test]
fn what_was_begun_by_hand_between_two_times_is_nobodys_to_begin_again() {
    let (when, zone): (When, Zone) = ("02:00".parse().unwrap(), "UTC".parse().unwrap());
    for outcome in [Outcome::Locked, Outcome::Running] {
        let past = Past {
            since: 0,
            times: None,
            last: Some(by_hand(outcome)),
        };
        let before = at(TODAY) - 60;
        let until = State::Waits { until: at(TODAY) };
        assert_eq!(judge(&when, &zone, &past, false, before), until, "{outcome:?}");
        assert!(!past.overdue(&when, &zone, false, before));
    }
}

#[test]
fn a_run_by_hand_is_for_the_time_that_is_due() {
    let begun = |last: Option<Attempt>| {
        let past = Past {
            since: at(TODAY) - 3 * DAY,
            times: None,
            last,
        };
        let begun = past.begin(&"02:00".parse().unwrap(), &"UTC".parse().unwrap(), at(NOW));
        assert_eq!(begun.due, at(TODAY));
        (begun.missed, begun.attempt, begun.between)
    };
    assert_eq!(begun(None), (2, 1, false));
    assert_eq!(begun(Some(ran(at(TODAY), Outcome::Running))), (0, 2, false));
    assert_eq!(begun(Some(ran(at(TODAY), Outcome::Done))), (0, 1, true));
    // It waits for its next try, which this one is.
    let mut locked = ran(at(TODAY), Outcome::Locked);
    locked.ended = Some(at(NOW) - 1);
    assert_eq!(begun(Some(locked)), (0, 1, false));
}

#[test]
fn of_times_that_the_file_did_not_have_yet_none_was_missed() {
    let (sunday, later): (When, When) = ("Sun 05:00".parse().unwrap(), "Sun 11:00".parse().unwrap());
    let utc: Zone = "UTC".parse().unwrap();
    // Sunday, 10 May 2026, after the copy of that morning was made.
    let (now, made) = (at("2026-05-10T12:00:00Z"), at("2026-05-10T05:00:00Z"));
    let mut past = Past::new(made - 30 * DAY);
    assert!(past.follow(&sunday, &utc, made - 30 * DAY));
    past.last = Some(ran(made - 7 * DAY, Outcome::Done));
    assert!(!past.follow(&sunday, &utc, now));
    let due = |when: &When, zone: &Zone, past: &Past| {
        matches!(judge(when, zone, past, false, now), State::Due { .. })
    };
    assert!(due(&sunday, &utc, &past), "an unchanged one is caught up");
    past.last = Some(ran(made, Outcome::Done));
    // Both have come since, at eleven here and at five in the west; neither was a time of the job then.
    for (when, zone) in [(&later, &utc), (&sunday, &"America/New_York".parse().unwrap())] {
        let mut changed = past.clone();
        assert!(due(when, zone, &changed));
        assert!(changed.follow(when, zone, now));
        assert!(!due(when, zone, &changed), "{when} {zone}");
        assert_eq!(changed.last, past.last);
    }
    let mut old: Past = serde_json::from_str(r#"{ "since": 7, "last": null }"#).unwrap();
    assert!(
        old.follow(&sunday, &utc, now) && old.since == 7,
        "written before times were kept"
    );
}

#[test]
fn a_new_job_has_missed_nothing_and_one_that_nobody_begins_is_overdue() {
    let (when, zone): (When, Zone) = ("02:00".parse().unwrap(), "UTC".parse().unwrap());
    let (now, today) = (at(NOW), at(TODAY));
    let new = Past::new(now);
    assert_eq!(
        judge(&when, &zone, &new, false, now),
        State::Waits { until: today + DAY }
    );
    assert!(!new.overdue(&when, &zone, false, now + 3600));
    let old = Past::new(today - DAY);
    assert!(!old.overdue(&when, &zone, false, now) && old.overdue(&when, &zone, false, now + 3600));
    assert!(!old.overdue(&when, &zone, true, now + 3600));
}

#[test]
fn what_a_clock_that_was_ahead_wrote_silences_nothing() {
    let in_a_year = ran(at(TODAY) + 365 * DAY, Outcome::Done);
    let due = State::Due {
        due: at(TODAY),
        missed: 0,
        attempt: 1,
    };
    assert_eq!(judged(Some(in_a_year), false), due);
    // A clock that was set back by an hour begins nothing twice.
    let waits = State::Waits {
        until: at(TODAY) + DAY,
    };
    assert_eq!(judged(Some(ran(at(TODAY), Outcome::Done)), false), waits);
}

#[test]
fn production_is_backed_up_and_proven_at_the_times_of_the_file() {
    let jobs = |more: &str| {
        let file = format!(
            "format = 1\n[backup]\nschedule = \"02:00\"\ndrill = \"Sun 04:00\"\n{more}[environments.production]\ndomain = \"erp.example.com\"\n\
             [environments.staging]\ndomain = \"s.example.com\"\nrefresh = \"Sun 05:00\"\n\
             [environments.dev]\nkind = \"development\"\n"
        );
        let spec = crate::spec::load(&file, &crate::spec::LoadContext::new("/opt/x/repo"))
            .unwrap()
            .spec;
        let jobs = super::jobs(&spec);
        let of_backups = jobs.into_iter().filter(|job| job.run[0] != "renew");
        of_backups
            .map(|job| format!("{}: {}", job.name, job.run.join(" ")))
            .collect::<Vec<_>>()
    };
    let with = |more: &str| {
        vec![
            format!("backup-production: backup create production --forget{more}"),
            "drill-production: backup drill --of production".to_owned(),
            "refresh-staging: restore latest --of production --to staging --discard-replaced --yes"
                .to_owned(),
        ]
    };
    assert_eq!(jobs(""), with(""));
    let offsite = "[backup.offsite]\ndirectory = \"/mnt/backups\"\n";
    assert_eq!(jobs(offsite), with(" --offsite"));
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
    #![proptest_config(ProptestConfig::with_cases(24))]

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
