//! What `--as NAME` has put beside an environment, until somebody has seen enough of it.
use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use odoopack_core::name::Name;
use odoopack_core::spec::Spec;
use postgres::Client;

use super::replaced::{drop_one, is_of_an_operation, unmarked};
use super::{entrance, there};
use crate::apply::Apply;
use crate::apply::databases::failed;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::databases::connect_as;

/// A copy: a database that is known to be harmless, and its attachments.
#[derive(Debug)]
pub(crate) struct Copied {
    name: String,
    /// One environment of each server that has it.
    environments: Vec<Name>,
    directories: Vec<Utf8PathBuf>,
}

/// Finds the copy of a name.
///
/// # Errors
/// Kind `Refused` when there is none, or what has the name may be more than a copy.
pub(crate) fn find(apply: &Apply<'_>, name: &str) -> Result<Copied> {
    not_of_the_file(apply.spec, name)?;
    if is_of_an_operation(name) {
        return Err(no_copy(name, "an operation has given it this name")
            .hint("`odoopack restore --forget-replaced ENVIRONMENT` removes what restores have replaced"));
    }
    let mut copied = Copied {
        name: name.to_owned(),
        environments: Vec::new(),
        directories: Vec::new(),
    };
    let (mut servers, mut alone) = (BTreeSet::new(), Vec::new());
    for environment in apply.spec.environments.keys() {
        let directory = apply.layout.environment(environment).join("filestore").join(name);
        let is_there = there(&directory)?;
        if !unmarked(apply, environment)?.iter().any(|one| one == name) {
            alone.extend(is_there.then_some(directory));
            continue;
        }
        copied.directories.extend(is_there.then_some(directory));
        // A role that was given owns the databases of every environment.
        if servers.insert(apply.spec.server_of(environment)) {
            harmless(apply, environment, name)?;
            copied.environments.push(environment.clone());
        }
    }
    if copied.environments.is_empty() {
        return Err(nothing(name, &alone));
    }
    Ok(copied)
}

/// Attachments alone say nothing of whose they are.
fn nothing(name: &str, alone: &[Utf8PathBuf]) -> Failure {
    let failure = Failure::refused(format!(
        "there is no copy `{name}`: no environment owns such a database"
    ));
    let with_command = |failure: Failure, directory: &Utf8PathBuf| {
        failure.hint(format!(
            "attachments are there: where nobody needs them, `rm -r {directory}`"
        ))
    };
    alone.iter().fold(failure, with_command)
}

/// What an environment is called, or its database, is no copy.
///
/// # Errors
/// Kind `Refused` with the environment.
pub(crate) fn not_of_the_file(spec: &Spec, name: &str) -> Result<()> {
    let mut all = spec.environments.iter();
    let of = all.find(|(environment, settings)| environment.as_str() == name || settings.database == name);
    match of {
        None => Ok(()),
        Some((environment, _)) => Err(Failure::refused(format!(
            "`{name}` is the name of the environment {environment}, or of its database"
        ))
        .hint("choose another name for a copy: `--as NAME`")),
    }
}

fn no_copy(name: &str, why: &str) -> Failure {
    Failure::refused(format!("`{name}` is no copy that a restore has made: {why}"))
}

/// Every copy was neutralized, and serves nobody; asked as the environment's role, for what is in the database may be of somebody who
/// wants harm.
fn harmless(apply: &Apply<'_>, environment: &Name, name: &str) -> Result<()> {
    let entrance = entrance(apply, environment, name)?;
    let server = apply.server(environment)?;
    let client = connect_as(&server, &entrance.role, entrance.password.expose(), name);
    let (is_neutralized, users) = client.and_then(|mut client| seen(&mut client)).map_err(|e| {
        failed(&format!("could not look whether `{name}` is a harmless copy"), &e).into_refusal()
    })?;
    if !is_neutralized {
        return Err(no_copy(name, "it is not neutralized").hint(format!(
            "where nobody needs it: `odoopack psql {environment} --admin -- -c 'DROP DATABASE \"{name}\"'`"
        )));
    }
    if let Some(user) = users.first() {
        return Err(Failure::refused(format!("somebody works in `{name}`: {user}"))
            .hint("whoever it is ends that, or needs the database"));
    }
    Ok(())
}

/// Whether it is neutralized, and who is in it beside ourselves.
fn seen(client: &mut Client) -> std::result::Result<(bool, Vec<String>), postgres::Error> {
    let neutralized = "SELECT coalesce(lower(value) = 'true', false) FROM public.ir_config_parameter WHERE key = 'database.is_neutralized'";
    let users = "SELECT coalesce(nullif(application_name, ''), usename::text) FROM pg_stat_activity \
                 WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'odoopack'";
    let rows = client.query(neutralized, &[])?;
    let users = client.query(users, &[])?;
    let is_neutralized = rows.first().is_some_and(|row| row.get(0));
    Ok((is_neutralized, users.iter().map(|row| row.get(0)).collect()))
}

impl Copied {
    /// The environments whose role owns it.
    pub(crate) fn environments(&self) -> &[Name] {
        &self.environments
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let databases = self.environments.iter().map(|environment| {
            if self.environments.len() == 1 {
                format!("database {}", self.name)
            } else {
                format!("database {} of {environment}", self.name)
            }
        });
        let directories = self.directories.iter().map(ToString::to_string);
        databases.chain(directories).collect()
    }

    /// The database last: while it is there the same command goes on.
    pub(crate) fn remove(&self, apply: &Apply<'_>) -> Result<()> {
        self.directories
            .iter()
            .try_for_each(|directory| files::remove_tree(directory))?;
        self.environments.iter().try_for_each(|environment| {
            let mut client = apply.admin(environment, "postgres")?;
            drop_one(apply, &mut client, &self.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_without_a_database_are_left_to_a_person() {
        let said = nothing("look", &["/r/filestore/look".into()]).sentence();
        assert!(said.contains("`rm -r /r/filestore/look`"), "{said}");
    }
}
