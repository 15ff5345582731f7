//! `restore --forget-copy`: the end of what `--as` has put beside.
use crate::apply::restore::copies::{self, not_of_the_file};
use crate::commands::up;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::observe;
use crate::store::lock;
use crate::store::operation::half_copied;

/// Removes a copy after a question.
pub(super) fn forget(cx: &Context, name: &str, dry_run: bool) -> Result<()> {
    let pack = cx.load()?;
    not_of_the_file(&pack.loaded.spec, name)?;
    let view = observe::look(&pack)?;
    let apply = up::applier(cx, &pack, &view);
    let names = copies::find(&apply, name)?.names();
    names
        .iter()
        .for_each(|what| cx.ui.say(&format!("  - remove {what}")));
    if dry_run {
        cx.ui.json(&serde_json::json!({ "plan": { "remove": names } }));
        return Ok(());
    }
    super::for_good(cx)?;
    let state = pack.layout.state();
    let _lock = lock::take(&state, "restore --forget-copy")?;
    if half_copied(&state)? {
        return Err(
            Failure::refused("a restore to beside an environment, or a drill, was cut off").hint(
                "`odoopack restore --resume` finishes it or takes it back; then the same command again",
            ),
        );
    }
    // Meanwhile somebody may have made something else of it.
    let copied = copies::find(&apply, name)?;
    let _environments = copied
        .environments()
        .iter()
        .map(|environment| lock::take_environment(&state, environment, "restore --forget-copy"))
        .collect::<Result<Vec<_>>>()?;
    copied.remove(&apply)?;
    let names = copied.names();
    cx.ui.json(&serde_json::json!({ "removed": names }));
    cx.ui.result(&format!("removed {}", names.join(", ")));
    Ok(())
}
