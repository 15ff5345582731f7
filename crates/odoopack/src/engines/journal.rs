//! Logs in systemd's journal, as the texts that services write elsewhere.
use std::collections::BTreeMap;

use camino::Utf8Path;
use odoopack_core::layout::Layout;
use odoopack_core::render::systemd;

use super::Stretch;
use crate::failure::Result;
use crate::observe::units;
use crate::store::marks;
use crate::tools::journalctl::{self, Part, Record};

/// Lines that are read for each that is wanted: levels and tracebacks are sorted out afterwards.
const SPARE: usize = 50;

/// Services whose units were written, running or not.
pub(super) fn services(layout: &Layout) -> Result<Vec<String>> {
    let written = marks::written(&layout.state())?;
    let directory = Utf8Path::new(systemd::DIRECTORY);
    let service = |path: &camino::Utf8PathBuf| {
        (path.parent() == Some(directory)).then_some(())?;
        systemd::service_name(layout.pack().as_str(), path.file_name()?).map(str::to_owned)
    };
    Ok(written.keys().filter_map(service).collect())
}

pub(super) fn read(layout: &Layout, services: &[String], part: Stretch) -> Result<BTreeMap<String, String>> {
    let part = match part.since {
        Some(seconds) => Part::Since(seconds),
        None => Part::Newest(part.lines.saturating_mul(SPARE)),
    };
    let mut texts = BTreeMap::new();
    each_line(layout, services, part, &mut |service, line| {
        let text: &mut String = texts.entry(service.to_owned()).or_default();
        text.push_str(line);
        text.push('\n');
        true
    })?;
    Ok(texts)
}

pub(super) fn follow(
    layout: &Layout,
    services: &[String],
    each: &mut dyn FnMut(&str, &str) -> bool,
) -> Result<()> {
    each_line(layout, services, Part::Coming, each)
}

/// The last lines of one service; empty when the journal cannot be read.
pub(super) fn tail(layout: &Layout, service: &str, lines: usize) -> String {
    let mut text = String::new();
    let all = each_line(
        layout,
        &[service.to_owned()],
        Part::Newest(lines),
        &mut |_, line| {
            text.push_str(line);
            text.push('\n');
            true
        },
    );
    all.map(|()| text).unwrap_or_default()
}

fn each_line(
    layout: &Layout,
    services: &[String],
    part: Part,
    each: &mut dyn FnMut(&str, &str) -> bool,
) -> Result<()> {
    if services.is_empty() {
        return Ok(());
    }
    let units: Vec<String> = services.iter().map(|name| units::unit(layout, name)).collect();
    let mut begun = std::collections::BTreeSet::new();
    journalctl::read(&units, part).stream(&mut |line| {
        let Some(record) = journalctl::parse(line) else {
            return true;
        };
        let Some(name) = systemd::service_name(layout.pack().as_str(), &record.unit) else {
            return true;
        };
        // Lines without a time belong to the line before.
        let first = begun.insert(name.to_owned());
        each(name, &stated(&record, first))
    })
}

/// The line with its time first, where nothing else would give it one: what systemd says, and the first line.
fn stated(record: &Record, first: bool) -> String {
    let dated = record
        .text
        .get(..4)
        .is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()))
        || record.text.starts_with('{');
    if !record.by_systemd && (dated || !first) {
        return record.text.clone();
    }
    let time = jiff::Timestamp::from_microsecond(record.time).unwrap_or_default();
    let who = match (record.by_systemd, record.bad) {
        (true, true) => "WARNING systemd: ",
        (true, false) => "systemd: ",
        (false, _) => "",
    };
    format!("{} {who}{}", time.strftime("%Y-%m-%d %H:%M:%S,%3f"), record.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_a_time_gets_one_only_where_it_begins_something() {
        let record = |by_systemd: bool, text: &str| Record {
            unit: "u".to_owned(),
            time: 1_795_000_000_123_456,
            by_systemd,
            bad: by_systemd,
            text: text.to_owned(),
        };
        let killed = "Main process exited, code=killed";
        let cases = [
            (
                record(true, killed),
                false,
                "2026-11-18 11:06:40,123 WARNING systemd: Main process exited, code=killed",
            ),
            (record(false, "2026-11-18 1:2 x"), true, "2026-11-18 1:2 x"),
            (record(false, "  File x"), false, "  File x"),
            (
                record(false, "  File x"),
                true,
                "2026-11-18 11:06:40,123   File x",
            ),
        ];
        for (record, first, wanted) in cases {
            assert_eq!(stated(&record, first), wanted);
        }
    }
}
