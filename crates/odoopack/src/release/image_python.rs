//! What an image lacks: Python packages, found for its Python and locked, and Debian packages; added to an image built on it.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{Built, ImagePin};
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::{Lock, Python, distributions, requirement_lines, unhashed};
use odoopack_core::python_pins;
use odoopack_core::render::dockerfile;
use odoopack_core::spec::Spec;

use super::requirements::Requirements;
use super::{asset_times, image, index, python_lock};
use crate::exec::find_program;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::containers;
use crate::tools::docker::{self, Image};
use crate::tools::python::{self, Interpreter};
use crate::tools::uv::{Compile, Uv};
use crate::ui::Progress;

/// What the work needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adding<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) layout: &'a Layout,
    /// Directory of the file.
    pub(crate) repo: &'a Utf8Path,
    pub(crate) cache: &'a Utf8Path,
}

/// The Python of an image, and the distributions that it has.
struct Inside {
    interpreter: Interpreter,
    has: BTreeSet<String>,
}

/// What of the lock an image must hold besides its own, as one hash; `None` when nothing.
///
/// # Errors
/// Kind `Refused` when what is wanted has changed since the lock was made.
pub(crate) fn wanted(spec: &Spec, repo: &Utf8Path, lock: &Lock) -> Result<Option<String>> {
    let Some((_, pin)) = lock.odoo.image() else {
        return Ok(None);
    };
    let needs = lock.python_needs();
    let locked = lock.python.as_ref();
    let fits = |asked: &Option<Requirements>| {
        let inputs = asked.as_ref().map(|asked| inputs(asked, &pin));
        inputs.as_deref() == locked.map(|python| python.inputs.as_str())
    };
    // What keys of the file need is asked of the image itself: a lock without it is whole where the image has it.
    if !Requirements::with_any_keys(spec, repo, &needs)?.iter().any(fits) {
        return Err(Failure::refused(
            "what Python packages are wanted has changed since `oca.lock.json` was made",
        )
        .hint("`odoopack lock`"));
    }
    let any = locked.filter(|python| python.targets.values().any(|list| !list.is_empty()));
    let debian = lock.debian_needs();
    if debian.is_empty() {
        return Ok(any.map(|python| odoopack_core::hash::of(&python.targets)));
    }
    Ok(Some(odoopack_core::hash::of(&(
        any.map(|python| &python.targets),
        debian,
    ))))
}

/// Packages of a lock that an image does not have, as `name version`.
///
/// # Errors
/// When the image's Python cannot be asked.
pub(crate) fn lacking(image: &str, lock: &Lock) -> Result<Vec<String>> {
    if lock.python.is_none() {
        return Ok(Vec::new());
    }
    let text = docker::once(image, "python3", &python::version_words()).read()?;
    let line = |line: &str| {
        let (name, version) = line.split_once("==")?;
        Some((python_pins::name_of(name)?, version.trim().to_owned()))
    };
    let has: BTreeSet<(String, String)> = text.lines().filter_map(line).collect();
    let wanted = lock
        .python
        .iter()
        .flat_map(|python| python.targets.values().flatten());
    let lacks = wanted.filter(|one| !has.contains(&(one.name.clone(), one.version.clone())));
    Ok(lacks.map(|one| format!("{} {}", one.name, one.version)).collect())
}

/// Everything that a resolution starts from.
fn inputs(asked: &Requirements, pin: &ImagePin) -> String {
    super::sha256(format!("{} {}", asked.hash(), pin.id).as_bytes())
}

