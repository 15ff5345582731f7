//! A stack that somebody runs with plain Docker Compose is taken over with its volume, its database and its attachments.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts programs and says what it does"
)]

#[path = "adopting/firewall.rs"]
mod firewall;
#[path = "adopting/neighbour.rs"]
mod neighbour;
#[path = "adopting/official.rs"]
mod official;
#[path = "adopting/site.rs"]
mod site;
mod support;

use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use serde_json::{Value, json};
use support::stack::{docker, id, must, with_docker};
use support::web::Site;
use support::{Pack, machine, wait_for};

const SEED: &str = include_str!("../../odoopack-core/fixtures/seed-docker-compose.yml");
const SEED_CONF: &str = include_str!("../../odoopack-core/fixtures/seed-odoo.conf");

/// What the seed's odoo.conf says and Odoo 19 does not start with, or with which it cannot sign in.
const NEVER_WORKED: [&str; 7] = [
    "db_password",
    "workers",
    "longpolling_port",
    "session_",
    "logfile",
    "admin_passwd",
    "log_handler",
];

/// What the official image of PostgreSQL does when it starts.
const POSTGRES: &str = r#"#!/bin/sh
set -e
as="setpriv --reuid=postgres --regid=postgres --init-groups"
mkdir -p "$PGDATA"; chown -R postgres "$PGDATA"; chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf %s "$POSTGRES_PASSWORD" >/tmp/password; chown postgres /tmp/password
  $as initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 "$PGDATA"
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  $as pg_ctl -D "$PGDATA" -o "-k /tmp -c listen_addresses=''" -w start
  [ "$POSTGRES_DB" = postgres ] || $as createdb -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
  $as pg_ctl -D "$PGDATA" -w stop
fi
exec $as postgres -k /tmp -c listen_addresses='*'
"#;

/// What the official image of Odoo does: the password on the command line.
const ODOO: &str = r#"#!/bin/sh
set -e
exec "$@" --db_host="${HOST:-db}" --db_user="${USER:-odoo}" --db_password="${PASSWORD:-odoo}"
"#;

/// Of the user `admin`.
const PASSWORD: &str = "as-it-was-4712";

/// What people have put into it.
const FILL: &str = r#"
import base64
env['res.partner'].create({'name': 'Kept'})
env['ir.attachment'].create({'name': 'kept.txt', 'datas': base64.b64encode(b'these bytes stay')})
env.ref('base.user_admin').password = 'as-it-was-4712'
env.cr.execute("CREATE TYPE mood AS ENUM ('glad'); CREATE VIEW glad AS SELECT 'glad'::mood AS mood")
env.cr.execute("CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * $1'")
env.cr.commit()
"#;

#[test]
fn a_stack_of_somebody_is_taken_over() {
    with_docker("a_stack_of_somebody_is_taken_over", the_seed_is_taken_over);
}

#[test]
fn the_example_of_the_official_images_is_taken_over() {
    with_docker(
        "the_example_of_the_official_images_is_taken_over",
        official::example_is_taken_over,
    );
}

