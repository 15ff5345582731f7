//! `schedule`: the jobs of the file, when each is next due, and how it ended last.
use std::time::Duration;

use jiff::Timestamp;
use odoopack_core::schedule::{Job, Outcome, Past, Table, Zone};
use odoopack_core::spec::OwnServer;

use crate::context::{Context, Pack};
use crate::engines::{Engine, wait_until};
use crate::failure::{Failure, Kind, Result};
use crate::jobs::{self, Place};
use crate::observe::{containers, databases};
use crate::store::schedule;

/// How long a database server may take to recover after a power cut,
const BOOT: Duration = Duration::from_mins(5);
/// and one that somebody else runs, which may be gone for good.
const NEAR: Duration = Duration::from_mins(1);

/// Show the jobs of the schedule, or run them
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "`odoopack up` lets the supervisor begin each job at its time; what a machine that was off has missed is caught up once.\n\nExamples:\n  odoopack schedule list\n  odoopack schedule run certificates"
)]
pub(crate) enum Args {
    /// Show every job with its next time and its last end; exits with 8 when one failed or was not begun
    #[command(after_help = "Example:\n  odoopack schedule list --json")]
    List,
    /// Run one job now; without a name: begin every job at its time (the supervisor does this)
    #[command(after_help = "Example:\n  odoopack schedule run certificates")]
    Run {
        /// Name of a job, as `odoopack schedule list` shows it
        job: Option<String>,
        /// Only when its time has come since it ran last (timers of systemd do this)
        #[arg(long, requires = "job")]
        if_due: bool,
    },
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    match args {
        Args::List => list(cx, &pack),
        Args::Run { job: None, .. } => {
            let table = Table::of(&pack.loaded.spec);
            wait_for_servers(cx, &pack, table.jobs.iter().any(in_database));
            jobs::keep_running(&place(&pack, true))
        }
        Args::Run {
            job: Some(name),
            if_due,
        } => {
            let table = jobs::table(&pack.layout.schedule())?;
            let works_on = table.jobs.iter().find(|one| one.name == *name);
            wait_for_servers(cx, &pack, works_on.is_some_and(in_database));
            let attempt = jobs::run_now(&place(&pack, false), name, *if_due)?;
            cx.ui.json(&serde_json::json!({ "job": name, "run": attempt }));
            let Some(attempt) = attempt else {
                cx.ui
                    .result(&format!("{name}: not due, its last run is for its last time"));
                return Ok(());
            };
            cx.ui.result(&format!("{name}: {}", jobs::ended(&attempt)));
            match attempt.outcome {
                Outcome::Done => Ok(()),
                Outcome::Locked => {
                    let what = if attempt.between { "did nothing" } else { "waits" };
                    Err(Failure::new(Kind::Locked, format!("the job `{name}` {what}"))
                        .because(attempt.said.unwrap_or_default()))
                }
                Outcome::Running | Outcome::Failed(_) => {
                    Err(Failure::failed(format!("the job `{name}` failed"))
                        .because(attempt.said.unwrap_or_default())
                        .hint("`odoopack schedule list` shows all jobs"))
                }
            }
        }
    }
}

fn in_database(job: &Job) -> bool {
    job.environment.is_some()
}

/// At boot the servers start while what was missed is caught up. When the time is over the job says itself what is wrong, and that is
/// written down.
fn wait_for_servers(cx: &Context, pack: &Pack, wanted: bool) {
    if !wanted {
        return;
    }
    let given = pack.loaded.spec.postgres.is_given();
    let limit = if given { NEAR } else { BOOT };
    let all = pack.loaded.spec.servers();
    for own in all.into_iter().chain(given.then_some(OwnServer::SHARED)) {
        let Ok(server) = databases::one(&pack.loaded.spec, &pack.layout, &own) else {
            continue;
        };
        let answers = || databases::connect(&server, "postgres").is_ok();
        // One that was taken down is not waited for.
        if answers() || !(given || is_there(pack, &own)) {
            continue;
        }
        let progress = cx.ui.step(&format!("wait until `{own}` answers"));
        match wait_until(limit, answers, || Failure::failed("it does not answer")) {
            Ok(()) => progress.done(),
            Err(_) => progress.failed(),
        }
    }
}

/// Whether somebody starts the server.
fn is_there(pack: &Pack, own: &OwnServer) -> bool {
    if pack.layout.containers() {
        return containers::one(&pack.layout, &own.to_string()).is_ok_and(|one| one.is_some());
    }
    let services = Engine::here(&pack.layout).services();
    services.is_ok_and(|all| all.keys().any(|name| own.is_called(name)))
}

