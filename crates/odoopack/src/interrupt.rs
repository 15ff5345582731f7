//! ^C, SIGTERM and a terminal that is closed, while something is being changed: what runs is asked to end, cleans up, and so do we.
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::ui;

/// How long a program may take to end (apt finishes the package it is at) before it is killed.
const GRACE: Duration = Duration::from_secs(30);
/// How long this program may then take to clean up.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Number of the signal that came; 0: none.
static CAUGHT: AtomicU8 = AtomicU8::new(0);
/// Process groups of the programs that run now.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Listens from now on; before this, a signal just ends the program, and nothing was changed yet.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (listening, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || watch(&listening));
        // The thread says nothing when it cannot listen: then signals keep their usual effect.
        wait.recv().unwrap_or_default();
    });
}

/// The exit code for the signal that came (`bash(1)`: 128 and its number).
pub(crate) fn exit_code() -> Option<u8> {
    match CAUGHT.load(Ordering::SeqCst) {
        0 => None,
        number => Some(128 + number),
    }
}

/// A running program; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Running(u32);

/// Remembers that the process group of `pid` runs.
pub(crate) fn running(pid: u32) -> Running {
    groups().insert(pid);
    Running(pid)
}

impl Drop for Running {
    fn drop(&mut self) {
        groups().remove(&self.0);
    }
}

fn groups() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(listening: &std::sync::mpsc::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let kinds = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(mut interrupt), Ok(mut terminate)) = kinds else {
            return;
        };
        // Whoever has started us so that a closed terminal is nothing to us (`nohup`) has said so.
        let mut hangup = (!ignores_hangup())
            .then(|| signal(SignalKind::hangup()).ok())
            .flatten();
        listening.send(()).unwrap_or_default();
        let mut next = async || {
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => 2_u8,
                _ = terminate.recv() => 15_u8,
                _ = hung_up => 1_u8,
            }
        };
        let number = next().await;
        CAUGHT.store(number, Ordering::SeqCst);
        if groups().is_empty() {
            end(number);
        }
        ui::failure("interrupted: waiting for what runs to end (again: kill it)");
        tell_all(rustix::process::Signal::TERM);
        let ended = async {
            while !groups().is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = ended => {}
            _ = next() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        tell_all(rustix::process::Signal::KILL);
        let cleaning = Instant::now();
        while cleaning.elapsed() < CLEAN_UP {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        end(number);
    });
}

/// Whether SIGHUP was ignored when this program was started.
fn ignores_hangup() -> bool {
    let status = crate::files::read_text("/proc/self/status".into());
    status.is_ok_and(|text| text.is_some_and(|text| parse_ignores_hangup(&text)))
}

/// `SigIgn:` holds a bit for each signal that is ignored, from 1 (`proc(5)`); SIGHUP is number 1 (`signal(7)`).
fn parse_ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

fn tell_all(signal: rustix::process::Signal) {
    for pid in groups().iter() {
        let pid = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // A group that has just ended is what we want.
            rustix::process::kill_process_group(pid, signal).unwrap_or_default();
        }
    }
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "nothing runs that could clean up: the same as a kill, which every step survives"
)]
fn end(number: u8) {
    ui::failure(AGAIN);
    std::process::exit(i32::from(128 + number));
}

/// What is said last.
pub(crate) const AGAIN: &str = "interrupted; the same command, run again, goes on from here";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen() {
        let status = |mask: &str| format!("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(parse_ignores_hangup(&status("0000000000001001")));
        assert!(!parse_ignores_hangup(&status("0000000000001000")));
        assert!(!parse_ignores_hangup("Name:\tx\n"));
    }
}
