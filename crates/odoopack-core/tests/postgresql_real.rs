//! The rendered `postgresql.conf`, `pg_hba.conf` and `pg_ident.conf`, obeyed by a real cluster.
#![expect(clippy::disallowed_methods, reason = "the test drives a real cluster")]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::render::pg_hba::{Access, Role, pg_hba_conf, pg_ident_conf};
use odoopack_core::render::postgresql::{Postgresql, postgresql_conf};
use odoopack_core::render::sql;
use odoopack_core::sorting::{Provider, Sorting};
use odoopack_core::units::Bytes;
use support::{Running, free_ports, must, open_directory, program, root, text, until};

mod support;

/// The user of the cluster, who exists wherever the server is packaged; PostgreSQL refuses to run as root.
const OWNER: &str = "postgres";

struct Cluster {
    path: Utf8PathBuf,
    major: u16,
    port: u16,
    _server: Running,
    _keep: tempfile::TempDir,
}

/// The newest server of this Debian.
fn installed() -> Utf8PathBuf {
    let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let majors = found.filter_map(|d| d.ok()?.file_name().to_str()?.parse::<u16>().ok());
    let major = majors
        .max()
        .expect("no PostgreSQL server is installed; `cargo xtask setup` installs it");
    format!("/usr/lib/postgresql/{major}/bin").into()
}

/// The servers that `cargo xtask setup` fetched, copied to where their owner may read them.
fn fetched(to: &Utf8Path) -> Vec<Utf8PathBuf> {
    let home = Utf8PathBuf::from(std::env::var("HOME").unwrap()).join(".cache");
    let cache = std::env::var("XDG_CACHE_HOME").map_or(home, Utf8PathBuf::from);
    let place = cache.join("odoopack-tests/postgres");
    let found = place
        .read_dir_utf8()
        .unwrap_or_else(|e| panic!("{place}: {e}; `cargo xtask setup` fills it"));
    let copy = |entry: camino::Utf8DirEntry| {
        must("cp", &["-r", entry.path().as_str(), to.as_str()]);
        to.join(entry.file_name()).join("bin")
    };
    found.map(|entry| copy(entry.unwrap())).collect()
}

/// The major that a server says it is.
fn major_of(programs: &Utf8Path) -> u16 {
    let said = good(
        &Command::new(programs.join("postgres"))
            .arg("--version")
            .output()
            .unwrap(),
    );
    let version = said.split_whitespace().nth(2).unwrap();
    version.split('.').next().unwrap().parse().unwrap()
}

/// The program as the owner of the cluster.
fn owned(name: &Utf8Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("setpriv"));
    if root() {
        command.args(["--reuid", OWNER, "--regid", OWNER, "--init-groups"]);
    }
    command
        .args(["--pdeathsig", "INT", "--", name.as_str()])
        .args(arguments)
        .env("LC_ALL", "C");
    command
}

fn owner() -> String {
    if root() {
        OWNER.to_owned()
    } else {
        must("id", &["-un"]).trim().to_owned()
    }
}

impl Cluster {
    fn start(bin: &Utf8Path) -> Self {
        let (keep, path) = open_directory();
        let major = major_of(bin);
        if root() {
            must("chown", &[OWNER, path.as_str()]);
        }
        let data = path.join("data");
        good(
            &owned(
                &bin.join("initdb"),
                &[
                    "-D",
                    data.as_str(),
                    "-U",
                    "odoopack",
                    "--no-sync",
                    "--auth-local=peer",
                    "--auth-host=reject",
                    "--data-checksums",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                ],
            )
            .output()
            .unwrap(),
        );
        let [port] = free_ports();
        std::fs::write(
            data.join("postgresql.conf"),
            postgresql_conf(&input(major, &path, port)),
        )
        .unwrap();
        std::fs::write(data.join("pg_hba.conf"), pg_hba_conf(&access())).unwrap();
        std::fs::write(data.join("pg_ident.conf"), pg_ident_conf(&access())).unwrap();
        let setting = owned(&bin.join("postgres"), &["-C", "work_mem", "-D", data.as_str()])
            .output()
            .unwrap();
        assert_eq!(
            good(&setting).trim(),
            "5120",
            "postgres reads the file before it starts"
        );
        let server = Running::start(owned(&bin.join("postgres"), &["-D", data.as_str()]).current_dir("/"));
        let cluster = Self {
            path,
            major,
            port,
            _server: server,
            _keep: keep,
        };
        until("the server answers", || {
            cluster.admin("select 1").status.success()
        });
        for name in ["one", "two"] {
            cluster.environment(name);
        }
        cluster
    }

