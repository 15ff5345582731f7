//! Modules of a pack on a real Odoo: the graph beside Odoo's own, the farm, and what is wrong.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::manifest;
use odoopack_core::modules::{Module, Origin, Tree, Wish, install, load_order};
use odoopack_core::spec::Series;
use serde_json::Value as Json;
use support::literals::{Oracle, in_order, tagged};
use support::{Pack, addons};

const PARTNERS: (&str, &str) = ("odoo-addon-partner-firstname", "19.0.1.0.3");
const OCA: &str = "repo/addons/external/oca";

const FILE: &str = r#"[addons]
own = ["addons/own"]
oca = "addons/external/oca"

[editions.core]
modules = ["crm", "ours"]

[environments.production]
edition = "core"
domain = "localhost"
users = 4
"#;

const OURS: &str = "{'name': 'Ours', 'version': '19.0.1.0.0', 'license': 'AGPL-3', 'depends': ['partner_firstname'],\n \
                    'external_dependencies': {'python': ['lxml', 'requests>=2']}}\n";
/// Needs what no machine has.
const NEEDY: &str = "{'name': 'Needy', 'license': 'LGPL-3', 'depends': ['partner_firstname', 'nowhere_at_all'],\n \
                     'external_dependencies': {'python': ['odoopack-none', 'lxml>=9999'], 'bin': ['odoopack-no-program']}}\n";
/// Would install itself if Odoo saw it.
const LURKING: &str =
    "{'name': 'Lurking', 'version': '19.0.1.0.0', 'depends': ['base'], 'auto_install': True}\n";

#[test]
fn modules_of_a_pack_are_what_odoo_makes_of_them() {
    let pack = Pack::with_file("graph", 31_600, &support::file("graph", FILE));
    addons::lay_out(PARTNERS.0, PARTNERS.1, &pack.path(OCA).join("partner-contact"));
    module(&pack, &format!("{OCA}/tools/lurking"), LURKING);
    module(&pack, "repo/addons/own/ours", OURS);
    pack.now("up");
    pack.run(&["up", "--yes", "--verbose"]).exits(0);
    every_manifest_of_odoo_is_read_as_python_reads_it(&pack);
    the_farm_is_what_odoo_and_nginx_see(&pack);
    the_graph_is_odoos_own(&pack);
    what_is_wrong_is_said(&pack);
    a_python_package_brings_a_module(&pack);
    a_module_in_two_places_is_refused(&pack);
    pack.run(&["up", "--yes"]).exits(0);
    let plan = pack.run(&["plan"]).exits(0);
    assert!(plan.stdout.contains("nothing to do"), "{}", plan.said());
    pack.run(&["down"]).exits(0);
    pack.now("done");
}

fn module(pack: &Pack, below: &str, text: &str) {
    pack.write(&format!("{below}/__manifest__.py"), text);
    pack.write(&format!("{below}/__init__.py"), "");
}

/// Odoo's own addons directory in the release.
fn release(pack: &Pack) -> Utf8PathBuf {
    let rows = pack.json(&["module", "list", "--all"]);
    let base = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "base")
        .unwrap();
    Utf8PathBuf::from(base["path"].as_str().unwrap())
        .parent()
        .unwrap()
        .to_owned()
}

fn directories(path: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut all: Vec<Utf8PathBuf> = path
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().into_path())
        .collect();
    all.retain(|path| path.join(manifest::FILE).is_file());
    all
}

fn every_manifest_of_odoo_is_read_as_python_reads_it(pack: &Pack) {
    pack.now("every manifest of Odoo 19.0, beside Python");
    let files = directories(&release(pack));
    let texts: Vec<Vec<u8>> = files
        .iter()
        .map(|path| std::fs::read(path.join(manifest::FILE)).unwrap())
        .collect();
    assert!(texts.len() > 500, "{}", texts.len());
    for ((path, text), python) in files.iter().zip(&texts).zip(Oracle::start().read(&texts)) {
        let ours = manifest::literal(str::from_utf8(text).unwrap()).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(
            in_order(tagged(&ours)),
            in_order(python["value"].clone()),
            "{path}"
        );
        let whole = manifest::parse(text).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(whole.fits(Series::V19).is_ok(), "{path}");
    }
}

