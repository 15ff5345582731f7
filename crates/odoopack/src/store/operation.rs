//! The journal of an operation: its plan and every event, synced; it lies apart until the operation has ended.
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::name::Name;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::files;
use crate::store::lock;

/// Space that every journal has from its start, so that a full disk cannot keep us from writing how we go back.
const RESERVED: u64 = 256 << 10;

/// How journals of restores are called.
pub(crate) const RESTORE: &str = "restore";

/// What is read here of a restore's plan.
#[derive(Debug, serde::Deserialize)]
struct Replacing {
    environment: Name,
    /// Whether it is put in the place of the environment's own.
    served: bool,
    /// Where it comes from, in words.
    #[serde(default)]
    source: String,
}

/// The open journal of a running operation.
#[derive(Debug)]
pub(crate) struct Operation {
    file: std::fs::File,
    path: Utf8PathBuf,
    history: Utf8PathBuf,
}

/// An operation whose journal was never closed.
#[derive(Debug)]
pub(crate) struct Unfinished<W, E> {
    /// What it was about to do.
    pub(crate) what: W,
    /// What is known of it.
    pub(crate) events: Vec<E>,
    /// Its journal, to go on with.
    pub(crate) operation: Operation,
}

impl Operation {
    /// Starts the journal of the operation `id`; `what` is all that is needed to go on or back without us.
    pub(crate) fn start<W: Serialize>(state: &Utf8Path, kind: &str, id: &str, what: &W) -> Result<Self> {
        let directory = open_ones(state);
        files::directory_all(&directory)?;
        let path = directory.join(format!("{kind}-{id}.jsonl"));
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3f");
        let history = state
            .join("operations")
            .join(format!("{stamp}-{kind}-{id}.jsonl"));
        let mut operation = Self {
            file: open(&path)?,
            path,
            history,
        };
        rustix::fs::fallocate(
            &operation.file,
            rustix::fs::FallocateFlags::KEEP_SIZE,
            0,
            RESERVED,
        )
        .map_err(|e| operation.failure().because(e))?;
        operation.write(&json!({ "event": "start", "pid": std::process::id(), "what": what }))?;
        files::sync_file_system(&directory)?;
        Ok(operation)
    }

    /// Writes an event down before its effect, or after it.
    pub(crate) fn event<E: Serialize>(&mut self, event: &E) -> Result<()> {
        self.write(&json!({ "event": "step", "step": event }))
    }

    /// Ends the operation: from here on the journal is history.
    pub(crate) fn end(mut self, outcome: &str) -> Result<()> {
        self.write(&json!({ "event": "end", "outcome": outcome }))?;
        files::directory_all(self.history.parent().unwrap_or(Utf8Path::new("/")))?;
        files::rename(&self.path, &self.history)
    }

    fn write(&mut self, event: &Value) -> Result<()> {
        let mut event = event.clone();
        event["at"] = jiff::Timestamp::now().to_string().into();
        self.file
            .write_all(format!("{event}\n").as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|e| self.failure().because(e))
    }

    fn failure(&self) -> Failure {
        Failure::failed(format!("could not write the journal `{}`", self.path))
    }
}

/// Operations of this kind that were cut off, oldest first; call it under the lock that they hold while they run.
///
/// # Errors
/// When a journal cannot be read: what it began must not be guessed.
pub(crate) fn unfinished<W: DeserializeOwned, E: DeserializeOwned>(
    state: &Utf8Path,
    kind: &str,
) -> Result<Vec<Unfinished<W, E>>> {
    let mut all = Vec::new();
    for path in open_journals(state)? {
        let name = path.file_name().unwrap_or_default();
        if !name.starts_with(&format!("{kind}-")) {
            continue;
        }
        let text = files::read_text(&path)?.unwrap_or_default();
        if text.trim().is_empty() {
            // Cut off before its first line was on disk: nothing was begun.
            files::remove(&path)?;
            continue;
        }
        let (what, events) = parse(&text).ok_or_else(|| unreadable(&path))?;
        let history = state.join("operations").join(name);
        all.push(Unfinished {
            what,
            events,
            operation: Operation {
                file: open_whole(&path, &text)?,
                path,
                history,
            },
        });
    }
    Ok(all)
}

/// What every operation of this kind is about that was cut off, or runs now; changes nothing and needs no lock.
pub(crate) fn begun<W: DeserializeOwned>(state: &Utf8Path, kind: &str) -> Result<Vec<W>> {
    let mut all = Vec::new();
    for path in open_journals(state)? {
        if !path
            .file_name()
            .is_some_and(|name| name.starts_with(&format!("{kind}-")))
        {
            continue;
        }
        let text = files::read_text(&path)?.unwrap_or_default();
        // Its first line is not on disk yet, or it has ended meanwhile: nothing is begun.
        if text.contains('\n') {
            let (what, _) = parse::<W, Value>(&text).ok_or_else(|| unreadable(&path))?;
            all.push(what);
        }
    }
    Ok(all)
}

