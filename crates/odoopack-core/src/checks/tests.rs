//! The list of checks, the reference pack's three files, and files that leave nothing to say.
use std::collections::BTreeSet;

use super::*;

const CONF: File<'_> = File {
    path: "config/odoo.conf",
    text: include_str!("../../fixtures/seed-odoo.conf"),
};
const NGINX: File<'_> = File {
    path: "deploy/nginx/erp.conf",
    text: include_str!("../../fixtures/seed-nginx.conf"),
};
const COMPOSE: File<'_> = File {
    path: "deploy/docker-compose.yml",
    text: include_str!("../../fixtures/seed-docker-compose.yml"),
};

fn ids(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn every_correction_of_the_reference_pack_is_found_at_its_line() {
    let found = judge_files(&[COMPOSE, NGINX, CONF], Series::V18);
    for (place, id) in [
        ("deploy/nginx/erp.conf:37", "nginx-longpolling"),
        ("deploy/nginx/erp.conf:15", "nginx-websocket-missing"),
        ("deploy/nginx/erp.conf:16", "nginx-http2-listen"),
        ("deploy/nginx/erp.conf:42", "nginx-cache-without-zone"),
        ("deploy/nginx/erp.conf:41", "nginx-static-proxied"),
        ("deploy/nginx/erp.conf:15", "nginx-manager-open"),
        ("deploy/nginx/erp.conf:22", "nginx-body-size"),
        ("deploy/nginx/erp.conf:15", "nginx-hsts"),
        ("deploy/nginx/erp.conf:15", "nginx-cookie-flags"),
        ("config/odoo.conf:23", "conf-removed-option"),
        ("config/odoo.conf:6", "conf-not-interpolated"),
        ("config/odoo.conf:27", "conf-session-store"),
        ("config/odoo.conf:11", "conf-addons-path"),
        ("config/odoo.conf:14", "conf-inline-comment"),
        ("config/odoo.conf:7", "conf-connections"),
        ("config/odoo.conf:34", "conf-logfile"),
        ("config/odoo.conf:38", "conf-no-database-name"),
        ("config/odoo.conf:27", "stack-redis-missing"),
        ("config/odoo.conf:34", "stack-logfile-lost"),
        ("deploy/docker-compose.yml:18", "compose-relative-path"),
        ("deploy/docker-compose.yml:19", "compose-relative-path"),
        ("deploy/docker-compose.yml:17", "compose-relative-path"),
        ("deploy/docker-compose.yml:32", "compose-relative-path"),
        ("deploy/docker-compose.yml:8", "compose-superuser"),
        ("deploy/docker-compose.yml:18", "compose-data-dir-as-filestore"),
        ("deploy/docker-compose.yml:23", "compose-password-in-arguments"),
        ("deploy/docker-compose.yml:33", "compose-letsencrypt-mount"),
        ("deploy/docker-compose.yml:3", "compose-image-not-pinned"),
        ("deploy/docker-compose.yml:3", "compose-alpine-postgres"),
    ] {
        let there = found
            .iter()
            .any(|finding| finding.id == id && finding.place == place);
        let same: Vec<&str> = found
            .iter()
            .filter(|f| f.id == id)
            .map(|f| f.place.as_str())
            .collect();
        assert!(there, "{id} at {place}, found at {same:?}");
    }
    insta::assert_snapshot!(table(&found));
}

#[test]
fn good_files_leave_nothing_to_say() {
    let nginx = include_str!("../../fixtures/good-nginx.conf");
    assert_eq!(judge_text("nginx.conf", nginx, Series::V18), []);
    let compose = include_str!("../../fixtures/good-docker-compose.yml");
    assert_eq!(judge_text("deploy/compose.yml", compose, Series::V18), []);
}

/// One edit of a good file, and the findings that it makes.
type Edit = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const NGINX_EDITS: &[Edit] = &[
    ("server 127.0.0.1:8072", "server 127.0.0.1:8069", "nginx-websocket-upstream"),
    ("    proxy_http_version 1.1;\n", "", "nginx-websocket-upgrade"),
    ("        proxy_set_header Upgrade $http_upgrade;\n", "", "nginx-websocket-upgrade"),
    ("location /websocket", "location /longpolling/x", "nginx-longpolling nginx-websocket-missing"),
    ("client_max_body_size 128m", "client_max_body_size 0", ""),
    ("    client_max_body_size 128m;\n", "", "nginx-body-size"),
    ("    proxy_read_timeout 12m;\n", "", "nginx-timeouts"),
    ("proxy_send_timeout 720s", "proxy_send_timeout 60s", "nginx-timeouts"),
    ("{ return 404; }", "{ proxy_pass http://odoo; }", "nginx-manager-open"),
    ("location / {", "location / { proxy_buffering off;", "nginx-buffering-off"),
    ("location / {", "location / { add_header X-A b;", "nginx-add-header-inheritance nginx-hsts"),
    ("location / {", "location / { proxy_set_header X-A b;", "nginx-forwarded-host"),
    ("listen 443 ssl;", "listen 443;", "nginx-tls-missing"),
    ("TLSv1.2 TLSv1.3", "TLSv1.1 TLSv1.2", "nginx-tls-old"),
    ("        limit_req zone=sign_in burst=10 nodelay;\n", "", "nginx-rate-limit"),
    ("    client_max_body_size 128m;\n", "    include snippets/odoo;\n", ""),
    ("{ return 404; }", "{ return 404 }", "nginx-unreadable"),
];

#[rustfmt::skip]
const COMPOSE_EDITS: &[Edit] = &[
    ("    entrypoint: [\"odoo\"]\n", "", "compose-password-in-arguments"),
    ("    entrypoint: [\"odoo\"]\n", "    command: [bash, -c, odoo]\n", ""),
    ("127.0.0.1:8069:8069", "8069:8069", "compose-published-port"),
    ("      - \"127.0.0.1:8072:8072\"\n", "", "compose-gevent-missing"),
    ("POSTGRES_USER: administrator", "POSTGRES_USER: odoo", "compose-superuser"),
    ("POSTGRES_PASSWORD_FILE: /run", "POSTGRES_PASSWORD: hunter2 /run", "compose-plain-password"),
    ("pgdata:/var/lib/postgresql/data", "pgdata:/elsewhere", "compose-database-not-kept"),
    ("postgres:16@", "postgres:18@", "compose-database-not-kept"),
    ("      - ../data/environments/production:/var/lib/odoo\n", "", "compose-filestore-not-kept"),
    ("../data/environments/production:", "../data/filestore:", "compose-data-dir-as-filestore"),
    ("../config/", "./config/", "compose-relative-path"),
    ("service_healthy", "service_started", "compose-depends-on"),
    ("stop_grace_period: 150s", "stop_grace_period: 1m", "compose-stop-grace"),
    ("    mem_limit: 2g\n", "", "compose-memory-limit"),
    ("    max-size: 50m\n", "", "compose-log-limit"),
    ("restart: unless-stopped", "restart: always", "compose-restart-always"),
    ("    stop_grace", "    user: root\n    stop_grace", "compose-root"),
    ("    stop_grace", "    environment: {REDIS_HOST: redis}\n    stop_grace", "compose-redis-missing"),
    ("../repo/addons:/mnt", "/var/run/docker.sock:/mnt", "compose-docker-socket"),
    ("services:\n", "version: \"3\"\nservices:\n", "compose-version-key"),
    ("    mem_limit: 2g", "   mem_limit: 2g", "compose-unreadable"),
    ("services:\n", SECOND_ODOO, "compose-gevent-missing"),
];

const SECOND_ODOO: &str = "services:
  marketing:
    image: odoo:18.0@sha256:2222222222222222222222222222222222222222222222222222222222222222
    entrypoint: [\"odoo\"]
    ports: [\"127.0.0.1:8070:8069\"]
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: [CMD, curl, -f, http://localhost:8069/web/health]}
    stop_grace_period: 150s
    mem_limit: 2g
    restart: unless-stopped
    logging: {options: {max-size: 50m}}
    volumes: [\"../data/environments/marketing:/var/lib/odoo\"]
";

#[test]
fn one_wrong_line_is_one_finding() {
    let nginx = include_str!("../../fixtures/good-nginx.conf");
    let compose = include_str!("../../fixtures/good-docker-compose.yml");
    for (good, edits) in [(nginx, NGINX_EDITS), (compose, COMPOSE_EDITS)] {
        for (from, to, wanted) in edits {
            assert!(good.contains(from), "{from}");
            let found = judge_text("deploy/compose.yml", &good.replace(from, to), Series::V18);
            let told: Vec<&str> = ids(&found).into_iter().collect();
            assert_eq!(told.join(" "), *wanted, "{from} -> {to}: {found:#?}");
            assert!(!table(&found).contains("hunter2"));
        }
    }
}

#[test]
fn several_odoos_that_only_ports_tell_apart_are_told_so() {
    let compose = include_str!("../../fixtures/good-docker-compose.yml");
    let two = compose.replacen("services:\n", SECOND_ODOO, 1);
    let open = two
        .replace("127.0.0.1:8070:8069", "8070:8069")
        .replace("127.0.0.1:8069:8069", "8069:8069");
    let found = |text: &str| {
        ids(&judge_text("deploy/compose.yml", text, Series::V18)).contains("compose-editions-by-port")
    };
    assert!(found(&open) && !found(&two));
}

#[test]
fn our_own_nginx_conf_leaves_nothing_to_say() {
    let site = crate::render::nginx::Site {
        environment: "production".to_owned(),
        domain: "erp.example.com".to_owned(),
        certificate: "/d/c.pem".into(),
        key: "/d/k.pem".into(),
        gate_socket: "/d/gate.sock".into(),
        slots: vec![crate::render::nginx::Slot {
            host: "127.0.0.1".to_owned(),
            web: 20_000,
            websocket: Some(20_001),
        }],
        static_roots: vec!["/d/addons".into()],
        accel: None,
        inner: Some(("127.0.0.1".to_owned(), 20_009)),
        direct_port: None,
        ribbon: None,
        production: true,
        hsts: false,
    };
    let input = crate::render::nginx::Nginx {
        hash: "0123".to_owned(),
        version: (1, 22, 1),
        user: None,
        workers: 2,
        pid: "/d/pid".into(),
        temporary: "/d/tmp".into(),
        access_log: crate::render::nginx::AccessLog::File("/d/a.log".into()),
        error_log: "/d/e.log".into(),
        listen: vec!["0.0.0.0".to_owned()],
        http_port: 80,
        https_port: 443,
        body_limit: crate::units::Bytes::mib(128),
        login_rate: 30,
        sites_in: None,
        sites: vec![site],
    };
    let text = crate::render::nginx::nginx_conf(&input);
    assert_eq!(judge_text("nginx.conf", &text, Series::V18), []);
}

#[test]
fn the_list_names_each_check_once_and_knows_every_finding() {
    let all = all();
    let names: BTreeSet<&str> = all.iter().map(|check| check.id).collect();
    assert_eq!(names.len(), all.len());
    let found = judge_files(
        &[COMPOSE, NGINX, CONF, File { path: "x", text: "?" }],
        Series::V19,
    );
    assert!(ids(&found).is_subset(&names));
    assert!(!ids(&found).contains("conf-other"));
}

#[test]
fn every_rule_about_odoo_conf_has_a_name() {
    let text = "x = 1\n[options]\nworkers = 1\nworkers = 1\nnonsense\nxmlrpc_port = 1\ninit = sale\nlist_db = \"yes\"\n\
                admin_passwd = admin\ndb_user = postgres\nlimit_memory_soft = 1048576\nlimit_memory_hard = 1000\n\
                http_port = False\nlog_level = blue\nproxy_mode = True\nfoo_bar = 1\n[queue_job]\nx = 1\n[options]\n";
    for series in Series::ALL {
        for text in [
            text,
            "[options]\n",
            "[options]\nworkers = 9\ndb_name = False\nlogfile = /x\ndbfilter = a\nlist_db = False\n",
        ] {
            assert!(
                !ids(&judge_text("odoo.conf", text, series)).contains("conf-other"),
                "{series}"
            );
        }
    }
}
