//! Which containers of the pack's project in Docker Compose are the pack's: others may have added some of their own.
use std::collections::BTreeSet;

use camino::Utf8Path;
use odoopack_core::foreign::compose::Compose;
use odoopack_core::layout::Layout;
use odoopack_core::target;

use crate::failure::{Failure, Result};
use crate::files;
use crate::store::marks;
use crate::tools::docker::Container;

/// The containers of a project.
#[derive(Debug)]
pub(super) struct Sorted {
    /// The pack's.
    pub(super) ours: Vec<Container>,
    /// Services that somebody added, with an override file or by hand: nothing here stops or removes them.
    pub(super) beside: BTreeSet<String>,
}

/// Tells those that the pack started, or could have, from those that somebody added.
///
/// # Errors
/// Kind `Refused` when what seems to be the pack's was started from the files of another one.
pub(super) fn sort(layout: &Layout, all: Vec<Container>) -> Result<Sorted> {
    let state = layout.state();
    let (mut ours, mut beside) = (Vec::new(), BTreeSet::new());
    let mut listed: Option<BTreeSet<String>> = None;
    for one in all {
        let mut known =
            target::is_name_of_a_pack(&one.service) || marks::stamp(&state, &one.service)?.is_some();
        if !known {
            let all = match listed.take() {
                Some(all) => all,
                None => self::listed(layout)?,
            };
            known = listed.insert(all).contains(&one.service);
        }
        if !known {
            beside.insert(one.service);
        } else if is_elsewhere(layout, &one) {
            return Err(of_another(layout, &one));
        } else {
            ours.push(one);
        }
    }
    Ok(Sorted { ours, beside })
}

/// Services of the stack's file as long as it is as we wrote it: plain `docker compose up` leaves no stamps.
fn listed(layout: &Layout) -> Result<BTreeSet<String>> {
    let path = layout.stack();
    let Some(text) = files::read_text(&path)? else {
        return Ok(BTreeSet::new());
    };
    let hash = odoopack_core::hash::hex(text.as_bytes());
    if marks::written(&layout.state())?.get(&path) != Some(&hash) {
        return Ok(BTreeSet::new());
    }
    let read = Compose::read(&text).map_err(|mistake| {
        Failure::failed(format!(
            "could not read `{path}`: line {}: {}",
            mistake.line, mistake.what
        ))
    })?;
    Ok(read.services.into_iter().map(|service| service.name).collect())
}

/// Whether a container was started from another directory than the pack's.
fn is_elsewhere(layout: &Layout, one: &Container) -> bool {
    let real = |path: &Utf8Path| path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    let wanted = layout.deploy();
    let Some(directory) = &one.directory else {
        return false;
    };
    *directory != wanted && real(directory) != real(&wanted)
}

fn of_another(layout: &Layout, one: &Container) -> Failure {
    let project = layout.project();
    let directory = one.directory.as_deref().unwrap_or_else(|| Utf8Path::new("/"));
    Failure::refused(format!(
        "container `{}` of the project `{project}` was started from `{directory}`, not from `{}`: it is another pack's",
        one.name,
        layout.deploy()
    ))
    .hint("give one of the packs another `name` in [pack]; where Docker is that of another machine, `docker context use default` and `unset DOCKER_HOST`")
    .hint(format!(
        "if this pack was moved here, `docker compose --project-name {project} down` removes its old containers, then `odoopack up`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::marks::Stamp;
    use crate::tools::docker;

    fn layout(root: &Utf8Path) -> Layout {
        Layout::new(root, &"shop".parse().unwrap(), false).with_engine(odoopack_core::spec::Engine::Compose)
    }

    fn containers(directory: &Utf8Path, services: &[&str]) -> Vec<Container> {
        let one = |service: &&str| {
            format!(
                r#"{{"Id":"1","RestartCount":0,"Name":"/x-{service}-1","HostConfig":{{"PortBindings":null}},
                "State":{{"Running":true,"Restarting":false,"Pid":1,"StartedAt":"2026-11-26T12:00:00Z"}},
                "Config":{{"Labels":{{"com.docker.compose.project":"odoopack-shop","com.docker.compose.service":"{service}",
                "com.docker.compose.project.working_dir":"{directory}"}}}}}}"#
            )
        };
        let all: Vec<String> = services.iter().map(one).collect();
        docker::parse_containers(&format!("[{}]", all.join(","))).unwrap()
    }

    fn names(sorted: &Sorted) -> Vec<&str> {
        sorted.ours.iter().map(|one| one.service.as_str()).collect()
    }

    #[test]
    fn what_somebody_added_to_the_project_is_not_ours() {
        let place = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(place.path()).unwrap();
        let (layout, services) = (layout(root), ["mailpit", "nginx", "production.blue.web", "redis"]);
        files::directory_all(&layout.state().join("stamps")).unwrap();
        let sort = || sort(&layout, containers(&layout.deploy(), &services)).unwrap();
        assert_eq!(names(&sort()), ["production.blue.web"]);
        // Started by this program.
        let stamp = Stamp {
            definition: String::new(),
            inputs: String::new(),
            starts: 0,
        };
        marks::remember_stamp(&layout.state(), "nginx", &stamp).unwrap();
        assert_eq!(names(&sort()), ["nginx", "production.blue.web"]);
        // Started by plain `docker compose` from our file.
        let text = "services:\n  redis:\n    image: redis\n";
        files::directory_all(&layout.deploy()).unwrap();
        files::replace(&layout.stack(), text.as_bytes(), 0o644, None).unwrap();
        let hash = odoopack_core::hash::hex(text.as_bytes());
        marks::remember_written(&layout.state(), &layout.stack(), &hash).unwrap();
        let sorted = sort();
        assert_eq!(names(&sorted), ["nginx", "production.blue.web", "redis"]);
        assert_eq!(sorted.beside, BTreeSet::from(["mailpit".to_owned()]));
        // Written into our file by somebody: that makes it none of ours.
        let text = format!("{text}  mailpit:\n    image: mailpit\n");
        files::replace(&layout.stack(), text.as_bytes(), 0o644, None).unwrap();
        assert!(sort().beside.contains("mailpit"));
    }

    #[test]
    fn containers_of_another_pack_of_the_same_name_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(place.path()).unwrap();
        let layout = layout(&root.join("here"));
        let elsewhere = root.join("elsewhere/deploy");
        let failure = sort(
            &layout,
            containers(&elsewhere, &["mailpit", "production.blue.web"]),
        )
        .unwrap_err();
        assert!(failure.sentence().contains(elsewhere.as_str()), "{failure:?}");
        assert_eq!(failure.kind, crate::failure::Kind::Refused);
        // By another way to the same directory.
        files::directory_all(&layout.deploy()).unwrap();
        std::os::unix::fs::symlink(root.join("here"), root.join("link")).unwrap();
        let linked = containers(&root.join("link/deploy"), &["production.blue.web"]);
        assert_eq!(names(&sort(&layout, linked).unwrap()), ["production.blue.web"]);
        // Older Compose says nothing.
        let silent = containers("".into(), &["production.blue.web"]);
        assert_eq!(names(&sort(&layout, silent).unwrap()), ["production.blue.web"]);
    }
}
