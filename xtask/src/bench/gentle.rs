//! What people who work in Odoo notice of a backup, made fast and made gently.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::client::Client;
use super::data::{self, Amount};
use super::pack::Demo;
use super::stats::Times;

/// A page that Odoo renders from the database.
const PAGE: &str = "/web/login";
/// Between two requests of the one visitor.
const PAUSE: Duration = Duration::from_millis(20);
/// How long Odoo is watched without a backup.
const ALONE: Duration = Duration::from_secs(15);

/// What a visitor saw in a while.
pub(super) struct While {
    pub(super) what: &'static str,
    pub(super) requests: Times,
    /// How long the backup took; `None`: there was none.
    pub(super) backup: Option<Duration>,
}

/// One visitor without a backup, during a fast one, without again, and during a gentle one.
pub(super) fn backups_beside_work(demo: &Demo, amount: Amount) -> Result<Vec<While>> {
    data::fill(demo, amount)?;
    let port = demo.odoo_port()?;
    // Whatever the first one stores anew, the others would not.
    demo.read(&["backup", "create"])?;
    let alone = |time| {
        visits(port, || {
            std::thread::sleep(time);
            Ok(())
        })
    };
    alone(ALONE / 5)?;
    let mut all = Vec::new();
    for (what, arguments) in [
        ("`odoopack backup create`", ["backup", "create"].as_slice()),
        (
            "`odoopack backup create --gentle`",
            &["backup", "create", "--gentle"],
        ),
    ] {
        let (requests, _) = alone(ALONE)?;
        all.push(While {
            what: "no backup",
            requests,
            backup: None,
        });
        let (requests, took) = visits(port, || demo.read(arguments).map(drop))?;
        all.push(While {
            what,
            requests,
            backup: Some(took),
        });
    }
    Ok(all)
}

/// What one visitor saw meanwhile, and how long that was.
fn visits(port: u16, meanwhile: impl FnOnce() -> Result<()>) -> Result<(Times, Duration)> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| -> Result<Vec<Duration>> {
            let mut client = Client::new(port);
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                times.push(client.get(PAGE)?);
                std::thread::sleep(PAUSE);
            }
            Ok(times)
        });
        let begun = Instant::now();
        let done = meanwhile();
        let took = begun.elapsed();
        stop.store(true, Ordering::Relaxed);
        let times = visitor.join().map_err(|_| anyhow!("the visitor fell over"))??;
        done?;
        Ok((Times::of(times).context("no request was answered")?, took))
    })
}
