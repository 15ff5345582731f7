//! Modules that lie beside an image, compiled by its own Python before Odoo starts, which may write nothing there.
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::service::Service;

use super::Apply;
use crate::failure::{Failure, Result};
use crate::store::marks;
use crate::tools::docker;

/// Compiles what is not compiled yet, or no longer matches. What cannot be compiled or written is left to Odoo's start.
///
/// # Source
/// PEP 552: with the hash of its source in it, a compiled file is used only for exactly that source, also where two changes
/// fall into one second; where it does not match, Python compiles for itself.
const COMPILE: &str = "import importlib.util as util, os, py_compile, sys
CHECKED = (3).to_bytes(4, 'little')
for module in sys.argv[1:]:
    for place, _, names in os.walk(module):
        for name in names:
            if not name.endswith('.py'):
                continue
            path = os.path.join(place, name)
            compiled = util.cache_from_source(path)
            try:
                with open(path, 'rb') as file:
                    wanted = util.MAGIC_NUMBER + CHECKED + util.source_hash(file.read())
                try:
                    with open(compiled, 'rb') as file:
                        if file.read(16) == wanted:
                            continue
                except FileNotFoundError:
                    pass
                mode = py_compile.PycInvalidationMode.CHECKED_HASH
                py_compile.compile(path, compiled, doraise=True, invalidation_mode=mode)
            except (py_compile.PyCompileError, OSError, ValueError):
                pass";

impl Apply<'_> {
    /// Compiles the modules of an Odoo service, when its engine has an image for it; once for what they are now. That they could not be
    /// compiled costs time at each start, and nothing else.
    pub(super) fn compile_modules(&self, service: &Service) {
        if let Err(failure) = self.compiled(service) {
            let why = failure.chain().join(": ");
            self.ui.warn(&format!("modules could not be compiled: {why}"));
        }
    }

    fn compiled(&self, service: &Service) -> Result<()> {
        let image = self.facts.containers.images.get("odoo");
        let Some(image) = image.filter(|_| self.layout.containers()) else {
            return Ok(());
        };
        let environment = service.name.split('.').next().unwrap_or_default();
        let known = self.spec.environments.iter();
        let mut known = known.filter(|(name, _)| name.as_str() == environment);
        let farm = known.find_map(|(_, settings)| self.target.farms.get(&settings.edition));
        let Some(farm) = farm.filter(|farm| !farm.links.is_empty()) else {
            return Ok(());
        };
        let modules: BTreeSet<&Utf8Path> = farm.links.values().map(Utf8PathBuf::as_path).collect();
        let state = self.layout.state();
        if marks::compiled(&state, &farm.directory)?.as_deref() == Some(&seen(&image.id, &modules)?) {
            return Ok(());
        }
        for (owner, modules) in by_owner(&modules)? {
            compile(&image.id, owner, &modules).run()?;
        }
        marks::remember_compiled(&state, &farm.directory, seen(&image.id, &modules)?)
    }
}

/// As whoever owns them: what a link in their directories leads to is not in the container.
fn compile(image: &str, (user, group): (u32, u32), modules: &[&Utf8Path]) -> crate::exec::Cmd {
    let places: BTreeSet<&Utf8Path> = modules.iter().filter_map(|module| module.parent()).collect();
    let mounts: Vec<_> = places
        .into_iter()
        .map(|place| (place.to_owned(), place.to_owned()))
        .collect();
    let mut argv = ["python3", "-W", "ignore", "-c", COMPILE]
        .map(str::to_owned)
        .to_vec();
    argv.extend(modules.iter().map(ToString::to_string));
    docker::once_with(image, &format!("{user}:{group}"), &mounts, &argv)
}

fn by_owner<'a>(modules: &BTreeSet<&'a Utf8Path>) -> Result<BTreeMap<(u32, u32), Vec<&'a Utf8Path>>> {
    let mut all: BTreeMap<(u32, u32), Vec<&Utf8Path>> = BTreeMap::new();
    for module in modules {
        let data = module
            .metadata()
            .map_err(|e| unreadable(module.as_std_path(), e))?;
        all.entry((data.uid(), data.gid())).or_default().push(module);
    }
    Ok(all)
}

