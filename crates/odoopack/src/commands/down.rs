//! `down`: stop every process of the pack; data, configuration and secrets stay.
use odoopack_core::facts::Seen;
use odoopack_core::layout::Layout;
use odoopack_core::render::compose::volume;
use odoopack_core::spec::OwnServer;

use crate::apply;
use crate::context::{Context, Pack};
use crate::engines::Engine;
use crate::failure::Result;
use crate::observe::containers;
use crate::store::{journal::Journal, lock, marks};

/// Stop every process of this pack; data, configuration and secrets stay
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack down --dry-run\n  odoopack down")]
pub(crate) struct Args {
    /// Show what would be stopped, and stop nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let engine = Engine::here(&pack.layout);
    let running = engine.services()?;
    // Containers may be gone, by `docker compose down`, while the host still begins jobs.
    if running.is_empty() && engine.process()?.is_absent() && engine.timers()?.is_empty() {
        cx.ui.json(&serde_json::json!({ "stopped": [] }));
        cx.ui.result("nothing to do");
        return Ok(());
    }
    if args.dry_run {
        cx.ui
            .json(&serde_json::json!({ "would_stop": running.keys().collect::<Vec<_>>() }));
        for name in running.keys() {
            cx.ui.result(&format!("  - stop {name}"));
        }
        return Ok(());
    }
    let stopped = stop_all(cx, &pack)?;
    if pack.layout.containers() {
        for name in containers::beside(&pack.layout)? {
            cx.ui.say(&format!(
                "`{name}` was added to this stack by somebody and still exists, and with it the network"
            ));
        }
    }
    cx.ui.json(&serde_json::json!({ "stopped": stopped }));
    cx.ui.result(&format!(
        "stopped {} services; `odoopack up` starts them again",
        stopped.len()
    ));
    for (part, volume) in volumes(&pack.layout) {
        cx.ui.warn(&format!(
            "no container names the Docker volume `{volume}` until `odoopack up`, and data of {part} are in it: `docker system prune --volumes`, before Docker 23 `docker volume prune` too, would remove them"
        ));
    }
    Ok(())
}

/// Volumes of another stack that hold data of the pack, with whose they are: Docker takes one that no container names for unused.
fn volumes(layout: &Layout) -> Vec<(String, &str)> {
    let all = layout.adopted().filter(|_| layout.containers());
    all.filter_map(|(part, path)| Some((part, volume(path)?)))
        .collect()
}

/// Stops what serves first and the database last, then the supervisor; returns the names.
pub(crate) fn stop_all(cx: &Context, pack: &Pack) -> Result<Vec<String>> {
    crate::observe::owner::check(&pack.layout.state())?;
    let _lock = lock::take(&pack.layout.state(), "odoopack down")?;
    let mut journal = Journal::start(&pack.layout.state(), "down")?;
    let names = stop(cx, pack, |_| true)?;
    Engine::here(&pack.layout).stop_supervisor()?;
    journal.end("done")?;
    Ok(names)
}

/// Stops some of the services and whatever begins jobs; the caller holds the lock. Returns the names.
pub(super) fn stop(cx: &Context, pack: &Pack, which: fn(&str) -> bool) -> Result<Vec<String>> {
    apply::end_killed(&pack.layout, &pack.loaded.spec)?;
    let engine = Engine::here(&pack.layout);
    let mut names: Vec<String> = engine
        .services()?
        .into_iter()
        .filter(|(name, seen)| !matches!(seen, Seen::Absent) && which(name))
        .map(|(name, _)| name)
        .collect();
    for job in engine.timers()?.keys() {
        engine.remove_timer(job)?;
        marks::forget_stamp(&pack.layout.state(), &marks::timer_stamp(job))?;
    }
    names.sort_by_key(|name| order(name));
    // Odoo ends the request or the scheduled job that it has begun.
    let within = odoopack_core::target::longest_stop(&pack.loaded.spec).0;
    for name in &names {
        let progress = cx.ui.step(&format!("stop {name}"));
        engine.remove(name, within)?;
        marks::forget_stamp(&pack.layout.state(), name)?;
        progress.done();
    }
    Ok(names)
}

/// What begins jobs first, then nginx, so that nobody sees half a stack; the database last, because Odoo writes until it ends.
fn order(name: &str) -> u8 {
    match name {
        "schedule" => 0,
        "nginx" => 1,
        "gate" => 3,
        name if OwnServer::called(name).is_some() => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use odoopack_core::spec::{LoadContext, load};

    use super::*;

    #[test]
    fn a_volume_that_nothing_names_any_more_is_told() {
        let text = "format = 1\n[pack]\nname = \"shop\"\nengine = \"compose\"\n\
                    [postgres]\ndirectory = \"/var/lib/docker/volumes/old_db/_data\"\n\
                    [environments.production]\ndomain = \"erp.example.com\"\ndirectory = \"/srv/odoo\"\n";
        let spec = load(text, &LoadContext::new("/opt/shop/repo")).unwrap().spec;
        let layout = Layout::new("/opt/shop".into(), &spec.pack.name, true).with_adopted(&spec);
        assert_eq!(volumes(&layout), []);
        let layout = layout.with_engine(spec.pack.engine);
        assert_eq!(volumes(&layout), [("postgres".to_owned(), "old_db")]);
    }
}
