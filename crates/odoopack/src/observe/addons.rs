//! The modules that Odoo can see, read from disk.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{FarmFact, Release};
use odoopack_core::layout::Layout;
use odoopack_core::manifest;
use odoopack_core::modules::{Installed, Module, Origin, Tree, is_name, without_unchosen};
use odoopack_core::render::dockerfile::PACKAGES;
use odoopack_core::spec::Spec;

use crate::exec::find_program;
use crate::failure::{Failure, Result};
use crate::store::marks;
use crate::tools::{docker, python};

/// A directory whose sub-directories may be modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: Utf8PathBuf,
    /// Where it really is, when only copies of its manifests are on this machine.
    pub(crate) inside: Option<Utf8PathBuf>,
    pub(crate) origin: Origin,
}

/// Every module of a pack: its own, the OCA's, those of Python packages and, once Odoo's code is there, Odoo's.
///
/// # Errors
/// When a directory that is there cannot be read.
pub(crate) fn tree(spec: &Spec, layout: &Layout, release: Option<&Release>) -> Result<Tree> {
    let places = places(spec, layout, release.filter(|release| release.fetched))?;
    let found = without_unchosen(read(&places)?, &spec.addons.repositories);
    Ok(Tree::new(spec.odoo.series, found))
}

/// Directories that `[addons]` names and that are not there, each with its key.
///
/// # Errors
/// When it cannot be seen whether one is there.
pub(crate) fn absent(spec: &Spec, layout: &Layout) -> Result<Vec<(&'static str, Utf8PathBuf)>> {
    let addons = &spec.addons;
    let own = addons.own.iter().map(|directory| ("own", directory));
    // Repositories of the file are built from the lock; their checkouts are for people.
    let checkouts = addons.oca.iter().filter(|_| addons.repositories.is_empty());
    let named = own.chain(checkouts.map(|directory| ("oca", directory)));
    let mut absent = Vec::new();
    for (key, directory) in named {
        let path = layout.repo().join(directory);
        if !may_hold_modules(&path)? {
            absent.push((key, path));
        }
    }
    Ok(absent)
}

/// Places in the order in which Odoo looks: its root, what Python packages bring, then the addons path.
fn places(spec: &Spec, layout: &Layout, release: Option<&Release>) -> Result<Vec<Place>> {
    let repo = layout.repo();
    let place = |path: Utf8PathBuf, origin| Place {
        path,
        inside: None,
        origin,
    };
    let (root, others) = odoo(layout, release);
    let mut all = root;
    let on_host = release.filter(|_| !layout.containers());
    if let Some(python) = on_host.and_then(|release| release.python.as_ref()) {
        all.extend(
            site_packages(python)?
                .into_iter()
                .map(|path| place(path, Origin::Python)),
        );
    }
    all.extend(spec.addons.own.iter().map(|directory| {
        let origin = Origin::Own {
            directory: directory.clone(),
        };
        place(repo.join(directory), origin)
    }));
    // What is locked is built from the lock; checkouts are for people then, and nothing else there counts.
    let locked = release
        .map(|release| &release.repositories)
        .filter(|all| !all.is_empty());
    for (name, path) in locked.into_iter().flatten() {
        let origin = Origin::Oca {
            repository: name.clone(),
        };
        all.push(place(path.clone(), origin));
    }
    for path in spec
        .addons
        .oca
        .iter()
        .filter(|_| locked.is_none())
        .map(|path| repo.join(path))
    {
        for name in names(&path)? {
            // Lists of repositories, a README and the like lie beside them.
            if !may_hold_modules(&path.join(&name))? {
                continue;
            }
            let origin = Origin::Oca {
                repository: name.clone(),
            };
            all.push(place(path.join(name), origin));
        }
    }
    all.extend(others);
    Ok(all)
}

/// Odoo's own directories: its root, and the others. What lies in an image is read from copies of its manifests.
fn odoo(layout: &Layout, release: Option<&Release>) -> (Vec<Place>, Vec<Place>) {
    let place = |release: &Release, number: usize, path: &Utf8PathBuf| {
        let copies = layout.manifests(&release.id).join(number.to_string());
        let in_image = layout.containers();
        let added = in_image && path.starts_with(PACKAGES);
        Place {
            path: if in_image { copies } else { path.clone() },
            inside: in_image.then(|| path.clone()),
            origin: if added { Origin::Python } else { Origin::Odoo },
        }
    };
    let all = release.into_iter().flat_map(|release| {
        let numbered = release.addons.iter().enumerate();
        numbered.map(|(number, path)| place(release, number, path))
    });
    all.partition(|place| {
        let path = place.inside.as_ref().unwrap_or(&place.path);
        path.ends_with("odoo/addons")
    })
}

/// Where a virtual environment keeps modules that came as Python packages.
fn site_packages(python: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let lib = python.join("lib");
    let versions = names(&lib)?;
    let versions = versions.into_iter().filter(|name| name.starts_with("python3"));
    let paths = versions.map(|name| lib.join(name).join("site-packages/odoo/addons"));
    Ok(paths.filter(|path| path.is_dir()).collect())
}

