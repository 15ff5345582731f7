//! Logs that runit's svlogd keeps: one directory per service, the newest lines in `current`.
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;

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

pub(super) fn read(layout: &Layout, services: &[String]) -> Result<BTreeMap<String, String>> {
    // What a request holds stands in the log as it came, text or not.
    let text = |service: &String| {
        let bytes = files::read_bytes(&current(layout, service))?.unwrap_or_default();
        Ok((service.clone(), String::from_utf8_lossy(&bytes).into_owned()))
    };
    services.iter().map(text).collect()
}

/// A file that became shorter was rotated and is read from its start.
pub(super) fn follow(layout: &Layout, services: &[String], each: &mut dyn FnMut(&str, &str)) -> Result<()> {
    let mut ends = BTreeMap::new();
    for service in services {
        let length = std::fs::metadata(current(layout, service)).map_or(0, |file| file.len());
        ends.insert(service, length);
    }
    loop {
        for (service, end) in &mut ends {
            let lines = appended(&current(layout, service), end)?;
            if !lines.is_empty() {
                each(service, &lines);
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
        let texts = read(&layout, &["web".to_owned(), "cron".to_owned()]).unwrap();
        assert!(texts["web"].ends_with("\nGET /web\n") && texts["cron"].is_empty());
    }
}
