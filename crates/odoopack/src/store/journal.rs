//! The journal of a converging command: one JSON line per event, synced, so that a stopped run can be read later.
use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::plan::Step;

use crate::failure::{Failure, Result};
use crate::files;

/// Journals kept.
const KEEP: usize = 50;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: std::fs::File,
    path: Utf8PathBuf,
}

impl Journal {
    /// Starts the journal of one run and removes the oldest ones.
    pub(crate) fn start(state: &Utf8Path, command: &str) -> Result<Self> {
        let directory = state.join("operations");
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3f");
        let path = directory.join(format!("{stamp}-{command}.jsonl"));
        // A run that was killed before its first directory leaves a lock and nothing else.
        files::directory_all(&directory)?;
        prune(&directory)?;
        let mut journal = Self {
            file: files::append(&path)?,
            path,
        };
        journal
            .write(&serde_json::json!({ "event": "start", "command": command, "pid": std::process::id() }))?;
        Ok(journal)
    }

    /// A step is about to begin.
    pub(crate) fn begin(&mut self, step: &Step) -> Result<()> {
        self.write(&serde_json::json!({ "event": "begin", "step": step }))
    }

    /// The step has ended well.
    pub(crate) fn done(&mut self, step: &Step) -> Result<()> {
        self.write(&serde_json::json!({ "event": "done", "step": step }))
    }

    /// Something of an operation that is no step of a plan.
    pub(crate) fn note(&mut self, event: &str, detail: &serde_json::Value) -> Result<()> {
        self.write(&serde_json::json!({ "event": event, "detail": detail }))
    }

    /// The run has ended.
    pub(crate) fn end(&mut self, outcome: &str) -> Result<()> {
        self.write(&serde_json::json!({ "event": "end", "outcome": outcome }))
    }

    fn write(&mut self, event: &serde_json::Value) -> Result<()> {
        let line = format!("{}\n", with_time(event));
        self.file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|e| Failure::failed(format!("could not write the journal `{}`", self.path)).because(e))
    }
}

fn with_time(event: &serde_json::Value) -> serde_json::Value {
    let mut event = event.clone();
    if let Some(fields) = event.as_object_mut() {
        fields.insert("at".to_owned(), jiff::Timestamp::now().to_string().into());
    }
    event
}

fn prune(directory: &Utf8Path) -> Result<()> {
    let Ok(entries) = directory.read_dir_utf8() else {
        return Ok(());
    };
    let mut paths: Vec<Utf8PathBuf> = entries.flatten().map(camino::Utf8DirEntry::into_path).collect();
    paths.sort();
    let surplus = paths.len().saturating_sub(KEEP - 1);
    paths
        .iter()
        .take(surplus)
        .try_for_each(|path| files::remove(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_one_line_and_old_journals_go() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        files::directory_all(&state.join("operations")).unwrap();
        for n in 0..KEEP + 3 {
            files::replace(
                &state.join(format!("operations/2020{n:04}-up.jsonl")),
                b"{}\n",
                0o640,
                None,
            )
            .unwrap();
        }
        let mut journal = Journal::start(state, "up").unwrap();
        journal.begin(&Step::StartSupervisor).unwrap();
        journal.end("done").unwrap();
        let text = files::read_text(&journal.path).unwrap().unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.lines()
                .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        );
        assert_eq!(state.join("operations").read_dir_utf8().unwrap().count(), KEEP);
    }
}
