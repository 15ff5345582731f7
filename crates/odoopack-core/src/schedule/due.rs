//! Whether a job is due, from its times and from what has run before.
use super::{When, Zone};

/// A job that starts later than this after its time was missed, and is caught up.
pub const CATCH_UP: i64 = 15 * 60;
/// A recorded time this far in the future was written by a clock that was wrong.
const WRONG_CLOCK: i64 = 26 * 3600;
/// Between two tries of a job that found somebody else at work.
const PAUSE: i64 = 30;
/// How often a run that was cut off (a power failure, a reboot) is begun again for the same time.
const ATTEMPTS: u32 = 3;

/// What is known of a job's past.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// When the job was first known here, in seconds since 1970: nothing before that was missed.
    pub since: i64,
    /// The last time that it was begun.
    pub last: Option<Attempt>,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The time of the schedule that it is for, in seconds since 1970.
    pub due: i64,
    /// When it was begun.
    pub started: i64,
    /// When it ended; `None`: it runs, or was cut off.
    pub ended: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Times of the schedule before this one that had no run of their own.
    pub missed: u32,
    /// Which attempt for the same time this is, from 1.
    pub attempt: u32,
    /// The end of what it said, when it failed.
    pub said: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It has not ended.
    Running,
    /// Exit code 0.
    Done,
    /// Somebody else was at work in the environment: it is tried again.
    Locked,
    /// Any other end, with its exit code; `None`: a signal.
    Failed(Option<i32>),
}

/// What to do about a job now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing before this second since 1970.
    Waits {
        /// When.
        until: i64,
    },
    /// To be begun now.
    Due {
        /// The time of the schedule that it is for.
        due: i64,
        /// Earlier times that had no run: they are not made up for one by one.
        missed: u32,
        /// Which attempt for this time this is, from 1.
        attempt: u32,
    },
}

/// Judges a job.
///
/// `running`: its last attempt is known to run still. What a clock that was far ahead wrote down says nothing, so such a job
/// is begun at once, which puts the record right; else it would be silent until that time comes again.
pub fn judge(when: &When, zone: &Zone, past: &Past, running: bool, now: i64) -> State {
    let next = || State::Waits {
        until: when.next(zone, now),
    };
    if running {
        return next();
    }
    if let Some(again) = past.last.as_ref().and_then(|last| again(last, now)) {
        return again;
    }
    let handled = past
        .last
        .as_ref()
        .map_or(past.since, |last| last.due.max(past.since));
    let due = when.last(zone, now);
    let missed = match handled {
        wrong if wrong - now > WRONG_CLOCK => 0,
        handled if due <= handled => return next(),
        handled => when.count(zone, handled, due).saturating_sub(1),
    };
    State::Due {
        due,
        missed,
        attempt: 1,
    }
}

/// A run that was cut off or found the door locked is begun again for the same time; before a locked door it waits a while.
fn again(last: &Attempt, now: i64) -> Option<State> {
    let until = last.ended.unwrap_or(last.started) + PAUSE;
    if last.outcome == Outcome::Locked && (now + 1..=now + PAUSE).contains(&until) {
        return Some(State::Waits { until });
    }
    let unfinished = match last.outcome {
        Outcome::Running => last.attempt < ATTEMPTS,
        Outcome::Locked => true,
        Outcome::Done | Outcome::Failed(_) => false,
    };
    (unfinished && last.due <= now).then(|| State::Due {
        due: last.due,
        missed: last.missed,
        attempt: last.attempt + u32::from(last.outcome == Outcome::Running),
    })
}

impl Past {
    /// A job that is known from now on.
    pub fn new(now: i64) -> Self {
        Self {
            since: now,
            last: None,
        }
    }

    /// Whether the last run was cut off, does not run any more, and will not be begun again for its time.
    pub fn given_up(&self, running: bool) -> bool {
        let cut_off = |last: &Attempt| last.outcome == Outcome::Running && last.attempt >= ATTEMPTS;
        !running && self.last.as_ref().is_some_and(cut_off)
    }

    /// Whether a time has come and gone without a run: whoever should begin it does not.
    pub fn overdue(&self, when: &When, zone: &Zone, running: bool, now: i64) -> bool {
        matches!(judge(when, zone, self, running, now), State::Due { due, .. } if now - due > CATCH_UP)
    }
}

impl Attempt {
    /// Whether it was begun so late that its time counts as missed.
    pub fn late(&self) -> bool {
        self.started - self.due > CATCH_UP
    }
}
