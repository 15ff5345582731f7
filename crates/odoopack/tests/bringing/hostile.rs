//! Backups that are made to do harm.
use super::{leftovers, sql};
use crate::support::{Pack, machine};

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
    statement_in_an_archive(pack);
    assert_eq!(leftovers(pack), before);
    cut_off(pack, zip);
    trap_for_the_administrator(pack);
    hostile_zips(pack);
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
