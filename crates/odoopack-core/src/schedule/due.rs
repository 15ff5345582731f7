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
    /// When the job was first known here with its times, in seconds since 1970: nothing before that was missed.
    pub since: i64,
    /// Its times and their zone; `None`: nobody has looked at them yet.
    #[serde(default)]
    pub times: Option<String>,
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
    /// Begun by hand between two times: it is for none of its own, and `due` is the last one before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub between: bool,
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
    let last = past.last.as_ref();
    if running {
        return next();
    }
    if let Some(until) = last.and_then(|last| pause(last, now)) {
        return State::Waits { until };
    }
    owed(when, zone, past, now).map_or_else(next, |(due, missed, attempt)| State::Due {
        due,
        missed,
        attempt,
    })
}

/// The run that is due now: for which time, how many before it were missed, and which attempt it is.
fn owed(when: &When, zone: &Zone, past: &Past, now: i64) -> Option<(i64, u32, u32)> {
    let last = past.last.as_ref();
    if let Some(again) = last.and_then(|last| again(last, now)) {
        return Some(again);
    }
    let handled = last.map_or(past.since, |last| last.handles(when, zone).max(past.since));
    let due = when.last(zone, now);
    let missed = match handled {
        wrong if wrong - now > WRONG_CLOCK => 0,
        handled if due <= handled => return None,
        handled => when.count(zone, handled, due).saturating_sub(1),
    };
    Some((due, missed, 1))
}

/// Until when a run that found the door locked is not begun again.
fn pause(last: &Attempt, now: i64) -> Option<i64> {
    let until = last.ended.unwrap_or(last.started) + PAUSE;
    let waits = last.outcome == Outcome::Locked && !last.between;
    (waits && (now + 1..=now + PAUSE).contains(&until)).then_some(until)
}

/// A run that was cut off or found the door locked is begun again for the same time; one that was for no time is not.
fn again(last: &Attempt, now: i64) -> Option<(i64, u32, u32)> {
    let unfinished = match last.outcome {
        Outcome::Running => last.attempt < ATTEMPTS,
        Outcome::Locked => true,
        Outcome::Done | Outcome::Failed(_) => false,
    };
    let cut_off = u32::from(last.outcome == Outcome::Running);
    (unfinished && !last.between && last.due <= now).then_some((
        last.due,
        last.missed,
        last.attempt + cut_off,
    ))
}

impl Past {
    /// A job that is known from now on.
    pub fn new(now: i64) -> Self {
        Self {
            since: now,
            times: None,
            last: None,
        }
    }

    /// Holds the job to these times; true when that is news. Of other times than before none was missed until now: a copy that
    /// is asked for on another day of the week must not replace anything at once.
    pub fn follow(&mut self, when: &When, zone: &Zone, now: i64) -> bool {
        let times = Some(when.on_calendar(zone));
        if self.times == times {
            return false;
        }
        if self.times.is_some() {
            self.since = now;
        }
        self.times = times;
        true
    }

    /// The run that begins now: for the time that is due, else between two times.
    pub fn begin(&self, when: &When, zone: &Zone, now: i64) -> Attempt {
        let owed = owed(when, zone, self, now);
        let handled = self.last.as_ref().map_or(i64::MIN, |last| last.due);
        let (due, missed, attempt) = owed.unwrap_or((when.last(zone, now).max(handled), 0, 1));
        Attempt {
            due,
            started: now,
            ended: None,
            outcome: Outcome::Running,
            missed,
            attempt,
            said: None,
            between: owed.is_none(),
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
    /// The last time that needs no run any more. What was begun by hand and ended well has done the work of a time that came meanwhile.
    fn handles(&self, when: &When, zone: &Zone) -> i64 {
        match self.ended {
            Some(ended) if self.between && self.outcome == Outcome::Done => {
                self.due.max(when.last(zone, ended))
            }
            _ => self.due,
        }
    }

    /// Whether it was begun so late that its time counts as missed.
    pub fn late(&self) -> bool {
        self.started - self.due > CATCH_UP
    }
}