/// Environments into which a restore was cut off, or runs.
pub(crate) fn half_restored(state: &Utf8Path) -> Result<Vec<Name>> {
    let all = begun::<Replacing>(state, RESTORE)?.into_iter();
    Ok(all.filter(|one| one.served).map(|one| one.environment).collect())
}

/// Whether a copy was begun beside an environment, or a drill, and cut off; or it runs.
pub(crate) fn half_copied(state: &Utf8Path) -> Result<bool> {
    Ok(begun::<Replacing>(state, RESTORE)?.iter().any(|one| !one.served))
}

/// The restores and drills that were cut off, one sentence each; changes nothing. Those that run have the pack's lock.
///
/// # Errors
/// When a journal cannot be read.
pub(crate) fn cut_off(state: &Utf8Path) -> Result<Vec<String>> {
    // One that begins after this look is none of them, and one that ends before the next has no open journal any more.
    let before = open_journals(state)?;
    if before.is_empty() || lock::is_taken(state)? {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for path in before {
        let Some(text) = files::read_text(&path)? else {
            continue;
        };
        if !text.contains('\n') {
            all.push("a restore was cut off before it had begun anything".to_owned());
            continue;
        }
        let (what, _) = parse::<Replacing, Value>(&text).ok_or_else(|| unreadable(&path))?;
        let Replacing {
            environment, source, ..
        } = what;
        all.push(format!("a restore of {environment} from {source} was cut off"));
    }
    Ok(all)
}

/// Why nothing else is done with one of them.
pub(crate) fn is_half_restored(name: &Name) -> Failure {
    Failure::refused(format!(
        "a restore of {name} was cut off and must be put right first"
    ))
    .hint("`odoopack restore --resume` finishes it or takes it back")
}

fn unreadable(path: &Utf8Path) -> Failure {
    Failure::new(
        crate::failure::Kind::NeedsHuman,
        format!("the journal `{path}` cannot be read"),
    )
    .hint("look at it, and move it away when you have put right what it began")
}

/// Opens a journal to go on with; the half line at its end would swallow the next one.
fn open_whole(path: &Utf8Path, text: &str) -> Result<std::fs::File> {
    let file = open(path)?;
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    if whole < text.len() {
        file.set_len(whole as u64)
            .map_err(|e| Failure::failed(format!("could not put the end of `{path}` right")).because(e))?;
    }
    Ok(file)
}

/// Whether the operation `id` is history, and ended with this outcome.
pub(crate) fn has_ended(state: &Utf8Path, kind: &str, id: &str, outcome: &str) -> Result<bool> {
    let name = format!("{kind}-{id}.jsonl");
    for path in entries(&state.join("operations"))? {
        if !path.file_name().is_some_and(|file| file.ends_with(&name)) {
            continue;
        }
        let text = files::read_text(&path)?.unwrap_or_default();
        let last = text.lines().next_back().unwrap_or_default();
        let last: Value = serde_json::from_str(last)
            .map_err(|e| Failure::failed(format!("the journal `{path}` cannot be read")).because(e))?;
        if last["event"] == "end" && last["outcome"] == outcome {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether any operation was cut off, or runs now.
pub(crate) fn open_journals(state: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    entries(&open_ones(state))
}

fn entries(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let entries = files::read_entries(directory)?;
    let mut paths: Vec<Utf8PathBuf> = entries.into_iter().map(camino::Utf8DirEntry::into_path).collect();
    paths.sort();
    Ok(paths)
}

fn open_ones(state: &Utf8Path) -> Utf8PathBuf {
    state.join("open")
}

fn open(path: &Utf8Path) -> Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .map_err(|e| Failure::failed(format!("could not open `{path}` for appending")).because(e))
}

/// The last line may be torn; every other one must be whole.
fn parse<W: DeserializeOwned, E: DeserializeOwned>(text: &str) -> Option<(W, Vec<E>)> {
    let lines: Vec<&str> = text.lines().collect();
    let (first, rest) = lines.split_first()?;
    let first: Value = serde_json::from_str(first).ok()?;
    let what = serde_json::from_value(first.get("what")?.clone()).ok()?;
    let mut events = Vec::new();
    for (at, line) in rest.iter().enumerate() {
        let whole = serde_json::from_str::<Value>(line).ok();
        let torn = whole.is_none() && at + 1 == rest.len() && !text.ends_with('\n');
        if torn {
            break;
        }
        let whole = whole?;
        if whole.get("event")? == "step" {
            events.push(serde_json::from_value(whole.get("step")?.clone()).ok()?);
        }
    }
    Some((what, events))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_was_cut_off_is_found_with_all_it_wrote() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        let mut operation = Operation::start(state, "restore", "a", &vec![1, 2]).unwrap();
        operation.event(&"begin").unwrap();
        operation.file.write_all(b"{\"event\":\"st").unwrap();
        drop(operation);
        let mut found = unfinished::<Vec<u8>, String>(state, "restore").unwrap();
        let mut one = found.pop().unwrap();
        assert_eq!((one.what, one.events), (vec![1, 2], vec!["begin".to_owned()]));
        one.operation.event(&"done").unwrap();
        let again = unfinished::<Vec<u8>, String>(state, "restore").unwrap();
        assert_eq!(again[0].events, ["begin", "done"]);
        assert_eq!(begun::<Vec<u8>>(state, "restore").unwrap(), [[1, 2]]);
        assert!(unfinished::<Vec<u8>, String>(state, "deploy").unwrap().is_empty());
        one.operation.end("reverted").unwrap();
        assert!(
            unfinished::<Vec<u8>, String>(state, "restore")
                .unwrap()
                .is_empty()
        );
        assert_eq!(state.join("operations").read_dir_utf8().unwrap().count(), 1);
    }

    #[test]
    fn a_half_restore_is_one_of_an_environment_and_none_beside_it() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        let plan = |name: &str, served: bool| json!({ "environment": name, "served": served, "steps": [] });
        assert!(half_restored(state).unwrap().is_empty());
        let one = Operation::start(state, RESTORE, "6a1b2c3d", &plan("production", true)).unwrap();
        drop(Operation::start(state, RESTORE, "6a1b2c3e", &plan("staging", false)).unwrap());
        let names = half_restored(state).unwrap();
        assert_eq!(names.iter().map(Name::as_str).collect::<Vec<_>>(), ["production"]);
        one.end("done").unwrap();
        assert!(half_restored(state).unwrap().is_empty());
    }

    #[test]
    fn what_was_cut_off_is_said_and_what_runs_is_not() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        assert_eq!(cut_off(state).unwrap(), [""; 0]);
        let plan =
            json!({ "environment": "staging", "served": false, "source": "snapshot 1a2b", "steps": [] });
        let running = lock::take(state, "restore of staging").unwrap();
        let one = Operation::start(state, RESTORE, "6a1b2c3d", &plan).unwrap();
        assert_eq!(cut_off(state).unwrap(), [""; 0]);
        drop(running);
        assert_eq!(
            cut_off(state).unwrap(),
            ["a restore of staging from snapshot 1a2b was cut off"]
        );
        one.end("reverted").unwrap();
        assert_eq!(cut_off(state).unwrap(), [""; 0]);
        let cut = open_ones(state).join("restore-6a1b2c3e.jsonl");
        files::replace(&cut, b"{\"ev", 0o600, None).unwrap();
        assert_eq!(
            cut_off(state).unwrap(),
            ["a restore was cut off before it had begun anything"]
        );
    }

    #[test]
    fn how_an_operation_has_ended_is_known_of_that_one_only() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        let is = |id: &str, outcome: &str| has_ended(state, "restore", id, outcome).unwrap();
        assert!(!is("6a1b2c3d", "done"), "nothing was ever done here");
        let operation = Operation::start(state, "restore", "6a1b2c3d", &1).unwrap();
        assert!(!is("6a1b2c3d", "done"), "it runs");
        operation.end("done").unwrap();
        // Cut off, and ended by another process.
        drop(Operation::start(state, "restore", "6a1b2c3e", &1).unwrap());
        let mut cut_off = unfinished::<u8, String>(state, "restore").unwrap();
        cut_off.pop().unwrap().operation.end("reverted").unwrap();
        assert!(is("6a1b2c3d", "done"));
        assert!(!is("6a1b2c3e", "done"));
        assert!(is("6a1b2c3e", "reverted"));
        assert!(!is("6a1b2c3f", "done"));
    }

    #[test]
    fn a_journal_that_makes_no_sense_is_no_empty_one() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        files::directory_all(&open_ones(state)).unwrap();
        files::replace(
            &open_ones(state).join("restore-a.jsonl"),
            b"{}\nxx\n{}\n",
            0o640,
            None,
        )
        .unwrap();
        assert!(unfinished::<Vec<u8>, String>(state, "restore").is_err());
    }
}
