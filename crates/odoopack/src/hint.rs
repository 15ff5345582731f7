//! Commands that a person pastes: they name the root that this run was given, wherever they are pasted.
use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

/// `--root` of this run; `None` where the pack was looked for from the working directory.
static ROOT: Mutex<Option<Utf8PathBuf>> = Mutex::new(None);

/// How a command begins in a text for people.
const BEGINS: &str = "`odoopack ";

/// What ends a command, or its options: another program, a file, or arguments that are passed on.
const ENDS: [&str; 7] = [" -- ", " | ", " < ", " > ", " && ", " || ", "; "];

/// Remembers the root for everything that is said from now on.
pub(crate) fn remember(root: &Utf8Path) {
    *ROOT.lock().unwrap_or_else(PoisonError::into_inner) = Some(root.to_owned());
}

/// The text with the root in each of its commands.
pub(crate) fn with_root(text: &str) -> String {
    match &*ROOT.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(root) => naming(text, root),
        None => text.to_owned(),
    }
}

fn naming(text: &str, root: &Utf8Path) -> String {
    let option = format!(" --root {}", quoted(root.as_str()));
    let mut said = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGINS) {
        let (before, command) = rest.split_at(at + 1);
        said += before;
        let end = command.find('`').unwrap_or(command.len());
        let (command, after) = command.split_at(end);
        said += &line(command, &option);
        rest = after;
    }
    said + rest
}

/// A line of a shell: each of its commands that is ours, and that takes a pack and names none, gets the option.
fn line(text: &str, option: &str) -> String {
    let end = ENDS.iter().filter_map(|end| Some((text.find(end)?, end.len())));
    let (command, after) = match end.min() {
        Some((at, length)) => (&text[..at], Some(text[at..].split_at(length))),
        None => (text, None),
    };
    let named = ["--root", "--help", "--file "]
        .iter()
        .any(|word| command.contains(word));
    let ours = command.starts_with("odoopack ") && !command.starts_with("odoopack demo");
    let mut said = command.to_owned();
    if ours && !named {
        said += option;
    }
    if let Some((between, rest)) = after {
        said += between;
        said += &line(rest, option);
    }
    said
}

/// An argument as a shell takes it.
pub(crate) fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_root_that_was_given() {
        for (text, expected) in [
            ("`odoopack up`", "`odoopack up --root /srv/odoo`"),
            (
                "`odoopack lock`, then `odoopack up` there",
                "`odoopack lock --root /srv/odoo`, then `odoopack up --root /srv/odoo` there",
            ),
            (
                "`odoopack secret set SMTP < FILE`",
                "`odoopack secret set SMTP --root /srv/odoo < FILE`",
            ),
            (
                "`odoopack psql shop --admin -- -c 'SELECT 1; SELECT 2'` says it",
                "`odoopack psql shop --admin --root /srv/odoo -- -c 'SELECT 1; SELECT 2'` says it",
            ),
            (
                "`odoopack env give shop | odoopack psql shop --admin -- -v A=1`",
                "`odoopack env give shop --root /srv/odoo | odoopack psql shop --admin --root /srv/odoo -- -v A=1`",
            ),
        ] {
            assert_eq!(naming(text, "/srv/odoo".into()), expected);
            assert_eq!(naming(expected, "/srv/odoo".into()), expected, "twice");
        }
        assert_eq!(
            naming("`odoopack up`", "/srv/my odoo".into()),
            "`odoopack up --root '/srv/my odoo'`"
        );
    }

    #[test]
    fn what_names_a_place_or_needs_none_stays() {
        for text in [
            "`odoopack up --root NEW`",
            "`odoopack demo` shows everything",
            "`odoopack oca pin --help`",
            "`odoopack doctor --file /etc/odoo.conf`",
            "odoopack up, process 812",
            "`docker compose down`",
            "`docker run x` and a ` that is alone",
        ] {
            assert_eq!(naming(text, "/srv/odoo".into()), text);
        }
    }
}
