//! The story of a backup: hold still, store, check, show.
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::backup::{Code, Manifest, paths};
use odoopack_core::facts::{Host, Seen};
use odoopack_core::name::Name;
use odoopack_core::spec::Environment;
use odoopack_core::target;
use odoopack_repository::{Error, Label, Repository, Snapshot, Stored, Writer};

use super::database::{Collector, Frozen, naming_locks};
use super::items::{self, Origin, Told};
use super::piece::Until;
use super::record::{self, Event, Line};
use super::{addons, failure, gentle, place, unreadable};
use crate::context::{Context, Pack};
use crate::exec::pipes::broken;
use crate::failure::{Failure, Kind, Result};
use crate::observe::{self, databases};
use crate::store::journal::Journal;
use crate::store::operation::{half_restored, is_half_restored};
use crate::store::{left, lock, marks};
use crate::tools::git::bundle as git;
use crate::tools::postgres;

/// How often a dump is begun that somebody broke by changing a table.
const ATTEMPTS: u32 = 3;

/// A snapshot that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) snapshot: Snapshot,
    pub(crate) manifest: Manifest,
    pub(crate) seconds: f64,
    /// A key was made with it, and nobody has it elsewhere yet.
    pub(crate) new_key: bool,
    /// How many files were missing the last time; `None` for the first backup.
    pub(crate) missing_before: Option<u64>,
}

/// How a snapshot is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// Words to find it by.
    pub(crate) note: Option<&'a str>,
    /// Whether people who work in Odoo come first, however long it takes.
    pub(crate) gentle: bool,
}

/// Makes a snapshot of an environment.
///
/// # Errors
/// Kind `Locked` when somebody is at work on the environment or in the repository; then, and after every other error, no snapshot became
/// visible and those that were there are as they were.
pub(crate) fn create(cx: &Context, pack: &Pack, environment: &Name, wish: Wish<'_>) -> Result<Made> {
    let state = pack.layout.state();
    observe::owner::check(&state)?;
    let why = format!("odoopack backup create {environment}");
    let settings = settings(pack, environment)?;
    was_brought_up(pack, environment)?;
    let _alone = lock::take_environment(&state, environment, &why)?;
    // A new database with old attachments would count as a good snapshot, and push good ones out.
    of_one_piece(&state, environment)?;
    crate::files::directory_all(&state.join("operations")).map_err(lock::not_writable)?;
    let mut journal = Journal::start(&state, "backup-create")?;
    journal.note("environment", &serde_json::json!(environment))?;
    let begun = Instant::now();
    if wish.gentle {
        gentle::give_way()?;
    }
    let made = locked(cx, pack, (environment, settings), wish, &mut journal);
    let seconds = begun.elapsed().as_secs_f64();
    match made {
        Ok(made) => {
            let made = Made { seconds, ..made };
            record::add(&pack.layout, &line(environment, &made))?;
            journal.end("made")?;
            Ok(made)
        }
        // Somebody else was at work: that is no backup that failed.
        Err(failure) if failure.kind == Kind::Locked => {
            journal.end("waits")?;
            Err(failure.during(format!("could not back up {environment} now")))
        }
        Err(failure) => {
            let failed = Line {
                at: jiff::Timestamp::now(),
                event: Event::Failed,
                environment: environment.to_string(),
                snapshot: String::new(),
                seconds,
                detail: serde_json::json!({ "why": failure.chain() }),
            };
            let noted = record::add(&pack.layout, &failed).and_then(|()| journal.end("failed"));
            // A disk that is full, or takes nothing more, may be the one of the record too: what went wrong first is what helps.
            if let Err(not_noted) = noted {
                cx.ui.warn(&not_noted.sentence());
            }
            Err(failure.during(format!(
                "could not back up {environment}; older snapshots are as they were"
            )))
        }
    }
}

/// Before the first `up` there is nothing to back up, and no backup that has failed.
fn was_brought_up(pack: &Pack, environment: &Name) -> Result<()> {
    let spec = &pack.loaded.spec;
    let cluster = pack.layout.cluster(&spec.server_of(environment));
    let never = marks::made_by(&pack.layout.state())?.is_none() && !spec.postgres.is_given();
    if never && !cluster.join("PG_VERSION").exists() {
        let what = format!("there is no database of {environment} yet: this pack was never brought up");
        return Err(Failure::refused(what).hint("`odoopack up`"));
    }
    Ok(())
}

