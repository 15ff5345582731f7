//! Steps to effects; each step is journalled before it begins and after it has ended.
mod adopt;
mod compiled;
mod databases;
pub(crate) mod export;
mod ground;
mod hold;
mod images;
mod modules;
pub(crate) mod restore;
mod restore_point;
mod services;
mod throwaway;

pub(crate) use crate::release::packages::heal as heal_packages;
pub(crate) use ground::remove_users;
pub(crate) use images::Carried;
pub(crate) use modules::{end_strays, exclude_click_odoo, remember, reset_states};
pub(crate) use restore_point::{database_size, restore_point};
pub(crate) use throwaway::{Tested, Tests};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{Facts, Release};
use odoopack_core::layout::{ACT, Layout};
use odoopack_core::plan::{Plan, Step};
use odoopack_core::spec::{OwnServer, Spec};
use odoopack_core::target::Target;
use odoopack_core::units::Bytes;

use crate::engines::programs;
use crate::failure::{Failure, Result};
use crate::files::Owner;
use crate::observe;
use crate::oneshot;
use crate::release::{self, Builder};
use crate::store::journal::Journal;
use crate::ui::{Progress, Ui};

/// How programs say that a disk is full (ENOSPC, EDQUOT); PostgreSQL, where a block was written in part, by a hint (`md.c`, 15).
const FULL: [&str; 5] = [
    "No space left on device",
    "Check free disk space",
    "os error 28",
    "Disk quota exceeded",
    "os error 122",
];

/// A disk that has so much left is not the one that was full.
const ROOM: Bytes = Bytes(1 << 30);

/// What steps are applied with.
#[derive(Debug)]
pub(crate) struct Apply<'a> {
    pub(crate) ui: &'a Ui,
    pub(crate) spec: &'a Spec,
    pub(crate) layout: &'a Layout,
    pub(crate) target: &'a Target,
    pub(crate) facts: &'a Facts,
    /// Directory of the file, for relative paths.
    pub(crate) repo: Utf8PathBuf,
    /// Where downloads are kept.
    pub(crate) cache: Utf8PathBuf,
}

