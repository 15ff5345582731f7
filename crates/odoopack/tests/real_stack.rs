//! A pack in containers, with a real Docker Engine and Docker Compose in a network of their own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on shall panic, in its helpers too; it says what it does"
)]

#[path = "stack/bringing.rs"]
mod bringing;
#[path = "stack/given.rs"]
mod given;
#[path = "stack/jobs.rs"]
mod jobs;
#[path = "stack/modules.rs"]
mod modules;
#[path = "stack/refused.rs"]
mod refused;
#[path = "stack/sessions.rs"]
mod sessions;
mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use support::browser::Browser;
use support::probe::probe_module;
use support::stack::{FILES_AT_FIRST, Index, docker, id, must, reboot, stack_file, with_docker};
use support::web::{Session, Site};
use support::{Pack, machine, wait_for};

const SERVICES: [&str; 6] = [
    "gate",
    "nginx",
    "postgres",
    "production.blue.cron",
    "production.blue.web",
    "redis",
];

const FILE: &str = r#"
[addons]
own = ["addons/own"]

[environments.production]
domain = "localhost"
workers = 2
sessions = "redis"

[environments.production.env]
CANARY = "secret:CANARY"
"#;

const CANARY: &str = "canary-77b1d2c4";

#[test]
fn a_pack_lives_in_containers() {
    with_docker("a_pack_lives_in_containers", production_lives_in_containers);
}

fn production_lives_in_containers() {
    let upstream = modules::upstream();
    let file = modules::file(&stack_file("shop", FILE), upstream.path());
    let pack = Pack::with_file("stack", 31_800, &file);
    probe_module(&pack, "one", "first");
    pack.run_with(&["secret", "set", "CANARY"], CANARY).exits(0);
    pack.write("repo/requirements.txt", "odoo-addon-auditlog\n");
    pack.now("a lock with the image, a repository and a Python package");
    let unlocked = pack.run(&["up", "--yes"]).exits(4);
    assert!(unlocked.stderr.contains("are not locked"), "{}", unlocked.said());
    let index = Index::start();
    pack.run(&["lock"]).exits(0);
    let watch = machine::Watch::start();
    pack.now("up from nothing");
    pack.run(&["up", "--yes"]).exits(0);
    drop(index);
    nothing_to_do(&pack);
    all_good(&pack);
    modules::come_from_the_lock(&pack);
    let compiled = modules::are_compiled(&pack);
    a_person_signs_in(&pack, &pack.site());
    no_secret_can_be_seen(&pack);
    only_nginx_is_published();
    people_work_in_it(&pack);
    a_killed_process_comes_back(&pack);
    jobs::a_missed_one_waits_for_the_server(&pack);
    nothing_to_do(&pack);
    a_container_made_anew_breaks_no_request(&pack);
    data_outlives_the_containers(&pack);
    assert_eq!(modules::are_compiled(&pack), compiled, "once");
    sessions::are_in_redis(&pack);
    it_runs_without_this_program(&pack);
    a_backup_is_made_with_the_servers_own_programs(&pack);
    bringing::a_snapshot_is_proven(&pack);
    bringing::a_zip_goes_out_and_comes_in(&pack);
    images_go_to_a_machine_without_a_registry(&pack);
    refused::another_engine(&pack);
    refused::books_out_of_sight(&pack);
    bringing::a_lost_machine_comes_back(&pack);
    pack.run(&["down"]).exits(0);
    no_process_was_given_a_secret(&pack, watch);
    assert_eq!(must(&["ps", "--all", "--quiet"]), "");
    pack.now("done");
}

#[test]
fn a_stack_has_its_databases_elsewhere() {
    with_docker(
        "a_stack_has_its_databases_elsewhere",
        given::a_server_of_somebody_else_serves_a_stack,
    );
}

#[track_caller]
fn nothing_to_do(pack: &Pack) {
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
}

