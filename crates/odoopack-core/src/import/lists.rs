//! Plain lists: `oca_dependencies.txt`, `odoo_requirements.txt`, `apt.txt`.
use super::{Found, Imported, foreign, is_module, plain_name, unusual};
use crate::foreign::address;
use crate::oca_lock::is_pinned;
use crate::spec::Series;

/// Lines without comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let bare = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    bare.filter(|line| !line.is_empty())
}

/// `repository [url [branch]] [commit]`.
pub(super) fn oca_dependencies(file: &str, text: &str, series: Series, all: &mut Imported) {
    for line in lines(text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(name) = plain_name(words[0]) else {
            all.leave(file, format!("`{}` is no name of a repository", words[0]));
            continue;
        };
        let commit = words.iter().skip(2).find(|word| is_pinned(word));
        let branch = words.get(2).filter(|word| !is_pinned(word));
        let found = Found {
            url: words.get(1).and_then(|url| foreign(url, &name)),
            branch: branch.and_then(|branch| unusual(branch, series)),
            commit: commit.map(|commit| (*commit).to_owned()),
            ..Found::default()
        };
        all.add(file, &name, found);
    }
}

/// odoo-helper's: options that say where a repository or a module comes from.
pub(super) fn odoo_requirements(file: &str, text: &str, series: Series, all: &mut Imported) {
    for line in lines(text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let option = |names: &[&str]| {
            let at = words.iter().position(|word| names.contains(word))?;
            words.get(at + 1).copied()
        };
        let branch = option(&["-b", "--branch"]).and_then(|branch| unusual(branch, series));
        let module = option(&["-m", "--module"]).filter(|module| is_module(module));
        let modules: Vec<String> = module.map(str::to_owned).into_iter().collect();
        let url = match (
            option(&["--github"]),
            option(&["--oca"]),
            option(&["-r", "--repo"]),
        ) {
            (Some(path), _, _) => format!("https://github.com/{path}"),
            (_, Some(name), _) => format!("https://github.com/OCA/{name}"),
            (_, _, Some(url)) => url.to_owned(),
            _ => {
                all.leave(
                    file,
                    format!("`{line}`: only --github, --oca and --repo are known here"),
                );
                continue;
            }
        };
        let Some(name) = plain_name(address::name(&url)) else {
            all.leave(file, format!("`{line}`: no name of a repository"));
            continue;
        };
        let found = Found {
            url: foreign(&url, &name),
            branch,
            modules,
            ..Found::default()
        };
        all.add(file, &name, found);
    }
}

/// Debian packages: named, with the command that installs them; a pack does not install what only a module needs.
pub(super) fn apt(file: &str, text: &str, all: &mut Imported) {
    let packages: Vec<&str> = lines(text).flat_map(str::split_whitespace).collect();
    if !packages.is_empty() {
        all.leave(
            file,
            format!(
                "Debian packages: install them with `apt-get install {}`",
                packages.join(" ")
            ),
        );
    }
}