impl Adding<'_> {
    /// Finds the packages that the file and the modules of a lock want and an image lacks; `None` when nothing is wanted.
    pub(crate) fn lock(
        &self,
        lock: &Lock,
        old: Option<&Python>,
        fresh: bool,
        progress: &Progress,
    ) -> Result<Option<Python>> {
        let asked = Requirements::beside_an_image(self.spec, self.repo, &lock.python_needs())?;
        let (Some(asked), Some((name, pin))) = (asked, lock.odoo.image()) else {
            return Ok(None);
        };
        let inputs = inputs(&asked, &pin);
        if let Some(old) = old.filter(|old| old.inputs == inputs && !fresh) {
            return Ok(Some(old.clone()));
        }
        let base = image::bring(&pin, progress)?.image;
        progress.detail(&format!("asking {name} which Python packages it has"));
        let inside = ask(&base.id)?;
        let met = met(&base.id, &asked)?;
        let text = if !asked.has_files() && asked.lines().all(|line| met.contains(line)) {
            String::new()
        } else {
            progress.detail("finding Python packages that fit together");
            self.resolve(&asked, &inside, &met, progress)?
        };
        if let Some(line) = unhashed(&text).first() {
            return Err(Failure::refused(format!("`{line}` cannot be locked by hash"))
                .hint("take a version that the package index has; modules from git: `odoopack oca add`"));
        }
        let target = python_lock::target(&inside.interpreter);
        Ok(Some(Python {
            inputs,
            targets: BTreeMap::from([(target.to_string(), distributions(&text))]),
        }))
    }

    /// What the image has stays as it is, unless a requirement says that it must not.
    fn resolve(
        &self,
        asked: &Requirements,
        inside: &Inside,
        met: &BTreeSet<String>,
        progress: &Progress,
    ) -> Result<String> {
        let work = self.scratch("python-lock")?;
        let write = |name: &str, text: &str| -> Result<Utf8PathBuf> {
            let path = work.join(name);
            files::replace(&path, text.as_bytes(), 0o644, None).map(|()| path)
        };
        let pins = asked.pins(inside.interpreter.version);
        let decided: BTreeSet<String> = asked
            .lines()
            .filter(|line| !met.contains(*line))
            .filter_map(python_pins::name_of)
            .collect();
        let stays = inside.has.iter().filter(|name| !decided.contains(*name));
        let stays: String = stays
            .map(|name| format!("{name} ; python_version < '0'\n"))
            .collect();
        let known = |line: &&str| python_pins::name_of(line).is_none_or(|name| !inside.has.contains(&name));
        let ours: String = pins
            .overrides
            .lines()
            .filter(known)
            .flat_map(|line| [line, "\n"])
            .collect();
        let lock = work.join("lock.txt");
        let call = Compile {
            wanted: &write("wanted.txt", &asked.alone())?,
            constraints: &write("constraints.txt", &pins.constraints)?,
            overrides: &write("overrides.txt", &format!("{ours}{stays}"))?,
            lock: &lock,
        };
        let uv = index::online(&self.uv(progress)?, self.cache)?;
        uv.compile_for(&super::lock::elsewhere(&python_lock::target(&inside.interpreter)), &call)
            .run()
            .map_err(|failure| {
                failure
                    .during("could not find Python packages that fit together, as wheels")
                    .hint("check the network; a package without a wheel must be given another version in a requirement file of the pack")
            })?;
        let text = files::read_text(&lock)?.ok_or_else(|| Failure::failed("uv wrote no lock"))?;
        files::remove_tree(&work)?;
        Ok(text)
    }

    /// What an image for a lock is built from, and the name of the one below.
    fn plan<'l>(&self, lock: &'l Lock) -> Result<(&'l str, Built)> {
        let packages = wanted(self.spec, self.repo, lock)?;
        let (Some((name, on)), Some(packages)) = (lock.odoo.image(), packages) else {
            return Err(Failure::refused("the lock adds no packages to an image")
                .hint("`odoopack up` runs the image as it is"));
        };
        Ok((name, Built { on, packages }))
    }

    /// The `Dockerfile` that an image for a lock is built from.
    pub(crate) fn text(&self, lock: &Lock) -> Result<String> {
        let (_, built) = self.plan(lock)?;
        let base = containers::image(&built.on.id)?;
        let user = base.and_then(|base| base.user);
        let on = built.on.digest.as_ref().unwrap_or(&built.on.id);
        Ok(dockerfile::dockerfile(
            on,
            user.as_deref(),
            &built,
            &lock.debian_needs(),
        ))
    }

    /// The image with the packages of the lock, found by its label or built.
    pub(crate) fn build(&self, lock: &Lock, progress: &Progress) -> Result<(Image, Built)> {
        let (name, built) = self.plan(lock)?;
        let label = dockerfile::label(&built);
        if let Some(id) = docker::labelled(&label).read()?.lines().next() {
            let found = containers::image(id)?;
            return found
                .map(|image| (image, built))
                .ok_or_else(|| Failure::failed(format!("the image {id} is gone")));
        }
        let base = image::bring(&built.on, progress)?.image;
        let place = self.scratch("odoo-image")?;
        self.fetch(&base, lock, &place, progress)?;
        progress.detail(&format!("building an image on {name}"));
        let tag = |part: &str| format!("{}/{part}:{}", self.layout.project(), &label[label.len() - 12..]);
        docker::tag(&base.id, &tag("odoo-base")).run()?;
        let text = dockerfile::dockerfile(
            &tag("odoo-base"),
            base.user.as_deref(),
            &built,
            &lock.debian_needs(),
        );
        files::replace(&place.join("Dockerfile"), text.as_bytes(), 0o644, None)?;
        let make = docker::build(&place, &tag("odoo"));
        let outcome = make.outcome()?;
        if !outcome.status.success() {
            let failure = make.ended_badly(&outcome);
            return Err(self.without_debian((lock, name), &outcome, failure));
        }
        let image = containers::image(&tag("odoo"))?;
        let image = image.ok_or_else(|| Failure::failed(format!("there is no image `{}`", tag("odoo"))))?;
        Self::prove(&image, lock)?;
        files::remove_tree(&place)?;
        Ok((image, built))
    }

    /// The Python packages of a lock, in `python` below `place`; it is there also when there are none.
    fn fetch(&self, base: &Image, lock: &Lock, place: &Utf8Path, progress: &Progress) -> Result<()> {
        let to = place.join("python");
        files::directory_all(&to)?;
        let Some(python) = &lock.python else { return Ok(()) };
        let target = python_lock::target(&ask(&base.id)?.interpreter);
        let list = python.targets.get(&target.to_string()).ok_or_else(|| {
            Failure::refused(format!("`oca.lock.json` has no Python packages for {target}"))
                .hint("`odoopack lock --update`")
        })?;
        if list.is_empty() {
            return Ok(());
        }
        let file = place.join("requirements.lock");
        files::replace(&file, requirement_lines(list).as_bytes(), 0o644, None)?;
        progress.detail("fetching Python packages");
        index::online(&self.uv(progress)?, self.cache)?
            .install_for(&super::lock::elsewhere(&target), &to, &file)
            .run()
            .map_err(|failure| failure.hint("check the network, then run again"))?;
        asset_times::follow_content(&to)
    }

    /// Nothing runs from an image that still lacks what it was built for.
    fn prove(image: &Image, lock: &Lock) -> Result<()> {
        let needs = lock.python_needs();
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let unmet = if needs.is_empty() {
            BTreeMap::new()
        } else {
            image::unmet(&image.id, &needs)?
        };
        if unmet.is_empty() {
            return Ok(());
        }
        let said: Vec<String> = unmet
            .iter()
            .map(|(need, why)| format!("`{need}`: {why}"))
            .collect();
        Err(
            Failure::failed("the image that was built lacks Python packages that modules of the lock need")
                .because(said.join("\n"))
                .hint("name a version that fits in a file of [addons] requirements, then `odoopack lock`"),
        )
    }

    /// uv runs here, for the Python of the image.
    fn uv(&self, progress: &Progress) -> Result<Uv> {
        let python = find_program("python3").ok_or_else(|| {
            Failure::refused("Python packages are fetched with this machine's own Python, and there is none")
                .hint("`apt-get install python3 python3-venv`")
        })?;
        index::uv(self.cache, &python, progress)
    }

    fn scratch(&self, name: &str) -> Result<Utf8PathBuf> {
        let place = self.layout.state().join(name);
        files::remove_tree(&place)?;
        files::directory_all(&place)?;
        Ok(place)
    }
}

