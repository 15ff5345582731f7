//! What one statement of a dump does, as far as that decides whether it may pass.
use super::lexer::{Lexer, State};

/// The verdict about one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Goes on to the server.
    Pass,
    /// Goes on, and the lines that follow are rows until `\.`.
    Rows,
    /// Left out: the administrator did it before, or it says who owned things elsewhere.
    Skip,
    /// Left out, and somebody should know.
    Tell(String),
    /// An extension: left out where the administrator made it before, else the role must be allowed to make it.
    Extension(String),
    /// The whole dump is refused.
    Refuse(&'static str),
}

/// Judges a statement, without its semicolon, for a server of this major.
pub(super) fn judge(text: &str, server: u16) -> Verdict {
    let words = words(text);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("copy", _) => copy(text),
        ("create", "extension") => Verdict::Extension(extension(&words)),
        _ if left_out(text, &words, server) => Verdict::Skip,
        ("set", "standard_conforming_strings") if !text.trim_end().ends_with("on") => {
            Verdict::Refuse("it changes how quotes are read in the middle")
        }
        ("create" | "drop" | "alter", "database") => {
            Verdict::Refuse("it was made with `--create` and would make databases of its own")
        }
        ("create" | "drop" | "alter", "role" | "user" | "group") if word(2) != "mapping" => {
            Verdict::Refuse("it makes roles: that is a dump of a whole cluster, by `pg_dumpall`")
        }
        ("create" | "alter" | "drop", "tablespace") => Verdict::Refuse("it makes tablespaces"),
        (
            "create" | "alter",
            "language" | "procedural" | "publication" | "subscription" | "server" | "event" | "user"
            | "foreign",
        )
        | ("security", "label") => Verdict::Tell(short(text)),
        ("create", "or") if word(3) == "procedural" => Verdict::Tell(short(text)),
        _ => Verdict::Pass,
    }
}

/// PostgreSQL 18, 9.28.10, "Database Object Statistics Manipulation Functions".
const STATISTICS: [&str; 2] = ["pg_restore_relation_stats", "pg_restore_attribute_stats"];

/// Whether it says who owned things elsewhere, or does what the administrator did before.
fn left_out(text: &str, words: &[String], server: u16) -> bool {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("alter" | "drop", "extension")
        | ("alter", "default")
        | ("grant" | "revoke", _)
        | ("set" | "reset", "role") => true,
        ("comment", "on") => word(2) == "extension" || (word(2) == "schema" && word(3) == "public"),
        ("create", "schema") => words.iter().any(|word| word == "public"),
        // A column may be called so as well: only then it is quoted.
        ("alter", _) => unquoted(text)
            .windows(2)
            .any(|pair| pair[0] == "owner" && pair[1] == "to"),
        ("set", "transaction_timeout") => server < 17,
        // What `pg_dump --statistics` of 18 writes; an older server collects its own.
        ("select", "from") => server < 18 && STATISTICS.contains(&word(3)),
        ("set", "session") => word(2) == "authorization",
        _ => false,
    }
}

/// `COPY ... FROM stdin` is followed by rows; anything that names a program or a file, or says more, is not of a dump.
///
/// Both keywords are reserved: a table or column of that name is quoted. The one that is not tells where the rows are, and nothing follows.
fn copy(text: &str) -> Verdict {
    let words = unquoted(text);
    let count = |keyword: &str| {
        words
            .iter()
            .filter(|word| word.trim_matches('-') == keyword)
            .count()
    };
    let ends = matches!(words.as_slice(), [.., from, stdin] if from == "from" && stdin == "stdin");
    if ends && count("from") == 1 && count("to") == 0 {
        return Verdict::Rows;
    }
    Verdict::Refuse("a `COPY` in it does not read its own rows, as every `COPY` of a dump does")
}

fn extension(words: &[String]) -> String {
    let noise = ["if", "not", "exists"];
    words
        .iter()
        .skip(2)
        .find(|word| !noise.contains(&word.as_str()))
        .cloned()
        .unwrap_or_default()
}

/// The words outside texts, comments and dollar quotes, in lower case; quoted names lose their quotes.
pub(super) fn words(text: &str) -> Vec<String> {
    scan(text, true)
}

/// The same without quoted names: what may be a keyword.
fn unquoted(text: &str) -> Vec<String> {
    scan(text, false)
}

fn scan(text: &str, quoted: bool) -> Vec<String> {
    let mut lexer = Lexer::default();
    let mut words = vec![String::new()];
    for byte in text.bytes() {
        let before = lexer.state.clone();
        lexer.take(byte);
        let inside = match (&before, &lexer.state) {
            (State::Plain, State::Plain) => true,
            (State::Double, State::Double) => quoted,
            _ => false,
        };
        let last = words.last_mut().expect("there is always one");
        if inside && (byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || byte >= 0x80) {
            last.push(char::from(byte.to_ascii_lowercase()));
        } else if !last.is_empty() {
            words.push(String::new());
        }
    }
    // A comment begins with characters that were taken for a word before the scanner knew.
    words
        .into_iter()
        .filter(|word| !word.is_empty() && !word.trim_matches('-').is_empty())
        .collect()
}

fn short(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.chars().take(80).collect()
}
