//! Modules that Odoo would pass over, and what is no link in a farm.
use std::collections::BTreeSet;

use crate::modules::{Installed, Module, Origin, Trouble, absent_directory, duplicate};
use crate::plan::Refusal;
use crate::spec::SESSION_DB;
use crate::up::Known;

/// Modules that lie elsewhere, or on a disk that is not mounted, would be taken away from an Odoo that runs with them.
pub(super) fn absent_directories(known: &Known<'_>) -> Vec<Refusal> {
    let absent = known.facts.absent_addons.iter();
    absent
        .map(|(key, path)| absent_directory(key, path))
        .map(|finding| Refusal::new(finding.what, finding.hint))
        .collect()
}

/// Odoo would install everything else, and only say in its log what is wrong.
pub(super) fn modules(known: &Known<'_>) -> Vec<Refusal> {
    let tree = &known.facts.modules;
    let used: BTreeSet<_> = known
        .spec
        .environments
        .values()
        .map(|environment| &environment.edition)
        .collect();
    let editions = used
        .iter()
        .filter_map(|name| known.spec.edition_with_sessions(name));
    let wanted: Vec<String> = editions
        .flat_map(|edition| edition.modules.into_iter().chain(edition.server_wide))
        .collect();
    // What a Python package or a locked repository brings can be seen once it is there.
    let built = known
        .facts
        .release
        .present()
        .is_some_and(|release| release.python.is_some());
    let judged = |trouble: Trouble| match trouble {
        Trouble::NoDirectory
        | Trouble::Duplicate
        | Trouble::Unreadable
        | Trouble::WrongSeries
        | Trouble::NotInstallable
        | Trouble::Cycle
        | Trouble::Excludes => true,
        Trouble::Missing => {
            let addons = &known.spec.addons;
            built || (addons.requirements.is_empty() && addons.repositories.is_empty())
        }
        // `odoopack module check` says these. None of them keeps an installed module from running; what one needs of Python or of
        // programs Odoo asks for when it installs or updates (`ir_module.py`, `check_external_dependencies`), and says then.
        Trouble::Licence | Trouble::Python | Trouble::Program | Trouble::Unknown => false,
    };
    let mut found = crate::modules::check(tree, wanted.iter().map(String::as_str), &Installed::default());
    found.retain(|finding| judged(finding.trouble));
    // A module of one's own that is in two places runs from one of them only, whether it is asked for or not.
    let own = |all: &&[Module]| {
        all.iter()
            .any(|module| matches!(module.origin, Origin::Own { .. }))
    };
    let doubled: Vec<_> = tree
        .duplicates()
        .filter(own)
        .filter_map(|all| duplicate(tree, &all[0].name))
        .collect();
    found.extend(
        doubled
            .into_iter()
            .filter(|finding| !found.contains(finding))
            .collect::<Vec<_>>(),
    );
    let refusals = found
        .into_iter()
        .map(|finding| match without_sessions(known, &finding) {
            Some(refusal) => refusal,
            None => Refusal::new(finding.what, finding.hint),
        });
    refusals.collect()
}

/// Nobody wrote the name of this module into the file.
fn without_sessions(known: &Known<'_>, finding: &crate::modules::Finding) -> Option<Refusal> {
    let mut asking = known.spec.in_database();
    let environment = asking
        .next()
        .filter(|_| finding.trouble == Trouble::Missing && finding.module == SESSION_DB)?;
    Some(Refusal::new(
        format!(
            "`sessions = \"database\"` of [environments.{environment}] needs OCA's module `{SESSION_DB}`, and nothing of [addons] has it"
        ),
        format!("`odoopack oca add server-tools --modules {SESSION_DB}`"),
    ))
}

/// What a list names is another package tomorrow. Repositories without a lock are refused where the release is looked at.
pub(super) fn unlocked(known: &Known<'_>) -> Option<Refusal> {
    let open = !known.spec.addons.requirements.is_empty() && !known.facts.locked;
    open.then(|| {
        Refusal::new(
            "the Python packages of [addons] requirements are not locked",
            "`odoopack lock`",
        )
    })
}

/// What is no link in a farm is somebody's work.
pub(super) fn farms(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    for (edition, farm) in &known.facts.farms {
        let others = farm.others.iter().map(|name| {
            Refusal::new(
                format!(
                    "{}/data/addons/{edition}/{name} is no link: odoopack did not make it",
                    known.spec.pack.root
                ),
                "move it into a directory of [addons] own",
            )
        });
        all.extend(others);
    }
    all
}