/// Refuses an environment whose database and attachments do not belong together, or are still to come; call it under the environment's
/// lock.
///
/// # Errors
/// Kind `Refused` with what puts it right.
pub(crate) fn of_one_piece(state: &Utf8Path, environment: &Name) -> Result<()> {
    if half_restored(state)?.contains(environment) {
        return Err(is_half_restored(environment));
    }
    not_awaited(state, environment)
}

/// Nor is the database of an environment that was recovered only in part one that anybody wants back.
fn not_awaited(state: &Utf8Path, environment: &Name) -> Result<()> {
    let Some(snapshot) = marks::awaited(state, environment)? else {
        return Ok(());
    };
    // What is on its way: a whole machine, or another engine.
    let (what, command) = if left::read(state)?.is_some_and(|left| !left.ended) {
        (
            "it comes from another engine, and has still to get",
            "odoopack engine enter",
        )
    } else {
        (
            "its recovery has not ended: it has still to get",
            "odoopack recover",
        )
    };
    Err(Failure::refused(format!(
        "the database of {environment} is empty: {what} snapshot {snapshot}"
    ))
    .hint(format!("the same `{command}` again goes on with it"))
    .hint(format!(
        "`rm {}` when it shall begin anew, without its data",
        marks::awaited_file(state, environment)
    )))
}

fn line(environment: &Name, made: &Made) -> Line {
    Line {
        at: made.snapshot.time,
        event: Event::Made,
        environment: environment.to_string(),
        snapshot: made.snapshot.id.clone(),
        seconds: made.seconds,
        detail: serde_json::json!({
            "size": made.snapshot.size,
            "added": made.snapshot.added,
            "missing": made.manifest.attachments.missing.len(),
            "left_out": made.manifest.left_out.len(),
        }),
    }
}

fn settings<'a>(pack: &'a Pack, environment: &Name) -> Result<&'a Environment> {
    pack.loaded.spec.environments.get(environment).ok_or_else(|| {
        let names: Vec<_> = pack.loaded.spec.environments.keys().map(Name::as_str).collect();
        Failure::new(
            crate::failure::Kind::Usage,
            format!("there is no environment `{environment}`"),
        )
        .hint(format!("there is: {}", names.join(", ")))
    })
}

fn locked(
    cx: &Context,
    pack: &Pack,
    (environment, settings): (&Name, &Environment),
    wish: Wish<'_>,
    journal: &mut Journal,
) -> Result<Made> {
    let server = databases::server(&pack.loaded.spec, &pack.layout, environment)?;
    // Before anything is made: a database that is not there leaves no repository behind.
    let major = Frozen::take(&server, &settings.database)?.describe()?.major;
    let mut origin = origin(pack, environment, settings, &server, major)?;
    origin.trees = addons::built(cx, pack);
    origin.gentle = wish.gentle;
    let (repository, new_key) = place::open_or_make(cx, pack)?;
    let holder = place::holder(&format!("odoopack backup create {environment}"))?;
    let writer = repository.writer(&holder).map_err(|e| failure::of(&e))?;
    shallow(cx, &origin)?;
    let missing_before = missing_before(pack, environment)?;
    let mut tries = Tries {
        attempt: 1,
        afresh: false,
    };
    let (stored, manifest) = loop {
        journal.note("store", &serde_json::json!({ "attempt": tries.attempt }))?;
        // The collector first: what the snapshot names must not be collected after it was taken.
        let collector = Collector::hold(&server, &settings.database)?;
        let frozen = Frozen::take(&server, &settings.database)?;
        let told = Told::default();
        let label = label(pack, environment, wish.note, &frozen);
        match store(
            cx,
            (&repository, &writer),
            (&label, tries.afresh),
            (origin.clone(), frozen),
            &told,
        ) {
            Ok(stored) => {
                collector.release()?;
                lacking_history(cx, &told);
                break stored;
            }
            Err(not_stored) => {
                let database_failed = told.database_failed.load(Ordering::SeqCst);
                tries.again(cx, not_stored, database_failed).map_err(|failure| {
                    if database_failed {
                        explained(failure, (&server, &settings.database), environment)
                    } else {
                        failure
                    }
                })?;
            }
        }
    };
    unreadable::warn(cx, stored.unreadable());
    warn_of_left_out(cx, &manifest.left_out);
    journal.note("check", &serde_json::json!(stored.snapshot().id))?;
    sane(&origin, &stored, &manifest)?;
    let snapshot = stored.publish().map_err(|e| failure::of(&e))?;
    Ok(Made {
        snapshot,
        manifest,
        seconds: 0.0,
        new_key,
        missing_before,
    })
}

