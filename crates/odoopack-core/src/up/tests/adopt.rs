//! What another stack made: taken over where it lies, and never before it is nobody else's.
use super::machine::{Machine, OURS};
use crate::facts::{Cluster, DatabaseFact, PathKind, Seen};
use crate::plan::Step;
use crate::spec::OwnServer;
use crate::target::Access;

const FILE: &str = r#"
format = 1
[pack]
name = "shop"
root = "/opt/shop"
engine = "compose"
[odoo]
series = "19.0"
[images]
postgres = "postgres:16-alpine"
[postgres]
directory = "/var/lib/docker/volumes/old_db/_data"
[environments.production]
domain = "erp.example.com"
database = "odoo"
directory = "/srv/old/web"
"#;

const CLUSTER: &str = "/var/lib/docker/volumes/old_db/_data";

/// A machine on which somebody ran the official images.
fn found() -> Machine {
    let mut machine = Machine::with_packages(FILE, true);
    for path in [
        "/var",
        "/var/lib",
        "/var/lib/docker",
        "/var/lib/docker/volumes",
        "/var/lib/docker/volumes/old_db",
        CLUSTER,
        "/srv",
        "/srv/old",
        "/srv/old/web",
        "/srv/old/web/filestore",
    ] {
        let parent_of_roots = path.matches('/').count() == 1;
        let fact = crate::facts::PathFact {
            kind: PathKind::Directory,
            mode: if parent_of_roots { 0o755 } else { 0o700 },
            user: "systemd-coredump".into(),
            group: "root".into(),
        };
        machine.facts.paths.insert(path.into(), Seen::Present(fact));
    }
    machine
        .facts
        .clusters
        .insert(OwnServer::SHARED, Seen::Present(Cluster { major: 16 }));
    let database = DatabaseFact {
        oid: 16_384,
        owner: "odoo".into(),
        open: true,
        kind: None,
        filled: true,
        parameters: Some(std::collections::BTreeMap::new()),
    };
    machine.server.databases.insert("odoo".into(), database);
    machine
}

#[test]
fn everything_is_taken_over_where_it_lies_and_then_nothing_is_left() {
    let mut machine = found();
    let done = machine.converge();
    let sentences: Vec<String> = done
        .iter()
        .filter(|step| {
            matches!(
                step,
                Step::CreateCluster { .. }
                    | Step::TakeOver { .. }
                    | Step::AdoptCluster { .. }
                    | Step::KeepDump { .. }
                    | Step::GiveDatabase { .. }
                    | Step::CreateDatabase { .. }
                    | Step::InitializeDatabase { .. }
                    | Step::MarkDatabase { .. }
            )
        })
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        sentences,
        [
            "give /var/lib/docker/volumes/old_db/_data and what is in it to the user of postgres",
            "make the administering role in the cluster of /var/lib/docker/volumes/old_db/_data",
            "give /srv/old/web and what is in it to the user of production",
            "keep a dump of database odoo, as it is now, in /opt/shop/backups/adopted-odoo.dump",
            "give database odoo and what odoo owns in it to role shop_production, object by object",
            "mark database odoo",
        ]
    );
    assert_eq!(machine.server.databases["odoo"].oid, 16_384);
    assert!(machine.plan().is_empty());
}

#[test]
fn the_stack_names_the_volume_so_that_docker_keeps_it() {
    let mut machine = found();
    machine.converge();
    let (target, _) = machine.look();
    let text = target.file("/opt/shop/deploy/docker-compose.yml".into()).unwrap();
    let text = text.content.expose();
    let mount = "{type: volume, source: \"old_db\", target: \"/opt/shop/data/postgres\", read_only: false, volume: {nocopy: true}}";
    assert!(text.contains(mount), "{text}");
    assert!(
        text.contains("volumes:\n  \"old_db\": {external: true, name: \"old_db\"}\n"),
        "{text}"
    );
    assert!(
        text.contains("{type: bind, source: \"/srv/old/web\", target: \"/opt/shop/data/environments/production\", read_only: false")
    );
    let user = target
        .users
        .iter()
        .find(|user| user.name == "odoo-shop-postgres")
        .unwrap();
    assert_eq!(user.home, "/opt/shop/data/postgres");
}

