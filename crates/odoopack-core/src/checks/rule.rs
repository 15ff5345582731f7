//! A check as data: what it is about, why it matters, what fixes it, and the function that looks.
use super::Severity;

/// One check, for the list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// Stable name.
    pub id: &'static str,
    /// Of its findings, the worst where they differ.
    pub severity: Severity,
    /// What it looks at.
    pub subject: &'static str,
    /// What should be so.
    pub title: &'static str,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The check.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// `file:line`, or the object.
    pub place: String,
    /// What was seen.
    pub saw: String,
    /// What happens because of it.
    pub why: String,
    /// The command or edit that fixes it.
    pub fix: String,
}

/// One place where a rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) place: Place,
    pub(super) saw: String,
    /// More exact than the rule's own.
    pub(super) fix: Option<String>,
    /// Other than the rule's own.
    pub(super) severity: Option<Severity>,
}

/// Where something was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A line of the file, from 1.
    Line(usize),
    /// Something that is no file.
    Object(String),
}

impl Spot {
    pub(super) fn at(line: usize, saw: impl Into<String>) -> Self {
        Self::new(Place::Line(line), saw)
    }

    pub(super) fn on(object: impl Into<String>, saw: impl Into<String>) -> Self {
        Self::new(Place::Object(object.into()), saw)
    }

    fn new(place: Place, saw: impl Into<String>) -> Self {
        Self {
            place,
            saw: saw.into(),
            fix: None,
            severity: None,
        }
    }

    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self {
            fix: Some(fix.into()),
            ..self
        }
    }

    pub(super) fn severity(self, severity: Severity) -> Self {
        Self {
            severity: Some(severity),
            ..self
        }
    }
}

/// One rule about a `T`.
pub(super) struct Rule<T> {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    pub(super) title: &'static str,
    pub(super) why: &'static str,
    pub(super) fix: &'static str,
    pub(super) look: fn(&T) -> Vec<Spot>,
}

/// The rules as entries of the list.
pub(super) fn checks<'a, T: 'a>(
    subject: &'static str,
    rules: impl Iterator<Item = &'a Rule<T>>,
) -> impl Iterator<Item = Check> {
    rules.map(move |rule| Check {
        id: rule.id,
        severity: rule.severity,
        subject,
        title: rule.title,
    })
}

/// Applies every rule; `file` is named in front of lines.
///
/// # Shape
/// By line; what has no line comes last, in the order of the rules.
pub(super) fn apply<'a, T: 'a>(
    seen: &T,
    file: &str,
    rules: impl Iterator<Item = &'a Rule<T>>,
) -> Vec<Finding> {
    let mut found: Vec<(usize, Finding)> = Vec::new();
    for rule in rules {
        found.extend(
            (rule.look)(seen)
                .into_iter()
                .map(|spot| finding(rule, spot, file)),
        );
    }
    found.sort_by_key(|(line, _)| *line);
    found.into_iter().map(|(_, finding)| finding).collect()
}

fn finding<T>(rule: &Rule<T>, spot: Spot, file: &str) -> (usize, Finding) {
    let (line, place) = match spot.place {
        Place::Line(line) => (line, format!("{file}:{line}")),
        Place::Object(object) => (usize::MAX, object),
    };
    let finding = Finding {
        id: rule.id,
        severity: spot.severity.unwrap_or(rule.severity),
        place,
        saw: spot.saw,
        why: rule.why.to_owned(),
        fix: spot.fix.unwrap_or_else(|| rule.fix.to_owned()),
    };
    (line, finding)
}

/// A check whose finding is always the same but for its place.
pub(super) struct Fixed {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    pub(super) subject: &'static str,
    pub(super) title: &'static str,
    pub(super) saw: &'static str,
    pub(super) why: &'static str,
    pub(super) fix: &'static str,
}

impl Fixed {
    pub(super) fn check(&self) -> Check {
        Check {
            id: self.id,
            severity: self.severity,
            subject: self.subject,
            title: self.title,
        }
    }

    pub(super) fn finding(&self, place: &str) -> Finding {
        self.saying(place, self.saw)
    }

    pub(super) fn saying(&self, place: &str, saw: &str) -> Finding {
        Finding {
            id: self.id,
            severity: self.severity,
            place: place.to_owned(),
            saw: saw.to_owned(),
            why: self.why.to_owned(),
            fix: self.fix.to_owned(),
        }
    }
}
