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
    let text = |service: &String| {
        let text = files::read_text(&current(layout, service))?;
        Ok((service.clone(), text.unwrap_or_default()))
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
