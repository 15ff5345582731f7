//! The views of the default production environment: made, turned and removed, and never in the place of anything else.
use super::Known;
use crate::facts::{PathKind, Seen};
use crate::plan::Step;
use crate::target::View;

/// What stands where a view would be.
enum There {
    Nothing,
    Right,
    /// A link of ours that leads elsewhere.
    Turned,
    SomebodyElses,
}

fn there(known: &Known<'_>, view: &View) -> There {
    match known.facts.paths.get(&view.path).and_then(Seen::present) {
        None => There::Nothing,
        Some(fact) => match &fact.kind {
            PathKind::Link(to) if view.to.as_ref() == Some(to) => There::Right,
            PathKind::Link(to) if to.starts_with(&view.ours) => There::Turned,
            PathKind::Link(_) | PathKind::Directory | PathKind::File(_) | PathKind::Other => {
                There::SomebodyElses
            }
        },
    }
}

pub(super) fn steps(known: &Known<'_>) -> Vec<Step> {
    let one = |view: &View| {
        let step = Step::LinkView {
            path: view.path.clone(),
            to: view.to.clone(),
        };
        match (there(known, view), &view.to) {
            (There::Nothing, Some(_)) | (There::Turned, _) => Some(step),
            (There::Nothing, None) | (There::Right | There::SomebodyElses, _) => None,
        }
    };
    known.target.views.iter().filter_map(one).collect()
}

pub(super) fn notes(known: &Known<'_>) -> Vec<String> {
    let one = |view: &View| {
        let (There::SomebodyElses, Some(to)) = (there(known, view), &view.to) else {
            return None;
        };
        Some(format!(
            "{} was left as it is: odoopack did not make it, and a link to {to} would stand there; move it away, then `odoopack up` makes the link",
            view.path
        ))
    };
    known.target.views.iter().filter_map(one).collect()
}