fn the_seed_is_taken_over() {
    let pack = place("adopt");
    pack.now("the seed's stack, with plain `docker compose`");
    files(&pack);
    let site = site::write(&pack);
    let file = pack.path("repo/deploy/docker-compose.yml");
    let old = Old::new("old", pack.root.as_str(), file.as_str(), "postgres");
    old.start(&pack, ("odoo", "odoo"), "web,own_one");
    let before = old.ask("odoo", COUNTS);
    let cluster = old.ask("odoo", CLUSTER);
    site::serves(&old, &site);
    let told = written_down(&pack);
    pack.now("nothing is begun while the old containers are there");
    let refused = pack.run(&["plan"]).exits(4);
    assert!(
        refused.stderr.contains("container `old-postgres-1`"),
        "{}",
        refused.said()
    );
    old.down();
    site::is_put_away(&told);
    pack.run_with(&["secret", "set", "PRODUCTION_ADMIN"], PASSWORD)
        .exits(0);
    let plan = pack.run(&["plan"]).exits(0);
    assert!(!plan.stdout.contains("create a PostgreSQL"), "{}", plan.said());
    pack.now("up");
    let up = pack.run(&["up", "--yes"]).exits(0);
    for sentence in [
        "administering role",
        "keep a dump of database odoo",
        "object by object",
        "mark database odoo",
    ] {
        assert!(up.stderr.contains(sentence), "{sentence}: {}", up.said());
    }
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    everything_is_there(&pack, &site, ("odoo", &before));
    site::is_the_packs(&pack);
    the_cluster_is_the_same(&pack, &cluster);
    an_image_that_sorts_otherwise_is_not_taken_in(&pack);
    the_role_owns_it_and_is_no_superuser(&pack);
    the_way_back_is_whole(&pack);
    firewall::is_passed_and_doctor_says_so(&pack);
    pack.now("a backup, and down and up");
    an_odd_name_keeps_no_backup_from_being_made(&pack);
    a_job_runs_as_a_timer_of_the_host_would_run_it(&pack);
    pack.run(&["down"]).exits(0);
    what_went_back_is_left_to_people(&pack);
    pack.run(&["up", "--yes"]).exits(0);
    everything_is_there(&pack, &site, ("odoo", &before));
    pack.run(&["down"]).exits(0);
    must(&["volume", "rm", "old_pgdata"]);
    pack.now("done");
}

/// Somebody's archive was unpacked into the pack.
fn an_odd_name_keeps_no_backup_from_being_made(pack: &Pack) {
    let odd = std::ffi::OsStr::from_bytes(b"Stra\xdfe.txt");
    let path = pack.path("repo/addons").into_std_path_buf().join(odd);
    std::fs::write(&path, "x").unwrap();
    let told = json!(["addons/Stra\u{fffd}e.txt: its name is no UTF-8"]);
    assert_eq!(pack.json(&["backup", "create"])["left_out"], told);
    let cat = ["backup", "cat", "latest", "manifest.json"];
    assert_eq!(pack.run(&cat).exits(0).json()["left_out"], told);
    std::fs::remove_file(&path).unwrap();
}

/// It comes under the name that the file has for it, which says nothing of what is in it.
fn an_image_that_sorts_otherwise_is_not_taken_in(pack: &Pack) {
    pack.now("an image of PostgreSQL with another C library");
    let library = pack.read("data/odoopack/adopted-library.json");
    assert!(library.starts_with("\"glibc 2."), "{library}");
    let (file, other) = (pack.path("images.tar"), pack.path("other.tar"));
    pack.run(&["image", "export", file.as_str()]).exits(0);
    pack.write("images/musl/getconf", "#!/bin/sh\necho musl libc\n");
    let text =
        "FROM acme/postgres:15\nUSER root\nCOPY getconf /usr/bin/getconf\nRUN chmod 755 /usr/bin/getconf\n";
    let name = "odoopack-shop/postgres:0123456789ab";
    build(pack, "images/musl", text, name);
    // The others have their names since they were written out.
    let reference = "reference=odoopack-shop/*";
    let listed = must(&[
        "image",
        "ls",
        "--filter",
        reference,
        "--format",
        "{{.Repository}}:{{.Tag}}",
    ]);
    let wanted = |line: &&str| *line == name || !line.starts_with("odoopack-shop/postgres:");
    let names: Vec<&str> = listed.lines().filter(wanted).collect();
    must(&[&["save", "--output", other.as_str()], &names[..]].concat());
    let before = pack.json(&["image", "list"]);
    let refused = pack.run(&["image", "import", other.as_str()]).exits(4);
    assert!(
        refused.stderr.contains("has musl: it sorts texts otherwise")
            && refused.stderr.contains("backup export"),
        "{}",
        refused.said()
    );
    assert_eq!(pack.json(&["image", "list"]), before);
    pack.run(&["image", "import", file.as_str()]).exits(0);
    let ids = |images: &Value| -> Vec<Value> {
        let all = images["images"].as_array().unwrap().iter();
        all.map(|one| one["id"].clone()).collect()
    };
    assert_eq!(ids(&pack.json(&["image", "list"])), ids(&before));
    must(&["image", "rm", name]);
    for path in [file, other] {
        std::fs::remove_file(path).unwrap();
    }
    pack.run(&["up", "--yes"]).exits(0);
}

