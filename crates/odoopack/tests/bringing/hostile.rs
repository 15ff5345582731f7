//! Backups that are made to do harm.
use std::io::Write;

use super::unlike::loading;
use super::{leftovers, sql};
use crate::support::{Pack, machine, wait_for};

/// Each of these would do harm somewhere else; here nothing is left of it, and nothing has run.
pub(crate) fn hostile_backups_change_nothing(pack: &Pack, zip: &camino::Utf8Path) {
    pack.now("hostile backups");
    let before = leftovers(pack);
    let proof = pack.path("proof");
    let write = |name: &str, text: &str| {
        pack.write(name, text);
        pack.path(name).to_string()
    };
    let program = format!("touch {proof}");
    let long = format!(
        "-- x\n{}DROP DATABASE restore_production WITH (FORCE);\n",
        " ".repeat(1 << 20)
    );
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
        (&long, "cannot be judged"),
        (
            "-- x\nDO $$ BEGIN EXECUTE 'ALTER DATABASE restore_production CONNECTION LIMIT 0'; END $$;\n",
            "must be owner",
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
    a_command_behind_the_filter(pack);
    statement_in_an_archive(pack);
    assert_eq!(leftovers(pack), before);
    cut_off(pack, zip);
    trap_for_the_administrator(pack);
    hostile_zips(pack);
    without_attachments(pack, zip);
    assert_eq!(leftovers(pack), before);
}

/// What the filter would let through reaches a psql that takes no commands; and that psql is nobody: a user of the environment, and a
/// role that owns the one database that is being filled.
fn a_command_behind_the_filter(pack: &Pack) {
    pack.now("a command that our own filter has let through");
    let open = pack.path("open");
    std::fs::create_dir_all(&open).unwrap();
    machine::must("chmod", &["1777", open.as_str()]);
    let (proof, user) = (open.join("proof"), of_the_environment(pack));
    pack.write("slow.sql", "-- x\nSELECT pg_catalog.pg_sleep(8);\n");
    let path = pack.path("slow.sql").to_string();
    let args = ["backup", "import", &path, "--as", "hostile", "--only", "database"];
    let child = pack.start(&args);
    let who = "SELECT datname || ' ' || usename || ' ' || (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls) \
                 FROM pg_stat_activity JOIN pg_roles ON rolname = usename \
                WHERE query LIKE '%pg_sleep(8)%' AND pid <> pg_backend_pid() AND state = 'active'";
    // From then on it has read all that we gave it.
    let who = wait_for("the dump waits", || {
        Some(sql(pack, "postgres", who)).filter(|who| !who.is_empty())
    });
    let words: Vec<&str> = who.split(' ').collect();
    assert!(
        words[0].contains("_restore_") && words[1] == words[0] && words[2] == "false",
        "{who}"
    );
    let all = machine::processes();
    let mut psql = all.iter().filter(|process| {
        process.line.contains("/psql ")
            && process.line.contains(words[0])
            && !process.line.starts_with("setpriv ")
    });
    let psql = psql.next().unwrap().pid;
    assert_eq!(machine::users_of(psql), user);
    let pipe = std::fs::File::options()
        .write(true)
        .open(format!("/proc/{psql}/fd/0"));
    writeln!(pipe.unwrap(), "\\! touch {proof}").unwrap();
    let said = pack.end(child, &args).exits(1);
    assert!(
        said.stderr.contains("backslash commands are restricted"),
        "{}",
        said.said()
    );
    assert!(!proof.exists(), "the command has run");
    the_archive_is_loaded_by_nobody_either(pack, &user);
}

fn the_archive_is_loaded_by_nobody_either(pack: &Pack, user: &str) {
    let path = pack.path("a.dump").to_string();
    let args = ["backup", "import", &path, "--as", "hostile", "--only", "database"];
    let child = pack.start(&args);
    let pg_restore = wait_for("the load begins", || loading(pack));
    let users = machine::users_of(pg_restore.pid);
    let who = "SELECT string_agg(DISTINCT (datname = usename)::text, ' ') FROM pg_stat_activity WHERE datname LIKE '%\\_restore\\_%'";
    let who = wait_for("it enters", || {
        Some(sql(pack, "postgres", who)).filter(|who| !who.is_empty())
    });
    pack.end(child, &args).exits(0);
    assert_eq!((users.as_str(), who.as_str()), (user, "true"));
    sql(pack, "postgres", "DROP DATABASE hostile");
    sql(pack, "postgres", "DROP ROLE hostile");
}

/// The user as whom production's Odoo runs.
fn of_the_environment(pack: &Pack) -> String {
    let pid = pack.status()["services"]["production.blue.web"]["pid"].as_u64();
    let users = machine::users_of(u32::try_from(pid.unwrap()).unwrap());
    assert!(!users.starts_with('0'), "{users}");
    users
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

fn cut_off(pack: &Pack, zip: &camino::Utf8Path) {
    let bytes = std::fs::read(zip).unwrap();
    let path = pack.path("cut.zip");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    pack.run(&["backup", "import", path.as_str(), "--as", "hostile"])
        .exits(4);
}

/// A custom archive whose list is honest, with a statement of its own in the place of a table's.
fn statement_in_an_archive(pack: &Pack) {
    let (honest, path) = (pack.path("a.dump"), pack.path("hostile.dump").to_string());
    let script = format!(
        "b = open('{honest}', 'rb').read()\n\
         at = b.index(b'CREATE TABLE public.res_lang (')\n\
         end = b.index(b');\\n', at) + 3\n\
         drop = b'DROP DATABASE restore_production WITH (FORCE);'.ljust(end - at)\n\
         open('{path}', 'wb').write(b[:at] + drop + b[end:])"
    );
    machine::must("python3", &["-c", &script]);
    let said = pack.run(&["backup", "import", &path, "--as", "hostile", "--only", "database"]);
    assert!(
        said.stderr
            .contains("must be owner of database restore_production"),
        "{}",
        said.said()
    );
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
