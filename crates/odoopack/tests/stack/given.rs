//! A stack without a PostgreSQL of its own: the server runs outside, where containers and this host reach it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

use serde_json::json;

use crate::support::given::{PASSWORD, Server};
use crate::support::stack::{id, must};
use crate::support::{Pack, machine};

const FILE: &str = r#"format = 1

[pack]
name = "outside"
root = "ROOT"
engine = "compose"

[odoo]
series = "19.0"
source = { image = "odoo:19.0" }

[images]
nginx = "nginx:1.22"

[postgres]
url = "secret:DATABASE_URL"

[web]
listen = ["127.0.0.1"]
http_port = 80
https_port = 443

[environments.production]
domain = "localhost"
"#;

/// Nothing else of the machine may have the stack's ports.
pub(crate) fn a_server_of_somebody_else_serves_a_stack() {
    // The only address that containers and their host share.
    let bridge = must(&[
        "network",
        "inspect",
        "bridge",
        "--format",
        "{{(index .IPAM.Config 0).Gateway}}",
    ]);
    let server = Server::start(&bridge, &bridge);
    server.ask(
        "postgres",
        &format!("CREATE ROLE shop LOGIN CREATEDB PASSWORD '{PASSWORD}'"),
    );
    let pack = Pack::with_file("stack-outside", 31_950, FILE);
    pack.now("a server of somebody else");
    let url = server.url("shop", "ca.pem");
    let set = |url: &str| pack.run_with(&["secret", "set", "DATABASE_URL"], url).exits(0);
    set(&url.replace(&bridge, "localhost"));
    let refused = pack.run(&["up", "--yes"]).exits(4).said();
    assert!(
        refused.contains("in a container is the container itself"),
        "{refused}"
    );
    set(&url);
    pack.run(&["up", "--yes"]).exits(0);
    it_works_there_and_nowhere_else(&pack, &server);
    nothing_to_do(&pack);
    pack.now("a backup there, and back from it");
    comes_back(&pack, &server);
    nothing_to_do(&pack);
    images_come_from_a_file(&pack);
    pack.run(&["down"]).exits(0);
    let left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop'";
    assert_eq!(server.ask("postgres", left), "0");
    pack.now("done");
}

/// As on a machine that no registry answers: the names that the file has stand for nothing there.
fn images_come_from_a_file(pack: &Pack) {
    pack.now("images from a file, and the stack runs from them");
    let file = pack.path("images.tar");
    pack.run(&["image", "export", file.as_str()]).exits(0);
    pack.run(&["down"]).exits(0);
    pack.edit_file("nginx:1.22", "nginx:elsewhere");
    pack.edit_file("odoo:19.0", "odoo:elsewhere");
    pack.run(&["image", "import", file.as_str()]).exits(0);
    std::fs::remove_file(file).unwrap();
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(pack.status()["good"], json!(true));
    nothing_to_do(pack);
}

fn nothing_to_do(pack: &Pack) {
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
}

fn it_works_there_and_nowhere_else(pack: &Pack, server: &Server) {
    assert_eq!(pack.status()["good"], true);
    assert_eq!(id("postgres"), "");
    assert!(!pack.path("data/postgres").exists());
    let listening = machine::listening().into_iter();
    assert_eq!(
        listening.filter(|port| *port < 10_000).collect::<Vec<_>>(),
        [80, 443]
    );
    let open = "SELECT bool_and(coalesce(s.ssl, false)), count(*) > 1 FROM pg_stat_activity a \
                  LEFT JOIN pg_stat_ssl s USING (pid) WHERE a.usename = 'shop'";
    assert_eq!(server.ask("postgres", open), "t|t");
    let who = "SELECT current_user || ' ' || ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let answer = pack.run(&["psql", "production", "--", "-Atc", who]).exits(0);
    assert_eq!(answer.stdout.trim(), "shop true");
    for service in ["production.blue.web", "production.blue.cron"] {
        for seen in [
            must(&["top", &id(service), "-eo", "pid,args"]),
            must(&["inspect", &id(service)]),
        ] {
            assert!(!seen.contains(PASSWORD), "the password stands in\n{seen}");
        }
    }
}

fn comes_back(pack: &Pack, server: &Server) {
    let rename = |to: &str| {
        let sql = format!("UPDATE res_company SET name = '{to}' WHERE id = 1");
        server.ask("outside_production", &sql)
    };
    rename("Before");
    pack.run(&["backup", "create"]).exits(0);
    rename("After");
    pack.run(&["backup", "drill"]).exits(0);
    let table = pack.run(&["backup", "cat", "latest", "--table", "res_lang"]);
    assert!(table.exits(0).stdout.contains("COPY public.res_lang "));
    let zip = pack.path("out.zip");
    pack.run(&["backup", "export", "production", zip.as_str()])
        .exits(0);
    pack.run(&["backup", "import", zip.as_str(), "--as", "look"])
        .exits(4);
    std::fs::remove_file(zip).unwrap();
    let back = [
        "restore",
        "latest",
        "--to",
        "production",
        "--yes-replace",
        "production",
    ];
    pack.run(&back).exits(0);
    let name = "SELECT name FROM res_company WHERE id = 1";
    assert_eq!(server.ask("outside_production", name), "Before");
    assert_eq!(pack.status()["good"], json!(true));
}
