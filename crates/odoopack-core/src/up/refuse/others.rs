//! What belongs to somebody else: a data directory, users, files edited by hand, links, ports.
use crate::facts::{PathKind, Seen};
use crate::plan::{Refusal, Why};
use crate::up::Known;

/// A data directory, or users, that another pack made.
pub(super) fn somebody_elses(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    let pack = &known.spec.pack;
    if let Seen::Present(owner) = &known.facts.made_by
        && owner != pack.name.as_str()
    {
        all.push(Refusal::new(
            format!(
                "{}/data was made by the pack `{owner}`, the file says `{}`",
                pack.root, pack.name
            ),
            format!("write `name = \"{owner}\"` in [pack], or choose another root"),
        ));
    }
    let adopted = known.spec.postgres.directory.is_some();
    let foreign = known.facts.on_disk().next();
    if let Some(server) = foreign.filter(|_| known.facts.made_by.is_absent() && !adopted) {
        all.push(Refusal::new(
            format!(
                "{}/data/{server} holds a cluster that odoopack did not make",
                pack.root
            ),
            "dump it, choose another root, and restore the dump there",
        ));
    }
    let elsewhere = known.target.users.iter().filter_map(|user| {
        known
            .facts
            .users
            .get(&user.name)
            .filter(|seen| seen.home != user.home)
            .map(|seen| (user, seen))
    });
    all.extend(elsewhere.map(|(user, seen)| {
        Refusal::new(
            format!(
                "user {} belongs to something else: its home is {}",
                user.name, seen.home
            ),
            "give this pack another name in [pack]",
        )
    }));
    all
}

/// A cluster belongs to the programs and the users that made it; another engine has others. On a given server a
/// second set of services would work on the same database.
pub(super) fn another_engine(known: &Known<'_>) -> Option<Refusal> {
    let given = known.spec.postgres.is_given();
    let (what, in_containers, natively) = if given {
        let root = &known.spec.pack.root;
        let wrote = |place: &str| {
            known
                .facts
                .written
                .keys()
                .any(|path| path.starts_with(root.join(place)))
        };
        ("this pack".to_owned(), wrote("deploy"), wrote("data/config"))
    } else {
        let server = known.facts.on_disk().next()?;
        if known.spec.postgres.directory.is_some() {
            return None;
        }
        let contained = known.facts.containers.last("postgres").is_some();
        (format!("data/{server}"), contained, !contained)
    };
    let (made, wanted) = match known.target.stack.is_some() {
        false if in_containers => ("compose", "native"),
        true if natively && !in_containers => ("native", "compose"),
        true | false => return None,
    };
    let way = if given {
        super::INTO_A_NEW_ROOT.to_owned()
    } else {
        super::to_another_engine(made, wanted)
    };
    Some(Refusal::new(
        format!(
            "{what} was made by the engine `{made}`, the file says `{wanted}`: its programs, users and collations may differ"
        ),
        format!("write `engine = \"{made}\"` in [pack]; to change the engine, {way}"),
    ))
}

/// Nothing is written through a link: what lies behind it belongs to somebody else.
pub(super) fn misplaced(known: &Known<'_>) -> Vec<Refusal> {
    let wrong = known.target.directories.iter().filter_map(|directory| {
        let path = &directory.path;
        match &known.facts.paths.get(path)?.present()?.kind {
            PathKind::Directory => None,
            PathKind::Link(to) => Some(Refusal::new(
                format!("{path} must be a directory, and is a link to {to}"),
                format!("move what it leads to into its place, or `mount --bind {to} {path}`"),
            )),
            PathKind::File(_) | PathKind::Other => Some(Refusal::new(
                format!("{path} must be a directory, and is something else"),
                "move it away",
            )),
        }
    });
    wrong.collect()
}

pub(super) fn edits(known: &Known<'_>) -> Vec<Refusal> {
    if known.consent.overwrite_edits {
        return Vec::new();
    }
    let edited = known
        .target
        .files
        .iter()
        .filter(|file| crate::up::serve::why(known, file) == Some(Why::Edited));
    edited
        .map(|file| {
            Refusal::new(
                format!("{} was edited by hand", file.path),
                "see `odoopack render --check`; move the change into odoopack.toml, then run `odoopack up --overwrite-edits`",
            )
        })
        .collect()
}

pub(super) fn ports(known: &Known<'_>) -> Vec<Refusal> {
    let web = &known.spec.web;
    let mut wanted = vec![
        (web.http_port, "[web] http_port".to_owned()),
        (web.https_port, "[web] https_port".to_owned()),
    ];
    wanted.extend(
        known
            .spec
            .postgres
            .port
            .map(|port| (port, "[postgres] port".to_owned())),
    );
    let direct = |(name, environment): (&crate::name::Name, &crate::spec::Environment)| {
        let port = environment.http_port?;
        Some((port, format!("[environments.{name}] http_port")))
    };
    wanted.extend(known.spec.environments.iter().filter_map(direct));
    let mut all: Vec<Refusal> = wanted
        .iter()
        .filter_map(|(port, key)| {
            known.facts.foreign_listeners.get(port).map(|who| {
                Refusal::new(
                    format!("port {port} is taken by {who}"),
                    format!("stop it, or choose another port with {key}"),
                )
            })
        })
        .collect();
    // Docker listens for containers, and is root.
    let ours = !known.facts.host.root && known.target.stack.is_none();
    let low = wanted.iter().filter(|(port, _)| *port < 1024 && ours);
    all.extend(low.map(|(port, key)| {
        Refusal::new(
            format!("an ordinary user cannot listen on port {port}"),
            format!("choose a port above 1023 with {key}, or run as root"),
        )
    }));
    all
}

/// The servers run as users of their own and must reach their files.
pub(super) fn closed(known: &Known<'_>) -> Option<Refusal> {
    let place = known.facts.closed.as_ref().filter(|_| known.facts.host.root)?;
    Some(Refusal::new(
        format!("other users may not enter {place}, and the servers below it run as users of their own"),
        format!("choose another place with `--root DIR`, or `chmod o+x {place}`"),
    ))
}