/// How often it was tried, and whether as if no snapshot were there.
struct Tries {
    attempt: u32,
    afresh: bool,
}

impl Tries {
    /// What another attempt may store is tried again.
    fn again(&mut self, cx: &Context, not_stored: NotStored, database_failed: bool) -> Result<()> {
        let (failure, what) = match not_stored {
            NotStored::Damaged(failure) if !self.afresh => {
                let why = failure.chain().join(": ");
                cx.ui.warn(&format!(
                    "storing everything anew, as if no snapshot were there: {why}"
                ));
                self.afresh = true;
                return Ok(());
            }
            NotStored::Changed(failure) => (failure, "trying again"),
            NotStored::Other(failure) if database_failed => {
                (failure, "the database was not read to its end, trying again")
            }
            NotStored::Damaged(failure) | NotStored::Other(failure) => return Err(failure),
        };
        if self.attempt == ATTEMPTS || is_of_a_damaged_page(&failure) {
            return Err(failure);
        }
        cx.ui.warn(&format!("{what}: {}", failure.chain().join(": ")));
        self.attempt += 1;
        Ok(())
    }
}

/// Whether the server found a page of a table to be other than it was written; reading it again changes nothing.
///
/// # Source
/// PostgreSQL 12 to 18, `bufmgr.c` and `storage/page.c`: `invalid page in block 5 of relation base/16388/16434`.
fn is_of_a_damaged_page(failure: &Failure) -> bool {
    failure
        .chain()
        .iter()
        .any(|said| said.contains("invalid page in block"))
}

/// Names what kept the database from being read, where that can be seen.
fn explained(
    failure: Failure,
    (server, database): (&databases::Server, &str),
    environment: &Name,
) -> Failure {
    if !is_of_a_damaged_page(&failure) {
        return naming_locks(failure, (server, database), environment);
    }
    failure
        .hint("a part of this table was damaged on the disk: `dmesg` says whether the disk fails")
        .hint(format!(
            "`odoopack restore latest --of {environment} --as look` brings the newest snapshot back beside it, with what the table held then"
        ))
}

/// Says why the history is not in the snapshot, where it is not.
fn lacking_history(cx: &Context, told: &Told) {
    let why = told.history.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(why) = why {
        cx.ui
            .warn(&format!("the pack's history is not in the snapshot: {why}"));
    }
}

/// Commits that a clone has only the newest of lack what they build on, and nothing takes them.
fn shallow(cx: &Context, origin: &Origin) -> Result<()> {
    if origin.code.commit.is_none() {
        return Ok(());
    }
    let answer = git::is_shallow(&origin.pack).outcome()?;
    if answer.stdout.trim() == "true" {
        cx.ui.warn(&format!(
            "the pack is a shallow clone: its files come back from the snapshot, its history does not; `git -C {} fetch --unshallow` brings all of it",
            origin.pack
        ));
    }
    Ok(())
}

/// The database and its attachments are worth more than the files beside them: those are only said.
fn warn_of_left_out(cx: &Context, all: &[String]) {
    let Some(first) = all.first() else { return };
    let count = all.len();
    cx.ui.warn(&format!(
        "{count} files or directories of the pack are not in the snapshot, as its manifest says: {first}"
    ));
}

fn label(pack: &Pack, environment: &Name, note: Option<&str>, frozen: &Frozen) -> Label {
    Label {
        pack: pack.layout.pack().to_string(),
        environment: environment.to_string(),
        time: frozen.taken,
        note: note.map(str::to_owned),
    }
}

