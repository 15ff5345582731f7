//! `data/filestore` and `data/sessions`: links to where the default production environment keeps them.
use camino::Utf8PathBuf;

use crate::layout::Layout;
use crate::name::Name;
use crate::spec::{Kind, Sessions, Spec};

/// A link for people; nothing of ours reads through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Where it stands.
    pub path: Utf8PathBuf,
    /// Where it leads; `None` where there is nothing to lead to.
    pub to: Option<Utf8PathBuf>,
    /// A link to below this is ours.
    pub ours: Utf8PathBuf,
}

/// Those of a pack, whether what they lead to is there or not.
pub fn views_of(spec: &Spec, layout: &Layout) -> Vec<View> {
    let default = default_production(spec);
    ["filestore", "sessions"]
        .into_iter()
        .map(|part| {
            let path = layout.data().join(part);
            // A place that was taken over may lie where the link would be.
            let free = layout
                .adopted()
                .all(|(_, place)| !place.starts_with(&path) && !path.starts_with(place));
            let kept = |name: &&Name| part == "filestore" || on_disk(spec, name);
            let to = default.filter(kept).filter(|_| free);
            View {
                to: to.map(|name| layout.environment(name).join(part)),
                ours: layout.data().join("environments"),
                path,
            }
        })
        .collect()
}

/// The environment `production`, or else the first that is one.
fn default_production(spec: &Spec) -> Option<&Name> {
    let all = || {
        let environments = spec.environments.iter();
        environments.filter(|(_, environment)| environment.kind == Kind::Production)
    };
    let named = all().find(|(name, _)| name.as_str() == "production");
    named.or_else(|| all().next()).map(|(name, _)| name)
}

fn on_disk(spec: &Spec, name: &Name) -> bool {
    let environment = spec.environments.get(name);
    environment.is_some_and(|environment| environment.sessions == Sessions::Disk)
}