fn place(pack: &Pack, log: bool) -> Place {
    Place {
        root: pack.layout.root().to_owned(),
        state: pack.layout.state(),
        table: pack.layout.schedule(),
        log,
    }
}

/// One job as it is shown.
#[derive(serde::Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    job: &'a Job,
    /// The next time, ISO 8601 with the zone's offset.
    next: String,
    /// `null`: it was never seen here.
    past: Option<Past>,
    running: bool,
    overdue: bool,
    good: bool,
}

fn list(cx: &Context, pack: &Pack) -> Result<()> {
    let table = Table::of(&pack.loaded.spec);
    let state = pack.layout.state();
    let now = Timestamp::now().as_second();
    let row = |job| row(job, &table.zone, &state, now);
    let rows = table.jobs.iter().map(row).collect::<Result<Vec<_>>>()?;
    let alive = begins(&Engine::here(&pack.layout), &table)?;
    show(cx, &rows, &table.zone);
    if !alive {
        cx.ui
            .result("\nnothing begins these jobs: `odoopack up` starts what does");
    }
    let bad = rows.iter().filter(|row| !row.good).count();
    let good = alive && bad == 0;
    cx.ui
        .json(&serde_json::json!({ "zone": table.zone, "begun": alive, "jobs": rows, "good": good }));
    if good {
        return Ok(());
    }
    let what = if alive {
        format!("{bad} of these jobs failed or were not begun")
    } else {
        "no job is begun at its time".to_owned()
    };
    Err(Failure::new(Kind::Drift, what)
        .hint("`odoopack up`")
        .hint("`odoopack logs`"))
}

/// Whether somebody begins the jobs.
fn begins(engine: &Engine<'_>, table: &Table) -> Result<bool> {
    let timers = engine.timers()?;
    let service = engine.services()?;
    let service = service
        .get("schedule")
        .and_then(odoopack_core::facts::Seen::present);
    let by_timer = |job: &Job| timers.get(&job.name).is_some_and(|timer| timer.running);
    Ok(service.is_some_and(|service| service.running) || table.jobs.iter().all(by_timer))
}

fn row<'a>(job: &'a Job, zone: &Zone, state: &camino::Utf8Path, now: i64) -> Result<Row<'a>> {
    let mut past = schedule::past(state, &job.name)?;
    if let Some(past) = &mut past {
        past.follow(&job.when, zone, now);
    }
    let running = schedule::runs(state, &job.name);
    let overdue = past
        .as_ref()
        .is_some_and(|past| past.overdue(&job.when, zone, running, now));
    let failed = past.as_ref().is_some_and(|past| {
        let last = past.last.as_ref();
        past.given_up(running) || last.is_some_and(|last| matches!(last.outcome, Outcome::Failed(_)))
    });
    Ok(Row {
        job,
        next: shown(job.when.next(zone, now), zone),
        past,
        running,
        overdue,
        good: !overdue && !failed,
    })
}

fn show(cx: &Context, rows: &[Row<'_>], zone: &Zone) {
    if rows.is_empty() {
        cx.ui.result("the file asks for no job");
        return;
    }
    cx.ui.result(&format!(
        "{:<24} {:<14} {:<26} LAST ({zone})",
        "JOB", "WHEN", "NEXT"
    ));
    for row in rows {
        cx.ui.result(&format!(
            "{:<24} {:<14} {:<26} {}",
            row.job.name,
            row.job.when,
            row.next,
            last(row, zone)
        ));
        let said = row
            .past
            .as_ref()
            .and_then(|past| past.last.as_ref()?.said.as_ref());
        for line in said.iter().flat_map(|said| said.lines()) {
            cx.ui.result(&format!("{:<24} {line}", ""));
        }
    }
}

fn last(row: &Row<'_>, zone: &Zone) -> String {
    let late = if row.overdue { " OVERDUE" } else { "" };
    let Some(last) = row.past.as_ref().and_then(|past| past.last.as_ref()) else {
        return format!("never{late}");
    };
    let given_up = row.past.as_ref().is_some_and(|past| past.given_up(row.running));
    let how = match (row.running, given_up) {
        (true, _) => "runs".to_owned(),
        (false, true) => format!("was cut off {} times, and waits for its next time", last.attempt),
        (false, false) => jobs::ended(last),
    };
    let missed = match (last.late(), last.missed) {
        (false, 0) => String::new(),
        (true, 0) => ", late: its time was missed".to_owned(),
        (_, count) => format!(", {} times were missed", count + u32::from(last.late())),
    };
    format!("{} {how}{missed}{late}", shown(last.started, zone))
}

fn shown(second: i64, zone: &Zone) -> String {
    let time = Timestamp::from_second(second).unwrap_or_default();
    time.to_zoned(zone.rules())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}
