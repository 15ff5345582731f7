//! What every command is given: where the pack is, how to talk, and what was loaded.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;
use odoopack_core::spec::{self, LoadContext, Loaded};

use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::hint::with_root;
use crate::observe::given;
use crate::ui::Ui;

/// Name of the file.
pub(crate) const FILE: &str = "odoopack.toml";

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Context {
    /// The printer.
    pub(crate) ui: Ui,
    /// `--root`.
    pub(crate) root: Option<Utf8PathBuf>,
}

/// A pack that was loaded.
#[derive(Debug)]
pub(crate) struct Pack {
    /// The resolved file with the origin of each value.
    pub(crate) loaded: Loaded,
    /// Names and places.
    pub(crate) layout: Layout,
    /// Directory of the file.
    pub(crate) directory: Utf8PathBuf,
}

impl Context {
    /// Finds and loads the file: below `--root`, else in the working directory, its parents, or their `repo`.
    ///
    /// # Errors
    /// Kind `Spec` (exit code 3) with every mistake of the file.
    pub(crate) fn load(&self) -> Result<Pack> {
        let pack = self.load_again()?;
        let warnings = pack.loaded.warnings.to_string();
        if !warnings.is_empty() {
            self.ui.warn(&warnings);
        }
        Ok(pack)
    }

    /// Loads it once more, and warns of nothing a second time.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) fn load_again(&self) -> Result<Pack> {
        let path = self.find()?;
        let text = files::read_text(&path)?.ok_or_else(|| {
            Failure::new(Kind::Spec, format!("there is no `{path}`")).hint("`odoopack init`")
        })?;
        let directory = path.parent().unwrap_or(Utf8Path::new("/")).to_owned();
        let mut context = LoadContext::new(&directory);
        if let Some(root) = &self.root {
            context = context.with_root(root);
        }
        let loaded = spec::load(&text, &context).map_err(|mistakes| {
            Failure::new(
                Kind::Spec,
                format!("`{path}` is wrong\n{}", with_root(&mistakes.to_string())),
            )
        })?;
        let root = rustix::process::geteuid().is_root();
        // One root has one name, whatever link leads to it: `up` writes through no link below it.
        let place = &loaded.spec.pack.root;
        let place = place.canonicalize_utf8().unwrap_or_else(|_| place.clone());
        let layout = Layout::new(&place, &loaded.spec.pack.name, root).with_engine(loaded.spec.pack.engine);
        let server = given::place(&loaded.spec, &layout);
        let layout = layout.with_server(server).with_adopted(&loaded.spec);
        Ok(Pack {
            loaded,
            layout,
            directory,
        })
    }

    /// The pack as it would be with another text of its file.
    ///
    /// # Errors
    /// Kind `Spec` with every mistake of the text.
    pub(crate) fn load_text(&self, pack: &Pack, text: &str) -> Result<Pack> {
        let mut context = LoadContext::new(&pack.directory);
        if let Some(root) = &self.root {
            context = context.with_root(root);
        }
        let loaded = spec::load(text, &context).map_err(|mistakes| {
            Failure::new(
                Kind::Spec,
                format!(
                    "the changed `{FILE}` would be wrong\n{}",
                    with_root(&mistakes.to_string())
                ),
            )
        })?;
        Ok(Pack {
            loaded,
            layout: pack.layout.clone(),
            directory: pack.directory.clone(),
        })
    }

    /// The root, and the place of a pack's file that is still to be written there.
    ///
    /// # Errors
    /// Kind `Refused` when one is there already.
    pub(crate) fn place_of_new_file(&self) -> Result<(Utf8PathBuf, Utf8PathBuf)> {
        let root = match &self.root {
            Some(root) => root.clone(),
            None => working_directory()?,
        };
        let path = root.join("repo").join(FILE);
        if files::read_text(&path)?.is_some() {
            return Err(Failure::refused(format!("`{path}` is already there"))
                .hint("edit it, or choose another --root"));
        }
        Ok((root, path))
    }

    fn find(&self) -> Result<Utf8PathBuf> {
        let start = match &self.root {
            Some(root) => root.clone(),
            None => working_directory()?,
        };
        let candidates = start
            .ancestors()
            .flat_map(|place| [place.join(FILE), place.join("repo").join(FILE)]);
        let limit = if self.root.is_some() { 2 } else { usize::MAX };
        candidates.take(limit).find(|path| path.is_file()).ok_or_else(|| {
            Failure::new(Kind::Spec, format!("no `{FILE}` in `{start}`"))
                .hint("`odoopack init` writes one, `odoopack demo` shows everything without one")
        })
    }
}

/// The working directory as UTF-8.
pub(crate) fn working_directory() -> Result<Utf8PathBuf> {
    let failed = || Failure::failed("could not find out the working directory");
    let path = std::env::current_dir().map_err(|e| failed().because(e))?;
    Utf8PathBuf::from_path_buf(path)
        .map_err(|path| failed().because(format!("`{}` is not UTF-8", path.display())))
}

/// Where downloads are kept.
pub(crate) fn cache() -> Utf8PathBuf {
    crate::release::cache()
}
