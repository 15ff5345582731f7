//! A pack whose Odoo comes from git, with secrets, modules of its own, a job runner and, later, a second environment.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::Digest;
use support::{Pack, addons, machine, odoo_git, wait_for};

const CANARY: &str = "canary-5f0c9e27b1";
const SMTP: &str = "canary-relay-81aa36";

/// A module of the pack's series and one of another series, as the OCA publishes them.
const OF_19: (&str, &str) = ("odoo-addon-partner-firstname", "19.0.1.0.3");
const OF_18: (&str, &str) = ("odoo-addon-auditlog", "18.0.2.0.8");
const JOBS: (&str, &str) = ("odoo-addon-queue-job", "19.0.2.4.0.1");

const FILE: &str = r#"[addons]
own = ["addons/oca", "addons/old"]
requirements = ["requirements.txt"]

[mail]
smtp = "127.0.0.1:2525"
credentials = "secret:cmd:/bin/cat RELAY"

[editions.core]
modules = ["partner_firstname", "queue_job"]
jobrunner = true

[editions.plain]
modules = ["partner_firstname"]

[editions.old]
modules = ["auditlog"]

[environments.production]
edition = "core"
domain = "localhost"
users = 6

[environments.production.env]
CANARY = "secret:CANARY"
PLAIN = "said openly"
ODOO_QUEUE_JOB_CHANNELS = "root:2"
"#;

const STAGING: &str = r#"
[environments.staging]
kind = "staging"
edition = "old"
domain = "staging.localhost"
"#;

#[test]
fn secrets_modules_and_a_second_environment() {
    let odoo = odoo_git::repository();
    let from_git =
        |text: &str| text.replace("{ debian = \"sid\" }", &format!("{{ git = \"{}\" }}", odoo.url));
    let pack = Pack::with_file("pack", 31_100, &from_git(&support::file("pack", "")));
    another_series_is_refused(&pack);
    let keep = tempfile::tempdir().unwrap();
    let relay = Utf8Path::from_path(keep.path()).unwrap().join("relay");
    let text = from_git(&support::file("pack", FILE)).replace("ROOT", pack.root.as_str());
    pack.write("repo/odoopack.toml", &text.replace("RELAY", relay.as_str()));
    pack.write("repo/requirements.txt", "openupgradelib\n");
    for (package, version) in [OF_19, JOBS] {
        addons::lay_out(package, version, &pack.path("repo/addons/oca"));
    }
    addons::lay_out(OF_18.0, OF_18.1, &pack.path("repo/addons/old"));
    pack.run_with(&["secret", "set", "CANARY"], CANARY).exits(0);
    a_command_without_a_value_is_named(&pack, &relay);
    pack.now("a list of Python packages is locked before anything is built from it");
    let unlocked = pack.run(&["up", "--yes"]).exits(4);
    let words = "the Python packages of [addons] requirements are not locked";
    assert!(unlocked.stderr.contains(words), "{}", unlocked.said());
    pack.run(&["lock"]).exits(0);
    pack.now("up with a secret for Odoo, one from a command, and modules of the OCA");
    pack.run(&["plan", "--json"]).exits(0);
    pack.run(&["up", "--yes", "--verbose"]).exits(0);
    odoo_sees_them(&pack);
    module_is_installed(&pack);
    jobs_run_and_one_process_hands_them_out(&pack);
    logs_end_with_their_reader(&pack);
    a_wrong_option_of_the_server_stops_nobody(&pack);
    database_password_is_rotated(&pack);
    wrong_series_is_refused(&pack);
    second_environment_disturbs_nobody(&pack);
    pack.run(&["up", "--yes", "--json", "--verbose"]).exits(0);
    pack.run(&["status"]).exits(0);
    pack.run(&["render", "--check"]).exits(0);
    nothing_leaks(&pack);
    modes(&pack);
    schedule_renews_a_certificate(&pack);
    a_brought_certificate_is_watched(&pack);
    pack.run(&["down"]).exits(0);
    pack.now("done");
}

