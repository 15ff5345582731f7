//! The restore as an operation: each step journalled before it begins, taken back when a later one fails.
mod archive;
pub(crate) mod boot;
pub(crate) mod copies;
mod database;
pub(crate) mod empty;
mod entering;
mod extensions;
mod filestore;
mod granted;
pub(crate) mod harmless;
mod load;
mod newer;
pub(crate) mod replaced;
pub(crate) mod source;
mod taking_up;
mod unfit;
mod verify;
mod watch;

pub(crate) use database::is_somebodys_role;
pub(super) use database::{alone, exists};
pub(crate) use filestore::there;
pub(crate) use taking_up::{is_done, outlook, sweep, take_up};
pub(crate) use unfit::Neutralized;
pub(crate) use verify::named;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use odoopack_core::name::Name;
use odoopack_core::restore::{Event, Step, Undo, kept_when_put_back, stays, together};
use odoopack_core::secret::SecretText;
use odoopack_core::spec::OwnServer;
use odoopack_core::target::secret_name;

use self::source::Source;
use super::Apply;
use crate::engines::programs::{self, Programs};
use crate::failure::{Failure, Kind, Result};
use crate::files::Owner;
use crate::observe::databases::variables;
use crate::store::marks;
use crate::store::operation::{Operation, RESTORE};
use crate::tools::dumps::Entrance;
use crate::ui::Progress;

/// How one ends whose new state is in place.
const DONE: &str = "done";

/// Everything that is needed to go on, or back, without the process that began.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Planned {
    pub(crate) id: String,
    pub(crate) environment: Name,
    /// The server that it is made on.
    #[serde(default)]
    pub(crate) server: OwnServer,
    /// Whether the environment itself is replaced.
    pub(crate) served: bool,
    #[serde(default)]
    pub(crate) neutralized: Neutralized,
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
    /// Tables whose rows were counted, and the rows; only of a snapshot.
    pub(crate) tables: usize,
    pub(crate) rows: u64,
    /// Whether `pg_amcheck` looked at every page; it is not on every host.
    pub(crate) pages: bool,
    /// Attachments that the database names.
    pub(crate) attachments: usize,
    /// Files that arrived.
    pub(crate) files: Option<usize>,
    pub(crate) missing: usize,
    /// Attachments that a module keeps in a storage of its own.
    pub(crate) elsewhere: usize,
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
    neutralized: Neutralized,
    source: Option<&'a Source>,
    /// Whether everything is taken back whatever comes of it.
    drill: bool,
    /// Nothing of the pack runs but its database server: `up` starts the rest and looks at it.
    dark: bool,
    /// Of the role that loads a backup of somebody else; nobody ever sees it.
    password: SecretText,
    found: Mutex<Found>,
}

impl<'a> Restore<'a> {
    fn new(apply: &'a Apply<'a>, planned: &Planned, source: Option<&'a Source>) -> Self {
        Self {
            apply,
            environment: planned.environment.clone(),
            id: planned.id.clone(),
            served: planned.served,
            neutralized: planned.neutralized,
            source,
            drill: false,
            dark: false,
            password: SecretText::new(crate::password::generate()),
            found: Mutex::default(),
        }
    }

    /// Runs a planned restore to its end.
    ///
    /// # Errors
    /// The failure of the step when nothing was visible yet, kind `RolledBack` when the old state was brought back, kind
    /// `NeedsHuman` when it could not be.
    pub(crate) fn run(apply: &'a Apply<'a>, planned: &Planned, source: &'a Source) -> Result<Found> {
        let operation = Operation::start(&apply.layout.state(), RESTORE, &planned.id, planned)?;
        let restore = Self::new(apply, planned, Some(source));
        restore.forward(planned, (0, false), operation)?;
        Ok(restore.into_found())
    }

