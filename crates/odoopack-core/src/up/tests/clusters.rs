//! A PostgreSQL server for each edition: none hears another, and nothing is lost when editions come, go or move.
use camino::Utf8PathBuf;

use super::machine::{Machine, name};
use crate::facts::{Cluster, Seen};
use crate::plan::Step;
use crate::spec::{self, LoadContext, OwnServer};

const FILE: &str = r#"
format = 1
[pack]
name = "shop"
root = "/opt/shop"
[odoo]
series = "19.0"
source = { debian = "sid" }
[web]
http_port = 8080
https_port = 8443
[postgres]
cluster = "per-edition"
[editions.core]
[editions.marketing]
[environments.production]
edition = "core"
domain = "erp.example.com"
[environments.staging]
edition = "core"
domain = "staging.example.com"
[environments.marketing]
kind = "production"
edition = "marketing"
domain = "marketing.example.com"
"#;

/// Everything as `FILE` wants it.
fn up() -> Machine {
    let mut machine = Machine::with_packages(FILE, true);
    machine.converge();
    machine
}

fn server(edition: &str) -> OwnServer {
    OwnServer::called(&format!("postgres.{edition}")).unwrap()
}

/// The file changed under a machine that is up.
fn changed(machine: &Machine, from: &str, to: &str) -> Machine {
    assert!(FILE.contains(from));
    let text = FILE.replace(from, to);
    let spec = spec::load(&text, &LoadContext::new("/opt/shop/repo"))
        .unwrap()
        .spec;
    Machine {
        spec,
        ..machine.clone()
    }
}

fn refused(machine: &Machine) -> String {
    let plan = machine.plan();
    assert_eq!(plan.steps, [], "something would be touched");
    let all = plan
        .refusals
        .iter()
        .map(|one| format!("{}\n{}\n", one.what, one.hint));
    all.collect()
}

fn rendered(machine: &Machine, path: &str) -> String {
    let (target, _) = machine.look();
    let path = Utf8PathBuf::from("/opt/shop/data").join(path);
    let file = target.file(&path);
    file.unwrap_or_else(|| panic!("no {path}")).shown.clone()
}

#[test]
fn each_edition_has_a_server_of_its_own_and_all_of_its_environments() {
    let mut machine = Machine::with_packages(FILE, true);
    let done = machine.converge();
    let made: Vec<String> = done
        .iter()
        .filter(|step| matches!(step, Step::CreateCluster { .. }))
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        made,
        [
            "create a PostgreSQL 15 cluster for edition core",
            "create a PostgreSQL 15 cluster for edition marketing"
        ]
    );
    assert!(!machine.facts.services.contains_key("postgres"));
    let (target, _) = machine.look();
    for (environment, edition) in [
        ("production", "core"),
        ("staging", "core"),
        ("marketing", "marketing"),
    ] {
        let web = target.service(&format!("{environment}.blue.web")).unwrap();
        assert_eq!(web.after, [format!("postgres.{edition}")]);
        let conf = rendered(&machine, &format!("config/{environment}/blue/odoo.conf"));
        assert!(conf.contains(&format!("db_host = /opt/shop/data/run/postgres.{edition}\n")));
    }
    let access = |edition: &str| rendered(&machine, &format!("config/postgres.{edition}/pg_hba.conf"));
    let (core, marketing) = (access("core"), access("marketing"));
    assert!(core.contains("shop_production") && core.contains("shop_staging"));
    assert!(!core.contains("shop_marketing"));
    assert!(marketing.contains("shop_marketing") && !marketing.contains("shop_production"));
    let conf = rendered(&machine, "config/postgres.core/postgresql.conf");
    assert!(conf.contains("'/opt/shop/data/run/postgres.core'"), "{conf}");
}

#[test]
fn a_run_that_is_killed_anywhere_gets_to_the_same_end() {
    let fresh = Machine::with_packages(FILE, false);
    let whole = fresh.clone().converge().len();
    for limit in 0..whole {
        let mut machine = fresh.clone();
        machine.converge_at_most(limit);
        machine.reboot();
        machine.converge();
        assert_eq!(machine.facts.on_disk().count(), 2, "after {limit}");
    }
}

