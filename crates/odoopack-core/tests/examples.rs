//! The examples of the repository: they load, show, print and come back equal.
use odoopack_core::spec::{LoadContext, Loaded, Origin, Source, Spec, load, print, show};

const EXAMPLES: [(&str, &str); 4] = [
    ("smallest", include_str!("../../../examples/smallest.toml")),
    ("seed", include_str!("../../../examples/seed.toml")),
    ("editions", include_str!("../../../examples/editions.toml")),
    ("annotated", include_str!("../../../examples/annotated.toml")),
];

fn context() -> LoadContext {
    LoadContext::new("/srv/odoo/repo")
}

fn loaded(name: &str) -> Loaded {
    let found = EXAMPLES.iter().find(|(n, _)| *n == name);
    let text = found.map(|(_, text)| text).expect("an example by that name");
    load(text, &context()).unwrap_or_else(|mistakes| panic!("{name}:\n{mistakes}"))
}

fn shown(name: &str) -> String {
    let values = show(&loaded(name));
    let line = |v: &odoopack_core::spec::ShownValue| {
        format!(
            "{} = {}  # {}\n",
            v.path,
            v.value.as_deref().unwrap_or("-"),
            v.origin
        )
    };
    values.iter().map(line).collect()
}

#[test]
fn every_example_loads_without_a_warning() {
    for (name, _) in EXAMPLES {
        assert!(loaded(name).warnings.is_empty(), "{name}");
    }
}

#[test]
fn every_example_comes_back_equal_from_its_print() {
    for (name, _) in EXAMPLES {
        let spec = loaded(name).spec;
        let again: Spec = load(&print(&spec), &LoadContext::new("/elsewhere")).unwrap().spec;
        assert_eq!(again, spec, "{name}");
    }
}

#[test]
fn every_shown_value_has_a_doc_and_only_absent_ones_lack_a_value() {
    for (name, _) in EXAMPLES {
        for value in show(&loaded(name)) {
            assert!(!value.doc.is_empty(), "{name}: {}", value.path);
            assert!(
                value.value.is_some() || value.origin == Origin::Default,
                "{name}: {}",
                value.path
            );
        }
    }
}

#[test]
fn shows_where_every_value_of_the_smallest_file_came_from() {
    insta::assert_snapshot!(shown("smallest"));
}

#[test]
fn shows_where_every_value_of_the_seed_came_from() {
    insta::assert_snapshot!(shown("seed"));
}

#[test]
fn prints_the_seed_as_a_whole_file() {
    insta::assert_snapshot!(print(&loaded("seed").spec));
}

#[test]
fn the_editions_have_the_databases_of_the_pack() {
    let spec = loaded("editions").spec;
    let databases: Vec<_> = spec.environments.values().map(|e| e.database.as_str()).collect();
    assert_eq!(databases, ["odoo_accounting", "odoo_core", "odoo_marketing"]);
}

#[test]
fn the_annotated_example_says_where_it_stands() {
    let loaded = loaded("annotated");
    let origin = loaded.origins.of("pack.root");
    assert!(matches!(origin, Origin::File { line: 12, .. }), "{origin}");
    assert!(matches!(
        loaded.spec.odoo.source,
        Source::Git { commit: Some(_), .. }
    ));
}

#[test]
fn every_example_of_the_repository_is_tested() {
    // Reading directories is what core itself may not do; its tests may.
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test looks at the repository, core does not"
    )]
    let listed = std::fs::read_dir(directory).unwrap();
    let mut found: Vec<_> = listed
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut known: Vec<_> = EXAMPLES.iter().map(|(name, _)| format!("{name}.toml")).collect();
    known.sort();
    assert_eq!(found, known);
}
