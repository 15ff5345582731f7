//! Honest dumps pass whole; each hostile one is refused for its own reason.
use super::archive::{self, BadEntry, Entry};
use super::sql::{Filter, Refused, Summary};
use super::toc;
use std::collections::BTreeSet;

/// For whoever may make one extension.
fn filter(server: u16) -> Filter {
    Filter::new(server, BTreeSet::from(["uuid-ossp".to_owned()]))
}

fn pass(text: &str) -> Result<(String, Summary), Refused> {
    // Any portions must give the same.
    let mut results = Vec::new();
    for size in [1, 3, 7, text.len().max(1)] {
        let mut filter = filter(15);
        let mut out = Vec::new();
        let fed = text
            .as_bytes()
            .chunks(size)
            .try_for_each(|part| filter.feed(part, &mut out));
        results.push(
            fed.and_then(|()| filter.finish(&mut out))
                .map(|summary| (String::from_utf8(out).unwrap(), summary)),
        );
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
    results.remove(0)
}

#[test]
fn rows_and_ordinary_statements_pass_untouched() {
    let text = "SET statement_timeout = 0;\nCREATE TABLE public.a (b text DEFAULT 'x;y''z', \"c;\\!\" int);\n\
        COPY public.a (b) FROM stdin;\n\\\\! not a command\nGRANT ALL;\n\\N\n\\.\n\nSELECT pg_catalog.setval('public.a_seq', 3, true);\n";
    let (out, summary) = pass(text).unwrap();
    assert_eq!(out, text);
    assert_eq!((summary.tables, summary.rows), (1, 3));
}

#[test]
fn quotes_of_every_kind_hide_what_is_in_them() {
    for text in [
        r"CREATE FUNCTION f() RETURNS int AS $_$ \! rm; GRANT x TO y; $_$ LANGUAGE sql;",
        r"SELECT 'a\';",
        r"SELECT E'a\';\! x', 1;",
        r#"SELECT "a\! b;";"#,
        "/* \\! /* nested */ ; */ SELECT 1;",
        "-- \\! not a command\nSELECT 1;",
        "SELECT $1, a$b$c;",
        "SELECT E'a'\n  'b\\';\\!';",
    ] {
        let (out, _) = pass(text).unwrap();
        assert_eq!(out, text);
    }
}

#[test]
fn commands_to_psql_are_refused_wherever_they_stand() {
    for text in [
        "\\! touch /tmp/x\n",
        "SELECT 1 \\! touch /tmp/x\n;",
        "SELECT 1; \\o /etc/x\n",
        "\\copy a from program 'id'\n",
        "SELECT 'a\\'; \\! id\n",
        "SELECT $a$ $a$ \\! id\n",
        "COPY a FROM stdin;\n1\n\\.\n\\! id\n",
        "/* */ \\connect other\n",
        "SELECT 1 -- x\n\\! id\n",
        "\\restrict a`id`\n",
        "SELECT E'a' 'b\\'; \\! id\n",
    ] {
        assert!(
            matches!(pass(text), Err(Refused::Command { .. })),
            "{text}: {:?}",
            pass(text)
        );
    }
}

#[test]
fn what_patched_and_newer_clients_write_is_left_out() {
    let text = "\\restrict aB3\nSET transaction_timeout = 0;\nSET lock_timeout = 0;\n\\unrestrict aB3\n";
    assert_eq!(pass(text).unwrap().0, "\nSET lock_timeout = 0;\n");
}

/// What a dump of each major holds that an older server does not know.
#[test]
fn each_major_gets_what_it_knows() {
    let statistics = |kind: &str| {
        format!(
            "SELECT * FROM pg_catalog.pg_restore_{kind}_stats(\n\t'version', '180000'::integer,\n\t'relname', 'a;b'\n);\n"
        )
    };
    let of_18 = [statistics("relation"), statistics("attribute")].concat();
    let of_17 = "SET transaction_timeout = 0;\n";
    let of_all = "SELECT * FROM public.pg_restore_nothing;\nGRANT MAINTAIN ON TABLE public.a TO b;\n\
        CREATE TABLE public.a (b integer CONSTRAINT \"A_b\" NOT NULL);\n";
    let text = format!("\\restrict a\n{of_17}{of_all}{of_18}\\unrestrict a\n");
    for (server, knows_17, knows_18) in [
        (13, false, false),
        (15, false, false),
        (16, false, false),
        (17, true, false),
        (18, true, true),
    ] {
        let (mut filter, mut out) = (filter(server), Vec::new());
        filter.feed(text.as_bytes(), &mut out).unwrap();
        filter.finish(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.contains("transaction_timeout"), knows_17, "{server}: {out}");
        assert_eq!(out.contains(&of_18), knows_18, "{server}: {out}");
        assert_eq!(out.contains("_stats"), knows_18, "{server}: {out}");
        assert!(
            !out.contains("MAINTAIN") && !out.contains("restrict a"),
            "{server}: {out}"
        );
        assert!(
            out.contains("pg_restore_nothing") && out.contains("CREATE TABLE"),
            "{server}: {out}"
        );
    }
}

#[test]
fn owners_grants_and_extensions_are_left_out() {
    let text = "ALTER TABLE public.a OWNER TO odoo;\nCREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;\n\
        COMMENT ON EXTENSION pg_trgm IS 'x';\nGRANT ALL ON SCHEMA public TO PUBLIC;\nCREATE EXTENSION \"uuid-ossp\";\n\
        CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();\nALTER TABLE a ADD owner text;\nCOMMENT ON COLUMN a.owner IS 'to';\n";
    let (out, summary) = pass(text).unwrap();
    assert_eq!(
        out.trim(),
        "CREATE EXTENSION \"uuid-ossp\";\nALTER TABLE a ADD owner text;\nCOMMENT ON COLUMN a.owner IS 'to';"
    );
    assert_eq!(summary.extensions, ["pg_trgm", "uuid-ossp"]);
    assert_eq!(summary.skipped.len(), 1);
}

#[test]
fn what_no_single_database_needs_is_refused() {
    for text in [
        "COPY a FROM PROGRAM 'id';",
        "COPY a TO PROGRAM 'id';",
        "COPY a FROM '/etc/passwd';",
        "COPY (SELECT 1) TO '/tmp/x';",
        "COPY a FROM PROGRAM 'id' WHERE b IS DISTINCT FROM stdin;",
        "COPY a FROM '/etc/passwd' WHERE \"b\" IS DISTINCT FROM stdin;",
        "COPY a FROM '/etc/passwd' WITH (x$from stdin);",
        "COPY a TO PROGRAM 'id' WITH (from stdin);",
        "COPY a TO--x\n PROGRAM 'id' WITH (from stdin);",
        "COPY a (\"from\", \"stdin\") FROM PROGRAM 'id';",
        "COPY a FROM \"stdin\";",
        "COPY a \"from\" stdin;",
        "COPY a FROM /* from stdin */ '/etc/passwd' -- from stdin\n;",
        "COPY a FROM stdin WITH (FORMAT csv);",
        "COPY a FROM stdin WHERE b > 1;",
        "CREATE DATABASE x;",
        "CREATE ROLE x SUPERUSER;",
        "ALTER ROLE pack_production SUPERUSER;",
        "SET standard_conforming_strings = off;",
        "COPY a FROM stdin; SELECT 1;\n",
    ] {
        assert!(
            matches!(pass(text), Err(Refused::Statement { .. })),
            "{text}: {:?}",
            pass(text)
        );
    }
}

/// Every reserved word can be the name of a table or a column, and is quoted then.
#[test]
fn rows_of_a_table_with_the_names_of_keywords_pass() {
    for head in [
        "COPY public.x (id, \"to\") FROM stdin",
        "COPY public.\"to\" (id, \"from\", \"where\") FROM stdin",
        "COPY \"a b\".\"from stdin\" (stdin, program) FROM stdin",
        "COPY public.a (\"a\"\"to\") FROM stdin",
        "copy public.a\n  FROM /* to */ STDIN",
    ] {
        let text = format!("{head};\n1\t2\n\\.\n");
        let (out, summary) = pass(&text).unwrap();
        assert_eq!((out.as_str(), summary.rows), (text.as_str(), 1), "{head}");
    }
}

#[test]
fn a_constraint_on_columns_called_owner_and_to_is_kept() {
    let text = "ALTER TABLE ONLY public.a\n    ADD CONSTRAINT a_u UNIQUE (owner, \"to\");\n";
    assert_eq!(pass(text).unwrap().0, text);
}

#[test]
fn an_extension_that_cannot_be_made_is_named_before_anything_is_loaded() {
    let text = "SET lock_timeout = 0;\n\nCREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;\nCREATE TABLE a (b int);\n";
    let refused = pass(text).unwrap_err();
    let wanted = Refused::Extension {
        line: 3,
        name: "postgis".to_owned(),
    };
    assert_eq!(refused, wanted);
}

#[test]
fn an_extension_that_no_data_needs_is_left_out_and_told() {
    let text: String = super::NEEDLESS
        .iter()
        .map(|name| {
            format!("CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA public;\nCOMMENT ON EXTENSION {name} IS 'a;b';\n")
        })
        .collect();
    let (out, summary) = pass(&text).unwrap();
    assert_eq!(out.trim(), "");
    assert_eq!(summary.skipped.len(), super::NEEDLESS.len());
    assert!(
        summary
            .skipped
            .contains(&"extension pg_stat_statements".to_owned())
    );
    let list = "2; 3079 16385 EXTENSION - pg_stat_statements \n4500; 0 0 COMMENT - EXTENSION pg_stat_statements \n\
        3; 3079 16386 EXTENSION - postgis \n215; 1259 16391 TABLE public a odoo\n";
    let contents = toc::parse(list, &BTreeSet::new(), false);
    assert_eq!((contents.needless.len(), contents.list.lines().count()), (1, 2));
    assert_eq!(contents.extensions, ["postgis"]);
}

/// Some editors put a mark before a text.
#[test]
fn the_mark_of_an_editor_is_passed_over_and_nothing_else_is() {
    let text = "SET lock_timeout = 0;\n";
    assert_eq!(pass(&format!("\u{feff}{text}")).unwrap().0, text);
    assert_eq!(pass("\u{feff}").unwrap().0, "");
    for other in ["\u{fefe}SELECT 1;", "\u{e000}SELECT 1;", "SELECT '\u{feff}';"] {
        assert_eq!(pass(other).unwrap().0, other);
    }
    assert!(matches!(pass("\u{feff}\\! id\n"), Err(Refused::Command { .. })));
}

#[test]
fn a_dump_that_was_cut_off_is_no_dump() {
    for text in [
        "COPY a FROM stdin;\n1\n2",
        "SELECT 'abc",
        "CREATE TABLE a (",
        "COPY a FROM stdin;",
        "/* x",
    ] {
        assert!(
            matches!(pass(text), Err(Refused::CutOff(_))),
            "{text}: {:?}",
            pass(text)
        );
    }
    assert_eq!(pass("PGDMP\0\u{1}").unwrap_err(), Refused::Binary);
}

/// Where it ends between two statements every statement of it is good, and the keys and indexes are missing.
#[test]
fn a_dump_that_began_with_its_line_ends_with_its_line() {
    let first = "--\n-- PostgreSQL database dump\n--\n\n\\restrict aB3\n\nSET lock_timeout = 0;\n";
    let rows = "COPY a FROM stdin;\n-- PostgreSQL database dump complete\n\\.\n\n";
    let last = "--\n-- PostgreSQL database dump complete\n--\n";
    let cut = |text: &str| matches!(pass(text), Err(Refused::CutOff(what)) if what.contains("dump complete"));
    for text in [
        first.to_owned(),
        format!("{first}{rows}"),
        format!("{first}CREATE FUNCTION f() RETURNS int AS $$\n{last}$$ LANGUAGE sql;\n"),
        format!("{first}{rows}{last}{first}{rows}"),
        "\u{feff}-- PostgreSQL database dump\r\n".to_owned(),
        "-- PostgreSQL database dump".to_owned(),
    ] {
        assert!(cut(&text), "{text}: {:?}", pass(&text));
    }
    for text in [
        format!("{first}{rows}{last}"),
        format!("{first}{rows}{last}\n\\unrestrict aB3\n\n"),
        format!("{first}{rows}{}", last.trim_end_matches("\n--\n")),
        format!("{first}{rows}{last}\nCREATE INDEX i ON a (b);\n"),
        format!("{first}{rows}{last}{first}{rows}{last}"),
        format!("{first}{rows}{last}").replace('\n', "\r\n"),
        // Somebody's own, or what they cut by hand.
        rows.to_owned(),
        "SELECT 1; -- PostgreSQL database dump\n".to_owned(),
        "-- PostgreSQL database dump of the shop\n".to_owned(),
    ] {
        assert!(pass(&text).is_ok(), "{text}: {:?}", pass(&text));
    }
}

#[test]
fn a_list_of_contents_loses_what_the_administrator_did_before() {
    let list = ";\n; Archive created at 2026-01-01\n;     Dumped from database version: 16.4 (Debian)\n;\n\
        2; 3079 16385 EXTENSION - pg_trgm \n4500; 0 0 COMMENT - EXTENSION pg_trgm \n215; 1259 16391 TABLE public res_partner odoo\n\
        4000; 0 16391 TABLE DATA public res_partner odoo\n4200; 1259 9 INDEX public res_partner_name_index odoo\n4600; 0 0 ACL - SCHEMA public pg_database_owner\n\
        4700; 6104 9 PUBLICATION - everything odoo\n";
    let contents = toc::parse(list, &BTreeSet::new(), false);
    assert_eq!(contents.extensions, ["pg_trgm"]);
    assert_eq!(contents.tables, ["public.res_partner"]);
    assert_eq!(
        (contents.indexes, contents.server, contents.skipped.len()),
        (1, Some(16), 1)
    );
    assert_eq!(contents.list.lines().count(), 3);
}

#[test]
fn a_table_of_another_server_comes_back_where_the_role_may_name_one() {
    let list = "1; 1417 16402 SERVER - elsewhere postgres\n2; 0 0 COMMENT - SERVER elsewhere postgres\n\
        3; 1418 16403 USER MAPPING - USER MAPPING odoo SERVER elsewhere postgres\n4; 1259 16404 FOREIGN TABLE public sales odoo\n\
        5; 0 0 COMMENT - EVENT TRIGGER watch postgres\n6; 2616 16405 OPERATOR CLASS public of_ours postgres\n\
        7; 1259 16406 VIEW public sold odoo\n8; 0 0 COMMENT public FOREIGN TABLE sales odoo\n";
    let numbers = |text: &str| {
        text.lines()
            .filter_map(|line| line.chars().next())
            .collect::<String>()
    };
    let ours = toc::parse(list, &BTreeSet::new(), true);
    assert_eq!((numbers(&ours.list).as_str(), ours.skipped.len()), ("12478", 3));
    let others = toc::parse(list, &BTreeSet::new(), false);
    assert_eq!((numbers(&others.list).as_str(), others.skipped.len()), ("7", 7));
}

#[test]
fn only_the_schema_that_is_there_already_is_left_out() {
    let list = "6; 2615 2200 SCHEMA - public pg_database_owner\n7; 2615 16400 SCHEMA - publications odoo\n\
        8; 0 0 COMMENT - SCHEMA public pg_database_owner\n9; 0 0 COMMENT - SCHEMA publications odoo\n";
    let kept = toc::parse(list, &BTreeSet::new(), false).list;
    assert_eq!(kept.matches("publications").count(), 2);
    assert_eq!(kept.lines().count(), 2);
    let made = BTreeSet::from(["publications".to_owned()]);
    assert_eq!(toc::parse(list, &made, false).list.lines().count(), 1);
}

#[test]
fn entries_of_a_zip() {
    let sha = "ab0123456789abcdef0123456789abcdef012345";
    let place = format!("ab/{sha}");
    // As Odoo placed them up to 8.0.
    let old = format!("ab0/{sha}");
    let table: &[(&str, Option<u32>, Result<Entry, ()>)] = &[
        ("dump.sql", Some(0o100_644), Ok(Entry::Dump)),
        ("./dump.sql", None, Ok(Entry::Dump)),
        ("dump.sql.gz", None, Ok(Entry::CompressedDump)),
        ("manifest.json", None, Ok(Entry::Manifest)),
        ("sessions/ab/abcdef", None, Ok(Entry::Foreign)),
        (
            &format!("filestore/{place}"),
            Some(0o100_640),
            Ok(Entry::Attachment(place.clone())),
        ),
        (
            &format!("filestore/{old}"),
            Some(0o100_640),
            Ok(Entry::Attachment(old.clone())),
        ),
        ("filestore/", Some(0o040_755), Ok(Entry::Nothing)),
        ("filestore/checklist/ab/abc", None, Ok(Entry::Nothing)),
        ("filestore/ab/short", None, Ok(Entry::Foreign)),
        (&format!("filestore/cd/{sha}"), None, Ok(Entry::Foreign)),
        ("__MACOSX/x", None, Ok(Entry::Foreign)),
        ("../dump.sql", None, Err(())),
        ("filestore/../../etc/passwd", None, Err(())),
        ("/etc/passwd", None, Err(())),
        ("filestore\\ab\\x", None, Err(())),
        ("C:/x", None, Err(())),
        ("dump.sql", Some(0o120_777), Err(())),
        ("filestore/x", Some(0o020_600), Err(())),
    ];
    for (name, mode, wanted) in table {
        assert_eq!(
            &archive::judge(name, *mode).map_err(|_: BadEntry| ()),
            wanted,
            "{name}"
        );
    }
}

#[test]
fn what_is_too_long_to_be_judged_whole_passes_only_by_its_beginning() {
    let long = " ".repeat(1 << 20);
    for text in [
        format!("{long}DROP DATABASE a WITH (FORCE);"),
        format!("-- {long}\nDROP DATABASE a;"),
        format!("/* {long} */ DROP DATABASE a;"),
        format!("DROP /*{long}*/ DATABASE a;"),
        format!("DROP DATABASE a{long};"),
        format!("COPY a (b){long} FROM PROGRAM 'id';"),
    ] {
        let mut filter = filter(15);
        let refused = filter.feed(text.as_bytes(), &mut Vec::new());
        assert!(
            matches!(refused, Err(Refused::Statement { .. })),
            "{}",
            text.trim()
        );
    }
    let insert = format!("INSERT INTO public.a VALUES ('{long}{long}');\n");
    let (mut filter, mut out) = (filter(15), Vec::new());
    filter.feed(insert.as_bytes(), &mut out).unwrap();
    filter.finish(&mut out).unwrap();
    assert_eq!(out, insert.as_bytes());
}
