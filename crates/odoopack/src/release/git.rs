//! The `git` source: one pinned commit, mirrored once without its history, shared by releases and packs.
use camino::{Utf8Path, Utf8PathBuf};

use super::record::Record;
use super::{Builder, decided, tree, walk};
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::git;
use crate::ui::Progress;

/// Decides on the commit in the file, else on the one that the series' branch stands at now.
pub(super) fn resolve(builder: &Builder<'_>, url: &str, commit: Option<&str>) -> Result<Record> {
    let commit = match commit {
        Some(commit) if git::is_commit(commit) => commit.to_ascii_lowercase(),
        Some(commit) => {
            return Err(Failure::refused(format!("`{commit}` is no full commit id"))
                .hint("write all 40 characters, as `git rev-parse` prints them"));
        }
        None => head(url, &builder.spec.odoo.series.to_string())?,
    };
    Ok(Record::new(
        decided(builder.spec, &format!("git {commit}")),
        &commit,
        Vec::new(),
    ))
}

fn head(url: &str, branch: &str) -> Result<String> {
    let cmd = git::branch_head(url, branch);
    let outcome = cmd.outcome()?;
    if outcome.status.code() == Some(2) {
        return Err(Failure::refused(format!("`{url}` has no branch `{branch}`"))
            .hint("name a `commit` beside `git` in [odoo] source"));
    }
    if !outcome.status.success() {
        return Err(cmd
            .ended_badly(&outcome)
            .during(format!("could not ask `{url}` for its branch `{branch}`"))
            .hint("check the address and the network, then run again"));
    }
    git::parse_head(&outcome.stdout).ok_or_else(|| {
        Failure::failed(format!("`{url}` names no commit for `{branch}`")).because(outcome.stdout)
    })
}

/// Fetches the commit into the mirror if it is not there, and writes its files.
pub(super) fn fetch(builder: &Builder<'_>, url: &str, record: &Record, progress: &Progress) -> Result<()> {
    let mirror = builder
        .cache
        .join("git")
        .join(format!("{}.git", &super::sha256(url.as_bytes())[..16]));
    mirror_commit(&mirror, url, &record.pin, progress)?;
    tree::build(&builder.tree(&record.release), builder.spec.odoo.series, |new| {
        progress.detail("writing files");
        check_out(&mirror, &record.pin, new)
    })
}

fn mirror_commit(mirror: &Utf8Path, url: &str, commit: &str, progress: &Progress) -> Result<()> {
    files::directory_all(mirror)?;
    git::init(mirror).run()?;
    if git::holds(mirror, commit).outcome()?.status.success() {
        return Ok(());
    }
    progress.detail(&format!("fetching {}", &commit[..12]));
    git::fetch(mirror, url, commit).run().map_err(|failure| {
        failure
            .during(format!("could not fetch commit {commit} from `{url}`"))
            .hint("check that the commit exists there and the network works, then run again")
    })
}

/// Writes the commit's files, all with the commit's own time: two trees of one commit give Odoo the same bundles.
fn check_out(mirror: &Utf8Path, commit: &str, new: &Utf8Path) -> Result<()> {
    let index = Utf8PathBuf::from(format!("{new}.index"));
    files::remove(&index)?;
    let written = git::read_tree(mirror, &index, commit)
        .run()
        .and_then(|()| git::checkout(mirror, &index, new).run());
    files::remove(&index)?;
    written?;
    let time = git::commit_time(mirror, commit).read()?;
    let time = time
        .trim()
        .parse()
        .map_err(|e| Failure::failed("git gave no time of the commit").because(format!("{e}")))?;
    walk::walk(new, &mut |path, _| files::set_modified(path, time))
}
