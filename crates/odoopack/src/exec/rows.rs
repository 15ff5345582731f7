//! What PostgreSQL's programs say of a failure, without the rows of somebody's books: their words go into logs and journals.

/// Programs that print what the server says of a row.
const PROGRAMS: [&str; 4] = ["psql", "pg_restore", "pg_dump", "pg_amcheck"];
/// What a message of theirs begins with.
const BEGINNINGS: [&str; 11] = [
    "psql:",
    "pg_restore:",
    "pg_dump:",
    "pg_amcheck:",
    "ERROR:",
    "FATAL:",
    "PANIC:",
    "WARNING:",
    "NOTICE:",
    "HINT:",
    "docker:",
];
/// How a detail that shows a whole row begins.
const ROW: &str = "Failing row contains (";
/// How a detail goes on after the values of a key.
const ENDS: [&str; 4] = [
    ") already exists",
    ") is duplicated",
    ") is not present in table",
    ") is still referenced from table",
];

/// Whether it is one of these programs, wherever it runs.
pub(super) fn may_tell(word: &str) -> bool {
    word.rsplit('/')
        .next()
        .is_some_and(|name| PROGRAMS.contains(&name))
}

/// Leaves the names of tables, columns and constraints and the numbers of lines, and takes the values away; a value may hold line ends.
///
/// # Source
/// PostgreSQL 15 to 18, `libpq` `fe-protocol3.c` `pqBuildErrorMessage3`: the labels; `copyfromparse.c` and `copyfrom.c`
/// `CopyFromErrorCallback`: `COPY table, line n, column c: "value"`; `pg_backup_db.c`: `Command was:`.
pub(super) fn cut(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        match judge(line) {
            Some((said, goes_on)) => {
                within = goes_on;
                kept.push(said);
            }
            None if within => {}
            None => kept.push(line.to_owned()),
        }
    }
    kept.join("\n")
}

/// What is left of a line that begins a message, and whether the lines that follow may belong to what was cut.
fn judge(line: &str) -> Option<(String, bool)> {
    if let Some(text) = line.strip_prefix("DETAIL:") {
        return Some((format!("DETAIL:{}", detail(text)), true));
    }
    if let Some(text) = line.strip_prefix("CONTEXT:") {
        return Some((format!("CONTEXT:{}", context(text)), true));
    }
    if line.starts_with("COPY ") && line.contains(", line ") {
        return Some((context(line).to_owned(), true));
    }
    let quoted = ["LINE ", "QUERY:", "Command was:"];
    if quoted.iter().any(|label| line.starts_with(label)) {
        return Some(statement(line));
    }
    let begins = BEGINNINGS.iter().any(|word| line.starts_with(word));
    begins.then(|| message(line))
}

/// `Key (email)=(somebody@example.com) already exists.`
fn detail(text: &str) -> String {
    if text.trim_start().starts_with(ROW) {
        return format!("  {ROW}...)");
    }
    let Some(at) = text.find(")=(") else {
        return without_quoted(text);
    };
    let end = ENDS.iter().filter_map(|end| text.rfind(end)).max();
    format!("{}...{}", &text[..at + 3], &text[end.unwrap_or(text.len())..])
}

/// `COPY res_users, line 3, column email: "somebody@example.com"`
fn context(text: &str) -> &str {
    let value = text.find(": ").into_iter().chain(text.find('"')).min();
    text[..value.unwrap_or(text.len())].trim_end()
}

/// The server's own sentence; a value stands at its end, or in a number that is too big.
fn message(line: &str) -> (String, bool) {
    let Some(at) = line.find("ERROR:") else {
        return (line.to_owned(), false);
    };
    let said = &line[at..];
    if said.contains(" is out of range for type") {
        return (format!("{}{}", &line[..at], without_quoted(said)), true);
    }
    match said.find(": \"").filter(|_| !said.contains("for parameter ")) {
        Some(value) => (line[..at + value].to_owned(), true),
        None => (line.to_owned(), false),
    }
}

/// A statement with values of rows in it.
fn statement(line: &str) -> (String, bool) {
    let text = line.split_once(": ").map_or("", |(_, text)| text).trim_start();
    if text.starts_with(['(', '\'']) {
        return (line[..line.len() - text.len()].trim_end().to_owned(), true);
    }
    match line.find("VALUES") {
        Some(at) => (format!("{} ...", &line[..at + "VALUES".len()]), true),
        None => (line.to_owned(), line.contains("INSERT INTO")),
    }
}

