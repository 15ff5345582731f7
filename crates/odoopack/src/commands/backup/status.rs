//! `backup status`: how old the backups are, against what the file allows.
use super::size;
use crate::backup::status::{Age, look};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};

/// Show how old the backups are: made, off site and proven, with the trend of duration and size
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits with 8 when an age of a production environment is beyond `[backup.age]`, when the last backup failed, when snapshots have disappeared, or when nobody has confirmed to have the key.\n\nExamples:\n  odoopack backup status\n  odoopack backup status --json"
)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(cx: &Context, _args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let status = look(&pack)?;
    let complaints = status.complaints();
    cx.ui.json(
        &serde_json::json!({ "status": status, "complaints": complaints, "good": complaints.is_empty() }),
    );
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
    let failure = Failure::new(Kind::Drift, complaints.join("; "));
    Err(if status.key_confirmed {
        failure.hint(remedy(&complaints))
    } else {
        failure.hint("`odoopack backup key export`, then `odoopack backup key confirm`")
    })
}

/// What helps against the first of them.
fn remedy(complaints: &[String]) -> &'static str {
    let first = complaints.first().map_or("", String::as_str);
    if first.contains("proven") || first.contains("drill") {
        "`odoopack backup drill` proves one; `drill = \"Sun 04:00\"` in [backup] does it every week"
    } else if first.contains("off site") {
        "`odoopack backup offsite`"
    } else if first.contains("missing in the filestore") {
        "`odoopack backup list`, then `odoopack restore SNAPSHOT --only filestore` of one that has them"
    } else if first.contains("listed") {
        "`odoopack backup forget --accept-missing`, once it is known where they went"
    } else {
        "`odoopack backup create`"
    }
}

fn words(age: &Age) -> String {
    let Some(at) = age.at else {
        return "never".to_owned();
    };
    let mark = if age.good { "" } else { " (too old)" };
    format!("{}{mark}", at.strftime("%Y-%m-%d %H:%M:%SZ"))
}
