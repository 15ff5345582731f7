//! Where Odoo's database is: the host that is said decides which service is taken, and whether one is.
use camino::Utf8Path;

use super::{Case, OFFICIAL, official, refused};
use crate::adopt::{Project, Stack, Variables};

/// The service that has the database, or why none is taken.
fn server(compose: &str, conf: &str) -> Result<String, String> {
    let variables = Variables::read("FROM_FILE=second\n");
    let project = Project::read(compose, variables, Utf8Path::new("/srv"), None).unwrap();
    let stack = Stack::find(&project, None).unwrap();
    let conf = format!("[options]\n{conf}\n");
    match stack.told(Some(&conf)) {
        Ok(stack) => Ok(stack.postgres_service().to_owned()),
        Err(refusal) => {
            assert!(!refusal.hint.is_empty());
            Err(refusal.what)
        }
    }
}

#[test]
fn the_host_that_odoo_is_told_is_the_service_or_nothing_is_taken() {
    let one = |odoo: &str| {
        format!(
            "services:\n  web: {{image: 'odoo:18.0'{odoo}}}\n  db:\n    image: postgres:16\n    container_name: books-db\n    hostname: pg\n    networks: {{back: {{aliases: [database]}}}}\n"
        )
    };
    let two = |odoo: &str| format!("{}  second: {{image: 'postgres:15'}}\n", one(odoo));
    let host = |name: &str| format!(", environment: {{HOST: '{name}'}}");
    let command = |name: &str| format!(", command: 'odoo --db_host={name}'");
    for (compose, conf, taken) in [
        (one(""), "", Some("db")),
        (one(""), "db_host = False", Some("db")),
        (one(&host("")), "", Some("db")),
        (one(&host("db")), "", Some("db")),
        (one(&host("DB")), "", Some("db")),
        (one(&host("books-db")), "", Some("db")),
        (one(&host("pg")), "", Some("db")),
        (one(&host("database")), "", Some("db")),
        (
            one(", environment: {HOST: legacy}, links: ['db:legacy']"),
            "",
            Some("db"),
        ),
        (one(&host("10.0.0.5")), "", None),
        (one(&host("other.example.com")), "", None),
        (one(&host("localhost")), "", None),
        (one(", environment: {PGHOST: 10.0.0.5}"), "", None),
        (one(&host("10.0.0.5")), "db_host = db", Some("db")),
        (one(&host("db")), "db_host = 10.0.0.5", None),
        (one(""), "db_host = 10.0.0.5", None),
        (one(&command("10.0.0.5")), "", None),
        (one(&command("db")), "", Some("db")),
        (one(&command("pg")), "db_host = db", Some("db")),
        (one(&command("db")), "db_host = 10.0.0.5", None),
        (one(&command("10.0.0.5")), "db_host = db", None),
        (one(", command: [odoo, --db_host, 10.0.0.5]"), "", None),
        (two(""), "", Some("db")),
        (two(""), "db_host = second", Some("second")),
        (two(&host("second")), "", Some("second")),
        (two(&host("${FROM_FILE}")), "", Some("second")),
        (two(&host("second")), "db_host = db", Some("db")),
        // The official entrypoint would say `db` behind it.
        (two(&command("second")), "", None),
        (
            two(&format!("{}{}", command("second"), host("second"))),
            "",
            Some("second"),
        ),
        (two(&host("third")), "", None),
    ] {
        let found = server(&compose, conf);
        assert_eq!(found.as_deref().ok(), taken, "{compose}{conf}: {found:?}");
    }
    let nameless = two("").replace("  db:", "  first:");
    let what = server(&nameless, "").unwrap_err();
    assert!(what.contains("`first`, `second`"), "{what}");
}

#[test]
fn a_database_elsewhere_is_refused_with_what_was_found_and_the_way() {
    let compose = OFFICIAL.replace(
        "    image: odoo:",
        "    environment: {HOST: pg.example.com}\n    image: odoo:",
    );
    let case = Case {
        compose: &compose,
        ..official()
    };
    refused(
        &case,
        "Odoo's database is on `pg.example.com`, as variable HOST of service web says, and that is no PostgreSQL service of the file (`db`)",
    );
    let hint = case.adopt().refusals.remove(0).hint;
    for words in [
        "`[postgres] url`",
        "docs/guides/managed-postgresql.md",
        "`--odoo-conf FILE`",
    ] {
        assert!(hint.contains(words), "{words}: {hint}");
    }
    let conf = "[options]\ndb_host = 10.0.0.5\n";
    refused(
        &Case {
            conf: Some(conf),
            ..official()
        },
        "as `db_host` of odoo.conf says",
    );
}
