//! The only error that a command returns: a kind (the exit code), a sentence, its causes, and what helps.
use std::error::Error;
use std::fmt;

use crate::hint::with_root;

/// Kinds of failure; each is an exit code, documented in `docs/exit-codes.md` and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The work failed; nothing half-done is left that the same command would not finish.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The file is wrong.
    Spec = 3,
    /// A precondition does not hold.
    Refused = 4,
    /// Somebody else is at work.
    Locked = 5,
    /// A step failed, and the old state is back.
    RolledBack = 6,
    /// Only a person can go on from here.
    NeedsHuman = 7,
    /// Differences were found, or a promise is not kept.
    Drift = 8,
}

/// What failed, on what, why, and the command that helps.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    message: String,
    hints: Vec<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Result of everything that commands call.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure of `kind`; `message` is lower case, without a full stop.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
            source: None,
        }
    }

    /// Work that failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// A precondition that does not hold.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// The same as a precondition that does not hold.
    #[must_use]
    pub(crate) fn into_refusal(mut self) -> Self {
        self.kind = Kind::Refused;
        self
    }

    /// The same as work that failed.
    #[must_use]
    pub(crate) fn into_failed(mut self) -> Self {
        self.kind = Kind::Failed;
        self
    }

    /// The same as something that only a person can go on from.
    #[must_use]
    pub(crate) fn into_need_of_a_person(mut self) -> Self {
        self.kind = Kind::NeedsHuman;
        self
    }

    /// The same after which everything is as it was before.
    #[must_use]
    pub(crate) fn into_rolled_back(mut self) -> Self {
        self.kind = Kind::RolledBack;
        self
    }

    /// Adds an action that helps, with the exact command in backticks.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Takes a hint away that names what has just been done.
    #[must_use]
    pub(crate) fn without_hint(mut self, hint: &str) -> Self {
        self.hints.retain(|one| one != hint);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Puts the failure of a part under the name of the whole.
    #[must_use]
    pub(crate) fn during(self, what: impl Into<String>) -> Self {
        let kind = self.kind;
        let hints = self.hints.clone();
        Self {
            kind,
            message: what.into(),
            hints,
            source: Some(Box::new(Self {
                hints: Vec::new(),
                ..self
            })),
        }
    }

    /// Message and causes, outermost first.
    pub(crate) fn chain(&self) -> Vec<String> {
        let mut texts = vec![self.message.clone()];
        let mut next = self.source.as_deref().map(|e| e as &dyn Error);
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        texts
    }

    /// Message, causes and what helps, on one line.
    pub(crate) fn sentence(&self) -> String {
        let hints: Vec<String> = self.hints.iter().map(|hint| format!(" ({hint})")).collect();
        self.chain().join(": ") + &hints.concat()
    }

    /// What helps, with commands that can be pasted as they are.
    fn hints(&self) -> Vec<String> {
        self.hints.iter().map(|hint| with_root(hint)).collect()
    }

    /// The failure for machines.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "error": self.chain(), "hints": self.hints(), "exit_code": self.kind as u8 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn Error + 'static))
    }
}

/// The text that a person reads: `error:`, `caused by:`, `hint:`.
pub(crate) fn render(failure: &Failure) -> String {
    let mut lines = Vec::new();
    for (at, text) in failure.chain().into_iter().enumerate() {
        lines.push(if at == 0 {
            format!("error: {text}")
        } else {
            format!("caused by: {text}")
        });
    }
    lines.extend(failure.hints().iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_failed_why_and_what_helps() {
        let inner = Failure::failed("could not open `/x`")
            .because("permission denied")
            .hint("run as root");
        let text = render(&inner.during("could not write the configuration"));
        assert_eq!(
            text,
            "error: could not write the configuration\ncaused by: could not open `/x`\ncaused by: permission denied\nhint: run as root"
        );
    }
}