/// The branch's name says one series, the code another.
fn another_series_is_refused(pack: &Pack) {
    pack.now("a branch with the code of another series is refused");
    let text = pack.read("repo/odoopack.toml");
    let environment = "\n[environments.production]\ndomain = \"localhost\"\n";
    pack.write(
        "repo/odoopack.toml",
        &(text.replace("series = \"19.0\"", "series = \"18.0\"") + environment),
    );
    let refused = pack.run(&["up", "--yes"]).exits(4);
    let words = "the source is Odoo 19.0, the file asks for 18.0";
    assert!(refused.stderr.contains(words), "{}", refused.said());
}

/// A password manager that is locked, or has nothing, is said by its command; what it printed is not.
fn a_command_without_a_value_is_named(pack: &Pack, relay: &Utf8Path) {
    let refused = pack.run(&["plan"]).exits(1);
    assert!(
        refused.stderr.contains("could not get `secret:cmd:/bin/cat")
            && refused.stderr.contains("No such file"),
        "{}",
        refused.said()
    );
    support::write(relay, "\n");
    let refused = pack.run(&["plan"]).exits(1);
    assert!(refused.stderr.contains("prints is empty"), "{}", refused.said());
    support::write(relay, &format!("relay:{SMTP}\n"));
}

/// The variable and the relay's password arrive, and only where they belong.
fn odoo_sees_them(pack: &Pack) {
    pack.now("Odoo sees the variables and the relay");
    let script = "import hashlib, os\nfrom odoo.tools import config\n\
        shown = lambda text: hashlib.sha256(text.encode()).hexdigest()\n\
        print('seen', shown(os.environ['CANARY']), os.environ['PLAIN'], config['smtp_user'], shown(config['smtp_password']))\n";
    let answer = pack.run_with(&["shell", "production"], script).exits(0);
    let wanted = format!("seen {} said openly relay {}", digest(CANARY), digest(SMTP));
    assert!(answer.stdout.contains(&wanted), "{}", answer.said());
    let status = pack.status();
    for (service, has_it) in [
        ("production.blue.web", true),
        ("production.blue.cron", true),
        ("gate", false),
        ("nginx", false),
    ] {
        let pid = &status["services"][service]["pid"];
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert_eq!(contains(&environment, CANARY.as_bytes()), has_it, "{service}");
    }
}

fn digest(text: &str) -> String {
    format!("{:x}", sha2::Sha256::digest(text))
}

fn module_is_installed(pack: &Pack) {
    pack.now("the module is installed and nginx serves its files");
    let sql = "SELECT state || ' ' || latest_version FROM ir_module_module WHERE name = 'partner_firstname'";
    let answer = pack.run(&["psql", "production", "--", "-Atc", sql]).exits(0);
    assert_eq!(answer.stdout.trim(), "installed 19.0.1.0.3");
    let site = pack.site();
    let icon = site.get("/partner_firstname/static/description/icon.png").is(200);
    assert!(icon.body.starts_with(b"\x89PNG"));
    assert!(
        icon.header("etag")
            .trim_matches('"')
            .ends_with(&format!("-{:x}", icon.body.len())),
        "{}",
        icon.headers
    );
}

