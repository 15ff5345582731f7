//! Every example of the repository is rendered whole, and `doctor` has nothing against what comes out.
use super::machine::{Machine, OURS};
use crate::checks::{File, is_judged, judge_rendered};
use crate::facts::PathKind;
use crate::manifest;
use crate::modules::{Module, Origin, Tree};
use crate::secret::SecretText;
use crate::target::Target;

const EXAMPLES: [(&str, &str); 4] = [
    ("smallest", include_str!("../../../../../examples/smallest.toml")),
    ("seed", include_str!("../../../../../examples/seed.toml")),
    ("editions", include_str!("../../../../../examples/editions.toml")),
    (
        "annotated",
        include_str!("../../../../../examples/annotated.toml"),
    ),
];

/// Every module that the file names, as one of Odoo's own.
fn modules(machine: &Machine) -> Tree {
    let editions = machine.spec.editions.values();
    let named = editions.flat_map(|edition| edition.modules.iter().chain(&edition.server_wide));
    let module = |name: &str| Module {
        name: name.to_owned(),
        path: format!("/odoo/addons/{name}").into(),
        origin: Origin::Odoo,
        manifest: manifest::parse(b"{}"),
    };
    let all = named.map(String::as_str).chain(["base", "web"]).map(module);
    let all: std::collections::BTreeMap<String, Module> = all.map(|one| (one.name.clone(), one)).collect();
    Tree::new(machine.spec.odoo.series, all.into_values())
}

/// Everything that the file wants, on a machine where it was brought up.
fn rendered(text: &str) -> (Machine, Target) {
    let mut machine = Machine::with_packages(text, true);
    let needed = machine.spec.needed_secrets().map(crate::spec::SecretRef::key);
    let values: Vec<String> = needed.collect();
    let value = |key: String| (key, SecretText::new("user:geheim"));
    machine.facts.secrets.extend(values.into_iter().map(value));
    machine.facts.modules = modules(&machine);
    machine.facts.locked = true;
    let (brought, _) = machine.look();
    for path in brought.brought {
        machine.put(&path, PathKind::File("brought".into()), &OURS);
    }
    machine.converge();
    let (target, _) = machine.look();
    (machine, target)
}

#[test]
fn every_example_is_rendered_and_judged_as_files_of_others_are() {
    let containers = super::containers::FILE;
    for (name, text) in EXAMPLES.into_iter().chain([("containers", containers)]) {
        let (machine, target) = rendered(text);
        let environments = machine.spec.environments.len();
        let files: Vec<File<'_>> = target
            .files
            .iter()
            .map(|file| File {
                path: file.path.as_str(),
                text: file.content.expose(),
            })
            .filter(|file| is_judged(machine.layout().containers(), file.path, file.text))
            .collect();
        assert!(files.len() >= environments, "{name}: {}", files.len());
        let findings = judge_rendered(&files, machine.spec.odoo.series);
        let said: Vec<String> = findings
            .iter()
            .map(|finding| {
                format!(
                    "{:?} {} {} {}",
                    finding.severity, finding.id, finding.place, finding.saw
                )
            })
            .collect();
        assert!(said.is_empty(), "{name}:\n{}", said.join("\n"));
    }
}

#[test]
fn three_productions_on_three_ports_share_no_database_no_role_and_no_user() {
    let native = EXAMPLES[2].1;
    let root = "root = \"/opt/odoo-ce\"\n";
    assert!(native.contains(root));
    let stack = native
        .replace(root, &format!("{root}engine = \"compose\"\n"))
        .replace("series = \"18.0\"", "series = \"19.0\"");
    let all = [("accounting", 8071), ("core", 8069), ("marketing", 8070)];
    for text in [native, &stack] {
        let (machine, target) = rendered(text);
        let wants = target.databases.iter();
        let wants: Vec<_> = wants
            .map(|want| (want.database.as_str(), want.role.as_str()))
            .collect();
        assert_eq!(
            wants,
            [
                ("odoo_accounting", "insightpulse_accounting"),
                ("odoo_core", "insightpulse_core"),
                ("odoo_marketing", "insightpulse_marketing"),
            ]
        );
        for (name, port) in all {
            for part in ["web", "cron"] {
                let service = target.service(&format!("{name}.blue.{part}")).unwrap();
                assert_eq!(service.user, Some(format!("odoo-insightpulse-{name}")));
                assert!(
                    service.memory_max.is_some() == machine.layout().containers(),
                    "{name}"
                );
            }
            let nginx = if target.stack.is_some() {
                target.definition("nginx").unwrap()
            } else {
                let conf = "/opt/odoo-ce/data/config/nginx/nginx.conf";
                target.file(conf.into()).unwrap().shown.as_str()
            };
            let address = format!("127.0.0.1:{port}");
            assert!(nginx.contains(&address), "no {address} in {nginx}");
        }
    }
}