/// Links to what the edition asks for, and to nothing that merely lies in a repository.
fn the_farm_is_what_odoo_and_nginx_see(pack: &Pack) {
    pack.now("the farm");
    let farm = pack.path("data/addons/core");
    let mut names: Vec<String> = farm
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["ours", "partner_firstname"]);
    assert_eq!(
        farm.join("partner_firstname").read_link_utf8().unwrap(),
        pack.path(OCA).join("partner-contact/partner_firstname")
    );
    let record: Json = serde_json::from_str(&pack.read("data/addons/core.json")).unwrap();
    assert_eq!(
        record["modules"]["partner_firstname"]["origin"],
        "oca/partner-contact"
    );
    let conf = pack.read("data/config/production/blue/odoo.conf");
    let line = conf.lines().find(|line| line.starts_with("addons_path")).unwrap();
    assert!(line.starts_with(&format!("addons_path = {farm},")), "{line}");
    let script = "from odoo.modules.module import Manifest\n\
                  print('path', Manifest.for_addon('partner_firstname').path, Manifest.for_addon('lurking', display_warning=False))\n";
    let answer = pack.run_with(&["shell", "production"], script).exits(0);
    assert!(
        answer
            .stdout
            .contains(&format!("path {farm}/partner_firstname None")),
        "{}",
        answer.said()
    );
    pack.site()
        .get("/partner_firstname/static/description/icon.png")
        .is(200);
}

/// What Odoo itself says, from inside of it, for the whole tree and for many single modules.
fn the_graph_is_odoos_own(pack: &Pack) {
    pack.now("the graph, beside Odoo's own");
    let script = include_str!("support/module_oracle.py").replace("EVERY", "9");
    let answer = pack.run_with(&["shell", "production"], &script).exits(0);
    let line = answer
        .stdout
        .lines()
        .find_map(|line| Some(line.split_once("ORACLE")?.1));
    let oracle: Json = serde_json::from_str(line.unwrap_or_else(|| panic!("{}", answer.said()))).unwrap();
    let tree = tree(pack);
    let wishes = oracle["wishes"].as_array().unwrap();
    assert!(oracle["every"].as_array().unwrap().len() > 500 && wishes.len() > 50);
    for wish in wishes {
        compare(&tree, wish);
    }
    let full = &wishes[0];
    assert!(
        full["order"].as_array().unwrap().len() > 500,
        "the whole tree is in it"
    );
    // And what really was installed, in the order in which the modules made their first records.
    let order = pack.json(&["module", "order"]);
    let order: Vec<&str> = order
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    let names: BTreeSet<&str> = order.iter().copied().collect();
    assert_eq!(names, texts(&oracle["installed"]).into_iter().collect());
    assert!(names.len() > 30 && names.contains("crm"), "{names:?}");
    let loaded: Vec<&str> = texts(&oracle["loaded"])
        .into_iter()
        .filter(|name| names.contains(name))
        .collect();
    let made: BTreeSet<&str> = loaded.iter().copied().collect();
    let ours: Vec<&str> = order.into_iter().filter(|name| made.contains(name)).collect();
    assert_eq!(ours, loaded);
    pack.now(&format!(
        "{} wishes, {} modules installed",
        wishes.len(),
        names.len()
    ));
}

fn texts(list: &Json) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

fn compare(tree: &Tree, wish: &Json) {
    let wanted = Wish {
        modules: texts(&wish["wanted"]).into_iter().map(str::to_owned).collect(),
        countries: wish["country"].as_str().map(str::to_owned).into_iter().collect(),
        skip_auto_install: false,
    };
    let what = match texts(&wish["wanted"])[..] {
        [one] => one.to_owned(),
        ref many => format!("{} modules", many.len()),
    };
    let installation = install(tree, &wanted);
    let ours: BTreeSet<&str> = installation.names().collect();
    let theirs: BTreeSet<&str> = texts(&wish["names"]).into_iter().collect();
    let only =
        |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.difference(b).copied().collect::<Vec<_>>().join(" ");
    assert_eq!(
        (only(&ours, &theirs), only(&theirs, &ours)),
        (String::new(), String::new()),
        "-i {what} {}",
        wish["country"]
    );
    let order = load_order(tree, installation.names());
    let order: Vec<&str> = order.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(order, texts(&wish["order"]), "-i {what}");
}