    /// Role and database of an environment, with the very statements of `up`; each that may be repeated is.
    fn environment(&self, name: &str) {
        // The server makes a verifier of the password, which is then given as `up` gives its own.
        good(&self.admin(&format!("create role maker password '{name}'")));
        let verifier = good(&self.admin("select rolpassword from pg_authid where rolname = 'maker'"));
        good(&self.admin("drop role maker"));
        for there in [false, true] {
            good(&self.admin(&sql::role(name, there, verifier.trim())));
        }
        let sorting = Sorting::of_odoo();
        good(&self.admin(&sql::create_database(name, name, &sorting, self.major)));
        good(&self.admin(&sql::close_database(name)));
        for _ in 0..2 {
            good(&self.admin_in(name, &sql::prepare_database(name, true)));
            good(&self.admin(&sql::mark(name, "production")));
        }
    }

    fn admin(&self, sql: &str) -> Output {
        self.admin_in("postgres", sql)
    }

    fn admin_in(&self, database: &str, sql: &str) -> Output {
        let place = format!(
            "host={} port={} dbname={database} user=odoopack",
            self.path, self.port
        );
        let psql = Utf8PathBuf::try_from(program("psql")).unwrap();
        owned(&psql, &["-XAtq", "-c", sql, &place])
            .current_dir("/")
            .output()
            .unwrap()
    }

    /// Enters as a role of an environment, with its password.
    fn enter(&self, host: &str, role: &str, password: &str, database: &str) -> Output {
        let place = format!(
            "host={host} port={} dbname={database} user={role} connect_timeout=5",
            self.port
        );
        let mut psql = Command::new(program("psql"));
        psql.args(["-XAtqw", "-c", "select current_user", &place])
            .env("PGPASSWORD", password);
        psql.output().unwrap()
    }

