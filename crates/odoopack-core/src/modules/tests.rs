//! Tables: small trees, what is installed, in which order, and what is wrong.
use super::*;
use crate::manifest;

/// `name: manifest` per line; a name that begins with `oca/` or `own/` is not Odoo's.
fn tree(series: Series, text: &str) -> Tree {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let module = |line: &str| {
        let (place, text) = line.split_once(": ").unwrap();
        let (origin, name) = match place.split_once('/') {
            None => (Origin::Odoo, place),
            Some(("own", name)) => (
                Origin::Own {
                    directory: "own".to_owned(),
                },
                name,
            ),
            Some((repository, name)) => (
                Origin::Oca {
                    repository: repository.to_owned(),
                },
                name,
            ),
        };
        Module {
            name: name.to_owned(),
            path: Utf8PathBuf::from(format!("/{place}")),
            origin,
            manifest: manifest::parse(text.as_bytes()),
        }
    };
    Tree::new(series, lines.map(module))
}

const ODOO: &str = "
    base: {}
    web: {'depends': ['base'], 'auto_install': ['base']}
    bus: {'depends': ['base', 'web'], 'auto_install': True}
    mail: {'depends': ['bus']}
    sale: {'depends': ['mail']}
    stock: {'depends': ['mail']}
    sale_stock: {'depends': ['sale', 'stock'], 'auto_install': True}
    sale_print: {'depends': ['sale', 'printer'], 'auto_install': ['sale']}
    printer: {}
    l10n_be_sale: {'depends': ['sale'], 'auto_install': True, 'countries': ['be']}
    later: {'depends': ['base'], 'auto_install': True, 'installable': False}
    test_sale: {'depends': ['base', 'sale']}
    alone: {'depends': ['base']}
";

