//! The engine `compose`: the same planner, with containers in the place of processes.
use super::machine::{Machine, name};
use crate::facts::{Docker, Seen};
use crate::manifest;
use crate::modules::{Module, Origin, Tree};
use crate::plan::Step;
use crate::spec::OwnServer;
use crate::spec::Series;

pub(super) const FILE: &str = r#"
format = 1
[pack]
name = "shop"
root = "/opt/shop"
engine = "compose"
[odoo]
series = "19.0"
[environments.production]
domain = "erp.example.com"
[environments.staging]
domain = "staging.example.com"
"#;

pub(super) fn up(root: bool) -> Machine {
    let mut machine = Machine::with_packages(FILE, root);
    machine.converge();
    machine
}

#[test]
fn a_stack_is_brought_up_and_then_nothing_is_left() {
    for root in [true, false] {
        let mut machine = Machine::with_packages(FILE, root);
        let done = machine.converge();
        let images: Vec<String> = done
            .iter()
            .filter(|step| matches!(step, Step::GetImage { .. } | Step::MakeGateImage { .. }))
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            images,
            [
                "make image odoopack-gate:1.1 from this program",
                "get image nginx:stable and pin it",
                "get image odoo:19.0 and pin it",
                "get image postgres:16 and pin it"
            ]
        );
        assert!(done.contains(&Step::CreateCluster {
            major: 16,
            server: OwnServer::SHARED,
        }));
        assert!(!done.iter().any(|step| matches!(
            step,
            Step::StartSupervisor | Step::ReadUnits | Step::FetchOdoo { .. } | Step::BuildPython { .. }
        )));
        assert!(machine.plan().is_empty() && machine.plan().then.is_empty());
    }
}

#[test]
fn the_files_of_the_stack_are_where_people_look_for_them() {
    let (target, _) = up(true).look();
    for file in [
        "deploy/docker-compose.yml",
        "deploy/.env",
        "deploy/nginx/nginx.conf",
        "deploy/nginx/erp.example.com.conf",
        "deploy/nginx/staging.example.com.conf",
        "config/production.conf",
        "config/staging.conf",
        "config/gate/gate.json",
    ] {
        assert!(
            target.file(format!("/opt/shop/{file}").as_str().into()).is_some(),
            "{file}"
        );
    }
}

#[test]
fn the_whole_stack() {
    let (target, _) = up(true).look();
    let file = target.file("/opt/shop/deploy/docker-compose.yml".into()).unwrap();
    insta::assert_snapshot!(file.content.expose());
}

#[test]
fn everything_but_the_database_server_has_a_limit_of_memory() {
    let (target, _) = up(true).look();
    let limited = |service: &str| target.definition(service).unwrap().contains("mem_limit");
    for service in &target.services {
        assert_eq!(
            limited(&service.name),
            service.name != "postgres",
            "{}",
            service.name
        );
    }
}

#[test]
fn no_secret_stands_in_the_stack_or_beside_it() {
    let machine = up(true);
    let (target, facts) = machine.look();
    let open: Vec<_> = target
        .files
        .iter()
        .filter(|file| file.path.starts_with("/opt/shop/deploy"))
        .collect();
    assert!(open.len() > 3);
    for file in open {
        for (name, value) in &facts.secrets {
            assert!(
                !file.content.expose().contains(value.expose()),
                "{name} stands in {}",
                file.path
            );
        }
    }
}

#[test]
fn nothing_is_published_but_nginx() {
    let (target, _) = up(true).look();
    let file = target.file("/opt/shop/deploy/docker-compose.yml".into()).unwrap();
    let read = crate::foreign::compose::Compose::read(file.content.expose()).unwrap();
    for service in &read.services {
        let ports: Vec<String> = service.ports().into_iter().map(|port| port.shown).collect();
        let wanted: &[&str] = if service.name == "nginx" {
            &["0.0.0.0:80:80", "0.0.0.0:443:443"]
        } else {
            &[]
        };
        assert_eq!(ports, wanted, "{}", service.name);
    }
}

