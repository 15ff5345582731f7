//! Logs that runit's svlogd keeps: one directory per service, the newest lines in `current`.
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;

use super::Stretch;
use crate::failure::{Failure, Result};
use crate::files;

/// How often appended lines are looked for.
const LOOK: Duration = Duration::from_millis(250);

pub(super) fn services(layout: &Layout) -> Result<Vec<String>> {
    let logs = layout.logs();
    let entries = match logs.read_dir_utf8() {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Failure::failed(format!("could not list `{logs}`")).because(e)),
    };
    Ok(entries
        .flatten()
        .map(|entry| entry.file_name().to_owned())
        .filter(|service| current(layout, service).is_file())
        .collect())
}

pub(super) fn read(layout: &Layout, services: &[String], part: Stretch) -> Result<BTreeMap<String, String>> {
    let text = |service: &String| Ok((service.clone(), text(layout, service, part)?));
    services.iter().map(text).collect()
}

/// What one service said, with as many of the files that svlogd put aside as the stretch reaches into.
fn text(layout: &Layout, service: &str, part: Stretch) -> Result<String> {
    let mut aside = rotated(&layout.logs().join(service))?;
    // What a request holds stands in the log as it came, text or not.
    let read = |path: &Utf8Path| -> Result<String> {
        let bytes = files::read_bytes(path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut text = read(&current(layout, service))?;
    while let Some((path, written)) = aside.pop() {
        let reached = match part.since {
            Some(since) => written < since,
            None => text.lines().count() >= part.lines,
        };
        if reached {
            break;
        }
        text.insert_str(0, &read(&path)?);
    }
    Ok(text)
}

/// Files that svlogd put aside, oldest first, with the second since 1970 when each was last written; their names,
/// `@` and a time, sort as the times do (svlogd(8), runit 2.1.2).
fn rotated(directory: &Utf8Path) -> Result<Vec<(Utf8PathBuf, i64)>> {
    let failed = |e: std::io::Error| Failure::failed(format!("could not list `{directory}`")).because(e);
    let entries = match directory.read_dir_utf8() {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().starts_with('@') {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) => all.push((entry.into_path(), metadata.mtime())),
            // svlogd keeps only so many.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
    }
    all.sort();
    Ok(all)
}

/// A file that became shorter was rotated and is read from its start.
pub(super) fn follow(
    layout: &Layout,
    services: &[String],
    each: &mut dyn FnMut(&str, &str) -> bool,
) -> Result<()> {
    let mut ends = BTreeMap::new();
    for service in services {
        let length = std::fs::metadata(current(layout, service)).map_or(0, |file| file.len());
        ends.insert(service, length);
    }
    loop {
        for (service, end) in &mut ends {
            let lines = appended(&current(layout, service), end)?;
            if !lines.is_empty() && !each(service, &lines) {
                return Ok(());
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn current(layout: &Layout, service: &str) -> Utf8PathBuf {
    layout.logs().join(service).join("current")
}

fn appended(path: &Utf8Path, end: &mut u64) -> Result<String> {
    let read = |end: &mut u64| -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        if length < *end {
            *end = 0;
        }
        file.seek(SeekFrom::Start(*end))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // Half a line stays for the next time.
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        *end += whole as u64;
        Ok(String::from_utf8_lossy(&bytes[..whole]).into_owned())
    };
    read(end).map_err(|e| Failure::failed(format!("could not read `{path}`")).because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_text_hides_no_other() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let layout = Layout::new(root, &"shop".parse().unwrap(), false);
        let log = current(&layout, "web");
        files::directory_all(log.parent().unwrap()).unwrap();
        files::replace(&log, b"GET /\xff\xfe\nGET /web\n", 0o644, None).unwrap();
        let texts = read(&layout, &["web".to_owned(), "cron".to_owned()], NEWEST).unwrap();
        assert!(texts["web"].ends_with("\nGET /web\n") && texts["cron"].is_empty());
    }

    const NEWEST: Stretch = Stretch {
        since: None,
        lines: 3,
    };

    #[test]
    fn what_was_put_aside_is_read_as_far_as_it_is_wanted() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let layout = Layout::new(root, &"shop".parse().unwrap(), false);
        let logs = layout.logs().join("web");
        files::directory_all(&logs).unwrap();
        for (name, text, written) in [
            ("@400000006a0.s", "1\n2\n", 1_000),
            ("@400000006b0.s", "3\n4\n", 2_000),
            ("current", "5\n", 3_000),
        ] {
            files::replace(&logs.join(name), text.as_bytes(), 0o644, None).unwrap();
            files::set_modified(&logs.join(name), written).unwrap();
        }
        let read = |part| read(&layout, &["web".to_owned()], part).unwrap()["web"].clone();
        assert_eq!(read(NEWEST), "3\n4\n5\n");
        for (since, wanted) in [(2_500, "5\n"), (1_500, "3\n4\n5\n"), (500, "1\n2\n3\n4\n5\n")] {
            let part = Stretch {
                since: Some(since),
                lines: 3,
            };
            assert_eq!(read(part), wanted);
        }
    }
}
