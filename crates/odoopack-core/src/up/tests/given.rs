//! On a database server that somebody else runs.
use std::collections::BTreeMap;

use camino::Utf8Path;

use super::machine::Machine;
use crate::facts::{Cluster, DatabaseFact, PathFact, PathKind, Seen, ServerFact};
use crate::plan::Step;
use crate::secret::SecretText;
use crate::spec::OwnServer;

const URL: &str = "postgres://odoo:geheim@db.example.com/x?sslmode=verify-full&sslrootcert=/etc/ca.pem";

const GIVEN: &str = r#"
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
url = "secret:URL"
[environments.production]
domain = "erp.example.com"
"#;

fn server() -> ServerFact {
    ServerFact {
        major: 16,
        max_connections: 200,
        reserved: 3,
        role_limit: None,
        superuser: false,
        create_database: true,
        create_role: false,
        extensions: BTreeMap::from([("pg_trgm".to_owned(), true), ("unaccent".to_owned(), true)]),
    }
}

/// A machine with everything installed, and a server that answers.
fn machine() -> Machine {
    with(GIVEN, URL)
}

/// The same with containers.
fn stack(url: &str) -> Machine {
    let file = GIVEN.replace("[pack]\n", "[pack]\nengine = \"compose\"\n");
    with(&file.replace("source = { debian = \"sid\" }\n", ""), url)
}

fn with(file: &str, url: &str) -> Machine {
    let mut machine = Machine::fresh(file, true);
    machine.facts.secrets.insert("URL".into(), SecretText::new(url));
    // As the program does it: the one role is every environment's.
    machine
        .facts
        .secrets
        .insert("PRODUCTION_DATABASE".into(), SecretText::new("geheim"));
    machine.facts.server = Seen::Present(server());
    machine.server.roles.insert("odoo".into(), "geheim".into());
    let certificate = PathFact {
        kind: PathKind::File("ca".into()),
        mode: 0o644,
        user: "root".into(),
        group: "root".into(),
    };
    machine
        .facts
        .paths
        .insert("/etc/ca.pem".into(), Seen::Present(certificate));
    for program in machine.look().0.programs {
        machine.install(program.name);
    }
    machine
}

#[test]
fn there_is_no_cluster_no_role_and_no_user_of_our_own() {
    let mut machine = machine();
    let steps: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    let own = |step: &&String| {
        ["postgres", "cluster", "role"]
            .iter()
            .any(|word| step.contains(word))
    };
    assert_eq!(steps.iter().find(own), None);
    let (target, _) = machine.look();
    let conf = target
        .file("/opt/shop/data/config/production/blue/odoo.conf".into())
        .unwrap();
    for line in [
        "db_host = db.example.com",
        "db_user = odoo",
        "db_sslmode = verify-full",
        "db_port = 5432",
    ] {
        assert!(conf.shown.contains(line), "no `{line}` in {}", conf.shown);
    }
    assert!(conf.content.expose().contains("db_password = geheim") && !conf.shown.contains("geheim"));
    let web = target.service("production.blue.web").unwrap();
    assert_eq!(web.environment["PGSSLROOTCERT"], "/etc/ca.pem");
    assert!(!web.after.contains(&"postgres".to_owned()));
}

#[test]
fn another_engine_would_serve_the_same_database_twice() {
    for (mut made, other) in [(machine(), stack(URL)), (stack(URL), machine())] {
        made.converge();
        made.spec = other.spec;
        made.facts.containers.docker = Seen::Present(crate::facts::Docker {
            server: "20.10.24".to_owned(),
            compose: Some("2.26.1".to_owned()),
            security: vec!["seccomp".to_owned()],
        });
        let said = &made.plan().refusals[0];
        assert!(said.what.contains("this pack was made by the engine"), "{said:?}");
    }
}

#[test]
fn a_certificate_below_a_closed_directory_is_refused() {
    let mut machine = machine();
    machine.facts.closed_authority = Some("/root".into());
    let said = &machine.plan().refusals[0];
    assert!(said.what.contains("may not enter /root"), "{said:?}");
}

