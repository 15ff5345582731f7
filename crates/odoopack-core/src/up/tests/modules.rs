//! What is planned for modules, and what is refused.
use super::machine::Machine;
use crate::manifest;
use crate::modules::{Module, Origin, Tree};
use crate::plan::Step;
use crate::spec::Series;

fn module(origin: &Origin, path: &str, text: &str) -> Module {
    Module {
        name: path.rsplit('/').next().unwrap().to_owned(),
        path: path.into(),
        origin: origin.clone(),
        manifest: manifest::parse(text.as_bytes()),
    }
}

/// A machine that is up, whose file then names a directory of modules.
fn machine(more: &[(&str, &str)]) -> Machine {
    let mut machine = Machine::up(true);
    machine.spec.addons.own = vec!["addons".to_owned()];
    set(&mut machine, more);
    machine
}

fn set(machine: &mut Machine, own: &[(&str, &str)]) {
    let odoo = [("/odoo/base", "{}"), ("/odoo/web", "{}"), ("/odoo/sale", "{}")];
    let directory = "addons".to_owned();
    let own = own.iter().map(|(path, text)| {
        module(
            &Origin::Own {
                directory: directory.clone(),
            },
            path,
            text,
        )
    });
    let odoo = odoo.map(|(path, text)| module(&Origin::Odoo, path, text));
    machine.facts.modules = Tree::new(Series::V19, odoo.into_iter().chain(own));
}

fn wants(machine: &mut Machine, modules: &[&str]) {
    let edition = machine.spec.editions.values_mut().next().unwrap();
    edition.modules = modules.iter().map(|name| (*name).to_owned()).collect();
}

/// Own modules, the ones that are wanted, and what is said.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
    &'static str,
);

fn refusals(machine: &Machine) -> Vec<String> {
    machine
        .plan()
        .refusals
        .into_iter()
        .map(|refusal| refusal.what)
        .collect()
}

#[test]
fn modules_are_linked_once_and_odoo_is_restarted_to_see_them() {
    let mut machine = machine(&[("/r/addons/a", "{'depends': ['sale']}"), ("/r/addons/b", "{}")]);
    machine.converge();
    let links = |machine: &Machine| {
        machine.facts.farms["core"]
            .links
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(links(&machine), ["a", "b"]);
    assert_eq!(machine.plan().steps, []);
    // A new version of a module changes nothing here; a module that is gone does.
    set(
        &mut machine,
        &[("/r/addons/a", "{'version': '2.0'}"), ("/r/addons/b", "{}")],
    );
    assert_eq!(machine.plan().steps, []);
    set(&mut machine, &[("/r/other/a", "{}")]);
    let steps: Vec<String> = machine.plan().steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps[0], "link modules of edition core: a, unlink b");
    // What a module operation does of it.
    let (target, facts) = machine.look();
    let edition = "core".parse().unwrap();
    let part: Vec<String> = crate::up::farm(&machine.spec, &target, &facts, &edition)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(part.len(), 2, "{part:?}");
    assert!(part[0] == steps[0] && part[1].starts_with("write /opt/shop/data/addons/core.json"));
    machine.converge();
    assert_eq!(machine.facts.farms["core"].links["a"], "/r/other/a");
    // The file names no directory any more.
    machine.spec.addons.own.clear();
    let step = &machine.plan().steps[0];
    assert!(matches!(step, Step::LinkModules { link, unlink, .. } if link.is_empty() && unlink == &["a"]));
}

#[test]
fn a_link_that_somebody_turned_is_turned_back() {
    let mut machine = machine(&[("/r/addons/a", "{}")]);
    machine.converge();
    machine
        .facts
        .farms
        .get_mut("core")
        .unwrap()
        .links
        .insert("a".to_owned(), "/tmp/a".into());
    let steps = machine.plan().steps;
    assert!(
        matches!(&steps[..], [Step::LinkModules { link, .. }] if link == &["a"]),
        "{steps:?}"
    );
}

#[test]
fn what_odoo_would_only_log_is_refused_before_anything_is_touched() {
    let cases: &[Case] = &[
        (
            &[("/r/addons/sale", "{}")],
            &[],
            "`sale` is in /odoo/sale and in /r/addons/sale",
        ),
        (
            &[("/r/addons/a", "{'depends': ['nowhere']}")],
            &["a"],
            "`nowhere` (needed by a) is not there",
        ),
        (
            &[("/r/addons/a", "{'version': '18.0.1.0.0'}")],
            &["a"],
            "its version is 18.0.1.0.0, which is not of 19.0",
        ),
        (
            &[("/r/addons/a", "{'depends': x}")],
            &["a"],
            "/r/addons/a cannot be read: line 1, column 13",
        ),
        (
            &[("/r/addons/a", "{'installable': False}")],
            &["a"],
            "says `installable: False`",
        ),
        (
            &[("/r/addons/a", "{'depends': ['a']}")],
            &["a"],
            "`a` depends on itself: a -> a",
        ),
    ];
    for (own, wanted, expected) in cases {
        let mut machine = machine(own);
        wants(&mut machine, wanted);
        let refusals = refusals(&machine);
        let found = refusals.iter().any(|what| what.contains(expected));
        assert!(found, "{expected}: {refusals:?}");
    }
    // What nothing asks for stops nothing.
    let machine = machine(&[("/r/addons/a", "{'depends': ['nowhere'], 'version': '18.0.1.0.0'}")]);
    assert_eq!(refusals(&machine), [""; 0]);
}

#[test]
fn modules_of_a_directory_that_is_gone_are_not_taken_away() {
    let mut machine = machine(&[("/r/addons/a", "{}")]);
    machine.converge();
    // A slip of the pen, or a disk that is not mounted: nothing of it can be seen any more.
    set(&mut machine, &[]);
    machine.facts.absent_addons = vec![("own", "/opt/shop/repo/addons".into())];
    let plan = machine.plan();
    assert_eq!(plan.steps, []);
    let [refusal] = &plan.refusals[..] else {
        panic!("{:?}", plan.refusals)
    };
    assert_eq!(
        refusal.what,
        "there is no directory /opt/shop/repo/addons, which `own` of [addons] names"
    );
    assert!(refusal.hint.contains("`mkdir -p /opt/shop/repo/addons`"));
}

#[test]
fn what_a_farm_holds_besides_links_is_refused() {
    let mut machine = machine(&[]);
    let farm = machine.facts.farms.entry("core".to_owned()).or_default();
    farm.others.push("mine".to_owned());
    assert_eq!(
        refusals(&machine),
        ["/opt/shop/data/addons/core/mine is no link: odoopack did not make it"]
    );
}

/// Odoo follows no link when it looks for changed files.
#[test]
fn where_changed_code_is_taken_in_odoo_watches_the_modules_themselves() {
    let mut machine = machine(&[("/r/addons/a", "{}")]);
    let paths = |machine: &Machine| {
        let name = super::machine::name("production");
        let conf = machine.layout().odoo_conf(&name, crate::layout::Slot::Blue);
        let (target, _) = machine.look();
        let text = target.file(&conf).unwrap().shown.clone();
        let line = text.lines().find_map(|line| line.strip_prefix("addons_path = "));
        line.unwrap().to_owned()
    };
    assert!(!paths(&machine).contains("/r/addons,"));
    for environment in machine.spec.environments.values_mut() {
        environment.reload = true;
    }
    assert!(
        paths(&machine).contains("/core,/r/addons,"),
        "{}",
        paths(&machine)
    );
}
