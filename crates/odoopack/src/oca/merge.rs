//! Merging pull requests: the lock keeps which commits were merged and which tree came out, and it comes out again.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::oca_lock::{Locked, Merged};

use super::Workshop;
use super::mirror::{self, Mirror};
use crate::failure::{Failure, Result};
use crate::tools::git;
use crate::tools::git::merge;

/// How much history is fetched until a common ancestor is found; `None` is all of it.
const DEPTHS: [Option<u32>; 4] = [Some(50), Some(400), Some(3200), None];

/// Merges everything on top of a commit; gives the resulting commit, which is then in the mirror, and its tree.
pub(super) fn merged(
    workshop: &Workshop<'_>,
    name: &str,
    mirror: &Mirror,
    base: &str,
    merges: &[Merged],
) -> Result<(String, String)> {
    let place = tempfile::Builder::new()
        .prefix("odoopack-merge-")
        .tempdir()
        .map_err(|e| Failure::failed("could not make a directory for merging").because(e))?;
    let place = Utf8PathBuf::from_path_buf(place.path().join("merge.git"))
        .map(|path| (path, place))
        .map_err(|path| Failure::failed(format!("`{}` is not UTF-8", path.display())))?;
    let (place, _keep) = place;
    git::init(&place).run()?;
    let mut current = base.to_owned();
    for merge in merges {
        let other = merge
            .url
            .as_ref()
            .map_or_else(|| mirror.clone(), |url| workshop.mirror(url));
        connect(&place, (mirror, base), (&other, &merge.commit), &current)?;
        current = one(&place, name, &current, merge)?;
    }
    mirror.adopt(&place, &current)?;
    let tree = mirror.tree(&current)?;
    Ok((current, tree))
}

/// Makes the merges of a lock again and compares what comes out.
pub(super) fn again(workshop: &Workshop<'_>, name: &str, mirror: &Mirror, locked: &Locked) -> Result<()> {
    let (commit, tree) = merged(workshop, name, mirror, &locked.commit, &locked.merges)?;
    if tree != locked.tree || Some(&commit) != locked.merged.as_ref() {
        return Err(Failure::refused(format!(
            "merging `{name}` again gives something else than the lock says"
        ))
        .because(format!("tree {tree} instead of {}", locked.tree))
        .hint(format!(
            "another git merges differently; `odoopack oca update {name}` makes the merges anew"
        )));
    }
    Ok(())
}

/// Fetches both sides, deeper and deeper, until they meet.
fn connect(
    place: &Utf8Path,
    (mirror, base): (&Mirror, &str),
    (other, commit): (&Mirror, &str),
    current: &str,
) -> Result<()> {
    for depth in DEPTHS {
        merge::fetch(place, &mirror.url, base, depth, &mirror.way)
            .run()
            .map_err(|failure| gone(failure, &mirror.url, base))?;
        merge::fetch(place, &other.url, commit, depth, &other.way)
            .run()
            .map_err(|failure| gone(failure, &other.url, commit))?;
        if merge::base(place, current, commit).outcome()?.status.success() {
            return Ok(());
        }
    }
    Err(Failure::refused(format!(
        "commit {commit} of `{}` has nothing in common with `{}`",
        other.url, mirror.url
    )))
}

fn gone(failure: Failure, url: &str, commit: &str) -> Failure {
    failure
        .during(format!("could not fetch commit {commit} from `{url}`"))
        .hint("a pull request that was rewritten no longer has it: `odoopack oca update` takes what is there now")
}

/// One merge; what is contained already changes nothing.
fn one(place: &Utf8Path, name: &str, current: &str, merge: &Merged) -> Result<String> {
    if merge::holds(place, &merge.commit, current)
        .outcome()?
        .status
        .success()
    {
        return Ok(current.to_owned());
    }
    let cmd = merge::tree(place, current, &merge.commit);
    let outcome = cmd.outcome()?;
    let mut lines = outcome.stdout.lines();
    let tree = lines.next().unwrap_or_default();
    match outcome.status.code() {
        Some(0) => {}
        Some(1) => {
            let mut files: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
            files.dedup();
            return Err(
                Failure::refused(format!("`{}` does not merge into `{name}`", merge.reference))
                    .because(format!("conflicts in {}", files.join(", ")))
                    .hint(format!(
                        "take it out of `merges` of [addons.repositories.{name}], or rebase it"
                    )),
            );
        }
        _ => return Err(cmd.ended_badly(&outcome)),
    }
    let words = format!("Merge {} at {}", merge.reference, merge.commit);
    let time = merge::time(place, &merge.commit).read()?;
    let time = time
        .trim()
        .parse()
        .map_err(|e| Failure::failed("git gave no time of the commit").because(format!("{e}")))?;
    let commit = merge::commit(place, tree, [current, &merge.commit], &words, time).read()?;
    let commit = commit.trim().to_owned();
    mirror::tree(place, &commit)?;
    Ok(commit)
}
