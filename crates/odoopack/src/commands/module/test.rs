//! `module test`: Odoo's own tests in a database that exists only for them.
use odoopack_core::odoo::log::{TestReport, Trouble, Verdict};

use super::ground::Ground;
use super::running::Running;
use crate::apply::{Tested, Tests};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::observe::given;
use crate::store::journal::Journal;
use crate::store::lock;

/// Run the tests of modules in a throw-away database
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Makes an empty database beside the environment's own, installs the modules there with demonstration data, runs their tests and drops it again; nothing of the environment is stopped or touched. What a run that was killed left is dropped by the next one.\n\nExit code 8 when a test fails, 1 when the tests could not be run.\n\nExamples:\n  odoopack module test dev project_timeline\n  odoopack module test dev project_timeline --tags /project_timeline:TestTimeline"
)]
pub(crate) struct Args {
    /// The environment whose code, user and role are used
    environment: String,
    /// Modules
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<String>,
    /// Odoo's `--test-tags`; without it the tests of the named modules
    #[arg(long)]
    tags: Option<String>,
    /// Without demonstration data
    #[arg(long)]
    no_demo: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let ground = Ground::look(&pack, &args.environment)?;
    known(&ground, &args.modules)?;
    let running = Running::look(&pack, &ground.environment, None)?;
    let apply = running.apply(cx, &pack);
    let tests = Tests {
        modules: &args.modules,
        tags: args.tags.clone().unwrap_or_else(|| default_tags(&args.modules)),
        demo: !args.no_demo,
    };
    if let Some(place) = pack.layout.server() {
        let server = given::look(&pack.loaded.spec, &pack.layout)?;
        given::may_make_databases(&server, &place.role, "a run of tests")?;
    }
    if args.dry_run {
        let database = apply.throwaway(&ground.environment)?;
        cx.ui
            .json(&serde_json::json!({ "database": database, "modules": args.modules, "tags": tests.tags }));
        cx.ui.result(&format!("  - make database {database}"));
        cx.ui.result(&format!(
            "  - install {} there and run the tests {}",
            args.modules.join(", "),
            tests.tags
        ));
        cx.ui.result(&format!("  - drop {database}"));
        return Ok(());
    }
    if !running.links(&pack)?.is_empty() {
        let state = pack.layout.state();
        let _pack = lock::take(&state, "odoopack module test")?;
        let mut journal = Journal::start(&state, "module-test")?;
        running.link(cx, &pack, &mut journal)?;
        journal.end("done")?;
    }
    let _lock = lock::take_tests(&pack.layout.state(), &ground.environment, "odoopack module test")?;
    let progress = cx.ui.step(&format!("test {}", args.modules.join(", ")));
    let tested = apply.test_modules(&ground.environment, &tests, &progress);
    match &tested {
        Ok(tested) if tested.failure.is_none() => progress.done(),
        _ => progress.failed(),
    }
    judge(cx, tested?)
}

/// A module that is not there would be left out, and its tests with it.
fn known(ground: &Ground, modules: &[String]) -> Result<()> {
    let tree = &ground.code.tree;
    let Some(name) = modules.iter().find(|name| tree.installable(name).is_none()) else {
        return Ok(());
    };
    let hint = odoopack_core::modules::provider(name, tree.series()).hint(name);
    Err(Failure::refused(format!(
        "there is no installable module `{name}` on the addons path"
    ))
    .hint(hint))
}

fn default_tags(modules: &[String]) -> String {
    let tags: Vec<String> = modules.iter().map(|name| format!("/{name}")).collect();
    tags.join(",")
}

fn judge(cx: &Context, tested: Tested) -> Result<()> {
    let Verdict {
        complaints, tests, ..
    } = &tested.verdict;
    cx.ui.json(&serde_json::json!({
        "tests": tests, "complaints": complaints, "log": tested.log, "seconds": cx.ui.elapsed().as_secs_f64(),
    }));
    let others = complaints.iter().any(|c| c.trouble != Trouble::TestsFailed);
    let hint = format!("the whole log: {}", tested.log);
    if !tests.failures.is_empty() {
        let said: Vec<String> = tests.failures.iter().map(ToString::to_string).collect();
        let failed = format!("{} of {} tests failed", tests.failures.len(), count(tests));
        return Err(Failure::new(Kind::Drift, failed)
            .because(said.join("\n"))
            .hint(hint));
    }
    match tested.failure {
        Some(failure) if others || tests.ran.is_none() => {
            return Err(failure.during("the tests could not be run").hint(hint));
        }
        Some(failure) => {
            return Err(Failure::new(Kind::Drift, "tests failed")
                .because(failure)
                .hint(hint));
        }
        None => {}
    }
    if tests.ran == Some(0) {
        return Err(Failure::new(Kind::Drift, "no test ran")
            .hint("check the names of modules and `--tags`")
            .hint(hint));
    }
    cx.ui.result(&format!("{} tests passed", count(tests)));
    Ok(())
}

fn count(tests: &TestReport) -> String {
    tests
        .ran
        .map_or_else(|| "an unknown number of".to_owned(), |ran| ran.to_string())
}
