//! What `up` needs before it can begin: the pack's files, secrets, certificates and addons.
use camino::Utf8Path;
use odoopack_core::backup::paths;
use odoopack_core::up::unfit;

use super::Recovery;
use crate::backup::history::{self, History};
use crate::backup::stored::Opened;
use crate::backup::{addons, key};
use crate::commands::up;
use crate::context::Pack;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe;
use crate::store::{recovering, secrets};

impl Recovery<'_> {
    /// The pack's own files, as those of this root; else the place is empty again.
    fn files(&self, opened: &Opened, repo: &Utf8Path) -> Result<Pack> {
        let taken = || -> Result<Pack> {
            files::remove_tree(repo)?;
            files::directory_all(repo)?;
            if !opened.directory(paths::PACK, repo)? {
                return Err(Failure::refused("the snapshot holds no pack"));
            }
            let pack = self.cx.load()?;
            let root = pack.layout.root();
            if root != self.root {
                return Err(
                    Failure::refused(format!("the root of the pack is {root}, not {}", self.root))
                        .hint(format!("`--root {root}`")),
                );
            }
            fits(&pack)?;
            Ok(pack)
        };
        taken().inspect_err(|_| {
            // Nothing of use was written.
            drop(files::remove_tree(repo).and_then(|()| recovering::end(&self.root)));
        })
    }

    /// Everything that `up` needs; begins anew when it was cut off.
    pub(super) fn ground(&mut self, opened: &Opened) -> Result<()> {
        let repo = self.root.join("repo");
        let pack = self.files(opened, &repo)?;
        let layout = &pack.layout;
        self.history(opened, &repo)?;
        files::directory_all(&layout.data())?;
        for (part, to) in [(paths::SECRETS, layout.secrets()), (paths::TLS, layout.tls())] {
            files::remove_tree(&to)?;
            files::directory(&to, 0o700, None)?;
            opened.directory(part, &to)?;
        }
        secrets::set(&layout.secrets(), key::NAME, self.key.expose())?;
        let lacking = addons::bring(self.cx, opened, layout, &pack.directory)?;
        if !lacking.is_empty() {
            self.cx.ui.say(&format!(
                "asked of where they came from, as the snapshot does not hold them: {}",
                lacking.join(", ")
            ));
        }
        self.await_data(&pack, opened)
    }

    /// Nothing depends on the history: without it everything comes back all the same.
    fn history(&mut self, opened: &Opened, repo: &Utf8Path) -> Result<()> {
        let beside = self.root.join("history.bundle");
        self.mark.history = match history::bring(opened, repo, &beside)? {
            History::Back | History::None => None,
            History::OfMore => Some(format!(
                "the pack was a directory of a bigger repository, whose history is kept as {beside}"
            )),
            History::Beside(why) => Some(format!(
                "the pack's files are back, and are no git repository: its history is not whole, and is kept as {beside}: {why}"
            )),
            History::Lost(why) => Some(format!(
                "the pack's files are back, and are no git repository: its history could not be read: {why}"
            )),
        };
        self.warn_of_history();
        Ok(())
    }

    /// Also in the run that goes on: nobody may have read what the one said that was cut off.
    pub(super) fn warn_of_history(&self) {
        if let Some(text) = &self.mark.history {
            self.cx.ui.warn(text);
        }
    }
}

/// `up` would refuse such a machine too, but only once secrets were written to it.
fn fits(pack: &Pack) -> Result<()> {
    let view = observe::look(pack)?;
    up::refuse(&unfit(&pack.loaded.spec, &view.target, &view.facts))
}
