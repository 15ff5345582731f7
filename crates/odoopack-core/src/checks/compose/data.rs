//! Rules about data and paths: what outlives a container, where mounts lead, which bytes run.
use super::super::Severity::{Error, Warning};
use super::super::rule::{Rule, Spot};
use super::View;
use crate::foreign::compose::{Mount, Role, Service};

pub(super) const RULES: &[Rule<View>] = &[
    Rule {
        id: "compose-image-not-pinned",
        severity: Warning,
        title: "images are pinned by digest",
        why: "a tag is another image next week: nobody knows what runs, and a rebuild brings something else",
        fix: "`image: NAME:TAG@sha256:...`; `docker image inspect --format '{{index .RepoDigests 0}}' NAME:TAG` shows it",
        look: not_pinned,
    },
    Rule {
        id: "compose-alpine-postgres",
        severity: Warning,
        title: "PostgreSQL runs on glibc",
        why: "Alpine's libc sorts text differently and its user has another number: indexes and files of a Debian \
              image do not fit, in both directions",
        fix: "the same tag without `-alpine`, by dump and restore",
        look: alpine,
    },
    Rule {
        id: "compose-database-not-kept",
        severity: Error,
        title: "the database outlives its container",
        why: "`docker compose down` or an update of the image deletes it, or it lands in an unnamed volume",
        fix: "a named volume on the image's data directory",
        look: database_not_kept,
    },
    Rule {
        id: "compose-filestore-not-kept",
        severity: Error,
        title: "the filestore outlives its container",
        why: "attachments and the web client's bundles are lost with the container",
        fix: "a volume on `/var/lib/odoo`",
        look: filestore_not_kept,
    },
    Rule {
        id: "compose-data-dir-as-filestore",
        severity: Warning,
        title: "a folder called filestore is one",
        why: "`/var/lib/odoo` is the whole data directory: sessions and downloaded addons are in the filestore's \
              backups, and a restored filestore lands one level too high",
        fix: "mount a data directory on `/var/lib/odoo`, or this one on `/var/lib/odoo/filestore`",
        look: data_dir_as_filestore,
    },
    Rule {
        id: "compose-relative-path",
        severity: Error,
        title: "mounted paths exist below the file's own directory",
        why: "Compose takes paths from the directory of the file, and Docker makes an empty one where none is",
        fix: "begin with `../`, or start it with `docker compose --project-directory <root>`",
        look: relative_path,
    },
];

fn not_pinned(view: &View) -> Vec<Spot> {
    let loose = |service: &&Service| {
        service
            .text("image")
            .is_some_and(|image| !image.contains("@sha256:"))
    };
    let spot = |service: &Service| {
        let image = service.text("image").unwrap_or_default();
        Spot::at(
            service.line_of("image"),
            format!("`{}` runs `{image}`", service.name),
        )
    };
    let built = |service: &&Service| service.node.get("build").is_some();
    view.services
        .iter()
        .filter(|service| !built(service))
        .filter(loose)
        .map(spot)
        .collect()
}

fn alpine(view: &View) -> Vec<Spot> {
    let alpine = |service: &&Service| {
        service
            .text("image")
            .is_some_and(|image| image.contains("alpine"))
    };
    let spot = |service: &Service| {
        Spot::at(
            service.line_of("image"),
            format!("`{}` uses Alpine", service.name),
        )
    };
    view.of(Role::Postgres).filter(alpine).map(spot).collect()
}

/// # Source
/// docker-library/postgres: `PGDATA` was `/var/lib/postgresql/data` up to 17; since 18 the volume is `/var/lib/postgresql`.
fn database_not_kept(view: &View) -> Vec<Spot> {
    let mut spots = Vec::new();
    for service in view.of(Role::Postgres) {
        let own = service.variable("PGDATA").filter(|path| !path.is_empty());
        let place = own.unwrap_or_else(|| {
            if major(service) >= Some(18) {
                "/var/lib/postgresql"
            } else {
                DATA
            }
            .to_owned()
        });
        if service
            .mounts()
            .iter()
            .any(|mount| !mount.source.is_empty() && is_below(&place, &mount.target))
        {
            continue;
        }
        let saw = format!("`{}` keeps `{place}` in no named volume", service.name);
        spots.push(
            Spot::at(service.line_of("volumes"), saw)
                .fix(format!("`pgdata:{place}`, and `pgdata:` under `volumes`")),
        );
    }
    spots
}

const DATA: &str = "/var/lib/postgresql/data";

fn major(service: &Service) -> Option<u32> {
    let image = service.text("image")?.split('@').next()?;
    let (_, tag) = image.rsplit_once(':')?;
    let digits: String = tag
        .trim_start_matches("pg")
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn filestore_not_kept(view: &View) -> Vec<Spot> {
    let kept = |service: &&Service| {
        let places = ["/var/lib/odoo", "/var/lib/odoo/filestore"];
        let custom = |mount: &Mount| mount.target.contains("filestore") || mount.target.contains("/data");
        service.mounts().iter().any(|mount| {
            !mount.source.is_empty()
                && (places.contains(&mount.target.trim_end_matches('/')) || custom(mount))
        })
    };
    let spot = |service: &Service| {
        Spot::at(
            service.line_of("volumes"),
            format!("`{}` keeps `/var/lib/odoo` in no volume", service.name),
        )
    };
    view.of(Role::Odoo)
        .filter(|service| !kept(service))
        .map(spot)
        .collect()
}

fn data_dir_as_filestore(view: &View) -> Vec<Spot> {
    let wrong = |mount: &Mount| {
        let source = mount.source.trim_end_matches('/');
        source.ends_with("filestore") && mount.target.trim_end_matches('/') == "/var/lib/odoo"
    };
    let spot = |mount: Mount| {
        Spot::at(
            mount.line,
            format!("`{}` is mounted on `{}`", mount.source, mount.target),
        )
    };
    view.of(Role::Odoo)
        .flat_map(Service::mounts)
        .filter(wrong)
        .map(spot)
        .collect()
}

/// Folders of a pack's root; a compose file in a folder of its own hardly has them beside it.
const OF_THE_ROOT: [&str; 5] = ["repo", "data", "config", "backups", "addons"];

fn relative_path(view: &View) -> Vec<Spot> {
    if !matches!(
        view.directory.as_str(),
        "deploy" | "docker" | "compose" | "deployment"
    ) {
        return Vec::new();
    }
    let first = |mount: &Mount| {
        mount
            .source
            .strip_prefix("./")
            .and_then(|rest| rest.split('/').next())
            .map(str::to_owned)
    };
    let wrong = |mount: &Mount| {
        first(mount).is_some_and(|name| name == view.directory || OF_THE_ROOT.contains(&name.as_str()))
    };
    let spot = |mount: Mount| {
        let saw = format!(
            "`{}` means `{}/{}`",
            mount.source,
            view.directory,
            mount.source.trim_start_matches("./")
        );
        Spot::at(mount.line, saw)
    };
    view.services
        .iter()
        .flat_map(Service::mounts)
        .filter(wrong)
        .map(spot)
        .collect()
}
