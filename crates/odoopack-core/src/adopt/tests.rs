//! Stacks as people have them.
mod left;
mod limits;
mod parts;
mod server;
mod site;
mod variables;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Adoption, Holds, Project, Seen, SiteFile, Stack, Variables, Volumes, Wants, decide, places};
use crate::checks::{File, Finding, judge_files};
use crate::spec::{LoadContext, Series, Source, Spec, Tls, load};

const SEED: &str = include_str!("../../fixtures/seed-docker-compose.yml");
const SEED_CONF: &str = include_str!("../../fixtures/seed-odoo.conf");
const SEED_NGINX: &str = include_str!("../../fixtures/seed-nginx.conf");

/// Documentation of the official image, "via docker compose".
const OFFICIAL: &str = include_str!("../../fixtures/official-docker-compose.yml");

struct Case<'a> {
    compose: &'a str,
    variables: &'a str,
    directory: &'a str,
    conf: Option<&'a str>,
    nginx: &'a [&'a str],
    volumes: &'a [&'a str],
    holds: &'a [(&'a str, Holds)],
    links: &'a [(&'a str, &'a str)],
    domain: Option<&'a str>,
    database: Option<&'a str>,
    env_files: &'a [(&'a str, &'a str)],
}

impl Case<'_> {
    fn adopt(&self) -> Adoption {
        let variables = Variables::read(self.variables);
        let project = Project::read(self.compose, variables, Utf8Path::new(self.directory), None).unwrap();
        let beside = self
            .env_files
            .iter()
            .map(|(path, text)| ((*path).into(), (*text).to_owned()));
        let project = project.with_env_files(&beside.collect());
        let stack = Stack::find(&project, None).and_then(|stack| stack.told(self.conf));
        let stack = match stack {
            Ok(stack) => stack,
            Err(refusal) => {
                return Adoption {
                    refusals: vec![refusal],
                    ..Adoption::default()
                };
            }
        };
        let there = |name: &String| self.volumes.contains(&name.as_str());
        let directory = |name: &str| Utf8PathBuf::from(format!("/var/lib/docker/volumes/{name}/_data"));
        let volumes: Volumes = stack
            .volumes()
            .into_iter()
            .map(|name| (name.clone(), there(&name).then(|| directory(&name))))
            .collect();
        let held: BTreeMap<&str, Holds> = self.holds.iter().copied().collect();
        let nginx: Vec<SiteFile> = self
            .nginx
            .iter()
            .enumerate()
            .map(|(at, text)| (format!("{at}.conf").into(), (*text).to_owned()))
            .collect();
        let directories = places(&stack, &nginx, &volumes)
            .into_iter()
            .filter_map(|path| held.get(path.as_str()).map(|holds| (path.clone(), *holds)))
            .collect();
        let path = |(from, to): &(&str, &str)| (from.into(), to.into());
        let links = self.links.iter().map(path).collect();
        let wants = Wants {
            root: "/opt/odoo-ce".into(),
            name: "odoo".parse().unwrap(),
            series: None,
            domain: self.domain.map(str::to_owned),
            database: self.database.map(str::to_owned),
        };
        let findings = self.findings();
        decide(
            &stack,
            &wants,
            &Seen {
                nginx: &nginx,
                volumes: &volumes,
                directories: &directories,
                links: &links,
                findings: &findings,
            },
        )
    }

    fn findings(&self) -> Vec<Finding> {
        let file = |(path, text)| Some(File { path, text: text? });
        let files = [
            ("docker-compose.yml", Some(self.compose)),
            ("odoo.conf", self.conf),
        ];
        let sites = self.nginx.iter().map(|text| ("site.conf", Some(*text)));
        let files: Vec<File<'_>> = files.into_iter().chain(sites).filter_map(file).collect();
        judge_files(&files, Series::V18)
    }

    #[track_caller]
    fn spec(&self) -> (Adoption, Spec) {
        let adoption = self.adopt();
        assert_eq!(adoption.refusals, []);
        let loaded = load(&adoption.text, &LoadContext::new("/opt/odoo-ce/repo"));
        (
            adoption,
            loaded.unwrap_or_else(|mistakes| panic!("{mistakes}")).spec,
        )
    }
}