#[track_caller]
fn all_good(pack: &Pack) {
    let status = pack.run(&["status", "--json"]).exits(0).first_json();
    for probe in status["probes"]["production"].as_array().unwrap() {
        assert_eq!(probe["verdict"], "pass", "{probe}");
    }
    for service in SERVICES {
        assert_eq!(
            status["services"][service]["running"], true,
            "{service}: {status}"
        );
    }
}

fn a_person_signs_in(pack: &Pack, site: &Site) {
    pack.now("a person signs in with a browser, and a websocket opens");
    let browser = Browser::start(site, &pack.read("data/tls/production.pem"));
    browser.type_into("input[name=login]", "admin");
    browser.type_into("input[name=password]", &pack.secret("PRODUCTION_ADMIN"));
    browser.click("button[type=submit]");
    browser.find(".o_main_navbar");
    let broken = browser.script("return performance.getEntriesByType('resource').filter(r => r.responseStatus >= 400).map(r => r.name)");
    assert_eq!(broken, json!([]));
    drop(browser);
    assert!(site.websocket().contains(" 101 "), "{}", site.websocket());
}

/// Neither in a command line, nor in what Docker tells of a container, nor in the files beside the stack.
fn no_secret_can_be_seen(pack: &Pack) {
    pack.now("no secret in a process list, in `docker inspect` or in the stack");
    let names = [
        "PRODUCTION_ADMIN",
        "PRODUCTION_DATABASE",
        "PRODUCTION_MASTER",
        "PRODUCTION_SESSIONS",
    ];
    let mut secrets: Vec<String> = names.iter().map(|name| pack.secret(name)).collect();
    secrets.push(CANARY.to_owned());
    let file = pack.path("deploy/docker-compose.yml");
    let file = ["compose", "--file", file.as_str()];
    // With what is only run when it is asked for.
    let mut texts = vec![must(&[&file[..], &["--profile", "tools", "config"]].concat())];
    assert!(texts[0].contains("production.tools"), "{}", texts[0]);
    for service in SERVICES {
        texts.push(must(&["top", &id(service), "-eo", "pid,args"]));
        texts.push(must(&["inspect", &id(service)]));
    }
    for file in [
        "deploy/docker-compose.yml",
        "deploy/.env",
        "deploy/nginx/nginx.conf",
        "deploy/nginx/localhost.conf",
    ] {
        texts.push(pack.read(file));
    }
    for text in texts {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a secret stands in\n{text}");
        }
    }
    let answer = pack.run_with(
        &["shell", "production"],
        "import os; print('seen', os.environ['CANARY'])\n",
    );
    assert!(answer.exits(0).stdout.contains(&format!("seen {CANARY}")));
}

/// Nor of those containers that do one thing and end.
fn no_process_was_given_a_secret(pack: &Pack, watch: machine::Watch) {
    let lines = watch.lines();
    let known = |words: &str| lines.iter().any(|line| line.contains(words));
    assert!(
        known("odoo") && known("pg_dump") && known("pg_restore"),
        "{lines:?}"
    );
    let mut secrets = 0;
    for entry in pack.path("data/secrets").read_dir_utf8().unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let secret = text.trim();
        let told = lines.iter().find(|line| line.contains(secret));
        assert_eq!(told, None, "{}", entry.file_name());
        secrets += 1;
    }
    assert!(secrets >= 5, "{secrets} secrets");
}

fn only_nginx_is_published() {
    let listening = machine::listening();
    assert_eq!(
        listening
            .into_iter()
            .filter(|port| *port < 10_000)
            .collect::<Vec<_>>(),
        [80, 443]
    );
    for service in SERVICES {
        let format = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.SecurityOpt}} {{.HostConfig.CapDrop}} {{.Config.User}}";
        let seen = must(&["inspect", "--format", format, &id(service)]);
        assert!(
            seen.starts_with("true [no-new-privileges:true] [ALL]"),
            "{service}: {seen}"
        );
        assert_eq!(seen.ends_with(" 0:0"), service == "nginx", "{service}: {seen}");
    }
    many_files_may_be_open();
    docker_may_tell_a_container_of_a_proxy();
    let format = "{{.HostConfig.NetworkMode}}";
    assert_eq!(must(&["inspect", "--format", format, &id("postgres")]), "none");
}

