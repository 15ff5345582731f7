//! A pack on a database server that somebody else runs: TLS with an authority of its own, a role that is no superuser.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs and writes files, and one that cannot go on shall panic"
)]

mod support;

use std::process::Command;

use support::given::{PASSWORD, Server};
use support::{Pack, file, machine};

#[test]
fn a_server_of_somebody_else_serves_a_whole_pack() {
    let server = Server::start("127.0.0.1", "localhost");
    server.ask(
        "postgres",
        &format!("CREATE ROLE shop LOGIN CREATEDB PASSWORD '{PASSWORD}'"),
    );
    server.ask(
        "postgres",
        &format!("CREATE ROLE great LOGIN SUPERUSER PASSWORD '{PASSWORD}'"),
    );
    let text =
        "[postgres]\nurl = \"secret:DATABASE_URL\"\n\n[environments.production]\ndomain = \"localhost\"\n";
    let pack = Pack::with_file("given", 31_300, &file("given", text));
    what_does_not_fit_is_refused(&pack, &server);
    pack.now("up");
    set(&pack, &server.url("shop", "ca.pem"));
    let plan = pack.run(&["plan"]).exits(0).said();
    assert!(
        plan.contains("as role shop") && plan.contains("uses no index"),
        "{plan}"
    );
    pack.run(&["up", "--yes"]).exits(0);
    it_works_there_and_nowhere_else(&pack, &server);
    assert!(
        pack.run(&["up", "--yes"])
            .exits(0)
            .said()
            .contains("nothing to do")
    );
    comes_back_from_a_snapshot(&pack, &server);
    each_environment_has_a_role_of_its_own(&pack, &server);
    nothing_was_said(&pack);
    pack.now("down");
    pack.run(&["down"]).exits(0);
    assert_eq!(
        server.ask(
            "postgres",
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop'"
        ),
        "0"
    );
}

fn set(pack: &Pack, url: &str) {
    pack.run_with(&["secret", "set", "DATABASE_URL"], url).exits(0);
}

fn what_does_not_fit_is_refused(pack: &Pack, server: &Server) {
    pack.now("what does not fit is refused");
    let refused = |words: &[&str]| {
        let said = pack.run(&["up", "--yes"]).exits(4).said();
        for word in words {
            assert!(said.contains(word), "no `{word}` in {said}");
        }
        assert!(
            !pack.path("data/environments").exists(),
            "a refusal left something behind"
        );
    };
    refused(&[
        "`secret:DATABASE_URL` has no value",
        "odoopack secret set DATABASE_URL",
    ]);
    set(pack, "postgres://shop@");
    refused(&["value of `secret:DATABASE_URL` cannot be used"]);
    set(pack, &server.url("shop", "other.pem"));
    refused(&["could not look at the server localhost", "certificate"]);
    set(pack, &server.url("great", "ca.pem"));
    refused(&["role great is a superuser"]);
    set(pack, &server.url("shop", "ca.pem"));
    server.ask("postgres", "ALTER ROLE shop CONNECTION LIMIT 12");
    refused(&["has 12 for role shop", "own limit is 12", "odoopack sizing"]);
    server.ask("postgres", "ALTER ROLE shop CONNECTION LIMIT -1 NOCREATEDB");
    refused(&["no CREATEDB", "CREATE DATABASE given_production OWNER shop"]);
    server.ask("postgres", "ALTER ROLE shop CREATEDB");
}