#[test]
fn a_server_that_is_asked_for_is_published_on_loopback_and_lets_roles_in() {
    let mut machine = Machine::with_packages(&format!("{FILE}[postgres]\nport = 5432\n"), true);
    machine.converge();
    let (target, _) = machine.look();
    let definition = target.definition("postgres").unwrap();
    assert!(
        definition.contains("\"127.0.0.1:5432:5432\"") && !definition.contains("network_mode"),
        "{definition}"
    );
    let hba = machine.layout().config().join("postgres/pg_hba.conf");
    let hba = target.file(&hba).unwrap();
    assert!(
        hba.shown.contains("\"shop_staging\" 172.28.0.0/24 scram-sha-256"),
        "{}",
        hba.shown
    );
}

#[test]
fn an_environment_more_restarts_no_other() {
    let mut machine = up(true);
    let more = format!("{FILE}[environments.trial]\ndomain = \"trial.example.com\"\n");
    machine.spec = Machine::fresh(&more, true).spec;
    let done = machine.converge();
    let touched: Vec<String> = done
        .iter()
        .filter(|step| matches!(step, Step::RestartService { .. }))
        .map(ToString::to_string)
        .collect();
    // nginx serves the files of the new one, which it must see first.
    assert_eq!(
        touched,
        ["restart nginx (what it is started with changed: no page for some seconds)"]
    );
    // Whoever has Odoo open keeps a websocket, for which nginx would wait with its doors closed.
    let (target, _) = machine.look();
    let nginx = target.definition("nginx").unwrap();
    assert!(nginx.contains("stop_grace_period: 2s"), "{nginx}");
    assert!(machine.plan().is_empty());
}

#[test]
fn another_image_is_got_and_its_service_alone_is_made_anew() {
    let mut machine = up(true);
    machine.spec.images.nginx = "nginx:1.29".to_owned();
    let done: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    assert_eq!(done[0], "get image nginx:1.29 and pin it");
    assert!(
        !done.iter().any(|step| step.contains("production.blue")),
        "{done:#?}"
    );
}

/// Weeks of images pass while people work: a stop of nginx would cut all of them off, of every environment.
#[test]
fn another_image_of_odoo_leaves_nginx_running() {
    let mut machine = up(true);
    let (before, _) = machine.look();
    let Seen::Present(release) = &mut machine.facts.release else {
        panic!("no release")
    };
    release.id = "19.0-def".to_owned();
    let (after, _) = machine.look();
    assert_eq!(before.definition("nginx"), after.definition("nginx"));
    let site = after
        .file("/opt/shop/deploy/nginx/erp.example.com.conf".into())
        .unwrap();
    assert!(site.shown.contains("/releases/19.0-def/static"), "{}", site.shown);
}

#[test]
fn an_address_stays_with_its_environment() {
    let (before, _) = up(true).look();
    let mut machine = up(true);
    machine.spec.environments.remove(&name("production"));
    let (after, _) = machine.look();
    let of = |target: &crate::target::Target| {
        target.stack.clone().unwrap().definitions["staging.blue.web"].clone()
    };
    assert_eq!(of(&before), of(&after));
}

#[test]
fn another_engine_does_not_take_over_a_cluster() {
    let native = FILE.replace("engine = \"compose\"", "engine = \"native\"");
    for (made_by, then) in [(FILE, native.as_str()), (native.as_str(), FILE)] {
        let mut machine = Machine::with_packages(made_by, true);
        machine.facts.containers.docker = Seen::Present(Docker {
            server: "20.10.24".to_owned(),
            compose: Some("2.26.1".to_owned()),
            security: Vec::new(),
        });
        machine.converge();
        machine.spec = Machine::fresh(then, true).spec;
        let said = &machine.plan().refusals[0];
        assert!(said.what.contains("was made by the engine"), "{said:?}");
        for command in ["`odoopack engine leave`", "`odoopack engine enter`"] {
            assert!(said.hint.contains(command), "{said:?}");
        }
    }
}

#[test]
fn a_relay_on_the_containers_own_loopback_is_refused() {
    let said = |file: &str| -> Vec<String> {
        let refusals = Machine::with_packages(file, true).plan().refusals;
        refusals.into_iter().map(|refusal| refusal.what).collect()
    };
    let relay = |host: &str| format!("{FILE}[mail]\nsmtp = \"{host}:25\"\n");
    for host in ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"] {
        let said = said(&relay(host));
        assert!(
            matches!(&said[..], [one] if one.contains("is the container itself")),
            "{host}: {said:?}"
        );
    }
    let by_ipv6 = said(&relay("[2001:db8::25]"));
    assert!(
        matches!(&by_ipv6[..], [one] if one.contains("`2001:db8::25`") && one.contains("IPv4 only")),
        "{by_ipv6:?}"
    );
    assert_eq!(said(&relay("172.17.0.1")), [""; 0]);
    assert_eq!(said(&relay("mail.example.com")), [""; 0]);
    let native = relay("127.0.0.1").replace("engine = \"compose\"", "engine = \"native\"");
    let native = said(&native);
    assert!(
        native.iter().all(|what| !what.contains("container itself")),
        "{native:?}"
    );
}

