//! Images that come from a registry, with a real Docker Engine and a real registry: pinned by digest, got again by it, moved when asked.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use std::collections::BTreeMap;

use support::registry::Registry;
use support::stack::{build_variant, docker, id, must, stack_file, with_docker};
use support::{Pack, wait_for};

const FILE: &str = r#"
[environments.production]
domain = "localhost"
workers = 0
cron_workers = 0
"#;

/// Part, its name in the registry, what it is here, and the service that runs it.
const IMAGES: [(&str, &str, &str, &str); 3] = [
    ("odoo", "odoo:19.0", "odoo:19.0", "production.blue.web"),
    ("postgres", "postgres:15", "only-there:2", "postgres"),
    ("nginx", "nginx:1.22", "only-there:1", "nginx"),
];

/// Digests by part.
type Digests = BTreeMap<&'static str, String>;

#[test]
fn images_of_a_registry_are_pinned_by_digest() {
    with_docker("images_of_a_registry_are_pinned_by_digest", a_registry_is_asked);
}

fn a_registry_is_asked() {
    let registry = Registry::start();
    let plain = stack_file("shop", FILE);
    let plain = plain.replace(
        "series = \"19.0\"",
        "series = \"19.0\"\nsource = { image = \"odoo:19.0\" }",
    );
    let file = IMAGES.iter().fold(plain, |file, (_, name, ..)| {
        file.replace(&format!("\"{name}\""), &format!("\"{}\"", Registry::name(name)))
    });
    let pack = Pack::with_file("registry", 31_970, &file);
    pack.now("the images are pushed");
    build_variant("nginx:1.22", "only-there:1");
    build_variant("postgres:15", "only-there:2");
    let digests: Digests = IMAGES
        .iter()
        .map(|(part, name, local, _)| (*part, Registry::push(local, name)))
        .collect();
    must(&["rmi", "only-there:1", "only-there:2"]);
    they_are_pulled_and_pinned(&pack, &digests);
    a_tag_that_moved_changes_nothing(&pack);
    they_are_pulled_again(&pack, &digests);
    newer_ones_are_taken_when_asked_for(&pack, &digests);
    a_lock_that_is_updated_takes_the_new_one(&pack, &digests);
    what_is_built_on_it_is_known_here_only(&pack);
    without_the_registry_everything_stays(&pack, registry);
    pack.run(&["down"]).exits(0);
    pack.now("done");
}

/// What the services run, by the names under which they were made.
#[track_caller]
fn run(digests: &Digests) {
    for (part, _, _, service) in IMAGES {
        let named = must(&["inspect", "--format", "{{.Config.Image}}", &id(service)]);
        assert_eq!(named, digests[part], "{service}");
    }
}

/// The same for Odoo, in whichever of its two places it runs.
fn web() -> String {
    let id = must(&["ps", "--quiet", "--filter", "name=[.]web"]);
    must(&["inspect", "--format", "{{.Config.Image}}", &id])
}

/// Releases of which files were copied out of an image.
fn copies(pack: &Pack) -> Vec<String> {
    let all = pack.path("data/releases").read_dir_utf8().unwrap().flatten();
    let copied = all.filter(|entry| entry.path().join("static").is_dir());
    copied.map(|entry| entry.file_name().to_owned()).collect()
}

fn locked(pack: &Pack) -> String {
    let lock: serde_json::Value = serde_json::from_str(&pack.read("repo/oca.lock.json")).unwrap();
    lock["odoo"]["image"]["digest"].as_str().unwrap().to_owned()
}

