//! Bytes out of a program and into one; the end of a stream is only good when the program ended well.
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::thread::JoinHandle;

use super::run::read_all;
use super::{Cmd, Outcome};
use crate::failure::Result;

/// Stdout of a running program. Reading ends with an error when the program did not end well, so that what it wrote until then cannot
/// pass for the whole.
#[derive(Debug)]
pub(crate) struct Pipe {
    cmd: Cmd,
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
    running: Option<crate::interrupt::Running>,
    ended: bool,
}

impl Cmd {
    /// Starts it and hands over its stdout as bytes.
    pub(crate) fn pipe(&self) -> Result<Pipe> {
        let (mut child, running) = self.spawn(Stdio::null())?;
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let stderr = std::thread::spawn(move || stderr.map_or_else(String::new, |s| read_all(Box::new(s))));
        Ok(Pipe {
            cmd: self.clone(),
            child,
            stdout,
            stderr: Some(stderr),
            running,
            ended: false,
        })
    }

    /// Runs it with what `write` writes as its stdin; a program that ends without reading all of it is no fault.
    pub(crate) fn feed(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Outcome> {
        let (mut child, running) = self.spawn(Stdio::piped())?;
        let stdin = child.stdin.take();
        let streams = (child.stdout.take(), child.stderr.take());
        let stdout =
            std::thread::spawn(move || streams.0.map_or_else(String::new, |s| read_all(Box::new(s))));
        let stderr =
            std::thread::spawn(move || streams.1.map_or_else(String::new, |s| read_all(Box::new(s))));
        let written = match stdin {
            Some(mut stdin) => write(&mut stdin),
            None => Ok(()),
        };
        let status = child.wait().map_err(|e| self.not_started(e))?;
        drop(running);
        let (stdout, stderr) = (
            stdout.join().unwrap_or_default(),
            stderr.join().unwrap_or_default(),
        );
        match written {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                return Err(self.failure("could not be given its input").because(e));
            }
            _ => {}
        }
        Ok(Outcome {
            status,
            stdout,
            stderr,
        })
    }
}

impl Pipe {
    fn end(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let status = self.child.wait()?;
        self.running.take();
        self.ended = true;
        let stderr = self
            .stderr
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let failure = self.cmd.ended_badly(&Outcome {
            status,
            stdout: String::new(),
            stderr,
        });
        Err(io::Error::other(failure.chain().join(": ")))
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stdout) = self.stdout.as_mut() else {
            return Ok(0);
        };
        let got = stdout.read(buffer)?;
        if got == 0 && !buffer.is_empty() {
            self.stdout = None;
            self.end()?;
        }
        Ok(got)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if !self.ended {
            super::end_group(self.child.id());
            self.stdout = None;
            self.child.wait().map(drop).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_pipe_that_is_dropped_ends_its_program() {
        let pipe = shell("sleep 60").pipe().unwrap();
        let process = format!("/proc/{}", pipe.child.id());
        drop(pipe);
        assert!(!std::path::Path::new(&process).exists());
    }

    #[test]
    fn feeds_and_forgives_a_reader_that_has_enough() {
        let outcome = shell("cat").feed(|input| input.write_all(b"hello")).unwrap();
        assert_eq!(outcome.stdout, "hello");
        let much = vec![b'x'; 1_000_000];
        let outcome = shell("head -c 3").feed(|input| input.write_all(&much)).unwrap();
        assert!(outcome.status.success() && outcome.stdout == "xxx");
    }
}