fn origin(
    pack: &Pack,
    environment: &Name,
    settings: &Environment,
    server: &databases::Server,
    major: u16,
) -> Result<Origin> {
    let mut host = observe::host::host(pack.layout.root())?;
    let inside = in_container(pack, environment, &mut host)?;
    if server.is_given() {
        observe::given::fill(&mut host);
    }
    let programs = clients_of(&host.postgres, major)?;
    let release = match observe::release(pack)? {
        Seen::Present(release) => Some(release),
        Seen::Absent | Seen::Unknown(_) | Seen::NotYet => None,
    };
    let commit = git::head(&pack.directory).outcome()?;
    let commit = commit.status.success().then(|| commit.stdout.trim().to_owned());
    let data = pack.layout.environment(environment);
    Ok(Origin {
        layout: pack.layout.clone(),
        environment: environment.to_string(),
        kind: target::database_mark(settings.kind).to_owned(),
        code: Code {
            series: pack.loaded.spec.odoo.series.to_string(),
            release: release.as_ref().map(|release| release.id.clone()),
            identity: release.map(|release| release.identity),
            commit,
        },
        filestore: data.join("filestore").join(&settings.database),
        pack: pack.directory.clone(),
        outside: outside(pack),
        trees: Vec::new(),
        programs: programs.clone(),
        inside,
        server: server.place(),
        gentle: false,
    })
}

/// Addons and requirements of the file that are not below the pack's directory.
fn outside(pack: &Pack) -> Vec<camino::Utf8PathBuf> {
    let addons = &pack.loaded.spec.addons;
    let all = addons.own.iter().chain(&addons.requirements);
    all.map(|path| pack.directory.join(path))
        .filter(|path| {
            let real = |path: &Utf8Path| path.canonicalize_utf8().ok();
            match (real(path), real(&pack.directory)) {
                (Some(path), Some(directory)) => !path.starts_with(directory),
                _ => false,
            }
        })
        .collect()
}

/// The client programs for a server. Those of an older major refuse it, and what those of a newer one write nobody can put back into it: they
/// set what it does not know.
fn clients_of(all: &BTreeMap<u16, Utf8PathBuf>, major: u16) -> Result<&Utf8PathBuf> {
    all.get(&major).ok_or_else(|| {
        let here: Vec<String> = all.keys().map(ToString::to_string).collect();
        let here = if here.is_empty() {
            "none".to_owned()
        } else {
            here.join(", ")
        };
        Failure::refused(format!(
            "pg_dump of the server's own major version {major} is not installed"
        ))
        .because(format!("client programs that are here: {here}"))
        .hint(format!("`apt-get install postgresql-client-{major}`"))
    })
}

/// The container of the pack's own server, whose programs take the place of the host's.
fn in_container(pack: &Pack, environment: &Name, host: &mut Host) -> Result<Option<String>> {
    if !pack.layout.containers() || pack.loaded.spec.postgres.is_given() {
        return Ok(None);
    }
    observe::containers::fill(host, &observe::containers::look(pack)?);
    let service = pack.loaded.spec.server_of(environment).to_string();
    let server = observe::containers::one(&pack.layout, &service)?.filter(|one| one.running);
    let server = server.ok_or_else(|| Failure::refused("PostgreSQL does not run").hint("`odoopack up`"))?;
    Ok(Some(server.id))
}

fn missing_before(pack: &Pack, environment: &Name) -> Result<Option<u64>> {
    let lines = record::all(&pack.layout)?;
    let of = |line: &&Line| line.event == Event::Made && line.environment == environment.as_str();
    let last = lines.iter().rev().find(of);
    Ok(last.and_then(|line| line.detail["missing"].as_u64()))
}

/// Why nothing was stored.
enum NotStored {
    /// A directory that an older snapshot has stored cannot be read.
    Damaged(Failure),
    /// Somebody changed a file of the pack meanwhile.
    Changed(Failure),
    Other(Failure),
}