fn they_are_pulled_and_pinned(pack: &Pack, digests: &Digests) {
    pack.now("a lock and up from nothing");
    pack.run(&["lock"]).exits(0);
    assert_eq!(locked(pack), digests["odoo"]);
    pack.run(&["up", "--yes"]).exits(0);
    let stack = pack.read("deploy/docker-compose.yml");
    for digest in digests.values() {
        assert!(
            stack.contains(&format!("image: \"{digest}\"\n")),
            "{digest}: {stack}"
        );
    }
    run(digests);
    pack.site().get("/web/login").is(200);
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    // Made here, and in no registry.
    let gate = must(&["inspect", "--format", "{{.Config.Image}}", &id("gate")]);
    assert!(gate.starts_with("sha256:"), "{gate}");
}

fn a_tag_that_moved_changes_nothing(pack: &Pack) {
    pack.now("the names stand for other images in the registry");
    for (_, name, ..) in IMAGES {
        let local = name.replace(':', "-moved:");
        build_variant(name, &local);
        Registry::push(&local, name);
        must(&["rmi", &local]);
    }
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    let before = pack.read("repo/oca.lock.json");
    pack.run(&["lock"]).exits(0);
    assert_eq!(pack.read("repo/oca.lock.json"), before);
}

fn they_are_pulled_again(pack: &Pack, digests: &Digests) {
    pack.now("they are gone from here, and `up` gets the same again");
    // Somebody added a service of their own, whose image gives it a volume without a name.
    let kept =
        "services:\n  kept:\n    image: redis:7.0\n    entrypoint: [sleep, \"1000\"]\n    volumes: [/kept]\n";
    pack.write("deploy/docker-compose.override.yml", kept);
    let files = ["docker-compose.yml", "docker-compose.override.yml"];
    let files = files.map(|file| pack.path("deploy").join(file).to_string());
    let files = ["compose", "--file", &files[0], "--file", &files[1]];
    must(&[files.as_slice(), &["up", "--detach", "--no-deps", "kept"]].concat());
    let kept = id("kept");
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    let said = pack.run(&["down"]).exits(0).said();
    assert!(said.contains("`kept` was added"), "{said}");
    assert_eq!(must(&["ps", "--quiet", "--no-trunc"]), kept);
    must(&["rm", "--force", "--volumes", &kept]);
    let here = |name: &String| must(&["image", "inspect", "--format", "{{.Id}}", name]);
    // Odoo's is the one that other tests are made from.
    let ids = ["postgres", "nginx"].map(|part| here(&digests[part]));
    for digest in digests.values() {
        must(&["rmi", digest]);
    }
    for name in digests.values().chain(&ids) {
        assert_ne!(docker(&["image", "inspect", name]).code, Some(0), "{name}");
    }
    // Meanwhile another project took the range of the network.
    let network = "odoopack-shop_default";
    let format = "{{range .IPAM.Config}}{{.Subnet}}{{end}}";
    let subnet = |name: &str| must(&["network", "inspect", "--format", format, name]);
    let range = subnet(network);
    must(&["network", "rm", network]);
    must(&["network", "create", "--subnet", &range, "another"]);
    let said = pack.run(&["up", "--yes"]).exits(0).said();
    for digest in digests.values() {
        assert!(said.contains(&format!("get image {digest}")), "{digest}: {said}");
    }
    run(digests);
    assert_ne!(subnet(network), range);
    pack.site().get("/web/login").is(200);
}

