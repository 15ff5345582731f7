//! What was shown is what is done.
use crate::apply::restore::Planned;
use crate::failure::{Failure, Result};

/// Refuses to do what nobody was shown: `now` was planned under the locks, `shown` before the question.
///
/// # Errors
/// Kind `Refused` with the steps that are not the same.
pub(super) fn still(shown: &Planned, now: &Planned) -> Result<()> {
    if shown == now {
        return Ok(());
    }
    let lacking = |word: &str, one: &Planned, other: &Planned| -> Vec<String> {
        let steps = one.steps.iter().filter(|step| !other.steps.contains(step));
        steps.map(|step| format!("{word}: {step}")).collect()
    };
    let mut lines = lacking("now", now, shown);
    lines.extend(lacking("not any more", shown, now));
    if lines.is_empty() {
        lines.push(format!(
            "it would go into {} on the server `{}` with the same steps in another order",
            now.environment, now.server
        ));
    }
    Err(
        Failure::refused("meanwhile something has changed here: what would be done is not what was shown")
            .because(lines.join("\n"))
            .hint("run the same command again"),
    )
}

#[cfg(test)]
mod tests {
    use odoopack_core::restore::Step;
    use odoopack_core::spec::OwnServer;

    use super::*;
    use crate::apply::restore::Neutralized;

    fn planned(services: &[&str]) -> Planned {
        let mut steps = vec![Step::LoadDatabase {
            database: "demo_restore_6a1b2c3d".to_owned(),
        }];
        if !services.is_empty() {
            steps.push(Step::StopServices {
                services: services.iter().map(|name| (*name).to_owned()).collect(),
            });
        }
        Planned {
            id: "6a1b2c3d".to_owned(),
            environment: "production".parse().unwrap(),
            server: OwnServer::default(),
            served: true,
            neutralized: Neutralized::Refused,
            source: "a.zip".to_owned(),
            steps,
        }
    }

    #[test]
    fn services_that_somebody_started_meanwhile_keep_it_from_being_done() {
        let (quiet, served) = (planned(&[]), planned(&["production.blue.web"]));
        still(&quiet, &quiet).unwrap();
        let failure = still(&quiet, &served).unwrap_err();
        assert_eq!(failure.kind, crate::failure::Kind::Refused);
        let said = failure.chain().join(": ");
        assert!(said.ends_with("now: stop production.blue.web"), "{said}");
        let said = still(&served, &quiet).unwrap_err().chain().join(": ");
        assert!(said.ends_with("not any more: stop production.blue.web"), "{said}");
        let elsewhere = Planned {
            environment: "shop".parse().unwrap(),
            ..quiet.clone()
        };
        let said = still(&quiet, &elsewhere).unwrap_err().chain().join(": ");
        assert!(said.contains("into shop"), "{said}");
    }
}