#[test]
fn a_volume_that_holds_the_cluster_deeper_down_is_named_too() {
    let mut machine = found();
    machine.spec.postgres.directory = Some(format!("{CLUSTER}/pgdata").into());
    machine.converge();
    let (target, _) = machine.look();
    let text = target.definition("postgres").unwrap();
    assert!(
        text.contains("{type: volume, source: \"old_db\", target: \"/mnt/adopted\", read_only: true"),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "{{type: bind, source: \"{CLUSTER}/pgdata\", target: \"/opt/shop/data/postgres\""
        )),
        "{text}"
    );
}

#[test]
fn killed_anywhere_it_reaches_the_same_end() {
    let total = found().converge().len();
    for limit in (0..total).step_by(4) {
        let mut machine = found();
        machine.converge_at_most(limit);
        machine.converge();
        assert!(machine.plan().is_empty(), "after {limit} steps");
        assert_eq!(machine.server.databases["odoo"].owner, "shop_production");
    }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Machine), words: &str) {
    let mut machine = found();
    change(&mut machine);
    let plan = machine.plan();
    assert!(plan.steps.is_empty());
    assert!(
        plan.refusals.iter().any(|refusal| refusal.what.contains(words)),
        "{:?}",
        plan.refusals
    );
}

#[test]
fn refuses_whatever_would_lose_something() {
    refused(
        |machine| {
            machine.facts.used_elsewhere = vec![("old-db-1".into(), CLUSTER.into())];
        },
        "container `old-db-1` of another stack",
    );
    refused(
        |machine| drop(machine.facts.clusters.insert(OwnServer::SHARED, Seen::Absent)),
        "there is no cluster in",
    );
    refused(
        |machine| {
            machine.facts.paths.remove(camino::Utf8Path::new("/srv/old/web"));
        },
        "there is no /srv/old/web",
    );
    refused(
        |machine| {
            machine
                .facts
                .paths
                .remove(camino::Utf8Path::new("/srv/old/web/filestore"));
        },
        "is no data directory of Odoo",
    );
    for (path, table) in [
        (CLUSTER, "[postgres]"),
        ("/srv/old/web", "[environments.production]"),
    ] {
        refused(
            |machine| {
                if let Some(Seen::Present(fact)) = machine.facts.paths.get_mut(camino::Utf8Path::new(path)) {
                    fact.kind = PathKind::Link("/mnt/disk".into());
                }
            },
            &format!("{path}, which `directory` of {table} names, is a link to /mnt/disk"),
        );
    }
    refused(
        |machine| machine.facts.host.root = false,
        "only root can take over",
    );
}

#[test]
fn nothing_is_installed_where_somebodys_data_should_be() {
    let mut machine = found();
    let data = machine.server.databases.remove("odoo").unwrap();
    machine.server.databases.insert("books".into(), data);
    let plan = loop {
        let (target, facts) = machine.look();
        let plan = crate::up::plan(&machine.spec, &target, &facts, machine.consent);
        if plan.steps.is_empty() {
            break plan;
        }
        for step in plan.steps {
            machine.apply(&step, &target, &facts);
        }
    };
    assert!(
        plan.refusals[0]
            .what
            .ends_with("holds no data in a database `odoo`; it has books")
    );
}

#[test]
fn another_c_library_never_gets_under_a_cluster() {
    let mut machine = found();
    machine.converge();
    machine.spec.images.postgres = "postgres:16".into();
    let plan = machine.plan();
    assert!(
        plan.refusals[0].what.contains("sorts texts otherwise"),
        "{:?}",
        plan.refusals
    );
    assert!(
        plan.refusals[0]
            .hint
            .contains("postgres = \"postgres:16-alpine\"")
    );
}

#[test]
fn another_c_library_never_gets_under_a_cluster_before_the_first_start_either() {
    let mut machine = found();
    machine.spec.images.postgres = "postgres:16".into();
    machine.facts.containers.adopted = Some("postgres:16-alpine".into());
    let refusals = machine.plan().refusals;
    let hint = "write `postgres = \"postgres:16-alpine\"` in [images]";
    assert!(
        refusals.iter().any(|one| one.hint.starts_with(hint)),
        "{refusals:?}"
    );
    machine.facts.containers.adopted = Some("postgres:16.4".into());
    let refusals = machine.plan().refusals;
    assert!(
        refusals.iter().all(|one| !one.hint.starts_with(hint)),
        "{refusals:?}"
    );
}

