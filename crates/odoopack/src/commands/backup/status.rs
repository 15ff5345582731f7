//! `backup status`: how old the backups are, against what the file allows.
use super::size;
use crate::backup::status::{Act, Age, Complaint, look};
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
        let offsite = row
            .offsite
            .as_ref()
            .map_or_else(String::new, |age| format!("off site {}, ", words(age)));
        cx.ui.result(&format!(
            "{:<16} made {}, {offsite}proven {}{}",
            row.environment,
            words(&row.made),
            words(&row.proven),
            row.recovery
                .map(|seconds| format!(", back in {seconds:.0} s"))
                .unwrap_or_default()
        ));
        let trend: Vec<_> = row
            .trend
            .iter()
            .map(|(s, added)| format!("{s:.0} s {}", size(*added)))
            .collect();
        if !trend.is_empty() {
            cx.ui
                .result(&format!("{:<16} newest first: {}", "", trend.join(", ")));
        }
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
            "`odoopack backup drill --level read` names them; `odoopack backup cat SNAPSHOT filestore/NAME` of an older snapshot has the whole file"
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
