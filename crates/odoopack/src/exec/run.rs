//! Running a command: what of its output is followed, how long it may take, what its end means.
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use super::stop::{Watchdog, end_group};
use super::{CALLERS_UMASK, Cmd, rows, tail};
use crate::failure::{Failure, Result};

/// How much of a failed program's stderr goes into the error.
const TAIL_LINES: usize = 12;

/// What a program did.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// All of stdout.
    pub(crate) stdout: String,
    /// All of stderr.
    pub(crate) stderr: String,
}

impl Cmd {
    /// Runs it; its output is only shown when it fails.
    pub(crate) fn run(&self) -> Result<()> {
        self.read().map(|_| ())
    }

    /// Runs it and returns stdout.
    pub(crate) fn read(&self) -> Result<String> {
        let outcome = self.outcome()?;
        if outcome.status.success() {
            Ok(outcome.stdout)
        } else {
            Err(self.ended_badly(&outcome))
        }
    }

    /// Runs it and returns how it ended; only a program that could not be started, took too long, or was told to end when we were, is an
    /// error.
    pub(crate) fn outcome(&self) -> Result<Outcome> {
        let mut stdout = String::new();
        let (status, stderr) = self.follow(Stream::Stdout, &mut |line| {
            stdout.push_str(line);
            stdout.push('\n');
            true
        })?;
        let outcome = Outcome {
            status,
            stdout,
            stderr,
        };
        self.whole(outcome, crate::interrupt::exit_code().is_some())
    }

    /// What a program did that was told to end says nothing of what it was asked.
    fn whole(&self, outcome: Outcome, interrupted: bool) -> Result<Outcome> {
        let told = interrupted && !self.outlives && !self.cleans_up;
        if told && !outcome.status.success() {
            return Err(self.failure("was interrupted"));
        }
        Ok(outcome)
    }

    /// Runs it and hands over each line of stderr as it comes (Odoo's log); stdout is dropped.
    pub(crate) fn stream_stderr(&self, each: &mut dyn FnMut(&str)) -> Result<Outcome> {
        let mut stderr = String::new();
        let (status, _) = self.follow(Stream::Stderr, &mut |line| {
            stderr.push_str(line);
            stderr.push('\n');
            each(line);
            true
        })?;
        Ok(Outcome {
            status,
            stdout: String::new(),
            stderr,
        })
    }

    /// Runs it and hands over each line of stdout as it comes; ends it when no more are wanted.
    pub(crate) fn stream(&self, each: &mut dyn FnMut(&str) -> bool) -> Result<()> {
        let mut wanted = true;
        let (status, stderr) = self.follow(Stream::Stdout, &mut |line| {
            wanted = each(line);
            wanted
        })?;
        if status.success() || !wanted {
            return Ok(());
        }
        Err(self.ended_badly(&Outcome {
            status,
            stdout: String::new(),
            stderr,
        }))
    }