/// The text with `"..."` for everything from the first quote to the last.
fn without_quoted(text: &str) -> String {
    match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) => format!("{}\"...{}", &text[..first], &text[last..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_rows_are_cut_and_what_helps_stays() {
        let table = [
            (
                "psql:<stdin>:812: ERROR:  duplicate key value violates unique constraint \"res_users_login_key\"\n\
                 DETAIL:  Key (login)=(geheim@example.com) already exists.\nCONTEXT:  COPY res_users, line 7",
                "psql:<stdin>:812: ERROR:  duplicate key value violates unique constraint \"res_users_login_key\"\n\
                 DETAIL:  Key (login)=(...) already exists.\nCONTEXT:  COPY res_users, line 7",
            ),
            (
                "pg_restore: error: COPY failed for table \"a\": ERROR:  invalid input syntax for type integer: \"geheim\"\n\
                 CONTEXT:  COPY a, line 3, column b: \"geheim\"\npg_restore: warning: errors ignored on restore: 1",
                "pg_restore: error: COPY failed for table \"a\": ERROR:  invalid input syntax for type integer\n\
                 CONTEXT:  COPY a, line 3, column b\npg_restore: warning: errors ignored on restore: 1",
            ),
            (
                "ERROR:  missing data for column \"c\"\nCONTEXT:  COPY a, line 12: \"1\tgeheim\"",
                "ERROR:  missing data for column \"c\"\nCONTEXT:  COPY a, line 12",
            ),
            (
                "ERROR:  null value in column \"c\" of relation \"a\" violates not-null constraint\n\
                 DETAIL:  Failing row contains (1, geheim,\nsecond line of geheim, null).\nCONTEXT:  COPY a, line 1: \"x\"",
                "ERROR:  null value in column \"c\" of relation \"a\" violates not-null constraint\n\
                 DETAIL:  Failing row contains (...)\nCONTEXT:  COPY a, line 1",
            ),
            (
                "pg_restore: error: could not execute query: ERROR:  could not create unique index \"a_b\"\n\
                 DETAIL:  Key (b)=(geheim\nand more) is duplicated.\nCommand was: CREATE UNIQUE INDEX a_b ON public.a USING btree (b);",
                "pg_restore: error: could not execute query: ERROR:  could not create unique index \"a_b\"\n\
                 DETAIL:  Key (b)=(...\nCommand was: CREATE UNIQUE INDEX a_b ON public.a USING btree (b);",
            ),
            (
                "ERROR:  insert or update on table \"a\" violates foreign key constraint \"f\"\n\
                 DETAIL:  Key (b)=(geheim) is not present in table \"c\".",
                "ERROR:  insert or update on table \"a\" violates foreign key constraint \"f\"\n\
                 DETAIL:  Key (b)=(...) is not present in table \"c\".",
            ),
            (
                "ERROR:  invalid input syntax for type json\nDETAIL:  Token \"geheim\" is invalid.\n\
                 CONTEXT:  JSON data, line 1: {geheim\nCOPY a, line 2, column b: \"{geheim\"",
                "ERROR:  invalid input syntax for type json\nDETAIL:  Token \"...\" is invalid.\n\
                 CONTEXT:  JSON data, line 1\nCOPY a, line 2, column b",
            ),
            (
                "psql:<stdin>:3: ERROR:  value \"99999999999\" is out of range for type integer\n\
                 LINE 1: INSERT INTO a VALUES (99999999999, 'geheim');\n                       ^",
                "psql:<stdin>:3: ERROR:  value \"...\" is out of range for type integer\nLINE 1: INSERT INTO a VALUES ...",
            ),
            (
                "ERROR:  syntax error at or near \"x\"\nLINE 2: ('geheim', x y),\n  ^",
                "ERROR:  syntax error at or near \"x\"\nLINE 2:",
            ),
        ];
        for (said, left) in table {
            assert_eq!(cut(said), left);
        }
    }

    #[test]
    fn what_holds_no_value_is_as_it_was() {
        for said in [
            "psql: error: connection to server on socket \"/run/x/.s.PGSQL.5432\" failed: FATAL:  database \"a\" does not exist",
            "psql:<stdin>:9: ERROR:  permission denied to create extension \"postgis\"\nHINT:  Must be superuser to create this extension.",
            "psql:<stdin>:9: ERROR:  invalid value for parameter \"default_toast_compression\": \"lz4\"",
            "pg_restore: while PROCESSING TOC:\npg_restore: from TOC entry 2; 3079 16385 EXTENSION postgis\n\
             pg_restore: error: could not execute query: ERROR:  function a() does not exist\n\
             Command was: CREATE VIEW public.v AS\n SELECT a() AS b,\n    c\n   FROM public.t;",
            "pg_restore: error: unsupported version (1.16) in file header",
        ] {
            assert_eq!(cut(said), said);
        }
    }

    #[test]
    fn programs_are_known_wherever_they_run() {
        assert!(may_tell("/usr/lib/postgresql/15/bin/psql") && may_tell("pg_restore"));
        assert!(!may_tell("docker") && !may_tell("/opt/psql/odoo"));
    }
}
