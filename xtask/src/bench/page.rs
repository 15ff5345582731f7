//! Results as Markdown, for the terminal and for docs/benchmarks.md.
use std::collections::BTreeMap;
use std::time::Duration;

use super::backup;
use super::editions::{self, Engine};
use super::gate::{Overhead, SWITCHES, Switching};
use super::gentle;
use super::lock;
use super::machine;
use super::memory::Memory;
use super::start::Start;
use super::stats::{Times, shown};
use super::{curve, year};

/// Begins the page; everything else is written by a measurement that took place.
pub(super) fn head(machine: &[(&str, String)]) -> String {
    let rows = joined(
        machine
            .iter()
            .map(|(name, value)| format!("| {name} | {value} |\n")),
    );
    format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench` on one machine; every number on this page was measured there. Each section is one run and ends \
         with its day and commit. Times are medians of n runs (of two in the middle the lower). Only ratios within a section say much: another \
         machine, or a busy moment of this one, moves them all. With 2 cores, a load above 2 at its beginning means that other work ran beside it; the \
         columns least and most show how far single runs lie apart. The release build was measured.\n\n| | |\n|---|---|\n{rows}"
    )
}

/// When, at which commit and how undisturbed a section was measured.
pub(super) fn stamp(before: &str) -> String {
    format!(
        "\nMeasured {} at {}; load average (1, 5, 15 minutes) {before} before, {} after.\n",
        machine::now(),
        machine::commit(),
        machine::load()
    )
}

pub(super) fn starts(starts: &[Start]) -> String {
    let first = starts.first().map(|start| start.times.median());
    let rows = joined(starts.iter().map(|start| {
        let ratio = first.map_or_else(String::new, |first| ratio(start.times.median(), first));
        format!("| {} | {} | {ratio} |\n", start.what, cells(&start.times))
    }));
    format!(
        "\n## Starting\n\nFrom starting the process to its end.\n\n| command | n | median | least | most | beside odoopack |\n\
         |---|---|---|---|---|---|\n{rows}"
    )
}

pub(super) fn table(title: &str, text: &str, rows: &[(&str, &Times)]) -> String {
    let rows = joined(
        rows.iter()
            .map(|(name, times)| format!("| {name} | {} |\n", cells(times))),
    );
    format!("\n## {title}\n\n{text}\n\n| | n | median | least | most |\n|---|---|---|---|---|\n{rows}")
}

pub(super) fn editions(engine: Engine, found: &editions::Found) -> String {
    let name = match engine {
        Engine::Native => "native",
        Engine::Compose => "compose",
    };
    let kinds = [
        "`plan`, everything runs",
        "`up` with nothing to do",
        "from stopped to healthy",
    ];
    let mut rows = Vec::new();
    for (count, times) in &found.of {
        for (kind, times) in kinds.iter().zip(times) {
            rows.push((format!("{kind}, editions: {count}"), times));
        }
    }
    let rows: Vec<_> = rows.iter().map(|(what, times)| (what.as_str(), *times)).collect();
    let memory = joined(
        found
            .memory
            .iter()
            .map(|(name, kib)| format!("| {name} | {} |\n", mib(*kib))),
    );
    format!(
        "{}\n| edition | PSS, idle |\n|---|---|\n{memory}",
        table(&format!("Editions, engine `{name}`"), editions::ABOUT, &rows)
    )
}

pub(super) fn memory(all: &BTreeMap<String, Memory>) -> String {
    let kind = |name: &str| match name {
        "odoopack gate" | "odoopack schedule" => "odoopack",
        "runsvdir" | "runsv" | "svlogd" => "runit",
        _ => "servers",
    };
    let mut rows = Vec::new();
    for wanted in ["odoopack", "runit", "servers"] {
        let mut sum = Memory::default();
        for (name, memory) in all.iter().filter(|(name, _)| kind(name) == wanted) {
            rows.push(memory_row(wanted, name, *memory));
            sum.processes += memory.processes;
            sum.rss_kib += memory.rss_kib;
            sum.pss_kib += memory.pss_kib;
        }
        rows.push(memory_row(&format!("**{wanted}**"), "**all**", sum));
    }
    let rows = rows.concat();
    format!(
        "\n## Memory\n\nWhat the demo keeps running, idle. PSS shares a page among its users, RSS counts it for each.\n\n\
         | whose | program | processes | PSS | RSS |\n|---|---|---|---|---|\n{rows}"
    )
}

fn memory_row(whose: &str, name: &str, memory: Memory) -> String {
    let [pss, rss] = [memory.pss_kib, memory.rss_kib].map(mib);
    format!("| {whose} | {name} | {} | {pss} | {rss} |\n", memory.processes)
}

fn mib(kib: u64) -> String {
    format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024)
}

pub(super) fn overhead(all: &[(&str, Overhead)]) -> String {
    let mut rows = Vec::new();
    for (name, found) in all {
        for (way, times) in [("nginx", &found.direct), ("nginx, gate", &found.through)] {
            let [median, p95] = [times.median(), times.p95()].map(shown);
            rows.push(format!(
                "| {name} | {way} | {} | {median} | {p95} | |\n",
                times.count()
            ));
        }
        let more = difference(found.through.median(), found.direct.median());
        let p95 = difference(found.through.p95(), found.direct.p95());
        let ratio = ratio(found.through.median(), found.direct.median());
        rows.push(format!(
            "| {name} | **the gate's share** | | **{more}** | {p95} | {ratio} |\n"
        ));
    }
    let rows = rows.concat();
    format!(
        "\n## A request through the gate\n\nOne keep-alive client, plain HTTP on loopback, nginx in front with the proxy \
         settings that are rendered, both ways in turns. The tiny upstream is an nginx that answers `ok`. A share below \
         nothing says that the machine's noise was bigger than what was measured.\n\n\
         | upstream | way | requests | median | p95 | ratio |\n|---|---|---|---|---|---|\n{rows}"
    )
}

pub(super) fn switching(all: &[(&str, Vec<Switching>)]) -> String {
    let rows = joined(all.iter().map(|(way, runs)| {
        let sum = runs
            .iter()
            .copied()
            .fold(Switching { sent: 0, broken: 0 }, |sum, run| sum + run);
        let each: Vec<String> = runs.iter().map(|run| run.broken.to_string()).collect();
        format!(
            "| {way} | {} | {} | **{}** | {} |\n",
            runs.len() * SWITCHES,
            sum.sent,
            sum.broken,
            each.join(", ")
        )
    }));
    format!(
        "\n## Switching slots\n\n16 keep-alive clients post every 2 ms while the slot behind nginx is switched \
         {SWITCHES} times per run. Broken is every request that got no 200; none is sent twice. Clients look whether a connection was closed before they use it.\n\n\
         | way | switches | requests | broken | broken in each run |\n|---|---|---|---|---|\n{rows}"
    )
}

pub(super) fn lock(found: &lock::Found) -> String {
    let rows = joined(
        found
            .ways
            .iter()
            .map(|way| format!("| {} | {} |\n", way.what, cells(&way.times))),
    );
    format!(
        "\n## The lock\n\nTwelve repositories with {} files of modules, made up, on this machine (`file://`, so nobody waits for a \
         server). The look at the lock reads every file of every checkout.\n\n\
         | what | runs | median | least | most |\n|---|---|---|---|---|\n\
         | `odoopack lock verify --offline` | {} |\n{rows}",
        found.files,
        cells(&found.verify)
    )
}

