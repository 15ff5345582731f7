//! What containers need of this machine, what an image must hold, and what containers do not get.
use super::reason;
use crate::plan::Refusal;
use crate::up::Known;

/// What containers need of this machine, and what an image must hold.
pub(super) fn containers(known: &Known<'_>) -> Vec<Refusal> {
    if known.target.stack.is_none() {
        return Vec::new();
    }
    let mut all = unreachable(known);
    all.extend(no_relay(known));
    let docker = &known.facts.containers.docker;
    all.extend(docker.present().and_then(no_compose));
    all.extend(too_many(known));
    all.extend(docker.present().and_then(other_users));
    all.extend(docker.present().and_then(labelled));
    if known.facts.containers.podman {
        all.push(Refusal::new(
            "`docker` is Podman here: stacks are made for Docker Engine and its Compose",
            "`apt-get remove podman-docker`, then `apt-get install docker.io`",
        ));
        return all;
    }
    // A missing program is a step of its own.
    if let Some(why) = reason(docker).filter(|_| known.facts.programs.contains_key("docker")) {
        all.push(Refusal::new(
            format!("Docker does not answer: {why}"),
            "start it (`systemctl start docker`), or join the group that may use it",
        ));
    }
    let odoo = known.facts.containers.images.get("odoo");
    let wanted = known.spec.odoo.series;
    // Another one is got or built in its place, and is judged then.
    let locked = known.facts.containers.locked.as_ref();
    let odoo = odoo.filter(|image| known.target.images.get("odoo") == Some(&image.wanted));
    let odoo = odoo.filter(|image| image.suits(locked));
    if let Some(image) = odoo {
        all.extend(lacking(known, image));
    }
    if let Some(image) = odoo
        && image.version.0.to_string() != wanted.to_string().trim_end_matches(".0")
    {
        all.push(Refusal::new(
            format!(
                "image `{}` holds Odoo {}, the file says {wanted}",
                image.wanted, image.version.0
            ),
            "correct `series` or `source` in [odoo]",
        ));
    }
    all
}

/// The first with all that the stack's file says: `name` at its top.
const COMPOSE: (u16, u16, u16) = (2, 3, 3);

fn no_compose(docker: &crate::facts::Docker) -> Option<Refusal> {
    let how = "`apt-get install docker-compose` (Debian 13 or newer), `apt-get install docker-compose-v2` (Ubuntu), or `docker-compose-plugin` from Docker's own archive";
    let Some(version) = &docker.compose else {
        return Some(Refusal::new(
            "Docker Compose is not installed: `docker compose version` fails",
            how,
        ));
    };
    let (a, b, c) = COMPOSE;
    numbers(version).filter(|it| *it < COMPOSE).map(|_| {
        Refusal::new(
            format!("Docker Compose is {version}, and the stack's file needs {a}.{b}.{c} or newer"),
            how,
        )
    })
}

/// Reads `2.26.1`, `v2.3.3` and `2.40.3+ds1-0ubuntu1`; `None`: no version that anybody knows.
fn numbers(version: &str) -> Option<(u16, u16, u16)> {
    let mut all = version
        .trim_start_matches('v')
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().ok());
    let (major, minor) = (all.next()??, all.next()??);
    Some((major, minor, all.next().flatten().unwrap_or(0)))
}

/// Each environment has two addresses of its own in the stack's network.
fn too_many(known: &Known<'_>) -> Option<Refusal> {
    let most = usize::from(crate::target::ENVIRONMENTS);
    (known.spec.environments.len() > most).then(|| {
        Refusal::new(
            format!(
                "the network of a stack has addresses for {most} environments, and the file has {}",
                known.spec.environments.len()
            ),
            "put some into another pack (`odoopack init --root NEW --domain NAME`), or write `engine = \"native\"` in [pack]",
        )
    })
}

/// Mounted files would need a label of `SELinux` that lets containers read them, and those of the host's users have none.
fn labelled(docker: &crate::facts::Docker) -> Option<Refusal> {
    docker.security.iter().any(|one| one == "selinux").then(|| {
        Refusal::new(
            "this Docker keeps containers apart by SELinux: they could not read the pack's files, which have no label for that",
            "write `\"selinux-enabled\": false` into `/etc/docker/daemon.json` (and take `--selinux-enabled` out of the daemon's options), then `systemctl restart docker`; or write `engine = \"native\"` in [pack]",
        )
    })
}

