//! Containers, images and the network of a stack.
mod daemon;
mod network;
mod ours;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::checks::host::{OnLoopback, Published};
use odoopack_core::facts::{Containers, Host, Image, LockedImage, Release, Seen, ServiceFact};
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::Lock;
use odoopack_core::odoo::Series;
use odoopack_core::spec::{Source, Spec};

use crate::context::Pack;
use crate::exec::find_program;
use crate::failure::{Failure, Result};
use crate::release;
use crate::store::marks;
use crate::tools::docker::{self, Container, Project};

/// The project of a pack.
pub(crate) fn project(layout: &Layout) -> Project {
    Project {
        name: layout.project(),
        file: layout.stack(),
    }
}

/// The containers of a pack, tools left out.
pub(crate) fn all(layout: &Layout) -> Result<Vec<Container>> {
    Ok(ours::sort(layout, of_project(layout)?)?.ours)
}

/// Services that somebody added to the pack's project; they are left alone.
pub(crate) fn beside(layout: &Layout) -> Result<BTreeSet<String>> {
    Ok(ours::sort(layout, of_project(layout)?)?.beside)
}

fn of_project(layout: &Layout) -> Result<Vec<Container>> {
    if find_program("docker").is_none() {
        return Ok(Vec::new());
    }
    let ids = docker::ids(&layout.project()).read()?;
    let ids: Vec<&str> = ids.lines().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let all = told(&ids)?;
    Ok(all.into_iter().filter(|one| !one.one_off).collect())
}

/// Containers that are not of the pack and may write to a place that it takes over, with the place.
pub(crate) fn used_elsewhere(layout: &Layout) -> Result<Vec<(String, Utf8PathBuf)>> {
    let places: Vec<&Utf8Path> = layout.adopted().map(|(_, path)| path).collect();
    if places.is_empty() || find_program("docker").is_none() {
        return Ok(Vec::new());
    }
    let others = everything()?
        .into_iter()
        .filter(|one| one.project != layout.project());
    // Docker names a place as it was told, which may lead through a link.
    let real = |path: &Utf8Path| path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    let places: Vec<(Utf8PathBuf, &Utf8Path)> =
        places.into_iter().map(|place| (real(place), place)).collect();
    let mut all = Vec::new();
    for one in others {
        let writes: Vec<Utf8PathBuf> = one.writes.iter().map(|source| real(source)).collect();
        let met = |(place, _): &&(Utf8PathBuf, &Utf8Path)| {
            let mut writes = writes.iter();
            writes.any(|source| place.starts_with(source) || source.starts_with(place))
        };
        let met = places.iter().find(met);
        all.extend(met.map(|(_, place)| (one.name.clone(), (*place).to_owned())));
    }
    Ok(all)
}

/// Ports of running containers that other machines can reach, without those of the pack's nginx, and those on loopback.
pub(crate) fn open(layout: &Layout) -> (Seen<Vec<Published>>, Seen<OnLoopback>) {
    if find_program("docker").is_none() {
        return (Seen::Absent, Seen::Absent);
    }
    let all = match everything() {
        Ok(all) => all,
        Err(failure) => {
            let why = failure.chain().join(": ");
            return (Seen::Unknown(why.clone()), Seen::Unknown(why));
        }
    };
    let nginx = |one: &Container| one.project == layout.project() && one.service == "nginx";
    let running: Vec<Container> = all.into_iter().filter(|one| one.running).collect();
    let strangers = running.iter().filter(|one| !nginx(one)).flat_map(ports);
    let loopback = |address: &str| address.starts_with("127.") || address == "::1";
    let published = strangers.filter(|one| !loopback(&one.address)).collect();
    // Rules of the firewall lead there by IPv4 alone.
    let inner = running.iter().flat_map(ports);
    let inner = inner.filter(|one| one.address.starts_with("127.")).collect();
    (Seen::Present(published), on_loopback(inner))
}

fn ports(container: &Container) -> impl Iterator<Item = Published> {
    container.open.iter().map(|(address, port)| Published {
        container: container.name.clone(),
        address: address.clone(),
        port: *port,
    })
}

fn on_loopback(ports: Vec<Published>) -> Seen<OnLoopback> {
    if ports.is_empty() {
        return Seen::Absent;
    }
    match docker::server_version().read() {
        Ok(text) => Seen::Present(OnLoopback {
            docker: text.trim().to_owned(),
            ports,
        }),
        Err(failure) => Seen::Unknown(failure.chain().join(": ")),
    }
}

/// Every container of this machine.
pub(crate) fn everything() -> Result<Vec<Container>> {
    let ids = docker::all_ids().read()?;
    let ids: Vec<&str> = ids.lines().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    told(&ids)
}