#[test]
fn one_server_that_fell_is_started_and_the_other_is_left_alone() {
    let mut machine = up();
    machine.service("postgres.marketing").running = false;
    let done = machine.converge();
    let services: Vec<String> = done
        .iter()
        .map(ToString::to_string)
        .filter(|step| step.contains("postgres"))
        .collect();
    assert_eq!(services, ["start postgres.marketing"]);
}

#[test]
fn an_edition_that_goes_stops_after_its_odoo_keeps_its_data_and_finds_them_again() {
    let up = up();
    let table = &FILE[FILE.find("[environments.marketing]").unwrap()..];
    let mut without = changed(&up, table, "");
    let plan = without.plan();
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("data/postgres.marketing keeps"))
    );
    let done = without.converge();
    let gone: Vec<&Step> = done
        .iter()
        .filter(|step| matches!(step, Step::RemoveService { .. }))
        .collect();
    let last = Step::RemoveService {
        service: "postgres.marketing".into(),
    };
    assert_eq!((gone.len(), gone.last()), (3, Some(&&last)));
    assert!(
        without
            .plan()
            .notes
            .iter()
            .all(|note| !note.contains("keeps its databases"))
    );
    let others = |step: &Step| {
        matches!(step, Step::RestartService { service, .. } | Step::ReloadService { service, .. }
            if service.starts_with("postgres"))
    };
    assert!(!done.iter().any(others), "{done:?}");
    assert!(without.facts.cluster(&server("marketing")).present().is_some());
    let mut again = Machine {
        spec: up.spec.clone(),
        ..without
    };
    let done = again.converge();
    let made = |step: &Step| matches!(step, Step::CreateCluster { .. } | Step::CreateDatabase { .. });
    assert!(!done.iter().any(made), "{done:?}");
}

#[test]
fn databases_stay_on_the_servers_that_hold_them() {
    let up = up();
    let to_shared = changed(&up, "cluster = \"per-edition\"", "cluster = \"shared\"");
    let said = refused(&to_shared);
    assert!(
        said.contains("data/postgres.core, data/postgres.marketing hold the databases of one edition each")
            && said.contains("write `cluster = \"per-edition\"` in [postgres]")
            && said.contains("odoopack backup export"),
        "{said}"
    );
    let mut shared = changed(
        &Machine::with_packages(FILE, true),
        "cluster = \"per-edition\"",
        "cluster = \"shared\"",
    );
    shared.converge();
    let to_own = Machine {
        spec: up.spec.clone(),
        ..shared
    };
    let said = refused(&to_own);
    assert!(
        said.contains("data/postgres holds the databases of all editions")
            && said.contains("`cluster = \"shared\"`"),
        "{said}"
    );
    let moved = changed(
        &up,
        "edition = \"core\"\ndomain = \"staging",
        "edition = \"marketing\"\ndomain = \"staging",
    );
    let said = refused(&moved);
    assert!(
        said.contains("/opt/shop/data/environments/staging/filestore/shop_staging holds the files")
            && said.contains("data/postgres.marketing has no such database")
            && said.contains("write the `edition` of [environments.staging]"),
        "{said}"
    );
    let mut lost = up.clone();
    lost.facts.clusters.insert(server("core"), Seen::Absent);
    let said = refused(&lost);
    assert!(said.contains("data/postgres.core has no such database"), "{said}");
}

#[test]
fn a_cluster_of_one_edition_that_nobody_of_us_made_is_refused() {
    let mut machine = Machine::with_packages(FILE, true);
    let foreign = Seen::Present(Cluster { major: 15 });
    machine.facts.clusters.insert(server("core"), foreign);
    let said = refused(&machine);
    assert!(
        said.contains("data/postgres.core holds a cluster that odoopack did not make"),
        "{said}"
    );
}

