//! `doctor`: what is wrong or could be better, why it matters, and what helps.
use camino::Utf8PathBuf;
use odoopack_core::checks::{self, Finding, Severity};
use odoopack_core::odoo::Series;

use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::hint::with_root;
use crate::observe::{self, View};
use crate::probe::{self, Probe};
use crate::{files, ui};

/// Find what is wrong or could be better, on this machine or in files of others
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each finding says what was seen, why it matters and what helps. Exits with 8 when one is an error.\n\nExamples:\n  odoopack doctor\n  odoopack doctor --file /etc/odoo/odoo.conf --file deploy/docker-compose.yml"
)]
pub(crate) struct Args {
    /// Judge this odoo.conf, nginx configuration or compose file instead; may be given several times
    #[arg(long, value_name = "PATH")]
    file: Vec<Utf8PathBuf>,
    /// Series of Odoo that the files are for
    #[arg(long, default_value = "18.0", requires = "file")]
    series: Series,
    /// List every check
    #[arg(long, conflicts_with = "file")]
    list: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    if args.list {
        list(cx);
        return Ok(());
    }
    if !args.file.is_empty() {
        return report(cx, &files_of_others(args)?, &[]);
    }
    let pack = cx.load()?;
    let view = observe::look(&pack)?;
    if !view.target.complete {
        return Err(
            Failure::refused(format!("{} is not brought up yet", pack.layout.root())).hint("`odoopack up`"),
        );
    }
    let progress = cx.ui.step("look at the machine and every environment");
    let findings = findings(&pack, &view)?;
    let probes = probes(&pack, &view)?;
    progress.done();
    report(cx, &findings, &probes)
}

fn list(cx: &Context) {
    let all = checks::all();
    cx.ui.json(&serde_json::json!(all));
    for check in all {
        cx.ui.result(&format!("{:<32} {}", check.id, check.title));
    }
}

fn files_of_others(args: &Args) -> Result<Vec<Finding>> {
    let mut texts = Vec::new();
    for path in &args.file {
        let text = files::read_text(path)?.ok_or_else(|| {
            Failure::refused(format!("there is no `{path}`")).hint("check the path of --file")
        })?;
        texts.push((path, text));
    }
    let read: Vec<checks::File<'_>> = texts.iter().map(as_file).collect();
    Ok(checks::judge_files(&read, args.series))
}

fn findings(pack: &Pack, view: &View) -> Result<Vec<Finding>> {
    let mut all = checks::host::judge(&observe::doctor::host(pack, view));
    all.extend(rendered(pack, view)?);
    for name in pack.loaded.spec.environments.keys() {
        all.extend(checks::environment::judge(&observe::doctor::environment(
            pack, view, name,
        )?));
    }
    Ok(all)
}

/// The rendered files as they lie on disk.
fn rendered(pack: &Pack, view: &View) -> Result<Vec<Finding>> {
    let mut texts = Vec::new();
    for file in &view.target.files {
        if checks::is_judged(pack.layout.containers(), file.path.as_str(), &file.shown) {
            let bytes = files::read_bytes(&file.path)?;
            // Not all that people type is UTF-8.
            texts.extend(bytes.map(|bytes| (&file.path, String::from_utf8_lossy(&bytes).into_owned())));
        }
    }
    let read: Vec<checks::File<'_>> = texts.iter().map(as_file).collect();
    Ok(checks::judge_rendered(&read, pack.loaded.spec.odoo.series))
}

fn as_file<'a>((path, text): &'a (&Utf8PathBuf, String)) -> checks::File<'a> {
    checks::File {
        path: path.as_str(),
        text,
    }
}

/// Every probe, sign-in and one printed report among them; where nothing answers they say so.
fn probes(pack: &Pack, view: &View) -> Result<Vec<(String, probe::Seen)>> {
    let mut all = Vec::new();
    for name in pack.loaded.spec.environments.keys() {
        let mut site = observe::site::site(&pack.loaded.spec, &pack.layout, name)?;
        site.sign_in =
            observe::site::who_signs_in(&pack.loaded.spec, &pack.layout, name, &view.facts.secrets);
        // Printing is the only thing that can be done without.
        site.prints = observe::without(view).is_empty();
        all.extend(
            probe::run(&site, &Probe::ALL)
                .into_iter()
                .map(|seen| (name.to_string(), seen)),
        );
    }
    Ok(all)
}

fn report(cx: &Context, findings: &[Finding], probes: &[(String, probe::Seen)]) -> Result<()> {
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    let failed = probes.iter().filter(|(_, seen)| seen.failed()).count();
    let rows: Vec<_> = probes
        .iter()
        .map(|(name, seen)| serde_json::json!({ "environment": name, "seen": seen }))
        .collect();
    cx.ui
        .json(&serde_json::json!({ "findings": findings, "probes": rows, "good": errors + failed == 0 }));
    if !cx.ui.json && !findings.is_empty() {
        // Before the lines are broken.
        let pasted = findings.iter().cloned().map(|finding| Finding {
            fix: with_root(&finding.fix),
            ..finding
        });
        ui::out(checks::table(&pasted.collect::<Vec<_>>()).trim_end());
    }
    for (name, seen) in probes.iter().filter(|(_, seen)| seen.failed()) {
        cx.ui.result(&format!("{name}\n  {seen}"));
    }
    let passed = probes.len() - failed;
    if errors + failed == 0 {
        cx.ui.result(&format!(
            "{} findings, none of them an error; {passed} probes passed",
            findings.len()
        ));
        return Ok(());
    }
    Err(Failure::new(
        Kind::Drift,
        format!("{errors} findings are errors and {failed} probes failed"),
    )
    .hint("each finding above names what helps"))
}
