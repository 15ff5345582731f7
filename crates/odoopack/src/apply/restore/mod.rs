//! The restore as an operation: each step journalled before it begins, taken back when a later one fails.
mod archive;
mod database;
mod filestore;
pub(crate) mod harmless;
mod load;
pub(crate) mod replaced;
pub(crate) mod source;
mod verify;

pub(super) use database::{alone, exists};
pub(crate) use filestore::there;

use std::cell::RefCell;

use odoopack_core::name::Name;
use odoopack_core::restore::{Event, Recovery, Step, Undo, recover};
use odoopack_core::target::{postgres_port, secret_name};

use self::source::Source;
use super::Apply;
use crate::failure::{Failure, Kind, Result};
use crate::files::Owner;
use crate::store::operation::{Operation, Unfinished, unfinished};
use crate::tools::dumps::Entrance;
use crate::ui::Progress;

/// Name of this kind of operation in the journals.
const KIND: &str = "restore";

/// Everything that is needed to go on, or back, without the process that began.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Planned {
    pub(crate) id: String,
    pub(crate) environment: Name,
    /// Whether the environment itself is replaced.
    pub(crate) served: bool,
    /// Where it comes from, in words.
    pub(crate) source: String,
    pub(crate) steps: Vec<Step>,
}

/// What was seen on the way.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Found {
    /// Version of `base` in the database.
    pub(crate) version: String,
    pub(crate) modules: usize,
    /// Attachments that the database names.
    pub(crate) attachments: usize,
    /// Files that arrived.
    pub(crate) files: Option<usize>,
    pub(crate) missing: usize,
    pub(crate) damaged: Vec<String>,
    /// What waits in a held production.
    pub(crate) waiting: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// A restore that runs, or is taken up again.
#[derive(Debug)]
pub(crate) struct Restore<'a> {
    apply: &'a Apply<'a>,
    environment: Name,
    id: String,
    served: bool,
    source: Option<&'a Source>,
    found: RefCell<Found>,
}

impl<'a> Restore<'a> {
    fn new(apply: &'a Apply<'a>, planned: &Planned, source: Option<&'a Source>) -> Self {
        Self {
            apply,
            environment: planned.environment.clone(),
            id: planned.id.clone(),
            served: planned.served,
            source,
            found: RefCell::default(),
        }
    }

    /// Runs a planned restore to its end.
    ///
    /// # Errors
    /// The failure of the step when nothing was visible yet, kind `RolledBack` when the old state was brought back, kind
    /// `NeedsHuman` when it could not be.
    pub(crate) fn run(apply: &'a Apply<'a>, planned: &Planned, source: &'a Source) -> Result<Found> {
        let operation = Operation::start(&apply.layout.state(), KIND, &planned.id, planned)?;
        let restore = Self::new(apply, planned, Some(source));
        restore.forward(planned, 0, operation)?;
        Ok(restore.found.into_inner())
    }

    fn forward(&self, planned: &Planned, from: usize, mut operation: Operation) -> Result<()> {
        for (at, step) in planned.steps.iter().enumerate().skip(from) {
            let progress = self.apply.ui.step(&step.to_string());
            let done = operation
                .event(&Event::Begin(at))
                .and_then(|()| self.step(step, &progress))
                .and_then(|()| operation.event(&Event::Done(at)));
            if let Err(failure) = done {
                progress.failed();
                let failure = self.apply.with_disk(failure.during(format!("could not {step}")));
                return self.take_back(planned, at, operation, failure);
            }
            progress.done();
        }
        operation.end("done")
    }

    fn take_back(&self, planned: &Planned, at: usize, operation: Operation, failure: Failure) -> Result<()> {
        let visible = planned.steps[..=at].iter().any(Step::is_visible);
        let begun: Vec<usize> = (0..=at).rev().collect();
        self.backward(planned, &begun, operation)
            .map_err(|e| stuck(&e, &failure))?;
        if visible {
            let text = failure.chain().join("\n");
            return Err(Failure::new(
                Kind::RolledBack,
                format!("{} is as it was before", self.environment),
            )
            .because(text));
        }
        Err(failure)
    }

    fn backward(&self, planned: &Planned, order: &[usize], mut operation: Operation) -> Result<()> {
        for at in order {
            let step = &planned.steps[*at];
            operation.event(&Event::Undoing(*at))?;
            if let Some(undo) = step.undo() {
                let progress = self.apply.ui.step(&undo.to_string());
                if let Err(failure) = self.undo(&undo) {
                    progress.failed();
                    return Err(failure.during(format!("could not {undo}")));
                }
                progress.done();
            }
            operation.event(&Event::Undone(*at))?;
        }
        operation.end("reverted")
    }

