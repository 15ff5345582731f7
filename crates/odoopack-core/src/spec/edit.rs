//! Editions come into the file and leave it; comments and everything else stay as they are.
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

use super::Spec;
use crate::name::Name;

/// An edition with the environment that runs it; both have its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEdition {
    /// Of the edition and of its environment.
    pub name: Name,
    /// Host name of the environment.
    pub domain: String,
    /// Modules of the edition.
    pub modules: Vec<String>,
    /// Database, when not the usual name.
    pub database: Option<String>,
    /// Direct loopback port.
    pub http_port: Option<u16>,
}

/// Why the file is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read as TOML.
    #[error("the file is no TOML: {0}")]
    Toml(String),
    /// `editions` or `environments` is something else than a table.
    #[error("`{0}` is no table")]
    NoTable(String),
    /// There is one of this name.
    #[error("there is already `[{0}]`")]
    There(String),
    /// There is none of this name.
    #[error("there is no edition `{0}`")]
    Unknown(Name),
    /// A pack has at least one.
    #[error("`{0}` is the only edition of the file")]
    Last(Name),
}

/// The file with one edition more.
///
/// # Shape
/// Where the file names no edition, the one that it implies is written out first, and environments that leave theirs
/// unsaid say it from now on: with two editions it would be missing.
pub fn add_edition(text: &str, spec: &Spec, new: &NewEdition) -> Result<String, EditError> {
    let mut document = parse(text)?;
    for (name, environment) in &spec.environments {
        let table = table(&mut document, &["environments", name.as_str()])?;
        if table.get("edition").is_none() {
            table.insert("edition", value(environment.edition.as_str()));
        }
    }
    for name in spec.editions.keys() {
        table(&mut document, &["editions", name.as_str()])?;
    }
    for parent in ["editions", "environments"] {
        if table(&mut document, &[parent])?.contains_key(new.name.as_str()) {
            return Err(EditError::There(format!("{parent}.{}", new.name)));
        }
    }
    let edition = table(&mut document, &["editions", new.name.as_str()])?;
    edition.insert("modules", value(new.modules.iter().collect::<Array>()));
    let environment = table(&mut document, &["environments", new.name.as_str()])?;
    environment.insert("kind", value("production"));
    environment.insert("edition", value(new.name.as_str()));
    environment.insert("domain", value(&new.domain));
    if let Some(database) = &new.database {
        environment.insert("database", value(database));
    }
    if let Some(port) = new.http_port {
        environment.insert("http_port", value(i64::from(port)));
    }
    Ok(document.to_string())
}

/// The file without an edition and the environments that run it; their names come with it.
pub fn remove_edition(text: &str, spec: &Spec, name: &Name) -> Result<(String, Vec<Name>), EditError> {
    if !spec.editions.contains_key(name) {
        return Err(EditError::Unknown(name.clone()));
    }
    if spec.editions.len() == 1 {
        return Err(EditError::Last(name.clone()));
    }
    let mut document = parse(text)?;
    table(&mut document, &["editions"])?.remove(name.as_str());
    let runs = spec
        .environments
        .iter()
        .filter(|(_, environment)| environment.edition == *name);
    let gone: Vec<Name> = runs.map(|(name, _)| name.clone()).collect();
    for environment in &gone {
        table(&mut document, &["environments"])?.remove(environment.as_str());
    }
    Ok((document.to_string(), gone))
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse::<DocumentMut>()
        .map_err(|e| EditError::Toml(e.to_string()))
}

/// The table at `path`, made where it is missing.
fn table<'a>(document: &'a mut DocumentMut, path: &[&str]) -> Result<&'a mut dyn TableLike, EditError> {
    let mut at: &mut dyn TableLike = document.as_table_mut();
    for (depth, name) in path.iter().enumerate() {
        let last = depth + 1 == path.len();
        let item = at.entry(name).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(!last || path.len() == 1);
            Item::Table(table)
        });
        at = item
            .as_table_like_mut()
            .ok_or_else(|| EditError::NoTable(path[..=depth].join(".")))?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{LoadContext, load};

    fn spec(text: &str) -> Spec {
        load(text, &LoadContext::new("/opt/x/repo"))
            .unwrap_or_else(|m| panic!("{m}\n{text}"))
            .spec
    }

    fn new(name: &str, port: u16) -> NewEdition {
        NewEdition {
            name: name.parse().unwrap(),
            domain: format!("{name}.example.com"),
            modules: vec!["crm".to_owned(), "website".to_owned()],
            database: Some(format!("odoo_{name}")),
            http_port: Some(port),
        }
    }

    const FILE: &str = "# ours\nformat = 1 # one\n\n[environments.production]\n# the real one\ndomain = \"erp.example.com\"\n";

    #[test]
    fn the_implied_edition_is_written_out_and_comments_stay() {
        let added = add_edition(FILE, &spec(FILE), &new("marketing", 8070)).unwrap();
        insta::assert_snapshot!(added);
        let after = spec(&added);
        assert_eq!(
            after.environments[&"production".parse().unwrap()]
                .edition
                .as_str(),
            "core"
        );
        assert_eq!(after.editions.len(), 2);
        let again = add_edition(&added, &after, &new("marketing", 8071)).unwrap_err();
        assert_eq!(again.to_string(), "there is already `[editions.marketing]`");
        let (removed, gone) = remove_edition(&added, &after, &"marketing".parse().unwrap()).unwrap();
        assert_eq!(gone, ["marketing".parse().unwrap()]);
        assert!(
            !removed.contains("marketing") && removed.contains("# the real one"),
            "{removed}"
        );
        assert!(remove_edition(&removed, &spec(&removed), &"core".parse().unwrap()).is_err());
    }

    #[test]
    fn the_example_takes_a_fourth_and_inline_tables_are_kept() {
        let text = include_str!("../../../../examples/editions.toml");
        let added = add_edition(text, &spec(text), &new("field", 8072)).unwrap();
        let mut lines = added.lines();
        assert!(
            text.lines().all(|line| lines.any(|other| other == line)),
            "{added}"
        );
        assert_eq!(spec(&added).environments.len(), 4);
        let inline = "format = 1\neditions = { core = {} }\nenvironments = { production = { domain = \"a.example.com\" } }\n";
        let added = add_edition(inline, &spec(inline), &new("field", 8072)).unwrap();
        assert_eq!(spec(&added).editions.len(), 2, "{added}");
    }
}
