//! From any state, and killed anywhere, planning and applying ends with nothing left to do, and loses nothing.
use proptest::prelude::*;

use super::machine::{FILE, Machine, name, release};
use crate::facts::{PathKind, Seen};
use crate::name::Name;
use crate::plan::Step;
use crate::up::Consent;

#[test]
fn a_fresh_machine_is_brought_up_and_then_nothing_is_left() {
    for root in [true, false] {
        let mut machine = if root {
            Machine::fresh(FILE, true)
        } else {
            Machine::with_packages(FILE, false)
        };
        let done = machine.converge();
        assert_eq!(matches!(done[0], Step::InstallPackages { .. }), root);
        assert!(machine.plan().is_empty() && machine.plan().then.is_empty());
        assert_eq!(
            done.iter().any(|step| matches!(step, Step::CreateUser { .. })),
            root
        );
        let probed = done
            .iter()
            .filter(|step| matches!(step, Step::PassProbes { .. }))
            .count();
        assert_eq!(probed, 2);
    }
}

#[test]
fn killed_after_any_step_the_next_run_reaches_the_same_end() {
    let mut whole = Machine::fresh(FILE, true);
    let states = whole.converge_watched();
    assert!(states.len() > 80, "only {} steps", states.len());
    // Of many small steps of a kind in a row, the first and the last are enough.
    let same = |a: &(Step, Machine), b: &(Step, Machine)| {
        std::mem::discriminant(&a.0) == std::mem::discriminant(&b.0)
    };
    let kinds = states
        .chunk_by(same)
        .flat_map(|run| [&run[0], &run[run.len() - 1]]);
    for (last, mut machine) in kinds.cloned() {
        let rest = machine.converge();
        let dropped = rest
            .iter()
            .any(|step| matches!(step, Step::DropUnfinished { .. }));
        assert!(machine.plan().is_empty(), "killed after {last}");
        // Only a kill between the beginning and the end of a first installation leads to a drop.
        assert_eq!(
            dropped,
            matches!(last, Step::InitializeDatabase { .. }),
            "killed after {last}"
        );
    }
}

#[test]
fn a_reboot_only_starts_things_again() {
    let mut machine = Machine::up(true);
    machine.reboot();
    let done = machine.converge();
    let starts = |step: &Step| {
        matches!(
            step,
            Step::StartSupervisor | Step::StartService { .. } | Step::PassProbes { .. }
        )
    };
    assert!(done.iter().all(starts), "{done:#?}");
}

/// Something that happened to a machine.
#[derive(Clone, Debug)]
enum Damage {
    KilledAfter(usize),
    Reboot,
    PathGone(usize),
    ModeChanged(usize),
    OwnerChanged(usize),
    Edited(usize),
    UserGone(usize),
    SecretGone(usize),
    ReleaseGone,
    TreeGone,
    PythonGone,
    CertificateOld,
    ServiceStopped(usize),
    StampGone(usize),
    UnknownService,
    RoleWrong,
    DatabaseGone,
    DatabaseEmpty,
    Unmarked {
        ours: bool,
    },
    MarkLeftBehind,
    /// Somebody dropped the database and restored a backup under its name.
    Restored,
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..10_000_usize;
    prop_oneof![
        (0..140_usize).prop_map(Damage::KilledAfter),
        Just(Damage::Reboot),
        at.clone().prop_map(Damage::PathGone),
        at.clone().prop_map(Damage::ModeChanged),
        at.clone().prop_map(Damage::OwnerChanged),
        at.clone().prop_map(Damage::Edited),
        at.clone().prop_map(Damage::UserGone),
        at.clone().prop_map(Damage::SecretGone),
        Just(Damage::ReleaseGone),
        Just(Damage::TreeGone),
        Just(Damage::PythonGone),
        Just(Damage::CertificateOld),
        at.clone().prop_map(Damage::ServiceStopped),
        at.prop_map(Damage::StampGone),
        Just(Damage::UnknownService),
        Just(Damage::RoleWrong),
        Just(Damage::DatabaseGone),
        Just(Damage::DatabaseEmpty),
        any::<bool>().prop_map(|ours| Damage::Unmarked { ours }),
        Just(Damage::MarkLeftBehind),
        Just(Damage::Restored),
    ]
}

fn pick<K: Clone + Ord, V>(all: &std::collections::BTreeMap<K, V>, at: usize) -> Option<K> {
    all.keys().nth(at % all.len().max(1)).cloned()
}