#[test]
fn a_stack_has_no_container_of_it_and_sees_its_authority_alone() {
    let mut machine = stack(URL);
    let steps: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    assert!(steps.iter().all(|step| !step.contains("postgres")), "{steps:?}");
    assert!(machine.plan().is_empty() && machine.plan().then.is_empty());
    let (target, _) = machine.look();
    assert!(!target.images.contains_key("postgres"));
    let text = &target
        .file("/opt/shop/deploy/docker-compose.yml".into())
        .unwrap()
        .shown;
    assert!(!text.contains("postgres") && !text.contains("geheim"), "{text}");
    let web = target.definition("production.blue.web").unwrap();
    for line in [
        "{type: bind, source: \"/etc/ca.pem\", target: \"/etc/ca.pem\", read_only: true, bind: {create_host_path: false}}",
        "\"PGSSLROOTCERT\": \"/etc/ca.pem\"",
    ] {
        assert!(web.contains(line), "no `{line}` in {web}");
    }
    let conf = &target
        .file("/opt/shop/config/production.conf".into())
        .unwrap()
        .shown;
    assert!(
        conf.contains("db_host = db.example.com") && conf.contains("db_sslmode = verify-full"),
        "{conf}"
    );
}

#[test]
fn loopback_is_another_place_in_a_container() {
    for host in ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"] {
        let url = format!("postgres://odoo:geheim@{host}:5433/x");
        let refused = |machine: &Machine| -> Vec<String> {
            let refusals = machine.plan().refusals.into_iter();
            refusals.map(|one| one.what + &one.hint).collect()
        };
        let said = refused(&stack(&url));
        assert!(
            matches!(&said[..], [one] if one.contains("is the container itself") && one.contains("docker0")),
            "{host}: {said:?}"
        );
        assert_eq!(refused(&with(GIVEN, &url)), [""; 0]);
    }
}

#[test]
fn a_stack_reaches_no_server_by_ipv6() {
    let url = "postgres://odoo:geheim@[2001:db8::5]:5433/x";
    let refusals = stack(url).plan().refusals;
    assert!(
        matches!(&refusals[..], [one] if one.what.contains("2001:db8::5") && one.what.contains("IPv4 only")),
        "{refusals:?}"
    );
    assert_eq!(with(GIVEN, url).plan().refusals, []);
}

#[test]
fn the_clients_of_its_own_major_are_installed() {
    let mut machine = machine();
    machine.facts.host.postgres.clear();
    let plan = machine.plan();
    let packages = vec!["postgresql-client-16".to_owned()];
    assert_eq!(plan.steps, [Step::InstallPackages { packages }]);
}