/// What Docker says of containers.
fn told(ids: &[&str]) -> Result<Vec<Container>> {
    let cmd = docker::inspect(ids);
    let outcome = cmd.outcome()?;
    if !outcome.status.success() && !went_away(&outcome.stderr) {
        return Err(cmd.ended_badly(&outcome));
    }
    let strange = |e| Failure::failed("Docker's answer about containers was not understood").because(e);
    docker::parse_containers(&outcome.stdout).map_err(strange)
}

/// Whether Docker told of all but those that went away in between: it ends badly then, with a line for each.
fn went_away(stderr: &str) -> bool {
    let mut lines = stderr.lines().filter(|line| !line.trim().is_empty()).peekable();
    lines.peek().is_some() && lines.all(|line| line.to_lowercase().contains("no such"))
}

/// Process 1 stands for the daemon; it looks after the pack when the pack has a container.
pub(crate) fn supervisor(layout: &Layout) -> Result<Seen<u32>> {
    let any = !all(layout)?.is_empty();
    Ok(if any { Seen::Present(1) } else { Seen::Absent })
}

/// One service's container.
pub(crate) fn one(layout: &Layout, service: &str) -> Result<Option<Container>> {
    Ok(all(layout)?.into_iter().find(|one| one.service == service))
}

/// Every service that has a container.
pub(crate) fn services(layout: &Layout) -> Result<BTreeMap<String, Seen<ServiceFact>>> {
    let all = all(layout)?;
    all.iter()
        .map(|one| Ok((one.service.clone(), Seen::Present(fact(layout, one)?))))
        .collect()
}

/// A container as a service.
pub(crate) fn fact(layout: &Layout, container: &Container) -> Result<ServiceFact> {
    let stamp = marks::stamp(&layout.state(), &container.service)?;
    let now = jiff::Timestamp::now().as_second();
    let age = container.started.and_then(|then| u64::try_from(now - then).ok());
    Ok(ServiceFact {
        running: container.running,
        pid: container.pid,
        since: age,
        restarts: container.restarts,
        started_with: stamp.as_ref().map(|stamp| stamp.inputs.clone()),
        started_as: stamp.map(|stamp| stamp.definition),
    })
}

/// Ports of the host that lead into running containers of the pack.
pub(crate) fn published(layout: &Layout) -> Result<BTreeSet<u16>> {
    let all = all(layout)?;
    Ok(all
        .iter()
        .filter(|one| one.running)
        .flat_map(|one| one.published.clone())
        .collect())
}

/// What containers need.
pub(crate) fn look(pack: &Pack) -> Result<Containers> {
    let layout = &pack.layout;
    let state = layout.state();
    // What is wrong with a lock is said where the release is looked at.
    let locked = locked(&pack.loaded.spec, &pack.directory);
    let locked = locked.ok().and_then(|(_, image)| image);
    let (images, gone) = split(marks::images(&state)?, is_here)?;
    let docker = daemon::look();
    Ok(Containers {
        podman: docker.present().is_none() && daemon::is_podman(),
        docker,
        absent: absent(&images)?,
        images,
        gone,
        beside: beside(layout)?,
        locked,
        adopted: marks::adopted_image(&state)?,
        adopted_library: marks::adopted_library(&state)?,
        network: network::of(layout)?,
    })
}

/// Images by part.
type Images = BTreeMap<String, Image>;

/// Tells those that can still be run from those that are gone: nobody gives again what was made or loaded here.
fn split(images: Images, is_here: impl Fn(&Image) -> Result<bool>) -> Result<(Images, Images)> {
    let (mut here, mut gone) = (Images::new(), Images::new());
    for (part, image) in images {
        let all = if is_here(&image)? { &mut here } else { &mut gone };
        all.insert(part, image);
    }
    Ok((here, gone))
}

/// Whether Docker has an image, or its registry can give it again.
fn is_here(pinned: &Image) -> Result<bool> {
    if pinned.digest().is_some() || find_program("docker").is_none() {
        return Ok(true);
    }
    Ok(image(&pinned.pinned)?.is_some())
}

/// Parts whose image is not here though its registry gave it once.
fn absent(images: &Images) -> Result<BTreeSet<String>> {
    let pulled: Vec<(&String, &str)> = images
        .iter()
        .filter_map(|(part, image)| Some((part, image.digest()?)))
        .collect();
    if pulled.is_empty() || find_program("docker").is_none() {
        return Ok(BTreeSet::new());
    }
    let names: Vec<&str> = pulled.iter().map(|(_, name)| *name).collect();
    if docker::are_here(&names).outcome()?.status.success() {
        return Ok(BTreeSet::new());
    }
    let mut all = BTreeSet::new();
    for (part, name) in pulled {
        if image(name)?.is_none() {
            all.insert(part.clone());
        }
    }
    Ok(all)
}

