//! Programs that are fed or drained byte by byte: a dump is never held in memory, and never lies on disk twice. The end of a stream is only
//! good when the program ended well.
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::ioctl_fionread;
use rustix::pipe::fcntl_setpipe_size;

use super::run::read_all;
use super::stop::Watchdog;
use super::{Cmd, Outcome, end_group};
use crate::failure::{Failure, Result};

/// As much as anybody may have in a pipe (pipe(7), `pipe-max-size`).
const WIDE: usize = 1 << 20;
/// `pg_dump` writes 4 KiB at a time. To be woken for each of them takes as long as to read it: of a wide pipe so much is waited for,
const WORTH_WAKING: usize = 256 << 10;
/// but no longer than this, in which nobody fills it.
const MOMENT: Duration = Duration::from_millis(1);

/// A program whose stderr is being read.
#[derive(Debug)]
struct Started {
    child: Child,
    complaints: JoinHandle<String>,
    /// `None`: it may take as long as it needs.
    watchdog: Option<Watchdog>,
    running: Option<crate::interrupt::Running>,
}

/// Stdout of a running program. Reading ends with an error when the program did not end well, so that what it wrote until then cannot
/// pass for the whole.
#[derive(Debug)]
pub(crate) struct Pipe {
    cmd: Cmd,
    stdout: Option<ChildStdout>,
    /// Holds more than is written in a moment.
    wide: bool,
    /// `None`: it has ended.
    started: Option<Started>,
}

impl Cmd {
    /// Starts it and hands over its stdout as bytes, however long it takes.
    pub(crate) fn pipe(&self) -> Result<Pipe> {
        let mut started = self.begin(Stdio::null(), Stdio::piped(), false)?;
        let stdout = started.child.stdout.take();
        let widened = stdout.as_ref().map(|pipe| fcntl_setpipe_size(pipe, WIDE));
        Ok(Pipe {
            cmd: self.clone(),
            stdout,
            // A narrow one, where this user has many, is as good.
            wide: widened.is_some_and(|size| size.is_ok_and(|size| size >= WIDE)),
            started: Some(started),
        })
    }

    /// Runs it and lets `write` give it its stdin; stdout is dropped.
    ///
    /// # Errors
    /// The program's own words when it ended badly, else what `write` says; then the program was ended.
    pub(crate) fn fill(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let mut started = self.begin(Stdio::piped(), Stdio::null(), true)?;
        let pipe = started.child.stdin.take();
        let mut pipe = pipe.ok_or_else(|| self.failure("has no stdin"))?;
        let written = write(&mut pipe).and_then(|()| {
            pipe.flush()
                .map_err(|e| self.failure("did not read all of its input").because(e))
        });
        drop(pipe);
        self.finish(started, written)
    }

    /// Runs it and lets `read` have its stdout, all of it.
    ///
    /// # Errors
    /// As [`Cmd::fill`].
    pub(crate) fn drain<T>(&self, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let mut started = self.begin(Stdio::null(), Stdio::piped(), true)?;
        let pipe = started.child.stdout.take();
        let mut pipe = pipe.ok_or_else(|| self.failure("has no stdout"))?;
        let value = read(&mut pipe);
        // What was not read must not make a program that wrote everything look like one that was cut off.
        let value = value.and_then(|value| {
            std::io::copy(&mut pipe, &mut std::io::sink())
                .map(|_| value)
                .map_err(|e| self.failure("could not be read to its end").because(e))
        });
        drop(pipe);
        self.finish(started, value)
    }

    /// Runs it and gives it its stdin while `read` has its stdout.
    ///
    /// # Errors
    /// As [`Cmd::fill`].
    pub(crate) fn through<T: Send>(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
        read: impl FnOnce(&mut dyn Read) -> Result<T> + Send,
    ) -> Result<T> {
        let mut started = self.begin(Stdio::piped(), Stdio::piped(), true)?;
        let (Some(mut to), Some(mut from)) = (started.child.stdin.take(), started.child.stdout.take()) else {
            return self.finish(started, Err(self.failure("has no stdin or stdout")));
        };
        let value = std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let value = read(&mut from)?;
                std::io::copy(&mut from, &mut std::io::sink())
                    .map(|_| value)
                    .map_err(|e| self.failure("could not be read to its end").because(e))
            });
            let written = write(&mut to);
            drop(to);
            let value = reading
                .join()
                .unwrap_or_else(|_| Err(self.failure("could not be read")));
            written.and(value)
        });
        self.finish(started, value)
    }

    /// Runs it with an open file as its stdin, so that the program's user need not be allowed to open it; returns stdout.
    pub(crate) fn read_with(&self, input: File) -> Result<String> {
        let mut started = self.begin(Stdio::from(input), Stdio::piped(), true)?;
        let pipe = started.child.stdout.take();
        let mut text = Vec::new();
        let read = match pipe {
            Some(mut pipe) => pipe.read_to_end(&mut text),
            None => Ok(0),
        };
        let read = read.map_err(|e| self.failure("could not be read to its end").because(e));
        self.finish(started, read.map(drop))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn begin(&self, stdin: Stdio, stdout: Stdio, watched: bool) -> Result<Started> {
        let (mut child, running) = self.spawn(stdin, stdout)?;
        let stderr = child.stderr.take();
        let complaints =
            std::thread::spawn(move || stderr.map_or_else(String::new, |stderr| read_all(Box::new(stderr))));
        Ok(Started {
            running,
            watchdog: watched.then(|| Watchdog::start(child.id(), self.patience)),
            child,
            complaints,
        })
    }

    fn finish<T>(&self, started: Started, value: Result<T>) -> Result<T> {
        let Started {
            mut child,
            complaints,
            watchdog,
            running,
        } = started;
        let by_itself = if value.is_ok() {
            child.wait().map(Some)
        } else {
            grace(&mut child)
        };
        let by_itself = by_itself.map_err(|e| self.not_started(e))?;
        let status = if let Some(status) = by_itself {
            status
        } else {
            end_group(child.id());
            child.wait().map_err(|e| self.not_started(e))?
        };
        drop(running);
        let late = watchdog.is_some_and(Watchdog::stop);
        let stderr = complaints.join().unwrap_or_default();
        if late {
            return Err(self.failure(&format!(
                "took longer than {}s and was ended",
                self.patience.as_secs()
            )));
        }
        if by_itself.is_some() && !status.success() {
            return Err(self.ended_badly(&Outcome {
                status,
                stdout: String::new(),
                stderr,
            }));
        }
        value
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stdout) = self.stdout.as_mut() else {
            return Ok(0);
        };
        if self.wide && buffer.len() >= WORTH_WAKING && !ioctl_fionread(&*stdout).is_ok_and(is_enough) {
            std::thread::sleep(MOMENT);
        }
        let got = stdout.read(buffer)?;
        if got == 0 && !buffer.is_empty() {
            self.stdout = None;
            if let Some(started) = self.started.take() {
                let ended = self.cmd.finish(started, Ok(()));
                ended.map_err(|failure| io::Error::other(failure.chain().join(": ")))?;
            }
        }
        Ok(got)
    }
}

