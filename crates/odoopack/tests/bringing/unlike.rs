//! Copies that are not as they were, and what of them is as it was though nobody compares it.
use std::os::unix::fs::FileExt;
use std::process::Child;

use super::{databases, leftovers, sql};
use crate::support::{Answer, Pack, machine, wait_for};

/// Of the copy: an index that is no constraint's and has more than its first two pages.
const INDEX: &str = "SELECT min(i.indexrelid::regclass::text) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
     WHERE NOT i.indisunique AND c.relpages > 2 AND c.relnamespace = 'public'::regnamespace";

/// Whoever loads a custom archive now.
pub(crate) fn loading(pack: &Pack) -> Option<machine::Process> {
    let all = machine::processes_of(&pack.root);
    let loads = |line: &str| line.contains("/pg_restore ") && line.contains("--use-list=");
    all.into_iter()
        .find(|process| loads(&process.line) && !process.line.starts_with("setpriv "))
}

/// Begins a drill of the newest snapshot, which stands still once the copy is loaded and before anybody looks at it; returns the copy too.
pub(crate) fn loaded(pack: &Pack, args: &[&str]) -> (Child, String) {
    let child = pack.start(args);
    wait_for("the load begins", || loading(pack));
    machine::hold(child.id());
    assert!(
        loading(pack).is_some(),
        "it was held too late: the load has ended"
    );
    wait_for("the load ends", || loading(pack).is_none().then_some(()));
    let all = databases(pack);
    let copy = all.split(' ').find(|name| name.contains("_drill_"));
    let copy = copy.unwrap_or_else(|| panic!("no copy among {all}"));
    (child, copy.to_owned())
}

/// Drills the newest snapshot; `meanwhile` has the copy when it is loaded.
fn drilled(pack: &Pack, meanwhile: impl FnOnce(&str)) -> Answer {
    let args = ["backup", "drill", "latest", "--level", "restore"];
    let (child, copy) = loaded(pack, &args);
    meanwhile(&copy);
    machine::go_on(child.id());
    pack.end(child, &args)
}

/// Rows and an index that did not come, an index that is not whole, a page that the disk has spoiled: each is no proof.
pub(crate) fn copies_that_are_not_as_they_were_prove_nothing(pack: &Pack) {
    pack.now("copies that are not as they were");
    let before = leftovers(pack);
    let unproven = |words: &[&str], meanwhile: &dyn Fn(&str, &str)| {
        let said = drilled(pack, |copy| meanwhile(copy, &sql(pack, copy, INDEX))).exits(1);
        for word in words {
            assert!(said.stderr.contains(word), "no `{word}` in {}", said.said());
        }
        let record = pack.read("data/odoopack/backups.jsonl");
        assert!(record.lines().last().unwrap().contains("unproven"), "{record}");
        assert_eq!(leftovers(pack), before);
    };
    let words = [
        "2 differences",
        "public.ir_config_parameter has",
        "index public.",
        "is missing",
    ];
    unproven(&words, &|copy, index| {
        let gone = "DELETE FROM ir_config_parameter WHERE key = 'restore.proof'";
        sql(pack, copy, &format!("{gone}; DROP INDEX {index}"));
    });
    unproven(&["1 indexes are not valid"], &|copy, index| {
        let invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = ";
        sql(pack, copy, &format!("{invalid}'{index}'::regclass"));
    });
    unproven(&["the restored database is damaged"], &|copy, index| {
        let place =
            format!("SELECT current_setting('data_directory') || '/' || pg_relation_filepath('{index}')");
        let file = std::fs::File::options().write(true).open(sql(pack, copy, &place));
        // In its second page, which a build of an index leaves to the disk.
        file.unwrap().write_all_at(&[0x55; 64], 8192 + 4096).unwrap();
    });
}

/// A database is made as that of the snapshot was: nobody can change how it sorts afterwards, and its indexes need a function as it was.
pub(crate) fn a_copy_sorts_and_searches_as_it_did(pack: &Pack) {
    pack.now("a database that sorts otherwise, and never had what indexes without accents need");
    let staging = "restore_staging";
    // Both sort alike, so that no index is wrong by that.
    let other = "UPDATE pg_database SET datcollate = 'C.UTF-8' WHERE datname = 'restore_staging'";
    sql(pack, "postgres", other);
    let never = "DO $$ DECLARE one record; BEGIN \
         FOR one IN SELECT DISTINCT objid::regclass AS name FROM pg_depend \
                     WHERE refobjid = 'unaccent(text)'::regprocedure AND classid = 'pg_class'::regclass \
         LOOP EXECUTE 'DROP INDEX ' || one.name; END LOOP; END $$; ALTER FUNCTION unaccent(text) STABLE";
    sql(pack, staging, never);
    pack.run(&["backup", "create", "staging"]).exits(0);
    let args = ["restore", "latest", "--of", "staging", "--as", "like", "--only"];
    let said = pack.run(&[&args[..], &["database"]].concat()).exits(0);
    assert!(!said.stderr.contains("sorted by"), "{}", said.said());
    assert_eq!(made(pack, "like"), "C.UTF-8 C.UTF-8 s");
    sql(pack, "postgres", "DROP DATABASE \"like\"");
    sql(pack, "postgres", "DROP ROLE \"like\"");
}

/// How a database sorts, and whether indexes may use its `unaccent`.
pub(crate) fn made(pack: &Pack, database: &str) -> String {
    let asked = "SELECT datcollate || ' ' || datctype || ' ' || provolatile::text FROM pg_database, pg_proc f \
                  WHERE datname = current_database() AND f.oid = 'unaccent(text)'::regprocedure";
    sql(pack, database, asked)
}
