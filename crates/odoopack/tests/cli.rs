//! What the command line says: transcripts, pages generated from the binary, and what every help text keeps to.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

#[path = "cli/transcript.rs"]
mod transcript;

use std::collections::BTreeSet;

use transcript::{Blocks, Sandbox, compare, repository};

/// Where packs of the transcripts are.
const PLACE: &str = "/srv/odoo";

fn page(name: &str) {
    let page = repository("crates/odoopack/tests/cli").join(name);
    Sandbox::new(PLACE).check(&page, Blocks::Hermetic);
}

/// Output of a command that ends well.
fn said(line: &str) -> String {
    let (text, code) = Sandbox::new(PLACE).run(line);
    assert_eq!(code, 0, "{line}: {text}");
    text
}

fn generated(path: &str, text: &str) {
    let file = repository(path);
    // A page that is not there yet is one that differs.
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    compare(&file, &committed, text);
}

#[test]
fn transcript_of_taking_a_stack_over() {
    page("adopt.md");
}

#[test]
fn transcript_of_backups() {
    page("backup.md");
}

#[test]
fn transcript_of_bringing_backups_in() {
    page("bringing.md");
}

#[test]
fn transcript_of_the_doctor() {
    page("doctor.md");
}

#[test]
fn transcript_of_the_lock() {
    page("lock.md");
}

#[test]
fn transcript_of_changing_the_engine() {
    page("engine.md");
}

#[test]
fn transcript_of_editions() {
    page("editions.md");
}

#[test]
fn transcript_of_images() {
    page("images.md");
}

#[test]
fn transcript_of_mistakes() {
    page("mistakes.md");
}

#[test]
fn transcript_of_modules() {
    page("modules.md");
}

#[test]
fn transcript_of_changing_modules() {
    page("changing-modules.md");
}

#[test]
fn transcript_of_planning() {
    page("planning.md");
}

#[test]
fn transcript_of_rendering() {
    page("rendering.md");
}

#[test]
fn transcript_of_the_schedule() {
    page("schedule.md");
}

#[test]
fn transcript_of_secrets() {
    page("secrets.md");
}

#[test]
fn transcript_of_the_file() {
    page("spec.md");
}

#[test]
fn every_transcript_is_run() {
    let this = std::fs::read_to_string(repository("crates/odoopack/tests/cli.rs")).unwrap();
    for entry in std::fs::read_dir(repository("crates/odoopack/tests/cli")).unwrap() {
        let path = entry.unwrap().path();
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!is_page || this.contains(&format!("page(\"{name}\")")), "{name}");
    }
}

/// Every command and its subcommands, as one types them.
fn commands() -> Vec<String> {
    let mut all = vec![String::new()];
    let mut at = 0;
    while let Some(command) = all.get(at).cloned() {
        let help = said(&format!("odoopack {command} --help"));
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| !line.is_empty());
        let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next());
        all.extend(
            names
                .filter(|name| *name != "help")
                .map(|name| format!("{command} {name}").trim().to_owned()),
        );
        at += 1;
    }
    all
}

#[test]
fn the_page_of_the_command_line_is_current_and_fits_80_columns() {
    let mut commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    commands[1..].sort();
    let head = "# The command line\n\nMade from the help texts. The file is described in [spec.md](spec.md), exit codes in \
                [exit-codes.md](../exit-codes.md).\n";
    let chapters: Vec<String> = commands.iter().map(|command| chapter(command)).collect();
    generated("docs/reference/cli.md", &format!("{head}{}", chapters.concat()));
}

fn chapter(command: &str) -> String {
    let help = said(&format!("odoopack {command} --help"));
    let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
    assert_eq!(wide, [""; 0], "{command}");
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let name = format!("odoopack {command}");
    format!("\n## {}\n\n```text\n{}\n```\n", name.trim_end(), lines.join("\n"))
}

#[test]
fn the_page_of_the_file_is_current() {
    generated("docs/reference/spec.md", &said("odoopack spec reference"));
}

#[test]
fn the_schema_of_the_file_is_current() {
    let text = said("odoopack spec schema");
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let tables: BTreeSet<&str> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert!(tables.is_superset(&BTreeSet::from(["format", "pack", "odoo", "environments"])));
    generated("docs/reference/odoopack.schema.json", &text);
}

#[test]
fn the_schema_of_the_lock_is_current() {
    let text = said("odoopack lock --schema");
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["title"], "oca.lock.json");
    generated("docs/reference/oca.lock.schema.json", &text);
}

#[test]
fn without_a_command_it_prints_help_and_fails() {
    let (text, code) = Sandbox::new(PLACE).run("odoopack");
    assert_eq!(code, 2);
    assert_eq!(text, said("odoopack --help"));
}

#[test]
fn completions_are_scripts_that_name_every_command() {
    for (shell, checked_by) in [
        ("bash", Some("bash -n")),
        ("zsh", None),
        ("fish", None),
        ("elvish", None),
        ("powershell", None),
    ] {
        let script = said(&format!("odoopack completions {shell}"));
        for command in ["demo", "doctor", "secret"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
        if let Some(program) = checked_by {
            said(&format!("odoopack completions {shell} | {program}"));
        }
    }
}

#[test]
fn a_plan_is_json_and_changes_nothing() {
    let sandbox = Sandbox::new(PLACE);
    let file = "format = 1\nweb = { listen = [\"127.0.0.1\"], http_port = 18180, https_port = 18443 }\n\
                [environments.production]\ndomain = \"erp.example.com\"\n";
    sandbox.write_file("repo/odoopack.toml", file);
    let before = sandbox.run("find /srv/odoo").0;
    let (text, code) = sandbox.run("odoopack plan --root /srv/odoo --json 2>/dev/null");
    let dry = sandbox.run("odoopack up --dry-run --root /srv/odoo --json 2>/dev/null");
    assert_eq!(dry, (text.clone(), code), "a dry run shows the same plan");
    assert_eq!(sandbox.run("find /srv/odoo").0, before);
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    // A small machine is refused, and that is JSON as well.
    assert!([0, 4].contains(&code), "{text}");
    let steps = plan["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["step"].is_string()), "{text}");
    assert!(
        steps.iter().any(|step| step["step"] == "make-directory"),
        "{text}"
    );
}

#[test]
fn a_failure_is_json_too() {
    let (text, code) = Sandbox::new(PLACE).run("odoopack status --root /srv/odoo --json");
    let failure: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &failure["exit_code"]), (3, &serde_json::json!(3)));
    assert!(failure["hints"].as_array().unwrap().len() == 1 && failure["error"][0].is_string());
}