/// Times of ways to back up, with the bytes that were added.
pub(super) fn backups(about: &str, all: &[backup::Row]) -> String {
    let seed = all.first().map(|row| row.times.median());
    let rows = joined(all.iter().map(|row| {
        let [median, least, most] = [row.times.median(), row.times.least(), row.times.most()].map(shown);
        let beside = seed.map_or_else(String::new, |seed| ratio(seed, row.times.median()));
        let memory = row.memory.map_or_else(String::new, mib);
        format!(
            "| {} | {} | {median} | {least} | {most} | {beside} | {} | {memory} |\n",
            row.what,
            row.times.count(),
            mib(row.added / 1024)
        )
    }));
    format!(
        "\n## Backups\n\n{about}\n\n| what | n | median | least | most | as fast as the first row | stored | memory |\n|---|---|---|---|---|---|---|---|\n{rows}"
    )
}

/// What a visitor saw beside backups.
pub(super) fn gentle(about: &str, all: &[gentle::While]) -> String {
    let rows = joined(all.iter().map(|seen| {
        let [median, p95] = [seen.requests.median(), seen.requests.p95()].map(shown);
        let backup = seen.backup.map_or_else(String::new, shown);
        format!(
            "| {} | {} | {median} | {p95} | {backup} |\n",
            seen.what,
            seen.requests.count()
        )
    }));
    format!(
        "\n## Working during a backup\n\n{about}\n\n| meanwhile | requests | median | p95 | the backup took |\n|---|---|---|---|---|\n{rows}"
    )
}

/// Bytes of a year's snapshots.
pub(super) fn year(about: &str, all: &[year::Kept]) -> String {
    let rows = joined(all.iter().map(|kept| {
        format!(
            "| {} | {} | {} | {} | **{:.2}** |\n",
            kept.change,
            kept.snapshots,
            mib(kept.all / 1024),
            mib(kept.last / 1024),
            kept.times()
        )
    }));
    format!(
        "\n## A year of snapshots\n\n{about}\n\n| change | snapshots | all of them | the last alone | all beside the last |\n|---|---|---|---|---|\n{rows}"
    )
}

/// Times as what is there becomes more.
pub(super) fn curve(about: &str, all: &[curve::Point]) -> String {
    let rows = joined(all.iter().map(|point| {
        let memory = point.memory.map_or_else(String::new, mib);
        format!(
            "| {} | {} | {} | {memory} |\n",
            point.what,
            point.count,
            shown(point.took)
        )
    }));
    format!(
        "\n## As it becomes more\n\n{about}\n\n| what | how many | time | memory |\n|---|---|---|---|\n{rows}"
    )
}

fn joined(rows: impl Iterator<Item = String>) -> String {
    rows.collect::<Vec<_>>().concat()
}

fn cells(times: &Times) -> String {
    let [median, least, most] = [times.median(), times.least(), times.most()].map(shown);
    format!("{} | {median} | {least} | {most}", times.count())
}

fn ratio(one: Duration, other: Duration) -> String {
    format!("{:.1} x", one.as_secs_f64() / other.as_secs_f64())
}

fn difference(more: Duration, less: Duration) -> String {
    match more.checked_sub(less) {
        Some(more) => format!("+{}", shown(more)),
        None => format!("-{}", shown(less.saturating_sub(more))),
    }
}
