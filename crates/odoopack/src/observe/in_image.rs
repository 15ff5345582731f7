//! Files of modules that lie in an image, copied out for as long as somebody reads them.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;

use super::contents::Wanted;
use crate::failure::{Failure, Result};
use crate::tools::docker;

/// What hashing reads of each directory: files, and what links to files lead to; links to directories are not followed.
const COPY: &str = "import os, shutil, sys
for path in sys.argv[1:]:
    to = os.path.join('/modules', os.path.basename(path))
    for place, _, names in os.walk(path):
        below = to + place[len(path):]
        os.makedirs(below)
        for name in names:
            shutil.copyfile(os.path.join(place, name), os.path.join(below, name))";

/// Copies of modules' directories; gone with the value.
#[derive(Debug, Default)]
pub(super) struct Copies {
    _place: Option<tempfile::TempDir>,
    /// The modules, where they are now.
    pub(super) modules: Vec<Wanted>,
}

/// Copies modules out of an image.
///
/// # Errors
/// When Docker cannot run it, or the disk is full.
pub(super) fn copies(layout: &Layout, image: &str, wanted: &[Wanted]) -> Result<Copies> {
    let state = layout.state();
    let failed = |e| Failure::failed(format!("could not make a directory in `{state}`")).because(e);
    let place = tempfile::Builder::new()
        .prefix("modules-")
        .tempdir_in(&state)
        .map_err(failed)?;
    let path = Utf8Path::from_path(place.path())
        .ok_or_else(|| Failure::failed(format!("`{}` is not UTF-8", place.path().display())))?;
    let mut argv = vec!["python3".to_owned(), "-c".to_owned(), COPY.to_owned()];
    argv.extend(wanted.iter().map(|one| one.path.to_string()));
    let user = format!("{}:{}", rustix::process::geteuid(), rustix::process::getegid());
    let out = (path.to_owned(), Utf8PathBuf::from("/modules"));
    docker::once_with(image, &user, &[out], &argv)
        .run()
        .map_err(|e| e.during("could not read modules in the image"))?;
    let modules = wanted.iter().map(|one| Wanted {
        module: one.module.clone(),
        path: path.join(one.path.file_name().unwrap_or(&one.module)),
    });
    Ok(Copies {
        modules: modules.collect(),
        _place: Some(place),
    })
}