#[test]
fn an_image_of_another_series_is_refused() {
    let mut machine = up(true);
    let image = machine.facts.containers.images.get_mut("odoo").unwrap();
    image.version = (18, 0, 0);
    let plan = machine.plan();
    assert_eq!(
        plan.refusals[0].what,
        "image `odoo:19.0` holds Odoo 18, the file says 19.0"
    );
}

#[test]
fn what_containers_do_not_get_is_refused_and_not_left_out() {
    for (more, what) in [
        (
            "[addons]\nrequirements = [\"requirements.txt\"]\n",
            "the Python packages of [addons] requirements are not locked",
        ),
        // Whoever wrote a time down believes that it happens.
        (
            "[backup]\nschedule = \"02:00\"\n",
            "the engine `compose` has no [backup] schedule where no systemd begins jobs as root",
        ),
        (
            "[backup]\ndrill = \"Sun 03:00\"\n",
            "the engine `compose` has no [backup] drill where no systemd begins jobs as root",
        ),
    ] {
        let machine = Machine::with_packages(&format!("{FILE}{more}"), true);
        let said: Vec<String> = machine.plan().refusals.into_iter().map(|r| r.what).collect();
        assert_eq!(said, [what]);
    }
}

#[test]
fn an_image_that_cannot_take_in_changed_code_is_refused_where_that_is_wanted() {
    let more = "[environments.dev]\ndomain = \"dev.example.com\"\nreload = true\n";
    let mut machine = Machine::with_packages(&format!("{FILE}{more}"), true);
    machine.converge();
    assert!(machine.plan().refusals.is_empty());
    machine.facts.containers.images.get_mut("odoo").unwrap().python = vec!["redis".to_owned()];
    assert_eq!(
        machine.plan().refusals[0].what,
        "image `odoo:19.0` has no Python module `watchdog`, which `reload = true` needs"
    );
}

#[test]
fn sessions_in_redis_get_a_container_that_nobody_reaches_but_by_its_socket() {
    let file = FILE.replacen(
        "domain = \"erp.example.com\"",
        "domain = \"erp.example.com\"\nsessions = \"redis\"",
        1,
    );
    let mut machine = Machine::with_packages(&file, true);
    machine.converge();
    let (target, _) = machine.look();
    let redis = target.definition("redis").unwrap();
    assert!(
        redis.contains("network_mode: none")
            && redis.contains("/usr/local/bin/redis-server")
            // Four times what its data may take, so that it refuses a sign-in before it is killed.
            && redis.contains("mem_limit: 268435456")
            && redis.contains("/usr/local/bin/redis-cli")
            && redis.contains("start_period: 60s"),
        "{redis}"
    );
    let told = machine.layout().sessions(&name("production"));
    for (service, sees) in [
        ("production.blue.web", true),
        ("production.blue.cron", true),
        ("staging.blue.web", false),
    ] {
        let definition = target.definition(service).unwrap();
        for what in [
            told.as_str(),
            "ODOOPACK_SESSIONS",
            "data/run/redis",
            "\"redis\": {condition: service_healthy}",
        ] {
            assert_eq!(
                definition.contains(what),
                sees,
                "{service}, {what}:\n{definition}"
            );
        }
    }
    machine
        .facts
        .containers
        .images
        .get_mut("odoo")
        .unwrap()
        .python
        .clear();
    assert_eq!(
        machine.plan().refusals[0].what,
        "image `odoo:19.0` has no Python module `redis`, which `sessions = \"redis\"` needs"
    );
}