/// Threads that read manifests, and how many manifests are worth a thread.
const READERS: usize = 32;
const FEW: usize = 32;
/// What a manifest fits in; a longer one is read in parts.
const ROOM: usize = 64 * 1024;

/// Where a module of this name may be; the first that holds a manifest counts.
type Candidate<'a> = (Vec<&'a Place>, String);

/// Every name in every place; Odoo's own code, which Debian's package holds twice, is looked at once.
fn candidates(places: &[Place]) -> Result<Vec<Candidate<'_>>> {
    let mut all: Vec<Candidate<'_>> = Vec::new();
    let (mut seen, mut of_odoo) = (BTreeSet::new(), BTreeMap::new());
    for place in places.iter().filter(|place| seen.insert(&place.path)) {
        for name in names(&place.path)?.into_iter().filter(|name| is_name(name)) {
            if place.origin == Origin::Odoo
                && let Some(at) = of_odoo.insert(name.clone(), all.len())
            {
                all[at].0.push(place);
                of_odoo.insert(name, at);
                continue;
            }
            all.push((vec![place], name));
        }
    }
    Ok(all)
}

/// Reads all modules of these places, in their order; a place that is not there holds none, Odoo says so too.
pub(crate) fn read(places: &[Place]) -> Result<Vec<Module>> {
    let candidates = candidates(places)?;
    // More than there are cores: most of a first look is waiting for the disk.
    let share = candidates.len().div_ceil(READERS).max(FEW);
    let one = |part: &[Candidate<'_>]| -> Result<Vec<Module>> {
        let mut room = vec![0; ROOM];
        let mut first = |all: &Candidate<'_>| {
            let mut places = all.0.iter();
            places.find_map(|place| module(place, &all.1, &mut room).transpose())
        };
        let mut found = Vec::with_capacity(part.len());
        for candidate in part {
            found.extend(first(candidate).transpose()?);
        }
        Ok(found)
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = candidates
            .chunks(share)
            .map(|part| scope.spawn(move || one(part)))
            .collect();
        let mut all = Vec::with_capacity(candidates.len());
        for part in parts {
            all.extend(
                part.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?,
            );
        }
        Ok(all)
    })
}

/// What the farms below `directory` hold. A link to a directory is no farm of ours: what it leads to belongs to somebody else.
pub(crate) fn farms(directory: &Utf8Path) -> Result<BTreeMap<String, FarmFact>> {
    let editions = names(directory)?;
    let ours = |name: &String| {
        let seen = directory.join(name).symlink_metadata();
        seen.is_ok_and(|metadata| metadata.is_dir())
    };
    let farms = editions.into_iter().filter(ours);
    farms
        .map(|name| Ok((name.clone(), farm(&directory.join(name))?)))
        .collect()
}

fn farm(directory: &Utf8Path) -> Result<FarmFact> {
    let mut farm = FarmFact::default();
    for name in names(directory)? {
        match directory.join(&name).read_link_utf8() {
            Ok(to) => drop(farm.links.insert(name, to)),
            Err(e) if e.kind() == ErrorKind::InvalidInput => farm.others.push(name),
            Err(e) => {
                return Err(Failure::failed(format!("could not read link `{directory}/{name}`")).because(e));
            }
        }
    }
    Ok(farm)
}

/// Asks the release's Python and PATH, or its image, for everything that modules need besides modules.
///
/// # Errors
/// When an image cannot be asked.
pub(crate) fn installed(tree: &Tree, layout: &Layout, release: Option<&Release>) -> Result<Installed> {
    let manifests = || tree.iter().filter_map(|module| module.manifest.as_ref().ok());
    let programs: BTreeSet<&String> = manifests().flat_map(|manifest| &manifest.external.bin).collect();
    let needs: BTreeSet<&str> = manifests()
        .flat_map(|manifest| manifest.external.python.iter().map(String::as_str))
        .collect();
    let needs: Vec<&str> = needs.into_iter().collect();
    if layout.containers() {
        return in_image(&programs, &needs, layout);
    }
    let absent = programs
        .into_iter()
        .filter(|program| find_program(program).is_none());
    Ok(Installed {
        absent_programs: absent.cloned().collect(),
        python: unmet(&needs, release),
    })
}

/// Prints which of its arguments are no programs.
const ABSENT: &str = r#"for name; do command -v "$name" >/dev/null || echo "$name"; done"#;

/// The same in the image that the pack runs.
fn in_image(programs: &BTreeSet<&String>, needs: &[&str], layout: &Layout) -> Result<Installed> {
    let mut images = marks::images(&layout.state())?;
    let Some(odoo) = images.remove("odoo") else {
        return Ok(Installed {
            python: Err("the image is not pinned yet".to_owned()),
            ..Installed::default()
        });
    };
    let words = ["-c", ABSENT, "sh"];
    let words: Vec<&str> = words
        .into_iter()
        .chain(programs.iter().map(|name| name.as_str()))
        .collect();
    let absent = docker::once(&odoo.pinned, "sh", &words).read()?;
    let unmet = crate::release::image::unmet(&odoo.pinned, needs).map_err(|failure| failure.sentence());
    Ok(Installed {
        absent_programs: absent.lines().map(str::to_owned).collect(),
        python: unmet,
    })
}

