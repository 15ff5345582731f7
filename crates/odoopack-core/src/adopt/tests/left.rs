//! What stands outside of the mounted odoo.conf, and what nothing of the pack takes the place of.
use super::{Case, OFFICIAL, official};
use crate::adopt::{Adoption, Holds, Project, Stack, Variables, Volumes};
use crate::spec::Spec;

/// The official example with more lines in one of its services.
fn with(service: &str, lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("    {line}\n")).collect();
    let compose = OFFICIAL.replace(
        &format!("  {service}:\n"),
        &format!("  {service}:\n{}", lines.concat()),
    );
    assert_ne!(compose, OFFICIAL);
    compose
}

fn adopted(compose: &str, conf: Option<&str>) -> (Adoption, Spec) {
    let mut holds = official().holds.to_vec();
    holds.push(("/srv/myodoo/addons/own", Holds::Modules));
    let case = Case {
        compose,
        conf,
        directory: "/srv/myodoo",
        holds: &holds,
        database: None,
        ..official()
    };
    case.spec()
}

#[test]
fn services_that_use_the_same_postgresql_are_told_that_it_is_taken_away() {
    let conf = Some("[options]\ndb_name = books\n");
    for (service, how) in [
        ("environment: {DB_HOST: db}", Some("(variable DB_HOST)")),
        (
            "environment: {SERVERS: 'redis:6379,db:5432'}",
            Some("(variable SERVERS)"),
        ),
        (
            "environment: ['DATABASE_URL=postgres://db:x@db:5432/n8n?ssl=0']",
            Some("(variable DATABASE_URL)"),
        ),
        (
            "environment: {JDBC: 'jdbc:postgresql://db/x'}",
            Some("(variable JDBC)"),
        ),
        ("environment: {DSN: 'host=db user=x'}", Some("(variable DSN)")),
        ("env_file: ./more.env", Some("(variable PGHOST)")),
        ("depends_on: [db]", Some("(`depends_on`)")),
        (
            "depends_on: {db: {condition: service_started}}",
            Some("(`depends_on`)"),
        ),
        ("links: ['db:database']", Some("(`links`)")),
        ("environment: {DB_HOST: otherdb, DB_USER: db, DB_NAME: db}", None),
        (
            "environment: {DATABASE_URL: 'postgres://db:db@elsewhere/db'}",
            None,
        ),
        ("depends_on: [web]", None),
    ] {
        let compose = OFFICIAL.replace(
            "volumes:\n  odoo-web-data",
            &format!("  n8n:\n    image: n8nio/n8n\n    {service}\nvolumes:\n  odoo-web-data"),
        );
        let case = Case {
            compose: &compose,
            conf,
            env_files: &[("/srv/My Odoo/more.env", "PGHOST=db\n")],
            ..official()
        };
        let (adoption, _) = case.spec();
        let why = why(&adoption, "service n8n").unwrap();
        let wanted = how.unwrap_or("it is no part of the pack");
        assert!(why.contains(wanted), "{service}: {why}");
        assert_eq!(why.contains("has to be moved"), how.is_some(), "{service}: {why}");
        let mut changes = adoption.changes.iter();
        assert!(changes.any(
            |(what, why)| what.starts_with("PostgreSQL answers through its socket")
                && why.contains("cluster of db")
        ));
    }
}

fn why<'a>(adoption: &'a Adoption, what: &str) -> Option<&'a str> {
    let mut left = adoption.left.iter();
    left.find(|(known, _)| known == what).map(|(_, why)| why.as_str())
}

#[test]
fn whatever_no_container_of_the_pack_has_is_named_with_its_service() {
    let compose = with(
        "web",
        &[
            "build: .",
            "extra_hosts: ['erp-bank:10.0.0.9']",
            "dns: 10.0.0.1",
            "networks: [default, proxy]",
            "labels: {traefik.enable: 'true'}",
            "devices: ['/dev/usb/lp0']",
            "cap_add: [SYS_ADMIN]",
            "privileged: true",
            "sysctls: {net.core.somaxconn: 1024}",
            "ulimits: {nofile: 9}",
            "deploy: {resources: {limits: {memory: 2g}}}",
            "healthcheck: {test: 'true'}",
            "stop_grace_period: ",
            "x-own: 1",
            "init: true",
            "pull_policy: never",
        ],
    );
    let compose = compose
        .replace(
            "      - ./addons:/mnt/extra-addons\n",
            "      - ./addons:/mnt/extra-addons\n      - ./fonts:/usr/share/fonts/own:ro\n      - /srv/in:/import\n      - /cache\n",
        )
        .replace(
            "    image: postgres:16\n    environment:\n",
            "    image: postgres:16\n    shm_size: 1g\n    networks: [default]\n    environment:\n      - LANG=de_DE.utf8\n",
        )
        .replace(
            "      - odoo-db-data:",
            "      - ./init:/docker-entrypoint-initdb.d\n      - odoo-db-data:",
        )
        .replace(
            "volumes:\n  odoo-web-data",
            "  nginx:\n    image: nginx\n    environment: [NGINX_HOST=x]\n    volumes: ['./site:/etc/nginx/conf.d', './www:/usr/share/nginx/html']\n  backup: {image: prodrigestivill/postgres-backup-local}\nvolumes:\n  odoo-web-data",
        );
    let (adoption, _) = adopted(&compose, Some("[options]\ndb_name = books\n"));
    let all: Vec<&str> = adoption.left.iter().map(|(what, _)| what.as_str()).collect();
    let ours: Vec<&str> = all
        .into_iter()
        .filter(|what| what.contains("service") && !what.contains("command"))
        .collect();
    insta::assert_snapshot!(ours.join("\n"));
    for (what, reason) in [
        ("`labels` of service web", "Traefik"),
        ("`pull_policy` of service web", "deploy/docker-compose.yml"),
        (
            "`./fonts` at /usr/share/fonts/own of service web",
            "into the image",
        ),
    ] {
        let why = why(&adoption, what).unwrap();
        assert!(why.contains(reason), "{what}: {why}");
    }
}