fn jobs_run_and_one_process_hands_them_out(pack: &Pack) {
    pack.now("a delayed job is done, and one process hands jobs out");
    let ask = |sql: &str| {
        let answer = pack.run(&["psql", "production", "--", "-Atc", sql]).exits(0);
        answer.stdout.trim().to_owned()
    };
    let script = "job = env['queue.job'].with_delay()._test_job()\nenv.cr.commit()\nprint('job', job.uuid)\n";
    let answer = pack.run_with(&["shell", "production"], script).exits(0);
    let job = answer
        .stdout
        .split("job ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let job = job.unwrap_or_else(|| panic!("{}", answer.said())).to_owned();
    wait_for("the job is done", || {
        (ask(&format!("SELECT state FROM queue_job WHERE uuid = '{job}'")) == "done").then_some(())
    });
    // Every runner holds the module's own lock, or says that it could not get it.
    let holder = ask(
        "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) \
                      WHERE locktype = 'advisory' AND granted AND datname = current_database()",
    );
    let runner = holder.strip_prefix("odoo-").and_then(|pid| pid.parse().ok());
    let runner: u32 = runner.unwrap_or_else(|| panic!("one holder of the lock, not {holder:?}"));
    let status = pack.status();
    let web = status["services"]["production.blue.web"]["pid"].as_u64();
    let children = machine::children(u32::try_from(web.unwrap()).unwrap());
    assert!(
        children.iter().any(|child| child.pid == runner),
        "{runner}: {children:?}"
    );
    let says = |service: &str| {
        pack.read(&format!("data/logs/production.blue.{service}/current"))
            .matches("queue_job.jobrunner")
            .count()
    };
    assert!(
        says("web") > 0 && says("cron") == 0,
        "web {}, cron {}",
        says("web"),
        says("cron")
    );
}

/// Every environment needs the server: it is not stopped for an option with which it would not start again.
fn a_wrong_option_of_the_server_stops_nobody(pack: &Pack) {
    pack.now("an option that PostgreSQL does not know leaves it running");
    let server = || pack.status()["services"]["postgres"]["pid"].clone();
    let (before, text) = (server(), pack.read("repo/odoopack.toml"));
    let wrong = format!("{text}\n[postgres.options]\nmax_conections = \"9\"\n");
    pack.write("repo/odoopack.toml", &wrong);
    let refused = pack.run(&["up", "--yes"]).exits(1);
    for words in ["would not start", "max_conections", "[postgres.options]"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.said());
    }
    pack.write("repo/odoopack.toml", &text);
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(server(), before);
}

fn database_password_is_rotated(pack: &Pack) {
    pack.now("the database password is rotated");
    let old = pack.secret("PRODUCTION_DATABASE");
    pack.run(&["secret", "rotate", "PRODUCTION_DATABASE"]).exits(0);
    let new = pack.secret("PRODUCTION_DATABASE");
    assert_ne!(old, new);
    pack.run(&["up", "--yes"]).exits(0);
    for (password, enters) in [(old, false), (new, true)] {
        let socket = pack.path("data/run/postgres");
        let said = machine::psql(
            &socket,
            ("pack_production", "pack_production"),
            &password,
            "SELECT 1",
        );
        assert_eq!(said.is_some(), enters);
    }
    pack.run(&["status"]).exits(0);
    let site = pack.site();
    let session = wait_for("sign in", || {
        site.sign_in("pack_production", &pack.secret("PRODUCTION_ADMIN"))
    });
    assert!(session.get("/odoo").status < 400);
}

/// A module of another series is named before anything is touched.
fn wrong_series_is_refused(pack: &Pack) {
    pack.now("a module of another series is refused");
    let text = pack.read("repo/odoopack.toml");
    pack.write("repo/odoopack.toml", &format!("{text}{STAGING}"));
    let refused = pack.run(&["up", "--yes"]).exits(4);
    assert!(
        refused.stderr.contains("auditlog") && refused.stderr.contains("18.0"),
        "{}",
        refused.said()
    );
    assert!(!pack.path("data/environments/staging").exists());
}