#[test]
fn sessions_in_a_database_are_on_the_server_of_their_environment() {
    let table = "domain = \"marketing.example.com\"\n";
    let mut machine = changed(
        &Machine::with_packages(FILE, true),
        table,
        &format!("{table}sessions = \"database\"\n"),
    );
    let value = crate::secret::SecretText::new("geheim");
    machine.facts.secrets.insert("MARKETING_SESSIONS".into(), value);
    let told = rendered(&machine, "config/marketing/sessions.json");
    assert!(told.contains("postgres.marketing"), "{told}");
    for (edition, there) in [("core", false), ("marketing", true)] {
        let access = rendered(&machine, &format!("config/postgres.{edition}/pg_hba.conf"));
        assert_eq!(access.contains("shop_marketing-sessions"), there, "{access}");
    }
    assert_eq!(machine.spec.server_of(&name("nobody")), OwnServer::SHARED);
}

#[test]
fn a_container_sees_the_socket_and_the_data_of_its_own_server_only() {
    let file = FILE
        .replace(
            "root = \"/opt/shop\"\n",
            "root = \"/opt/shop\"\nengine = \"compose\"\n",
        )
        .replace("source = { debian = \"sid\" }\n", "");
    let mut machine = Machine::with_packages(&file, true);
    machine.converge();
    assert!(machine.plan().is_empty());
    let (target, _) = machine.look();
    for (service, own, other) in [
        ("production.blue.web", "core", "marketing"),
        ("staging.blue.web", "core", "marketing"),
        ("marketing.blue.cron", "marketing", "core"),
        ("postgres.core", "core", "marketing"),
        ("postgres.marketing", "marketing", "core"),
    ] {
        let definition = target.definition(service).unwrap();
        assert!(
            definition.contains(&format!("/opt/shop/data/run/postgres.{own}\"")),
            "{definition}"
        );
        assert!(!definition.contains(&format!("postgres.{other}")), "{definition}");
        let data = format!("/opt/shop/data/postgres.{own}\"");
        assert_eq!(
            definition.contains(&data),
            service.starts_with("postgres"),
            "{definition}"
        );
    }
    let tool = &target.stack.as_ref().unwrap().tools[&name("marketing")];
    assert_eq!(tool.after, [("postgres.marketing".to_owned(), true)]);
}

#[test]
fn a_database_on_two_servers_is_nobodys_guess() {
    let mut machine = up();
    machine.facts.databases = machine.look().1.databases;
    let there = machine.facts.databases[&server("core")].present().unwrap();
    let fact = there.databases["shop_production"].clone();
    let Some(Seen::Present(other)) = machine.facts.databases.get_mut(&server("marketing")) else {
        panic!("the server runs");
    };
    other.databases.insert("shop_production".into(), fact);
    let said = refused(&machine);
    assert!(
        said.contains("shop_production is on the servers `postgres.core` and `postgres.marketing`"),
        "{said}"
    );
}

#[test]
fn a_new_edition_is_of_the_major_of_its_sisters() {
    let mut machine = up();
    machine.facts.clusters.insert(server("marketing"), Seen::Absent);
    let files = "/opt/shop/data/environments/marketing/filestore/shop_marketing";
    machine.facts.paths.remove(camino::Utf8Path::new(files));
    machine
        .facts
        .host
        .postgres
        .insert(17, "/usr/lib/postgresql/17/bin".into());
    let plan = machine.plan();
    let made = |step: &&Step| matches!(step, Step::CreateCluster { major: 15, .. });
    assert!(plan.steps.iter().any(|step| made(&step)), "{plan:?}");
}

#[test]
fn files_without_the_cluster_of_their_database_begin_nothing() {
    let file = FILE.replace("cluster = \"per-edition\"\n", "");
    let mut machine = Machine::with_packages(&file, true);
    machine.converge();
    machine.facts.clusters.insert(OwnServer::SHARED, Seen::Absent);
    let said = refused(&machine);
    assert!(
        said.contains("data/postgres has no such database") && said.contains("`url`"),
        "{said}"
    );
}