#[test]
fn a_full_disk_of_docker_is_refused_before_the_first_installation_only() {
    let full = Some(("/var/lib/docker".into(), crate::units::Bytes::gib(1)));
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.host.docker_disk = full.clone();
    let refusals = machine.plan().refusals;
    let said = |words: &str| refusals.iter().any(|refusal| refusal.what.contains(words));
    assert!(
        said("free in /var/lib/docker, where Docker keeps"),
        "{refusals:?}"
    );
    let mut machine = up(true);
    machine.facts.host.docker_disk = full;
    assert!(machine.plan().is_empty());
}

const ADDONS: &str = r#"
[addons]
own = ["addons/own"]
oca = "addons/external/oca"
[addons.repositories.web]
[editions.core]
modules = ["web_responsive"]
only = ["ours_*"]
"#;

/// Own modules, and a repository of the OCA at some commit.
fn modules(tree: &str) -> Tree {
    let own = || Origin::Own {
        directory: "addons/own".to_owned(),
    };
    let oca = || Origin::Oca {
        repository: "web".to_owned(),
    };
    let one = |origin: Origin, path: String| Module {
        name: path.rsplit('/').next().unwrap().to_owned(),
        path: path.into(),
        origin,
        manifest: manifest::parse(b"{}"),
    };
    let trees = "/opt/shop/data/releases/addons";
    let all = [
        one(own(), "/opt/shop/repo/addons/own/ours_one".to_owned()),
        one(own(), "/opt/shop/repo/addons/own/theirs".to_owned()),
        one(oca(), format!("{trees}/{tree}/web_responsive")),
        one(oca(), format!("{trees}/{tree}/web_other")),
    ];
    Tree::new(Series::V19, all)
}

#[test]
fn the_links_of_a_farm_lead_somewhere_in_a_container_and_nothing_there_can_be_written() {
    let mut machine = Machine::with_packages(&format!("{FILE}{ADDONS}"), true);
    // Whatever a repository has is known when its tree is there.
    assert_eq!(machine.plan().refusals, []);
    machine.facts.modules = modules("web-aa");
    let done = machine.converge();
    assert!(
        done.iter()
            .any(|step| matches!(step, Step::GetRepositories { .. }))
    );
    let links = &machine.facts.farms["core"].links;
    assert_eq!(links.keys().collect::<Vec<_>>(), ["ours_one", "web_responsive"]);
    let (target, _) = machine.look();
    let conf = target.file("/opt/shop/config/production.conf".into()).unwrap();
    assert!(
        conf.shown.contains("addons_path = /opt/shop/data/addons/core,"),
        "{}",
        conf.shown
    );
    let sees = |service: &str, place: &str| {
        let mount = format!("source: \"{place}\", target: \"{place}\", read_only: ");
        let definition = target.definition(service).unwrap();
        let (_, rest) = definition.split_once(&mount)?;
        Some(rest.starts_with("true"))
    };
    for service in ["production.blue.web", "production.blue.cron"] {
        for place in [
            "/opt/shop/data/addons/core",
            "/opt/shop/data/releases/addons/web-aa",
            "/opt/shop/repo/addons/own",
        ] {
            assert_eq!(sees(service, place), Some(true), "{service} {place}");
        }
        assert_eq!(sees(service, "/opt/shop/data/addons"), None);
    }
    for place in [
        "/opt/shop/data/addons",
        "/opt/shop/data/releases",
        "/opt/shop/repo/addons/own",
    ] {
        assert_eq!(sees("nginx", place), Some(true), "{place}");
    }
    // Another commit is another directory, and nginx goes on.
    machine.facts.modules = modules("web-bb");
    let done: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    assert!(
        done.iter()
            .any(|step| step.starts_with("restart production.blue.web")),
        "{done:#?}"
    );
    assert!(!done.iter().any(|step| step.contains("nginx")), "{done:#?}");
}

#[test]
fn a_pulled_image_that_docker_lost_is_got_again_as_it_was_pinned() {
    for part in ["odoo", "nginx", "postgres"] {
        let mut machine = up(true);
        let before = machine.facts.containers.images.clone();
        machine.facts.containers.absent.insert(part.to_owned());
        let plan = machine.plan();
        let wanted = Step::GetImage {
            part: part.to_owned(),
            image: before[part].pinned.clone(),
        };
        assert_eq!((plan.refusals, plan.steps), (vec![], vec![wanted]));
        machine.converge();
        assert_eq!(machine.facts.containers.images, before);
        assert!(machine.plan().is_empty());
    }
}
