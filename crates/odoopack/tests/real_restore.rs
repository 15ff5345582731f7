//! Backups of others come in and go out again, whatever they hold and whenever somebody kills it.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too; it writes files and starts Odoo's own program"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use camino::Utf8PathBuf;
use serde_json::json;
use support::{Pack, machine, wait_for};

const FILE: &str = r#"[editions.core]
modules = ["mail"]

[environments.production]
edition = "core"
domain = "localhost"

[editions.bare]
modules = []

[environments.staging]
edition = "bare"
kind = "staging"
domain = "staging.localhost"
"#;

#[test]
fn backups_come_in_and_go_out() {
    let pack = Pack::with_file("restore", 31_300, &support::file("restore", FILE));
    pack.now("up");
    pack.run(&["up", "--yes"]).exits(0);
    fill(&pack);
    let zip = export(&pack);
    odoo_reads_ours_and_we_read_odoos(&pack, &zip);
    every_other_shape(&pack);
    copy_is_harmless(&pack, &zip);
    hostile_backups_change_nothing(&pack, &zip);
    killed_anywhere(&pack, &zip);
    server_stops_in_the_middle(&pack, &zip);
    production_is_held(&pack, &zip);
    pack.run(&["up", "--yes", "--json"]).exits(0);
    pack.now("done");
}

/// One statement as the administrator, in any database.
#[track_caller]
fn sql(pack: &Pack, database: &str, text: &str) -> String {
    let socket = pack.path("data/run/postgres");
    let args = [
        "-h",
        socket.as_str(),
        "-U",
        "odoopack",
        "-d",
        database,
        "-v",
        "ON_ERROR_STOP=1",
        "-Atqc",
        text,
    ];
    machine::must("psql", &args).trim().to_owned()
}

fn databases(pack: &Pack) -> String {
    sql(
        pack,
        "postgres",
        "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database",
    )
}

/// Names of filestores, and the doors that `pg_hba.conf` knows.
fn leftovers(pack: &Pack) -> String {
    let mut names = Vec::new();
    for environment in ["production", "staging"] {
        let place = pack.path(&format!("data/environments/{environment}/filestore"));
        names.extend(
            place
                .read_dir_utf8()
                .unwrap()
                .flatten()
                .map(|entry| entry.file_name().to_owned()),
        );
    }
    names.sort();
    let roles = sql(
        pack,
        "postgres",
        "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE NOT rolcanlogin AND rolname !~ '^pg_'",
    );
    format!("{} | {} | {roles}", databases(pack), names.join(" "))
}

/// What a copy must not keep: a picture, a mail server, a job, an API key, a mail that waits.
fn fill(pack: &Pack) {
    let site = pack.site();
    let session = site.sign_in("restore_production", &pack.secret("PRODUCTION_ADMIN"));
    session.unwrap().picture_goes_round();
    sql(
        pack,
        "restore_production",
        "INSERT INTO ir_mail_server (name, smtp_host, smtp_port, smtp_encryption, smtp_authentication, smtp_pass, active) \
           VALUES ('real', 'smtp.example.com', 587, 'starttls', 'login', 'geheim', true); \
         INSERT INTO res_users_apikeys (name, user_id, scope, key, index) VALUES ('robot', 2, 'rpc', 'x', 'abcdefgh'); \
         INSERT INTO mail_mail (mail_message_id, state, email_to) \
           SELECT id, 'outgoing', 'a@example.com' FROM mail_message LIMIT 1; \
         INSERT INTO ir_config_parameter (key, value) VALUES ('restore.proof', 'of production')",
    );
}

fn export(pack: &Pack) -> Utf8PathBuf {
    pack.now("export, while everything runs");
    let zip = pack.path("out.zip");
    pack.run(&["backup", "export", "production", zip.as_str()])
        .exits(0);
    zip
}

/// The row hashes of every table.
fn tables(pack: &Pack, database: &str) -> BTreeMap<String, String> {
    let each = "SELECT string_agg(format('SELECT %L || '' '' || md5(coalesce(string_agg(x::text, ''|'' ORDER BY x::text), '''')) FROM public.%I x', \
                relname, relname), ' UNION ALL ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let all = sql(pack, database, &sql(pack, database, each));
    all.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

fn differences(pack: &Pack, one: &str, other: &str) -> Vec<String> {
    let (one, other) = (tables(pack, one), tables(pack, other));
    let names = one
        .keys()
        .chain(other.keys())
        .collect::<std::collections::BTreeSet<_>>();
    names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name))
        .cloned()
        .collect()
}

