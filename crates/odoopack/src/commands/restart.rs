//! `restart`: restart the services of an environment, or one service.
use std::time::Duration;

use crate::context::Context;
use crate::engines::Engine;
use crate::failure::{Failure, Result};
use crate::observe;
use crate::probe::{self, Probe};
use crate::store::lock;

/// How long an environment may take until every probe passes.
const HEALTHY: Duration = Duration::from_mins(3);

/// Restart the Odoo of an environment, or one service
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack restart production\n  odoopack restart nginx")]
pub(crate) struct Args {
    /// Environment (`production`) or service (`production.blue.cron`, `nginx`)
    name: String,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let view = observe::look(&pack)?;
    let prefix = format!("{}.", args.name);
    let services: Vec<_> = view
        .target
        .services
        .iter()
        .filter(|service| service.name == args.name || service.name.starts_with(&prefix))
        .filter(|service| view.facts.services.contains_key(&service.name))
        .collect();
    if services.is_empty() {
        return Err(
            Failure::refused(format!("nothing called `{}` runs here", args.name)).hint("`odoopack status`"),
        );
    }
    let _lock = lock::take(&pack.layout.state(), "odoopack restart")?;
    let engine = Engine::here(&pack.layout);
    for service in &services {
        let progress = cx.ui.step(&format!("restart {}", service.name));
        engine.restart(service)?;
        progress.done();
    }
    if let Some(name) = pack
        .loaded
        .spec
        .environments
        .keys()
        .find(|name| name.as_str() == args.name)
    {
        let progress = cx.ui.step(&format!("check {name}"));
        let site = observe::site::site(&pack.loaded.spec, &pack.layout, name, &view.facts.secrets)?;
        let seen = probe::wait_until_pass(&site, &Probe::QUICK, HEALTHY);
        let failed: Vec<String> = seen
            .iter()
            .filter(|s| s.failed())
            .map(ToString::to_string)
            .collect();
        if !failed.is_empty() {
            progress.failed();
            return Err(
                Failure::failed(format!("{name} does not answer as it should")).because(failed.join("\n"))
            );
        }
        progress.done();
    }
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    cx.ui.json(&serde_json::json!({ "restarted": names }));
    cx.ui.result(&format!("restarted {}", names.join(", ")));
    Ok(())
}