/// Docker itself leaves a process here no more than [`FILES_AT_FIRST`] of them.
fn many_files_may_be_open() {
    let limits = |service: &str, words: &str| {
        let all = must(&["top", &id(service), "-eo", "pid,args"]);
        // Docker's init, which is told the same words, is of no account.
        let mut lines = all.lines().filter(|line| !line.contains("docker-init"));
        let line = lines.find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("no `{words}` in {all}"));
        let pid = line.split_whitespace().next().unwrap();
        let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let files = text.lines().find_map(|line| line.strip_prefix("Max open files"));
        let files = files.unwrap().split_whitespace().take(2);
        files.map(|number| number.parse().unwrap()).collect::<Vec<u64>>()
    };
    let untouched = limits("postgres", "checkpointer");
    assert_eq!(untouched[0], FILES_AT_FIRST);
    let most = untouched[1];
    // Printing tries each of them.
    let odoo = most.min(65_536);
    assert_eq!(limits("production.blue.web", "gevent")[0], odoo);
    assert_eq!(limits("production.blue.cron", "--no-http")[0], odoo);
    assert_eq!(limits("nginx", "worker process")[0], most.min(16_384));
    assert_eq!(limits("gate", "gate --config")[0], most);
}

/// As it does where its user has one: the address of Odoo itself is asked all the same.
fn docker_may_tell_a_container_of_a_proxy() {
    let web = id("production.blue.web");
    let asked = must(&["inspect", "--format", "{{json .Config.Healthcheck.Test}}", &web]);
    let asked: Vec<String> = serde_json::from_str(&asked).unwrap();
    let asked: Vec<&str> = asked.iter().skip(1).map(String::as_str).collect();
    let proxy = "http_proxy=http://127.0.0.1:9";
    must(&[&["exec", "--env", proxy, &web][..], &asked].concat());
}

fn people_work_in_it(pack: &Pack) {
    pack.now("psql, shell, exec, logs, doctor");
    let ask = |more: &[&str], sql: &str| {
        let args = [&["psql", "production"], more, &["--", "-Atc", sql]].concat();
        pack.run(&args).exits(0).stdout.trim().to_owned()
    };
    assert_eq!(
        ask(&[], "SELECT current_user || ' ' || current_database()"),
        "shop_production shop_production"
    );
    assert_eq!(ask(&["--admin"], "SELECT current_user"), "odoopack");
    assert_eq!(
        ask(
            &["--admin"],
            "SELECT rolsuper FROM pg_roles WHERE rolname = 'shop_production'"
        ),
        "f"
    );
    assert_eq!(ask(&["--admin"], "SHOW data_checksums"), "on");
    let answer = pack
        .run(&["exec", "production", "--", "neutralize", "--stdout"])
        .exits(0);
    assert!(answer.stdout.contains("COMMIT;"), "{}", answer.said());
    let logs = pack.run(&["logs", "-n", "100000"]).exits(0).stdout;
    for (service, text) in [
        ("production.blue.web", "odoo.service.server"),
        ("postgres", "ready to accept"),
        ("nginx", "/web/login"),
    ] {
        assert!(
            logs.lines()
                .any(|line| line.starts_with(service) && line.contains(text)),
            "{service}: {text}"
        );
    }
    pack.run(&["doctor"]).exits(0);
    pack.run(&["render", "--check"]).exits(0);
}

fn a_killed_process_comes_back(pack: &Pack) {
    for service in ["production.blue.web", "gate", "postgres"] {
        pack.now(&format!("kill -9 of {service}"));
        let pid = must(&["inspect", "--format", "{{.State.Pid}}", &id(service)]);
        machine::kill(pid.parse().unwrap());
        wait_for(&format!("{service} is back and counted"), || {
            let seen = pack.status()["services"][service].clone();
            (seen["running"] == true && seen["restarts"].as_u64() > Some(0)).then_some(())
        });
    }
    wait_for("every probe passes again", || {
        (pack.status()["good"] == true).then_some(())
    });
    nothing_to_do(pack);
}

