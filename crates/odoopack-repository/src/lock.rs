//! One writer per repository: `flock` on this host, a lock object for other hosts, and a look for stock restic's own locks.
use std::fs::{File, OpenOptions, TryLockError};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::leftovers;
use crate::objects::{Claim, Form, Objects};
use crate::place::Place;

/// Name of our lock object; restic reads no such directory.
const OBJECT: &str = "odoopack/writer";
/// Written to be told what time it is where the locks are: a clock here that is wrong makes no lock stale.
const CLOCK: &str = "odoopack/clock";
/// A lock that was not renewed for this long belongs to nobody; restic calls its own stale after the same time.
const STALE: i64 = 30 * 60;
/// How often a held lock is renewed.
const RENEWED: Duration = Duration::from_mins(5);

/// How often, and how far apart, restic's locks are looked at again: five minutes in all.
const PATIENCE: u32 = if cfg!(test) { 3 } else { 30 };
const LOOK: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 10_000 });

/// Who writes, where and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Holder {
    /// Name of the host.
    pub host: String,
    /// Identity of this boot of the host; a process of another boot is gone.
    pub boot: String,
    /// Process.
    pub pid: u32,
    /// What it does, such as `odoopack backup create production`.
    pub why: String,
}

/// The right to write; given back when dropped.
#[derive(Debug)]
pub struct Writer {
    held: Held,
    renewing: Option<(Sender<()>, JoinHandle<()>)>,
    surely_alone: bool,
    _file: Option<File>,
}

impl Writer {
    /// Takes the repository for `holder`, without waiting.
    pub(crate) fn take(place: &Place, objects: &Objects, holder: &Holder) -> Result<Self> {
        let file = match place {
            Place::Directory(directory) => Some(flock(directory)?),
            Place::Bucket(_) => None,
        };
        refuse_restic(objects)?;
        let surely_alone = match place {
            // Whoever else could write has not got the file.
            Place::Directory(_) => {
                refuse_other(objects, holder)?;
                write(objects, holder)?;
                true
            }
            Place::Bucket(_) => claim(place, objects, holder)?,
        };
        // Two hosts that wrote at the same time both read the same bytes afterwards: one of them finds the other's.
        let now = read(objects)?;
        if now.as_ref() != Some(holder) {
            return Err(Error::Locked(
                now.map_or_else(|| "unknown".to_owned(), |other| other.to_string()),
            ));
        }
        if let Place::Directory(directory) = place {
            leftovers::collect(directory)?;
        }
        let held = Held {
            place: place.clone(),
            objects: objects.clone(),
            holder: holder.clone(),
            taken: Arc::default(),
        };
        Ok(Self {
            renewing: Some(renew(held.clone())),
            held,
            surely_alone,
            _file: file,
        })
    }

    /// Whether the store itself let only one have the lock. A service that cannot write an object only if there is none lets two hosts
    /// that begin within one request of each other both have it.
    pub fn is_surely_alone(&self) -> bool {
        self.surely_alone
    }

    /// Whether the right is still ours.
    ///
    /// # Errors
    /// [`Error::Locked`] when it is not: as [`Held::check`].
    pub(crate) fn check(&self) -> Result<()> {
        self.held.check()
    }

    /// The lock, for who may have to ask later whether it was kept.
    pub(crate) fn held(&self) -> Held {
        self.held.clone()
    }
}

/// The lock object as its holder knows it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    place: Place,
    objects: Objects,
    holder: Holder,
    /// Who took it over while this process stood still.
    taken: Arc<OnceLock<String>>,
}

impl Held {
    /// Whether it is still ours.
    ///
    /// # Errors
    /// [`Error::Locked`] when somebody took it over, even if they have ended since: what they removed nobody here knows.
    pub(crate) fn check(&self) -> Result<()> {
        self.look().map(drop)
    }

    fn look(&self) -> Result<Form> {
        let mut found = None;
        if self.taken.get().is_none() {
            found = self.objects.get_form(OBJECT)?;
        }
        let now = found.as_ref().map(|form| parse(&self.objects, &form.content));
        match (found, now.transpose()?) {
            (Some(form), Some(now)) if now == self.holder => Ok(form),
            (_, now) => {
                let who = || {
                    now.filter(|now| *now != nobody()).map_or_else(
                        || "somebody who has ended since".to_owned(),
                        |now| now.to_string(),
                    )
                };
                let who = self.taken.get_or_init(who);
                Err(Error::Locked(format!(
                    "{who}; the lock was taken over while this process stood still"
                )))
            }
        }
    }

