//! uv itself, and the package index that the host's pip is configured with.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::python;
use crate::tools::uv::{self, Uv};
use crate::ui::Progress;

/// Gives the pinned uv, installed by the host's own Python and pip: pip knows the host's mirror and certificates.
///
/// # Effects
/// Installs below `<cache>/uv/<version>`, in a neighbour that is renamed; an installed one is used as it is.
pub(super) fn uv(cache: &Utf8Path, python: &Utf8Path, progress: &Progress) -> Result<Uv> {
    let home = home(cache);
    if !works(&home) {
        files::directory_all(&cache.join("uv"))?;
        let _held = files::lock(&cache.join("uv/.lock"))?;
        if !works(&home) {
            progress.detail(&format!("installing uv {}", uv::VERSION));
            install(&home, python)?;
        }
    }
    Ok(at(cache, &home))
}

/// The pinned uv when it is there; nothing is fetched.
pub(super) fn there(cache: &Utf8Path) -> Option<Uv> {
    let home = home(cache);
    works(&home).then(|| at(cache, &home))
}

fn at(cache: &Utf8Path, home: &Utf8Path) -> Uv {
    Uv {
        program: program(home),
        cache: cache.join("wheels"),
        env: BTreeMap::new(),
    }
}

/// The same uv with the user's proxies, certificates and package index: for calls that need the network.
pub(super) fn online(uv: &Uv, cache: &Utf8Path) -> Result<Uv> {
    let mut env = uv::network(|name| std::env::var(name).ok());
    for (name, value) in configured(&home(cache))? {
        env.entry(name).or_insert(value);
    }
    Ok(Uv { env, ..uv.clone() })
}

fn home(cache: &Utf8Path) -> Utf8PathBuf {
    cache.join("uv").join(uv::VERSION)
}

fn program(home: &Utf8Path) -> Utf8PathBuf {
    home.join("bin/uv")
}

/// Whether this very version answers.
fn works(home: &Utf8Path) -> bool {
    let program = program(home);
    let version = |program: &Utf8Path| crate::exec::Cmd::new(program.as_str()).arg("--version").read();
    program.is_file()
        && version(&program).is_ok_and(|text| text.split_whitespace().nth(1) == Some(uv::VERSION))
}

fn install(home: &Utf8Path, python: &Utf8Path) -> Result<()> {
    let new = home.with_file_name(".new");
    files::remove_tree(&new)?;
    let made = python::venv(python, &new).run().map_err(|failure| {
        failure
            .during("could not make a virtual environment")
            .hint("`apt-get install python3-venv`")
    });
    let installed = made.and_then(|()| {
        let requirement = new.join("requirement.txt");
        files::replace(&requirement, uv::requirement().as_bytes(), 0o644, None)?;
        python::pip_install(&new, &requirement).run().map_err(|failure| {
            failure
                .during(format!("could not install uv {}", uv::VERSION))
                .hint("check the network, or pip's `index-url` where a mirror is used")
        })
    });
    if let Err(failure) = installed {
        files::remove_tree(&new)?;
        return Err(failure);
    }
    files::remove_tree(home)?;
    files::rename(&new, home)?;
    if works(home) {
        Ok(())
    } else {
        Err(Failure::failed(format!("`{}` does not run here", program(home))))
    }
}

/// pip's configuration as uv's variables; directories of wheels that are not there would be an error to uv.
fn configured(home: &Utf8Path) -> Result<BTreeMap<String, String>> {
    let mut pip = python::parse_pip_config(&python::pip_config(home).read()?);
    if let Some(places) = pip.remove("find-links") {
        let there = places
            .split_whitespace()
            .filter(|place| place.contains("://") || Utf8Path::new(place).is_dir());
        pip.insert("find-links".to_owned(), there.collect::<Vec<_>>().join(","));
    }
    Ok(uv::index(&pip))
}
