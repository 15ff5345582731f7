//! The example in the documentation of the official images, as people copy it.

use crate::support::stack::must;
use crate::support::web::Site;
use crate::support::{Pack, machine};
use crate::{COUNTS, Old, PASSWORD, everything_is_there, place};

const EXAMPLE: &str = include_str!("../../../odoopack-core/fixtures/official-docker-compose.yml");

/// Two volumes with a name, and two directories with nothing in them; Odoo made a database of its own.
pub(crate) fn example_is_taken_over() {
    let pack = place("adopt-official");
    pack.now("the example, with plain `docker compose`");
    let example = EXAMPLE
        .replace("postgres:16", "acme/postgres:15")
        .replace("odoo:18.0", "acme/odoo:19.0");
    pack.write("old/docker-compose.yml", &example);
    for directory in ["old/config", "old/addons"] {
        std::fs::create_dir_all(pack.path(directory)).expect("the pack is ours");
    }
    let file = pack.path("old/docker-compose.yml");
    let old = Old::new("example", pack.path("old").as_str(), file.as_str(), "db");
    old.start(&pack, ("web", "books"), "web");
    let before = old.ask("books", COUNTS);
    pack.now("adopt");
    written_down(&pack, file.as_str());
    old.down();
    pack.run_with(&["secret", "set", "PRODUCTION_ADMIN"], PASSWORD)
        .exits(0);
    pack.now("up");
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    let site = Site {
        port: 443,
        domain: "localhost".to_owned(),
        authority: pack.read("data/tls/authority.pem"),
    };
    everything_is_there(&pack, &site, ("books", &before));
    // As before, but for people on this machine.
    let page = machine::must("curl", &["-sL", "http://127.0.0.1:8069/web/login"]);
    assert!(page.contains("csrf_token"), "{page}");
    let superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    let asked = pack.run(&["psql", "production", "--", "-Atc", superuser]);
    assert_eq!(asked.exits(0).stdout.trim(), "f");
    pack.run(&["down"]).exits(0);
    must(&["volume", "rm", "example_odoo-db-data", "example_odoo-web-data"]);
    pack.now("done");
}

fn written_down(pack: &Pack, file: &str) {
    let args = [
        "adopt",
        "--compose",
        file,
        "--project",
        "example",
        "--name",
        "shop",
    ];
    // Neither stands in the example.
    let unsaid = pack.run(&[&args[..], &["--dry-run"]].concat()).exits(4).said();
    assert!(
        unsaid.contains("which database is Odoo's") && unsaid.contains("by which host name"),
        "{unsaid}"
    );
    let more = ["--domain", "localhost", "--database", "books"];
    pack.run(&[&args[..], &more].concat()).exits(0);
    let text = pack.read("repo/odoopack.toml");
    for words in [
        "/volumes/example_odoo-db-data/_data\"",
        "/volumes/example_odoo-web-data/_data/.local/share/Odoo\"",
        "http_port = 8069",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // No registry can be reached from here.
    pack.edit_file("[images]\n", "[images]\nnginx = \"nginx:1.22\"\n");
    pack.write("data/odoopack/ports.json", "{\"production\": 31700}");
}