    /// Takes it away; a key that may not delete writes over it that nobody has it any more, or every other host would wait.
    fn give_back(&self, form: &Form) -> Result<()> {
        if self.objects.remove(OBJECT).is_ok() {
            return Ok(());
        }
        match self
            .objects
            .claim(&self.place, OBJECT, Some(form), &text(&nobody()))?
        {
            Claim::Made | Claim::Taken => Ok(()),
            Claim::Unsupported => write(&self.objects, &nobody()),
        }
    }

    /// Makes it young again, if it is still ours.
    fn renew(&self) -> Result<()> {
        let form = self.look()?;
        match self
            .objects
            .claim(&self.place, OBJECT, Some(&form), &text(&self.holder))?
        {
            Claim::Made => Ok(()),
            // By somebody else since the look; or by us, and only the answer was lost.
            Claim::Taken => self.check(),
            Claim::Unsupported => write(&self.objects, &self.holder),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.renewing.take() {
            drop(over);
            thread.join().unwrap_or_default();
        }
        // That of somebody else is theirs.
        if let Ok(form) = self.held.look() {
            // What is left behind all the same is taken over by this host at once and by others after half an hour.
            self.held.give_back(&form).unwrap_or_default();
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, process {} on {}", self.why, self.pid, self.host)
    }
}

fn flock(directory: &str) -> Result<File> {
    let path = format!("{directory}/odoopack.lock");
    let failed = |e: &std::io::Error| Error::Store {
        act: "lock".to_owned(),
        place: path.clone(),
        why: e.to_string(),
    };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    let file = file.map_err(|e| failed(&e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked("another process of this host".to_owned())),
        Err(TryLockError::Error(e)) => Err(failed(&e)),
    }
}

/// Stock restic writes a file below `locks/` and renews it every five minutes.
fn refuse_restic(objects: &Objects) -> Result<()> {
    let locks = objects.list("locks")?;
    if locks.is_empty() {
        return Ok(());
    }
    let now = now(objects)?;
    let fresh = locks.into_iter().find(|lock| is_fresh(lock.written, now));
    match fresh {
        None => Ok(()),
        Some(lock) => {
            let short: String = lock.name.chars().take(8).collect();
            Err(Error::Locked(format!("restic, lock {short} in `locks/`")))
        }
    }
}

/// The same, for what is nearly done: somebody who only reads is soon gone. Returns whether anybody was there, and it may have been a
/// prune, which knows nothing of what is not visible yet: what was looked at before has to be looked at again.
pub(crate) fn wait_for_restic(objects: &Objects) -> Result<bool> {
    for look in 0..PATIENCE {
        match refuse_restic(objects) {
            Err(Error::Locked(_)) => std::thread::sleep(LOOK),
            gone => return gone.map(|()| look > 0),
        }
    }
    refuse_restic(objects).map(|()| true)
}

fn refuse_other(objects: &Objects, holder: &Holder) -> Result<()> {
    match read(objects)? {
        None => Ok(()),
        Some(other) => refuse_fresh(objects, &other, holder),
    }
}

fn refuse_fresh(objects: &Objects, other: &Holder, holder: &Holder) -> Result<()> {
    if *other == nobody() {
        return Ok(());
    }
    let now = now(objects)?;
    let stale = !objects
        .written(OBJECT)?
        .is_some_and(|written| is_fresh(written, now));
    if stale || gone(other, holder) {
        return Ok(());
    }
    Err(Error::Locked(other.to_string()))
}

/// Takes the lock of a bucket in one request, which the service grants to one of those who send it; says whether the service can.
fn claim(place: &Place, objects: &Objects, holder: &Holder) -> Result<bool> {
    let found = objects.get_form(OBJECT)?;
    if let Some(form) = &found {
        refuse_fresh(objects, &parse(objects, &form.content)?, holder)?;
    }
    match objects.claim(place, OBJECT, found.as_ref(), &text(holder))? {
        // A service that ignores the condition grants everything: it is asked once more for what it must refuse.
        Claim::Made => Ok(objects.claim(place, OBJECT, None, &text(holder))? == Claim::Taken),
        // By ourselves, when only the answer to an earlier request was lost: what is there is looked at next.
        Claim::Taken => Ok(true),
        Claim::Unsupported => write(objects, holder).map(|()| false),
    }
}

/// Whether the other holder was a process of this host that no longer lives.
fn gone(other: &Holder, holder: &Holder) -> bool {
    let here = other.host == holder.host;
    // Our own: its removal failed once, and who else of this process writes to a directory is kept out by `flock`.
    let ours = other.pid == holder.pid;
    let lives = || std::path::Path::new(&format!("/proc/{}", other.pid)).exists();
    here && (other.boot != holder.boot || ours || !lives())
}

/// One from the future was written before the clock was set back: whoever lives has renewed it since.
fn is_fresh(written: i64, now: i64) -> bool {
    (now - written).abs() < STALE
}

fn now(objects: &Objects) -> Result<i64> {
    objects.put(CLOCK, &[Bytes::from_static(b"now")])?;
    let now = objects.written(CLOCK)?;
    Ok(now.unwrap_or_else(|| Timestamp::now().as_second()))
}

fn read(objects: &Objects) -> Result<Option<Holder>> {
    let bytes = objects.get(OBJECT)?;
    bytes.map(|bytes| parse(objects, &bytes)).transpose()
}

fn parse(objects: &Objects, bytes: &[u8]) -> Result<Holder> {
    serde_json::from_slice(bytes).map_err(|e| Error::Format {
        what: format!("could not read the lock {OBJECT} at {}", objects.place()),
        why: e.to_string(),
    })
}

fn write(objects: &Objects, holder: &Holder) -> Result<()> {
    objects.put(OBJECT, &[text(holder)])
}

/// Who has a lock that could not be removed when its holder ended.
fn nobody() -> Holder {
    Holder {
        host: String::new(),
        boot: String::new(),
        pid: 0,
        why: "nobody".to_owned(),
    }
}

fn text(holder: &Holder) -> Bytes {
    Bytes::from(serde_json::to_vec(holder).expect("plain data always serializes"))
}

fn renew(held: Held) -> (Sender<()>, JoinHandle<()>) {
    let (over, waiting) = channel();
    let thread = std::thread::spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = waiting.recv_timeout(RENEWED) {
            // A lock that could not be renewed now is renewed the next time, well before it counts as stale.
            if let Err(Error::Locked(_)) = held.renew() {
                return;
            }
        }
    });
    (over, thread)
}

