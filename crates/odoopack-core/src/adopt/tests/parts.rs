//! Stacks of several files, and what people write in many ways: images, mounts, ports.
use camino::{Utf8Path, Utf8PathBuf};

use super::{Case, OFFICIAL, SEED, official, seed};
use crate::adopt::{Holds, OVERRIDES, Project, Stack, Variables};
use crate::spec::Series;

/// What `docker compose config` of Compose 2 makes of the official image's example, with a file that moves the cluster to another disk.
const MERGED: &str = include_str!("../../../fixtures/merged-docker-compose.yml");

/// What adopting a project says when its compose file is `file`, with these files beside it.
fn in_parts(compose: &str, variables: &str, file: &str, beside: &[&str]) -> Option<String> {
    let directory = Utf8Path::new("/srv/My Odoo");
    let project = Project::read(compose, Variables::read(variables), directory, None).unwrap();
    let beside: Vec<Utf8PathBuf> = beside.iter().map(|name| directory.join(name)).collect();
    let refusal = project.in_parts(&directory.join(file), &beside)?;
    assert!(
        refusal
            .hint
            .contains("`cd '/srv/My Odoo' && umask 077 && docker compose config > merged.yml`")
            && refusal
                .hint
                .contains("`odoopack adopt --compose '/srv/My Odoo'/merged.yml`"),
        "{refusal:?}"
    );
    Some(refusal.what)
}

#[test]
fn a_file_that_others_are_merged_into_is_not_the_stack() {
    let usual = "docker-compose.yml";
    for name in OVERRIDES {
        let what = in_parts(OFFICIAL, "", usual, &[name]).unwrap();
        assert!(
            what.contains(&format!("merges `/srv/My Odoo/{name}` into it")),
            "{what}"
        );
    }
    let include = format!("include: [more.yml]\n{OFFICIAL}");
    let extends = OFFICIAL.replace(
        "    image: postgres:16\n",
        "    image: postgres:16\n    extends: {file: base.yml, service: db}\n",
    );
    let bare = OFFICIAL.replace("    image: postgres:16\n", "");
    assert!(extends != OFFICIAL && bare != OFFICIAL);
    for (compose, variables, words) in [
        (include.as_str(), "", "line 1: `include`"),
        (
            extends.as_str(),
            "",
            "service `db` is made from another by `extends`",
        ),
        (bare.as_str(), "", "service `db` has neither an image nor"),
        (
            OFFICIAL,
            "COMPOSE_FILE=docker-compose.yml:prod.yml\n",
            "COMPOSE_FILE=docker-compose.yml:prod.yml",
        ),
        (OFFICIAL, "COMPOSE_FILE=prod.yml\n", "COMPOSE_FILE=prod.yml"),
        (
            OFFICIAL,
            "COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=prod.yml;./docker-compose.yml\n",
            "COMPOSE_FILE=prod.yml;./docker-compose.yml",
        ),
    ] {
        let what = in_parts(compose, variables, usual, &[]).unwrap();
        assert!(what.contains(words), "{words}: {what}");
    }
    assert_eq!(in_parts(OFFICIAL, "", usual, &[]), None);
    // Docker Compose takes that one alone then, whatever lies beside it.
    let one = "COMPOSE_FILE=docker-compose.yml\n";
    assert_eq!(in_parts(OFFICIAL, one, usual, &["compose.override.yml"]), None);
}

#[test]
fn the_file_that_docker_compose_wrote_is_the_stack_whatever_lies_beside_it() {
    let several = "COMPOSE_FILE=docker-compose.yml:prod.yml\n";
    assert_eq!(
        in_parts(MERGED, several, "merged.yml", &["compose.override.yml"]),
        None
    );
    let case = Case {
        compose: MERGED,
        directory: "/srv/elsewhere",
        holds: &[
            ("/mnt/disk/pg", Holds::Cluster),
            (
                "/var/lib/docker/volumes/myodoo_odoo-web-data/_data",
                Holds::Filestore,
            ),
        ],
        ..official()
    };
    let (adoption, spec) = case.spec();
    let production = spec.environments.values().next().unwrap();
    assert_eq!(spec.postgres.directory.unwrap(), "/mnt/disk/pg");
    assert_eq!(
        production.directory.as_deref().unwrap(),
        "/var/lib/docker/volumes/myodoo_odoo-web-data/_data"
    );
    assert_eq!(
        (production.http_port, spec.odoo.series),
        (Some(8069), Series::V18)
    );
    // A dollar is written twice.
    assert!(adoption.text.contains("PRICE = \"5$\""), "{}", adoption.text);
}

