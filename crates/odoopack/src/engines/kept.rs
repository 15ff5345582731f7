//! What containers said before they were made anew or taken away: Docker throws a log away with its container.
use std::io::Write;

use camino::Utf8PathBuf;
use odoopack_core::layout::Layout;

use super::Stretch;
use crate::failure::{Failure, Result};
use crate::files;

/// A file that would grow beyond this is put aside; the one that was put aside before goes.
const FULL: usize = 50 << 20;

/// Names of the services of which something is kept.
pub(super) fn services(layout: &Layout) -> Result<Vec<String>> {
    let entries = files::read_entries(&place(layout))?;
    let name = |entry: &camino::Utf8DirEntry| entry.file_name().strip_suffix(".log").map(str::to_owned);
    Ok(entries.iter().filter_map(name).collect())
}

/// Keeps what a container said, each line with its time first; what is kept of it already is not kept twice.
///
/// # Effects
/// Appends to a file of the service, which only the user of this program and its group may read.
pub(super) fn keep(layout: &Layout, service: &str, said: &[&str]) -> Result<()> {
    files::directory(&place(layout), 0o750, None)?;
    let [file, aside] = paths(layout, service);
    let before = match text(&file)? {
        text if text.is_empty() => text_of_last(&aside)?,
        text => text,
    };
    let known = before.lines().next_back();
    let known = known.and_then(|known| said.iter().rposition(|line| *line == known));
    let new = &said[known.map_or(0, |at| at + 1)..];
    if new.is_empty() {
        return Ok(());
    }
    let mut more = new.join("\n");
    more.push('\n');
    if file.is_file() && before.len() + more.len() > FULL {
        files::rename(&file, &aside)?;
    }
    let written = files::append(&file)?.write_all(more.as_bytes());
    written.map_err(|e| Failure::failed(format!("could not write `{file}`")).because(e))
}

/// The second since 1970 of the newest line that is kept of a service; `None` where nothing is, or a clock that was put back is before it.
pub(super) fn newest(layout: &Layout, service: &str) -> Result<Option<i64>> {
    let [file, aside] = paths(layout, service);
    let line = match text_of_last(&file)? {
        line if line.is_empty() => text_of_last(&aside)?,
        line => line,
    };
    let time = line.split(' ').next().and_then(|time| time.parse().ok());
    Ok(time
        .map(jiff::Timestamp::as_second)
        .filter(|second| *second <= jiff::Timestamp::now().as_second()))
}

/// What is kept of a service as far as the stretch reaches, each line with its time first.
pub(super) fn read(layout: &Layout, service: &str, part: Stretch) -> Result<String> {
    let [file, aside] = paths(layout, service);
    let mut all = text(&file)?;
    // Times of Docker are in UTC, and sort as texts.
    let since = part.since.map(|since| {
        let since = jiff::Timestamp::from_second(since).unwrap_or_default();
        since.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    });
    let reached = match &since {
        Some(since) => all.lines().next().is_some_and(|first| first < since.as_str()),
        None => all.lines().count() >= part.lines,
    };
    if !reached {
        all.insert_str(0, &text(&aside)?);
    }
    let count = all.lines().count();
    let skipped = since.as_ref().map_or(count.saturating_sub(part.lines), |_| 0);
    let wanted = all
        .lines()
        .skip(skipped)
        .filter(|line| since.as_ref().is_none_or(|since| *line >= since.as_str()));
    Ok(wanted.flat_map(|line| [line, "\n"]).collect())
}

fn place(layout: &Layout) -> Utf8PathBuf {
    layout.logs().join("containers")
}

/// The file that grows, and the one that was put aside.
fn paths(layout: &Layout, service: &str) -> [Utf8PathBuf; 2] {
    ["log", "log.1"].map(|end| place(layout).join(format!("{service}.{end}")))
}

fn text_of_last(path: &camino::Utf8Path) -> Result<String> {
    text(path).map(|text| text.lines().next_back().unwrap_or_default().to_owned())
}