/// Requirements that an image meets already.
fn met(image: &str, asked: &Requirements) -> Result<BTreeSet<String>> {
    let lines: Vec<&str> = asked.lines().collect();
    let missing = image::missing(image, &lines)?;
    let met = lines.into_iter().filter(|line| !missing.contains_key(*line));
    Ok(met.map(str::to_owned).collect())
}

fn ask(image: &str) -> Result<Inside> {
    let strange = |text: &str| {
        Failure::failed("the image does not say which Python it has").because(text.trim().to_owned())
    };
    let words = python::probe_words();
    let text = docker::once(image, "python3", &words).read()?;
    let interpreter = python::parse_probe(&text).ok_or_else(|| strange(&text))?;
    let text = docker::once(image, "python3", &python::distribution_words()).read()?;
    let has = text.lines().filter_map(python_pins::name_of).collect();
    Ok(Inside { interpreter, has })
}

#[cfg(test)]
mod tests {
    use odoopack_core::oca_lock::FORMAT;
    use odoopack_core::spec::{self, LoadContext};

    use super::*;

    const FILE: &str = "format = 1\n[pack]\nengine = \"compose\"\n[addons]\nrequirements = [\"requirements.txt\"]\n\
                        [environments.production]\ndomain = \"localhost\"\n";