#[test]
fn the_major_is_the_tags_and_not_the_digests() {
    let digest = "@sha256:45ab18c0000000000000000000000000000000000000000000000000000000cd";
    let (old, new, untold) = (
        format!("postgres:16{digest}"),
        format!("postgres:18{digest}"),
        format!("postgres{digest}"),
    );
    for (image, below) in [
        ("postgres:16", "data"),
        (old.as_str(), "data"),
        (new.as_str(), "18/docker"),
        (untold.as_str(), "data"),
        ("localhost:5000/postgres", "data"),
        ("localhost:5000/postgres:18.1-bookworm", "18/docker"),
        ("postgres", "data"),
        ("pgvector/pgvector:pg18", "18/docker"),
        ("timescale/timescaledb:latest-pg18", "18/docker"),
        ("postgis/postgis:16-3.5", "data"),
    ] {
        let text = format!(
            "services:\n  web: {{image: 'odoo:18.0'}}\n  db: {{image: '{image}', volumes: ['/srv/pg:/var/lib/postgresql']}}\n"
        );
        let project = Project::read(&text, Variables::default(), Utf8Path::new("/srv"), None).unwrap();
        let stack = Stack::find(&project, None).unwrap();
        let wanted = format!("/var/lib/postgresql/{below}");
        assert_eq!(stack.cluster(), wanted, "{image}");
    }
}

#[test]
fn a_layout_of_bitnami_is_refused_with_its_mounts_and_the_way() {
    let compose = "services:\n  odoo:\n    image: bitnami/odoo:18\n    volumes: ['odoo:/bitnami/odoo']\n    environment: {ODOO_DATABASE_HOST: db, ODOO_DATABASE_NAME: books}\n  db:\n    image: bitnami/postgresql:16\n    environment: {POSTGRESQL_USERNAME: bn_odoo}\n    volumes: ['pg:/bitnami/postgresql', './conf:/conf']\n";
    let case = Case {
        compose,
        database: None,
        ..official()
    };
    let adoption = case.adopt();
    let refusal = &adoption.refusals[0];
    assert_eq!(
        refusal.what,
        "service `db` mounts nothing at /var/lib/postgresql/data, but `/bitnami/postgresql`, `/conf`: the layout of `bitnami/postgresql:16` is not taken over, only that of the official images"
    );
    for words in [
        "`docker compose -p myodoo exec -T db sh -c 'PGPASSWORD=\"${POSTGRESQL_PASSWORD:-$POSTGRES_PASSWORD}\" pg_dump -Fc -U bn_odoo books' > old/db.dump`",
        "cp odoo:/bitnami/odoo/data/filestore/books old/filestore`",
        "`odoopack backup import old --to production --yes-replace production`",
    ] {
        assert!(refusal.hint.contains(words), "{words}: {}", refusal.hint);
    }
}

