//! Variables of a stack and of the files beside it.
use super::{Case, OFFICIAL, Series, official};

#[test]
fn variables_are_filled_in_and_secrets_kept_apart() {
    let compose = OFFICIAL
        .replace("odoo:18.0", "odoo:${SERIES:-17}")
        .replace("- \"8069:8069\"", "- \"${PORT:-8069}:8069\"")
        .replace(
            "    ports:",
            "    environment: {SENTRY_DSN: \"${DSN}\", RUNNING_ENV: live, HOST: db, EMPTY: }\n    ports:",
        );
    let case = Case {
        compose: &compose,
        variables: "DSN=https://geheim@example\nPORT=8170\n",
        ..official()
    };
    let (adoption, spec) = case.spec();
    let production = spec.environments.values().next().unwrap();
    assert_eq!(
        (spec.odoo.series, production.http_port),
        (Series::V17, Some(8170))
    );
    assert!(!adoption.text.contains("geheim"));
    assert_eq!(adoption.secrets[0].0, "SENTRY_DSN");
    assert_eq!(adoption.secrets[0].1.expose(), "https://geheim@example");
    assert_eq!(production.env.len(), 2);
}

#[test]
fn variables_of_a_file_beside_the_stack_count_and_those_of_the_stack_count_more() {
    let compose = OFFICIAL.replace(
        "    image: odoo:",
        "    env_file: [./odoo.env, {path: ./more.env}, ./gone.env]\n    environment: {LANGUAGE: de}\n    image: odoo:",
    );
    let case = Case {
        compose: &compose,
        env_files: &[
            (
                "/srv/My Odoo/odoo.env",
                "LANGUAGE=fr\nMAPS=one\nAPI_TOKEN=geheim\nPOSTGRES_USER=x\nPASSWORD=y\n",
            ),
            ("/srv/My Odoo/more.env", "MAPS=two\n"),
        ],
        ..official()
    };
    let (adoption, _) = case.spec();
    for line in ["LANGUAGE = \"de\"", "MAPS = \"two\"", "API_TOKEN = \"secret:"] {
        assert!(adoption.text.contains(line), "{line}: {}", adoption.text);
    }
    assert!(!adoption.text.contains("geheim") && !adoption.text.contains("PASSWORD"));
    let left: Vec<&str> = adoption.left.iter().map(|(what, _)| what.as_str()).collect();
    assert!(left.contains(&"env_file /srv/My Odoo/gone.env"), "{left:?}");
    assert!(left.contains(&"variable POSTGRES_USER"), "{left:?}");
}

#[test]
fn a_variable_without_a_value_has_that_of_the_file_beside_the_stack() {
    let list = "[SENTRY_DSN, API_TOKEN, MAPS, EMPTY=, NOWHERE]";
    let map = "{SENTRY_DSN: , API_TOKEN: , MAPS: , EMPTY: '', NOWHERE: }";
    for environment in [list, map] {
        let compose = OFFICIAL.replace(
            "    image: odoo:",
            &format!("    env_file: ./odoo.env\n    environment: {environment}\n    image: odoo:"),
        );
        let case = Case {
            compose: &compose,
            variables: "SENTRY_DSN=https://geheim@example\nMAPS=outer$x\nEMPTY=outer\n",
            env_files: &[(
                "/srv/My Odoo/odoo.env",
                "API_TOKEN=token\nMAPS=inner\nEMPTY=inner\n",
            )],
            ..official()
        };
        let (adoption, spec) = case.spec();
        let secrets: Vec<(&str, &str)> = adoption
            .secrets
            .iter()
            .map(|(name, text)| (name.as_str(), text.expose()))
            .collect();
        assert_eq!(
            secrets,
            [("SENTRY_DSN", "https://geheim@example"), ("API_TOKEN", "token")]
        );
        assert!(adoption.text.contains("MAPS = \"outer\""), "{}", adoption.text);
        assert_eq!(spec.environments.values().next().unwrap().env.len(), 3);
        for name in ["variable EMPTY", "variable NOWHERE"] {
            assert!(
                adoption.left.iter().any(|(what, _)| what == name),
                "{:?}",
                adoption.left
            );
        }
    }
}
