//! Roles and databases, once the cluster runs.
use std::collections::BTreeMap;

use super::Known;
use crate::facts::{DatabaseFact, Databases};
use crate::name::Name;
use crate::plan::Step;
use crate::target::DatabaseWant;

pub(super) fn databases(known: &Known<'_>) -> Vec<Step> {
    let mut steps = roles(known);
    steps.extend(sessions(known));
    for want in &known.target.databases {
        let Some(seen) = on_its_server(known, &want.environment) else {
            continue;
        };
        steps.extend(one(known, want, seen.databases.get(&want.database)));
    }
    steps
}

/// What the server of an environment says, once it runs.
fn on_its_server<'a>(known: &Known<'a>, environment: &Name) -> Option<&'a Databases> {
    known
        .facts
        .databases(&known.spec.server_of(environment))
        .present()
}

fn roles(known: &Known<'_>) -> Vec<Step> {
    let wrong = known.target.databases.iter().filter(|want| {
        let seen = on_its_server(known, &want.environment);
        seen.is_some_and(|seen| seen.roles.get(&want.role) != Some(&true))
    });
    wrong
        .map(|want| Step::ConvergeRole {
            role: want.role.clone(),
        })
        .collect()
}

/// Kept apart from the environment's database, so that a restore of that signs nobody out of what it knows.
fn sessions(known: &Known<'_>) -> Vec<Step> {
    let good = |seen: &Databases, name: &String| {
        let there = seen.databases.get(name);
        seen.roles.get(name) == Some(&true) && there.is_some_and(|fact| fact.owner == *name && !fact.open)
    };
    let wanted = known.target.sessions.iter().filter(|want| {
        let seen = on_its_server(known, &want.environment);
        seen.is_some_and(|seen| !good(seen, &want.database))
    });
    wanted
        .map(|want| Step::PrepareSessions {
            environment: want.environment.clone(),
            database: want.database.clone(),
        })
        .collect()
}

fn one(known: &Known<'_>, want: &DatabaseWant, seen: Option<&DatabaseFact>) -> Vec<Step> {
    let environment = || want.environment.clone();
    let database = || want.database.clone();
    let create = Step::CreateDatabase {
        environment: environment(),
        database: database(),
    };
    let install = Step::InitializeDatabase {
        environment: environment(),
        database: database(),
        modules: want.modules.clone(),
    };
    let finish = Step::FinishDatabase {
        environment: environment(),
        database: database(),
    };
    let mark = Step::MarkDatabase {
        environment: environment(),
        database: database(),
    };
    let mark_of = known.facts.unfinished.get(&want.environment);
    let unfinished = seen.is_some_and(|seen| mark_of == Some(&seen.oid));
    match seen {
        None => vec![create, install, finish],
        // A mark that outlived its installation would cost whatever database gets this name next.
        Some(seen) if seen.kind.is_some() && mark_of.is_some() => vec![mark],
        Some(seen) if seen.kind.is_some() => addresses(want, seen),
        // Only a database that this program was filling when it was stopped may ever be dropped.
        Some(seen) if unfinished && seen.filled => vec![
            Step::DropUnfinished {
                environment: environment(),
                database: database(),
            },
            create,
            install,
            finish,
        ],
        Some(seen) if !seen.filled => vec![create, install, finish],
        Some(seen) => {
            let mut steps = super::adopt::database(known, want, seen);
            steps.push(mark);
            steps
        }
    }
}

/// What invitations and reports name follows the file.
fn addresses(want: &DatabaseWant, seen: &DatabaseFact) -> Vec<Step> {
    let differs = |seen: &BTreeMap<String, String>| {
        let mut wanted = want.parameters.iter();
        wanted.any(|(key, value)| seen.get(*key) != Some(value))
    };
    let step = || Step::SetAddresses {
        environment: want.environment.clone(),
        database: want.database.clone(),
    };
    let set = seen.parameters.as_ref().is_some_and(differs).then(step);
    set.into_iter().collect()
}