/// What a request holds stands in the log as it came, text or not.
fn text(path: &camino::Utf8Path) -> Result<String> {
    let bytes = files::read_bytes(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use camino::Utf8Path;

    use super::*;

    const NEWEST: Stretch = Stretch {
        since: None,
        lines: 3,
    };

    fn with_logs(test: impl FnOnce(&Layout)) {
        let keep = tempfile::tempdir().unwrap();
        let layout = Layout::new(
            Utf8Path::from_path(keep.path()).unwrap(),
            &"shop".parse().unwrap(),
            false,
        );
        files::directory_all(&layout.logs()).unwrap();
        test(&layout);
    }

    #[test]
    fn what_is_kept_is_kept_once_and_for_us_alone() {
        with_logs(|layout| {
            assert_eq!(services(layout).unwrap(), Vec::<String>::new());
            let said = ["2026-11-26T12:00:01.0Z a", "2026-11-26T12:00:02.0Z b"];
            keep(layout, "web", &said[..1]).unwrap();
            keep(layout, "web", &said).unwrap();
            keep(layout, "web", &said).unwrap();
            // Another container, whose clock was put back.
            keep(layout, "web", &["2026-11-26T11:00:00.0Z c"]).unwrap();
            let all = format!("{}\n2026-11-26T11:00:00.0Z c\n", said.join("\n"));
            assert_eq!(read(layout, "web", NEWEST).unwrap(), all);
            assert_eq!(services(layout).unwrap(), ["web"]);
            let mode = |path: &Utf8Path| path.metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode(&paths(layout, "web")[0]), 0o640);
            assert_eq!(mode(&place(layout)), 0o750);
        });
    }

    #[test]
    fn who_asks_for_more_knows_when_the_newest_line_was_said() {
        with_logs(|layout| {
            assert_eq!(newest(layout, "web").unwrap(), None);
            let said = ["2026-11-26T12:00:01.0Z a", "2026-11-26T12:00:02.9Z b"];
            keep(layout, "web", &said).unwrap();
            let second = 1_795_694_402;
            assert_eq!(newest(layout, "web").unwrap(), Some(second));
            let [file, aside] = paths(layout, "web");
            files::rename(&file, &aside).unwrap();
            assert_eq!(newest(layout, "web").unwrap(), Some(second));
            // A clock that was put back: what is said by it now would not be found after that time.
            keep(layout, "web", &["9999-01-01T00:00:00.0Z c"]).unwrap();
            assert_eq!(newest(layout, "web").unwrap(), None);
        });
    }

    #[test]
    fn what_is_read_is_what_is_asked_for() {
        with_logs(|layout| {
            let [file, aside] = paths(layout, "web");
            files::directory_all(&place(layout)).unwrap();
            let write = |path: &Utf8Path, text: &str| files::replace(path, text.as_bytes(), 0o640, None);
            write(&aside, "1970-01-01T00:00:01.5Z a\n1970-01-01T00:00:02.0Z b\n").unwrap();
            write(&file, "1970-01-01T00:00:03.0Z c\n").unwrap();
            let first_letters = |part| {
                let text = read(layout, "web", part).unwrap();
                text.lines()
                    .filter_map(|line| line.chars().last())
                    .collect::<String>()
            };
            let newest = |lines| first_letters(Stretch { since: None, lines });
            assert_eq!([newest(1), newest(2), newest(9)], ["c", "bc", "abc"]);
            let since = |second| {
                first_letters(Stretch {
                    since: Some(second),
                    lines: 1,
                })
            };
            assert_eq!([since(1), since(2), since(3), since(4)], ["abc", "bc", "c", ""]);
        });
    }

    #[test]
    fn no_more_is_kept_than_two_files_hold() {
        with_logs(|layout| {
            let long = "x".repeat(FULL / 2);
            for at in 1..=3 {
                keep(layout, "web", &[&format!("{at} {long}")]).unwrap();
            }
            let [file, aside] = paths(layout, "web").map(|path| text(&path).unwrap());
            assert!(file.starts_with("3 ") && file.len() <= FULL, "{}", file.len());
            assert!(aside.starts_with("2 ") && aside.len() <= FULL, "{}", aside.len());
            keep(layout, "web", &[&format!("3 {long}")]).unwrap();
            assert_eq!(text(&paths(layout, "web")[0]).unwrap().len(), file.len());
        });
    }
}
