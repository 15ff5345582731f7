//! The `git` source: one pinned commit, mirrored once without its history, shared by releases and packs.
use super::record::Record;
use super::{Builder, decided, tree};
use crate::failure::{Failure, Result};
use crate::oca;
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
        None => workshop(builder)?
            .mirror(url)
            .head(builder.spec.odoo.series.as_str())
            .map_err(|failure| {
                failure.hint(
                    "name a `commit` beside `git` in [odoo] source, or check the address and the network",
                )
            })?,
    };
    Ok(Record::new(
        decided(builder, &format!("git {commit}")),
        &commit,
        Vec::new(),
    ))
}

/// Fetches the commit into the mirror if it is not there, and writes its files.
pub(super) fn fetch(builder: &Builder<'_>, url: &str, record: &Record, progress: &Progress) -> Result<()> {
    let mirror = workshop(builder)?.mirror(url);
    progress.detail(&format!("fetching {}", &record.pin[..12]));
    mirror.bring(&record.pin)?;
    tree::build(&builder.tree(&record.release), builder.spec.odoo.series, |new| {
        progress.detail("writing files");
        // Two trees of one content give Odoo the same bundles.
        oca::tree::check_out(&mirror.place, &record.pin, new)
    })
}

fn workshop<'a>(builder: &Builder<'a>) -> Result<oca::Workshop<'a>> {
    oca::Workshop::new(builder.spec, builder.layout, builder.repo, builder.cache)
}
