//! `status`: what runs, since when, how often it was restarted, and what each probe got.
use odoopack_core::facts::{Seen, ServiceFact};
use odoopack_core::up::fences;

use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::observe::{self, View};
use crate::probe;

/// Show what runs, since when, and what each probe of each environment got.
///
/// Exits with 8 when a service is down or a probe fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(cx: &Context, _args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let view = observe::look(&pack)?;
    let services = services(&view);
    let mut bad = services.iter().filter(|row| !row.good).count();
    services_table(cx, &services);
    let supervised = view.facts.supervisor.present().is_some();
    if !supervised {
        cx.ui
            .result("\nthe supervisor does not run: nothing heals, `odoopack up` starts it");
        bad += 1;
    }
    let probes = probes(&pack, &view)?;
    for (environment, seen) in &probes {
        cx.ui.result(&format!("\n{environment}"));
        seen.iter().for_each(|seen| cx.ui.result(&format!("  {seen}")));
        bad += seen.iter().filter(|seen| seen.failed()).count();
    }
    let fences = fences(&view.facts.host);
    for fence in &fences {
        cx.ui.result(&format!("\nnote: {fence}"));
    }
    let probes: serde_json::Map<String, serde_json::Value> = probes
        .into_iter()
        .map(|(name, seen)| (name, serde_json::json!(seen)))
        .collect();
    cx.ui.json(&serde_json::json!({
        "supervisor": supervised,
        "services": view.facts.services.iter().filter_map(|(n, s)| s.present().map(|s| (n.clone(), s))).collect::<std::collections::BTreeMap<_, _>>(),
        "probes": probes,
        "notes": fences,
        "good": bad == 0,
    }));
    if bad == 0 {
        Ok(())
    } else {
        Err(
            Failure::new(Kind::Drift, format!("{bad} of these are not as they should be"))
                .hint("odoopack up")
                .hint("odoopack logs"),
        )
    }
}

struct Row {
    name: String,
    state: &'static str,
    since: String,
    restarts: String,
    good: bool,
}

fn services(view: &View) -> Vec<Row> {
    let row = |name: &str| {
        let seen = view.facts.services.get(name);
        let fact = seen.and_then(Seen::present);
        let running = fact.is_some_and(|fact| fact.running);
        Row {
            name: name.to_owned(),
            state: if running { "up" } else { "DOWN" },
            since: fact
                .and_then(|fact| fact.since)
                .map_or_else(|| "-".to_owned(), ago),
            restarts: fact.map_or_else(|| "-".to_owned(), |fact: &ServiceFact| fact.restarts.to_string()),
            good: running,
        }
    };
    let mut names: Vec<&str> = view
        .target
        .services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    names.extend(
        view.facts
            .services
            .keys()
            .map(String::as_str)
            .filter(|n| view.target.service(n).is_none()),
    );
    names.into_iter().map(row).collect()
}

fn services_table(cx: &Context, rows: &[Row]) {
    cx.ui.result(&format!(
        "{:<32} {:<5} {:>9} {:>9}",
        "service", "state", "since", "restarts"
    ));
    for row in rows {
        cx.ui.result(&format!(
            "{:<32} {:<5} {:>9} {:>9}",
            row.name, row.state, row.since, row.restarts
        ));
    }
}

fn probes(pack: &Pack, view: &View) -> Result<Vec<(String, Vec<probe::Seen>)>> {
    let nginx = view
        .facts
        .services
        .get("nginx")
        .and_then(Seen::present)
        .is_some_and(|fact| fact.running);
    if !nginx {
        return Ok(Vec::new());
    }
    let names = pack.loaded.spec.environments.keys();
    names
        .map(|name| {
            let site = observe::site::site(&pack.loaded.spec, &pack.layout, name, &view.facts.secrets)?;
            Ok((name.to_string(), probe::run(&site, &probe::Probe::QUICK)))
        })
        .collect()
}

/// `42s`, `17m`, `5h`, `3d`.
fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
