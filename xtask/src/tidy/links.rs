//! Every link of a Markdown file leads to a file and a heading of this tree.
use super::Note;
use super::tree::{File, Tree};

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    let pages = tree.files.iter().filter(|file| file.is_markdown());
    pages.flat_map(|page| check_page(tree, page)).collect()
}

fn check_page(tree: &Tree, page: &File) -> Vec<Note> {
    let links = prose(&page.text)
        .flat_map(|(line, text)| targets(text).into_iter().map(move |target| (line, target)));
    links
        .filter(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|(line, target)| {
            broken(tree, page, target).map(|why| Note::at(page, line, format!("`{target}`: {why}")))
        })
        .collect()
}

/// Numbered lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        (!in_code && !is_fence).then_some((index + 1, line))
    })
}

/// What stands in the round brackets of `[text](target "title")`.
fn targets(line: &str) -> Vec<&str> {
    let rests = line.split("](").skip(1);
    rests
        .filter_map(|rest| rest.split_once(')'))
        .filter_map(|(inside, _)| inside.split_whitespace().next())
        .collect()
}

fn broken(tree: &Tree, page: &File, target: &str) -> Option<&'static str> {
    let (path, heading) = target
        .split_once('#')
        .map_or((target, None), |(path, heading)| (path, Some(heading)));
    let path = if path.is_empty() {
        page.path.clone()
    } else {
        resolve(&page.path, path)
    };
    if !tree.paths.contains(&path) {
        return Some("leads nowhere");
    }
    let text = tree.get(&path).unwrap_or_default();
    let is_there = |heading| prose(text).any(|(_, line)| line.starts_with('#') && anchor(line) == heading);
    heading
        .is_some_and(|heading| !is_there(heading))
        .then_some("no such heading")
}

/// `target` as seen from the directory of `page`.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchor that renderers give a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|found| found.is_alphanumeric() || " -_".contains(*found))
        .map(|found| if found == ' ' { '-' } else { found })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn links_lead_somewhere() {
        let other = ("docs/b.md", "# B\n## The `x`, and y\n");
        for (link, said_of_it) in [
            ("docs/b.md", None),
            ("docs/b.md#the-x-and-y", None),
            ("./docs/../docs/b.md \"title\"", None),
            ("https://example.com/nowhere", None),
            ("#here", None),
            ("docs/c.md", Some("leads nowhere")),
            ("docs/b.md#gone", Some("no such heading")),
            ("#gone", Some("no such heading")),
        ] {
            let page = format!("# Here\n\nsee [it]({link}).\n```\n[code](gone)\n```\n");
            let said = said(check, &[("README.md", &page), other]);
            let target = link.split(' ').next().unwrap();
            let expected: Vec<String> = said_of_it
                .iter()
                .map(|why| format!("error: README.md:3: `{target}`: {why}"))
                .collect();
            assert_eq!(said, expected, "{link}");
        }
        assert_eq!(
            said(
                check,
                &[
                    ("docs/a.md", "[b](b.md) [up](../README.md)"),
                    other,
                    ("README.md", "")
                ]
            ),
            [""; 0]
        );
    }
}