/// What the unit of a job says, with nothing but the environment that it is given.
fn a_job_runs_as_a_timer_of_the_host_would_run_it(pack: &Pack) {
    pack.now("a job of the schedule");
    let program = machine::must("find", &[pack.path("data/odoopack/bin").as_str(), "-type", "f"]);
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    // The test's Docker listens elsewhere than a host's.
    let docker = format!("DOCKER_HOST={}", std::env::var("DOCKER_HOST").unwrap_or_default());
    let call = [
        "-i",
        path,
        &docker,
        "LANG=C.UTF-8",
        "HOME=/root",
        program.lines().next().unwrap(),
        "--root",
        pack.root.as_str(),
    ];
    let said = machine::must(
        "env",
        &[&call[..], &["--json", "schedule", "run", "certificates"]].concat(),
    );
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["job"], "certificates", "{said}");
}

/// The old image gave the volume to its own user again, as it does whenever it starts.
fn what_went_back_is_left_to_people(pack: &Pack) {
    pack.now("the cluster went back to the old stack");
    let volume = must(&["volume", "inspect", "--format", "{{.Mountpoint}}", "old_pgdata"]);
    machine::must("chown", &["-R", "70:70", &volume]);
    let refused = pack.run(&["up", "--yes"]).exits(4);
    let mark = pack.path("data/odoopack/adopted.json");
    assert!(
        refused.stderr.contains(&format!("`rm {mark}`")),
        "{}",
        refused.said()
    );
    machine::must("rm", &[mark.as_str()]);
}

/// Where a stack is that somebody runs, and the pack that it becomes.
fn place(name: &str) -> Pack {
    let pack = Pack::new(name);
    // Left by a run that was killed before there was a pack to take down.
    drop(std::fs::remove_dir_all(&pack.root));
    // `demo --down` removes what this test leaves.
    pack.write(".odoopack-demo", "made by a test\n");
    image(&pack, "acme/postgres:15", "postgres:15", POSTGRES, "root");
    image(&pack, "acme/odoo:19.0", "odoo:19.0", ODOO, "odoo");
    image(&pack, "acme/nginx:1.22", "nginx:1.22", site::NGINX, "root");
    pack
}

/// A stack that plain Docker Compose runs.
struct Old {
    compose: [String; 7],
    /// Its service with the database.
    server: &'static str,
}

impl Old {
    /// Takes the place of one that a killed run left.
    fn new(project: &str, directory: &str, file: &str, server: &'static str) -> Self {
        let compose = [
            "compose",
            "-p",
            project,
            "--project-directory",
            directory,
            "-f",
            file,
        ];
        let old = Self {
            compose: compose.map(str::to_owned),
            server,
        };
        old.must(&["down", "--volumes"]);
        old
    }

    /// Brings it up with what people put into a database of it.
    fn start(&self, pack: &Pack, (service, database): (&str, &str), modules: &str) {
        self.must(&["up", "--detach", self.server]);
        let ready = ["exec", "-T", self.server, "pg_isready", "-q", "-h", "localhost"];
        wait_for("the old database answers", || {
            (self.run(&ready).code == Some(0)).then_some(())
        });
        pack.now("Odoo is installed in it");
        let run = ["run", "--rm", "-T", service, "odoo"];
        let install = format!("-d {database} -i {modules} --without-demo=all --stop-after-init");
        self.must(&[&run[..], &split(&install)].concat());
        let shell = format!("shell -d {database} --no-http");
        machine::must_with("docker", &self.words(&[&run[..], &split(&shell)].concat()), FILL);
        self.must(&["up", "--detach", service]);
    }

