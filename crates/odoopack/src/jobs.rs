//! Runs the jobs of the schedule: each a child of this program with `--json`, its end written down.
use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::schedule::{Attempt, FORMAT, Job, Outcome, State, Table, Zone, judge};

use crate::exec::{self, Cmd, tail};
use crate::failure::{Failure, Result};
use crate::store::schedule;
use crate::{files, interrupt, ui};

/// Longest sleep between two looks: the clock may be set, the table may change.
const LOOK: Duration = Duration::from_secs(5);
/// How soon an end that was asked for is noticed.
const NOTICE: Duration = Duration::from_millis(200);
/// Longest that a job may take; what takes longer hangs.
const PATIENCE: Duration = Duration::from_hours(24);
/// How much of what a failed job said is kept.
const KEPT_LINES: usize = 3;

/// Where a pack's jobs are run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Root of the pack.
    pub(crate) root: Utf8PathBuf,
    /// Its state.
    pub(crate) state: Utf8PathBuf,
    /// The rendered table.
    pub(crate) table: Utf8PathBuf,
    /// Whether what happens is said on standard output, with its time.
    pub(crate) log: bool,
}

impl Place {
    fn say(&self, text: &str) {
        if self.log {
            let time = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.3f");
            ui::out(&format!("{time} {text}"));
        }
    }
}

/// The jobs as of the last `up`.
pub(crate) fn table(path: &Utf8Path) -> Result<Table> {
    let text = files::read_text(path)?
        .ok_or_else(|| Failure::refused(format!("there is no `{path}`")).hint("`odoopack up`"))?;
    let wrong = |why: String| {
        Failure::failed(format!("`{path}` is not what this program wrote"))
            .because(why)
            .hint("`odoopack up`")
    };
    let table: Table = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if table.format == FORMAT {
        Ok(table)
    } else {
        Err(wrong(format!("its format is {}, not {FORMAT}", table.format)))
    }
}

/// Begins every job when it is due, until the program is asked to end.
pub(crate) fn keep_running(place: &Place) -> Result<()> {
    interrupt::listen();
    files::directory_all(&schedule::place(&place.state))?;
    let mut running: BTreeMap<String, std::thread::JoinHandle<()>> = BTreeMap::new();
    while interrupt::exit_code().is_none() {
        running.retain(|_, thread| !thread.is_finished());
        let pause = match look(place, &mut running) {
            Ok(pause) => pause,
            Err(failure) => {
                place.say(&format!("ERROR {}", failure.chain().join(": ")));
                LOOK
            }
        };
        sleep(pause);
    }
    Ok(())
}

/// Begins what is due; returns how long nothing will be.
fn look(place: &Place, running: &mut BTreeMap<String, std::thread::JoinHandle<()>>) -> Result<Duration> {
    let table = table(&place.table)?;
    let now = now();
    let mut pause = LOOK;
    for job in &table.jobs {
        let past = match schedule::known(&place.state, job, &table.zone, now) {
            Ok(past) => past,
            // The others have nothing to do with it.
            Err(failure) => {
                place.say(&format!("ERROR {}: {}", job.name, failure.chain().join(": ")));
                continue;
            }
        };
        let runs = running.contains_key(&job.name) || schedule::runs(&place.state, &job.name);
        match judge(&job.when, &table.zone, &past, runs, now) {
            State::Waits { until } => {
                let left = u64::try_from(until - now).unwrap_or_default();
                pause = pause.min(Duration::from_secs(left.max(1)));
            }
            State::Due { .. } => {
                let (place, job, zone) = (place.clone(), job.clone(), table.zone.clone());
                let name = job.name.clone();
                let begin = move || {
                    if let Err(failure) = run(&place, &job, &zone, true) {
                        place.say(&format!("ERROR {}: {}", job.name, failure.chain().join(": ")));
                    }
                };
                running.insert(name, std::thread::spawn(begin));
            }
        }
    }
    Ok(pause)
}

/// Runs one job now, whether it is due or not, and writes down how it ended; with `if_due` only when it is due, else `None`.
pub(crate) fn run_now(place: &Place, name: &str, if_due: bool) -> Result<Option<Attempt>> {
    let table = table(&place.table)?;
    let job = table.jobs.iter().find(|job| job.name == name).ok_or_else(|| {
        let names: Vec<&str> = table.jobs.iter().map(|job| job.name.as_str()).collect();
        Failure::refused(format!("there is no job `{name}`")).hint(format!(
            "the jobs are: {}; `odoopack schedule list`",
            names.join(", ")
        ))
    })?;
    files::directory_all(&schedule::place(&place.state))?;
    interrupt::listen();
    run(place, job, &table.zone, if_due)
}