#[test]
fn attachments_in_more_than_one_place_are_not_taken_for_whole() {
    let compose = OFFICIAL.replace(
        "      - odoo-web-data:/var/lib/odoo\n",
        "      - odoo-web-data:/var/lib/odoo\n      - /mnt/big/filestore:/var/lib/odoo/filestore\n",
    );
    let case = Case {
        compose: &compose,
        ..official()
    };
    super::refused(&case, "`/mnt/big/filestore` at /var/lib/odoo/filestore");
}

#[test]
fn what_the_command_says_wins_over_odoo_conf() {
    let compose = with(
        "web",
        &[
            "command: [odoo, --workers=4, --addons-path, /mnt/extra-addons/own, '--load=web,queue_job', -d, 'books,more', --smtp=mail.example.com, '--log-level=warn', -u, all, --acme, geheim]",
        ],
    );
    let conf = "[options]\nworkers = 2\nmax_cron_threads = 3\naddons_path = /mnt/gone\ndb_name = other\nlog_level = debug\nsmtp_port = 587\n";
    let (adoption, spec) = adopted(&compose, Some(conf));
    let production = spec.environments.values().next().unwrap();
    assert_eq!(
        (
            production.workers,
            production.cron_workers,
            production.database.as_str()
        ),
        (Some(4), Some(3), "books")
    );
    assert_eq!(spec.addons.own, ["/srv/myodoo/addons/own"]);
    assert_eq!(spec.odoo.options["log_level"], "warn");
    assert!(
        adoption.text.contains("server_wide = [\"queue_job\"]"),
        "{}",
        adoption.text
    );
    assert_eq!(
        spec.mail.relay.unwrap().address.to_string(),
        "mail.example.com:587"
    );
    for what in [
        "`-u` of the command of service web",
        "`--acme` of the command of service web",
        "database more",
    ] {
        assert!(why(&adoption, what).is_some(), "{what}: {:#?}", adoption.left);
    }
    assert_eq!(why(&adoption, "odoo.conf"), None);
    assert!(!format!("{:?}", adoption.left).contains("geheim"));
}

#[test]
fn odoo_rc_names_odoo_conf_and_the_command_names_another() {
    for (lines, conf) in [
        (&["restart: always"][..], Some("config/odoo.conf")),
        (
            &["environment: {ODOO_RC: /etc/odoo/live/o.conf}"],
            Some("config/live/o.conf"),
        ),
        (
            &[
                "environment: {ODOO_RC: /etc/odoo/live/o.conf}",
                "command: odoo -c /etc/odoo/x.conf",
            ],
            Some("config/x.conf"),
        ),
        (&["environment: {ODOO_RC: /opt/o.conf}"], None),
    ] {
        let text = with("web", lines);
        let project = Project::read(&text, Variables::default(), "/srv".into(), None).unwrap();
        let stack = Stack::find(&project, None).unwrap();
        let wanted = conf.map(|path| format!("/srv/{path}").into());
        assert_eq!(stack.odoo_conf(&Volumes::new()), wanted, "{lines:?}");
    }
    let compose = with("web", &["environment: {ODOO_RC: /etc/odoo/o.conf}"]);
    let (adoption, _) = adopted(&compose, Some("[options]\ndb_name = books\n"));
    assert!(!adoption.text.contains("ODOO_RC"), "{}", adoption.text);
}

#[test]
fn programs_that_the_pack_does_not_start_are_named() {
    let conf = Some("[options]\ndb_name = books\n");
    for (service, line, what) in [
        ("web", "entrypoint: /start.sh", "entrypoint of service web"),
        (
            "web",
            "entrypoint: [/bin/sh, /start.sh]",
            "entrypoint of service web",
        ),
        (
            "web",
            "command: /start.sh",
            "`/start.sh` of the command of service web",
        ),
        (
            "db",
            "command: postgres -c shared_buffers=1GB",
            "command of service db",
        ),
        (
            "db",
            "command: [postgres, -c, max_connections=300]",
            "command of service db",
        ),
        ("db", "entrypoint: /start.sh", "entrypoint of service db"),
    ] {
        let compose = with(service, &[line]);
        let (adoption, _) = adopted(&compose, conf);
        assert!(why(&adoption, what).is_some(), "{line}: {:#?}", adoption.left);
    }
    for line in ["entrypoint:", "entrypoint: ''", "entrypoint: []", "command: odoo"] {
        let compose = with("web", &[line]);
        let (adoption, _) = adopted(&compose, conf);
        let named = |what: &String| what.contains("entrypoint") || what.contains("command");
        assert!(
            !adoption.left.iter().any(|(what, _)| named(what)),
            "{line}: {:#?}",
            adoption.left
        );
    }
}

#[test]
fn where_no_odoo_conf_was_read_that_is_said_with_the_way() {
    let compose = with("web", &["command: odoo -d books -c /opt/o.conf"]);
    let (adoption, _) = adopted(&compose, None);
    let why = why(&adoption, "odoo.conf").unwrap();
    for words in ["`docker compose cp web:/opt/o.conf .`", "`--odoo-conf FILE`"] {
        assert!(why.contains(words), "{why}");
    }
}