fn newer_ones_are_taken_when_asked_for(pack: &Pack, digests: &Digests) {
    pack.now("`image update` takes newer images of what the lock does not name");
    let before = pack.json(&["image", "list"]);
    let told = pack.json(&["image", "update", "nginx", "--dry-run"]);
    assert_eq!(told["newer"][0]["before"], digests["nginx"]);
    assert_eq!(pack.json(&["image", "list"]), before);
    pack.run(&["image", "update", "odoo"]).exits(4);
    // What is pinned is said also where `up` would not go on.
    let file = pack.read("repo/odoopack.toml");
    let secret = "[environments.production.env]\nCANARY = \"secret:CANARY\"\n";
    pack.write("repo/odoopack.toml", &format!("{file}\n{secret}"));
    let told = pack.run(&["image", "update", "postgres"]).exits(4);
    assert!(
        told.stdout.contains(&digests["postgres"]) && told.stderr.contains("CANARY"),
        "{}",
        told.said()
    );
    pack.write("repo/odoopack.toml", &file);
    let said = pack.run(&["image", "update"]).exits(0).stdout;
    assert!(
        said.contains(&digests["nginx"]) && said.contains("restart"),
        "{said}"
    );
    assert!(
        ["odoo", "postgres"]
            .iter()
            .all(|part| !said.contains(&digests[part])),
        "{said}"
    );
    run(digests);
    pack.run(&["up", "--yes"]).exits(0);
    for (service, part) in [("postgres", "postgres"), ("nginx", "nginx")] {
        let named = must(&["inspect", "--format", "{{.Config.Image}}", &id(service)]);
        assert_ne!(named, digests[part], "{service}");
        assert!(named.contains("@sha256:"), "{named}");
    }
    let again = pack.json(&["image", "update"]);
    assert_eq!(again["newer"], serde_json::json!([]));
}

fn a_lock_that_is_updated_takes_the_new_one(pack: &Pack, digests: &Digests) {
    pack.now("`lock --update` takes what the name stands for now");
    let nginx = id("nginx");
    pack.run(&["lock", "--update"]).exits(0);
    let new = locked(pack);
    assert_ne!(new, digests["odoo"]);
    pack.run(&["up", "--yes"]).exits(0);
    assert_eq!(web(), new);
    assert_eq!(id("nginx"), nginx, "nobody is cut off");
    let site = pack.site();
    site.get("/web/login").is(200);
    site.get("/web/static/img/favicon.ico").is(200);
    let own = |line: &str| line.contains("favicon.ico") && line.contains("\"upstream\":\"\"");
    wait_for("nginx says that it sent a file of the new image itself", || {
        let logs = pack.run(&["logs", "nginx", "-n", "50"]).exits(0).stdout;
        logs.lines().any(own).then_some(())
    });
    pack.run(&["lock", "verify"]).exits(0);
}

/// No archive can be reached from here: the package is in the image already.
fn what_is_built_on_it_is_known_here_only(pack: &Pack) {
    pack.now(
        "Debian packages of the pack's own list are built into an image, which no registry is asked for",
    );
    pack.write("repo/apt.txt", "procps # ps\n");
    for command in [["up", "--yes"], ["plan", "--exit-code"]] {
        let said = pack.run(&command).exits(4).said();
        assert!(said.contains("`apt.txt` has changed since"), "{said}");
    }
    pack.run(&["lock", "verify"]).exits(8);
    pack.run(&["lock"]).exits(0);
    let text = pack.run(&["image", "build", "--dry-run"]).exits(0).stdout;
    assert!(text.contains("--no-install-recommends procps"), "{text}");
    let before = copies(pack);
    pack.run(&["up", "--yes"]).exits(0);
    let runs = web();
    assert!(runs.starts_with("sha256:"), "{runs}");
    let after = copies(pack);
    let both: Vec<_> = after.iter().filter(|name| before.contains(name)).collect();
    assert!(
        before.len() == 2 && after.len() == 2 && both.len() == 1,
        "only those of this image and the one before: {before:?} {after:?}"
    );
    pack.run(&["lock", "verify", "--offline"]).exits(0);
    pack.run(&["down"]).exits(0);
    must(&["rmi", "--force", &runs]);
    pack.run(&["up", "--yes"]).exits(0);
    assert!(web().starts_with("sha256:"));
    pack.site().get("/web/login").is(200);
}

fn without_the_registry_everything_stays(pack: &Pack, registry: Registry) {
    pack.now("the registry is away");
    drop(registry);
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    let before = pack.read("repo/oca.lock.json");
    let said = pack.run(&["lock", "--update"]).exits(1).said();
    assert!(said.contains("connection refused"), "{said}");
    assert_eq!(pack.read("repo/oca.lock.json"), before);
}