fn second_environment_disturbs_nobody(pack: &Pack) {
    pack.now("a second environment comes up beside the first");
    let pids = |pack: &Pack| -> BTreeMap<String, u64> {
        let status = pack.status();
        let services = status["services"].as_object().unwrap();
        services
            .iter()
            .filter_map(|(name, fact)| Some((name.clone(), fact["pid"].as_u64()?)))
            .collect()
    };
    let before = pids(pack);
    pack.edit_file("edition = \"old\"", "edition = \"plain\"");
    pack.run(&["up", "--yes"]).exits(0);
    let after = pids(pack);
    for (name, pid) in &before {
        assert_eq!(after.get(name), Some(pid), "{name} was restarted");
    }
    assert_eq!(after.len(), before.len() + 2, "{after:?}");
    pack.run(&["status"]).exits(0);
    let [mut ours, mut theirs] = [pack.site(), pack.site()];
    "staging.localhost".clone_into(&mut theirs.domain);
    for (site, database) in [(&mut ours, "pack_production"), (&mut theirs, "pack_staging")] {
        let secret = format!("{}_ADMIN", database.trim_start_matches("pack_").to_uppercase());
        let session = site.sign_in(database, &pack.secret(&secret));
        session
            .unwrap_or_else(|| panic!("cannot sign in to {database}"))
            .picture_goes_round();
    }
    let wrong = theirs.sign_in("pack_staging", &pack.secret("PRODUCTION_ADMIN"));
    assert!(wrong.is_none(), "each environment has a password of its own");
}

/// No value of any secret stands anywhere but in its own file, odoo.conf and the file of variables.
fn nothing_leaks(pack: &Pack) {
    pack.now("no secret value is anywhere else");
    let secrets = pack.path("data/secrets");
    let mut values = vec![CANARY.to_owned(), SMTP.to_owned()];
    for entry in secrets.read_dir_utf8().unwrap().flatten() {
        if entry.path().extension().is_none() {
            values.push(std::fs::read_to_string(entry.path()).unwrap().trim().to_owned());
        }
    }
    assert!(
        values.len() >= 11 && values.iter().all(|value| value.len() > 8),
        "{} values",
        values.len()
    );
    let leaks = |text: &[u8]| values.iter().any(|value| contains(text, value.as_bytes()));
    assert!(
        !leaks(pack.everything_said().as_bytes()),
        "in what the program printed"
    );
    for process in machine::processes() {
        assert!(
            !leaks(process.line.as_bytes()),
            "in the arguments of {}",
            process.pid
        );
    }
    let mut seen = 0;
    for path in files_below(&pack.root) {
        let kept = path.starts_with(&secrets) || path.file_name() == Some("odoo.conf");
        // The cluster holds verifiers, and Odoo's own tables; releases are other people's code.
        let foreign = ["data/postgres", "data/releases", "data/odoopack/bin"]
            .iter()
            .any(|d| path.starts_with(pack.path(d)));
        if !kept && !foreign {
            seen += 1;
            assert!(!leaks(&std::fs::read(&path).unwrap_or_default()), "in {path}");
        }
    }
    assert!(seen > 60, "only {seen} files were looked at");
}

fn modes(pack: &Pack) {
    pack.now("owners and modes of what holds secrets");
    let look = |path: &Utf8Path| {
        let seen = std::fs::metadata(path).unwrap();
        (seen.mode() & 0o7777, seen.uid(), seen.gid())
    };
    assert_eq!(look(&pack.path("data/secrets")), (0o700, 0, 0));
    for part in ["filestore", "sessions"] {
        let view = pack.path("data").join(part);
        let kept = pack.path("data/environments/production").join(part);
        assert_eq!(view.read_link_utf8().unwrap(), kept);
        assert!(view.read_dir_utf8().unwrap().count() > 0, "{view} shows nothing");
    }
    for path in files_below(&pack.path("data/secrets")) {
        assert_eq!(look(&path), (0o600, 0, 0), "{path}");
    }
    for (environment, slot) in [
        ("production", "blue"),
        ("production", "green"),
        ("staging", "blue"),
    ] {
        let (mode, user, group) = look(&pack.path(&format!("data/config/{environment}/{slot}/odoo.conf")));
        let wanted: u32 = machine::must("id", &["-g", &format!("odoo-pack-{environment}")])
            .trim()
            .parse()
            .unwrap();
        assert_eq!((mode, user, group), (0o640, 0, wanted), "{environment} {slot}");
    }
    for path in files_below(&pack.path("data/tls")) {
        if path.extension() == Some("key") {
            assert_eq!(look(&path).0 & 0o077, 0, "{path}");
        }
    }
}

