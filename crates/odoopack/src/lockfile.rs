//! `oca.lock.json` as a whole: made from file and network, compared with the old one, verified.
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use odoopack_core::facts::{LockedImage, Release};
use odoopack_core::oca_lock::{
    Break, Change, FORMAT, Lock, Locked, OdooPin, Python, Target, Unpinned, changes, module_breaks,
    odoo_break, outside_breaks, running, wish_breaks,
};
use odoopack_core::spec::Source;

use crate::context::{self, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::oca::resolve::{Move, Resolved, Wish};
use crate::oca::{self, Workshop};
use crate::release::image_python::{self, Adding};
use crate::release::{self, Builder, Machines};
use crate::ui::{Progress, Ui};

/// What shall move; everything else stays where the old lock has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Odoo itself, to what its source has now.
    pub(crate) odoo: bool,
    /// Python packages, to the newest versions that fit.
    pub(crate) python: bool,
    /// Repositories by name.
    pub(crate) moves: BTreeMap<String, Move>,
    /// Machines to choose Python packages for besides this one and those of the lock.
    pub(crate) more: Vec<Target>,
    /// Machines that the lock shall not serve any more.
    pub(crate) less: Vec<Target>,
}

/// A lock that was made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) lock: Lock,
    pub(crate) changes: Vec<Change>,
}

/// Makes the lock that the file wants; nothing is written into the pack.
///
/// # Errors
/// Refused when a wanted module is not there, of another series or not installable: every such module is named.
pub(crate) fn make(ui: &Ui, pack: &Pack, request: &Request, progress: &Progress) -> Result<Made> {
    let (old, odoo_pinned) = old(pack)?;
    let keep = old
        .as_ref()
        .filter(|old| {
            odoo_pinned && !request.odoo && odoo_break(&pack.loaded.spec.odoo.source, &old.odoo).is_none()
        })
        .filter(|old| old.series == pack.loaded.spec.odoo.series);
    let cache = context::cache();
    let python = interpreter(pack)?;
    let builder = Builder {
        ui,
        layout: &pack.layout,
        spec: &pack.loaded.spec,
        cache: &cache,
        repo: &pack.directory,
        python: &python,
        // Of the old lock only Odoo counts here: repositories may be about to change.
        lock: keep.map(|old| Lock {
            repositories: BTreeMap::new(),
            ..old.clone()
        }),
    };
    progress.detail("Odoo");
    let (odoo, release) = odoo_of(pack, &builder, keep, request, progress)?;
    let workshop = Workshop::new(&pack.loaded.spec, &pack.layout, &pack.directory, &cache)?;
    let resolved = repositories(pack, &workshop, old.as_ref(), request, progress)?;
    let mut lock = Lock {
        format: FORMAT,
        series: pack.loaded.spec.odoo.series,
        odoo,
        repositories: resolved
            .iter()
            .map(|one| (one.name.clone(), one.locked.clone()))
            .collect(),
        groups: pack.loaded.spec.addons.groups.clone(),
        debian: release::apt_list::read(&pack.directory)?,
        python: old.as_ref().and_then(|old| old.python.clone()),
    };
    judge(&lock, &resolved, &workshop.asked()?)?;
    progress.detail("Python packages");
    let with_old = Builder {
        lock: old.clone(),
        ..builder.clone()
    };
    lock.python = python_of(&with_old, release.as_ref(), &lock, request, progress)?;
    let changes = changes(old.as_ref().filter(|_| odoo_pinned), &lock);
    Ok(Made { lock, changes })
}

/// Odoo's part of the lock, and the code that it was decided with unless that lies in an image.
fn odoo_of(
    pack: &Pack,
    builder: &Builder<'_>,
    keep: Option<&Lock>,
    request: &Request,
    progress: &Progress,
) -> Result<(OdooPin, Option<Release>)> {
    let Some(name) = in_image(pack) else {
        let release = built_from(builder, request, progress)?;
        return Ok((builder.pin(&release)?, Some(release)));
    };
    let pin = match keep {
        Some(old) => old.odoo.clone(),
        None => release::image::pin(&pack.layout, name, request.odoo, progress)?,
    };
    Ok((pin, None))
}

