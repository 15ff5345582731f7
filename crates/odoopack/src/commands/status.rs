//! `status`: what runs, since when, how often it was restarted, and what each probe got.
use std::collections::BTreeMap;

use odoopack_core::columns::beside;
use odoopack_core::facts::{Seen, ServiceFact};
use odoopack_core::up::fences;

use crate::context::{Context, Pack};
use crate::engines::Engine;
use crate::failure::{Failure, Kind, Result};
use crate::hint::with_root;
use crate::observe::children::Children;
use crate::observe::{self, View};
use crate::probe;
use crate::store::{marks, operation};

/// Show what runs, since when, and what each environment answers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Asks each environment the way its users do: through nginx and TLS, with every file of the login page. Exits with 8 when a service is down or an answer is wrong.\n\nExamples:\n  odoopack status\n  odoopack status --json"
)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(cx: &Context, _args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let view = observe::look(&pack)?;
    let children = children(&pack, &view);
    let services = services(&view, &children);
    let mut bad = services.iter().filter(|row| !row.good).count();
    services_table(cx, &services);
    let supervised = view.facts.supervisor.present().is_some();
    if !supervised {
        let words = Engine::here(&pack.layout).without_supervisor();
        cx.ui.result(&format!("\n{words}"));
        bad += 1;
    }
    let probes = probes(&pack, &view)?;
    for (environment, seen) in &probes {
        cx.ui.result(&format!("\n{environment}"));
        for seen in seen {
            cx.ui.result(&format!("  {seen}"));
        }
        bad += seen.iter().filter(|seen| seen.failed()).count();
    }
    let mut notes = fences(&view.facts.host, view.target.stack.is_some());
    if let (Seen::Unknown(why), Some(server)) = (&view.facts.server, pack.layout.server()) {
        notes.push(format!(
            "the database server {server} does not answer role {}: {why}",
            server.role
        ));
        bad += 1;
    }
    let mut unended = unended(&pack)?;
    unended.extend(cut_off(&pack)?);
    bad += unended.len();
    notes.extend(unended);
    for note in &notes {
        cx.ui.result(&format!("\n{}", beside("note: ", &with_root(note))));
    }
    let probes: serde_json::Map<String, serde_json::Value> = probes
        .into_iter()
        .map(|(name, seen)| (name, serde_json::json!(seen)))
        .collect();
    cx.ui.json(&serde_json::json!({
        "supervisor": supervised,
        "services": services.iter().map(|row| {
            (row.name.as_str(), stated(view.facts.services.get(&row.name), children.get(&row.name)))
        }).collect::<BTreeMap<_, _>>(),
        "probes": probes,
        "notes": notes,
        "good": bad == 0,
    }));
    if bad == 0 {
        Ok(())
    } else {
        Err(
            Failure::new(Kind::Drift, format!("{bad} of these are not as they should be"))
                .hint("`odoopack up`")
                .hint("`odoopack logs`"),
        )
    }
}

/// Module operations that have begun and not ended.
fn unended(pack: &Pack) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for environment in pack.loaded.spec.environments.keys() {
        let left = marks::module_work(&pack.layout.state(), environment)?;
        all.extend(left.filter(|left| !left.ended).map(|left| {
            format!(
                "`{}` has not ended: it is at work, or was cut off and the database of {environment} is half-way; then the same \
                 command puts it right",
                left.command
            )
        }));
    }
    Ok(all)
}

/// Restores that were cut off; `up` does nothing before they are put right.
fn cut_off(pack: &Pack) -> Result<Vec<String>> {
    let all = operation::cut_off(&pack.layout.state())?.into_iter();
    let way = "`odoopack restore --resume` finishes it or takes it back, and `--dry-run` says which";
    Ok(all.map(|what| format!("{what}: {way}")).collect())
}

/// A service in JSON.
#[derive(serde::Serialize)]
struct Service<'a> {
    #[serde(flatten)]
    fact: &'a ServiceFact,
    /// `null` where there are none.
    children: Option<Children>,
}

/// One that is wanted and not there is among them, and so is one that could not be looked at.
fn stated(seen: Option<&Seen<ServiceFact>>, children: Option<&Children>) -> serde_json::Value {
    match seen {
        Some(Seen::Present(fact)) => serde_json::json!(Service {
            fact,
            children: children.copied()
        }),
        Some(Seen::Unknown(why)) => serde_json::json!({ "running": null, "unknown": why }),
        Some(Seen::Absent | Seen::NotYet) | None => serde_json::json!({ "running": false }),
    }
}

fn children(pack: &Pack, view: &View) -> BTreeMap<String, Children> {
    let of = |(name, seen): (&String, &Seen<ServiceFact>)| {
        let children = observe::children::of(&pack.layout, name, seen.present()?)?;
        Some((name.clone(), children))
    };
    view.facts.services.iter().filter_map(of).collect()
}

struct Row {
    name: String,
    state: &'static str,
    since: String,
    restarts: String,
    children: String,
    replaced: String,
    good: bool,
}

fn services(view: &View, children: &BTreeMap<String, Children>) -> Vec<Row> {
    let row = |name: &str| {
        let seen = view.facts.services.get(name);
        let fact = seen.and_then(Seen::present);
        let children = children.get(name);
        let running = fact.is_some_and(|fact| fact.running);
        Row {
            name: name.to_owned(),
            state: if running { "up" } else { "DOWN" },
            since: fact
                .and_then(|fact| fact.since)
                .map_or_else(|| "-".to_owned(), ago),
            restarts: number(fact.map(|fact| fact.restarts)),
            children: number(children.map(|children| children.running)),
            replaced: number(children.map(|children| children.replaced)),
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

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn services_table(cx: &Context, rows: &[Row]) {
    cx.ui.result(&format!(
        "{:<32} {:<5} {:>6} {:>9} {:>9} {:>9}",
        "service", "state", "since", "restarts", "children", "replaced"
    ));
    for row in rows {
        cx.ui.result(&format!(
            "{:<32} {:<5} {:>6} {:>9} {:>9} {:>9}",
            row.name, row.state, row.since, row.restarts, row.children, row.replaced
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
            let site = observe::site::site(&pack.loaded.spec, &pack.layout, name)?;
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