/// Odoo's own program, as the administrator of the cluster, who may make databases.
fn odoo(pack: &Pack, args: &[&str]) {
    let status = pack.status();
    let pid = &status["services"]["production.blue.web"]["pid"];
    let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap();
    let line = read("cmdline");
    let mut words = line.split('\0');
    let (python, entry) = (words.next().unwrap(), words.next().unwrap());
    let conf = pack.read("data/config/production/blue/odoo.conf");
    let conf: String = conf
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some(("db_user", _)) => "db_user = odoopack\n".to_owned(),
            Some(("db_password", _)) => String::new(),
            Some(("data_dir", _)) => format!("data_dir = {}\n", pack.path("odoo")),
            _ => format!("{line}\n"),
        })
        .collect();
    pack.write("odoo/odoo.conf", &conf);
    let mut command = Command::new(python);
    command.arg(entry).args(args);
    for (name, value) in read("environ")
        .split('\0')
        .filter_map(|pair| pair.split_once('='))
    {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "odoo {args:?}: {said}");
}

/// A zip of ours loads in Odoo, one of Odoo's comes back, and our neutralizing leaves the rows that Odoo's leaves (E20).
fn odoo_reads_ours_and_we_read_odoos(pack: &Pack, zip: &camino::Utf8Path) {
    pack.now("Odoo loads our zip, and neutralizes it");
    let conf = pack.path("odoo/odoo.conf").to_string();
    odoo(pack, &["db", "-c", &conf, "load", "theirs", zip.as_str()]);
    odoo(pack, &["neutralize", "-c", &conf, "-d", "theirs"]);
    let ours = pack
        .run(&["backup", "import", zip.as_str(), "--as", "ours", "--json"])
        .exits(0)
        .json();
    assert_eq!(ours["found"]["missing"], 0);
    assert!(ours["found"]["attachments"].as_u64().unwrap() > 5, "{ours}");
    assert_eq!(
        differences(pack, "theirs", "ours"),
        [
            "ir_config_parameter",
            "ir_mail_server",
            "mail_mail",
            "res_users_apikeys"
        ],
        "beside our own rules"
    );
    let rows = |database: &str| {
        let kept = "SELECT string_agg(key || '=' || value, E'\\n' ORDER BY key) FROM ir_config_parameter \
                    WHERE key NOT IN ('database.uuid', 'database.secret', 'database.create_date', 'web.base.url')";
        let servers =
            "SELECT string_agg((name, smtp_host, active)::text, ' ' ORDER BY name) FROM ir_mail_server";
        [sql(pack, database, kept), sql(pack, database, servers)]
    };
    assert_eq!(rows("theirs"), rows("ours"));
    pack.now("we load what Odoo has dumped");
    let dumped = pack.path("theirs.zip").to_string();
    odoo(pack, &["db", "-c", &conf, "dump", "theirs", &dumped]);
    pack.run(&["backup", "import", &dumped, "--as", "back"]).exits(0);
    assert_eq!(
        sql(
            pack,
            "back",
            "SELECT value FROM ir_config_parameter WHERE key = 'restore.proof'"
        ),
        "of production"
    );
    pack.run(&["backup", "import", &dumped, "--as", "back"]).exits(4);
    // `back` is owned by the environment's role, whoever owned it before.
    let owners = "SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')";
    assert_eq!(sql(pack, "back", owners), "restore_production");
    for database in ["theirs", "back", "ours"] {
        sql(pack, "postgres", &format!("DROP DATABASE {database}"));
    }
}