/// What is due is only known once the job is ours: until then somebody else may have run it.
fn run(place: &Place, job: &Job, zone: &Zone, if_due: bool) -> Result<Option<Attempt>> {
    let Some(_running) = schedule::begin(&place.state, &job.name)? else {
        return Err(Failure::new(
            crate::failure::Kind::Locked,
            format!("the job `{}` runs already", job.name),
        ));
    };
    let now = now();
    let mut past = schedule::known(&place.state, job, zone, now)?;
    let mut attempt = past.begin(&job.when, zone, now);
    if if_due && attempt.between {
        return Ok(None);
    }
    past.last = Some(attempt.clone());
    schedule::remember(&place.state, &job.name, &past)?;
    let late = if attempt.late() { ", which was missed" } else { "" };
    let due = jiff::Timestamp::from_second(attempt.due).unwrap_or_default();
    place.say(&format!("INFO {} begins for {due}{late}", job.name));
    let (outcome, said) = judge_end(to_its_end(place, job));
    // A run that was cut off by the end of this program stays unfinished, and is begun again.
    if interrupt::exit_code().is_none() {
        attempt.outcome = outcome;
        attempt.ended = Some(self::now());
        attempt.said = said;
        past.last = Some(attempt.clone());
        schedule::remember(&place.state, &job.name, &past)?;
    }
    place.say(&format!("{} {} {}", weight(&attempt), job.name, ended(&attempt)));
    Ok(Some(attempt))
}

fn to_its_end(place: &Place, job: &Job) -> Result<exec::Outcome> {
    let _alone = match &job.environment {
        Some(environment) => Some(schedule::wait_for(&place.state, environment)?),
        None => None,
    };
    child(place, job)?.outcome()
}

/// How a run ended and what it said; one that could not be begun, or that hung until it was killed, has failed like any other.
fn judge_end(ended: Result<exec::Outcome>) -> (Outcome, Option<String>) {
    let outcome = match ended {
        Ok(outcome) => outcome,
        Err(failure) => return (Outcome::Failed(None), Some(failure.chain().join(": "))),
    };
    match outcome.status.code() {
        Some(0) => (Outcome::Done, None),
        Some(5) => (Outcome::Locked, Some(complaint(&outcome))),
        code => (Outcome::Failed(code), Some(complaint(&outcome))),
    }
}

fn weight(attempt: &Attempt) -> &'static str {
    match attempt.outcome {
        Outcome::Done | Outcome::Running => "INFO",
        Outcome::Locked => "WARNING",
        Outcome::Failed(_) => "ERROR",
    }
}