fn unmet(needs: &[&str], release: Option<&Release>) -> std::result::Result<BTreeMap<String, String>, String> {
    if needs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let Some(venv) = release.and_then(|release| release.python.as_ref()) else {
        return Err("the release's Python environment is not built yet".to_owned());
    };
    let text = python::unmet(venv, needs).read().map_err(|e| e.to_string())?;
    python::parse_unmet(&text).ok_or_else(|| format!("`{venv}/bin/python` answered `{}`", text.trim()))
}

/// The module in a directory; `None` when it holds no manifest. What is read passes through `room`.
fn module(place: &Place, name: &str, room: &mut Vec<u8>) -> Result<Option<Module>> {
    let path = place.path.join(name);
    let content = match content(&path.join(manifest::FILE), room) {
        Ok(content) => content,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => {
            return Err(Failure::failed(format!("could not read `{path}/{}`", manifest::FILE)).because(e));
        }
    };
    Ok(Some(Module {
        name: name.to_owned(),
        path: place.inside.as_ref().map_or(path, |inside| inside.join(name)),
        origin: place.origin.clone(),
        manifest: manifest::parse(content),
    }))
}

/// The content of a file; a call of the system less than `std::fs::read` needs, and no memory of its own.
fn content<'r>(path: &Utf8Path, room: &'r mut Vec<u8>) -> std::io::Result<&'r [u8]> {
    let mut file = std::fs::File::open(path)?;
    let mut length = 0;
    loop {
        let read = file.read(&mut room[length..])?;
        length += read;
        // Of a file on disk a read that is short reached its end.
        if length < room.len() {
            return Ok(&room[..length]);
        }
        room.resize(room.len() * 2, 0);
    }
}

/// Whether a place is a directory, or a link to one; not a file, and nothing that a link leads nowhere from.
fn may_hold_modules(path: &Utf8Path) -> Result<bool> {
    match path.metadata() {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Failure::failed(format!("could not look at `{path}`")).because(e)),
    }
}

/// Names in a directory, sorted; none when it is not there. A name that is no text can be no module's.
fn names(path: &Utf8Path) -> Result<Vec<String>> {
    let unreadable = |e| Failure::failed(format!("could not read directory `{path}`")).because(e);
    let entries = match path.as_std_path().read_dir() {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(unreadable)?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odoos_own_code_counts_once_where_it_has_a_manifest() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        for module in ["a/sale", "b/sale", "b/web", "own/sale"] {
            files_below(&root.join(module));
        }
        crate::files::directory_all(&root.join("a/web")).unwrap();
        let place = |name: &str, origin| Place {
            path: root.join(name),
            origin,
            inside: None,
        };
        let own = Origin::Own {
            directory: "own".to_owned(),
        };
        let places = [
            place("a", Origin::Odoo),
            place("own", own),
            place("b", Origin::Odoo),
        ];
        let found = read(&places).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|module| module.path.strip_prefix(&root).unwrap().as_str())
            .collect();
        assert_eq!(found, ["a/sale", "b/web", "own/sale"]);
    }

    #[test]
    fn files_beside_the_repositories_are_none() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        files_below(&root.join("repo/oca/web/web_one"));
        for file in ["README.md", ".gitkeep", "repos.yaml"] {
            crate::files::replace(&root.join("repo/oca").join(file), b"x", 0o644, None).unwrap();
        }
        crate::files::link("nowhere".into(), &root.join("repo/oca/gone")).unwrap();
        crate::files::link("web".into(), &root.join("repo/oca/again")).unwrap();
        let text = "format = 1\n[pack]\nname = \"shop\"\n[odoo]\nseries = \"18.0\"\n[addons]\noca = \"oca\"\n[environments.production]\ndomain = \"erp.example.com\"\n";
        let context = odoopack_core::spec::LoadContext::new(root.join("repo"));
        let spec = odoopack_core::spec::load(text, &context).unwrap().spec;
        let layout = Layout::new(&root, &spec.pack.name, true);
        let all = places(&spec, &layout, None).unwrap();
        let names: Vec<_> = all.iter().filter_map(|place| place.path.file_name()).collect();
        assert_eq!(names, ["again", "web"]);
        let tree = tree(&spec, &layout, None).unwrap();
        let modules: Vec<&str> = tree.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(modules, ["web_one"]);
    }

    fn files_below(module: &Utf8Path) {
        crate::files::directory_all(module).unwrap();
        crate::files::replace(&module.join(manifest::FILE), b"{'name': 'x'}", 0o644, None).unwrap();
    }
}