    fn refusal(&self, host: &str, role: &str, password: &str, database: &str) -> String {
        let output = self.enter(host, role, password, database);
        assert!(!output.status.success(), "{role} entered {database}");
        text(&output.stderr)
    }
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn input(major: u16, path: &Utf8Path, port: u16) -> Postgresql {
    Postgresql {
        hash: "abc".into(),
        major,
        cluster_name: "demo".into(),
        socket_directory: path.to_owned(),
        port,
        listen: "127.0.0.1",
        max_connections: 60,
        shared_buffers: Bytes::mib(32),
        work_mem: Bytes::mib(5),
        maintenance_work_mem: Bytes::mib(64),
        effective_cache_size: Bytes::mib(256),
        preload: vec!["pg_stat_statements".into()],
        options: [("application_name".to_owned(), r"it's \ mine".to_owned())].into(),
    }
}

fn access() -> Access {
    let role = |name: &str| Role {
        name: name.into(),
        databases: vec![name.into()],
    };
    Access {
        hash: "abc".into(),
        admin: "odoopack".into(),
        admin_users: vec![owner()],
        roles: vec![role("one"), role("two")],
        tcp: Some("127.0.0.1/32".into()),
    }
}

fn a_role_enters_its_own_database_and_the_shared_one_only(cluster: &Cluster) {
    for host in [cluster.path.as_str(), "127.0.0.1"] {
        assert_eq!(good(&cluster.enter(host, "one", "one", "one")).trim(), "one");
        assert_eq!(good(&cluster.enter(host, "one", "one", "postgres")).trim(), "one");
        for foreign in ["two", "template1"] {
            let said = cluster.refusal(host, "one", "one", foreign);
            assert!(said.contains("pg_hba.conf rejects connection"), "{said}");
        }
        let said = cluster.refusal(host, "one", "wrong", "one");
        assert!(said.contains("password authentication failed"), "{said}");
    }
}

fn the_administering_role_needs_its_user_and_the_socket(cluster: &Cluster) {
    let said = cluster.refusal("127.0.0.1", "odoopack", "x", "postgres");
    assert!(said.contains("pg_hba.conf rejects connection"), "{said}");
    if root() {
        let said = cluster.refusal(cluster.path.as_str(), "odoopack", "x", "postgres");
        assert!(
            said.contains("Peer authentication failed"),
            "root is not in the map: {said}"
        );
    }
    let wrong = "select name || ': ' || error from pg_file_settings where error is not null";
    assert_eq!(good(&cluster.admin(wrong)), "");
    let rules = "select count(*) from pg_hba_file_rules where error is not null";
    assert_eq!(good(&cluster.admin(rules)).trim(), "0");
}

fn every_setting_is_in_force(cluster: &Cluster) {
    let shown =
        |name: &str| good(&cluster.admin(&format!("select setting from pg_settings where name = '{name}'")));
    for (name, value) in [
        ("max_connections", "60"),
        ("shared_buffers", "4096"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("password_encryption", "scram-sha-256"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("log_line_prefix", "%m [%p] %q%u@%d %a "),
    ] {
        assert_eq!(shown(name).trim_end_matches('\n'), value, "{name}");
    }
    let waiting = "select string_agg(name, ' ') from pg_settings where pending_restart";
    assert_eq!(good(&cluster.admin(waiting)).trim(), "");
}

/// What Odoo expects of a database that it did not make itself, and what nobody else may do with it.
fn a_database_is_prepared(cluster: &Cluster) {
    let ask = |sql: &str| good(&cluster.admin_in("one", sql)).trim().to_owned();
    assert_eq!(
        ask("select string_agg(extname, ' ' order by extname) from pg_extension where extname <> 'plpgsql'"),
        "pg_trgm unaccent"
    );
    assert_eq!(
        ask("select provolatile from pg_proc where oid = 'unaccent(text)'::regprocedure"),
        "i"
    );
    assert_eq!(
        ask("select nspowner::regrole from pg_namespace where nspname = 'public'"),
        "one"
    );
    let database = "select datcollate || ' ' || datctype || ' ' || datdba::regrole from pg_database where datname = 'one'";
    assert_eq!(ask(database), "C C.UTF-8 one");
    assert_eq!(ask("show odoopack.kind"), "production");
    let role = "select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls from pg_roles where rolname = 'one'";
    assert_eq!(ask(role), "f");
    let open = "select has_database_privilege('two', 'one', 'connect')";
    assert_eq!(
        ask(open),
        "f",
        "the database itself is closed, not only pg_hba.conf"
    );
    assert_eq!(ask("show data_checksums"), "on");
}

/// What a snapshot says of its database is what the server makes of it, where it knows that; the C library is asked for nothing
/// that is not on every machine.
fn texts_are_sorted_as_they_were(cluster: &Cluster) {
    let library = |name: &str| Sorting {
        collate: name.to_owned(),
        ctype: name.to_owned(),
        provider: None,
    };
    let other = |name: &str, locale: &str, rules: Option<&str>| Sorting {
        provider: Some(Provider {
            name: name.to_owned(),
            locale: locale.to_owned(),
            rules: rules.map(str::to_owned),
        }),
        ..Sorting::of_odoo()
    };
    let words = "(values ('a'), ('B'), ('g'), ('Z'))";
    let order = format!("select string_agg(w, '' order by w) from {words} v(w)");
    for (sorting, since, sorted) in [
        (library("C.UTF-8"), 0, "BZag"),
        (library("xx_XX.utf8"), 99, ""),
        (other("icu", "en-US", None), 15, "aBgZ"),
        (other("icu", "en-US", Some("&Z < g")), 16, "aBZg"),
        (other("builtin", "C.UTF-8", None), 17, "BZag"),
    ] {
        let made = cluster.admin(&sql::create_database("sorted", "one", &sorting, cluster.major));
        let known = cluster.major >= since;
        assert_eq!(made.status.success(), known, "{sorting}: {}", text(&made.stderr));
        if !known {
            continue;
        }
        let kept = "select datcollate || ' ' || datctype || ' ' || coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') \
                      from pg_database d where datname = current_database()";
        let ask = |sql: &str| good(&cluster.admin_in("sorted", sql)).trim().to_owned();
        let locale = sorting.provider.as_ref().map_or("", |provider| &provider.locale);
        let wanted = format!("{} {} {locale}", sorting.collate, sorting.ctype);
        assert_eq!(ask(kept), wanted.trim());
        assert_eq!(ask(&order), sorted, "{sorting}");
        good(&cluster.admin_in("sorted", &sql::prepare_database("one", false)));
        let volatile = "select provolatile from pg_proc where oid = 'unaccent(text)'::regprocedure";
        assert_eq!(ask(volatile), "s");
        good(&cluster.admin("drop database sorted"));
    }
}

/// One cluster for all six: making it takes longer than asking.
/// The store of the session module that keeps sessions in a database, with the very statements that it gives.
fn sessions_of_a_device_are_found_and_ended(cluster: &Cluster) {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../addons/odoopack_sessions/test_database.py"
    );
    let place = format!("host={} port={} dbname=one user=one", cluster.path, cluster.port);
    let mut python = Command::new("/usr/bin/python3");
    python
        .args(["-B", script])
        .arg(program("psql"))
        .args(["-XAtqw", "-v", "ON_ERROR_STOP=1", &place])
        .env("PGPASSWORD", "one");
    assert_eq!(good(&python.output().unwrap()).trim(), "good");
}

fn obeys(programs: &Utf8Path) {
    let cluster = Cluster::start(programs);
    a_role_enters_its_own_database_and_the_shared_one_only(&cluster);
    the_administering_role_needs_its_user_and_the_socket(&cluster);
    every_setting_is_in_force(&cluster);
    a_database_is_prepared(&cluster);
    texts_are_sorted_as_they_were(&cluster);
    sessions_of_a_device_are_found_and_ended(&cluster);
}

#[test]
fn the_cluster_of_this_debian_obeys() {
    obeys(&installed());
}

#[test]
fn clusters_of_newer_majors_obey() {
    let (_keep, place) = open_directory();
    let servers = fetched(&place);
    let majors: Vec<u16> = servers.iter().map(|server| major_of(server)).collect();
    assert!(
        [16, 17, 18].iter().all(|major| majors.contains(major)),
        "{majors:?}"
    );
    servers.iter().for_each(|server| obeys(server));
}
