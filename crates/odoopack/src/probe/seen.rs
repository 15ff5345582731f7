//! What a probe saw, for machines and for people.
use std::fmt;
use std::time::Duration;

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Pass,
    /// Not as it should be; the detail says what came instead.
    Fail,
    /// Not asked; the detail says why.
    Skipped,
}

/// What a probe saw.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Seen {
    /// Which probe.
    pub(crate) probe: &'static str,
    /// What was asked; after a failure the request that failed.
    pub(crate) url: String,
    /// HTTP status of that request; `None` when none came.
    pub(crate) code: Option<u16>,
    /// Time of the whole probe; milliseconds in JSON.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub(crate) took: Duration,
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// What was found, in one line.
    pub(crate) detail: String,
}

fn milliseconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

impl Seen {
    /// Whether it is not as it should be.
    pub(crate) fn failed(&self) -> bool {
        self.verdict == Verdict::Fail
    }
}

/// One row of a table, and below it what was found.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Pass => "ok",
            Verdict::Fail => "FAIL",
            Verdict::Skipped => "-",
        };
        let code = self.code.map_or_else(|| "-".to_owned(), |code| code.to_string());
        let Self {
            probe,
            url,
            took,
            detail,
            ..
        } = self;
        write!(
            f,
            "{probe:<11} {verdict:<4} {code:>3} {:>6} ms  {url}",
            took.as_millis()
        )?;
        if detail.is_empty() {
            Ok(())
        } else {
            write!(f, "\n  {:<11} {detail}", "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_more_when_there_is_something_to_say() {
        let took = Duration::from_millis(23);
        let url = "https://erp.test/web/health".to_owned();
        let mut seen = Seen {
            probe: "health",
            url,
            code: Some(200),
            took,
            verdict: Verdict::Pass,
            detail: "well".to_owned(),
        };
        let row = "200     23 ms  https://erp.test/web/health";
        assert_eq!(
            seen.to_string(),
            format!("health      ok   {row}\n              well")
        );
        (seen.verdict, seen.detail) = (Verdict::Fail, String::new());
        assert_eq!(seen.to_string(), format!("health      FAIL {row}"));
        assert_eq!(serde_json::json!(seen)["took_ms"], 23);
    }
}
