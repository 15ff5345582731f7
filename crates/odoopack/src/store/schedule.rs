//! What the jobs of the schedule did: one small file per job, and locks that say which of them run.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::name::Name;
use odoopack_core::schedule::{Job, Past, Zone};

use crate::failure::{Failure, Result};
use crate::files;

/// The directory of the schedule's own state.
pub(crate) fn place(state: &Utf8Path) -> Utf8PathBuf {
    state.join("schedule")
}

/// What is known of a job; `None`: it was never seen here.
pub(crate) fn past(state: &Utf8Path, job: &str) -> Result<Option<Past>> {
    let path = file(state, job);
    let Some(text) = files::read_text(&path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text).map(Some).map_err(|e| {
        Failure::failed(format!("`{path}` is not what this program wrote"))
            .because(e)
            .hint(format!("`rm {path}`: the job is then known from now on"))
    })
}

/// Remembers what a job did.
pub(crate) fn remember(state: &Utf8Path, job: &str, past: &Past) -> Result<()> {
    let path = file(state, job);
    let text = serde_json::to_string_pretty(past)
        .map_err(|e| Failure::failed(format!("could not write `{path}`")).because(e))?;
    files::replace(&path, text.as_bytes(), 0o644, None)
}

/// What is known of a job, which is known with these times from `now` on at the latest.
pub(crate) fn known(state: &Utf8Path, job: &Job, zone: &Zone, now: i64) -> Result<Past> {
    let mut past = past(state, &job.name)?.unwrap_or_else(|| Past::new(now));
    if past.follow(&job.when, zone, now) {
        remember(state, &job.name, &past)?;
    }
    Ok(past)
}

/// Held while a job runs; dropping it frees it, and so does the kernel.
#[derive(Debug)]
pub(crate) struct Running {
    _file: std::fs::File,
}

/// Takes the lock of a job; `None`: it runs already.
pub(crate) fn begin(state: &Utf8Path, job: &str) -> Result<Option<Running>> {
    let path = place(state).join(format!("{job}.lock"));
    let file = files::append(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Running { _file: file })),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(e)) => {
            Err(Failure::failed(format!("could not lock `{path}`")).because(e))
        }
    }
}

/// Waits until no other job works on the environment.
pub(crate) fn wait_for(state: &Utf8Path, environment: &Name) -> Result<Running> {
    let path = place(state).join(format!("of-{environment}.lock"));
    let file = files::append(&path)?;
    file.lock()
        .map_err(|e| Failure::failed(format!("could not lock `{path}`")).because(e))?;
    Ok(Running { _file: file })
}

/// Whether a job runs now; looks and makes nothing.
pub(crate) fn runs(state: &Utf8Path, job: &str) -> bool {
    let path = place(state).join(format!("{job}.lock"));
    std::fs::File::open(path)
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

fn file(state: &Utf8Path, job: &str) -> Utf8PathBuf {
    place(state).join(format!("{job}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_runs_is_seen_and_not_begun_twice() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        files::directory_all(&place(state)).unwrap();
        assert!(!runs(state, "renew"));
        let first = begin(state, "renew").unwrap().unwrap();
        assert!(runs(state, "renew") && begin(state, "renew").unwrap().is_none());
        drop(first);
        assert!(!runs(state, "renew") && begin(state, "renew").unwrap().is_some());
    }

    #[test]
    fn jobs_of_one_environment_wait_for_each_other_and_for_nobody_else() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        files::directory_all(&place(state)).unwrap();
        let [production, staging] = ["production", "staging"].map(|name| name.parse::<Name>().unwrap());
        let backup = wait_for(state, &production).unwrap();
        let _refresh = wait_for(state, &staging).unwrap();
        let ended = std::sync::atomic::AtomicBool::new(false);
        let (asks, asked) = std::sync::mpsc::channel();
        let (over, ends) = (std::sync::atomic::Ordering::SeqCst, &ended);
        std::thread::scope(|scope| {
            let drill = scope.spawn(move || {
                asks.send(()).unwrap();
                wait_for(state, &production).map(|lease| (ends.load(over), lease))
            });
            asked.recv().unwrap();
            // However late the other one comes to the lock: it is not free before this.
            ended.store(true, over);
            drop(backup);
            let (after, _lease) = drill.join().unwrap().unwrap();
            assert!(after, "the drill began while the backup worked");
        });
    }

    #[test]
    fn a_job_is_known_from_its_first_look_on() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        files::directory_all(&place(state)).unwrap();
        let (mut job, utc) = (renew(), "UTC".parse().unwrap());
        assert_eq!(past(state, "renew").unwrap(), None);
        let first = known(state, &job, &utc, 7).unwrap();
        assert_eq!((first.since, &first.last), (7, &None));
        assert_eq!(past(state, "renew").unwrap(), Some(first.clone()));
        assert_eq!(known(state, &job, &utc, 9).unwrap(), first);
        job.when = "03:00".parse().unwrap();
        assert_eq!(known(state, &job, &utc, 11).unwrap().since, 11);
        assert_eq!(past(state, "renew").unwrap().unwrap().since, 11);
        files::replace(&place(state).join("renew.json"), b"{", 0o644, None).unwrap();
        assert!(past(state, "renew").is_err() && known(state, &job, &utc, 13).is_err());
    }

    fn renew() -> Job {
        Job {
            name: "renew".to_owned(),
            what: String::new(),
            environment: None,
            when: "02:00".parse().unwrap(),
            run: Vec::new(),
        }
    }
}
