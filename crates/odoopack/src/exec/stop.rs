//! Ending a program, with its children.
use std::thread::JoinHandle;
use std::time::Duration;

/// Ends a process group when its time is over.
#[derive(Debug)]
pub(super) struct Watchdog {
    over: std::sync::mpsc::Sender<()>,
    thread: JoinHandle<bool>,
}

impl Watchdog {
    pub(super) fn start(pid: u32, patience: Duration) -> Self {
        let (over, waiting) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let timed_out = matches!(
                waiting.recv_timeout(patience),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            );
            if timed_out {
                end_group(pid);
            }
            timed_out
        });
        Self { over, thread }
    }

    pub(super) fn stop(self) -> bool {
        drop(self.over);
        self.thread.join().unwrap_or_default()
    }
}

/// Sends SIGKILL to the process group that `pid` leads; a group that is gone is fine.
pub(crate) fn end_group(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).unwrap_or_default();
    }
}
