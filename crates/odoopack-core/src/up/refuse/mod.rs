//! Reasons not to begin; each is found before anything is touched.
mod clusters;
mod code;
mod containers;
mod machine;
mod others;
mod unnamed;

use std::collections::BTreeSet;

use super::Known;
use crate::facts::Seen;
use crate::layout::ADMIN_ROLE;
use crate::plan::Refusal;
use crate::spec::SecretRef;

/// How data gets to another major or C library: as a dump, into a root of its own.
pub const INTO_A_NEW_ROOT: &str = "`odoopack backup export ENV FILE.zip` here for each environment, then in a new root `odoopack up --root NEW` and `odoopack backup import FILE.zip --to ENV --yes-replace ENV --root NEW`";

/// How a pack gets to another engine in its own root, with the words of the file for both.
pub fn to_another_engine(made: &str, wanted: &str) -> String {
    format!(
        "with `engine = \"{made}\"` in [pack] `odoopack engine leave`, then with `engine = \"{wanted}\"` `odoopack engine enter`"
    )
}

pub(super) fn refusals(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = others::somebody_elses(known);
    all.extend(others::another_engine(known));
    all.extend(clusters::moved(known));
    all.extend(clusters::left_behind(known));
    all.extend(clusters::strangers(known));
    all.extend(clusters::twice(known));
    all.extend(unnamed::unnamed(known));
    all.extend(super::adopt::refusals(known));
    all.extend(machine::host(known));
    all.extend(secrets(known));
    all.extend(containers::containers(known));
    all.extend(machine::versions(known));
    all.extend(super::server::refusals(known));
    all.extend(code::unlocked(known));
    all.extend(code::absent_directories(known));
    all.extend(code::modules(known));
    all.extend(machine::packages(known));
    all.extend(others::ports(known));
    all.extend(others::closed(known));
    all.extend(others::misplaced(known));
    all.extend(brought(known));
    all.extend(code::farms(known));
    all.extend(others::edits(known));
    all.extend(unknown(known));
    all
}

/// Those that need nothing of the pack but its file.
pub(super) fn of_the_machine(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = others::somebody_elses(known);
    all.extend(machine::host(known));
    all.extend(containers::containers(known));
    all.extend(machine::versions(known));
    all.extend(machine::packages(known));
    all.extend(others::ports(known));
    all.extend(others::closed(known));
    all.extend(others::misplaced(known));
    all
}

/// A file that a value is missing for cannot be written, and its service would be started without it.
fn secrets(known: &Known<'_>) -> Vec<Refusal> {
    let values = &known.facts.secrets;
    let set = |reference: &SecretRef, form: &str| match reference {
        SecretRef::Named(name) => format!("`odoopack secret set {name} < FILE`{form}"),
        SecretRef::Command(_) => format!("correct what the command prints{form}"),
    };
    let made = &known.target.secrets;
    let missing: BTreeSet<&SecretRef> = known
        .spec
        .needed_secrets()
        .filter(|one| !values.contains_key(&one.key()) && !made.contains(&one.key()))
        .collect();
    let mut all: Vec<Refusal> = missing
        .into_iter()
        .map(|one| Refusal::new(format!("`{one}` has no value"), set(one, "")))
        .collect();
    let relay = known.spec.mail.relay.as_ref();
    let credentials = relay.and_then(|relay| relay.credentials.as_ref());
    let cut = credentials.filter(|one| {
        let value = values.get(&one.key());
        value.is_some_and(|value| !value.expose().contains(':'))
    });
    all.extend(cut.map(|one| {
        Refusal::new(
            format!("the value of `{one}` is not `user:password`, as [mail] credentials needs it"),
            set(one, ", with `user:password`"),
        )
    }));
    all
}

fn brought(known: &Known<'_>) -> Vec<Refusal> {
    let absent = |path: &&camino::Utf8PathBuf| known.facts.paths.get(*path).is_some_and(Seen::is_absent);
    let missing = known.target.brought.iter().filter(absent);
    let refusal = |path| {
        Refusal::new(
            format!("there is no {path}, which `tls` of an environment names"),
            "put it there, or write `tls = \"local\"`",
        )
    };
    missing.map(refusal).collect()
}

fn unknown(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    let mut look = |what: &str, why: Option<&String>| {
        all.extend(why.map(|why| {
            Refusal::new(
                format!("could not look at {what}: {why}"),
                "mend that first; a plan from guesses is no plan",
            )
        }));
    };
    look("whose data directory it is", reason(&known.facts.made_by));
    look("the release", reason(&known.facts.release));
    for (server, seen) in &known.facts.clusters {
        let what = match server.edition() {
            None => "the database cluster".to_owned(),
            Some(edition) => format!("the database cluster of edition {edition}"),
        };
        look(&what, reason(seen));
    }
    look("the supervisor", reason(&known.facts.supervisor));
    for (path, seen) in &known.facts.paths {
        look(path.as_str(), reason(seen));
    }
    for (service, seen) in &known.facts.services {
        look(service, reason(seen));
    }
    all
}

/// Only the stage that needs the databases waits for them: an earlier one may be about to mend the server.
pub(super) fn databases(known: &Known<'_>) -> Vec<Refusal> {
    let silent = known
        .facts
        .databases
        .iter()
        .find_map(|(own, seen)| reason(seen).map(|why| (own, why)));
    let Some((own, why)) = silent else {
        return super::adopt::missing_database(known);
    };
    if let Some(server) = &known.target.server {
        return vec![Refusal::new(
            format!(
                "could not look at the databases of {server} as role {}: {why}",
                server.role
            ),
            "with the same URL `psql` says what it thinks of it",
        )];
    }
    vec![Refusal::new(
        format!("could not look at the databases as role {ADMIN_ROLE}: {why}"),
        format!("`odoopack logs {own}` shows what the server says"),
    )]
}

fn reason<T>(seen: &Seen<T>) -> Option<&String> {
    match seen {
        Seen::Unknown(why) => Some(why),
        Seen::Present(_) | Seen::Absent | Seen::NotYet => None,
    }
}
