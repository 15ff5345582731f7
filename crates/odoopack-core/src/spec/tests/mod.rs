//! Tests of the file as a whole.
mod any_spec;
mod mangled;
mod mistakes;
mod tables;

use super::*;

fn context() -> LoadContext {
    LoadContext::new("/srv/odoo/repo")
}

/// The mistakes of `text`, printed.
fn wrong(text: &str) -> String {
    load(text, &context())
        .map(|l| l.spec)
        .expect_err(text)
        .to_string()
}

/// The mistakes of a good file with `lines` added to it.
fn wrong_with(lines: &str) -> String {
    wrong(&format!(
        "format = 1\n[environments.production]\ndomain = \"erp.example.com\"\n{lines}"
    ))
}

fn spec_with(lines: &str) -> Spec {
    let text = format!("format = 1\n[environments.production]\ndomain = \"erp.example.com\"\n{lines}");
    load(&text, &context()).unwrap_or_else(|m| panic!("{m}")).spec
}