fn store<'a>(
    cx: &Context,
    (repository, writer): (&'a Repository, &Writer),
    (label, afresh): (&Label, bool),
    (origin, frozen): (Origin, Frozen),
    told: &Told,
) -> std::result::Result<(Stored<'a>, Manifest), NotStored> {
    let progress = Arc::new(cx.ui.step(&format!("store {}", label.environment)));
    let shown = Arc::clone(&progress);
    let items = items::all(origin, frozen, told.clone(), move |path| shown.detail(path));
    let stored = if afresh {
        repository.store_afresh(writer, label, items)
    } else {
        repository.store(writer, label, items)
    };
    let manifest = told
        .manifest
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    // The items and with them the second owner of the line are gone.
    let end = |good: bool| match Arc::into_inner(progress) {
        Some(progress) if good => progress.done(),
        Some(progress) => progress.failed(),
        None => {}
    };
    let stored = match stored {
        Ok(stored) => stored,
        Err(e) => {
            end(false);
            let failure = failure::of(&e);
            return Err(if matches!(e, Error::Damaged(_)) {
                NotStored::Damaged(failure)
            } else if matches!(e, Error::Changed(_)) {
                NotStored::Changed(failure)
            } else {
                NotStored::Other(failure)
            });
        }
    };
    end(true);
    let manifest =
        manifest.ok_or_else(|| NotStored::Other(Failure::failed("the snapshot has no manifest")))?;
    Ok((stored, manifest))
}

/// Reads in what was stored before anybody can see it: the archive lists every table that was counted.
fn sane(origin: &Origin, stored: &Stored<'_>, manifest: &Manifest) -> Result<()> {
    let cmd = postgres::list_archive(origin.client("pg_restore"));
    let listed = cmd.through(
        |input| {
            let mut until = Until { input, enough: false };
            let streamed = stored
                .reader()
                .stream_parts(stored.snapshot(), paths::DUMP, &mut until);
            match streamed {
                Err(e) if !until.enough => Err(failure::of(&e)),
                _ => Ok(()),
            }
        },
        |output| {
            let mut text = String::new();
            output.read_to_string(&mut text).map_err(broken)?;
            Ok(text)
        },
    );
    let listed = listed.map_err(|e| e.during("the dump cannot be listed"))?;
    let listed = postgres::TablesWithData::parse(&listed);
    let lacking: Vec<&str> = manifest
        .database
        .tables
        .keys()
        .filter(|table| !listed.holds(table))
        .map(String::as_str)
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "the dump does not hold: {}",
        lacking.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_database_that_awaits_its_data_is_not_backed_up() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        let [shop, other] = ["shop", "production"].map(|name| name.parse().unwrap());
        not_awaited(state, &shop).unwrap();
        marks::remember_awaited(state, &shop, "1a2b3c4d").unwrap();
        let failure = not_awaited(state, &shop).unwrap_err();
        let said = failure.sentence();
        assert!(
            said.contains("1a2b3c4d") && said.contains("odoopack recover"),
            "{said}"
        );
        not_awaited(state, &other).unwrap();
        marks::forget_awaited(state, &shop).unwrap();
        not_awaited(state, &shop).unwrap();
    }

    #[test]
    fn a_page_that_is_damaged_is_told_from_a_table_that_somebody_changed() {
        let failure = |why: &str| Failure::failed("the dump broke off").because(why);
        assert!(is_of_a_damaged_page(&failure(
            "ERROR:  invalid page in block 5 of relation base/16388/16434"
        )));
        assert!(!is_of_a_damaged_page(&failure(
            "ERROR:  relation with OID 16434 does not exist"
        )));
    }

    #[test]
    fn only_clients_of_the_servers_own_major_make_a_backup() {
        let here =
            BTreeMap::from([15, 17].map(|major| (major, Utf8PathBuf::from(format!("/pg/{major}/bin")))));
        assert_eq!(clients_of(&here, 17).unwrap(), "/pg/17/bin");
        for (all, major, told) in [
            (&here, 16, "here: 15, 17"),
            (&here, 18, "15, 17"),
            (&BTreeMap::new(), 15, "none"),
        ] {
            let failure = clients_of(all, major).unwrap_err();
            let said = format!("{} {}", failure.chain().join(": "), failure.json());
            assert!(
                said.contains(told) && said.contains(&format!("postgresql-client-{major}`")),
                "{said}"
            );
        }
    }
}
