//! Values of secrets: stored, from variables, and those that a command of the file prints.
use std::collections::BTreeMap;
use std::time::Duration;

use odoopack_core::layout::Layout;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::{Roles, SecretRef, Spec};
use odoopack_core::target::secret_name;

use crate::exec::{Cmd, Outcome};
use crate::failure::{Failure, Result};
use crate::store::secrets;

/// A password manager that asks a person for something waits for nobody here.
const PATIENCE: Duration = Duration::from_mins(1);

/// Every value that is there, by the key of its reference.
pub(crate) fn values(spec: &Spec, layout: &Layout) -> Result<BTreeMap<String, SecretText>> {
    let mut all = secrets::all(&layout.secrets())?;
    for reference in spec.secrets() {
        if let SecretRef::Command(words) = reference {
            let asked = ask(words).map_err(|e| e.during(format!("could not get `{reference}`")));
            all.insert(reference.key(), asked?);
        }
    }
    // The one role that was given to us is everybody's.
    let given = super::given::of(&spec.postgres, &all)?.filter(|url| url.server.roles == Roles::Given);
    if let Some(password) = given.and_then(|url| url.password) {
        let names = spec.environments.keys();
        all.extend(names.map(|name| (secret_name(name, "DATABASE"), password.clone())));
    }
    Ok(all)
}

/// The value of one reference; `None` when it is nowhere.
pub(crate) fn value(reference: &SecretRef, layout: &Layout) -> Result<Option<SecretText>> {
    match reference {
        SecretRef::Named(name) => Ok(secrets::all(&layout.secrets())?.remove(name)),
        SecretRef::Command(words) => ask(words)
            .map(Some)
            .map_err(|e| e.during(format!("could not get `{reference}`"))),
    }
}

/// The first line that a command prints; what it printed is in no error.
fn ask(words: &[String]) -> Result<SecretText> {
    let cmd = Cmd::new(words[0].clone())
        .args(words[1..].iter().cloned())
        .patience(PATIENCE);
    let outcome = cmd.outcome()?;
    if !outcome.status.success() {
        let silent = Outcome {
            stdout: String::new(),
            ..outcome
        };
        return Err(cmd.ended_badly(&silent));
    }
    match outcome.stdout.lines().next() {
        Some(first) if !first.trim().is_empty() => Ok(SecretText::new(first)),
        Some(_) | None => Err(
            Failure::failed(format!("the first line that `{cmd}` prints is empty"))
                .hint("the value must be the first line of its output"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    fn asked(script: &str) -> Result<SecretText> {
        let place = tempfile::tempdir().expect("the system has a temporary directory");
        let program = Utf8Path::from_path(place.path())
            .expect("its name is UTF-8")
            .join("pass");
        crate::files::replace(&program, script.as_bytes(), 0o600, None)
            .expect("a temporary directory can be written to");
        ask(&["sh".to_owned(), program.into_string()])
    }

    #[test]
    fn the_first_line_is_the_value() {
        let value = asked("printf 'hidden word\\nuser: x\\n'").expect("it ends well");
        assert_eq!(value.expose(), "hidden word");
    }

    #[test]
    fn a_command_that_fails_or_prints_nothing_gives_no_value_and_no_output() {
        for (script, wanted) in [
            ("echo hidden; exit 3", "exit code 3"),
            ("echo hidden; echo locked >&2; exit 1", "locked"),
            ("echo; echo hidden", "prints is empty"),
            ("true", "prints is empty"),
        ] {
            let chain = asked(script).expect_err(script).chain().join("\n");
            assert!(
                chain.contains(wanted) && !chain.contains("hidden"),
                "{script}: {chain}"
            );
        }
    }
}
