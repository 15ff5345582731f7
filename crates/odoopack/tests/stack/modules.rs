//! Modules of a pack in containers: own ones, a repository of the OCA, and a Python package in the image.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

use std::path::Path;

use crate::support::stack::{FIRSTNAME, id, must};
use crate::support::{Pack, addons, compiled, machine, write};

/// Odoo sees of its repository and of the own modules what `only` lets through.
const OCA: &str = r#"
[addons.repositories.partner-contact]
url = "file://UPSTREAM"

[editions.core]
modules = ["partner_firstname", "auditlog"]
only = ["partner_firstname"]
"#;

const ADDONS: &str = "oca = \"addons/external/oca\"\nrequirements = [\"requirements.txt\"]\n";

/// What Odoo found of the modules that are not its own.
pub(crate) const SEEN: &str = "SELECT name, state FROM ir_module_module WHERE name IN ('partner_firstname', 'partner_other', 'dev_probe')";

/// The file of a stack with own modules, a repository at `upstream`, and a Python package.
pub(crate) fn file(plain: &str, upstream: &Path) -> String {
    let own = "own = [\"addons/own\"]\n";
    let domain = "domain = \"localhost\"\n";
    let file = plain
        .replace(own, &format!("{own}{ADDONS}"))
        .replace(domain, &format!("{domain}edition = \"core\"\n"));
    format!("{file}{}", OCA.replace("UPSTREAM", upstream.to_str().unwrap()))
}

/// A repository with one real module of the OCA, and one that nobody asks for.
pub(crate) fn upstream() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let root = camino::Utf8Path::from_path(place.path()).unwrap();
    addons::lay_out(FIRSTNAME.0, FIRSTNAME.1, root);
    let other = "{'name': 'Other', 'version': '19.0.1.0.0', 'license': 'AGPL-3', 'depends': ['base']}\n";
    write(&root.join("partner_other/__manifest__.py"), other);
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
        machine::must("git", &[&["-C", root.as_str()], who.as_slice(), args].concat())
    };
    // In the image already: no archive can be reached from where this runs.
    write(&root.join("apt.txt"), "procps # ps\n");
    git(&["init", "--quiet", "--initial-branch=19.0"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "all"]);
    place
}

/// Installed from the tree of the locked commit, which no container can write to; nothing else is seen.
pub(crate) fn come_from_the_lock(pack: &Pack) {
    pack.now("a module of the OCA, from the lock and through the farm");
    let seen = pack.run(&["psql", "production", "--", "-Atc", SEEN]).exits(0);
    assert_eq!(seen.stdout.trim(), "partner_firstname|installed");
    let icon = pack
        .site()
        .get("/partner_firstname/static/description/icon.png")
        .is(200);
    assert!(icon.body.starts_with(b"\x89PNG"));
    let writable = "{{range .Mounts}}{{if .RW}}{{println .Destination}}{{end}}{{end}}";
    for service in ["production.blue.web", "production.blue.cron"] {
        let places = must(&["inspect", "--format", writable, &id(service)]);
        assert_eq!(places, pack.path("data/environments/production"));
    }
    pack.run(&["lock", "verify", "--offline"]).exits(0);
    python_packages_are_in_the_image(pack);
    pack.run(&["module", "check"]).exits(0);
    let why = pack.run(&["module", "why", "base_setup"]).exits(0);
    assert!(
        why.stdout
            .contains("/usr/lib/python3/dist-packages/odoo/addons/base_setup"),
        "{}",
        why.said()
    );
    let listed = pack.json(&["module", "list"]);
    let places: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(places.len(), 4, "{places:?}");
    for place in [
        "data/releases/addons/partner-contact-",
        "/opt/odoopack/python/odoo/addons/auditlog",
    ] {
        assert!(
            places.iter().any(|path| path.contains(place)),
            "{place}: {places:?}"
        );
    }
}

/// All that Odoo runs besides its image, by the image's own Python; when it was made.
pub(crate) fn are_compiled(pack: &Pack) -> Vec<(String, String)> {
    pack.now("what was compiled is used, and made once");
    let farm = pack.path("data/addons/core/partner_firstname");
    let module = farm.canonicalize_utf8().unwrap();
    assert!(
        module.as_str().contains("data/releases/addons/partner-contact-"),
        "{module}"
    );
    for service in ["production.blue.web", "production.blue.cron"] {
        for path in [
            farm.join("models/res_partner.py"),
            "/opt/odoopack/python/odoo/addons/auditlog/models/auditlog_log.py".into(),
        ] {
            compiled::is_used(&id(service), &path);
        }
    }
    let made = compiled::times(&module);
    assert_eq!(made.len(), compiled::sources(&module), "{made:?}");
    made
}

/// The real archive is out of reach here, and the real apt says of a name what it says anywhere.
fn what_debian_does_not_have_is_said(pack: &Pack) {
    let locked = pack.read("repo/oca.lock.json");
    pack.write(
        "repo/oca.lock.json",
        &locked.replace("\"procps\"", "\"gone-for-good\""),
    );
    let said = pack.run(&["image", "build"]).exits(4).said();
    let words =
        "Debian package `gone-for-good`, which `apt.txt` of partner-contact names, cannot be installed";
    assert!(said.contains(words), "{said}");
    pack.write("repo/oca.lock.json", &locked);
}

/// Built once on Odoo's own image, by no name that could come to mean another one.
fn python_packages_are_in_the_image(pack: &Pack) {
    let sql = "SELECT state FROM ir_module_module WHERE name = 'auditlog'";
    let seen = pack.run(&["psql", "production", "--", "-Atc", sql]).exits(0);
    assert_eq!(seen.stdout.trim(), "installed");
    let site = pack.site();
    site.get("/auditlog/static/description/icon.png").is(200);
    let runs = must(&[
        "inspect",
        "--format",
        "{{.Config.Image}} {{.Image}}",
        &id("production.blue.web"),
    ]);
    let (named, runs) = runs.split_once(' ').unwrap();
    assert_eq!(named, runs);
    let label = |name: &str| {
        let format = format!("{{{{index .Config.Labels \"{name}\"}}}} {{{{.Config.User}}}}");
        must(&["image", "inspect", "--format", &format, runs])
    };
    let base = must(&["image", "inspect", "--format", "{{.Id}}", "odoo:19.0"]);
    assert_eq!(label("odoopack.base.id"), format!("{base} odoo"));
    // Found by its label, with no index to ask.
    let again = pack.json(&["image", "build"]);
    assert_eq!(again["image"], runs);
    let text = pack.run(&["image", "build", "--dry-run"]).exits(0).stdout;
    assert!(
        text.starts_with("FROM sha256:") && text.ends_with("USER odoo\n"),
        "{text}"
    );
    let install = "apt-get install -y --no-install-recommends procps";
    assert!(text.contains(install), "{text}");
    assert!(pack.read("repo/oca.lock.json").contains("\"procps\""));
    let steps = must(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", runs]);
    assert!(steps.contains(install), "{steps}");
    what_debian_does_not_have_is_said(pack);
    // An image under the same label without the packages is told from the right one by what is in it.
    pack.run(&["lock", "verify", "--offline"]).exits(0);
    let images = "data/odoopack/images.json";
    let before = pack.read(images);
    pack.write(images, before.replace(runs, &base).as_bytes());
    let told = pack.run(&["lock", "verify", "--offline"]).exits(8);
    assert!(told.said().contains("odoo-addon-auditlog"), "{}", told.said());
    pack.write(images, before.as_bytes());
}