fn installed(tree: &Tree, modules: &[&str], countries: &[&str]) -> String {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let wish = Wish {
        modules: owned(modules),
        countries: owned(countries).into_iter().collect(),
        skip_auto_install: false,
    };
    let installation = install(tree, &wish);
    let order = load_order(tree, installation.names());
    order
        .iter()
        .map(|module| module.name.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn what_installs_itself_comes_with_its_triggers_and_brings_what_it_needs() {
    let tree = tree(Series::V19, ODOO);
    assert_eq!(installed(&tree, &[], &[]), "base web bus");
    assert_eq!(installed(&tree, &["stock"], &[]), "base web bus mail stock");
    assert_eq!(
        installed(&tree, &["sale"], &[]),
        "base printer web bus mail sale sale_print"
    );
    assert_eq!(
        installed(&tree, &["sale", "stock"], &["BE"]),
        "base printer web bus mail sale stock l10n_be_sale sale_print sale_stock"
    );
    let none = Wish {
        modules: vec!["stock".to_owned()],
        skip_auto_install: true,
        ..Wish::default()
    };
    let names: Vec<String> = install(&tree, &none).modules.into_keys().collect();
    assert_eq!(names, ["base", "bus", "mail", "stock", "web"]);
}

#[test]
fn a_test_module_follows_its_last_dependency_from_19_on() {
    let order = |series| installed(&tree(series, ODOO), &["test_sale", "stock", "alone"], &[]);
    assert_eq!(
        order(Series::V19),
        "base alone printer web bus mail sale test_sale stock sale_print sale_stock"
    );
    // 17.0 and 18.0 leave `depends` of `printer` empty, so it stands beside `base`.
    assert_eq!(
        order(Series::V18),
        "base printer alone web bus mail sale stock sale_print sale_stock test_sale"
    );
}

#[test]
fn the_way_to_a_module_begins_with_one_that_was_asked_for() {
    let tree = tree(Series::V19, ODOO);
    let wish = Wish {
        modules: vec!["sale".to_owned()],
        ..Wish::default()
    };
    let installation = install(&tree, &wish);
    let names = |name: &str| -> Vec<String> {
        why(&tree, &installation, name)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(names("mail"), ["sale", "mail"]);
    assert_eq!(names("bus"), ["bus"]);
    assert_eq!(names("printer"), ["sale_print", "printer"]);
    assert_eq!(names("stock"), [""; 0]);
    assert_eq!(
        why(&tree, &installation, "sale_print")[0].1,
        Reason::Auto(vec!["sale".to_owned()])
    );
}

#[test]
fn everything_that_is_wrong_is_named_with_what_mends_it() {
    let text = format!(
        "{ODOO}
        own/mine: {{'depends': ['agpl', 'ours', 'web_responsive'], 'license': 'LGPL-3'}}
        own/ours: {{'depends': ['old', 'loop_a', 'broken', 'off'], 'license': 'AGPL-3', 'excludes': ['off'], 'external_dependencies': {{'python': ['zz'], 'bin': ['zzz']}}}}
        own/sale: {{'license': 'AGPL-3'}}
        x/agpl: {{'license': 'AGPL-3'}}
        x/old: {{'version': '17.0.1.0.0'}}
        x/loop_a: {{'depends': ['loop_b']}}
        x/loop_b: {{'depends': ['loop_a', 'sale']}}
        x/broken: {{'depends': x}}
        x/off: {{'installable': False}}"
    );
    let tree = tree(Series::V19, &text);
    let installed = Installed {
        python: Ok([("zz".to_owned(), "not installed".to_owned())].into()),
        absent_programs: ["zzz".to_owned()].into(),
    };
    let found = check(&tree, ["mine", "ipai"], &installed);
    let lines: Vec<String> = found
        .iter()
        .map(|finding| format!("{:?} {}\n    {}", finding.trouble, finding.what, finding.hint))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(check(&tree, ["stock"], &installed), []);
}

#[test]
fn licences_build_on_those_that_ask_as_much_or_less() {
    let check = |work: &str, ground: &str, wanted: bool| {
        assert_eq!(conflict(work, ground), wanted, "{work} on {ground}");
    };
    check("LGPL-3", "AGPL-3", true);
    check("LGPL-3", "GPL-3", true);
    check("AGPL-3", "GPL-3", false);
    check("AGPL-3", "LGPL-3", false);
    check("OPL-1", "AGPL-3", true);
    check("OPL-1", "LGPL-3", false);
    check("AGPL-3", "OPL-1", true);
    check("MIT", "LGPL-3", true);
    check("Something", "AGPL-3", false);
}

#[test]
fn a_farm_holds_own_modules_and_of_the_oca_what_is_asked_for_or_needed() {
    let text = format!(
        "{ODOO}
        own/ipai_core: {{}}
        own/ipai_sale: {{'depends': ['sale', 'sale_report']}}
        reporting/sale_report: {{'depends': ['report_base']}}
        reporting/report_base: {{}}
        web/web_dark: {{'depends': ['web'], 'auto_install': True}}
        web/web_responsive: {{}}"
    );
    let tree = tree(Series::V19, &text);
    let names = |modules: &[&str], only: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let edition = Edition {
            modules: owned(modules),
            only: owned(only),
            ..Edition::default()
        };
        farm(&tree, &edition).into_keys().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&[], &[]), "ipai_core ipai_sale report_base sale_report");
    assert_eq!(
        names(&["web_responsive", "stock", "nowhere"], &[]),
        "ipai_core ipai_sale report_base sale_report web_responsive"
    );
    assert_eq!(names(&["stock"], &["*_core"]), "ipai_core");
    assert_eq!(
        names(&["ipai_sale"], &["web_*"]),
        "ipai_sale report_base sale_report web_dark web_responsive"
    );
    // What lies in a repository and would install itself is not seen.
    let seen = tree.of_edition(&Edition::default());
    assert!(
        seen.get("web_dark").is_none() && seen.get("sale").is_some() && seen.get("report_base").is_some()
    );
}

#[test]
fn odoos_own_code_is_in_one_place_however_it_is_packaged() {
    let module = |path: &str, origin: Origin| Module {
        name: "sale".to_owned(),
        path: path.into(),
        origin,
        manifest: manifest::parse(b"{}"),
    };
    let own = Origin::Own {
        directory: "own".to_owned(),
    };
    let found = [
        module("/odoo/addons/sale", Origin::Odoo),
        module("/own/sale", own),
        module("/addons/sale", Origin::Odoo),
    ];
    let paths = |found: &[Module]| -> Vec<String> {
        let tree = Tree::new(Series::V19, found.to_vec());
        tree.all("sale")
            .iter()
            .map(|module| module.path.to_string())
            .collect()
    };
    assert_eq!(paths(&found), ["/odoo/addons/sale", "/own/sale"]);
    assert_eq!(
        paths(&[found[0].clone(), found[2].clone()]),
        ["/odoo/addons/sale"]
    );
}