/// The lock of a pack, and what it wants Odoo's containers to be made from.
fn locked(spec: &Spec, repo: &Utf8Path) -> Result<(Option<Lock>, Option<LockedImage>)> {
    let Some(lock) = release::lock_of(spec, repo)? else {
        return Ok((None, None));
    };
    let packages = release::image_python::wanted(spec, repo, &lock)?;
    let image = lock.odoo.image().map(|(_, pin)| LockedImage { pin, packages });
    Ok((Some(lock), image))
}

/// An image of this machine.
///
/// # Errors
/// When Docker cannot say whether it is there.
pub(crate) fn image(name: &str) -> Result<Option<docker::Image>> {
    let cmd = docker::image(name);
    let outcome = cmd.outcome()?;
    if !outcome.status.success() {
        return if docker::says_no_image(&outcome.stderr) {
            Ok(None)
        } else {
            Err(cmd.ended_badly(&outcome))
        };
    }
    docker::parse_image(&outcome.stdout)
        .map_err(|e| Failure::failed("Docker's answer about an image was not understood").because(e))
}

/// What a part is pinned to, when it is what the file names.
pub(crate) fn pinned(layout: &Layout, part: &str, name: &str) -> Result<Option<Image>> {
    let mut images = marks::images(&layout.state())?;
    Ok(images.remove(part).filter(|image| image.wanted == name))
}

/// What lies in the images, put where the programs of the host would be.
pub(crate) fn fill(host: &mut Host, containers: &Containers) {
    let (major, nginx) = (containers.images.get("postgres"), containers.images.get("nginx"));
    host.postgres = major
        .and_then(|image| Some((image.version.0, image.places.first()?.clone())))
        .into_iter()
        .collect();
    host.nginx = nginx.map(|image| image.version);
    host.pythons.clear();
}

/// Name of the release that an image is.
pub(crate) fn release_id(series: Series, image: &str) -> String {
    let short: String = image.trim_start_matches("sha256:").chars().take(12).collect();
    format!("{series}-{short}")
}

/// The release that the pinned image of Odoo and the trees of the lock's repositories are.
pub(crate) fn release(spec: &Spec, layout: &Layout, repo: &Utf8Path) -> Result<Seen<Release>> {
    let Source::Image { name } = &spec.odoo.source else {
        return Ok(Seen::Absent);
    };
    let (lock, locked) = match locked(spec, repo) {
        Ok(both) => both,
        Err(failure) => return Ok(Seen::Unknown(failure.sentence())),
    };
    let image = pinned(layout, "odoo", name)?.filter(|image| image.suits(locked.as_ref()));
    let Some(image) = image else {
        return Ok(Seen::Absent);
    };
    if !is_here(&image)? {
        return Ok(Seen::Absent);
    }
    let (repositories, whole) = release::trees(layout, lock.as_ref());
    Ok(Seen::Present(Release {
        id: release_id(spec.odoo.series, &image.id),
        identity: format!("image {}", image.pinned),
        wanted: format!("{} image {name}", spec.odoo.series),
        fetched: whole,
        entry: "/usr/bin/odoo".into(),
        python_path: None,
        addons: image.places,
        repositories,
        python: whole.then(|| "/usr".into()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_docker_lost_is_gone_and_a_docker_that_does_not_say_is_an_error() {
        let image = |pinned: &str| Image {
            pinned: pinned.to_owned(),
            ..Image::default()
        };
        let all = Images::from([
            ("gate".to_owned(), image("sha256:1")),
            ("odoo".to_owned(), image("sha256:2")),
        ]);
        let (here, gone) = split(all.clone(), |image| Ok(image.pinned == "sha256:2")).unwrap();
        assert_eq!(here.keys().collect::<Vec<_>>(), ["odoo"]);
        assert_eq!(gone.keys().collect::<Vec<_>>(), ["gate"]);
        split(all, |_| Err(Failure::failed("no answer"))).unwrap_err();
        // A registry gives it again.
        let pulled = Image {
            wanted: "odoo:18.0".to_owned(),
            ..image("odoo@sha256:3")
        };
        assert!(is_here(&pulled).unwrap());
    }

    #[test]
    fn containers_that_docker_does_not_tell_of_are_an_error_and_not_none() {
        assert!(went_away(
            "Error: No such container: 1\nerror: no such object: 2\n"
        ));
        for failed in [
            "",
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
            "Error: No such container: 1\nError response from daemon: layer does not exist",
        ] {
            assert!(!went_away(failed), "{failed}");
        }
    }
}