#[test]
fn the_library_that_was_seen_counts_more_than_the_name() {
    let mut machine = found();
    machine.spec.images.postgres = "acme/pg:16".into();
    machine.converge();
    let refusals = |machine: &mut Machine, library: Option<&str>, wanted: &str| {
        machine.spec.images.postgres = wanted.into();
        let pinned = machine.facts.containers.images.get_mut("postgres").unwrap();
        pinned.c_library = library.map(str::to_owned);
        let all = machine.plan().refusals;
        all.iter().any(|one| one.what.contains("sorts texts otherwise"))
    };
    for (library, wanted, refused) in [
        (Some("glibc 2.36"), "postgres:16-alpine", true),
        (Some("glibc 2.36"), "postgres:16", false),
        (None, "postgres:16-alpine", true),
        // A name of somebody's own: what it stands for is judged when it is pinned.
        (Some("musl"), "postgres:16", false),
        (Some("musl"), "postgres:16-alpine", false),
        (Some("musl"), "acme/pg:16", false),
    ] {
        assert_eq!(
            refusals(&mut machine, library, wanted),
            refused,
            "{library:?} {wanted}"
        );
    }
}

#[test]
fn an_image_with_another_c_library_never_starts_on_a_cluster() {
    for (before, now, adopted, refused) in [
        ("glibc 2.36", "musl", false, true),
        ("musl", "glibc 2.36", false, true),
        ("glibc 2.36", "glibc 2.41", false, false),
        ("glibc 2.36", "glibc 2.41", true, true),
        ("glibc 2.36", "glibc 2.36", true, false),
        ("musl", "musl", true, false),
    ] {
        let refusal = crate::up::another_library("postgres:16", (before, now), adopted);
        assert_eq!(refusal.is_some(), refused, "{before} {now} {adopted}");
        if let Some(refusal) = refusal {
            assert!(
                refusal.what.contains(before) && refusal.what.contains(now),
                "{refusal:?}"
            );
            assert!(refusal.hint.contains(crate::up::INTO_A_NEW_ROOT), "{refusal:?}");
        }
    }
}

#[test]
fn what_is_taken_over_keeps_its_place_but_gets_the_packs_user() {
    let mut machine = found();
    machine.converge();
    let seen = machine.facts.paths[camino::Utf8Path::new(CLUSTER)]
        .present()
        .unwrap()
        .clone();
    let wanted = Access {
        user: Some("odoo-shop-postgres".into()),
        group: Some("odoo-shop-postgres".into()),
        ..OURS
    };
    assert_eq!(
        (Some(seen.user), Some(seen.group), seen.mode),
        (wanted.user, wanted.group, 0o700)
    );
}

#[test]
fn what_went_back_to_the_old_stack_is_left_to_people_who_are_told_how() {
    for place in [CLUSTER, "/srv/old/web"] {
        let mut machine = found();
        machine.converge();
        let Some(Seen::Present(fact)) = machine.facts.paths.get_mut(camino::Utf8Path::new(place)) else {
            panic!("{place} is there");
        };
        fact.user = "70".into();
        let hint = |machine: &Machine| {
            let plan = machine.plan();
            assert!(plan.steps.is_empty(), "{:?}", plan.steps);
            assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
            plan.refusals[0].hint.clone()
        };
        let told = hint(&machine);
        assert!(
            told.contains("`rm /opt/shop/data/odoopack/adopted.json`"),
            "{told}"
        );
        machine.facts.adopted.clear();
        assert_eq!(hint(&machine), "`odoopack down`, then `odoopack up`");
        machine.facts.services.clear();
        let done = machine.converge();
        let taken = |step: &&Step| matches!(step, Step::TakeOver { .. } | Step::AdoptCluster { .. });
        assert_eq!(done.iter().filter(taken).count(), 3, "{done:?}");
        assert!(machine.plan().is_empty());
    }
}