/// The Python part of the lock; for an image only what it lacks.
fn python_of(
    builder: &Builder<'_>,
    release: Option<&Release>,
    lock: &Lock,
    request: &Request,
    progress: &Progress,
) -> Result<Option<Python>> {
    let fresh = request.python;
    if let Some(release) = release {
        let needs = lock.python_needs();
        let machines = Machines {
            fresh,
            more: &request.more,
            less: &request.less,
        };
        return builder
            .lock_python(release, &needs, &machines, progress)
            .map(Some);
    }
    if let Some(target) = request.more.first().or(request.less.first()) {
        return Err(Failure::new(
            Kind::Usage,
            format!("an image has its own Python, so no packages are chosen for {target}"),
        )
        .hint("leave `--target` and `--drop-target` out"));
    }
    let adding = Adding {
        spec: builder.spec,
        layout: builder.layout,
        repo: builder.repo,
        cache: builder.cache,
    };
    let old = builder.lock.as_ref().and_then(|old| old.python.as_ref());
    adding.lock(lock, old, fresh, progress)
}

/// Odoo's code as the request wants it.
fn built_from(builder: &Builder<'_>, request: &Request, progress: &Progress) -> Result<Release> {
    let release = if request.odoo {
        builder.decide(progress)?
    } else {
        builder.decision(progress)?
    };
    builder.fetch(&release, progress)
}

/// The image that Odoo's code lies in, with the engine `compose`.
fn in_image(pack: &Pack) -> Option<&str> {
    match &pack.loaded.spec.odoo.source {
        Source::Image { name } => Some(name),
        Source::Git { .. } | Source::Debian { .. } | Source::Deb { .. } | Source::Path { .. } => None,
    }
}

/// The host's Python; none is needed where an image has its own.
fn interpreter(pack: &Pack) -> Result<Utf8PathBuf> {
    let odoo = &pack.loaded.spec.odoo;
    if pack.layout.containers() {
        return Ok(Utf8PathBuf::new());
    }
    release::interpreter(odoo.series, odoo.python.as_deref(), pack.layout.own_users())
}

/// What the old lock has pinned, and whether Odoo is among it.
fn old(pack: &Pack) -> Result<(Option<Lock>, bool)> {
    Ok(match oca::file::salvage(&pack.directory)? {
        None => (None, true),
        Some((lock, unpinned)) => {
            let odoo = !unpinned.iter().any(|one| one.name == "odoo");
            (Some(lock), odoo)
        }
    })
}

fn repositories(
    pack: &Pack,
    workshop: &Workshop<'_>,
    old: Option<&Lock>,
    request: &Request,
    progress: &Progress,
) -> Result<Vec<Resolved>> {
    let wish = |(name, wanted)| -> Wish<'_> {
        let name: &String = name;
        Wish {
            name,
            wanted,
            old: old.and_then(|old| old.repositories.get(name)),
            to: request.moves.get(name).cloned().unwrap_or(Move::Stay),
        }
    };
    let wishes: Vec<Wish<'_>> = pack.loaded.spec.addons.repositories.iter().map(wish).collect();
    oca::resolve::resolve(workshop, &wishes, progress)
}

