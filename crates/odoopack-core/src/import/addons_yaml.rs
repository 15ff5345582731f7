//! doodba's `addons.yaml`: several documents, each a map of repositories to patterns of module names.
use super::{Found, Imported, foreign, is_pattern, plain_name};
use crate::foreign::yaml::{self, Node};
use crate::spec::Series;

/// The public repositories that doodba knows without `repos.yaml`.
const PATTERN: &str = "https://github.com/OCA/{}.git";

pub(super) fn read(file: &str, text: &str, series: Series, all: &mut Imported) -> Result<(), String> {
    for (at, part) in documents(text).iter().enumerate() {
        let root = yaml::read(part).map_err(|e| format!("document {}: line {}: {e}", at + 1, e.line))?;
        if let Some(root) = root {
            document(file, at + 1, &root, series, all);
        }
    }
    Ok(())
}

/// The texts between lines of `---`.
fn documents(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    all
}

fn document(file: &str, number: usize, root: &Node, series: Series, all: &mut Imported) {
    if let Some(only) = root.get("ONLY") {
        let when: Vec<String> = only.entries().iter().map(|(key, node)| said(key, node)).collect();
        all.leave(
            file,
            format!(
                "document {number} holds only for {}; put its modules into the edition that needs them",
                when.join(", ")
            ),
        );
    }
    let env = root.get("ENV");
    let variable = |name: &str| env.and_then(|env| env.get(name)).and_then(Node::text);
    for (name, _) in env.map(Node::entries).unwrap_or_default() {
        if !matches!(
            name.as_str(),
            "DEFAULT_REPO_PATTERN" | "DEFAULT_REPO_PATTERN_ODOO" | "ODOO_VERSION"
        ) {
            all.leave(file, format!("`{name}` of document {number} is not used here"));
        }
    }
    let pattern = variable("DEFAULT_REPO_PATTERN").unwrap_or(PATTERN);
    let version = variable("ODOO_VERSION").filter(|version| *version != series.as_str());
    for (name, node) in root
        .entries()
        .iter()
        .filter(|(key, _)| key != "ONLY" && key != "ENV")
    {
        match name.as_str() {
            "private" => own(file, node, all),
            "odoo/addons" | "odoo" => core(file, node, all),
            _ => repository(file, name, node, (pattern, version), all),
        }
    }
}

fn said(key: &str, node: &Node) -> String {
    let values: Vec<&str> = node.members().iter().filter_map(Node::text).collect();
    if values.is_empty() {
        format!("{key}={}", node.text().unwrap_or("?"))
    } else {
        format!("{key}={}", values.join("|"))
    }
}

fn patterns(node: &Node) -> Vec<&str> {
    match node.text() {
        Some(text) => vec![text],
        None => node.members().iter().filter_map(Node::text).collect(),
    }
}

/// The directory `private` is beside the file.
fn own(file: &str, node: &Node, all: &mut Imported) {
    let directory = match file.rsplit_once('/') {
        Some((above, _)) if !file.starts_with('/') && !above.starts_with("..") => {
            format!("{}/private", above.trim_start_matches("./"))
        }
        Some((above, _)) => {
            all.leave(
                file,
                format!("{above}/private: it is not in the pack; copy it to `private` there"),
            );
            "private".to_owned()
        }
        None => "private".to_owned(),
    };
    if !all.own.contains(&directory) {
        all.own.push(directory);
    }
    let chosen = patterns(node);
    if chosen != ["*"] {
        all.leave(
            file,
            format!(
                "a selection of `private`: every own module can be used; an edition narrows that by `only = {chosen:?}`"
            ),
        );
    }
}

/// Odoo's own modules are always there.
fn core(file: &str, node: &Node, all: &mut Imported) {
    if patterns(node) != ["*"] {
        all.leave(
            file,
            "a selection of `odoo/addons`: all of Odoo's own modules are there",
        );
    }
}

fn repository(
    file: &str,
    called: &str,
    node: &Node,
    (pattern, version): (&str, Option<&str>),
    all: &mut Imported,
) {
    let Some(name) = plain_name(called) else {
        all.leave(file, format!("`{called}` is no name of a repository"));
        return;
    };
    let asked = patterns(node);
    let every = asked.contains(&"*");
    let (chosen, others): (Vec<&str>, Vec<&str>) = asked.into_iter().partition(|text| is_pattern(text));
    for other in others.iter().filter(|_| !every) {
        all.leave(
            file,
            format!("pattern `{other}` of `{called}`: only `*` has a meaning here; list the modules"),
        );
    }
    if chosen.is_empty() && !every {
        all.leave(file, format!("`{called}` selects nothing"));
        return;
    }
    let found = Found {
        url: foreign(&pattern.replace("{}", &name), &name),
        branch: version.map(str::to_owned),
        modules: if every {
            Vec::new()
        } else {
            chosen.into_iter().map(str::to_owned).collect()
        },
        ..Found::default()
    };
    all.add(file, &name, found);
}
