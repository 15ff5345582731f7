//! git-aggregator's `repos.yaml`: remotes, what is merged in which order, and the target.
use std::collections::BTreeMap;

use super::{Found, Imported, foreign, plain_name, unusual};
use crate::foreign::address;
use crate::foreign::yaml::{self, Node};
use crate::oca_lock::is_pinned;
use crate::spec::{MergeSource, Series};

pub(super) fn read(file: &str, text: &str, series: Series, all: &mut Imported) -> Result<(), String> {
    let root = yaml::read(text).map_err(|e| format!("line {}: {e}", e.line))?;
    let root = root.ok_or("it is empty")?;
    for (path, node) in root.entries() {
        one(file, path, node, series, all);
    }
    Ok(())
}

/// Keys of a repository that are carried over.
const KNOWN: &[&str] = &["remotes", "merges", "target"];

/// A merge: which remote, which reference.
struct Merge {
    remote: String,
    reference: String,
}

fn one(file: &str, path: &str, node: &Node, series: Series, all: &mut Imported) {
    let Some(name) = plain_name(path.trim_end_matches('/')) else {
        all.leave(file, format!("`{path}` is no name of a repository"));
        return;
    };
    let remotes: BTreeMap<String, String> = node
        .get("remotes")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter_map(|(remote, url)| Some((remote.clone(), expanded(url.text()?, series))))
        .collect();
    leave_rest(file, path, node, series, all);
    let merges = merges(node, series);
    let Some((first, rest)) = merges.split_first() else {
        all.leave(file, format!("`{path}` merges nothing"));
        return;
    };
    let Some(url) = remotes.get(&first.remote) else {
        all.leave(file, format!("`{path}`: `{}` is no remote of it", first.remote));
        return;
    };
    // git-aggregator takes them from the environment of whoever runs it.
    let texts = merges
        .iter()
        .flat_map(|merge| [remotes.get(&merge.remote), Some(&merge.reference)]);
    if let Some(text) = texts.flatten().find(|text| text.contains('$')) {
        all.leave(
            file,
            format!("`{path}`: `{text}` holds a variable; write what it stands for, and import again"),
        );
        return;
    }
    let pinned = is_pinned(&first.reference.to_ascii_lowercase());
    let mut found = Found {
        url: Some(url.clone()),
        commit: pinned.then(|| first.reference.to_ascii_lowercase()),
        branch: if pinned {
            target(node, series).and_then(|branch| unusual(&branch, series))
        } else {
            unusual(&first.reference, series)
        },
        ..Found::default()
    };
    for merge in rest {
        match remotes.get(&merge.remote) {
            Some(other) => found.merges.push(MergeSource {
                url: (!address::same(other, url)).then(|| other.clone()),
                reference: merge.reference.clone(),
            }),
            None => all.leave(file, format!("`{path}`: `{}` is no remote of it", merge.remote)),
        }
    }
    if matches!(address::name(url).to_ascii_lowercase().as_str(), "odoo" | "ocb") {
        if !found.merges.is_empty() {
            all.leave(file, format!("merges of `{path}`: Odoo itself is taken as it is"));
        }
        all.take_odoo(file, found);
        return;
    }
    found.url = foreign(url, &name);
    all.add(file, &name, found);
}

/// Names what of a repository has no place in a pack.
fn leave_rest(file: &str, path: &str, node: &Node, series: Series, all: &mut Imported) {
    for (key, _) in node
        .entries()
        .iter()
        .filter(|(key, _)| !KNOWN.contains(&key.as_str()))
    {
        let why = if key == "defaults" {
            "so much of the history is fetched as the merges need"
        } else {
            "nothing is run or fetched beside the merges"
        };
        all.leave(file, format!("`{key}` of `{path}`: {why}"));
    }
    let listed = node.get("merges").map(Node::members).unwrap_or_default();
    for member in listed {
        if merge(member, series).is_none() {
            all.leave(
                file,
                format!(
                    "line {}: a merge of `{path}` that names no remote and reference",
                    member.line
                ),
            );
        }
        for (key, _) in member
            .entries()
            .iter()
            .filter(|(key, _)| key != "remote" && key != "ref")
        {
            all.leave(
                file,
                format!(
                    "line {}: `{key}` of a merge of `{path}` has no place in a pack",
                    member.line
                ),
            );
        }
    }
}

/// Without `merges` git-aggregator takes the target.
fn merges(node: &Node, series: Series) -> Vec<Merge> {
    let listed = node.get("merges").map(Node::members).unwrap_or_default();
    let mut all: Vec<Merge> = listed.iter().filter_map(|member| merge(member, series)).collect();
    if all.is_empty()
        && let Some(text) = node.get("target").and_then(Node::text)
    {
        all.extend(pair(text, series));
    }
    all
}

fn merge(member: &Node, series: Series) -> Option<Merge> {
    if let Some(text) = member.text() {
        return pair(text, series);
    }
    let text = |key: &str| member.get(key).and_then(Node::text);
    Some(Merge {
        remote: text("remote")?.to_owned(),
        reference: expanded(text("ref")?, series),
    })
}

fn pair(text: &str, series: Series) -> Option<Merge> {
    let (remote, reference) = text.trim().split_once(char::is_whitespace)?;
    Some(Merge {
        remote: remote.to_owned(),
        reference: expanded(reference.trim(), series),
    })
}

fn target(node: &Node, series: Series) -> Option<String> {
    let text = node.get("target")?.text()?;
    let branch = text.split_whitespace().nth(1)?;
    Some(expanded(branch, series))
}

/// `$ODOO_VERSION` and `${ODOO_VERSION}` are the series.
fn expanded(text: &str, series: Series) -> String {
    text.replace("${ODOO_VERSION}", series.as_str())
        .replace("$ODOO_VERSION", series.as_str())
}
