//! Findings as people read them, in 80 columns.
use super::{Finding, Severity};
use crate::columns::beside;

const INDENT: usize = 9;

/// Renders findings, worst first within nothing: the order is kept, the last line counts.
///
/// # Shape
/// Severity, place and id; then what was seen, why it matters and what fixes it, indented. No line is longer than 80
/// columns unless one word is. Ends without a line break; says so when there is nothing.
pub fn table(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing found".to_owned();
    }
    let mut blocks: Vec<String> = findings.iter().map(block).collect();
    blocks.push(sum(findings));
    blocks.join("\n\n")
}

fn block(finding: &Finding) -> String {
    let Finding {
        id,
        severity,
        place,
        saw,
        why,
        fix,
    } = finding;
    let mut lines = vec![format!("{:<INDENT$}{place}  ({id})", word(*severity))];
    lines.push(labelled("", saw));
    lines.push(labelled("why", why));
    lines.push(labelled("fix", fix));
    lines.join("\n")
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn labelled(label: &str, text: &str) -> String {
    beside(&format!("{label:>width$}  ", width = INDENT - 2), text)
}

fn sum(findings: &[Finding]) -> String {
    let count = |severity, one: &str| {
        let n = findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count();
        format!("{n} {one}{}", if n == 1 { "" } else { "s" })
    };
    let errors = count(Severity::Error, "error");
    let warnings = count(Severity::Warning, "warning");
    format!("{errors}, {warnings}, {}", count(Severity::Info, "note"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::WIDTH;

    #[test]
    fn fits_a_terminal() {
        let finding = Finding {
            id: "nginx-longpolling",
            severity: Severity::Error,
            place: "deploy/nginx/erp.conf:38".to_owned(),
            saw: "`location /longpolling` leads to a route that does not exist".to_owned(),
            why: "chat and notifications are dead since Odoo 16.0, they use a websocket at `/websocket` instead".to_owned(),
            fix: format!("replace it, and {} too", "x".repeat(90)),
        };
        let text = table(&[finding]);
        insta::assert_snapshot!(text);
        assert!(
            text.lines()
                .filter(|line| !line.contains("xxx"))
                .all(|line| line.chars().count() <= WIDTH)
        );
        assert_eq!(table(&[]), "nothing found");
    }
}
