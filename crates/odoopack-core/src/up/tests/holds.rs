//! Requests that wait at the gate for a run that was killed.
use super::machine::{Machine, name};

#[test]
fn requests_that_a_killed_run_held_are_let_in_before_the_probes() {
    let mut machine = Machine::up(true);
    let one = machine.spec.environments.keys().next().unwrap().clone();
    machine.facts.held = [one.clone(), name("gone")].into();
    let plan = machine.plan();
    let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps[0], format!("let requests to {one} in again"));
    assert!(
        steps.len() > 1 && steps[1..].iter().all(|step| step.starts_with("check ")),
        "{steps:?}"
    );
    machine.converge();
    assert_eq!(machine.facts.held, [name("gone")].into());
}