/// What is there of an image and modules, as one hash: other contents, or a compiled file that is gone, make another one.
fn seen(image: &str, modules: &BTreeSet<&Utf8Path>) -> Result<String> {
    let mut files = BTreeSet::new();
    for module in modules {
        python_files(module.as_std_path(), &mut files)?;
    }
    Ok(odoopack_core::hash::of(&(image, COMPILE, files)))
}

/// Python's files and what was compiled from them, with size and time; links are not followed.
fn python_files(place: &Path, files: &mut BTreeSet<(String, u64, u128)>) -> Result<()> {
    for entry in place.read_dir().map_err(|e| unreadable(place, e))? {
        let entry = entry.map_err(|e| unreadable(place, e))?;
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.map_err(|e| unreadable(place, e))?.is_dir() {
            python_files(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "py" || end == "pyc") {
            let data = entry.metadata().map_err(|e| unreadable(&path, e))?;
            let time = data
                .modified()
                .ok()
                .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let nanos = time.map_or(0, |time| time.as_nanos());
            files.insert((path.to_string_lossy().into_owned(), data.len(), nanos));
        }
    }
    Ok(())
}

fn unreadable(path: &Path, e: std::io::Error) -> Failure {
    Failure::failed(format!("could not look at the modules in `{}`", path.display())).because(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_is_known_again() {
        let keep = tempfile::tempdir().unwrap();
        let module = Utf8Path::from_path(keep.path()).unwrap().join("one");
        let write = |name: &str, text: &str| {
            crate::files::directory_all(module.join(name).parent().unwrap()).unwrap();
            crate::files::replace(&module.join(name), text.as_bytes(), 0o644, None).unwrap();
        };
        write("models/a.py", "x = 1\n");
        write("__pycache__/a.cpython-312.pyc", "x");
        write("static/a.js", "x");
        let modules = BTreeSet::from([module.as_path()]);
        let before = seen("sha256:1", &modules).unwrap();
        write("static/b.js", "y");
        assert_eq!(seen("sha256:1", &modules).unwrap(), before);
        assert_ne!(seen("sha256:2", &modules).unwrap(), before);
        write("models/b.py", "");
        let after = seen("sha256:1", &modules).unwrap();
        assert_ne!(after, before);
        crate::files::remove(&module.join("__pycache__/a.cpython-312.pyc")).unwrap();
        assert_ne!(seen("sha256:1", &modules).unwrap(), after);
        seen("sha256:1", &BTreeSet::from([Utf8Path::new("/nowhere")])).unwrap_err();
    }

    /// The one here does what that of an image does.
    #[test]
    fn python_compiles_what_changed_and_nothing_else() {
        let keep = tempfile::tempdir().unwrap();
        let module = Utf8Path::from_path(keep.path()).unwrap();
        let put = |name: &str, text: &str| {
            crate::files::replace(&module.join(name), text.as_bytes(), 0o644, None).unwrap();
        };
        let run = |program: &str, more: &str| {
            let cmd = crate::exec::Cmd::new("python3").args(["-c", program, more]);
            cmd.read().unwrap()
        };
        put("a.py", "x = 1\n");
        put("bad.py", "not python at all");
        run(COMPILE, module.as_str());
        let cache = module.join("__pycache__");
        let files: Vec<_> = cache.read_dir_utf8().unwrap().flatten().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let made = || files[0].metadata().unwrap().ino();
        let first = made();
        run(COMPILE, module.as_str());
        assert_eq!(made(), first);
        // In the same second, and of the same size.
        put("a.py", "x = 2\n");
        let ask =
            "import sys; sys.dont_write_bytecode = True; sys.path[0] = sys.argv[1]; import a; print(a.x)";
        assert_eq!(run(ask, module.as_str()).trim(), "2");
        run(COMPILE, module.as_str());
        assert_ne!(made(), first);
        assert_eq!(run(ask, module.as_str()).trim(), "2");
    }
}