    /// Starts it in a session of its own and leaves it running, its output in `log`; returns its pid.
    pub(crate) fn leave_running(&self, log: std::fs::File) -> Result<u32> {
        let mut argv = vec!["setsid".to_owned()];
        argv.push(self.program.clone());
        argv.extend(self.args.iter().cloned());
        let mut command = self.prepare(&argv);
        let again = log.try_clone().map_err(|e| self.not_started(e))?;
        command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again)
            .process_group(0);
        command
            .spawn()
            .map(|child| child.id())
            .map_err(|e| self.not_started(e))
    }

    /// Replaces this process by the program.
    pub(crate) fn become_it(&self) -> Failure {
        let umask = self.umask.or_else(|| CALLERS_UMASK.get().copied());
        let mut argv = Self {
            umask,
            ..self.clone()
        }
        .argv();
        // The terminal's own shell is the parent; it must not lose the program when we are gone.
        argv.retain(|arg| arg != "--pdeathsig=KILL");
        let mut command = self.prepare(&argv);
        self.not_started(command.exec())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the only spawner")]
    pub(super) fn prepare(&self, argv: &[String]) -> std::process::Command {
        let mut command = std::process::Command::new(&argv[0]);
        command.args(&argv[1..]);
        if self.bare {
            command.env_clear();
            command.env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            );
            command.env("LANG", "C.UTF-8");
        }
        if let Some(beginning) = self.without {
            std::env::vars_os()
                .filter(|(name, _)| name.as_encoded_bytes().starts_with(beginning.as_bytes()))
                .for_each(|(name, _)| {
                    command.env_remove(name);
                });
        }
        command.env("LC_ALL", "C.UTF-8").envs(&self.env);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    fn follow(&self, followed: Stream, each: &mut dyn FnMut(&str) -> bool) -> Result<(ExitStatus, String)> {
        let started = Instant::now();
        let stdin = if self.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let (mut child, running) = self.spawn(stdin, Stdio::piped())?;
        let writer = feed(&mut child, self.input.clone());
        let (main, other) = take_streams(&mut child, followed);
        let other = std::thread::spawn(move || read_all(other));
        let watchdog = Watchdog::start(child.id(), self.patience);
        let read = read_lines(main, each);
        if matches!(read, Ok(Wanted::NoMore)) {
            end_group(child.id());
        }
        let status = child.wait().map_err(|e| self.not_started(e))?;
        drop(running);
        let late = watchdog.stop();
        let other = other.join().unwrap_or_default();
        drop(writer.map(JoinHandle::join));
        read.map_err(|e| self.failure("could not read its output").because(e))?;
        if late {
            return Err(self.failure(&format!(
                "took longer than {}s and was ended",
                self.patience.as_secs()
            )));
        }
        crate::ui::trace(&format!(
            "{self} ({} ms, {status})",
            started.elapsed().as_millis()
        ));
        Ok((status, other))
    }

    /// Starts it with pipes, in a process group of its own.
    pub(super) fn spawn(
        &self,
        stdin: Stdio,
        stdout: Stdio,
    ) -> Result<(Child, Option<crate::interrupt::Running>)> {
        let mut command = self.prepare(&self.bound_argv());
        if self.directory.is_none() {
            // The caller's own directory may be gone, or closed to the user that the program runs as.
            command.current_dir("/");
        }
        command
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .process_group(0);
        if !self.cleans_up && crate::interrupt::exit_code().is_some() {
            return Err(self.failure("was not started: interrupted"));
        }
        let child = command.spawn().map_err(|e| self.not_started(e))?;
        let running = (!self.outlives && !self.cleans_up).then(|| crate::interrupt::running(child.id()));
        Ok((child, running))
    }

    pub(super) fn failure(&self, what: &str) -> Failure {
        Failure::failed(format!("`{self}` {what}"))
    }

    pub(super) fn not_started(&self, error: std::io::Error) -> Failure {
        if error.kind() == std::io::ErrorKind::NotFound {
            return self
                .failure("could not be started: `setpriv` is not installed")
                .hint("`apt-get install util-linux`");
        }
        self.failure("could not be started").because(error)
    }

    /// The error for an outcome that is not a success: the command as typed, how it ended, the end of stderr.
    pub(crate) fn ended_badly(&self, outcome: &Outcome) -> Failure {
        let how = match (outcome.status.code(), outcome.status.signal()) {
            (Some(127), _) => "ended with 127: the program is not installed".to_owned(),
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended in an unknown way".to_owned(),
        };
        let text = if outcome.stderr.trim().is_empty() {
            &outcome.stdout
        } else {
            &outcome.stderr
        };
        let tells = std::iter::once(&self.program)
            .chain(&self.args)
            .any(|word| rows::may_tell(word));
        let tail = if tells {
            tail(&rows::cut(text), TAIL_LINES)
        } else {
            tail(text, TAIL_LINES)
        };
        let failure = self.failure(&how);
        if tail.is_empty() {
            failure
        } else {
            failure.because(tail)
        }
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

type Reader = Box<dyn Read + Send>;

/// Writes the input beside the reading of the output; a program that ends without reading says so by its exit status.
fn feed(child: &mut Child, input: Option<String>) -> Option<JoinHandle<()>> {
    let (mut pipe, text) = (child.stdin.take()?, input?);
    Some(std::thread::spawn(move || {
        pipe.write_all(text.as_bytes()).unwrap_or_default();
    }))
}

fn take_streams(child: &mut Child, followed: Stream) -> (Reader, Reader) {
    let empty = || Box::new(std::io::empty()) as Reader;
    let out = child.stdout.take().map_or_else(empty, |s| Box::new(s));
    let err = child.stderr.take().map_or_else(empty, |s| Box::new(s));
    match followed {
        Stream::Stdout => (out, err),
        Stream::Stderr => (err, out),
    }
}

pub(super) fn read_all(mut reader: Reader) -> String {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Why reading ended.
enum Wanted {
    All,
    NoMore,
}

fn read_lines(reader: Reader, each: &mut dyn FnMut(&str) -> bool) -> std::io::Result<Wanted> {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if !each(text.trim_end_matches(['\n', '\r'])) {
            return Ok(Wanted::NoMore);
        }
        line.clear();
    }
    Ok(Wanted::All)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_program_whose_lines_nobody_wants_any_more_is_ended() {
        let mut seen = 0;
        let endless = Cmd::new("sh").args(["-c", "while :; do echo line; done"]);
        endless
            .stream(&mut |_| {
                seen += 1;
                seen < 3
            })
            .unwrap();
        assert_eq!(seen, 3);
    }

    #[test]
    fn a_failure_names_the_exit_code_and_the_end_of_stderr() {
        let failure = Cmd::new("sh")
            .args(["-c", "echo first >&2; echo last >&2; exit 3"])
            .run()
            .unwrap_err();
        let chain = failure.chain().join("\n");
        assert!(
            chain.contains("ended with exit code 3") && chain.contains("last"),
            "{chain}"
        );
    }

    #[test]
    fn what_a_program_says_that_was_told_to_end_is_no_answer() {
        let cmd = Cmd::new("sh").args(["-c", "kill -TERM $$"]);
        let ended = || cmd.outcome().unwrap();
        assert!(!cmd.whole(ended(), false).unwrap().status.success());
        let chain = cmd.whole(ended(), true).unwrap_err().chain().join("\n");
        assert!(chain.ends_with("was interrupted"), "{chain}");
        let whole = Cmd::new("echo").arg("hello");
        assert_eq!(
            whole.whole(whole.outcome().unwrap(), true).unwrap().stdout,
            "hello\n"
        );
    }

    #[test]
    fn what_a_program_of_postgresql_says_of_a_row_stays_out_of_the_error() {
        let keep = tempfile::tempdir().unwrap();
        let psql = keep.path().join("psql").to_str().unwrap().to_owned();
        std::os::unix::fs::symlink("/bin/sh", &psql).unwrap();
        let script = r#"echo 'CONTEXT:  COPY res_users, line 3: "7	geheim"' >&2; exit 3"#;
        let of = |cmd: Cmd| cmd.args(["-c", script]).run().unwrap_err().chain().join("\n");
        let said = of(Cmd::new(&psql));
        // The command itself is shown, as it was typed.
        let said = said.lines().last().unwrap();
        assert_eq!(said, "CONTEXT:  COPY res_users, line 3");
        assert!(of(Cmd::new("sh")).lines().last().unwrap().contains("geheim"));
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let cmd = Cmd::new("sh")
            .args(["-c", "sleep 60 & wait"])
            .patience(Duration::from_millis(50));
        assert!(cmd.run().unwrap_err().to_string().contains("took longer"));
    }

    #[test]
    fn a_program_does_not_begin_when_its_starter_is_gone() {
        // The shell in between is the parent: as if we had died and somebody else had taken the child over.
        let outcome = Cmd::new("sh")
            .args(["-c", "\"$@\"; exit $?", "sh"])
            .args(Cmd::new("echo").arg("begun").bound_argv())
            .outcome()
            .unwrap();
        assert!(
            !outcome.status.success() && outcome.stdout.is_empty(),
            "{outcome:?}"
        );
    }

    #[test]
    fn variables_of_ours_are_kept_from_a_program_by_the_beginning_of_their_names() {
        // Cargo and nextest set some of these for every test.
        assert!(std::env::vars_os().any(|(name, _)| name.as_encoded_bytes().starts_with(b"CARGO_")));
        let printed = Cmd::new("env")
            .env("CARGO_OWN", "1")
            .without("CARGO_")
            .read()
            .unwrap();
        let names: Vec<&str> = printed
            .lines()
            .filter(|line| line.starts_with("CARGO_"))
            .collect();
        assert_eq!(names, ["CARGO_OWN=1"]);
    }

    #[test]
    fn reads_stdout() {
        assert_eq!(Cmd::new("echo").arg("hello").read().unwrap(), "hello\n");
    }

    #[test]
    fn a_missing_program_is_named() {
        let chain = Cmd::new("no-such-program").run().unwrap_err().chain().join(" ");
        assert!(chain.contains("no-such-program"), "{chain}");
    }
}