fn is_enough(waiting: u64) -> bool {
    waiting >= WORTH_WAKING as u64
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(mut started) = self.started.take() {
            end_group(started.child.id());
            self.stdout = None;
            started.child.wait().map(drop).unwrap_or_default();
        }
    }
}

/// A program whose pipe broke is about to end by itself, with the better words; one that waits for us is not.
fn grace(child: &mut Child) -> std::io::Result<Option<std::process::ExitStatus>> {
    for _ in 0..40 {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status).filter(|status| !status.success()));
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Ok(None)
}

/// Says that bytes could not be passed on.
pub(crate) fn broken(error: std::io::Error) -> Failure {
    Failure::failed("could not pass the bytes on").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_arrives_and_what_comes_is_read() {
        Cmd::new("grep")
            .arg("needle")
            .fill(|pipe| pipe.write_all(b"hay\nneedle\n").map_err(broken))
            .unwrap();
        let text = Cmd::new("echo").arg("hello").drain(|pipe| {
            let mut text = String::new();
            pipe.read_to_string(&mut text).map_err(broken)?;
            Ok(text)
        });
        assert_eq!(text.unwrap(), "hello\n");
    }

    #[test]
    fn a_program_that_fails_is_heard_whatever_became_of_the_pipe() {
        let failing = Cmd::new("sh").args(["-c", "echo why >&2; exit 3"]);
        let big = vec![0; 1 << 20];
        let failure = failing
            .fill(|pipe| pipe.write_all(&big).map_err(broken))
            .unwrap_err();
        assert!(failure.chain().join(" ").contains("why"), "{failure:?}");
        let short = Cmd::new("sh").args(["-c", "echo part; exit 4"]);
        let failure = short.drain(|_| Ok(())).unwrap_err();
        assert!(failure.to_string().contains("exit code 4"), "{failure}");
    }

    #[test]
    fn our_own_refusal_ends_the_program_and_is_what_is_said() {
        let failure = Cmd::new("cat")
            .fill(|_| Err(Failure::refused("hostile")))
            .unwrap_err();
        assert_eq!(failure.to_string(), "hostile");
    }

    fn shell(script: &str) -> Cmd {
        Cmd::new("sh").args(["-c", script])
    }

    #[test]
    fn a_program_that_fails_at_its_end_spoils_the_stream() {
        let mut text = String::new();
        shell("printf abc")
            .pipe()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "abc");
        let mut pipe = shell("printf abc; echo broken >&2; exit 3").pipe().unwrap();
        let error = pipe.read_to_string(&mut String::new()).unwrap_err().to_string();
        assert!(
            error.contains("exit code 3") && error.contains("broken"),
            "{error}"
        );
    }

    #[test]
    fn what_is_waited_for_in_a_wide_pipe_comes_whole_and_in_order() {
        // A page at a time, then slowly, then no whole page.
        let script = "seq 300000; for n in 1 2 3; do sleep 0.01; echo $n; done; printf end";
        let mut pipe = shell(script).pipe().unwrap();
        assert!(pipe.wide);
        let (mut buffer, mut all) = (vec![0; 2 * WORTH_WAKING], Vec::new());
        loop {
            match pipe.read(&mut buffer).unwrap() {
                0 => break,
                got => all.extend_from_slice(&buffer[..got]),
            }
        }
        let mut lines: Vec<String> = (1..=300_000).map(|n| n.to_string()).collect();
        lines.extend(["1", "2", "3", "end"].map(str::to_owned));
        assert!(String::from_utf8(all).unwrap() == lines.join("\n"));
    }

    #[test]
    fn a_pipe_that_is_dropped_ends_its_program() {
        let pipe = shell("sleep 60").pipe().unwrap();
        let process = format!("/proc/{}", pipe.started.as_ref().unwrap().child.id());
        drop(pipe);
        assert!(!std::path::Path::new(&process).exists());
    }
}