    #[test]
    fn a_wish_that_changed_is_refused_until_it_is_locked_again() {
        let keep = tempfile::tempdir().unwrap();
        let repo = Utf8Path::from_path(keep.path()).unwrap();
        let file = repo.join("requirements.txt");
        let wish = |text: &str| files::replace(&file, text.as_bytes(), 0o644, None).unwrap();
        let spec = spec::load(FILE, &LoadContext::new(repo)).unwrap().spec;
        let mut lock = Lock {
            format: FORMAT,
            series: spec.odoo.series,
            odoo: odoopack_core::oca_lock::OdooPin::Image {
                name: "odoo:18.0".to_owned(),
                id: format!("sha256:{}", "ab".repeat(32)),
                digest: None,
            },
            repositories: BTreeMap::new(),
            groups: BTreeMap::new(),
            debian: Vec::new(),
            python: None,
        };
        wish("# ours\nxlrd>=2  # old sheets\n-c other.txt\n");
        files::replace(&repo.join("other.txt"), b"", 0o644, None).unwrap();
        wanted(&spec, repo, &lock).unwrap_err();
        let asked = Requirements::beside_an_image(&spec, repo, &[]).unwrap().unwrap();
        assert_eq!(asked.lines().collect::<Vec<_>>(), ["xlrd>=2"]);
        let (_, pin) = lock.odoo.image().unwrap();
        let hashed = format!("xlrd==2.0.1 --hash=sha256:{}\n", "cd".repeat(32));
        let mut locked = |text: &str| {
            lock.python = Some(Python {
                inputs: inputs(&asked, &pin),
                targets: BTreeMap::from([("3.12 x86_64 glibc".to_owned(), distributions(text))]),
            });
            wanted(&spec, repo, &lock)
        };
        assert_eq!(locked("").unwrap(), None);
        assert!(locked(&hashed).unwrap().is_some());
        wish("xlrd>=3\n");
        locked(&hashed).unwrap_err();
    }

