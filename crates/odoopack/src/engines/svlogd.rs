//! Logs that runit's svlogd keeps: one directory per service, the newest lines in `current`.
use std::collections::BTreeMap;
use std::fs::File;
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
    let entries = files::read_entries(&layout.logs())?;
    Ok(entries
        .iter()
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
    let mut all = Vec::new();
    for entry in files::read_entries(directory)? {
        if !entry.file_name().starts_with('@') {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) => all.push((entry.into_path(), metadata.mtime())),
            // svlogd keeps only so many.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Failure::failed(format!("could not list `{directory}`")).because(e)),
        }
    }
    all.sort();
    Ok(all)
}

pub(super) fn follow(
    layout: &Layout,
    services: &[String],
    each: &mut dyn FnMut(&str, &str) -> bool,
) -> Result<()> {
    let mut tails = Vec::new();
    for service in services {
        tails.push((service, Tail::at_end(current(layout, service))));
    }
    loop {
        for (service, tail) in &mut tails {
            let lines = tail.appended()?;
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

/// A file that grows, and that svlogd puts aside under another name when it is full: what was read of it stays open until it is
/// read to its end.
struct Tail {
    path: Utf8PathBuf,
    open: Option<File>,
    /// Half a line waits for its end.
    rest: Vec<u8>,
}

impl Tail {
    fn at_end(path: Utf8PathBuf) -> Self {
        let mut open = File::open(&path).ok();
        // Without its end it is read whole, which hides nothing.
        let at = open.as_mut().map(|file| file.seek(SeekFrom::End(0)));
        let open = open.filter(|_| at.is_some_and(|at| at.is_ok()));
        let rest = Vec::new();
        Self { path, open, rest }
    }

    /// Whole lines that came since the last look.
    fn appended(&mut self) -> Result<String> {
        self.read()
            .map_err(|e| Failure::failed(format!("could not read `{}`", self.path)).because(e))
    }

    fn read(&mut self) -> std::io::Result<String> {
        let newest = match File::open(&self.path) {
            Ok(file) => Some(file),
            // Between two names.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        // Asked for before the old one is read: nobody appends to that any more once the new one is there.
        let same = match (&self.open, &newest) {
            (Some(open), Some(newest)) => open.metadata()?.ino() == newest.metadata()?.ino(),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if let Some(open) = &mut self.open {
            open.read_to_end(&mut self.rest)?;
        }
        if !same {
            self.open = newest;
            if let Some(open) = &mut self.open {
                open.read_to_end(&mut self.rest)?;
            }
        }
        let end = self
            .rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        Ok(String::from_utf8_lossy(&whole).into_owned())
    }
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
    fn who_follows_loses_no_line_when_a_file_is_put_aside() {
        use std::io::Write;
        let keep = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(keep.path()).unwrap().join("current");
        let say = |text: &str| {
            let file = File::options().create(true).append(true).open(&path);
            file.unwrap().write_all(text.as_bytes()).unwrap();
        };
        say("old\n");
        let mut tail = Tail::at_end(path.clone());
        say("one\ntw");
        assert_eq!(tail.appended().unwrap(), "one\n");
        say("o\nthree\n");
        files::rename(&path, &path.with_file_name("@1.s")).unwrap();
        assert_eq!(tail.appended().unwrap(), "two\nthree\n");
        // Longer than what was read before: its length tells nothing.
        say("four, which is a long line\nfive\n");
        assert_eq!(tail.appended().unwrap(), "four, which is a long line\nfive\n");
        say("six\n");
        assert_eq!(tail.appended().unwrap(), "six\n");
        // Nothing was ever said: whatever comes is new.
        let mut silent = Tail::at_end(path.with_file_name("later"));
        assert_eq!(silent.appended().unwrap(), "");
        files::replace(&path.with_file_name("later"), b"seven\n", 0o644, None).unwrap();
        assert_eq!(silent.appended().unwrap(), "seven\n");
    }

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