/// Files of the pack belong to users of the host, and containers run as those by their numbers.
fn other_users(docker: &crate::facts::Docker) -> Option<Refusal> {
    let by = |name: &str| docker.security.iter().any(|one| one == name);
    let no_file =
        "users in its containers are others than those of the host, and could not read the pack's files";
    if by("rootless") {
        return Some(Refusal::new(
            format!("this Docker runs without root: {no_file}"),
            "use the one of the system: `apt-get install docker.io`, `unset DOCKER_HOST`, `docker context use default`",
        ));
    }
    by("userns").then(|| {
        Refusal::new(
            format!("this Docker runs with `userns-remap`: {no_file}"),
            "remove `userns-remap` from `/etc/docker/daemon.json`, then `systemctl restart docker`; containers and images that it has now are not seen until it is set again",
        )
    })
}

/// In a container loopback is the container itself, where no relay listens, and the stack's network has no IPv6: mail of
/// production would go nowhere.
fn no_relay(known: &Known<'_>) -> Option<Refusal> {
    let mut environments = known.spec.environments.values();
    environments.find(|one| one.kind == crate::spec::Kind::Production)?;
    let address = &known.spec.mail.relay.as_ref()?.address;
    if crate::spec::is_ipv6(&address.host) && !crate::spec::is_loopback(&address.host) {
        return Some(Refusal::new(
            format!(
                "`smtp` in [mail] names `{}`, and containers reach others by IPv4 only: no mail would reach the relay",
                address.host
            ),
            "write its IPv4 address, or a name that has one",
        ));
    }
    crate::spec::is_loopback(&address.host).then(|| {
        Refusal::new(
            format!(
                "`smtp` in [mail] names `{}`, which in a container is the container itself: no mail would reach a relay",
                address.host
            ),
            "write the address of a relay that containers reach; one on this machine has to listen on another address than loopback, such as that of Docker's bridge (`ip addr show docker0`), after `docker.service`; or remove `smtp`, where a mail server is set up in Odoo itself",
        )
    })
}

/// Python modules that the file asks for by what it wants.
fn lacking(known: &Known<'_>, image: &crate::facts::Image) -> Vec<Refusal> {
    let any = |wants: fn(&crate::spec::Environment) -> bool| known.spec.environments.values().any(wants);
    let asked = [
        ("watchdog", "reload = true", any(|one| one.reload)),
        (
            "redis",
            "sessions = \"redis\"",
            any(|one| one.sessions == crate::spec::Sessions::Redis),
        ),
    ];
    let lacks = |module: &str| !image.python.iter().any(|held| held == module);
    let refusal = |(module, key, _)| {
        Refusal::new(
            format!(
                "image `{}` has no Python module `{module}`, which `{key}` needs",
                image.wanted
            ),
            "`odoopack lock`, which adds it to the image; or take an image that has it, or remove the key",
        )
    };
    let missing = asked
        .into_iter()
        .filter(|(module, _, wanted)| *wanted && lacks(module));
    missing.map(refusal).collect()
}

/// What the file may ask for and only timers of the host's systemd can begin: nothing in a container may command Docker.
fn unreachable(known: &Known<'_>) -> Vec<Refusal> {
    if known.facts.host.systemd {
        return Vec::new();
    }
    let (spec, root) = (known.spec, &known.spec.pack.root);
    let backup = &spec.backup;
    let refreshed = spec.environments.values().any(|one| one.refresh.is_some());
    let asked = [
        (
            backup.schedule.is_some(),
            "[backup] schedule",
            Some("backup create --forget --yes"),
        ),
        (backup.drill.is_some(), "[backup] drill", Some("backup drill")),
        (refreshed, "[environments] refresh", None),
    ];
    let refusal = |(_, what, job): (bool, &str, Option<&str>)| {
        let why = format!("the engine `compose` has no {what} where no systemd begins jobs as root");
        let cron = job.map_or(String::new(), |job| {
            format!(" and let cron run `odoopack {job} --root {root}`")
        });
        Refusal::new(
            why,
            format!("remove it{cron}, or write `engine = \"native\"` in [pack]"),
        )
    };
    asked
        .into_iter()
        .filter(|(asked, ..)| *asked)
        .map(refusal)
        .collect()
}