/// The slots stand behind the gate's socket, and the gate holds what comes while Odoo's container is exchanged.
fn a_container_made_anew_breaks_no_request(pack: &Pack) {
    pack.now("the gate's container is made anew under load, then Odoo's");
    let site = pack.site();
    let password = pack.secret("PRODUCTION_ADMIN");
    let session = site.sign_in("shop_production", &password).unwrap();
    let nginx = id("nginx");
    let over = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let load = CLIENTS.map(|client| scope.spawn(|| ask_on(&site, &session, client, &over)));
        let before = id("gate");
        pack.run(&["restart", "gate"]).exits(0);
        assert_ne!(id("gate"), before);
        pack.run(&["restart", "production.blue.web"]).exits(0);
        over.store(true, Ordering::Relaxed);
        load.map(|client| client.join().unwrap())
    });
    let bad: Vec<&String> = asked.iter().flat_map(|(_, bad)| bad).collect();
    let mut sent: Vec<&str> = asked
        .iter()
        .flat_map(|(sent, _)| sent.iter().map(String::as_str))
        .collect();
    assert_eq!(bad, [""; 0], "of {} requests", 2 * sent.len());
    assert!(asked.iter().all(|(sent, _)| sent.len() > 2), "{sent:?}");
    let written = session.call(
        "res.partner",
        "search_read",
        &json!([[["name", "like", "Load-"]], ["name"]]),
    );
    let written = written.as_array().unwrap().iter();
    let mut written: Vec<&str> = written.map(|one| one["name"].as_str().unwrap()).collect();
    sent.sort_unstable();
    written.sort_unstable();
    assert_eq!(written, sent, "each of them once");
    assert_eq!(id("nginx"), nginx);
    println!("         {} requests, none broken", 2 * sent.len());
    logged(pack, 1);
}

/// Who asks at the same time.
const CLIENTS: [&str; 3] = ["a", "b", "c"];

/// Reads and writes in turn until it is over: what was written, and what was not answered well.
fn ask_on(site: &Site, session: &Session<'_>, client: &str, over: &AtomicBool) -> (Vec<String>, Vec<String>) {
    let (mut sent, mut bad) = (Vec::new(), Vec::new());
    while !over.load(Ordering::Relaxed) {
        match site.try_get("/web/health") {
            Ok(page) if page.status == 200 => {}
            Ok(page) => bad.push(page.headers),
            Err(why) => bad.push(why),
        }
        let name = format!("Load-{client}-{}", sent.len());
        let written = session.try_call("res.partner", "create", &json!([[{ "name": name }]]));
        bad.extend(written.err());
        sent.push(name);
    }
    (sent, bad)
}

/// What containers said that are no more, with the words of their end.
#[track_caller]
fn logged(pack: &Pack, containers: usize) {
    let said = pack.run(&["logs", "production", "-n", "100000"]).exits(0).stdout;
    for words in ["Odoo version", "Stopping workers gracefully"] {
        let of_web = said
            .lines()
            .filter(|line| line.starts_with("production.blue.web"));
        let found = of_web.filter(|line| line.contains(words)).count();
        assert!(found >= containers, "{found} times `{words}` in {said}");
    }
}