#[expect(clippy::too_many_lines, reason = "one arm per damage")]
/// Does the damage; what is not there cannot be damaged.
fn suffer(machine: &mut Machine, damage: &Damage) {
    let layout = machine.layout();
    let facts = &mut machine.facts;
    let production = "shop_production";
    match damage {
        Damage::KilledAfter(steps) => {
            // An edit may show itself only in a later stage, and would stop this run there.
            let consent = std::mem::replace(
                &mut machine.consent,
                Consent {
                    overwrite_edits: true,
                },
            );
            if machine.plan().refusals.is_empty() {
                machine.converge_at_most(*steps);
            }
            machine.consent = consent;
        }
        Damage::Reboot => machine.reboot(),
        Damage::PathGone(at) => {
            if let Some(path) = pick(&facts.paths, *at) {
                facts.paths.retain(|other, _| !other.starts_with(&path));
                let there = |name: &Name| {
                    let halves = ["pem", "key"].map(|kind| layout.tls().join(format!("{name}.{kind}")));
                    halves.iter().all(|half| facts.paths.contains_key(half))
                };
                facts.certificates.retain(|name, _| there(name));
            }
        }
        Damage::ModeChanged(at) | Damage::OwnerChanged(at) | Damage::Edited(at) => {
            let path = pick(&facts.paths, *at);
            if let Some(Seen::Present(fact)) = path.and_then(|path| facts.paths.get_mut(&path)) {
                match (damage, &mut fact.kind) {
                    (Damage::ModeChanged(_), _) => fact.mode ^= 0o011,
                    (Damage::OwnerChanged(_), _) => "nobody".clone_into(&mut fact.user),
                    (_, PathKind::File(hash)) => "edited".clone_into(hash),
                    _ => {}
                }
            }
        }
        Damage::UserGone(at) => {
            if let Some(user) = pick(&facts.users, *at) {
                facts.users.remove(&user);
            }
        }
        Damage::SecretGone(at) => {
            if let Some(secret) = pick(&facts.secrets, *at) {
                facts.secrets.remove(&secret);
            }
        }
        Damage::ReleaseGone => facts.release = Seen::Absent,
        Damage::TreeGone if facts.release.present().is_some() => {
            facts.release = Seen::Present(release(&layout, false, false));
        }
        Damage::PythonGone if facts.release.present().is_some_and(|r| r.fetched) => {
            facts.release = Seen::Present(release(&layout, true, false));
        }
        Damage::CertificateOld => facts.host.now += 290 * 86_400,
        Damage::ServiceStopped(at) | Damage::StampGone(at) => {
            let service = pick(&facts.services, *at);
            if let Some(Seen::Present(fact)) = service.and_then(|name| facts.services.get_mut(&name)) {
                if matches!(damage, Damage::StampGone(_)) {
                    (fact.started_as, fact.started_with) = (None, None);
                } else {
                    fact.running = false;
                }
            }
        }
        Damage::UnknownService => {
            let gone = facts.services.get("gate").cloned();
            facts
                .services
                .extend(gone.map(|fact| ("preview.blue.web".to_owned(), fact)));
        }
        Damage::RoleWrong => {
            if let Some(password) = machine.server.roles.get_mut(production) {
                "another".clone_into(password);
            }
        }
        Damage::DatabaseGone => drop(machine.server.databases.remove(production)),
        Damage::DatabaseEmpty | Damage::Unmarked { .. } => {
            let filled = matches!(damage, Damage::Unmarked { .. });
            if let Some(database) = machine.server.databases.get_mut(production) {
                (database.kind, database.filled) = (None, filled);
                if matches!(damage, Damage::Unmarked { ours: true }) {
                    facts.unfinished.insert(name("production"), database.oid);
                }
            }
        }
        Damage::MarkLeftBehind => drop(facts.unfinished.insert(name("production"), 1)),
        Damage::Restored => {
            if let Some(database) = machine.server.databases.get_mut(production) {
                machine.server.made += 1;
                (database.oid, database.kind, database.filled) = (machine.server.made, None, true);
            }
        }
        Damage::TreeGone | Damage::PythonGone => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The model asserts in every step what that step may count on: see `Machine::apply`.
    #[test]
    fn converges_from_anywhere(root: bool, fresh: bool, all in proptest::collection::vec(damage(), 0..6)) {
        let mut machine = if fresh { Machine::with_packages(FILE, root) } else { Machine::up(root) };
        machine.consent = Consent { overwrite_edits: true };
        for one in &all {
            suffer(&mut machine, one);
        }
        machine.converge();
        prop_assert!(machine.plan().is_empty());
        prop_assert!(machine.facts.unfinished.is_empty(), "a mark is left that could cost a database later");
    }

    #[test]
    fn the_same_facts_give_the_same_plan(root: bool, all in proptest::collection::vec(damage(), 0..6)) {
        let mut machine = Machine::up(root);
        for one in &all {
            suffer(&mut machine, one);
        }
        prop_assert_eq!(machine.plan(), machine.clone().plan());
    }

    /// A database is dropped only with our own mark and while it is not complete.
    #[test]
    fn nothing_complete_and_nothing_foreign_is_dropped(
        marked in proptest::option::of(1_u32..3),
        there: bool,
        filled: bool,
        kind in proptest::option::of(Just("production".to_owned())),
        all in proptest::collection::vec(damage(), 0..4),
    ) {
        let mut machine = Machine::up(true);
        for one in &all {
            suffer(&mut machine, one);
        }
        machine.facts.unfinished.clear();
        machine.facts.unfinished.extend(marked.map(|oid| (name("production"), oid)));
        machine.server.databases.remove("shop_production");
        if there {
            let fact = crate::facts::DatabaseFact {
                oid: 1,
                owner: "x".into(), open: false, filled: filled || kind.is_some(), kind: kind.clone(),
                parameters: None,
            };
            machine.server.databases.insert("shop_production".into(), fact);
        }
        let steps = machine.plan().steps;
        let drops = steps.iter().any(|step| matches!(step, Step::DropUnfinished { .. }));
        prop_assert!(!drops || (marked == Some(1) && there && kind.is_none()), "{:?}", steps);
        let fills = steps.iter().any(|step| matches!(
            step, Step::InitializeDatabase { environment, .. } if environment.as_str() == "production"
        ));
        prop_assert!(!(fills && there && filled && marked != Some(1)), "{:?}", steps);
        prop_assert!(!(fills && kind.is_some() && there), "{:?}", steps);
    }
}