/// What a failed run said: the error of its JSON document, else the end of its output.
fn complaint(outcome: &exec::Outcome) -> String {
    let document = outcome.stdout.lines().last().unwrap_or_default();
    let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    let parts = document["error"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let parts: Vec<&str> = parts.iter().filter_map(serde_json::Value::as_str).collect();
    if parts.is_empty() {
        tail(&outcome.stderr, KEPT_LINES)
    } else {
        parts.join(": ")
    }
}

/// How a run ended, in words.
pub(crate) fn ended(attempt: &Attempt) -> String {
    let seconds = attempt.ended.map_or(0, |ended| ended - attempt.started);
    match attempt.outcome {
        Outcome::Running => "was cut off".to_owned(),
        Outcome::Done => format!("done in {seconds} s"),
        Outcome::Locked if attempt.between => "did nothing: somebody else was at work".to_owned(),
        Outcome::Locked => "waits: somebody else is at work".to_owned(),
        Outcome::Failed(Some(code)) => format!("failed with exit code {code}"),
        Outcome::Failed(None) => "failed: it did not end by itself".to_owned(),
    }
}

fn child(place: &Place, job: &Job) -> Result<Cmd> {
    let this = std::env::current_exe()
        .map_err(|e| Failure::failed("could not find out where this program is").because(e))?;
    let this = this.to_string_lossy().into_owned();
    // A newer copy may have been put in the place of the one that runs.
    let this = this.strip_suffix(" (deleted)").unwrap_or(&this).to_owned();
    Ok(Cmd::new(this)
        .args(["--root", place.root.as_str(), "--json", "--yes"])
        .args(job.run.iter().cloned())
        .patience(PATIENCE))
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn sleep(pause: Duration) {
    let end = std::time::Instant::now() + pause;
    while std::time::Instant::now() < end && interrupt::exit_code().is_none() {
        std::thread::sleep(NOTICE);
    }
}

#[cfg(test)]
mod tests {
    use odoopack_core::schedule::Past;

    use super::*;

    /// A pack with these jobs at two in the morning, all of which end at once and badly: what would run them here is a test.
    fn place(keep: &tempfile::TempDir, jobs: &[&str]) -> Place {
        let root = Utf8Path::from_path(keep.path()).unwrap().to_owned();
        files::directory_all(&schedule::place(&root)).unwrap();
        let job = |name: &&str| serde_json::json!({ "name": name, "what": "", "environment": null, "when": "02:00", "run": ["renew"] });
        let jobs: Vec<_> = jobs.iter().map(job).collect();
        let table = serde_json::json!({ "format": FORMAT, "zone": "UTC", "jobs": jobs }).to_string();
        files::replace(&root.join("table"), table.as_bytes(), 0o644, None).unwrap();
        Place {
            table: root.join("table"),
            state: root.clone(),
            root,
            log: false,
        }
    }

    /// A timer fires while the job is run by hand, and its unit asks again when that run is over.
    #[test]
    fn what_somebody_else_has_run_meanwhile_is_not_run_again_unless_a_person_wants_it() {
        let keep = tempfile::tempdir().unwrap();
        let place = place(&keep, &["renew"]);
        let long_ago = Past::new(now() - 3 * 86_400);
        schedule::remember(&place.state, "renew", &long_ago).unwrap();
        let by_hand = schedule::begin(&place.state, "renew").unwrap();
        let failure = run_now(&place, "renew", true).unwrap_err();
        assert_eq!(failure.kind, crate::failure::Kind::Locked);
        drop(by_hand);
        let ran = run_now(&place, "renew", false).unwrap().unwrap();
        assert!(!ran.between && ran.missed > 0, "{ran:?}");
        let known = schedule::past(&place.state, "renew").unwrap();
        assert_eq!(run_now(&place, "renew", true).unwrap(), None);
        assert_eq!(schedule::past(&place.state, "renew").unwrap(), known);
        assert!(run_now(&place, "renew", false).unwrap().unwrap().between);
    }

    #[test]
    fn what_is_known_of_one_job_and_cannot_be_read_keeps_no_other_one_from_its_time() {
        let keep = tempfile::tempdir().unwrap();
        let place = place(&keep, &["broken", "whole"]);
        schedule::remember(&place.state, "whole", &Past::new(now() - 3 * 86_400)).unwrap();
        files::replace(
            &schedule::place(&place.state).join("broken.json"),
            b"{",
            0o644,
            None,
        )
        .unwrap();
        let mut running = BTreeMap::new();
        look(&place, &mut running).unwrap();
        running.remove("whole").unwrap().join().unwrap();
        let past = schedule::past(&place.state, "whole").unwrap().unwrap();
        assert!(past.last.unwrap().ended.is_some());
        assert!(running.is_empty());
    }

    #[test]
    fn one_that_hung_or_never_began_has_failed_with_what_was_said_of_it() {
        let hung =
            Failure::failed("`odoopack backup create` was stopped").because("it took longer than 86400 s");
        let (outcome, said) = judge_end(Err(hung));
        assert_eq!(outcome, Outcome::Failed(None));
        assert!(said.unwrap().contains("longer than 86400 s"));
        let hangs = Cmd::new("sleep").arg("60").patience(Duration::from_millis(50));
        let (outcome, said) = judge_end(hangs.outcome());
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        assert!(said.is_some_and(|said| !said.is_empty()));
        for (script, wanted) in [
            ("exit 0", Outcome::Done),
            ("echo no >&2; exit 5", Outcome::Locked),
            ("echo no >&2; exit 4", Outcome::Failed(Some(4))),
        ] {
            let (outcome, said) = judge_end(Cmd::new("sh").args(["-c", script]).outcome());
            assert_eq!(
                (outcome, said.is_some()),
                (wanted, wanted != Outcome::Done),
                "{script}"
            );
        }
    }
}