#[test]
fn what_it_does_not_let_us_do_is_said() {
    let mut machine = machine();
    let notes = |machine: &Machine| machine.plan().notes.join("\n");
    assert!(notes(&machine).contains("uses no index"), "{}", notes(&machine));
    let fact = ServerFact {
        create_database: false,
        extensions: BTreeMap::from([("unaccent".to_owned(), false)]),
        ..server()
    };
    machine.facts.server = Seen::Present(fact);
    machine
        .server
        .databases
        .insert("shop_production".into(), database("odoo"));
    let said = notes(&machine);
    for part in [
        "module operations and tests, which need a second database, are refused",
        "extension pg_trgm: the server does not have it",
        "extension unaccent: only a superuser may make it",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

fn database(owner: &str) -> DatabaseFact {
    DatabaseFact {
        oid: 7,
        owner: owner.to_owned(),
        open: true,
        kind: None,
        filled: false,
        parameters: None,
    }
}

#[test]
fn several_environments_have_roles_of_their_own() {
    let file = GIVEN.replace("[postgres]\n", "[postgres]\nroles = \"per-environment\"\n")
        + "[environments.staging]\ndomain = \"staging.example.com\"\n";
    let mut machine = Machine::with_packages(&file, true);
    machine.facts.secrets.insert(
        "URL".into(),
        SecretText::new(
            URL.replace("verify-full", "require")
                .replace("&sslrootcert=/etc/ca.pem", ""),
        ),
    );
    machine.facts.server = Seen::Present(server());
    assert!(machine.plan().refusals[0].what.contains("has no CREATEROLE"));
    seen(&mut machine).create_role = true;
    let mut of_one = machine.clone();
    let before = database("odoo");
    of_one.server.databases.insert("shop_production".into(), before);
    let said = of_one.plan().refusals.remove(0);
    assert!(
        said.hint
            .contains("`odoopack env give production | odoopack psql production --admin")
            && !said.hint.contains("REASSIGN"),
        "{said:?}"
    );
    let made: Vec<String> = machine
        .converge()
        .into_iter()
        .filter_map(|step| {
            if let Step::ConvergeRole { role } = step {
                Some(role)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(made, ["shop_production", "shop_staging"]);
    let (target, _) = machine.look();
    let conf = target
        .file("/opt/shop/data/config/staging/blue/odoo.conf".into())
        .unwrap();
    assert!(conf.shown.contains("db_user = shop_staging"), "{}", conf.shown);
    assert!(
        machine
            .plan()
            .notes
            .iter()
            .any(|note| note.contains("may become each of them"))
    );
}

/// What the refusal says, and a change of the machine.
type Case = (&'static [&'static str], fn(&mut Machine));

fn seen(machine: &mut Machine) -> &mut ServerFact {
    match &mut machine.facts.server {
        Seen::Present(fact) => fact,
        other @ (Seen::Absent | Seen::Unknown(_) | Seen::NotYet) => panic!("the server is {other:?}"),
    }
}

const OF_THE_SERVER: [Case; 5] = [
    (&["needs PostgreSQL 13", "is 12"], |machine| {
        seen(machine).major = 12;
    }),
    (&["role odoo is a superuser", "CREATE ROLE"], |machine| {
        seen(machine).superuser = true;
    }),
    (
        &["may open", "has 20 for role odoo", "own limit is 20"],
        |machine| {
            seen(machine).role_limit = Some(20);
        },
    ),
    (
        &[
            "there is no database shop_production",
            "no CREATEDB",
            "OWNER odoo",
        ],
        |machine| {
            seen(machine).create_database = false;
        },
    ),
    (
        &[
            "database shop_production",
            "belongs to somebody, not to odoo",
            "`odoopack env give production > FILE`",
            "`psql -f FILE` in shop_production, as whoever may become somebody and odoo",
        ],
        |machine| {
            machine
                .server
                .databases
                .insert("shop_production".into(), database("somebody"));
        },
    ),
];

const OF_THE_MACHINE: [Case; 7] = [
    (
        &["could not look at the server db.example.com:5432 as role odoo: no route"],
        |machine| {
            machine.facts.server = Seen::Unknown("no route".into());
        },
    ),
    (&["`secret:URL` has no value"], |machine| {
        machine.facts.secrets.remove("URL");
        machine.facts.server = Seen::NotYet;
    }),
    (&["there is no /etc/ca.pem", "sslrootcert"], |machine| {
        machine.facts.paths.remove(Utf8Path::new("/etc/ca.pem"));
    }),
    (&["Odoo's user may not read /etc/ca.pem"], |machine| {
        if let Some(Seen::Present(fact)) = machine.facts.paths.get_mut(Utf8Path::new("/etc/ca.pem")) {
            fact.mode = 0o640;
        }
    }),
    (
        &[
            "a pack works with database shop_production",
            "the root that it belongs to",
        ],
        |machine| {
            let marked = DatabaseFact {
                kind: Some("production".into()),
                ..database("odoo")
            };
            machine.server.databases.insert("shop_production".into(), marked);
        },
    ),
    (
        &["holds the files of database shop_production", "correct `url`"],
        |machine| {
            let filestore = "/opt/shop/data/environments/production/filestore/shop_production";
            let ca = machine.facts.paths[Utf8Path::new("/etc/ca.pem")].clone();
            machine.facts.paths.insert(filestore.into(), ca);
        },
    ),
    (&["data/postgres holds the databases of this pack"], |machine| {
        machine.facts.made_by = Seen::Present("shop".into());
        machine
            .facts
            .clusters
            .insert(OwnServer::SHARED, Seen::Present(Cluster { major: 16 }));
    }),
];

#[test]
fn what_could_not_end_well_is_refused_before_it_begins() {
    for (words, change) in OF_THE_SERVER.into_iter().chain(OF_THE_MACHINE) {
        let mut machine = machine();
        change(&mut machine);
        let plan = machine.plan();
        assert_eq!(
            plan.steps,
            [],
            "nothing may be planned beside a refusal: {words:?}"
        );
        let said = plan
            .refusals
            .iter()
            .map(|one| format!("{}; {}\n", one.what, one.hint));
        let said: String = said.collect();
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said:?}");
        }
        assert!(!said.contains("geheim"));
    }
}
