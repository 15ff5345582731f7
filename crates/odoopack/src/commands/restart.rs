//! `restart`: restart the services of an environment, or one service.
use std::time::Duration;

use crate::context::Context;
use crate::engines::runit::Runit;
use crate::failure::{Failure, Result};
use crate::observe;
use crate::probe;
use crate::store::lock;

/// Restart the Odoo services of an environment, or one service by its name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack restart production\n  odoopack restart nginx")]
pub(crate) struct Args {
    /// Environment (`production`) or service (`production.blue.cron`, `nginx`)
    name: String,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let view = observe::look(&pack.loaded.spec, &pack.layout)?;
    let prefix = format!("{}.", args.name);
    let services: Vec<_> = view
        .target
        .services
        .iter()
        .filter(|service| service.name == args.name || service.name.starts_with(&prefix))
        .filter(|service| view.facts.services.contains_key(&service.name))
        .collect();
    if services.is_empty() {
        return Err(Failure::refused(format!("nothing called `{}` runs here", args.name)).hint("odoopack status"));
    }
    let _lock = lock::take(&pack.layout.state(), "odoopack restart")?;
    let engine = Runit { layout: &pack.layout };
    for service in &services {
        let progress = cx.ui.step(&format!("restart {}", service.name));
        engine.restart(service)?;
        progress.done();
    }
    if let Some(name) = pack.loaded.spec.environments.keys().find(|name| name.as_str() == args.name) {
        let progress = cx.ui.step(&format!("check {name}"));
        let site = probe::site(&pack.loaded.spec, &pack.layout, name, &view.facts.secrets)?;
        probe::must_pass(&site, Duration::from_secs(180))?;
        progress.done();
    }
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    cx.ui.json(&serde_json::json!({ "restarted": names }));
    cx.ui.result(&format!("restarted {}", names.join(", ")));
    Ok(())
}