fn data_outlives_the_containers(pack: &Pack) {
    pack.now("down and up keep what people made");
    let site = pack.site();
    let session = site
        .sign_in("shop_production", &pack.secret("PRODUCTION_ADMIN"))
        .unwrap();
    session.picture_goes_round();
    let files = std::fs::read_dir(pack.path("data/filestore/shop_production"));
    assert!(files.unwrap().count() > 0, "a view shows what people attached");
    let made = session.call("res.partner", "create", &json!([[{ "name": "Kept" }]]));
    assert!(made[0].is_u64(), "{made}");
    pack.run(&["down"]).exits(0);
    assert_eq!(must(&["ps", "--all", "--quiet"]), "");
    logged(pack, 2);
    // As `docker image prune --all` does it, with what nobody else can give again.
    let listed = pack.json(&["image", "list"]);
    let mut listed = listed["images"].as_array().unwrap().iter();
    let gate = listed.find(|image| image["part"] == "gate").unwrap();
    must(&["rmi", "--force", gate["id"].as_str().unwrap()]);
    let said = pack.run(&["up", "--yes"]).exits(0).said();
    assert!(said.contains("make image odoopack-gate"), "{said}");
    all_good(pack);
    let session = site
        .sign_in("shop_production", &pack.secret("PRODUCTION_ADMIN"))
        .unwrap();
    let found = session.call("res.partner", "search_count", &json!([[["name", "=", "Kept"]]]));
    assert_eq!(found, 1);
}

fn it_runs_without_this_program(pack: &Pack) {
    pack.now("plain `docker compose` brings up the same stack");
    let file = pack.path("deploy/docker-compose.yml");
    let compose = |args: &[&str]| docker(&[&["compose", "--file", file.as_str()], args].concat());
    let config = compose(&["config", "--quiet"]).exits(0);
    assert_eq!(config.stderr, "");
    compose(&["down"]).exits(0);
    compose(&["up", "--detach"]).exits(0);
    let works = || (pack.status()["good"] == true).then_some(());
    wait_for("every probe passes", works);
    nothing_to_do(pack);
    pack.now("the machine starts again, where nobody says what comes first");
    reboot();
    wait_for("every probe passes again", works);
    nothing_to_do(pack);
}

fn a_backup_is_made_with_the_servers_own_programs(pack: &Pack) {
    pack.now("a backup");
    pack.run(&["backup", "create"]).exits(0);
    let manifest = pack
        .run(&["backup", "cat", "latest", "manifest.json"])
        .exits(0)
        .json();
    let sql = "SELECT count(*) FROM res_partner";
    let counted = pack
        .run(&["psql", "production", "--", "-Atc", sql])
        .exits(0)
        .stdout;
    let rows = manifest["database"]["tables"]["public.res_partner"].clone();
    assert_eq!(rows.to_string(), counted.trim());
    assert_ne!(manifest["attachments"]["files"], 0);
    assert_eq!(manifest["attachments"]["missing"], json!([]));
}

/// The other machine is another pack that names images which nobody has.
fn images_go_to_a_machine_without_a_registry(pack: &Pack) {
    pack.now("images go into a file and out of it");
    let listed = pack.json(&["image", "list"])["images"].clone();
    let ids = |images: &serde_json::Value| -> Vec<String> {
        let all = images.as_array().unwrap().iter();
        all.map(|one| one["id"].as_str().unwrap_or("none").to_owned())
            .collect()
    };
    assert!(
        ids(&listed).iter().all(|id| id.starts_with("sha256:")),
        "{listed}"
    );
    let file = pack.path("images.tar");
    pack.run(&["image", "export", file.as_str()]).exits(0);
    pack.run(&["image", "export", file.as_str()]).exits(4);
    let text = stack_file("elsewhere", FILE)
        .replace("http_port = 80", "http_port = 8085")
        .replace("https_port = 443", "https_port = 8445")
        .replace("postgres:15", "postgres:elsewhere")
        .replace("nginx:1.22", "nginx:elsewhere")
        .replace("redis:7.0", "redis:elsewhere")
        .replace(
            "series = \"19.0\"",
            "series = \"19.0\"\nsource = { image = \"odoo:elsewhere\" }",
        );
    let other = Pack::with_file("stack-elsewhere", 31_850, &text);
    other.run(&["image", "import", "/dev/null"]).exits(4);
    other.run(&["image", "import", file.as_str()]).exits(0);
    let taken = other.json(&["image", "list"])["images"].clone();
    assert_eq!(ids(&taken), ids(&listed));
    std::fs::remove_file(&file).unwrap();
}