/// Folder, custom, plain and compressed: out, and in again, with the same indexes and attachments.
fn every_other_shape(pack: &Pack) {
    let indexes = "SELECT count(*) || ' ' || md5(string_agg(indexname, '|' ORDER BY indexname)) FROM pg_indexes WHERE schemaname = 'public'";
    let whole = sql(pack, "restore_production", indexes);
    for (name, more, only) in [
        ("folder", &["--shape", "folder"][..], &[][..]),
        ("a.dump", &[], &["--only", "database"]),
        ("a.sql", &[], &["--only", "database"]),
        ("a.sql.gz", &[], &["--only", "database"]),
    ] {
        pack.now(&format!("out and in: {name}"));
        let path = pack.path(name).to_string();
        pack.run(&[&["backup", "export", "production", &path][..], more].concat())
            .exits(0);
        pack.run(&[&["backup", "import", &path, "--as", "shape"][..], only].concat())
            .exits(0);
        assert_eq!(sql(pack, "shape", indexes), whole, "{name}");
        let files = pack.path("data/environments/production/filestore/shape");
        assert_eq!(files.exists(), name == "folder");
        drop(std::fs::remove_dir_all(files));
        sql(pack, "postgres", "DROP DATABASE shape");
        sql(pack, "postgres", "DROP ROLE shape");
    }
    let dump = pack.path("a.dump").to_string();
    let refused = pack.run(&["backup", "import", &dump, "--as", "shape"]).exits(4);
    assert!(
        refused.stderr.contains("--only database"),
        "a dump without attachments: {}",
        refused.said()
    );
}

fn copy_is_harmless(pack: &Pack, zip: &camino::Utf8Path) {
    pack.now("production into staging: a harmless copy that serves");
    let before = pack.run(&["env", "check", "staging", "--json"]);
    assert_eq!(
        before.code,
        Some(8),
        "a fresh staging runs its jobs: {}",
        before.said()
    );
    pack.run(&["backup", "import", zip.as_str(), "--to", "staging", "--yes"])
        .exits(0);
    pack.run(&["env", "check", "staging"]).exits(0);
    let mark = |database: &str| {
        let setting = "SELECT c FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c WHERE d.datname = ";
        sql(pack, "postgres", &format!("{setting}'{database}'"))
    };
    assert_eq!(mark("restore_staging"), "odoopack.kind=staging");
    let mut site = pack.site();
    "staging.localhost".clone_into(&mut site.domain);
    let session = site
        .sign_in("restore_staging", &pack.secret("STAGING_ADMIN"))
        .unwrap();
    session.picture_goes_round();
    let told = session.call("ir.config_parameter", "get_param", &json!(["restore.proof"]));
    assert_eq!(told, "of production");
    assert_eq!(site.get("/web/login").status, 200);
    let uuid = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";
    assert_ne!(
        sql(pack, "restore_staging", uuid),
        sql(pack, "restore_production", uuid)
    );
    sql(
        pack,
        "restore_staging",
        "UPDATE ir_cron SET active = true WHERE id = (SELECT max(id) FROM ir_cron)",
    );
    let said = pack.run(&["env", "check", "staging"]).exits(8);
    assert!(
        said.stderr.contains("scheduled jobs that would run"),
        "{}",
        said.said()
    );
    pack.run(&["restore", "--forget-replaced", "staging", "--yes"])
        .exits(0);
    assert!(!databases(pack).contains("replaced"), "{}", databases(pack));
}

/// Each of these would do harm somewhere else; here nothing is left of it, and nothing has run.
fn hostile_backups_change_nothing(pack: &Pack, zip: &camino::Utf8Path) {
    pack.now("hostile backups");
    let before = leftovers(pack);
    let proof = pack.path("proof");
    let write = |name: &str, text: &str| {
        pack.write(name, text);
        pack.path(name).to_string()
    };
    let program = format!("touch {proof}");
    let table = [
        ("-- x\n\\! {program}\n", "command to psql"),
        ("-- x\nSELECT 1 \\g | {program}\n", "command to psql"),
        (
            "-- x\n\\copy pg_class to program '{program}'\n",
            "command to psql",
        ),
        ("-- x\nCOPY pg_class TO PROGRAM '{program}';\n", "COPY"),
        (
            "-- x\nDO $$ BEGIN EXECUTE $x$COPY (SELECT 1) TO PROGRAM '{program}'$x$; END $$;\n",
            "permission denied|must be superuser",
        ),
        ("-- x\nALTER ROLE restore_production SUPERUSER;\n", "roles"),
        (
            "-- x\nDO $$ BEGIN EXECUTE 'ALTER ROLE restore_production SUPERUSER'; END $$;\n",
            "denied|must be superuser",
        ),
        (
            "-- x\nCREATE TABLE a (b int);\nCOPY a FROM stdin;\n1\n",
            "cut off",
        ),
        ("-- x\nCREATE TABLE a (b int);\n", "no database of Odoo"),
    ];
    for (text, why) in table {
        let path = write("hostile.sql", &text.replace("{program}", &program));
        let said = pack.run(&["backup", "import", &path, "--as", "hostile", "--only", "database"]);
        assert!(matches!(said.code, Some(1 | 4)), "{text}: {}", said.said());
        assert!(
            why.split('|').any(|why| said.stderr.contains(why)),
            "{text}: {}",
            said.said()
        );
        assert!(!proof.exists(), "{text} has run");
        assert_eq!(leftovers(pack), before, "{text}");
    }
    trap_for_the_administrator(pack);
    hostile_zips(pack);
    let bytes = std::fs::read(zip).unwrap();
    let path = pack.path("cut.zip");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    pack.run(&["backup", "import", path.as_str(), "--as", "hostile"])
        .exits(4);
    without_attachments(pack, zip);
    assert_eq!(leftovers(pack), before);
}

