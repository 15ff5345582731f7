//! Tables, and what holds for any policy and any history.
use jiff::ToSpan;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn plain(times: &[&str]) -> Vec<Candidate> {
    let one = |time: &&str| Candidate {
        id: (*time).to_owned(),
        time: at(time),
        pinned: false,
        proven: false,
    };
    times.iter().map(one).collect()
}

fn zone(name: &str) -> TimeZone {
    name.parse::<crate::schedule::Zone>().unwrap().rules()
}

fn keeps(group: &[Candidate], keep: Keep, zone_name: &str, now: &str) -> Vec<String> {
    let verdicts = judge(group, &keep, &zone(zone_name), at(now));
    verdicts
        .iter()
        .filter(|v| v.keep)
        .map(|v| format!("{} {}", v.id, v.reasons.join(", ")))
        .collect()
}

const NOW: &str = "2026-12-31T00:00:00Z";

/// Six nights, and one under a clock that is wrong, or after months.
fn nights_and(last: &str) -> Vec<Candidate> {
    let nights = [1, 2, 3, 4, 5, 6].map(|day| format!("2026-11-0{day}T02:00:00Z"));
    let all: Vec<&str> = nights.iter().map(String::as_str).chain([last]).collect();
    plain(&all)
}

fn leaps(group: &[Candidate], keep: Keep) -> Option<i64> {
    let verdicts = judge(group, &keep, &zone("UTC"), at("2027-12-31T00:00:00Z"));
    leap(verdicts.iter().map(|verdict| (at(&verdict.id), verdict)))
}

#[test]
fn a_clock_far_ahead_takes_nothing_unattended() {
    let within: Within = "30d".parse().unwrap();
    let keep = Keep {
        within: Some(within),
        ..Keep::default()
    };
    assert_eq!(leaps(&nights_and("2027-11-06T02:00:00Z"), keep), Some(365));
    assert_eq!(leaps(&nights_and("2026-12-08T02:00:00Z"), keep), Some(32));
    // One night after the other; and days without any count for nothing where days are counted.
    assert_eq!(leaps(&nights_and("2026-11-07T02:00:00Z"), keep), None);
    let daily = Keep {
        daily: 7,
        ..Keep::default()
    };
    assert_eq!(leaps(&nights_and("2027-11-06T02:00:00Z"), daily), None);
    // Somebody asks for fewer.
    let last = Keep {
        last: 1,
        ..Keep::default()
    };
    assert_eq!(leaps(&nights_and("2026-11-07T02:00:00Z"), last), None);
}

#[test]
fn days_that_have_none_do_not_count() {
    let group = plain(&[
        "2026-11-01T02:00:00Z",
        "2026-11-09T02:00:00Z",
        "2026-11-20T02:00:00Z",
        "2026-11-20T08:00:00Z",
    ]);
    let keep = Keep {
        daily: 2,
        ..Keep::default()
    };
    assert_eq!(
        keeps(&group, keep, "UTC", NOW),
        ["2026-11-20T08:00:00Z daily", "2026-11-09T02:00:00Z daily"]
    );
}

#[test]
fn the_oldest_stays_while_a_rule_has_not_found_enough() {
    let group = plain(&[
        "2026-11-20T01:00:00Z",
        "2026-11-20T02:00:00Z",
        "2026-11-20T03:00:00Z",
    ]);
    let keep = Keep {
        monthly: 3,
        ..Keep::default()
    };
    assert_eq!(
        keeps(&group, keep, "UTC", NOW),
        [
            "2026-11-20T03:00:00Z monthly",
            "2026-11-20T01:00:00Z oldest of monthly"
        ]
    );
}

#[test]
fn a_day_is_one_of_the_time_zone_also_when_its_clocks_change() {
    // 25 October 2026: an hour comes twice in Paris; both snapshots are of one hour of one day there.
    let group = plain(&[
        "2026-10-24T21:30:00Z",
        "2026-10-24T22:30:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
    ]);
    let keep = Keep {
        daily: 2,
        ..Keep::default()
    };
    assert_eq!(
        keeps(&group, keep, "Europe/Paris", NOW),
        ["2026-10-25T01:30:00Z daily", "2026-10-24T21:30:00Z daily"]
    );
    assert_eq!(
        keeps(&group, keep, "UTC", NOW),
        ["2026-10-25T01:30:00Z daily", "2026-10-24T22:30:00Z daily"]
    );
    let keep = Keep {
        hourly: 3,
        ..Keep::default()
    };
    assert_eq!(
        keeps(&group, keep, "Europe/Paris", NOW),
        [
            "2026-10-25T01:30:00Z hourly",
            "2026-10-24T22:30:00Z hourly",
            "2026-10-24T21:30:00Z hourly"
        ]
    );
}

#[test]
fn what_is_pinned_proven_or_from_the_future_stays_and_takes_nobodys_place() {
    let mut group = plain(&[
        "2026-11-01T00:00:00Z",
        "2026-11-02T00:00:00Z",
        "2026-11-03T00:00:00Z",
        "2027-11-03T00:00:00Z",
    ]);
    group[0].pinned = true;
    group[1].proven = true;
    let keep = Keep {
        last: 1,
        ..Keep::default()
    };
    assert_eq!(
        keeps(&group, keep, "UTC", "2026-11-04T00:00:00Z"),
        [
            "2027-11-03T00:00:00Z from the future, not judged",
            "2026-11-03T00:00:00Z last",
            "2026-11-02T00:00:00Z last proven",
            "2026-11-01T00:00:00Z pinned",
        ]
    );
}

#[test]
fn without_a_policy_everything_stays() {
    let group = plain(&["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"]);
    assert_eq!(keeps(&group, Keep::default(), "UTC", NOW).len(), 2);
}