    fn step(&self, step: &Step, progress: &Progress) -> Result<()> {
        match step {
            Step::MakeDatabase { database, role } => self.make_database(database, role),
            Step::LoadDatabase { database } => self.load(database, progress),
            Step::PlaceFilestore { directory } => self.place_filestore(directory, progress),
            Step::Verify { database, directory } => self.verify(database.as_deref(), directory.as_deref()),
            Step::MakeHarmless {
                database,
                environment,
            } => self.make_harmless(database, environment),
            Step::HoldJobs { database } => self.hold(database),
            Step::StopServices { services } => self.stop(services),
            Step::SwapDatabase { from, to, kept, mark } => {
                self.swap_database(from, to, kept.as_deref(), mark.as_deref())
            }
            Step::SwapFilestore { from, to, kept } => Self::swap_filestore(from, to, kept.as_deref()),
            Step::StartServices { services } => self.start(services),
            Step::PassProbes { environment } => self.apply.pass_probes(environment, progress),
        }
    }

    fn undo(&self, undo: &Undo) -> Result<()> {
        match undo {
            Undo::DropDatabase { database } => self.drop_database(database),
            Undo::RemoveDirectory { directory } => crate::files::remove_tree(directory),
            Undo::StartServices { services } => self.start(services),
            Undo::StopServices { services } => self.stop(services),
            Undo::SwapDatabaseBack { from, to, kept, mark } => {
                self.swap_database_back(from, to, kept.as_deref(), mark.as_deref())
            }
            Undo::SwapFilestoreBack { from, to, kept } => {
                Self::swap_filestore_back(from, to, kept.as_deref())
            }
        }
    }

    fn stop(&self, services: &[String]) -> Result<()> {
        services
            .iter()
            .rev()
            .try_for_each(|name| self.apply.remove_service(name))
    }

    fn start(&self, services: &[String]) -> Result<()> {
        services
            .iter()
            .try_for_each(|name| self.apply.start_service(name))
    }

    fn source(&self) -> Result<&'a Source> {
        self.source
            .ok_or_else(|| Failure::failed("what to restore from is not known any more"))
    }

    fn role(&self) -> String {
        self.apply.layout.role(&self.environment)
    }

    fn major(&self) -> Result<u16> {
        let cluster = self.apply.facts.cluster.present();
        cluster
            .map(|cluster| cluster.major)
            .ok_or_else(|| Failure::failed("the database cluster cannot be seen"))
    }

    fn owner(&self) -> Result<Option<Owner>> {
        let user = self.apply.layout.user(self.environment.as_str());
        Apply::owner(user.as_deref(), user.as_deref())
    }

    fn entrance(&self, database: &str) -> Result<Entrance> {
        entrance(self.apply, &self.environment, database)
    }

    fn warn(&self, text: String) {
        self.found.borrow_mut().warnings.push(text);
    }

    fn found<T>(&self, change: impl FnOnce(&mut Found) -> T) -> T {
        change(&mut self.found.borrow_mut())
    }
}

/// How the environment's own role enters a database.
pub(crate) fn entrance(apply: &Apply<'_>, environment: &Name, database: &str) -> Result<Entrance> {
    let cluster = apply.facts.cluster.present();
    let programs = cluster.and_then(|cluster| apply.facts.host.postgres.get(&cluster.major));
    let programs = programs.ok_or_else(|| Failure::failed("PostgreSQL's programs cannot be found"))?;
    let password = apply.secret(&secret_name(environment, "DATABASE"))?;
    Ok(Entrance {
        programs: programs.clone(),
        socket: apply.layout.postgres_socket(),
        port: postgres_port(apply.spec),
        role: apply.layout.role(environment),
        password: odoopack_core::secret::SecretText::new(password),
        database: database.to_owned(),
        user: apply.layout.user(environment.as_str()),
    })
}

/// Finishes or takes back every restore that was cut off; says what it did, one sentence each.
///
/// # Errors
/// Kind `NeedsHuman` when one could neither be finished nor taken back.
pub(crate) fn take_up(apply: &Apply<'_>) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let all: Vec<Unfinished<Planned, Event>> = unfinished(&apply.layout.state(), KIND)?;
    for Unfinished {
        what: planned,
        events,
        operation,
    } in all
    {
        let restore = Restore::new(apply, &planned, None);
        let done = match recover(&planned.steps, &events) {
            Recovery::Finish(from) => restore.forward(&planned, from, operation).map(|()| "finished"),
            Recovery::Revert(order) => restore
                .backward(&planned, &order, operation)
                .map(|()| "taken back"),
        };
        let done = done.map_err(|e| match e.kind {
            Kind::RolledBack | Kind::NeedsHuman => e,
            Kind::Failed | Kind::Usage | Kind::Spec | Kind::Refused | Kind::Locked | Kind::Drift => {
                stuck(&e, &Failure::failed("the restore was cut off"))
            }
        })?;
        said.push(format!(
            "a restore of {} from {} that was cut off was {done}",
            planned.environment, planned.source
        ));
    }
    Ok(said)
}

/// The way back is blocked: what was begun stays in the journal, and the same command goes on.
fn stuck(failure: &Failure, first: &Failure) -> Failure {
    let text = [failure.chain(), first.chain()].concat().join("\n");
    Failure::new(Kind::NeedsHuman, "the way back is blocked")
        .because(text)
        .hint("put that right, then `odoopack restore --resume` goes on from here")
}