/// Each is refused before anything is unpacked.
fn hostile_zips(pack: &Pack) {
    for (script, why) in [
        ("z.writestr('filestore/../../x', 'x')", "leads out"),
        (
            "i = zipfile.ZipInfo('filestore/ab'); i.external_attr = 0o120777 << 16; z.writestr(i, '/etc/passwd')",
            "neither a file",
        ),
        (
            "z.writestr('manifest.json', '{\"major_version\": \"17.0\"}')",
            "17.0",
        ),
        ("z.writestr('dump.sql', 'again')", "same name"),
        ("z.writestr('manifest.json', '{')", "no JSON"),
    ] {
        let path = pack.path("hostile.zip").to_string();
        let whole = format!(
            "import zipfile\nz = zipfile.ZipFile('{path}', 'w')\nz.writestr('dump.sql', '-- x')\n{script}\nz.close()"
        );
        machine::must("python3", &["-W", "ignore", "-c", &whole]);
        let said = pack.run(&["backup", "import", &path, "--as", "hostile"]).exits(4);
        assert!(said.stderr.contains(why), "{script}: {}", said.said());
    }
}

/// A trigger in the dump that would make its owner a superuser if the administrator ever wrote to the table.
fn trap_for_the_administrator(pack: &Pack) {
    let text = std::fs::read_to_string(pack.path("a.sql")).unwrap();
    let trap = "CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN \
        EXECUTE 'ALTER ROLE restore_production SUPERUSER'; END IF; RETURN NEW; END $$;\n\
        CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON public.ir_config_parameter FOR EACH ROW EXECUTE FUNCTION public.trap();\n";
    pack.write("trap.sql", &format!("{text}\n{trap}"));
    let path = pack.path("trap.sql").to_string();
    pack.run(&["backup", "import", &path, "--as", "trap", "--only", "database"])
        .exits(0);
    let rows = sql(
        pack,
        "trap",
        "SELECT count(*) FROM pg_trigger WHERE tgname = 'trap'",
    );
    let superusers = sql(
        pack,
        "postgres",
        "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper",
    );
    assert_eq!((rows.as_str(), superusers.as_str()), ("1", "odoopack"));
    sql(pack, "postgres", "DROP DATABASE trap");
    sql(pack, "postgres", "DROP ROLE trap");
}

/// A zip whose attachments were lost on the way.
fn without_attachments(pack: &Pack, zip: &camino::Utf8Path) {
    let path = pack.path("bare.zip").to_string();
    let script = format!(
        "import zipfile\na = zipfile.ZipFile('{zip}')\nz = zipfile.ZipFile('{path}', 'w')\nz.writestr('dump.sql', a.read('dump.sql'))\nz.close()"
    );
    machine::must("python3", &["-c", &script]);
    let said = pack
        .run(&["backup", "import", &path, "--to", "staging", "--yes"])
        .exits(4);
    assert!(
        said.stderr.contains("none of them is in this backup"),
        "{}",
        said.said()
    );
}

