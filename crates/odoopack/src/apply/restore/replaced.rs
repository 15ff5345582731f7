//! What restores have replaced and kept, until somebody forgets it.
use camino::Utf8PathBuf;
use odoopack_core::name::Name;
use odoopack_core::restore::own_name;
use postgres::Client;

use super::database::drop_with_door;
use crate::apply::Apply;
use crate::apply::databases::{drop_database, failed};
use crate::failure::{Failure, Result};
use crate::files;

/// Length of an operation's id.
const ID: usize = 8;

/// What was kept.
#[derive(Debug)]
pub(crate) struct Replaced {
    environment: Name,
    databases: Vec<String>,
    directories: Vec<Utf8PathBuf>,
}

/// Looks for what restores of an environment have kept: by the names that only they give.
pub(crate) fn find(apply: &Apply<'_>, environment: &Name, database: &str) -> Result<Replaced> {
    let names = unmarked(apply, environment)?.into_iter();
    let filestores = apply.layout.environment(environment).join("filestore");
    let mut directories = Vec::new();
    if super::there(&filestores)? {
        let failed = |e| Failure::failed(format!("could not list `{filestores}`")).because(e);
        for entry in filestores.read_dir_utf8().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if is_kept(database, entry.file_name()) {
                directories.push(entry.into_path());
            }
        }
    }
    directories.sort();
    Ok(Replaced {
        environment: environment.clone(),
        databases: names.filter(|name| is_kept(database, name)).collect(),
        directories,
    })
}

/// Databases of an environment's role that serve no environment.
pub(super) fn unmarked(apply: &Apply<'_>, environment: &Name) -> Result<Vec<String>> {
    let role = apply.layout.role(environment);
    let sql = "SELECT datname::text FROM pg_database WHERE pg_get_userbyid(datdba) = $1 \
               AND coalesce(shobj_description(oid, 'pg_database'), '') NOT LIKE 'odoopack.kind=%' \
               AND oid NOT IN (SELECT setdatabase FROM pg_db_role_setting, unnest(setconfig) c WHERE c LIKE 'odoopack.kind=%') ORDER BY 1";
    let rows = apply.admin(environment, "postgres")?.query(sql, &[&role]);
    let rows = rows.map_err(|e| failed("could not look for databases", &e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

impl Replaced {
    /// Of this, what the operation `id` has replaced.
    pub(crate) fn by(mut self, database: &str, id: &str) -> Self {
        let name = own_name(database, "replaced", id);
        self.databases.retain(|one| *one == name);
        self.directories.retain(|one| one.file_name() == Some(&name));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.databases.is_empty() && self.directories.is_empty()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let databases = self.databases.iter().map(|name| format!("database {name}"));
        databases
            .chain(self.directories.iter().map(ToString::to_string))
            .collect()
    }

    pub(crate) fn remove(&self, apply: &Apply<'_>) -> Result<()> {
        let mut client = apply.admin(&self.environment, "postgres")?;
        for database in &self.databases {
            drop_one(apply, &mut client, database)?;
        }
        self.directories
            .iter()
            .try_for_each(|directory| files::remove_tree(directory))
    }
}

/// Drops a database, and the role that let somebody in where we make such roles.
pub(super) fn drop_one(apply: &Apply<'_>, client: &mut Client, database: &str) -> Result<()> {
    if apply.spec.postgres.is_given() {
        return drop_database(client, database);
    }
    drop_with_door(client, database)
}

fn is_kept(database: &str, name: &str) -> bool {
    let named = |what: &&str| id(name).is_some_and(|id| name == own_name(database, what, id));
    ["replaced", "undone"].iter().any(named)
}

/// Whether it is a name that a restore, a drill or a module operation gives to what it makes, whatever database of whichever pack it is of.
pub(super) fn is_of_an_operation(name: &str) -> bool {
    let Some(before) = id(name).and_then(|id| name.strip_suffix(id)) else {
        return false;
    };
    let named = |what: &&str| before.ends_with(&format!("_{what}_"));
    ["replaced", "undone", "restore", "drill", "before"]
        .iter()
        .any(named)
}

/// The end that every such name has.
fn id(name: &str) -> Option<&str> {
    let id = name.len().checked_sub(ID).and_then(|at| name.get(at..))?;
    id.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::{Replaced, is_kept, is_of_an_operation};

    #[test]
    fn what_one_restore_has_replaced_is_not_what_another_has() {
        let all = Replaced {
            environment: "demo".parse().unwrap(),
            databases: vec![
                "demo_replaced_6a1b2c3d".to_owned(),
                "demo_replaced_6a1b2c3e".to_owned(),
            ],
            directories: vec![
                "/r/demo_replaced_6a1b2c3d".into(),
                "/r/demo_replaced_6a1b2c3e".into(),
            ],
        };
        assert_eq!(
            all.by("demo", "6a1b2c3d").names(),
            ["database demo_replaced_6a1b2c3d", "/r/demo_replaced_6a1b2c3d"]
        );
    }

    #[test]
    fn what_an_operation_of_any_pack_has_named_is_no_copy() {
        for (name, is) in [
            ("demo_production_replaced_6a1b2c3d", true),
            ("of_another_pack_restore_6a1b2c3d", true),
            ("x_drill_6a1b2c3d", true),
            ("look", false),
            ("look_6a1b2c3d", false),
            ("restore_production", false),
            ("\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}", false),
        ] {
            assert_eq!(is_of_an_operation(name), is, "{name}");
        }
    }

    #[test]
    fn only_names_that_a_restore_gives_are_found() {
        for (name, kept) in [
            ("demo_production_replaced_6a1b2c3d", true),
            ("demo_production_undone_6a1b2c3d", true),
            ("demo_production_replaced_old", false),
            ("demo_production", false),
            ("demo_production_restore_6a1b2c3d", false),
            ("other_replaced_6a1b2c3d", false),
            ("x", false),
        ] {
            assert_eq!(is_kept("demo_production", name), kept, "{name}");
        }
    }
}
