//! What exists is written down: dependencies in docs/dependencies.md, modules in ARCHITECTURE.md.
use super::Note;
use super::core_is_pure::dependencies;
use super::tree::Tree;

const DEPENDENCIES: &str = "docs/dependencies.md";
const ARCHITECTURE: &str = "ARCHITECTURE.md";
const CRATES: &[&str] = &[
    "crates/odoopack-core/src/",
    "crates/odoopack-repository/src/",
    "crates/odoopack/src/",
];

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    let mut notes = missing_dependencies(tree);
    notes.extend(missing_modules(tree));
    notes.extend(outside_of_its_wall(tree));
    notes
}

/// Libraries that one crate alone may depend on, so that everything else sees types of ours.
const WALLED: &[(&str, &str)] = &[
    ("object_store", "crates/odoopack-repository/Cargo.toml"),
    ("rustic_core", "crates/odoopack-repository/Cargo.toml"),
];

fn outside_of_its_wall(tree: &Tree) -> Vec<Note> {
    let manifests = tree
        .files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"));
    let named = manifests.flat_map(|file| {
        dependencies(&file.text)
            .into_iter()
            .map(move |(_, name)| (file, name))
    });
    named
        .filter(|(file, name)| {
            WALLED
                .iter()
                .any(|(walled, only)| walled == name && *only != file.path)
        })
        .map(|(file, name)| {
            Note::whole(
                &file.path,
                format!("`{name}` is named in odoopack-repository alone"),
            )
        })
        .collect()
}

fn missing_dependencies(tree: &Tree) -> Vec<Note> {
    let page = tree.get(DEPENDENCIES).unwrap_or_default();
    let manifest = tree.get("Cargo.toml").unwrap_or_default();
    let is_written = |name: &str| page.lines().any(|line| line.starts_with(&format!("| `{name}` ")));
    let known: Vec<&str> = dependencies(manifest).into_iter().map(|(_, name)| name).collect();
    let mut names = known.clone();
    names.retain(|name| !name.starts_with("odoopack") && !is_written(name));
    let mut notes: Vec<Note> = names
        .iter()
        .map(|name| {
            Note::whole(
                DEPENDENCIES,
                format!("`{name}` has no row: what it replaces, and why it"),
            )
        })
        .collect();
    // A row for what is gone misleads just as well.
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name));
    let gone = rows.filter(|name| !known.contains(name));
    notes.extend(gone.map(|name| {
        Note::whole(
            DEPENDENCIES,
            format!("`{name}` is no dependency of the workspace"),
        )
    }));
    notes
}

fn missing_modules(tree: &Tree) -> Vec<Note> {
    let page = tree.get(ARCHITECTURE).unwrap_or_default();
    let mut notes = Vec::new();
    for sources in CRATES {
        let inner = tree
            .files
            .iter()
            .filter(|file| file.is_rust())
            .filter_map(|file| file.path.strip_prefix(sources));
        let mut modules: Vec<&str> = inner.filter_map(|path| path.split(['/', '.']).next()).collect();
        modules.dedup();
        modules.retain(|module| !["lib", "tests"].contains(module) && !page.contains(&format!("`{module}`")));
        notes.extend(modules.iter().map(|module| {
            Note::whole(
                ARCHITECTURE,
                format!("`{module}` of {sources} is not on the code map"),
            )
        }));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    #[test]
    fn a_walled_library_is_refused_elsewhere() {
        let text = "[dependencies]\nrustic_core.workspace = true\n";
        let said = said(
            outside_of_its_wall,
            &[
                ("crates/odoopack/Cargo.toml", text),
                ("crates/odoopack-repository/Cargo.toml", text),
            ],
        );
        assert_eq!(
            said,
            ["error: crates/odoopack/Cargo.toml: `rustic_core` is named in odoopack-repository alone"]
        );
    }

    #[test]
    fn a_dependency_has_a_row_and_a_row_a_dependency() {
        let manifest = (
            "Cargo.toml",
            "[workspace.dependencies]\nodoopack-core = { path = \"x\" }\nserde = \"1\"\ntoml = \"1\"\n",
        );
        let said = said(
            check,
            &[manifest, (DEPENDENCIES, "| `toml` | ... |\n| `yaml` | ... |\n")],
        );
        assert_eq!(
            said,
            [
                "error: docs/dependencies.md: `serde` has no row: what it replaces, and why it",
                "error: docs/dependencies.md: `yaml` is no dependency of the workspace"
            ]
        );
    }

    #[test]
    fn a_module_stands_on_the_map() {
        let files = [
            ("crates/odoopack/src/ui.rs", ""),
            ("crates/odoopack/src/tools/git.rs", ""),
            (ARCHITECTURE, "`ui` prints"),
        ];
        assert_eq!(
            said(check, &files),
            ["error: ARCHITECTURE.md: `tools` of crates/odoopack/src/ is not on the code map"]
        );
    }
}
