//! What to do about a restore that was cut off, from nothing but its journal, and about a step that failed.
use super::{Step, own_name};

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

/// How many steps from `at` on are done at the same time: the attachments are placed while the database is loaded, which share nothing.
/// All of them are begun before one of them is done, and taken back when one of them fails.
pub fn together(steps: &[Step], at: usize) -> usize {
    match steps.get(at..) {
        Some([Step::LoadDatabase { .. }, Step::PlaceFilestore { .. }, ..]) => 2,
        _ => 1,
    }
}

fn start(steps: &[Step]) -> Option<usize> {
    steps
        .iter()
        .position(|step| matches!(step, Step::StartServices { .. }))
}

/// Whether the new state stays although step `at` failed: it has begun to serve, and what people did in it since is not
/// taken from them by a machine. `again`: another process began this step, at a time that nobody knows.
pub fn stays(steps: &[Step], at: usize, again: bool) -> bool {
    start(steps).is_some_and(|start| at > start || (again && at == start))
}

/// Under which name the new state is kept when it is put back after its services began to start; `None` when nobody can
/// have been in it.
pub fn kept_when_put_back(steps: &[Step], began: impl Fn(usize) -> bool, id: &str) -> Option<String> {
    start(steps).filter(|start| began(*start))?;
    let name = steps.iter().find_map(|step| {
        if let Step::SwapDatabase { to, .. } = step {
            Some(to.as_str())
        } else if let Step::SwapFilestore { to, .. } = step {
            to.file_name()
        } else {
            None
        }
    });
    name.map(|name| own_name(name, "undone", id))
}