    fn words<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        self.compose
            .iter()
            .map(String::as_str)
            .chain(args.iter().copied())
            .collect()
    }

    fn run(&self, args: &[&str]) -> support::Answer {
        docker(&self.words(args))
    }

    #[track_caller]
    fn must(&self, args: &[&str]) -> String {
        self.run(args).exits(0).stdout
    }

    fn ask(&self, database: &str, sql: &str) -> String {
        let psql = [
            "exec",
            "-T",
            self.server,
            "psql",
            "-h",
            "/tmp",
            "-U",
            "odoo",
            "-d",
            database,
            "-Atc",
            sql,
        ];
        self.must(&psql).trim().to_owned()
    }

    fn down(&self) {
        self.must(&["down"]);
    }
}

fn split(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn files(pack: &Pack) {
    let compose = SEED
        .replace("postgres:16-alpine", "acme/postgres:15")
        .replace("odoo:18.0", "acme/odoo:19.0")
        .replace("nginx:alpine", "acme/nginx:1.22")
        // The machine's own would be another one's.
        .replace("- /etc/letsencrypt:", "- ./letsencrypt:");
    pack.write("repo/deploy/docker-compose.yml", &compose);
    pack.write(".env", "POSTGRES_PASSWORD=geheim-4711\n");
    let kept = |line: &&str| !NEVER_WORKED.iter().any(|key| line.starts_with(key));
    let conf: Vec<&str> = SEED_CONF.lines().filter(kept).collect();
    pack.write("config/odoo.conf", &conf.join("\n"));
    let module = "{'name': 'Own', 'version': '19.0.1.0.0', 'license': 'LGPL-3', 'depends': ['web']}\n";
    pack.write("repo/addons/ipai/own_one/__manifest__.py", module);
    pack.write("repo/addons/ipai/own_one/__init__.py", "");
    pack.write("repo/addons/external/oca/README.md", "");
    pack.write("data/filestore/.keep", "");
    // As the image's user, who is somebody else on this host.
    let user = must(&["run", "--rm", "--entrypoint", "id", "acme/odoo:19.0", "-u"]);
    machine::must("chown", &["-R", &user, pack.path("data/filestore").as_str()]);
}

/// Its containers would come back with Docker, and make what they mount.
impl Drop for Old {
    fn drop(&mut self) {
        self.run(&["down", "--volumes"]);
    }
}

const COUNTS: &str = "SELECT (SELECT count(*) FROM res_partner), (SELECT count(*) FROM ir_module_module), \
     (SELECT count(*) FROM ir_model_fields), (SELECT count(*) FROM ir_attachment WHERE name = 'kept.txt')";

/// What `initdb` gives a cluster for good, and the number of the database.
const CLUSTER: &str =
    "SELECT system_identifier, oid FROM pg_control_system(), pg_database WHERE datname = current_database()";

fn image(pack: &Pack, name: &str, base: &str, script: &str, user: &str) {
    let place = format!("images/{}", name.replace(['/', ':'], "-"));
    pack.write(&format!("{place}/start"), script);
    let text = format!(
        "FROM {base}\nUSER root\nCOPY start /start\nRUN chmod 755 /start\nUSER {user}\nENTRYPOINT [\"/start\"]\n"
    );
    build(pack, &place, &text, name);
}

fn build(pack: &Pack, place: &str, text: &str, name: &str) {
    pack.write(&format!("{place}/Dockerfile"), text);
    let output = Command::new("docker")
        .args(["build", "--quiet", "--tag", name, pack.path(place).as_str()])
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn written_down(pack: &Pack) -> Value {
    pack.now("adopt");
    let root = pack.root.as_str();
    let file = pack.path("repo/deploy/docker-compose.yml");
    let args = [
        "adopt",
        "--compose",
        file.as_str(),
        "--project-directory",
        root,
        "--project",
        "old",
    ];
    let more = ["--name", "shop"];
    let dry = pack.run(&[&args[..], &more, &["--dry-run"]].concat()).exits(0);
    assert!(dry.stdout.contains("    engine = \"compose\""), "{}", dry.said());
    assert!(!pack.path("repo/odoopack.toml").exists());
    pack.run(&[&args[..5], &more].concat()).exits(4);
    let answer = pack.run(&[&args[..], &more, &["--json"]].concat()).exits(0);
    assert!(!answer.said().contains("geheim-4711"), "{}", answer.said());
    let text = pack.read("repo/odoopack.toml");
    assert!(
        text.contains("postgres = \"acme/postgres:15\"") && text.contains("/volumes/old_pgdata/_data\""),
        "{text}"
    );
    let ports = json!({ "production": 31_700 });
    pack.write("data/odoopack/ports.json", &ports.to_string());
    let told = answer.first_json();
    site::is_carried_over(pack, &told);
    told
}

fn everything_is_there(pack: &Pack, site: &Site, (database, before): (&str, &str)) {
    pack.now("people, their data and their attachments are there");
    let status = pack.run(&["status", "--json"]).exits(0).first_json();
    assert_eq!(status["good"], true, "{status}");
    let session = site
        .sign_in(database, PASSWORD)
        .expect("the old password is right");
    let found = session.call("res.partner", "search_count", &json!([[["name", "=", "Kept"]]]));
    assert_eq!(found, 1);
    let found = session.call("ir.attachment", "search", &json!([[["name", "=", "kept.txt"]]]));
    let page = session.get(&format!("/web/content/{}", found[0])).is(200);
    assert_eq!(page.body, b"these bytes stay");
    session.picture_goes_round();
    let ask = ["psql", "production", "--", "-Atc", COUNTS];
    assert_eq!(pack.run(&ask).exits(0).stdout.trim(), before);
}

fn the_cluster_is_the_same(pack: &Pack, before: &str) {
    let answer = pack
        .run(&["psql", "production", "--admin", "--", "-Atc", CLUSTER])
        .exits(0);
    assert_eq!(answer.stdout.trim(), before);
    let format = "{{range .Mounts}}{{.Type}} {{.Name}} {{.RW}} {{end}}";
    let mounts = must(&["inspect", "--format", format, &id("postgres")]);
    assert!(mounts.contains("volume old_pgdata true"), "{mounts}");
}

fn the_role_owns_it_and_is_no_superuser(pack: &Pack) {
    let ask = |sql: &str| {
        let answer = pack
            .run(&["psql", "production", "--admin", "--", "-Atc", sql])
            .exits(0);
        answer.stdout.trim().to_owned()
    };
    let owners = "SELECT DISTINCT pg_get_userbyid(o) FROM (SELECT relowner, oid, 'pg_class'::regclass FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                  UNION ALL SELECT typowner, oid, 'pg_type'::regclass FROM pg_type WHERE typnamespace = 'public'::regnamespace \
                  UNION ALL SELECT proowner, oid, 'pg_proc'::regclass FROM pg_proc WHERE pronamespace = 'public'::regnamespace) x(o, id, class) \
                  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = class AND d.objid = id AND d.deptype = 'e')";
    assert_eq!(ask(owners), "shop_production");
    assert_eq!(
        ask(
            "SELECT pg_get_userbyid(datdba), has_database_privilege('public', oid, 'CONNECT') FROM pg_database WHERE datname = 'odoo'"
        ),
        "shop_production|f"
    );
    assert_eq!(
        ask("SELECT rolsuper FROM pg_roles WHERE rolname = 'shop_production'"),
        "f"
    );
    assert_eq!(
        ask("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'postgres'"),
        "odoo"
    );
    assert_eq!(ask("SELECT twice(4)"), "8");
}

fn the_way_back_is_whole(pack: &Pack) {
    let dump = pack.path("backups/adopted-odoo.dump");
    let server = id("postgres");
    let list = machine::must(
        "sh",
        &[
            "-c",
            &format!("docker exec -i {server} pg_restore --list < {dump}"),
        ],
    );
    assert!(list.contains("TABLE public res_partner odoo"), "{list}");
    assert!(list.contains("TABLE DATA public ir_attachment odoo"), "{list}");
}
