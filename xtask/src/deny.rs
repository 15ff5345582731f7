//! `deny`: licences, banned crates and sources of everything that is built.
use std::process::Command;

use anyhow::{Result, bail};

use crate::{licence, run, setup};

/// Asks cargo-deny, and builds it first when it is missing.
pub(crate) fn run() -> Result<()> {
    let program = setup::DENY.install()?;
    // The advisory database is not reachable where tests run, so advisories are not asked for.
    run::run(Command::new(program).current_dir(run::root()).args([
        "deny",
        "--all-features",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}

/// Asks cargo-deny where it is installed, else reads the licences from `cargo tree`; tidy holds bans and sources either way.
pub(crate) fn without_installing() -> Result<()> {
    if setup::DENY.find().is_some() {
        return run();
    }
    println!(
        "cargo-deny is not installed (`cargo xtask deny` builds it); licences are read from `cargo tree`"
    );
    let tree = run::read(run::cargo().args([
        "tree",
        "--workspace",
        "--all-features",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}\t{l}",
    ]))?;
    let deny = std::fs::read_to_string(run::root().join("deny.toml"))?;
    let refused = refused(&tree, &allowed(&deny), &exceptions(&deny));
    if !refused.is_empty() {
        bail!(
            "licences that deny.toml does not allow:\n  {}",
            refused.join("\n  ")
        );
    }
    Ok(())
}

/// The names in `allow = [...]` of deny.toml's `[licenses]`.
fn allowed(deny: &str) -> Vec<String> {
    let list = deny
        .split_once("\nallow = [")
        .map_or("", |(_, rest)| rest)
        .split(']')
        .next()
        .unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Crates of `exceptions = [{ crate = NAME, allow = [LICENCE] }]`, each with what it may have besides; one a line.
fn exceptions(deny: &str) -> Vec<(String, String)> {
    let quoted = |line: &str| {
        let mut words = line.split('"').skip(1).step_by(2).map(str::to_owned);
        words.next().zip(words.next())
    };
    deny.lines()
        .filter(|line| line.contains("{ crate = ") && line.contains("allow = ["))
        .filter_map(quoted)
        .collect()
}

/// The lines of `tree` (`name version<TAB>licence`) whose licence is not met by the allowed ones.
fn refused(tree: &str, allowed: &[String], exceptions: &[(String, String)]) -> Vec<String> {
    let mut lines: Vec<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    lines.sort_unstable();
    lines.dedup();
    let is_refused = |line: &&&str| {
        let (name, expression) = line.split_once('\t').unwrap_or((line, ""));
        let name = name.split(' ').next().unwrap_or_default();
        let own = exceptions
            .iter()
            .filter(|(of, _)| of == name)
            .map(|(_, licence)| licence.clone());
        !licence::is_met(
            expression,
            &allowed.iter().cloned().chain(own).collect::<Vec<_>>(),
        )
    };
    lines
        .iter()
        .filter(is_refused)
        .map(|line| line.replace('\t', ": "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_outside_the_list_is_named_once() {
        let allowed = allowed("[licenses]\nallow = [\n  \"MIT\", # why\n  \"ISC\",\n]\n");
        assert_eq!(allowed, ["MIT", "ISC"]);
        let tree = "good 1.0\tMIT OR GPL-3.0\nbad 2.0\tGPL-3.0\nbad 2.0\tGPL-3.0 (*)\nsilent 1.0\t\n";
        assert_eq!(refused(tree, &allowed, &[]), ["bad 2.0: GPL-3.0", "silent 1.0: "]);
        let exceptions = exceptions("exceptions = [{ crate = \"bad\", allow = [\"GPL-3.0\"] }]\n");
        assert_eq!(refused(tree, &allowed, &exceptions), ["silent 1.0: "]);
    }
}
