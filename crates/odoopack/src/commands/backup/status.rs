//! `backup status`: how old the backups are, against what the file allows.
use odoopack_core::columns::{beside, laid_out};

use super::size;
use crate::backup::status::{Act, Age, Complaint, Row, look};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};

/// Show how old the backups are: made, off site and proven, with the trend of duration and size
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits with 8 when an age of a production environment is beyond `[backup.age]`, when the last backup or drill failed, when attachments are damaged or missing, when snapshots have disappeared, or when nobody has confirmed to have the key.\n\nExamples:\n  odoopack backup status\n  odoopack backup status --json"
)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(cx: &Context, _args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let status = look(&pack)?;
    let complaints = status.complaints();
    let said: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    cx.ui
        .json(&serde_json::json!({ "status": status, "complaints": said, "good": said.is_empty() }));
    for row in &status.environments {
        lines(row).iter().for_each(|line| cx.ui.result(line));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let mut remedies: Vec<&str> = Vec::new();
    for remedy in complaints.iter().map(remedy) {
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    let failure = Failure::new(Kind::Drift, said.join("; "));
    Err(remedies.into_iter().fold(failure, Failure::hint))
}

/// An environment: each age below the other.
fn lines(row: &Row) -> Vec<String> {
    let back = row
        .recovery
        .map(|seconds| format!(", back in {seconds:.0} s"))
        .unwrap_or_default();
    let ages = [
        Some(("made", words(&row.made))),
        row.offsite.as_ref().map(|age| ("off site", words(age))),
        Some(("proven", words(&row.proven) + &back)),
    ];
    let mut name = row.environment.as_str();
    let mut head = |what: &str| {
        let head = format!("{name:<16} {what:<8}  ");
        name = "";
        head
    };
    let mut all: Vec<String> = ages
        .into_iter()
        .flatten()
        .map(|(what, age)| beside(&head(what), &age))
        .collect();
    let trend = row.trend.iter();
    let trend = trend.map(|(seconds, added)| format!("{seconds:.0} s {},", size(*added)));
    let mut trend: Vec<String> = trend.collect();
    if let Some(last) = trend.last_mut() {
        last.pop();
        let parts = ["newest first:"]
            .into_iter()
            .chain(trend.iter().map(String::as_str));
        all.push(laid_out(&head("took"), parts));
    }
    all
}

fn remedy(complaint: &Complaint) -> &'static str {
    match complaint {
        Complaint::KeyLost => {
            "`odoopack secret set BACKUP_KEY < FILE`, with the key that was exported; where nobody has it any more, `mv` the repository aside: `odoopack backup create` makes another"
        }
        Complaint::KeyNotConfirmed => "`odoopack backup key export`, then `odoopack backup key confirm`",
        Complaint::Disappeared(_) => {
            "`odoopack backup forget --accept-missing`, once it is known where they went"
        }
        Complaint::Unreadable(_) => {
            "`odoopack backup list` names each, and the command that takes it out of the way"
        }
        Complaint::NotCopied | Complaint::Old(_, Act::Offsite, _) => "`odoopack backup offsite`",
        Complaint::Old(_, Act::Made, _) | Complaint::BackupFailed(_) => "`odoopack backup create`",
        Complaint::Old(_, Act::Proven, _) | Complaint::DrillFailed(_) => {
            "`odoopack backup drill` proves one; `drill = \"Sun 04:00\"` in [backup] does it every week"
        }
        Complaint::Damaged(..) => {
            "`odoopack backup drill --level read --json` names them; `odoopack backup cat SNAPSHOT filestore/NAME` of an older snapshot has the whole file"
        }
        Complaint::MoreMissing(_) => {
            "`odoopack backup list`, then `odoopack restore SNAPSHOT --only filestore` of one that has them"
        }
    }
}

fn words(age: &Age) -> String {
    let Some(at) = age.at else {
        return "never".to_owned();
    };
    let mark = if age.good { "" } else { " (too old)" };
    format!("{}{mark}", at.strftime("%Y-%m-%d %H:%M:%SZ"))
}
