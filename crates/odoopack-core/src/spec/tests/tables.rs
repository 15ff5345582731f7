//! What is made from the table of keys: starter file, schema, reference; and the defaults that are computed.
use serde_json::Value as Json;

use super::*;
use crate::spec::keys;

const ANNOTATED: &str = include_str!("../../../../../examples/annotated.toml");

fn first() -> Starter {
    let (name, environment) = ("acme".parse().unwrap(), "production".parse().unwrap());
    Starter::new(name, environment, "erp.acme.test", Series::V18)
}

#[test]
fn the_annotated_example_names_every_key() {
    for key in keys::all() {
        let (_, name) = keys::split(key.path);
        let there = |l: &str| l.trim_start_matches("# ").starts_with(&format!("{name} ="));
        assert!(name == "*" || ANNOTATED.lines().any(there), "{}", key.path);
    }
    let origins = load(ANNOTATED, &context()).unwrap().origins;
    for map in [
        "odoo.options.reportgz",
        "postgres.options.log_min_duration_statement",
    ] {
        assert_ne!(origins.of(map), Origin::Default, "{map}");
    }
}

#[test]
fn the_starter_file_is_commented_and_loads() {
    let text = starter(&first());
    insta::assert_snapshot!(text);
    let loaded = load(&text, &context()).unwrap();
    assert_eq!(loaded.spec.environments.len(), 1);
    assert_eq!(loaded.origins.of("web.http_port"), Origin::Default);
}

#[test]
fn every_line_of_the_starter_file_may_be_uncommented() {
    let text = starter(&first());
    let lines: Vec<_> = text.lines().collect();
    let commented = |l: &str| {
        l.strip_prefix("# ")
            .is_some_and(|l| l.contains(" = ") && !l.contains(". "))
    };
    for (index, line) in lines.iter().enumerate().filter(|(_, l)| commented(l)) {
        let mut changed = lines.clone();
        changed[index] = &line[2..];
        let found = load(&changed.join("\n"), &context()).map_or_else(|m| m.to_string(), |_| String::new());
        assert!(
            !found.contains("unknown key") && !found.contains("not TOML"),
            "{line}: {found}"
        );
    }
}

#[test]
fn the_starter_file_holds_what_init_found() {
    let known = Starter {
        root: Some("/opt/acme".into()),
        series: Series::V19,
        source: Some(Source::Debian {
            suite: "sid".to_owned(),
        }),
        own: vec!["addons/own".to_owned()],
        oca: Some("addons/oca".to_owned()),
        requirements: vec!["requirements.txt".to_owned()],
        modules: vec!["sale".to_owned()],
        kind: Some(Kind::Development),
        ..first()
    };
    let spec = load(&starter(&known), &context()).unwrap().spec;
    assert_eq!(spec.pack.root, "/opt/acme");
    assert_eq!(spec.odoo.source, known.source.unwrap());
    assert_eq!((spec.addons.own, spec.addons.oca), (known.own, known.oca));
    assert_eq!(
        spec.environments.values().next().map(|e| e.kind),
        Some(Kind::Development)
    );
}

#[test]
fn the_schema_has_every_key() {
    let schema = schema();
    for key in keys::all() {
        let mut at = &schema;
        for part in key.path.split('.') {
            let inside = at.get("anyOf").map_or(at, |both| &both[1]);
            at = if part == "*" {
                &inside["additionalProperties"]
            } else {
                &inside["properties"][part]
            };
        }
        let leaf = at.get("anyOf").map_or(at, |both| &both[0]);
        assert_eq!(leaf["description"], Json::from(key.doc), "{}", key.path);
    }
    assert_eq!(schema["required"], serde_json::json!(["format", "environments"]));
    assert_eq!(schema["additionalProperties"], Json::from(false));
}

#[test]
fn the_root_follows_the_place_of_the_file() {
    let text = "format = 1\n[environments.production]\ndomain = \"erp.example.com\"\n";
    let root = |context: &LoadContext| load(text, context).unwrap().spec.pack.root;
    assert_eq!(root(&LoadContext::new("/opt/odoo/repo")), "/opt/odoo");
    assert_eq!(root(&LoadContext::new("/opt/odoo")), "/opt/odoo");
    assert_eq!(
        root(&LoadContext::new("/opt/odoo").with_root("/srv//x/")),
        "/srv/x"
    );
    let flagged = load(text, &context().with_root("/srv/x")).unwrap();
    assert_eq!(flagged.origins.of("pack.root").to_string(), "--root");
}

#[test]
fn computed_defaults_follow_names_and_domains() {
    let spec =
        spec_with("[environments.dev]\ndomain = \"dev.localhost\"\n[environments.qa-2]\ndomain = \"qa\"\n");
    let about = |e: &Environment| (e.kind, e.database.clone(), e.users);
    let found: Vec<_> = spec.environments.values().map(about).collect();
    assert_eq!(found[0], (Kind::Development, "odoo_dev".to_owned(), 3));
    assert_eq!(found[1], (Kind::Production, "odoo_production".to_owned(), 10));
    assert_eq!(found[2], (Kind::Staging, "odoo_qa_2".to_owned(), 3));
    assert_eq!(spec.web.listen, ["0.0.0.0", "[::]"]);
    assert_eq!(
        spec.editions.keys().map(Name::as_str).collect::<Vec<_>>(),
        ["core"]
    );
    let local = load(
        "format = 1\n[environments.dev]\ndomain = \"localhost\"\n",
        &context(),
    )
    .unwrap()
    .spec;
    assert_eq!(local.web.listen, ["127.0.0.1", "[::1]"]);
    // Docker's proxy would answer by IPv6, and every visitor would have its address.
    let stack = |more: &str| {
        let head = "format = 1\n[pack]\nengine = \"compose\"\n[environments.production]\n";
        load(&format!("{head}{more}"), &context())
            .unwrap()
            .spec
            .web
            .listen
    };
    assert_eq!(stack("domain = \"erp.example.com\"\n"), ["0.0.0.0"]);
    assert_eq!(stack("domain = \"localhost\"\n"), ["127.0.0.1", "[::1]"]);
    let both = "domain = \"erp.example.com\"\n[web]\nlisten = [\"0.0.0.0\", \"[::]\"]\n";
    assert_eq!(stack(both), ["0.0.0.0", "[::]"]);
    let listen = ["[::]", "[::1]", "0.0.0.0", "[2001:db8::1]", "[::ffff:10.0.0.1]"];
    let web = Web {
        listen: listen.map(str::to_owned).to_vec(),
        ..local.web
    };
    assert_eq!(web.open_by_ipv6().collect::<Vec<_>>(), ["[::]", "[2001:db8::1]"]);
}

#[test]
fn options_are_carried_as_odoo_and_postgresql_spell_them() {
    let spec = spec_with(
        "[odoo.options]\nreportgz = true\nlimit_request = 600\nwebsocket_rate_limit_delay = 0.2\ncsv_internal_sep = \"x\"\n[postgres.options]\n\"a.b\" = false\n",
    );
    let odoo: Vec<_> = spec.odoo.options.values().map(String::as_str).collect();
    assert_eq!(odoo, ["x", "600", "True", "0.2"]);
    assert_eq!(spec.postgres.options["a.b"], "off");
}

#[test]
fn a_package_beside_the_file_gets_its_whole_path() {
    let spec = spec_with("[odoo]\nsource = { deb = \"debs/odoo.deb\" }\n");
    let location = "/srv/odoo/repo/debs/odoo.deb".to_owned();
    assert_eq!(
        spec.odoo.source,
        Source::Deb {
            location,
            sha256: None
        }
    );
}