/// Nobody but its owner renews it, so `doctor` has to say when it is time.
fn a_brought_certificate_is_watched(pack: &Pack) {
    pack.now("a certificate that was brought runs out soon");
    let (certificate, key) = (pack.path("brought.pem"), pack.path("brought.key"));
    let make = "req -x509 -newkey rsa:2048 -nodes -days 5 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout";
    let mut words: Vec<&str> = make.split(' ').collect();
    words.extend([key.as_str(), "-out", certificate.as_str()]);
    machine::must("openssl", &words);
    let tls = format!("domain = \"localhost\"\ntls = {{ certificate = \"{certificate}\", key = \"{key}\" }}");
    pack.edit_file("domain = \"localhost\"", &tls);
    let said = pack.run(&["doctor", "--json"]).first_json().to_string();
    assert!(said.contains("the certificate runs out in "), "{said}");
}

/// `logs --follow | head` ends when `head` does, at the next line that it would have got.
fn logs_end_with_their_reader(pack: &Pack) {
    pack.now("a reader of the logs goes away");
    let script = format!(
        "for n in {{1..60}}; do sleep 1; curl --insecure --silent --output /dev/null https://localhost:{}/web/login; done &\n\
         timeout 60 {} --root {} logs --follow --since 1h | head -n 1 >/dev/null\n\
         echo ${{PIPESTATUS[0]}}; kill %1",
        pack.site().port,
        env!("CARGO_BIN_EXE_odoopack"),
        pack.root
    );
    let ended = machine::must("bash", &["-c", &script]);
    assert_eq!(ended.trim(), "0", "the exit code of `logs`");
}

/// The supervised service looks after the jobs; the clock of one run is put 380 days ahead, and nginx serves what it made.
fn schedule_renews_a_certificate(pack: &Pack) {
    pack.now("the schedule renews a certificate in time");
    let listed = pack.json(&["schedule", "list"]);
    assert_eq!(
        (&listed["begun"], &listed["jobs"][0]["name"]),
        (&true.into(), &"certificates".into())
    );
    assert!(pack.run(&["renew"]).exits(0).stdout.contains("nothing to do"));
    pack.run(&["schedule", "run", "certificates"]).exits(0);
    let before = pack.read("data/tls/production.pem");
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    assert!(
        Utf8Path::new(library).exists(),
        "`cargo xtask setup` installs faketime"
    );
    let root = pack.root.as_str();
    let renew = ["--root", root, "renew", "--json"];
    let ahead = [
        &format!("LD_PRELOAD={library}"),
        "FAKETIME=+380d",
        env!("CARGO_BIN_EXE_odoopack"),
    ];
    let said = machine::must("env", &[ahead.as_slice(), renew.as_slice()].concat());
    assert!(
        said.contains("issue-certificate") && said.contains("reload-service"),
        "{said}"
    );
    let after = pack.read("data/tls/production.pem");
    assert_ne!(before, after);
    let port = pack.site().port;
    wait_for("nginx serves the new certificate", || {
        let address = format!("127.0.0.1:{port}");
        let seen = machine::must(
            "timeout",
            &[
                "20",
                "openssl",
                "s_client",
                "-connect",
                &address,
                "-servername",
                "localhost",
                "-showcerts",
            ],
        );
        let leaf = after.split("-----END").next().unwrap().trim();
        seen.contains(leaf).then_some(())
    });
    assert!(
        pack.json(&["plan"])["steps"].as_array().unwrap().is_empty(),
        "a renewal leaves nothing to do"
    );
}

fn files_below(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut all = Vec::new();
    for entry in directory.read_dir_utf8().into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => all.extend(files_below(entry.path())),
            Ok(kind) if kind.is_file() => all.push(entry.into_path()),
            _ => {}
        }
    }
    all
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}