impl Apply<'_> {
    /// Applies every step in order and stops at the first that fails; the same command then plans again.
    pub(crate) fn run(&self, plan: &Plan, journal: &mut Journal) -> Result<()> {
        for (sentence, group) in plan.groups() {
            let progress = self.ui.step(&sentence);
            for step in group {
                progress.detail(&step.to_string());
                if let Err(failure) = self.journalled(step, &progress, journal) {
                    progress.failed();
                    return Err(self.with_disk(failure.during(format!("could not {step}"))));
                }
            }
            progress.done();
        }
        Ok(())
    }

    /// A full disk shows itself in many words; the hint names which one it is.
    pub(super) fn with_disk(&self, failure: Failure) -> Failure {
        let text = failure.chain().join("\n");
        if !FULL.iter().any(|words| text.contains(words)) {
            return failure;
        }
        let cluster = self.layout.cluster(&OwnServer::SHARED);
        let places = [
            self.layout.root(),
            &cluster,
            &self.cache,
            Utf8Path::new("/tmp"),
            Utf8Path::new("/var"),
        ];
        let free = |place: &Utf8Path| observe::host::disk_free(place).unwrap_or(Bytes(u64::MAX));
        let fullest = places.into_iter().min_by_key(|place| free(place));
        let place = fullest.unwrap_or(self.layout.root());
        let left = free(place);
        if left > ROOM {
            return failure.hint(format!(
                "a disk is full, and the fullest of the pack's own is not, that of {place} ({left} free): `df -h` says which; make room, then run the same command again"
            ));
        }
        failure.hint(format!(
            "the disk of {place} is full ({left} free): make room, then run the same command again"
        ))
    }

    fn journalled(&self, step: &Step, progress: &Progress, journal: &mut Journal) -> Result<()> {
        journal.begin(step)?;
        self.step(step, progress)?;
        journal.done(step)
    }

    fn step(&self, step: &Step, progress: &Progress) -> Result<()> {
        match step {
            Step::InstallPackages { packages } => self.install_packages(packages, progress),
            Step::CreateUser { name, home } => Self::create_user(name, home),
            Step::JoinGroup { user, group } => Self::join_group(user, group),
            Step::MakeDirectory { path } => self.make_directory(path),
            Step::PlaceBinary { path } => Self::place_binary(path),
            Step::GenerateSecret { name } => self.generate_secret(name),
            Step::ResolveSource { .. } => self.with_builder(|builder| builder.resolve(progress)),
            Step::FetchOdoo { .. } => self.with_builder(|builder| builder.fetch(self.release()?, progress)),
            Step::BuildPython { .. } => {
                self.with_builder(|builder| builder.build_python(self.release()?, progress))
            }
            Step::GetImage { part, image } => self.get_image(part, image, progress),
            Step::BuildImage { image } => self.build_image(image, progress),
            Step::GetRepositories { .. } => self.get_repositories(progress),
            Step::MakeGateImage { image } => self.make_gate_image(image),
            Step::CreateCluster { major, server } => self.create_cluster(*major, server),
            Step::TakeOver { part, path } => self.take_over(part, path),
            Step::AdoptCluster { path } => self.adopt_cluster(path),
            Step::KeepDump { database, path, .. } => self.keep_dump(database, path),
            Step::GiveDatabase { database, role, .. } => self.give_database(database, role),
            Step::IssueCertificate { environment, domain } => {
                crate::tls::issue(&self.layout.tls(), environment.as_str(), domain)
            }
            Step::LinkModules {
                edition,
                link,
                unlink,
            } => self.link_modules(edition, link, unlink),
            Step::LinkView { path, to } => Self::link_view(path, to.as_deref()),
            Step::WriteFile { path, .. } => self.write_file(path),
            Step::RemoveFile { path } => self.remove_file(path),
            Step::StartSupervisor => self.start_supervisor(),
            Step::ReadUnits => self.read_units(),
            Step::StartAtBoot { target } => self.start_at_boot(target),
            Step::StartService { service } => self.start_service(service),
            Step::RestartService { service, .. } => self.restart_service(service),
            Step::ReloadService { service, .. } => self.reload_service(service),
            Step::RemoveService { service } => self.remove_service(service),
            Step::StartTimer { job } => self.start_timer(job),
            Step::RemoveTimer { job } => self.remove_timer(job),
            Step::ConvergeRole { role } => self.converge_role(role),
            Step::CreateDatabase { database, .. } => self.create_database(database),
            Step::PrepareSessions { environment, .. } => self.prepare_sessions(environment),
            Step::DropUnfinished {
                database,
                environment,
            } => self.drop_unfinished(environment, database),
            Step::InitializeDatabase { environment, .. } => self.initialize_database(environment, progress),
            Step::FinishDatabase { environment, .. } => self.finish_database(environment),
            Step::SetAddresses { environment, .. } => self.set_addresses(environment),
            Step::MarkDatabase { environment, .. } => self.mark_database(environment),
            Step::ReleaseHold { environment } => self.release_hold(environment),
            Step::PassProbes { environment } => self.pass_probes(environment, progress),
        }
    }

    pub(super) fn release(&self) -> Result<&Release> {
        let release = self.facts.release.present();
        release.ok_or_else(|| Failure::failed("the release is not known yet"))
    }

    fn with_builder(&self, work: impl FnOnce(&Builder<'_>) -> Result<Release>) -> Result<()> {
        let odoo = &self.spec.odoo;
        let python = release::interpreter(odoo.series, odoo.python.as_deref(), self.layout.own_users())?;
        work(&Builder {
            ui: self.ui,
            layout: self.layout,
            spec: self.spec,
            cache: &self.cache,
            repo: &self.repo,
            python: &python,
            lock: crate::oca::file::read(&self.repo)?,
        })
        .map(drop)
    }

    /// Whatever a lock brings besides Odoo, which lies in an image.
    fn get_repositories(&self, progress: &Progress) -> Result<()> {
        let workshop = crate::oca::Workshop::new(self.spec, self.layout, &self.repo, &self.cache)?;
        workshop.build_trees(&self.lock()?, progress)
    }

    fn lock(&self) -> Result<odoopack_core::oca_lock::Lock> {
        let lock = release::lock_of(self.spec, &self.repo)?;
        lock.ok_or_else(|| Failure::failed("there is no lock").hint("`odoopack lock`"))
    }

    /// Numbers of an owner and a group; without names, nothing is changed.
    pub(super) fn owner(user: Option<&str>, group: Option<&str>) -> Result<Option<Owner>> {
        let (Some(user), Some(group)) = (user, group) else {
            return Ok(None);
        };
        let accounts = observe::host::accounts()?;
        let unknown = |what: &str| Failure::failed(format!("there is no {what} on this machine"));
        let (uid, _) = accounts
            .user(user)
            .ok_or_else(|| unknown(&format!("user `{user}`")))?;
        let gid = accounts
            .group(group)
            .ok_or_else(|| unknown(&format!("group `{group}`")))?;
        Ok(Some(Owner { uid, gid }))
    }
}

/// Ends what operations that were killed have left working; containers of these are no services.
///
/// # Errors
/// When something may still be there.
pub(crate) fn end_killed(layout: &Layout, spec: &Spec) -> Result<()> {
    restore::sweep(layout, spec)?;
    for name in spec.environments.keys() {
        programs::end(layout, name.as_str(), &[programs::EXPORT])?;
        oneshot::end_left(layout, name.as_str(), ACT)?;
        oneshot::end_left(layout, name.as_str(), oneshot::TESTS)?;
    }
    Ok(())
}
