//! What keeps an environment from a restore that nobody means.
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::{databases, leftovers, sql};
use crate::support::Pack;

/// While somebody reads the question something changes that the plan stands on: nothing is done that was not shown.
pub(crate) fn what_changes_meanwhile_is_seen(pack: &Pack) {
    pack.now("something changes while somebody reads the question");
    let before = leftovers(pack);
    let filestore = pack.path("data/environments/staging/filestore/restore_staging");
    let aside = filestore.with_file_name("aside");
    std::fs::rename(&filestore, &aside).unwrap();
    let program = env!("CARGO_BIN_EXE_odoopack");
    let line = format!("{program} --root {} restore latest --to staging", pack.root);
    // Only who sits at a terminal is asked.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", "script", "-qefc", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut out = child.stdout.take().unwrap();
    let mut byte = [0];
    while !said.ends_with("[y/N] ") && out.read(&mut byte).unwrap() == 1 {
        said.push(char::from(byte[0]));
    }
    assert!(said.ends_with("replace staging? [y/N] "), "{said}");
    drop(std::fs::remove_dir_all(&filestore));
    std::fs::rename(&aside, &filestore).unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"y\n").unwrap();
    out.read_to_string(&mut said).unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("meanwhile something has changed here"), "{said}");
    assert_eq!(leftovers(pack), before);
}

/// Needs a staging that is a copy of production.
pub(crate) fn a_copy_is_no_production(pack: &Pack) {
    pack.now("a harmless copy into production");
    let zip = pack.path("copy.zip");
    pack.run(&["backup", "export", "staging", zip.as_str()]).exits(0);
    let before = leftovers(pack);
    let import = ["backup", "import", zip.as_str(), "--to", "production"];
    let refused = pack
        .run(&[&import[..], &["--yes-replace", "production"]].concat())
        .exits(4);
    assert!(
        refused
            .stderr
            .contains("neutralized database, and production is production")
            && refused.stderr.contains("`--neutralized`"),
        "{}",
        refused.said()
    );
    assert_eq!(leftovers(pack), before);
    std::fs::remove_file(zip).unwrap();
}

/// Needs a production that is held.
pub(crate) fn who_lets_a_copy_go_is_told(pack: &Pack) {
    let said = || {
        pack.run(&["env", "resume", "production", "--dry-run"])
            .exits(0)
            .said()
    };
    assert!(!said().contains("neutralized"), "{}", said());
    let mark = "INSERT INTO ir_config_parameter (key, value) VALUES ('database.is_neutralized', 'true')";
    sql(pack, "restore_production", mark);
    assert!(
        said().contains("production is a neutralized database"),
        "{}",
        said()
    );
    let clean = "DELETE FROM ir_config_parameter WHERE key = 'database.is_neutralized'";
    sql(pack, "restore_production", clean);
}

/// Every statement of it is good, and keys and indexes are missing: of a dump with the line that it begins with, and of one without.
/// Needs a plain dump of production.
pub(crate) fn a_dump_that_ends_early_is_not_whole(pack: &Pack) {
    pack.now("a dump that ends between two statements");
    let before = databases(pack);
    let whole = std::fs::read_to_string(pack.path("a.sql")).unwrap();
    let keys = whole.find("    ADD CONSTRAINT ").unwrap();
    let cut = &whole[..whole[..keys].rfind("ALTER TABLE ONLY ").unwrap()];
    let first = "-- PostgreSQL database dump\n";
    assert!(cut.contains(first));
    for (text, why) in [
        (cut.to_owned(), "`-- PostgreSQL database dump complete`"),
        (cut.replacen(first, "", 1), "have no primary key, among them `ir_"),
    ] {
        pack.write("early.sql", &text);
        let path = pack.path("early.sql").to_string();
        let args = ["backup", "import", &path, "--as", "early", "--only", "database"];
        let said = pack.run(&args).exits(4);
        assert!(said.stderr.contains(why), "{}", said.said());
        assert_eq!(databases(pack), before);
    }
}

/// Before production is replaced: roles of people who read it, and what they set.
pub(crate) fn somebody_reads_production(pack: &Pack) {
    sql(
        pack,
        "restore_production",
        "CREATE ROLE reports LOGIN; GRANT CONNECT ON DATABASE restore_production TO reports; \
         ALTER DATABASE restore_production SET work_mem = '7MB'; \
         ALTER ROLE reports IN DATABASE restore_production SET statement_timeout = '90s'; \
         SET ROLE restore_production; CREATE VIEW partners AS SELECT 1 AS one; GRANT SELECT ON partners TO reports; \
         GRANT SELECT ON res_partner TO reports; GRANT SELECT, UPDATE ON res_lang TO reports WITH GRANT OPTION",
    );
}

/// And after it was.
pub(crate) fn they_still_read_it(pack: &Pack, said: &str) {
    let table = |table: &str, what: &str| {
        let ask = format!("SELECT has_table_privilege('reports', '{table}', '{what}')");
        sql(pack, "restore_production", &ask)
    };
    assert_eq!(
        [
            table("res_partner", "SELECT"),
            table("res_partner", "UPDATE"),
            table("res_lang", "UPDATE WITH GRANT OPTION"),
            table("partners", "SELECT"),
            table("res_users", "SELECT"),
        ],
        ["t", "f", "t", "f", "f"]
    );
    assert!(said.contains("1 things were granted to reports"), "{said}");
    let set = "SELECT string_agg(c, ' ' ORDER BY c) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, \
               unnest(s.setconfig) c WHERE d.datname = 'restore_production'";
    assert_eq!(
        sql(pack, "postgres", set),
        "odoopack.kind=production statement_timeout=90s work_mem=7MB"
    );
    let enters = "SELECT has_database_privilege('reports', 'restore_production', 'CONNECT')";
    assert_eq!(sql(pack, "postgres", enters), "t");
    let clean = "DROP VIEW partners; DROP OWNED BY reports; ALTER DATABASE restore_production RESET work_mem";
    sql(pack, "restore_production", clean);
}
