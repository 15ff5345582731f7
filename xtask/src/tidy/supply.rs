//! What Cargo.lock brings in, against deny.toml; cargo-deny knows more, but need not be there.
use super::Note;
use super::tree::Tree;

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    let lock = tree.get("Cargo.lock").unwrap_or_default();
    let deny = tree.get("deny.toml").unwrap_or_default();
    let banned: Vec<&str> = deny
        .lines()
        .filter_map(|line| between(line, "{ crate = \"", "\""))
        .collect();
    // Cargo's own name of it, the same for everybody.
    let index = format!("/{}-index", ["crates", "io"].join("."));
    let mut notes = Vec::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            package
                .lines()
                .find_map(|line| between(line, &format!("{name} = \""), "\""))
        };
        let Some(name) = field("name") else { continue };
        if banned.contains(&name) && !comes_by_exception(lock, deny, name) {
            notes.push(Note::whole(
                "Cargo.lock",
                format!("`{name}` is banned in deny.toml"),
            ));
        }
        // No source: a crate of this workspace, or a copy in `vendor`.
        if field("source").is_some_and(|source| !source.starts_with("registry+") || !source.ends_with(&index))
        {
            notes.push(Note::whole(
                "Cargo.lock",
                format!("`{name}` does not come from the crate registry"),
            ));
        }
    }
    notes
}

/// Whether only those bring a banned crate in that deny.toml names as its `wrappers`.
fn comes_by_exception(lock: &str, deny: &str, name: &str) -> bool {
    let row = deny
        .lines()
        .find(|line| line.contains(&format!("{{ crate = \"{name}\"")));
    let Some((_, wrappers)) = row.and_then(|row| row.split_once("wrappers = [")) else {
        return false;
    };
    let wrappers = wrappers.split(']').next().unwrap_or_default();
    let mut bringing = lock
        .split("[[package]]")
        .filter(|package| {
            package
                .lines()
                .any(|line| line.trim().starts_with(&format!("\"{name}\"")))
        })
        .filter_map(|package| package.lines().find_map(|line| between(line, "name = \"", "\"")))
        .peekable();
    bringing.peek().is_some() && bringing.all(|package| wrappers.contains(&format!("\"{package}\"")))
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.trim()
        .strip_prefix(before)?
        .split_once(after)
        .map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn a_banned_crate_may_come_with_those_that_are_named() {
        let lock = |other: &str| {
            format!(
                "[[package]]\nname = \"chrono\"\n[[package]]\nname = \"object_store\"\ndependencies = [\n \"chrono\",\n]\n\
                 [[package]]\nname = \"other\"\ndependencies = [\n{other}]\n"
            )
        };
        let deny = "  { crate = \"chrono\", wrappers = [\"object_store\"], reason = \"x\" },\n";
        assert_eq!(
            said(check, &[("Cargo.lock", &lock("")), ("deny.toml", deny)]),
            [""; 0]
        );
        assert_eq!(
            said(
                check,
                &[("Cargo.lock", &lock(" \"chrono\",\n")), ("deny.toml", deny)]
            ),
            ["error: Cargo.lock: `chrono` is banned in deny.toml"]
        );
    }

    #[test]
    fn bans_and_foreign_sources_are_found() {
        let lock = &"version = 4\n[[package]]\nname = \"ours\"\n[[package]]\nname = \"openssl-sys\"\n\
                    source = \"registry+https://example.com/INDEX\"\n\
                    [[package]]\nname = \"odd\"\nsource = \"git+https://example.com/odd\"\n"
            .replace("INDEX", &format!("{}-index", ["crates", "io"].join(".")));
        let deny = "[bans]\ndeny = [\n  { crate = \"openssl-sys\", reason = \"x\" },\n]\n";
        assert_eq!(
            said(check, &[("Cargo.lock", lock), ("deny.toml", deny)]),
            [
                "error: Cargo.lock: `openssl-sys` is banned in deny.toml",
                "error: Cargo.lock: `odd` does not come from the crate registry"
            ]
        );
    }
}