/// Every wanted module exists, fits the series and can be installed.
fn judge(lock: &Lock, resolved: &[Resolved], asked: &BTreeSet<String>) -> Result<()> {
    let seen = resolved
        .iter()
        .map(|one| (one.name.as_str(), &one.seen))
        .collect();
    let breaks: Vec<Break> = resolved
        .iter()
        .flat_map(|one| {
            let elsewhere = |module: &str| oca::verify::who_has(lock, &seen, &one.name, module);
            module_breaks(&one.name, &one.locked, &one.seen, &elsewhere)
        })
        .chain(outside(resolved, asked))
        .collect();
    if breaks.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::refused(format!(
        "the lock would promise what is not there; {}",
        counted(breaks.len())
    ))
    .because(
        breaks
            .iter()
            .map(|b| format!("{}: {}", b.about, b.what))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let hints: BTreeSet<String> = breaks.iter().map(Break::hint).collect();
    for hint in hints.into_iter().take(8) {
        failure = failure.hint(hint);
    }
    Err(failure)
}

/// What runs, dependencies that nobody named too, must lie in the commits.
fn outside(resolved: &[Resolved], asked: &BTreeSet<String>) -> Vec<Break> {
    let shares: Vec<_> = resolved.iter().map(Resolved::share).collect();
    let running = running(&shares, asked);
    let all = resolved.iter().zip(&running);
    all.flat_map(|(one, modules)| outside_breaks(&one.name, modules, &one.seen))
        .collect()
}

fn counted(count: usize) -> String {
    if count == 1 {
        "1 module is wrong".to_owned()
    } else {
        format!("{count} modules are wrong")
    }
}

/// Refuses a pack whose `apt.txt` the lock does not have: not where a lost machine is recovered, which must get as far as it did before.
///
/// # Errors
/// Kind `Refused` when list and lock differ.
pub(crate) fn debian_is_locked(pack: &Pack) -> Result<()> {
    // What is wrong with a lock is said where the release is looked at.
    match oca::file::read(&pack.directory) {
        Ok(lock) => release::apt_list::demand(&pack.directory, lock.as_ref()),
        Err(_) => Ok(()),
    }
}

/// Writes the lock; gives the path.
pub(crate) fn write(pack: &Pack, lock: &Lock) -> Result<Utf8PathBuf> {
    oca::file::write(&pack.directory, lock)?;
    Ok(oca::file::path(&pack.directory))
}

/// Runs `work` and puts back what it decided about the release: for looking ahead.
pub(crate) fn without_deciding<T>(pack: &Pack, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let record = pack.layout.state().join("release.json");
    let before = files::read_text(&record)?;
    let done = work();
    match before {
        Some(text) => files::replace(&record, text.as_bytes(), 0o644, None)?,
        None => files::remove(&record)?,
    }
    done
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verified {
    pub(crate) breaks: Vec<Break>,
    pub(crate) notes: Vec<String>,
    pub(crate) repositories: usize,
    pub(crate) modules: usize,
    pub(crate) packages: usize,
}

/// Looks at everything that the lock promises.
pub(crate) fn verify(ui: &Ui, pack: &Pack, offline: bool, progress: &Progress) -> Result<Verified> {
    let spec = &pack.loaded.spec;
    let broken = |breaks| Verified {
        breaks,
        ..Verified::default()
    };
    let Some((lock, unpinned)) = oca::file::salvage(&pack.directory)? else {
        let none = Break::new("no-lock", "lock", "there is no `oca.lock.json`", "odoopack lock");
        return Ok(broken(vec![none]));
    };
    if !unpinned.is_empty() {
        let named = |one: &Unpinned| Break::new("unpinned", &one.name, one.to_string(), one.command());
        return Ok(broken(unpinned.iter().map(named).collect()));
    }
    let cache = context::cache();
    let mut all = Verified {
        breaks: wish_breaks(spec, &lock),
        repositories: lock.repositories.len(),
        packages: lock
            .python
            .iter()
            .flat_map(|p| p.targets.values())
            .map(Vec::len)
            .max()
            .unwrap_or_default(),
        ..Verified::default()
    };
    let workshop = Workshop::new(spec, &pack.layout, &pack.directory, &cache)?;
    progress.detail("Odoo's own files");
    all.breaks
        .extend(release::apt_list::broken(&pack.directory, &lock)?);
    image(pack, &lock, &mut all)?;
    let is_built = built(pack, &mut all)?;
    odoo(&workshop, &lock, (offline, is_built), &mut all)?;
    let report = oca::verify::repositories(&workshop, &lock, offline, progress)?;
    all.breaks.extend(report.breaks);
    all.notes.extend(report.notes);
    all.modules = report.modules;
    progress.detail("Python packages");
    if pack.layout.containers() {
        return Ok(all);
    }
    let python = interpreter(pack)?;
    let builder = Builder {
        ui,
        layout: &pack.layout,
        spec,
        cache: &cache,
        repo: &pack.directory,
        python: &python,
        lock: Some(lock.clone()),
    };
    let (breaks, notes) = builder.package_breaks(&lock.odoo, (!offline).then_some(progress))?;
    all.breaks.extend(breaks);
    all.notes.extend(notes);
    let breaks = builder.python_breaks(&lock, offline, &mut all.notes, progress)?;
    all.breaks.extend(breaks);
    Ok(all)
}

/// Whether Odoo's commit can be had; without network it must be on this machine, as a release or in the mirror.
fn odoo(
    workshop: &Workshop<'_>,
    lock: &Lock,
    (offline, is_built): (bool, bool),
    all: &mut Verified,
) -> Result<()> {
    match &lock.odoo {
        OdooPin::Path { directory } => {
            all.notes
                .push(format!("odoo: nobody pins what `{directory}` holds"));
        }
        OdooPin::Git { url, commit } if !offline => {
            let mirror = workshop.mirror(url);
            let head = mirror.head(lock.series.as_str());
            let moved = head.as_ref().is_ok_and(|head| head != commit);
            if moved {
                all.notes.push(format!(
                    "odoo: `{}` has moved on; `odoopack lock --update` follows",
                    lock.series
                ));
            }
            if let Err(failure) = mirror.bring(commit) {
                let what = failure.chain().join(": ");
                all.breaks
                    .push(Break::new("gone", "odoo", what, "odoopack lock --update"));
            }
        }
        OdooPin::Git { url, commit } => {
            if !is_built && !workshop.mirror(url).has(commit)? {
                let short = &commit[..12.min(commit.len())];
                let what = format!("commit {short} is nowhere on this machine");
                all.breaks
                    .push(Break::new("absent", "odoo", what, "odoopack lock verify"));
            }
        }
        OdooPin::Debian { .. } | OdooPin::Deb { .. } | OdooPin::Image { .. } => {}
    }
    Ok(())
}

/// Whether an image that was pinned is still on this machine, and has every Python package of the lock in it.
fn inside(image: &str, lock: &Lock, all: &mut Verified) -> Result<()> {
    if !release::image::is_here(image)? {
        let what = format!("image {image} is not on this machine");
        all.breaks.push(Break::new("absent", "odoo", what, "odoopack up"));
        return Ok(());
    }
    for one in image_python::lacking(image, lock)? {
        let what = format!("{one} is not in the image");
        let help = format!("`docker image rm {image}`, then `odoopack up`");
        all.breaks.push(Break::new("wheel", "python", what, help));
    }
    Ok(())
}

/// Whether the stack runs the image of the lock, with the Python packages of the lock; what cannot be known is a note.
fn image(pack: &Pack, lock: &Lock, all: &mut Verified) -> Result<()> {
    let Some((name, pin)) = lock.odoo.image() else {
        return Ok(());
    };
    let packages = match image_python::wanted(&pack.loaded.spec, &pack.directory, lock) {
        Ok(packages) => packages,
        Err(failure) => {
            let what = failure.chain().join(": ");
            all.breaks
                .push(Break::new("inputs", "python", what, "odoopack lock"));
            return Ok(());
        }
    };
    match release::image::runs(&pack.layout, name)? {
        None => all.notes.push(
            "odoo: no image is pinned here yet, so neither it nor its Python packages were compared; `odoopack up`"
                .to_owned(),
        ),
        Some(image) if !image.is(&LockedImage { pin, packages }) => {
            let what = format!("the stack runs {}, the lock names another image", image.pinned);
            all.breaks
                .push(Break::new("other-image", "odoo", what, "odoopack up"));
        }
        Some(image) => inside(&image.id, lock, all)?,
    }
    Ok(())
}

/// Whether the code of Odoo that services run is still as it was built; what cannot be known is a note. Gives whether
/// the release of the lock is there.
fn built(pack: &Pack, all: &mut Verified) -> Result<bool> {
    if pack.layout.containers() {
        return Ok(false);
    }
    let seen = release::observe(&pack.layout, &pack.loaded.spec, &pack.directory)?;
    let Some(release) = seen.present().filter(|release| release.fetched) else {
        return Ok(false);
    };
    let directory = pack.layout.releases().join(&release.id);
    let help = format!("`rm -r {directory}`, then `odoopack up`");
    let Some(changed) = release::changed_files(&pack.layout, release)? else {
        all.notes.push(format!(
            "odoo: nobody wrote down what {directory} held when it was built, so its files were not compared; {help}"
        ));
        return Ok(true);
    };
    if !changed.is_empty() {
        let what = format!(
            "files of the release were changed: {}",
            oca::verify::some(&changed)
        );
        all.breaks.push(Break::new("release-changed", "odoo", what, help));
    }
    Ok(true)
}

/// The repositories of the lock, those of `names` or all.
pub(crate) fn chosen<'a>(lock: &'a Lock, names: &[String]) -> Result<Vec<(&'a String, &'a Locked)>> {
    let unknown = names.iter().find(|name| !lock.repositories.contains_key(*name));
    if let Some(name) = unknown {
        let known: Vec<&str> = lock.repositories.keys().map(String::as_str).collect();
        return Err(
            Failure::refused(format!("there is no repository `{name}` in the lock")).hint(format!(
                "known: {}; a new one: `odoopack oca add {name}`",
                known.join(", ")
            )),
        );
    }
    let wanted = |name: &String| names.is_empty() || names.contains(name);
    Ok(lock
        .repositories
        .iter()
        .filter(|(name, _)| wanted(name))
        .collect())
}