/// The tree that Odoo sees: its own modules and the farm.
fn tree(pack: &Pack) -> Tree {
    let read = |path: Utf8PathBuf| Module {
        name: path.file_name().unwrap().to_owned(),
        manifest: manifest::parse(&std::fs::read(path.join(manifest::FILE)).unwrap()),
        origin: Origin::Odoo,
        path,
    };
    let all = [release(pack), pack.path("data/addons/core")];
    Tree::new(
        Series::V19,
        all.iter().flat_map(|place| directories(place)).map(read),
    )
}

fn what_is_wrong_is_said(pack: &Pack) {
    pack.now("a module that needs what is not there");
    let good = pack.run(&["module", "check"]).exits(0);
    assert_eq!(good.stdout, "every module is there and fits\n");
    module(pack, "repo/addons/own/needy", NEEDY);
    let bad = pack.run(&["module", "check", "--json"]).exits(8);
    let found: Vec<(String, String)> = bad
        .first_json()
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["trouble"].as_str().unwrap().to_owned(),
                row["what"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        ("missing", "`nowhere_at_all` (needed by needy) is not there"),
        (
            "licence",
            "`needy` is LGPL-3 and depends on `partner_firstname`, which is AGPL-3",
        ),
        (
            "python",
            "`needy` needs the Python package `odoopack-none`: not installed",
        ),
        ("python", "`needy` needs the Python package `lxml>=9999`: "),
        ("program", "`needy` needs the program `odoopack-no-program`"),
    ];
    let mut found = found.iter();
    for (trouble, what) in expected {
        let next = found.next().unwrap_or_else(|| panic!("{what}: {}", bad.said()));
        assert!(
            next.0 == trouble && next.1.starts_with(what),
            "{what}: {}",
            bad.said()
        );
    }
    assert_eq!(found.next(), None, "{}", bad.said());
    std::fs::remove_dir_all(pack.path("repo/addons/own/needy")).unwrap();
}

/// As a wheel `odoo-addon-...` lays it into the environment of the release.
fn a_python_package_brings_a_module(pack: &Pack) {
    pack.now("a module of a Python package");
    let below = ["data/releases/python", "", "lib", "", "site-packages"];
    let mut place = pack.root.clone();
    for part in below {
        place = if part.is_empty() {
            place
                .read_dir_utf8()
                .unwrap()
                .next()
                .unwrap()
                .unwrap()
                .into_path()
        } else {
            place.join(part)
        };
    }
    let packaged = place.join("odoo/addons/packaged");
    let written = packaged.strip_prefix(&pack.root).unwrap();
    module(
        pack,
        written.as_str(),
        "{'name': 'Packaged', 'version': '19.0.1.0.0'}",
    );
    let rows = pack.json(&["module", "list"]);
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "packaged")
        .unwrap();
    assert_eq!(
        (row["path"].as_str(), row["origin"]["from"].as_str()),
        (Some(packaged.as_str()), Some("python"))
    );
    let script =
        "from odoo.modules.module import Manifest\nprint('seen', Manifest.for_addon('packaged').path)\n";
    let answer = pack.run_with(&["shell", "production"], script).exits(0);
    assert!(
        answer.stdout.contains(&format!("seen {packaged}")),
        "{}",
        answer.said()
    );
    std::fs::remove_dir_all(packaged.parent().unwrap()).unwrap();
}

fn a_module_in_two_places_is_refused(pack: &Pack) {
    pack.now("a module in two places");
    let copy = "repo/addons/own/partner_firstname";
    module(pack, copy, OURS);
    let refused = pack.run(&["up", "--yes"]).exits(4);
    for place in [
        pack.path(copy),
        pack.path(OCA).join("partner-contact/partner_firstname"),
    ] {
        assert!(
            refused.stderr.contains(place.as_str()),
            "{place}: {}",
            refused.said()
        );
    }
    let kept = pack
        .path("data/addons/core/partner_firstname")
        .read_link_utf8()
        .unwrap();
    assert_eq!(kept, pack.path(OCA).join("partner-contact/partner_firstname"));
    std::fs::remove_dir_all(pack.path(copy)).unwrap();
}