/// A year of nights: some are missed, some have several, the clock changes twice, and once it was wrong.
fn history() -> impl Strategy<Value = Vec<Candidate>> {
    let night = (0_i64..4, 0_i64..86_400, any::<bool>(), 0_u8..40, 0_u8..20);
    proptest::collection::vec(night, 1..400).prop_map(|nights| {
        let mut day = 0;
        let start = at("2025-11-01T00:00:00Z");
        let mut all = Vec::new();
        for (number, (gap, second, wrong_clock, pinned, proven)) in nights.into_iter().enumerate() {
            day += gap;
            let jump = if wrong_clock && number == 100 { 365 } else { 0 };
            let time = start + ((day + jump) * 86_400 + second).seconds();
            all.push(Candidate {
                id: format!("{number:04}"),
                time,
                pinned: pinned == 0,
                proven: proven == 0,
            });
        }
        all
    })
}

fn policy() -> impl Strategy<Value = Keep> {
    let within = proptest::option::of((0_u32..2, 0_u32..3, 0_u32..40, 1_u32..30));
    (
        0_u32..5,
        0_u32..5,
        0_u32..9,
        0_u32..6,
        0_u32..14,
        0_u32..3,
        within,
    )
        .prop_map(|(last, hourly, daily, weekly, monthly, yearly, within)| Keep {
            last,
            hourly,
            daily,
            weekly,
            monthly,
            yearly,
            within: within.map(|(years, months, days, hours)| Within {
                years,
                months,
                days,
                hours,
            }),
        })
}

fn zones() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "UTC",
        "Europe/Paris",
        "America/New_York",
        "Asia/Kathmandu",
        "Pacific/Apia",
    ])
}

proptest! {
    #[test]
    fn nothing_that_must_stay_is_removed(group in history(), keep in policy(), name in zones()) {
        let now = at("2026-10-30T12:00:00Z");
        let verdicts = judge(&group, &keep, &zone(name), now);
        prop_assert_eq!(verdicts.len(), group.len());
        let kept = |id: &str| verdicts.iter().any(|v| v.id == id && v.keep);
        for s in &group {
            prop_assert!(!(s.pinned || s.time > now) || kept(&s.id), "{:?}", s);
        }
        let newest = |which: &dyn Fn(&Candidate) -> bool| {
            let past = group.iter().filter(|s| s.time <= now && which(s));
            past.max_by(|a, b| a.time.cmp(&b.time).then_with(|| b.id.cmp(&a.id)))
        };
        if let Some(proven) = newest(&|s| s.proven) {
            prop_assert!(kept(&proven.id), "the last proven one: {:?}", proven);
        }
        if let Some(last) = newest(&|_| true) {
            prop_assert!(kept(&last.id), "a group is never emptied, and its newest is never the one that goes: {:?}", last);
        }
    }

    #[test]
    fn what_was_kept_is_kept_again(group in history(), keep in policy(), name in zones()) {
        let now = at("2027-12-30T12:00:00Z");
        let first = judge(&group, &keep, &zone(name), now);
        let left: Vec<Candidate> =
            group.into_iter().filter(|s| first.iter().any(|v| v.id == s.id && v.keep)).collect();
        let again = judge(&left, &keep, &zone(name), now);
        prop_assert!(again.iter().all(|v| v.keep), "{:?}", again);
    }

    #[test]
    fn a_longer_policy_keeps_no_less(group in history(), keep in policy(), more in 0_u32..4, name in zones()) {
        let now = at("2026-10-30T12:00:00Z");
        prop_assume!(!keep.is_empty());
        let longer = Keep { daily: keep.daily + more, weekly: keep.weekly + more, ..keep };
        let (short, long) = (judge(&group, &keep, &zone(name), now), judge(&group, &longer, &zone(name), now));
        for (a, b) in short.iter().zip(&long) {
            prop_assert_eq!(&a.id, &b.id);
            prop_assert!(!a.keep || b.keep, "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn no_rule_keeps_more_than_it_says(group in history(), keep in policy(), name in zones()) {
        let now = at("2026-10-30T12:00:00Z");
        let verdicts = judge(&group, &keep, &zone(name), now);
        for rule in keep.rules() {
            let oldest = format!("oldest of {}", rule.name);
            let count = verdicts.iter().filter(|v| v.reasons.iter().any(|r| r == rule.name || *r == oldest)).count();
            prop_assert!(count <= rule.count as usize, "{}: {count}", rule.name);
        }
    }

    #[test]
    fn the_future_changes_no_verdict_of_the_past(group in history(), keep in policy(), name in zones()) {
        let now = at("2026-10-30T12:00:00Z");
        let past: Vec<Candidate> = group.iter().filter(|s| s.time <= now).cloned().collect();
        let (with, without) = (judge(&group, &keep, &zone(name), now), judge(&past, &keep, &zone(name), now));
        let with: Vec<_> = with.into_iter().filter(|v| past.iter().any(|s| s.id == v.id)).collect();
        prop_assert_eq!(with, without);
    }
    #[test]
    fn a_clock_set_back_takes_nothing_that_the_right_one_keeps(
        group in history(), keep in policy(), back in 1_i64..20_000, name in zones()
    ) {
        let now = at("2026-10-30T12:00:00Z");
        let (right, wrong) = (
            judge(&group, &keep, &zone(name), now),
            judge(&group, &keep, &zone(name), now - back.hours()),
        );
        for goes in wrong.iter().filter(|v| !v.keep) {
            prop_assert!(right.iter().any(|v| v.id == goes.id && !v.keep), "{:?}", goes);
        }
    }
}
