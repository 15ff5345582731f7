//! Lines that fit a terminal: a text beside its head, in 80 columns.

/// Width of a terminal that nobody made wider.
pub const WIDTH: usize = 80;

/// A text beside `head`, and below itself where it does not fit.
///
/// # Shape
/// No line is longer than [`WIDTH`] unless a head, one word or a command between backticks is, which is never broken: people copy it. Each ends
/// without a space, the last without a line break.
pub fn beside(head: &str, text: &str) -> String {
    laid_out(head, parts(text).iter().map(String::as_str))
}

/// Words, and whole what stands between backticks.
fn parts(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut is_quoted = false;
    for word in text.split_whitespace() {
        match all.last_mut() {
            Some(last) if is_quoted => *last = format!("{last} {word}"),
            _ => all.push(word.to_owned()),
        }
        is_quoted ^= word.matches('`').count() % 2 == 1;
    }
    all
}

/// The same with parts that are never broken.
pub fn laid_out<'a>(head: &str, parts: impl IntoIterator<Item = &'a str>) -> String {
    let indent = " ".repeat(head.chars().count());
    let mut lines = Vec::new();
    let (mut line, mut is_begun) = (head.to_owned(), false);
    for part in parts {
        if is_begun && line.chars().count() + part.chars().count() > WIDTH {
            lines.push(line.trim_end().to_owned());
            line.clone_from(&indent);
        }
        line.push_str(part);
        line.push(' ');
        is_begun = true;
    }
    lines.push(line.trim_end().to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_beside_its_head() {
        let words = ["seven77"; 12].join(" ");
        assert_eq!(
            beside("note: ", &words),
            format!(
                "note: {}\n      {}",
                ["seven77"; 9].join(" "),
                ["seven77"; 3].join(" ")
            )
        );
        let exact = format!("{} {}", "x".repeat(37), "y".repeat(36));
        assert_eq!(beside("note: ", &exact), format!("note: {exact}"));
        let more = format!("{exact}z");
        assert_eq!(beside("note: ", &more).lines().count(), 2);
        let long = "x".repeat(90);
        assert_eq!(beside("a  ", &long), format!("a  {long}"));
        assert_eq!(beside("production  ", ""), "production");
        let command = format!("{} `odoopack up --yes`, then", "x".repeat(70));
        let told = format!("a  {}\n   `odoopack up --yes`, then", "x".repeat(70));
        assert_eq!(beside("a  ", &command), told);
        assert_eq!(laid_out("", ["31 s 3.4 MB,", "1 s"]), "31 s 3.4 MB, 1 s");
    }
}