/// The seed as its operators run it: `docker compose --project-directory /opt/odoo-ce -f repo/deploy/docker-compose.yml`.
fn seed<'a>() -> Case<'a> {
    Case {
        compose: SEED,
        variables: "POSTGRES_PASSWORD=geheim\n",
        directory: "/opt/odoo-ce",
        conf: Some(SEED_CONF),
        nginx: &[SEED_NGINX],
        volumes: &["odoo-ce_pgdata"],
        holds: &[
            ("/var/lib/docker/volumes/odoo-ce_pgdata/_data", Holds::Cluster),
            ("/opt/odoo-ce/data/filestore/.local/share/Odoo", Holds::Filestore),
            ("/opt/odoo-ce/repo/addons/ipai", Holds::Modules),
            ("/opt/odoo-ce/repo/addons/external/oca", Holds::Repositories),
            (
                "/etc/letsencrypt/live/erp.insightpulseai.net/fullchain.pem",
                Holds::File,
            ),
            (
                "/etc/letsencrypt/live/erp.insightpulseai.net/privkey.pem",
                Holds::File,
            ),
        ],
        links: &[],
        domain: None,
        database: None,
        env_files: &[],
    }
}

fn official<'a>() -> Case<'a> {
    Case {
        compose: OFFICIAL,
        variables: "",
        directory: "/srv/My Odoo",
        conf: None,
        nginx: &[],
        volumes: &["myodoo_odoo-web-data", "myodoo_odoo-db-data"],
        holds: &[
            (
                "/var/lib/docker/volumes/myodoo_odoo-db-data/_data",
                Holds::Cluster,
            ),
            (
                "/var/lib/docker/volumes/myodoo_odoo-web-data/_data",
                Holds::Filestore,
            ),
            ("/srv/My Odoo/addons", Holds::Other),
        ],
        links: &[],
        domain: Some("erp.example.com"),
        database: Some("books"),
        env_files: &[],
    }
}

#[test]
fn the_seed_is_taken_over() {
    let (adoption, spec) = seed().spec();
    insta::assert_snapshot!(adoption.text);
    let production = spec.environments.values().next().unwrap();
    assert_eq!(spec.images.postgres, "postgres:16-alpine");
    assert_eq!(
        spec.odoo.source,
        Source::Image {
            name: "odoo:18.0".into()
        }
    );
    assert_eq!(
        spec.postgres.directory.unwrap(),
        "/var/lib/docker/volumes/odoo-ce_pgdata/_data"
    );
    assert_eq!(
        production.directory.as_deref().unwrap(),
        "/opt/odoo-ce/data/filestore/.local/share/Odoo"
    );
    assert_eq!(
        (production.database.as_str(), production.domain.as_str()),
        ("odoo", "erp.insightpulseai.net")
    );
    assert!(matches!(production.tls, Tls::Files { .. }));
    assert_eq!(spec.addons.own, ["addons/ipai"]);
    assert_eq!(spec.addons.oca.as_deref(), Some("addons/external/oca"));
    assert!(!adoption.text.contains("geheim"));
}

#[test]
fn what_changes_for_the_seed_is_said_with_its_reason() {
    let (adoption, _) = seed().spec();
    let said = |all: &[(String, String)], words: &str, reason: &str| {
        let mut found = all.iter().filter(|(what, _)| what.contains(words));
        let told = found.next().is_some_and(|(_, why)| why.contains(reason)) && found.next().is_none();
        assert!(told, "{words}: {all:#?}");
    };
    let (changes, left) = (&adoption.changes, &adoption.left);
    said(changes, "odoo_production, which is no superuser", "runs programs");
    said(
        changes,
        "15 processes may open 960 connections",
        "has 97 for them all",
    );
    said(left, "longpolling_port", "it is `gevent_port`");
    said(
        left,
        "workers",
        "`environments.NAME.workers` of odoopack.toml decides it",
    );
    let left: Vec<&str> = adoption.left.iter().map(|(what, _)| what.as_str()).collect();
    for option in [
        "db_password",
        "session_store",
        "logfile",
        "longpolling_port",
        "admin_passwd",
    ] {
        assert!(left.contains(&option), "{option}: {left:?}");
    }
}

