//! `restart`: restart the services of an environment, or one service.
use std::time::Duration;

use odoopack_core::name::Name;
use odoopack_core::service::Service;
use odoopack_core::spec::{OwnServer, Spec};

use crate::commands::up::applier;
use crate::context::{Context, Pack};
use crate::engines::Engine;
use crate::failure::{Failure, Result};
use crate::observe::{self, View};
use crate::probe::{self, Probe};
use crate::store::journal::Journal;
use crate::store::lock;
use crate::store::marks::{self, Stamp};

/// How long an environment may take until every probe passes.
const HEALTHY: Duration = Duration::from_mins(3);

/// Restart the Odoo of an environment, or one service
#[derive(Debug, clap::Args)]
#[command(
    after_help = "While an Odoo starts again its visitors wait, and get their page. Nobody waits for nginx, PostgreSQL or Redis: who asks while one of them starts again may get an error. Checks every environment that the restart interrupts, and says when one does not answer.\n\nExamples:\n  odoopack restart production\n  odoopack restart nginx --dry-run"
)]
pub(crate) struct Args {
    /// Environment (`production`) or service (`production.blue.cron`, `nginx`)
    name: String,
    /// Show what would be restarted, and restart nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let view = observe::look(&pack)?;
    let services = named(&view, &args.name)?;
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    let interrupted = interrupted(&pack.loaded.spec, &args.name);
    if args.dry_run {
        cx.ui
            .json(&serde_json::json!({ "would_restart": names, "would_check": interrupted }));
        for name in names {
            cx.ui.result(&format!("  - restart {name}"));
        }
        for name in interrupted {
            cx.ui.result(&format!("  - check {name}"));
        }
        return Ok(());
    }
    let _lock = lock::take(&pack.layout.state(), "odoopack restart")?;
    let mut journal = Journal::start(&pack.layout.state(), "restart")?;
    let apply = applier(cx, &pack, &view);
    for service in services {
        let progress = cx.ui.step(&format!("restart {}", service.name));
        apply.behind_the_gate(&service.name, || restart(&pack, service))?;
        progress.done();
    }
    for name in interrupted {
        check(cx, &pack, name)?;
    }
    journal.end("done")?;
    cx.ui.json(&serde_json::json!({ "restarted": names }));
    cx.ui.result(&format!("restarted {}", names.join(", ")));
    Ok(())
}

/// Services with this name, or of the environment with this name, that run here.
fn named<'a>(view: &'a View, name: &str) -> Result<Vec<&'a Service>> {
    let prefix = format!("{name}.");
    let all = view.target.services.iter();
    let services: Vec<_> = all
        .filter(|service| service.name == name || service.name.starts_with(&prefix))
        .filter(|service| view.facts.services.contains_key(&service.name))
        .collect();
    if services.is_empty() {
        return Err(Failure::refused(format!("nothing called `{name}` runs here")).hint("`odoopack status`"));
    }
    Ok(services)
}

/// Environments that notice: the one whose name it is or begins with, those that a server of PostgreSQL or Redis serves,
/// else all of them.
fn interrupted<'a>(spec: &'a Spec, name: &str) -> Vec<&'a Name> {
    let all = spec.environments.keys();
    if let Some(server) = OwnServer::called(name) {
        return all
            .filter(|environment| spec.server_of(environment) == server)
            .collect();
    }
    if name == "redis" {
        return spec.in_redis().collect();
    }
    let own: Vec<&Name> = all
        .clone()
        .filter(|environment| name.split('.').next() == Some(environment.as_str()))
        .collect();
    if own.is_empty() { all.collect() } else { own }
}

/// A restart that was asked for is none of those that `status` counts; what the service was started with stays as it
/// was, for files that `up` has not written yet are not read by it.
fn restart(pack: &Pack, service: &Service) -> Result<()> {
    let engine = Engine::here(&pack.layout);
    engine.restart(service)?;
    let state = pack.layout.state();
    let Some(stamp) = marks::stamp(&state, &service.name)? else {
        return Ok(());
    };
    let starts = engine.starts(&service.name)?;
    marks::remember_stamp(&state, &service.name, &Stamp { starts, ..stamp })
}

fn check(cx: &Context, pack: &Pack, name: &Name) -> Result<()> {
    let progress = cx.ui.step(&format!("check {name}"));
    let site = observe::site::site(&pack.loaded.spec, &pack.layout, name)?;
    let seen = probe::wait_until_pass(&site, &Probe::QUICK, HEALTHY);
    let failed: Vec<String> = seen
        .iter()
        .filter(|s| s.failed())
        .map(ToString::to_string)
        .collect();
    if failed.is_empty() {
        progress.done();
        return Ok(());
    }
    progress.failed();
    Err(Failure::failed(format!("{name} does not answer as it should"))
        .because(failed.join("\n"))
        .hint(format!("`odoopack logs {name}`")))
}

#[cfg(test)]
mod tests {
    use odoopack_core::spec::{LoadContext, load};

    use super::*;

    #[test]
    fn only_those_that_notice_are_checked() {
        let text = "format = 1\n[postgres]\ncluster = \"per-edition\"\n[editions.core]\n[editions.marketing]\n\
                    [environments.production]\nedition = \"core\"\ndomain = \"a.b\"\nsessions = \"redis\"\n\
                    [environments.staging]\nedition = \"core\"\ndomain = \"c.b\"\n\
                    [environments.marketing]\nedition = \"marketing\"\nkind = \"production\"\ndomain = \"d.b\"\n";
        let spec = load(text, &LoadContext::new("/opt/shop/repo"))
            .unwrap_or_else(|mistakes| panic!("{mistakes}"))
            .spec;
        let said = |name: &str| {
            let all = interrupted(&spec, name).into_iter();
            all.map(Name::as_str).collect::<Vec<_>>().join(" ")
        };
        for (name, environments) in [
            ("postgres.core", "production staging"),
            ("postgres.marketing", "marketing"),
            ("redis", "production"),
            ("marketing.blue.cron", "marketing"),
            ("staging", "staging"),
            ("nginx", "marketing production staging"),
            ("gate", "marketing production staging"),
        ] {
            assert_eq!(said(name), environments, "{name}");
        }
    }
}