    #[test]
    fn what_a_key_needs_is_locked_and_a_lock_without_it_still_holds() {
        let keep = tempfile::tempdir().unwrap();
        let repo = Utf8Path::from_path(keep.path()).unwrap();
        let read = |text: &str| spec::load(text, &LoadContext::new(repo)).unwrap().spec;
        let wish = |text: &str| {
            files::replace(&repo.join("requirements.txt"), text.as_bytes(), 0o644, None).unwrap();
        };
        let plain = FILE.replace("[addons]\nrequirements = [\"requirements.txt\"]\n", "");
        let lines = |text: &str| {
            let asked = Requirements::beside_an_image(&read(text), repo, &[]).unwrap();
            asked.map(|asked| asked.lines().map(str::to_owned).collect::<Vec<_>>())
        };
        let redis = format!("{plain}sessions = \"redis\"\n");
        let development = format!(
            "{redis}[environments.dev]\ndomain = \"dev.example.com\"\nkind = \"development\"\nreload = true\n"
        );
        assert_eq!(lines(&plain), None);
        assert_eq!(lines(&redis), Some(vec!["redis".to_owned()]));
        assert_eq!(
            lines(&development),
            Some(vec!["watchdog<7".to_owned(), "redis".to_owned()])
        );
        wish("redis==5.0.1\n");
        let listed = format!("{FILE}sessions = \"redis\"\n");
        assert_eq!(lines(&listed), Some(vec!["redis==5.0.1".to_owned()]));
        // Locked before keys were asked for too, for an image that has what they need.
        let mut lock = Lock {
            format: FORMAT,
            series: read(&redis).odoo.series,
            odoo: odoopack_core::oca_lock::OdooPin::Image {
                name: "odoo:18.0".to_owned(),
                id: format!("sha256:{}", "ab".repeat(32)),
                digest: None,
            },
            repositories: BTreeMap::new(),
            groups: BTreeMap::new(),
            debian: Vec::new(),
            python: None,
        };
        assert_eq!(wanted(&read(&redis), repo, &lock).unwrap(), None);
        let (_, pin) = lock.odoo.image().unwrap();
        let asked = Requirements::beside_an_image(&read(&redis), repo, &[]).unwrap();
        let hashed = format!("redis==5.0.1 --hash=sha256:{}\n", "cd".repeat(32));
        lock.python = Some(Python {
            inputs: inputs(&asked.unwrap(), &pin),
            targets: BTreeMap::from([("3.12 x86_64 glibc".to_owned(), distributions(&hashed))]),
        });
        assert!(wanted(&read(&redis), repo, &lock).unwrap().is_some());
        // A key more changes nothing of what is locked.
        assert!(wanted(&read(&development), repo, &lock).unwrap().is_some());
        // The key is gone, and with it what it needed.
        wanted(&read(&plain), repo, &lock).unwrap_err();
    }

    #[test]
    fn a_need_with_a_version_is_read_with_a_package_that_a_lock_from_before_may_lack() {
        let keep = tempfile::tempdir().unwrap();
        let repo = Utf8Path::from_path(keep.path()).unwrap();
        let plain = FILE.replace("[addons]\nrequirements = [\"requirements.txt\"]\n", "");
        let spec = spec::load(&plain, &LoadContext::new(repo)).unwrap().spec;
        let needs = ["lxml".to_owned(), "xlrd>=2".to_owned()];
        let lines = |asked: &Requirements| asked.lines().map(str::to_owned).collect::<Vec<_>>();
        let asked = |needs: &[String]| {
            let asked = Requirements::beside_an_image(&spec, repo, needs).unwrap();
            asked.as_ref().map(lines)
        };
        assert_eq!(asked(&needs[..1]), Some(vec!["lxml".to_owned()]));
        let whole = ["lxml", "xlrd>=2", "packaging"].map(str::to_owned);
        assert_eq!(asked(&needs), Some(whole.to_vec()));
        let any = Requirements::with_any_keys(&spec, repo, &needs).unwrap();
        let any: Vec<Vec<String>> = any.iter().flatten().map(lines).collect();
        assert_eq!(any, [needs.to_vec(), whole.to_vec()]);
    }
}
