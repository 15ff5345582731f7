//! What containers said, and say from now on.
use std::time::Duration;

use super::{Project, docker};
use crate::exec::Cmd;

/// What a container said; each line has its time first.
pub(crate) fn logs(id: &str, since: Option<i64>, lines: usize) -> Cmd {
    let cmd = docker(&["logs", "--timestamps"]);
    match since {
        Some(since) => cmd.args(["--since", &since.to_string()]),
        None => cmd.args(["--tail", &lines.to_string()]),
    }
    .arg(id)
}

/// What containers of a project say from now on: `SERVICE-N  | line`.
pub(crate) fn follow(project: &Project, services: &[String]) -> Cmd {
    project
        .compose(&["logs", "--follow", "--tail=0", "--no-color"])
        .args(services.iter().cloned())
        .patience(Duration::from_hours(24 * 365))
}

/// Service and line of what [`follow`] prints.
pub(crate) fn parse_followed(line: &str) -> Option<(&str, &str)> {
    let (container, text) = line.split_once('|')?;
    let (service, number) = container.trim_end().rsplit_once('-')?;
    number.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    Some((service, text.strip_prefix(' ').unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_of_a_stack() {
        assert_eq!(
            parse_followed("production.blue.web-1  | 2026-11-26 a | b"),
            Some(("production.blue.web", "2026-11-26 a | b"))
        );
        assert_eq!(parse_followed("gate-1 | "), Some(("gate", "")));
        assert_eq!(parse_followed("a warning"), None);
    }
}