/// Killed before, in and after the swap: the next command takes it back, or finishes it, and `up` waits for that.
fn killed_anywhere(pack: &Pack, zip: &camino::Utf8Path) {
    let uuid = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";
    for (step, finishes) in [(1, false), (5, false), (7, true)] {
        pack.now(&format!("killed at step {step}"));
        let before = (leftovers(pack), sql(pack, "restore_staging", uuid));
        let mut child = pack.start(&["backup", "import", zip.as_str(), "--to", "staging", "--yes"]);
        let open = pack.path("data/odoopack/open");
        wait_for("the step begins", || {
            let entry = open.read_dir_utf8().ok()?.flatten().next()?;
            let text = std::fs::read_to_string(entry.path()).ok()?;
            text.contains(&format!("{{\"begin\":{step}}}")).then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let refused = pack.run(&["up", "--yes"]);
        assert!(
            step == 1 || (refused.code == Some(4) && refused.stderr.contains("odoopack restore --resume")),
            "{}",
            refused.said()
        );
        let said = pack.run(&["restore", "--resume"]).exits(0);
        let done = if finishes { "finished" } else { "taken back" };
        assert!(said.stdout.contains(done), "{}", said.said());
        let after = (leftovers(pack), sql(pack, "restore_staging", uuid));
        assert_eq!(after == before, !finishes, "{before:?} {after:?}");
        pack.run(&["restore", "--resume"]).exits(0);
        pack.run(&["up", "--yes"]).exits(0);
        pack.run(&["status"]).exits(0);
    }
    pack.run(&["restore", "--forget-replaced", "staging", "--yes"])
        .exits(0);
}

/// PostgreSQL is gone while a dump is loaded: nothing can be taken back until it runs again; then everything is.
fn server_stops_in_the_middle(pack: &Pack, zip: &camino::Utf8Path) {
    pack.now("PostgreSQL stops in the middle");
    let before = leftovers(pack);
    let child = pack.start(&["backup", "import", zip.as_str(), "--to", "staging", "--yes"]);
    wait_for("the load begins", || {
        databases(pack).contains("_restore_").then_some(())
    });
    let pid = pack.status()["services"]["postgres"]["pid"].as_u64().unwrap();
    machine::kill(u32::try_from(pid).unwrap());
    let said = String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned();
    assert!(
        said.contains("odoopack restore --resume") || said.contains("could not"),
        "{said}"
    );
    wait_for("it heals", || {
        let socket = pack.path("data/run/postgres");
        let args = [
            "-h",
            socket.as_str(),
            "-U",
            "odoopack",
            "-d",
            "postgres",
            "-Atc",
            "SELECT 1",
        ];
        let output = Command::new("psql").args(args).output().unwrap();
        output.status.success().then_some(())
    });
    pack.run(&["restore", "--resume"]).exits(0);
    assert_eq!(leftovers(pack), before);
}

fn production_is_held(pack: &Pack, zip: &camino::Utf8Path) {
    pack.now("into production, which is held");
    let active = "SELECT (SELECT count(*) FROM ir_cron WHERE active) || ' ' || (SELECT string_agg(smtp_host, ',') FROM ir_mail_server WHERE active)";
    let before = sql(pack, "restore_production", active);
    let refused = pack
        .run(&["backup", "import", zip.as_str(), "--to", "production", "--yes"])
        .exits(4);
    assert!(
        refused.stderr.contains("--yes-replace production"),
        "{}",
        refused.said()
    );
    let args = [
        "backup",
        "import",
        zip.as_str(),
        "--to",
        "production",
        "--yes-replace",
        "production",
    ];
    let said = pack.run(&args).exits(0);
    assert!(
        said.stdout.contains("are held") && said.stdout.contains("1 mails to send"),
        "{}",
        said.said()
    );
    assert_eq!(sql(pack, "restore_production", active), "0 invalid");
    let site = pack.site();
    let session = site
        .sign_in("restore_production", &pack.secret("PRODUCTION_ADMIN"))
        .unwrap();
    session.picture_goes_round();
    sql(
        pack,
        "restore_production",
        "UPDATE mail_mail SET state = 'exception', write_date = now() AT TIME ZONE 'UTC'",
    );
    pack.run(&["env", "resume", "production", "--yes"]).exits(0);
    assert_eq!(sql(pack, "restore_production", active), before);
    assert_eq!(
        sql(
            pack,
            "restore_production",
            "SELECT string_agg(state, ' ') FROM mail_mail"
        ),
        "outgoing"
    );
    pack.run(&["env", "resume", "production", "--yes"]).exits(0);
    let kept = databases(pack);
    assert!(kept.contains("restore_production_replaced_"), "{kept}");
    let mut file = std::fs::File::create(pack.path("note")).unwrap();
    writeln!(file, "{kept}").unwrap();
}
