//! The only printer: results on stdout, everything else on stderr, progress where somebody looks.
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::hint::with_root;

static VERBOSE: AtomicBool = AtomicBool::new(false);
/// Whether the one document that a machine waits for stands on stdout.
static DOCUMENT: AtomicBool = AtomicBool::new(false);

/// How this run talks.
#[derive(Debug)]
pub(crate) struct Ui {
    /// Machine output was asked for.
    pub(crate) json: bool,
    /// Questions are answered with yes.
    pub(crate) yes: bool,
    started: Instant,
    /// Whether the one document is another's to print.
    part: bool,
}

impl Ui {
    /// A printer for one run.
    pub(crate) fn new(json: bool, yes: bool, verbose: bool) -> Self {
        VERBOSE.store(verbose, Ordering::Relaxed);
        Self {
            json,
            yes,
            started: Instant::now(),
            part: false,
        }
    }

    /// A printer for a part of this run, whose own document nobody waits for.
    pub(crate) fn for_a_part(&self) -> Self {
        Self { part: true, ..*self }
    }

    /// Prints a result for people; nothing when a machine listens.
    pub(crate) fn result(&self, text: &str) {
        if !self.json {
            out(&with_root(text));
        }
    }

    /// Prints a text of somebody else, letter by letter: a file, SQL, a key; nothing when a machine listens.
    pub(crate) fn document(&self, text: &str) {
        if !self.json {
            out(text);
        }
    }

    /// Prints a result for machines, one document; nothing for people.
    pub(crate) fn json(&self, value: &serde_json::Value) {
        if self.json && !self.part {
            DOCUMENT.store(true, Ordering::Relaxed);
            out(&value.to_string());
        }
    }

    /// Says something that is not the result.
    pub(crate) fn say(&self, text: &str) {
        if !self.json {
            err(&with_root(text));
        }
    }

    /// Something to look at that did not stop the work; one JSON object when a machine listens.
    pub(crate) fn warn(&self, text: &str) {
        let text = with_root(text);
        if self.json {
            err(&serde_json::json!({ "warning": text }).to_string());
        } else {
            err(&format!("warning: {text}"));
        }
    }

    /// Time since the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Asks a yes-or-no question; yes with `--yes` or where nobody can answer.
    pub(crate) fn confirm(&self, question: &str) -> std::io::Result<bool> {
        if self.yes || self.json || !std::io::stdin().is_terminal() {
            return Ok(true);
        }
        err_part(&format!("{question} [y/N] "));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Asks for a word that is not typed by accident; `None` where nobody can answer.
    pub(crate) fn ask(&self, question: &str) -> std::io::Result<Option<String>> {
        if self.json || !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        err_part(&format!("{question} "));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(Some(answer.trim().to_owned()))
    }

    /// Starts a step that people may have to wait for.
    pub(crate) fn step(&self, sentence: &str) -> Progress {
        Progress::start(sentence, self.json)
    }
}

/// One running step: a line with a spinner on a terminal, one plain line at its end elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    sentence: String,
    started: Instant,
    bar: Option<ProgressBar>,
    silent: bool,
}

impl Progress {
    fn start(sentence: &str, silent: bool) -> Self {
        let bar = (!silent && std::io::stderr().is_terminal()).then(|| spinner(sentence));
        Self {
            sentence: sentence.to_owned(),
            started: Instant::now(),
            bar,
            silent,
        }
    }

    /// Shows how far it is: a file, a module, bytes.
    pub(crate) fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            let short: String = text.chars().take(60).collect();
            bar.set_message(format!("{} - {short}", self.sentence));
        }
    }

    /// Ends it well.
    pub(crate) fn done(self) {
        self.end("done");
    }

    /// Ends it badly; the error is printed elsewhere.
    pub(crate) fn failed(self) {
        self.end("FAILED");
    }

    fn end(self, how: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.silent {
            err(&format!(
                "  {how:>6} {:>6.1}s  {}",
                self.started.elapsed().as_secs_f64(),
                self.sentence
            ));
        }
    }
}

fn spinner(sentence: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {elapsed:>5}  {msg}") {
        bar.set_style(style);
    }
    bar.set_message(sentence.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Prints an error that ends the run for machines: on stdout, or on stderr where the result already stands on stdout.
pub(crate) fn failure_json(value: &serde_json::Value) {
    if DOCUMENT.load(Ordering::Relaxed) {
        err(&value.to_string());
    } else {
        out(&value.to_string());
    }
}

/// Prints an error that ends the run.
pub(crate) fn failure(text: &str) {
    err(text);
}

/// Prints something that went wrong and does not end the run.
pub(crate) fn warning(text: &str) {
    err(&format!("warning: {}", with_root(text)));
}

/// Says what was called and how long it took, with `--verbose`.
pub(crate) fn trace(text: &str) {
    if VERBOSE.load(Ordering::Relaxed) {
        err(&format!("  + {text}"));
    }
}

/// Prints to stdout; a reader that went away is no fault of ours.
pub(crate) fn out(text: &str) {
    reaches(text);
}

/// The same; whether there is still somebody who reads.
pub(crate) fn reaches(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).is_ok()
}

/// Stdout for bytes that are the result themselves, such as a file of a snapshot.
pub(crate) fn raw() -> std::io::Stdout {
    std::io::stdout()
}

fn err(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").unwrap_or_default();
}

fn err_part(text: &str) {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{text}")
        .and_then(|()| stderr.flush())
        .unwrap_or_default();
}
