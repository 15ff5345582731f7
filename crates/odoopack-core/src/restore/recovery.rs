//! What to do about a restore that was cut off, from nothing but its journal.
use super::Step;

/// One line of the journal about a step, by its place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It begins.
    Begin(usize),
    /// It has ended well.
    Done(usize),
    /// Its undo begins.
    Undoing(usize),
    /// Its undo has ended well.
    Undone(usize),
}

/// The way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The new state is in place: do the rest, from this step on.
    Finish(usize),
    /// Take back what was begun, in this order.
    Revert(Vec<usize>),
}

/// Decides what to do about a restore whose process is gone.
///
/// # Shape
/// Forward once the first swap has ended and nobody began to take it back; else back, last step first.
pub fn recover(steps: &[Step], events: &[Event]) -> Recovery {
    let seen = |event: Event| events.contains(&event);
    let turned = events
        .iter()
        .any(|event| matches!(event, Event::Undoing(_) | Event::Undone(_)));
    let first_swap = steps.iter().position(Step::is_swap);
    if !turned && first_swap.is_some_and(|at| seen(Event::Done(at))) {
        let next = (0..steps.len()).find(|at| !seen(Event::Done(*at)));
        return Recovery::Finish(next.unwrap_or(steps.len()));
    }
    let begun = (0..steps.len()).rev();
    Recovery::Revert(
        begun
            .filter(|at| seen(Event::Begin(*at)) && !seen(Event::Undone(*at)))
            .collect(),
    )
}