#[test]
fn the_official_images_example_is_taken_over() {
    let (adoption, spec) = official().spec();
    let production = spec.environments.values().next().unwrap();
    assert_eq!(
        spec.postgres.directory.unwrap(),
        "/var/lib/docker/volumes/myodoo_odoo-db-data/_data"
    );
    assert_eq!(
        production.directory.as_deref().unwrap(),
        "/var/lib/docker/volumes/myodoo_odoo-web-data/_data"
    );
    assert_eq!(production.http_port, Some(8069));
    assert_eq!(production.database, "books");
    assert_eq!(spec.odoo.series, Series::V18);
    assert!(
        adoption
            .changes
            .iter()
            .any(|(what, _)| what == "port 8069 of Odoo answers on loopback alone")
    );
    assert!(
        adoption
            .changes
            .iter()
            .any(|(what, _)| what.starts_with("nginx with TLS"))
    );
}

#[track_caller]
fn refused(case: &Case<'_>, words: &str) {
    let adoption = case.adopt();
    let all: Vec<&str> = adoption
        .refusals
        .iter()
        .map(|refusal| refusal.what.as_str())
        .collect();
    assert!(all.iter().any(|what| what.contains(words)), "{all:#?}");
    assert_eq!(adoption.text, "");
    assert!(adoption.refusals.iter().all(|refusal| !refusal.hint.is_empty()));
}

#[test]
fn refuses_where_something_would_be_lost() {
    refused(
        &Case {
            volumes: &[],
            ..seed()
        },
        "there is no volume `odoo-ce_pgdata`",
    );
    refused(
        &Case {
            directory: "/opt/odoo-ce/repo/deploy",
            ..seed()
        },
        "there is no volume `deploy_pgdata`",
    );
    refused(
        &Case { holds: &[], ..seed() },
        "there is no `filestore`, where Odoo keeps attachments, in /opt/odoo-ce/data/filestore/.local",
    );
    refused(
        &Case { holds: &[], ..seed() },
        "there is no PostgreSQL cluster in",
    );
    refused(
        &Case {
            domain: None,
            ..official()
        },
        "by which host name",
    );
    refused(
        &Case {
            database: None,
            ..official()
        },
        "which database is Odoo's",
    );
}

#[test]
fn where_a_link_leads_to_the_data_the_file_names_the_data() {
    let (cluster, attachments) = (
        "/var/lib/docker/volumes/odoo-ce_pgdata/_data",
        "/opt/odoo-ce/data/filestore/.local/share/Odoo",
    );
    let case = Case {
        links: &[(cluster, "/mnt/disk/pg"), (attachments, "/mnt/disk/Odoo")],
        ..seed()
    };
    let (adoption, spec) = case.spec();
    assert_eq!(spec.postgres.directory.unwrap(), "/mnt/disk/pg");
    let production = spec.environments.values().next().unwrap();
    assert_eq!(production.directory.as_deref().unwrap(), "/mnt/disk/Odoo");
    let kept = ("database cluster".to_owned(), "/mnt/disk/pg".to_owned());
    assert!(adoption.kept.contains(&kept), "{:?}", adoption.kept);
}