#[test]
fn every_published_port_is_kept_or_left_with_its_reason() {
    let adopted = |port: &str| {
        let compose = OFFICIAL.replace("\"8069:8069\"", port);
        let case = Case {
            compose: &compose,
            ..official()
        };
        let (adoption, spec) = case.spec();
        let left = adoption.left.into_iter().map(|(what, _)| what);
        let left: Vec<String> = left.filter(|what| what.starts_with("port ")).collect();
        (spec.environments.values().next().unwrap().http_port, left)
    };
    let left = |shown: &str| vec![format!("port {shown} of service web")];
    for (port, kept, left) in [
        ("\"8069:8069\"", Some(8069), vec![]),
        ("\"127.0.0.1:8170:8069/tcp\"", Some(8170), vec![]),
        ("\"[::1]:8170:8069\"", Some(8170), vec![]),
        ("\"8169-8172:8069-8072\"", Some(8169), left("8169-8172:8069-8072")),
        ("\"8170-8173:8068-8071\"", Some(8171), left("8170-8173:8068-8071")),
        ("\"8000-8010:8069\"", None, left("8000-8010:8069")),
        ("\"8069\"", None, left("8069")),
        ("\"8072:8072\"", None, left("8072:8072")),
        ("\"eight:8069\"", None, left("eight:8069")),
        (
            "{target: 8069, published: \"8069-8072\"}",
            None,
            left("8069-8072:8069"),
        ),
        (
            "{target: 8069, published: \"8169\", host_ip: 127.0.0.1, mode: ingress, protocol: tcp}",
            Some(8169),
            vec![],
        ),
    ] {
        assert_eq!(adopted(port), (kept, left), "{port}");
    }
}

/// Ports of nginx, and what becomes of them: `listen`, the two ports, and what is left behind.
#[rustfmt::skip]
const LISTENS: &[(&str, Option<&str>)] = &[
    ("'80:80', '443:443'", Some("0.0.0.0 [::] 80 443 ")),
    ("", Some("0.0.0.0 80 443 ")),
    ("'127.0.0.1:8080:80'", Some("127.0.0.1 8080 443 ")),
    ("'127.0.0.1:8080:80', '127.0.0.1:8443:443/tcp'", Some("127.0.0.1 8080 8443 ")),
    ("'[::1]:80:80'", Some("[::1] 80 443 ")),
    ("'${BIND}:80:80', '${WITH_COLON}443:443'", Some("10.0.0.1 80 443 ")),
    (
        "{target: 80, published: '8080', host_ip: 127.0.0.1, mode: ingress}, {target: 443, published: 443, host_ip: '${LO:-127.0.0.1}'}",
        Some("127.0.0.1 8080 443 "),
    ),
    ("{target: 80, published: 80, host_ip: '::1'}", Some("[::1] 80 443 ")),
    ("'10.0.0.1:80:80', '127.0.0.1:80:80'", Some("10.0.0.1 127.0.0.1 80 443 ")),
    ("'0.0.0.0:80:80', '[::]:80:80'", Some("0.0.0.0 [::] 80 443 ")),
    ("'127.0.0.1:80:80', '80:80'", Some("0.0.0.0 [::] 80 443 ")),
    ("'80:80', '10.0.0.1:8080:80'", Some("0.0.0.0 [::] 80 443 port 8080:80 of service nginx")),
    ("'80:80', '127.0.0.1:443:443'", None),
    ("'127.0.0.1:80:80', '10.0.0.1:443:443'", None),
    ("'loopback:80:80'", None),
];

#[test]
fn nginx_answers_on_no_address_that_it_did_not_answer_on() {
    let adopted = |ports: &str| {
        let compose = SEED.replace(
            "    ports:\n      - \"80:80\"\n      - \"443:443\"\n",
            &format!("    ports: [{ports}]\n"),
        );
        assert_ne!(compose, SEED);
        let case = Case {
            compose: &compose,
            variables: "POSTGRES_PASSWORD=geheim\nBIND=10.0.0.1\nWITH_COLON=10.0.0.1:\n",
            ..seed()
        };
        if !case.adopt().refusals.is_empty() {
            return None;
        }
        let (adoption, spec) = case.spec();
        let left = adoption.left.into_iter().map(|(what, _)| what);
        let left: Vec<String> = left.filter(|what| what.starts_with("port ")).collect();
        let said = adoption
            .changes
            .iter()
            .any(|(what, _)| what.contains("of every IPv4 address"));
        assert_eq!(said, ports.is_empty());
        let web = spec.web;
        Some(format!(
            "{} {} {} {}",
            web.listen.join(" "),
            web.http_port,
            web.https_port,
            left.join(" ")
        ))
    };
    for (ports, web) in LISTENS {
        assert_eq!(adopted(ports).as_deref(), *web, "{ports}");
    }
}
