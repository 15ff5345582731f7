//! A database that people worked in is not put out of sight by a word of the file.
use super::machine::{FILE, Machine};
use crate::plan::Step;
use crate::spec::{self, LoadContext};

/// Everything as `FILE` wants it, and then the file with other words.
fn up_then(from: &str, to: &str) -> Machine {
    let mut machine = Machine::up(true);
    machine.database("production").kind = Some("production".into());
    machine.database("staging").kind = Some("staging".into());
    with(&machine, &changed(FILE, from, to))
}

fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no `{from}`");
    text.replacen(from, to, 1)
}

fn with(machine: &Machine, text: &str) -> Machine {
    let context = LoadContext::new("/opt/shop/repo");
    let loaded = spec::load(text, &context).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Machine {
        spec: loaded.spec,
        ..machine.clone()
    }
}

/// What and hint of the only refusal.
fn refused(machine: &Machine) -> String {
    let plan = machine.plan();
    assert_eq!(plan.steps, [], "something would be touched");
    let [one] = &plan.refusals[..] else {
        panic!("one refusal, not {:#?}", plan.refusals);
    };
    format!("{}\n{}", one.what, one.hint)
}

fn made(steps: &[Step]) -> Vec<&str> {
    let mut all = Vec::new();
    for step in steps {
        if let Step::CreateDatabase { database, .. } = step {
            all.push(database.as_str());
        }
    }
    all
}

const PRODUCTION: &str = "[environments.production]\ndomain = \"erp.example.com\"\n";

#[test]
fn another_name_for_the_database_is_refused_with_the_commands_that_give_it_that_name() {
    let mut machine = up_then(PRODUCTION, &format!("{PRODUCTION}database = \"books\"\n"));
    let said = refused(&machine);
    for words in [
        "there is no database books, which [environments.production] names",
        "people worked in shop_production",
        "write `database = \"shop_production\"` in [environments.production]",
        r#"-c "ALTER DATABASE \"shop_production\" RENAME TO \"books\";""#,
        "`mv /opt/shop/data/environments/production/filestore/shop_production /opt/shop/data/environments/production/filestore/books`",
        r#"-c "ALTER DATABASE \"shop_production\" RESET odoopack.kind""#,
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    // Each of the ways out is one.
    let mut renamed = machine.clone();
    let fact = renamed.server.databases.remove("shop_production").unwrap();
    renamed.server.databases.insert("books".into(), fact);
    assert_eq!(made(&renamed.converge()), [""; 0]);
    machine.database("production").kind = None;
    assert_eq!(made(&machine.converge()), ["books"]);
}

#[test]
fn another_name_for_the_environment_is_refused_where_people_would_find_it_empty() {
    let renamed = changed(PRODUCTION, "production]", "prod]");
    let renamed = format!("{renamed}kind = \"production\"\n");
    let mut machine = up_then(PRODUCTION, &renamed);
    let said = refused(&machine);
    for words in [
        "[environments.prod] has no database yet, and shop_production",
        "what people find at https://erp.example.com:8443",
        "write [environments.production] again",
        "`odoopack backup export production FILE.zip`, `odoopack backup import FILE.zip --to prod --yes-replace prod`",
        r#"-c "ALTER DATABASE \"shop_production\" RESET odoopack.kind""#,
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    // Another port of the same host is the same address for people.
    let mut moved = machine.clone();
    moved.spec.web.https_port = 443;
    assert!(refused(&moved).contains("empty Odoo"));
    machine.database("production").kind = None;
    assert_eq!(made(&machine.converge()), ["shop_prod"]);
}

#[test]
fn an_edition_that_is_gone_stands_in_the_way_of_no_new_one() {
    let up = up_then("", "");
    let marketing = "[environments.marketing]\nkind = \"production\"\ndomain = \"marketing.example.com\"\n";
    let accounting =
        "[environments.accounting]\nkind = \"production\"\ndomain = \"accounting.example.com\"\n";
    let mut machine = with(&up, &format!("{FILE}{marketing}"));
    machine.converge();
    machine.database("marketing").kind = Some("production".into());
    for text in [FILE.to_owned(), format!("{FILE}{accounting}")] {
        machine = with(&machine, &text);
        machine.converge();
    }
    assert!(machine.server.databases.contains_key("shop_accounting"));
    assert!(machine.server.databases.contains_key("shop_marketing"));
    // Even in one and the same change of the file.
    let mut at_once = with(&up, &format!("{FILE}{marketing}"));
    at_once.converge();
    at_once.database("marketing").kind = Some("production".into());
    let mut at_once = with(&at_once, &format!("{FILE}{accounting}"));
    assert_eq!(made(&at_once.converge()), ["shop_accounting"]);
}