#[test]
fn refuses_a_stack_whose_data_cannot_stay_where_it_is() {
    let mut holds = seed().holds.to_vec();
    holds[0].1 = Holds::Tablespaces;
    let spread = Case {
        holds: &holds,
        ..seed()
    };
    refused(&spread, "has tablespaces");
    let nameless = OFFICIAL.replace("      - odoo-web-data:/var/lib/odoo\n", "");
    refused(
        &Case {
            compose: &nameless,
            ..official()
        },
        "mounts nothing at /var/lib/odoo",
    );
    let driver = OFFICIAL.replace(
        "  odoo-db-data:\n",
        "  odoo-db-data: {driver_opts: {type: nfs}}\n",
    );
    assert_ne!(driver, OFFICIAL);
    refused(
        &Case {
            compose: &driver,
            ..official()
        },
        "has a driver or options of its own",
    );
    let elsewhere = OFFICIAL.replace("image: postgres:16", "image: alpine");
    refused(
        &Case {
            compose: &elsewhere.replace("  db:", "  data:"),
            ..official()
        },
        "the database is elsewhere",
    );
    let hints = Case {
        compose: &elsewhere.replace("  db:", "  data:"),
        ..official()
    };
    let hint = &hints.adopt().refusals[0].hint;
    assert!(hint.contains("`[postgres] url`"), "{hint}");
    let twice = OFFICIAL.replace(
        "volumes:\n  odoo-web-data",
        "  cron: {image: 'odoo:18.0'}\nvolumes:\n  odoo-web-data",
    );
    refused(
        &Case {
            compose: &twice,
            ..official()
        },
        "several services run Odoo: web, ",
    );
    let untold = OFFICIAL.replace("odoo:18.0", "acme/odoo:latest");
    refused(
        &Case {
            compose: &untold,
            ..official()
        },
        "does not say which series",
    );
}

#[test]
fn where_the_command_says_that_attachments_are_wins_over_odoo_conf() {
    let compose = OFFICIAL.replace(
        "    image: odoo:",
        "    command: odoo -D /var/lib/odoo/elsewhere\n    image: odoo:",
    );
    let case = Case {
        compose: &compose,
        holds: &[
            (
                "/var/lib/docker/volumes/myodoo_odoo-db-data/_data",
                Holds::Cluster,
            ),
            (
                "/var/lib/docker/volumes/myodoo_odoo-web-data/_data",
                Holds::Filestore,
            ),
            (
                "/var/lib/docker/volumes/myodoo_odoo-web-data/_data/elsewhere",
                Holds::Filestore,
            ),
        ],
        ..official()
    };
    let (_, spec) = case.spec();
    let production = spec.environments.values().next().unwrap();
    assert_eq!(
        production.directory.as_deref().unwrap(),
        "/var/lib/docker/volumes/myodoo_odoo-web-data/_data/elsewhere"
    );
}

#[test]
fn a_relay_on_the_containers_own_loopback_is_not_carried_over() {
    let adopted = |more: &str| {
        let conf = format!("{SEED_CONF}\n{more}\n");
        let case = Case {
            conf: Some(&conf),
            ..seed()
        };
        let (adoption, spec) = case.spec();
        let left = adoption.left.into_iter().find(|(what, _)| what.contains("smtp_"));
        (left, spec.mail.relay.map(|relay| relay.address.to_string()))
    };
    for server in ["127.0.0.1", "::1"] {
        let (left, relay) = adopted(&format!("smtp_server = {server}\nsmtp_port = 25"));
        let (what, why) = left.unwrap();
        assert_eq!(what, "smtp_server");
        assert!(
            why.contains("the container itself") && why.contains("docker0"),
            "{why}"
        );
        assert_eq!(relay, None);
    }
    assert_eq!(
        adopted("smtp_server = localhost\nsmtp_port = 25\nsmtp_user = False"),
        (None, None)
    );
    assert_eq!(adopted("smtp_user = me").0.unwrap().0, "smtp_user");
    assert_eq!(
        adopted("smtp_server = mail.example.com\nsmtp_port = 587"),
        (None, Some("mail.example.com:587".to_owned()))
    );
}