#[cfg(test)]
mod tests {
    use odoopack_core::secret::SecretText;

    use super::*;
    use crate::Repository;

    fn holder(host: &str) -> Holder {
        Holder {
            host: host.to_owned(),
            boot: "1".to_owned(),
            pid: std::process::id(),
            why: "a test".to_owned(),
        }
    }

    /// The clock was a year ahead when they were written, and whoever wrote them is gone.
    #[test]
    fn a_lock_from_the_future_keeps_nobody_out_for_a_year() {
        let keep = tempfile::tempdir().unwrap();
        let place = Place::Directory(keep.path().to_str().unwrap().to_owned());
        let repository = Repository::create(&place, &SecretText::new("key")).unwrap();
        let objects = &repository.objects;
        let restics = "locks/0123456789abcdef";
        objects.put(restics, &[Bytes::from_static(b"restic's")]).unwrap();
        write(objects, &holder("elsewhere")).unwrap();
        let minutes_ahead = |minutes: u64| {
            let time = std::time::SystemTime::now() + Duration::from_mins(minutes);
            for name in [restics, OBJECT] {
                let file = File::options().append(true).open(keep.path().join(name));
                file.unwrap().set_modified(time).unwrap();
            }
        };
        for minutes in [0, 5] {
            minutes_ahead(minutes);
            let refused = repository.writer(&holder("here"));
            assert!(matches!(refused, Err(Error::Locked(_))), "{minutes}: {refused:?}");
        }
        minutes_ahead(365 * 24 * 60);
        drop(repository.writer(&holder("here")).unwrap());
    }

    #[test]
    fn a_lock_that_somebody_took_over_is_not_taken_back_nor_removed() {
        let keep = tempfile::tempdir().unwrap();
        let place = Place::Directory(keep.path().to_str().unwrap().to_owned());
        let repository = Repository::create(&place, &SecretText::new("key")).unwrap();
        let objects = &repository.objects;
        let other = holder("elsewhere");
        for has_ended in [false, true] {
            let writer = repository.writer(&holder("here")).unwrap();
            writer.held.renew().unwrap();
            assert_eq!(read(objects).unwrap(), Some(holder("here")));
            write(objects, &other).unwrap();
            if has_ended {
                objects.remove(OBJECT).unwrap();
            }
            let refused = writer.held.renew().unwrap_err().to_string();
            let who = if has_ended { "has ended" } else { "on elsewhere" };
            assert!(refused.contains(who), "{refused}");
            write(objects, &other).unwrap();
            assert!(matches!(writer.check(), Err(Error::Locked(_))));
            drop(writer);
            assert_eq!(read(objects).unwrap(), Some(other.clone()));
            objects.remove(OBJECT).unwrap();
        }
    }
}
