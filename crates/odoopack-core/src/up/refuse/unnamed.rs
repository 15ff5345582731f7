//! Databases that people worked in and that no environment names any more, while one is to begin with an empty database.
//!
//! An edition that was removed leaves its database too, and another edition that is added later has nothing to do with it: it
//! has a role and an address of its own. So only who has the same role, or the same address, is taken for the one that was there.
use crate::facts::{DatabaseFact, Databases, Seen};
use crate::name::Name;
use crate::plan::Refusal;
use crate::render::sql::{identifier, literal, mark_by_comment, rename_database};
use crate::spec::{Kind, Roles};
use crate::target::DatabaseWant;
use crate::up::Known;

/// The system parameter with the address that people use.
const ADDRESS: &str = "web.base.url";

/// Environments whose `database` was changed, or whose name was.
pub(super) fn unnamed<'a>(known: &'a Known<'_>) -> impl Iterator<Item = Refusal> + 'a {
    known.target.databases.iter().filter_map(|want| one(known, want))
}

fn one(known: &Known<'_>, want: &DatabaseWant) -> Option<Refusal> {
    let server = known.spec.server_of(&want.environment);
    let seen = known.facts.databases(&server).present()?;
    if seen.databases.contains_key(&want.database) {
        return None;
    }
    let mut left = left(known, seen);
    let changed = left.clone().find(|(_, fact)| same_role(known, want, fact));
    if let Some((database, _)) = changed {
        return Some(database_changed(known, want, database));
    }
    let (database, fact) = left.find(|(_, fact)| same_address(want, fact))?;
    Some(name_changed(known, want, (database, fact)))
}

/// Complete databases of environments that the file does not name.
fn left<'a>(
    known: &'a Known<'_>,
    seen: &'a Databases,
) -> impl Iterator<Item = (&'a String, &'a DatabaseFact)> + Clone {
    let complete = seen.databases.iter().filter(|(_, fact)| fact.kind.is_some());
    let named = move |name: &String| {
        let mut wants = known.target.databases.iter();
        wants.any(|want| want.database == *name)
    };
    complete.filter(move |(name, _)| !named(name))
}

/// A role that was given may own databases of other packs: there it takes an Odoo that ran here already.
fn same_role(known: &Known<'_>, want: &DatabaseWant, fact: &DatabaseFact) -> bool {
    let given = known.target.server.as_ref();
    let shared = given.is_some_and(|server| server.roles == Roles::Given);
    let ran = || {
        let addons = known.facts.paths.get(&want.home.join("addons"));
        addons.and_then(Seen::present).is_some()
    };
    fact.owner == want.role && (!shared || ran())
}

fn same_address(want: &DatabaseWant, fact: &DatabaseFact) -> bool {
    let production = fact.kind.as_deref() == Some(crate::target::database_mark(Kind::Production));
    let host = |url: &String| {
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        rest.split([':', '/']).next().map(str::to_ascii_lowercase)
    };
    let before = fact.parameters.as_ref().and_then(|all| all.get(ADDRESS));
    let now = want.parameters.get(ADDRESS);
    production && before.is_some() && before.map(host) == now.map(host)
}

fn database_changed(known: &Known<'_>, want: &DatabaseWant, before: &str) -> Refusal {
    let (environment, database) = (&want.environment, &want.database);
    let rename = [
        format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", identifier(before)),
        format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}",
            literal(before)
        ),
        rename_database(before, database),
        format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", identifier(database)),
    ];
    let rename = rename.map(|sql| format!("-c \"{}\"", shell(&sql))).join(" ");
    let files = want.home.join("filestore");
    Refusal::new(
        format!(
            "there is no database {database}, which [environments.{environment}] names, and people worked in {before}, which has the same role and which no environment names: Odoo would start with an empty one"
        ),
        format!(
            "write `database = \"{before}\"` in [environments.{environment}]; or rename it, `odoopack psql {environment} --admin -- -d postgres {rename}`, then `mv {files}/{before} {files}/{database}` and `odoopack up`; or, to keep it aside and begin with an empty one, {}",
            aside(known, environment, before)
        ),
    )
}

fn name_changed(known: &Known<'_>, want: &DatabaseWant, (database, fact): (&str, &DatabaseFact)) -> Refusal {
    let environment = &want.environment;
    let before = who(known, fact).map_or_else(|| "OLD".to_owned(), ToString::to_string);
    let address = want.parameters.get(ADDRESS).map_or("", String::as_str);
    Refusal::new(
        format!(
            "[environments.{environment}] has no database yet, and {database}, which no environment names, is what people find at {address}: they would find an empty Odoo there"
        ),
        format!(
            "write [environments.{before}] again; to have the name `{environment}`, add [environments.{environment}] beside it with another `domain`, `odoopack up`, `odoopack backup export {before} FILE.zip`, `odoopack backup import FILE.zip --to {environment} --yes-replace {environment}`, and only then remove [environments.{before}] and write its `domain`; or, to keep {database} aside and begin with an empty one, {}",
            aside(known, environment, database)
        ),
    )
}

/// The environment that had this database, where its name can still be known: each keeps its ports.
fn who<'a>(known: &'a Known<'_>, fact: &DatabaseFact) -> Option<&'a Name> {
    let pack = known.spec.pack.name.underscored();
    let mut all = known.facts.ports.keys();
    all.find(|name| format!("{pack}_{}", name.underscored()) == fact.owner)
}

/// Takes the mark away by which a database counts as one that people work in.
fn aside(known: &Known<'_>, environment: &Name, database: &str) -> String {
    let sql = if known.spec.postgres.is_given() {
        mark_by_comment(database, None)
    } else {
        format!("ALTER DATABASE {} RESET odoopack.kind", identifier(database))
    };
    format!(
        "`odoopack psql {environment} --admin -- -d postgres -c \"{}\"`",
        shell(&sql)
    )
}

/// Inside of double quotes of a shell.
fn shell(sql: &str) -> String {
    sql.replace('"', "\\\"")
}
