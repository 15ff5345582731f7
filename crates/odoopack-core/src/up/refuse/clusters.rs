//! Servers that are others than the databases are in: a file that now says so, and an environment of another edition.
use crate::plan::Refusal;
use crate::spec::{Clusters, OwnServer};
use crate::target::DatabaseWant;
use crate::up::Known;

/// Databases on disk that the servers of the file would not hold.
pub(super) fn moved(known: &Known<'_>) -> Option<Refusal> {
    let shared = known.facts.cluster(&OwnServer::SHARED).present().is_some();
    let (place, now, word) = match known.spec.postgres.cluster {
        _ if known.spec.postgres.is_given() => return None,
        Clusters::PerEdition if shared => (
            "data/postgres holds the databases of all editions".to_owned(),
            "a server for each edition, on which they would start with empty ones",
            "shared",
        ),
        Clusters::Shared if !shared && known.spec.postgres.directory.is_none() => {
            let all: Vec<String> = known
                .facts
                .on_disk()
                .map(|server| format!("data/{server}"))
                .collect();
            if all.is_empty() {
                return None;
            }
            let what = format!("{} hold the databases of one edition each", all.join(", "));
            (
                what,
                "one server for all, on which they would start with empty ones",
                "per-edition",
            )
        }
        Clusters::PerEdition | Clusters::Shared => return None,
    };
    Some(Refusal::new(
        format!("{place}, and the file now says {now}"),
        format!(
            "write `cluster = \"{word}\"` in [postgres]; to change it, {}",
            super::INTO_A_NEW_ROOT
        ),
    ))
}

/// Whether an environment has files while nothing says that its first installation was only begun.
fn has_files(known: &Known<'_>, want: &DatabaseWant) -> bool {
    let files = known.facts.paths.get(&want.filestore());
    files.is_some_and(|seen| seen.present().is_some())
        && !known.facts.unfinished.contains_key(&want.environment)
}

fn refusal(known: &Known<'_>, want: &DatabaseWant) -> Refusal {
    let (environment, database) = (&want.environment, &want.database);
    let server = known.spec.server_of(environment);
    let files = want.filestore();
    let way = if known.target.apart {
        // A database that keeps its name would be served again when the environment comes back to its edition.
        format!(
            "write the `edition` of [environments.{environment}] that it had; to change it, `odoopack backup create {environment}` before, `odoopack psql {environment} --admin -- -d postgres -c 'ALTER DATABASE {database} RENAME TO {database}_moved'`, then move {files} away, `odoopack up` and `odoopack restore` of that snapshot"
        )
    } else {
        format!(
            "write again in [postgres] what says where its database is (`url`, `directory`); to move, `odoopack backup create`, then restore in a new root; to begin anew, move {files} away"
        )
    };
    Refusal::new(
        format!("{files} holds the files of database {database}, and data/{server} has no such database"),
        way,
    )
}

/// Environments with files whose server is still to be made: they were another server's, or it was moved away.
pub(super) fn left_behind<'a>(known: &'a Known<'_>) -> impl Iterator<Item = Refusal> + 'a {
    let own = !known.spec.postgres.is_given() && known.spec.postgres.directory.is_none();
    let wants = known.target.databases.iter();
    let wants = wants.filter(move |want| own && has_files(known, want));
    // Attachments that another stack made may come before their database does.
    let ours = wants.filter(|want| known.spec.environments[&want.environment].directory.is_none());
    let unmade = ours.filter(|want| {
        let server = known.spec.server_of(&want.environment);
        known.facts.cluster(&server).is_absent()
    });
    unmade.map(|want| refusal(known, want))
}

fn holds(known: &Known<'_>, server: &OwnServer, want: &DatabaseWant) -> Option<bool> {
    let seen = known.facts.databases(server).present()?;
    Some(seen.databases.contains_key(&want.database))
}

/// Environments with files whose server runs and has no database for them.
pub(super) fn strangers<'a>(known: &'a Known<'_>) -> impl Iterator<Item = Refusal> + 'a {
    let wants = known.target.databases.iter();
    let wants = wants.filter(|want| known.target.apart && has_files(known, want));
    let missing =
        wants.filter(|want| holds(known, &known.spec.server_of(&want.environment), want) == Some(false));
    missing.map(|want| refusal(known, want))
}

/// Environments whose database is on two servers: which of them is served must not hang on a word of the file.
pub(super) fn twice<'a>(known: &'a Known<'_>) -> impl Iterator<Item = Refusal> + 'a {
    let wants = known.target.databases.iter().filter(|_| known.target.apart);
    wants.filter_map(|want| {
        let own = known.spec.server_of(&want.environment);
        let mut others = known.facts.databases.keys().filter(|server| **server != own);
        let other = others.find(|server| holds(known, server, want) == Some(true))?;
        holds(known, &own, want).filter(|there| *there)?;
        let database = &want.database;
        Some(Refusal::new(
            format!("database {database} is on the servers `{own}` and `{other}`: nothing says which of them is the one that people work in"),
            format!(
                "rename the other one: `odoopack psql {} --admin -- -d postgres -c 'ALTER DATABASE {database} RENAME TO {database}_old'` does it on `{own}`",
                want.environment
            ),
        ))
    })
}
