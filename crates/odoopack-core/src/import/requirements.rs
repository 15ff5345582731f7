//! `requirements.txt`: modules as Python packages and modules straight from git.
use super::{Found, Imported, foreign, plain_name};
use crate::foreign::address;
use crate::oca_lock::is_pinned;
use crate::python_pins::name_of;
use crate::spec::MergeSource;

/// What distributions of modules are called, before and after 15.0.
const PREFIXES: &[&str] = &["odoo-addon-", "odoo17-addon-", "odoo18-addon-", "odoo14-addon-"];

/// Reads a requirement file; lines that pip understands and that name no repository stay requirements.
pub(super) fn read(file: &str, text: &str, all: &mut Imported) {
    let whole = text.replace("\\\n", " ");
    for line in whole.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((_, address)) = line.split_once("git+") {
            from_git(file, line, address, all);
        } else if line.starts_with("-e") || line.starts_with("--editable") {
            all.leave(
                file,
                format!("`{line}`: nothing editable is installed; use `own` of [addons]"),
            );
        } else if line.starts_with('-') {
            option(file, line, all);
        } else if name_of(line).is_some() {
            // The hashes come from the lock.
            let bare = line.split("--hash").next().unwrap_or(line).trim();
            all.requirements.push(bare.to_owned());
        } else {
            all.leave(file, format!("`{line}` is no requirement"));
        }
    }
}

fn option(file: &str, line: &str, all: &mut Imported) {
    if ["-r", "--requirement", "-c", "--constraint"]
        .iter()
        .any(|o| line.starts_with(o))
    {
        all.leave(file, format!("`{line}`: import that file as well"));
    } else {
        all.leave(
            file,
            format!("`{line}`: the package index is the one that pip is configured with"),
        );
    }
}

/// `odoo-addon-x @ git+URL@REF#subdirectory=x`.
fn from_git(file: &str, line: &str, address: &str, all: &mut Imported) {
    let (place, fragment) = address.split_once('#').unwrap_or((address, ""));
    let place = place.split_whitespace().next().unwrap_or_default();
    let path_start = place.find("://").map_or(0, |at| at + 3);
    let at = place[path_start..].rfind('@').map(|at| at + path_start);
    let in_path = at.filter(|at| place[*at..].len() > 1 && place[path_start..*at].contains('/'));
    let (url, reference) = match in_path {
        Some(at) => (&place[..at], Some(&place[at + 1..])),
        None => (place, None),
    };
    let directory = fragment
        .split(['&', ' ', ';'])
        .find_map(|part| part.strip_prefix("subdirectory="));
    let named = name_of(line).filter(|name| name.contains("-addon-"));
    let module = directory
        .and_then(|directory| directory.trim_end_matches('/').rsplit('/').next())
        .map(str::to_owned)
        .or_else(|| named.as_deref().and_then(module_of));
    let (Some(module), Some(name)) = (module, plain_name(address::name(url))) else {
        all.leave(
            file,
            format!("`{line}`: not a module of Odoo; a package from git cannot be hash-locked"),
        );
        return;
    };
    let mut found = Found {
        url: foreign(url, &name),
        modules: vec![module],
        ..Found::default()
    };
    match reference {
        Some(commit) if is_pinned(commit) => found.commit = Some(commit.to_owned()),
        Some(pull) if pull.starts_with("refs/pull/") => found.merges.push(MergeSource {
            url: None,
            reference: pull.to_owned(),
        }),
        Some(branch) => found.branch = Some(branch.to_owned()),
        None => {}
    }
    all.add(file, &name, found);
}

/// The module that a distribution `odoo-addon-NAME` holds.
pub(super) fn module_of(distribution: &str) -> Option<String> {
    let rest = PREFIXES
        .iter()
        .find_map(|prefix| distribution.strip_prefix(prefix))?;
    Some(rest.replace('-', "_"))
}