fn it_works_there_and_nowhere_else(pack: &Pack, server: &Server) {
    pack.now("what it is then");
    let status = pack.run(&["status", "--json"]).exits(0).json();
    let services = status["services"].as_object().unwrap();
    assert!(
        services.contains_key("production.blue.web") && !services.contains_key("postgres"),
        "{services:?}"
    );
    assert!(!pack.path("data/postgres").exists() && !pack.path("data/config/postgres").exists());
    assert_eq!(machine::users("odoo-given-postgres"), [""; 0]);
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'given_production'";
    assert_eq!(server.ask("postgres", owner), "shop");
    let open = "SELECT bool_and(coalesce(s.ssl, false)), count(*) > 1 FROM pg_stat_activity a \
                  LEFT JOIN pg_stat_ssl s USING (pid) WHERE a.usename = 'shop'";
    assert_eq!(server.ask("postgres", open), "t|t");
    let lines: Vec<String> = machine::processes()
        .into_iter()
        .map(|process| process.line)
        .collect();
    assert!(
        !lines.iter().any(|line| line.contains("canary-4f81")),
        "{lines:?}"
    );
    let who = pack.run(&[
        "psql",
        "production",
        "--",
        "-Atc",
        "SELECT current_user || ' ' || ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    ]);
    assert_eq!(who.exits(0).stdout.trim(), "shop true");
    let doctor = pack.run(&["doctor"]).said();
    assert!(!doctor.lines().any(|line| line.starts_with("error")), "{doctor}");
}

fn comes_back_from_a_snapshot(pack: &Pack, server: &Server) {
    pack.now("a backup, and back from it");
    let rename = |to: &str| {
        server.ask(
            "given_production",
            &format!("UPDATE res_company SET name = '{to}' WHERE id = 1"),
        )
    };
    rename("Before");
    // What keeps people from asking for too much would end whoever counts these rows, or makes a database.
    let many = "CREATE TABLE many AS SELECT 1::int2 AS one FROM generate_series(1, 1000000)";
    pack.run(&["psql", "production", "--", "-qc", many]).exits(0);
    server.ask("postgres", "ALTER ROLE shop SET statement_timeout = '20ms'");
    pack.run(&["backup", "create"]).exits(0);
    rename("After");
    pack.run(&["backup", "drill", "--level", "boot"]).exits(4);
    let proven = pack.run(&["backup", "drill"]).exits(0).said();
    assert!(proven.contains("without any network"), "{proven}");
    server.ask("postgres", "ALTER ROLE shop RESET statement_timeout");
    server.ask("postgres", "ALTER ROLE shop NOCREATEDB");
    let back = [
        "restore",
        "latest",
        "--to",
        "production",
        "--yes-replace",
        "production",
    ];
    let said = pack.run(&back).exits(4).said();
    assert!(said.contains("ALTER ROLE shop CREATEDB"), "{said}");
    server.ask("postgres", "ALTER ROLE shop CREATEDB");
    pack.run(&back).exits(0);
    assert_eq!(
        server.ask("given_production", "SELECT name FROM res_company WHERE id = 1"),
        "Before"
    );
    server.ask("given_production", "DROP TABLE many");
    pack.run(&["status"]).exits(0);
    let plan = pack.run(&["plan"]).exits(0).said();
    assert!(plan.contains("nothing to do"), "{plan}");
}

fn each_environment_has_a_role_of_its_own(pack: &Pack, server: &Server) {
    pack.now("a role of its own");
    pack.edit_file("[postgres]\n", "[postgres]\nroles = \"per-environment\"\n");
    let said = pack.run(&["up", "--yes"]).exits(4).said();
    for words in [
        "no CREATEROLE",
        "belongs to shop, not to given_production",
        "GRANT given_production TO shop WITH ADMIN OPTION",
        "odoopack env give production --root ",
        " | odoopack psql production --admin --root ",
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    server.ask("postgres", "CREATE DATABASE somebodys_shop OWNER shop");
    // What the provider's administrator does.
    server.ask(
        "postgres",
        "CREATE ROLE given_production; ALTER ROLE shop CREATEROLE",
    );
    server.ask("postgres", "GRANT given_production TO shop WITH ADMIN OPTION");
    // And what the role of `url`, no superuser, does.
    let give = pack.run(&["env", "give", "production"]).exits(0).stdout;
    pack.run_with(
        &["psql", "production", "--admin", "--", "-v", "ON_ERROR_STOP=1"],
        &give,
    )
    .exits(0);
    let owners = "SELECT string_agg(pg_get_userbyid(datdba), ' ' ORDER BY datname) FROM pg_database \
                   WHERE datname IN ('given_production', 'somebodys_shop')";
    assert_eq!(server.ask("postgres", owners), "given_production shop");
    let left = "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = 'shop'";
    assert_eq!(server.ask("given_production", left), "0");
    pack.run(&["up", "--yes"]).exits(0);
    pack.run(&["status"]).exits(0);
    assert!(
        pack.run(&["up", "--yes"])
            .exits(0)
            .said()
            .contains("nothing to do")
    );
    let rights =
        "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'given_production'";
    assert_eq!(server.ask("postgres", rights), "f|f|f");
    its_own_role_works_and_comes_back(pack, server);
    no_books_get_out_of_sight(pack);
}

fn no_books_get_out_of_sight(pack: &Pack) {
    pack.now("another database, and another name of the environment, are refused");
    let text = pack.read("repo/odoopack.toml");
    let table = "[environments.production]\n";
    for (changed, words) in [
        (
            format!("{table}database = \"books\"\n"),
            "people worked in given_production",
        ),
        (
            "[environments.books]\n".to_owned(),
            "they would find an empty Odoo there",
        ),
    ] {
        pack.write("repo/odoopack.toml", &text.replace(table, &changed));
        let said = pack.run(&["plan"]).exits(4).said();
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    pack.write("repo/odoopack.toml", &text);
    assert!(pack.run(&["plan"]).exits(0).said().contains("nothing to do"));
}

fn its_own_role_works_and_comes_back(pack: &Pack, server: &Server) {
    let who = |more: &[&str]| {
        let args = ["psql", "production"]
            .iter()
            .chain(more)
            .chain(&["--", "-Atc", "SELECT current_user"]);
        let answer = pack.run(&args.copied().collect::<Vec<_>>()).exits(0);
        answer.stdout.trim().to_owned()
    };
    assert_eq!(
        (who(&[]), who(&["--admin"])),
        ("given_production".to_owned(), "shop".to_owned())
    );
    server.ask(
        "given_production",
        "UPDATE res_company SET name = 'Own' WHERE id = 1",
    );
    pack.run(&["backup", "create"]).exits(0);
    pack.run(&[
        "restore",
        "latest",
        "--to",
        "production",
        "--yes-replace",
        "production",
    ])
    .exits(0);
    let owners = "SELECT string_agg(DISTINCT tableowner, ' ') FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server.ask("given_production", owners), "given_production");
    pack.run(&["status"]).exits(0);
}

fn nothing_was_said(pack: &Pack) {
    let said = pack.everything_said();
    assert!(!said.contains("canary-4f81"), "the password was printed");
    let found = Command::new("grep")
        .args([
            "-rlF",
            "canary-4f81",
            pack.path("data").as_str(),
            pack.path("repo").as_str(),
        ])
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let places: Vec<&str> = found
        .lines()
        .filter(|line| !line.contains("/secrets/") && !line.ends_with("odoo.conf"))
        .collect();
    assert_eq!(places, [""; 0]);
}
