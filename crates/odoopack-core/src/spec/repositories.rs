//! Changes of the file by commands; comments, order and spelling of everything else stay.
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

/// What `oca add` writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRepository {
    /// Clone URL that is not OCA's.
    pub url: Option<String>,
    /// Branch that is not the series'.
    pub branch: Option<String>,
    /// Modules, added to those that are there.
    pub modules: Vec<String>,
    /// Merges, added to those that are there.
    pub merges: Vec<String>,
    /// Group.
    pub group: Option<String>,
}

/// Adds a repository, or completes the one that is there.
///
/// # Errors
/// When `file` is not TOML.
pub fn add_repository(file: &str, name: &str, new: &NewRepository) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = file.parse()?;
    let addons = table(document.as_table_mut(), "addons", true);
    if let Some(addons) = addons
        && addons.get("oca").is_none()
    {
        addons.insert("oca", value("addons/external/oca"));
    }
    // Without `modules` it is taken whole, and stays so.
    let whole = {
        let addons = document.get("addons").and_then(Item::as_table_like);
        let all = addons.and_then(|addons| addons.get("repositories")?.as_table_like());
        let there = all.and_then(|all| all.get(name)?.as_table_like());
        there.is_some_and(|one| {
            one.get("modules")
                .and_then(Item::as_array)
                .is_none_or(toml_edit::Array::is_empty)
        })
    };
    let inner = table(document.as_table_mut(), "addons", true)
        .and_then(|addons| table(addons, "repositories", true))
        .and_then(|repositories| table(repositories, name, false));
    if let Some(repository) = inner {
        for (key, text) in [("url", &new.url), ("branch", &new.branch), ("group", &new.group)] {
            if let Some(text) = text {
                set(repository, key, value(text));
            }
        }
        if !whole {
            extend(repository, "modules", &new.modules);
        }
        extend(repository, "merges", &new.merges);
    }
    Ok(document.to_string())
}

/// Takes a repository out; its empty table of repositories goes with it.
///
/// # Errors
/// When `file` is not TOML.
pub fn remove_repository(file: &str, name: &str) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = file.parse()?;
    if let Some(addons) = table(document.as_table_mut(), "addons", true) {
        let empty = match addons.get_mut("repositories").and_then(Item::as_table_like_mut) {
            Some(repositories) => {
                repositories.remove(name);
                repositories.is_empty()
            }
            None => false,
        };
        if empty {
            addons.remove("repositories");
        }
    }
    Ok(document.to_string())
}

/// Moves the commit at which the file holds a repository; a file that names none stays as it is.
///
/// # Errors
/// When `file` is not TOML.
pub fn move_commit(file: &str, name: &str, commit: &str) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = file.parse()?;
    let repository = document
        .get_mut("addons")
        .and_then(|addons| addons.get_mut("repositories"))
        .and_then(|repositories| repositories.get_mut(name))
        .and_then(Item::as_table_like_mut);
    if let Some(repository) = repository
        && repository.get("commit").is_some()
    {
        set(repository, "commit", value(commit));
    }
    Ok(document.to_string())
}

/// The table of that name; made when it is not there.
fn table<'a>(inside: &'a mut dyn TableLike, name: &str, implicit: bool) -> Option<&'a mut dyn TableLike> {
    if inside.get(name).is_none() {
        let mut new = Table::new();
        new.set_implicit(implicit);
        inside.insert(name, Item::Table(new));
    }
    inside.get_mut(name)?.as_table_like_mut()
}

/// Replaces a value and keeps the comment behind it.
fn set(table: &mut dyn TableLike, key: &str, mut item: Item) {
    let decor = table
        .get(key)
        .and_then(Item::as_value)
        .map(|old| old.decor().clone());
    if let (Some(decor), Some(new)) = (decor, item.as_value_mut()) {
        *new.decor_mut() = decor;
    }
    table.insert(key, item);
}

/// Adds texts to a list, each once.
fn extend(table: &mut dyn TableLike, key: &str, more: &[String]) {
    if more.is_empty() {
        return;
    }
    if let Some(list) = table.get_mut(key).and_then(Item::as_array_mut) {
        for text in more {
            if !list.iter().any(|old| old.as_str() == Some(text)) {
                list.push(text);
            }
        }
    } else {
        set(table, key, value(more.iter().collect::<Array>()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\nformat = 1\n\n[addons] # all\nown = [\"a\"] # ours\n\n[environments.production]\ndomain = \"e.example\" # here\n";

    #[test]
    fn a_repository_that_is_taken_whole_stays_whole() {
        let whole = add_repository(FILE, "hr", &NewRepository::default()).unwrap();
        let one = NewRepository {
            modules: vec!["hr_course".to_owned()],
            ..NewRepository::default()
        };
        assert_eq!(add_repository(&whole, "hr", &one).unwrap(), whole);
    }

    #[test]
    fn adding_and_removing_leaves_the_file_as_it_was() {
        let new = NewRepository {
            modules: vec!["project_timeline".to_owned()],
            ..NewRepository::default()
        };
        let added = add_repository(FILE, "project", &new).unwrap();
        assert_eq!(
            added,
            "# mine\nformat = 1\n\n[addons] # all\nown = [\"a\"] # ours\noca = \"addons/external/oca\"\n\n[addons.repositories.project]\nmodules = [\"project_timeline\"]\n\n[environments.production]\ndomain = \"e.example\" # here\n"
        );
        let more = NewRepository {
            modules: vec!["project_timeline".to_owned(), "project_wbs".to_owned()],
            merges: vec!["refs/pull/1/head".to_owned()],
            ..NewRepository::default()
        };
        let twice = add_repository(&added, "project", &more).unwrap();
        assert!(twice.contains(
            "modules = [\"project_timeline\", \"project_wbs\"]\nmerges = [\"refs/pull/1/head\"]\n"
        ));
        let removed = remove_repository(&twice, "project").unwrap();
        assert_eq!(
            removed,
            FILE.replace("# ours\n", "# ours\noca = \"addons/external/oca\"\n")
        );
    }

    #[test]
    fn a_file_without_addons_gets_them_and_comments_behind_values_stay() {
        let added = add_repository("format = 1\n", "web", &NewRepository::default()).unwrap();
        assert_eq!(
            added,
            "format = 1\n\n[addons]\noca = \"addons/external/oca\"\n\n[addons.repositories.web]\n"
        );
        let held = "[addons.repositories.web]\ncommit = \"aa\" # since the incident\n";
        assert_eq!(
            move_commit(held, "web", "bb").unwrap(),
            "[addons.repositories.web]\ncommit = \"bb\" # since the incident\n"
        );
        assert_eq!(move_commit(&added, "web", "bb").unwrap(), added);
    }
}
