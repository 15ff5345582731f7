//! Servers that are others than the databases are in: a file that now says so, and an environment of another edition.
use crate::facts::Seen;
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

/// Containers have one server for now.
pub(super) fn in_containers(known: &Known<'_>) -> Option<Refusal> {
    let apart = known.spec.postgres.cluster == Clusters::PerEdition && known.target.stack.is_some();
    apart.then(|| {
        Refusal::new(
            "the engine `compose` brings one PostgreSQL server for all editions",
            "write `engine = \"native\"` in [pack], or remove `cluster` from [postgres]",
        )
    })
}

/// Whether an environment has files while nothing says that its first installation was only begun.
fn has_files(known: &Known<'_>, want: &DatabaseWant) -> bool {
    let files = known.facts.paths.get(&want.filestore());
    known.target.apart
        && files.is_some_and(|seen| seen.present().is_some())
        && !known.facts.unfinished.contains_key(&want.environment)
}

fn refusal(known: &Known<'_>, want: &DatabaseWant) -> Refusal {
    let (environment, database) = (&want.environment, &want.database);
    let server = known.spec.server_of(environment);
    Refusal::new(
        format!(
            "{} holds the files of database {database}, and data/{server} has no such database",
            want.filestore()
        ),
        format!(
            "write the `edition` of [environments.{environment}] that it had; to change it, `odoopack backup create {environment}` before, then move {} away, `odoopack up` and `odoopack restore` of that snapshot",
            want.filestore()
        ),
    )
}

/// Environments with files whose server is still to be made: they were another server's, or it was moved away.
pub(super) fn left_behind<'a>(known: &'a Known<'_>) -> impl Iterator<Item = Refusal> + 'a {
    let wants = known
        .target
        .databases
        .iter()
        .filter(|want| has_files(known, want));
    let unmade = wants.filter(|want| {
        let server = known.spec.server_of(&want.environment);
        known.facts.cluster(&server).is_absent()
    });
    unmade.map(|want| refusal(known, want))
}

/// Environments with files whose server runs and has no database for them.
pub(super) fn strangers<'a>(known: &'a Known<'_>) -> impl Iterator<Item = Refusal> + 'a {
    let wants = known
        .target
        .databases
        .iter()
        .filter(|want| has_files(known, want));
    let missing =
        wants.filter(
            |want| match known.facts.databases(&known.spec.server_of(&want.environment)) {
                Seen::Present(seen) => !seen.databases.contains_key(&want.database),
                Seen::Absent | Seen::Unknown(_) | Seen::NotYet => false,
            },
        );
    missing.map(|want| refusal(known, want))
}