    /// Runs a planned drill and takes everything back, whatever came of it.
    ///
    /// # Errors
    /// What was not as it should be, or kind `NeedsHuman` when something is left.
    pub(crate) fn drill(apply: &'a Apply<'a>, planned: &Planned, source: &'a Source) -> Result<Found> {
        let mut operation = Operation::start(&apply.layout.state(), RESTORE, &planned.id, planned)?;
        let restore = Self {
            drill: true,
            ..Self::new(apply, planned, Some(source))
        };
        let mut failure = None;
        let mut begun = 0;
        while begun < planned.steps.len() && failure.is_none() {
            let group = begun..begun + together(&planned.steps, begun);
            begun = group.end;
            failure = restore.group(planned, group, &mut operation).err();
        }
        let order: Vec<usize> = (0..begun).rev().collect();
        let none = Failure::failed("the drill itself went well");
        restore
            .backward(planned, &order, None, operation)
            .map_err(|e| stuck(&e, failure.as_ref().unwrap_or(&none)))?;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(restore.into_found()),
        }
    }

    /// Steps that are done at the same time, with their journal: none is begun that is not written down, none is done before all are.
    fn group(&self, planned: &Planned, group: Range<usize>, operation: &mut Operation) -> Result<()> {
        let journal = |event: &Event, at: usize, operation: &mut Operation| {
            let written = operation.event(event);
            written.map_err(|failure| self.during(&planned.steps[at], failure))
        };
        for at in group.clone() {
            journal(&Event::Begin(at), at, operation)?;
        }
        let mut steps = planned.steps[group.clone()].iter();
        std::thread::scope(|scope| {
            let first = steps.next();
            let others: Vec<_> = steps.map(|step| scope.spawn(|| self.one(step))).collect();
            let done = first.map_or(Ok(()), |step| self.one(step));
            others.into_iter().fold(done, |done, other| {
                let other = other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                done.and(other)
            })
        })?;
        group
            .into_iter()
            .try_for_each(|at| journal(&Event::Done(at), at, operation))
    }

    /// One step with its line.
    fn one(&self, step: &Step) -> Result<()> {
        let progress = self.apply.ui.step(&step.to_string());
        match self.step(step, &progress) {
            Ok(()) => {
                progress.done();
                Ok(())
            }
            Err(failure) => {
                progress.failed();
                Err(self.during(step, failure))
            }
        }
    }

    fn during(&self, step: &Step, failure: Failure) -> Failure {
        self.apply.with_disk(failure.during(format!("could not {step}")))
    }

    /// Does the steps from `from` on, which an earlier process may have begun.
    fn forward(
        &self,
        planned: &Planned,
        (from, begun): (usize, bool),
        mut operation: Operation,
    ) -> Result<()> {
        let mut next = from;
        while next < planned.steps.len() {
            let group = next..next + together(&planned.steps, next);
            next = group.end;
            let (at, last) = (group.start, group.end - 1);
            if let Err(failure) = self.group(planned, group, &mut operation) {
                if stays(&planned.steps, at, begun && at == from) {
                    self.forget_what_was(planned)?;
                    operation.end(DONE)?;
                    return Err(self.stayed(planned, failure));
                }
                return self.take_back(planned, last, operation, failure);
            }
        }
        self.forget_what_was(planned)?;
        operation.end(DONE)
    }

    /// What was known of the database that is not served any more: a module operation that was cut off in it, that it was empty.
    fn forget_what_was(&self, planned: &Planned) -> Result<()> {
        let swapped = |step: &Step| matches!(step, Step::SwapDatabase { .. });
        if !planned.served || !planned.steps.iter().any(swapped) {
            return Ok(());
        }
        let state = self.apply.layout.state();
        marks::forget_module_work(&state, &self.environment)?;
        marks::forget_awaited(&state, &self.environment)
    }

    /// What it replaced is still there; whether to go back is a person's to say.
    fn stayed(&self, planned: &Planned, failure: Failure) -> Failure {
        let kept: Vec<&str> = planned.steps.iter().filter_map(Step::kept).collect();
        let kept = if kept.is_empty() {
            "nothing was there before".to_owned()
        } else {
            format!("what was there before is kept as {}", kept.join(", "))
        };
        let what = format!(
            "{} is restored and stays so, because people can have worked in it since; {kept}",
            self.environment
        );
        failure
            .during(what)
            .hint("`odoopack up` starts what does not run")
            .into_need_of_a_person()
    }

    fn take_back(&self, planned: &Planned, at: usize, operation: Operation, failure: Failure) -> Result<()> {
        let visible = planned.steps[..=at].iter().any(Step::is_visible);
        let begun: Vec<usize> = (0..=at).rev().collect();
        let kept = kept_when_put_back(&planned.steps, |step| step <= at, &planned.id);
        self.backward(planned, &begun, kept.as_deref(), operation)
            .map_err(|e| stuck(&e, &failure))?;
        if !visible {
            return Err(failure);
        }
        let text = failure.chain().join("\n");
        let back = format!("{} is as it was before", self.environment);
        let failure = Failure::new(Kind::RolledBack, back).because(text);
        Err(match kept {
            Some(kept) => failure.hint(format!(
                "what had begun to serve is kept as {kept}; `odoopack restore --forget-replaced {}` removes it",
                self.environment
            )),
            None => failure,
        })
    }

    /// Takes steps back; where people can have been in the new state it is not removed but gets the name `kept`.
    fn backward(
        &self,
        planned: &Planned,
        order: &[usize],
        kept: Option<&str>,
        mut operation: Operation,
    ) -> Result<()> {
        for at in order {
            let step = &planned.steps[*at];
            operation.event(&Event::Undoing(*at))?;
            if let Some(undo) = step.undo() {
                let progress = self.apply.ui.step(&undo.to_string());
                if let Err(failure) = self.undo(&undo, kept) {
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
            Step::PlaceFilestore { directory, own } => self.place_filestore(directory, own, progress),
            Step::KeepNewer { from, to, .. } => newer::keep(from, to, progress),
            Step::Verify {
                database,
                directory,
                staying,
            } => {
                self.verify(database.as_deref(), directory.as_deref(), staying)?;
                directory
                    .as_deref()
                    .map_or(Ok(()), |directory| self.keep_filestore(directory))
            }
            Step::MakeHarmless {
                database,
                environment,
            } => self.make_harmless(database, environment),
            Step::HoldJobs { database } => self.hold(database),
            Step::Boot { database, own } => self.boot(database, own, progress),
            Step::StopServices { services } => self.stop(services),
            Step::SwapDatabase { from, to, kept, mark } => {
                self.swap_database(from, to, kept.as_deref(), mark.as_deref())
            }
            Step::SwapFilestore { from, to, kept } => Self::swap_filestore(from, to, kept.as_deref()),
            Step::KeepFilestore { from, to, .. } => newer::keep_whole(from, to, progress),
            Step::StartServices { .. } | Step::PassProbes { .. } if self.dark => Ok(()),
            Step::StartServices { services } => self.start(services),
            Step::PassProbes { environment } => self.apply.pass_probes(environment, progress),
        }
    }

    fn undo(&self, undo: &Undo, kept: Option<&str>) -> Result<()> {
        match undo {
            Undo::DropDatabase { database } => {
                load::sweep(self.apply.layout, &self.environment)?;
                match kept {
                    Some(kept) => self.keep_database(database, kept),
                    None => self.drop_database(database),
                }
            }
            Undo::RemoveDirectory { directory } => match kept {
                Some(kept) => Self::keep_directory(directory, kept),
                None => crate::files::remove_tree(directory),
            },
            Undo::StartServices { .. } if self.dark => Ok(()),
            Undo::StartServices { services } => self.start(services),
            Undo::StopServices { services } => self.stop(services),
            Undo::SwapDatabaseBack { from, to, kept, mark } => {
                self.swap_database_back(from, to, kept.as_deref(), mark.as_deref())
            }
            Undo::SwapFilestoreBack { from, to, kept } => {
                Self::swap_filestore_back(from, to, kept.as_deref())
            }
            Undo::GiveFilesBack { from, to } => newer::give_back(from, to, kept),
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
        major(self.apply, &self.environment)
            .ok_or_else(|| Failure::failed("the database cluster cannot be seen"))
    }

    fn owner(&self) -> Result<Option<Owner>> {
        let user = self.apply.layout.user(self.environment.as_str());
        Apply::owner(user.as_deref(), user.as_deref())
    }

    /// Whether it comes from somebody who could want harm; a snapshot was made here.
    fn foreign(&self) -> bool {
        self.source
            .is_some_and(|source| !matches!(source, Source::Snapshot(_)))
    }

    fn programs(&self) -> Result<Programs> {
        programs(self.apply, &self.environment, programs::LOAD)
    }

    fn warn(&self, text: String) {
        self.found(|found| found.warnings.push(text));
    }

    fn into_found(self) -> Found {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn found<T>(&self, change: impl FnOnce(&mut Found) -> T) -> T {
        change(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The own major of an environment's server.
fn major(apply: &Apply<'_>, environment: &Name) -> Option<u16> {
    let own = apply.spec.server_of(environment);
    let cluster = apply.facts.cluster(&own).present().map(|cluster| cluster.major);
    let server = apply.facts.server.present().map(|server| server.major);
    server.or(cluster)
}

/// How the environment's own role enters a database.
pub(crate) fn entrance(apply: &Apply<'_>, environment: &Name, database: &str) -> Result<Entrance> {
    let password = apply.secret(&secret_name(environment, "DATABASE"))?;
    let place = apply.server(environment)?.place();
    let protection = apply.layout.server().map_or_else(Vec::new, variables);
    Ok(Entrance {
        host: place.host,
        port: place.port,
        protection,
        role: apply.layout.role(environment),
        password: SecretText::new(password),
        database: database.to_owned(),
    })
}

/// PostgreSQL's programs of the server's own major, as the environment's user; `what` is done with them.
pub(crate) fn programs(apply: &Apply<'_>, environment: &Name, what: &str) -> Result<Programs> {
    let directory = major(apply, environment).and_then(|major| apply.facts.host.postgres.get(&major));
    let directory = directory.ok_or_else(|| Failure::failed("PostgreSQL's programs cannot be found"))?;
    let (directory, user) = (directory.clone(), apply.layout.user(environment.as_str()));
    // There is no image of somebody else's server, and no container of it.
    if !apply.layout.containers() || apply.spec.postgres.is_given() {
        return Ok(Programs::Host { directory, user });
    }
    let image = apply.facts.containers.images.get("postgres");
    let image = image.ok_or_else(|| Failure::failed("the image of PostgreSQL is not known"))?;
    let number = apply.container_user(environment.as_str())?;
    let name = programs::name(apply.layout, environment.as_str(), what);
    let socket = apply.layout.postgres_socket(&apply.spec.server_of(environment));
    Ok(Programs::at_socket(
        (apply.layout, socket),
        (directory, &image.pinned),
        (user, number),
        name,
    ))
}

/// The way back is blocked: what was begun stays in the journal, and the same command goes on.
fn stuck(failure: &Failure, first: &Failure) -> Failure {
    let text = [failure.chain(), first.chain()].concat().join("\n");
    Failure::new(Kind::NeedsHuman, "the way back is blocked")
        .because(text)
        .hint("put that right, then `odoopack restore --resume` goes on from here")
}
