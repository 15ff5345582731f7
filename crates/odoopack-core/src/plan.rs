//! A plan: the steps from what was seen to what is wanted, each one sentence that an operator reads.
use std::fmt;

use camino::Utf8PathBuf;

use crate::name::Name;
use crate::spec::OwnServer;

/// What to do now, and what will follow once its results can be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Plan {
    /// Steps in the order in which they run.
    pub steps: Vec<Step>,
    /// Sentences about later stages, whose steps cannot be named before this stage has run.
    pub then: Vec<String>,
    /// Reasons why nothing may be touched; a plan with any is never applied.
    pub refusals: Vec<Refusal>,
    /// Things worth saying that stop nothing.
    pub notes: Vec<String>,
}

/// A reason not to begin.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// What stands in the way and why.
    pub what: String,
    /// The command or the change that helps.
    pub hint: String,
}

impl Refusal {
    /// A reason with the way out of it.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }
}

/// Why a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It is not there.
    Missing,
    /// What the file should say has changed.
    Changed,
    /// Only owner or mode differ.
    Permissions,
    /// Somebody edited it; written only when the operator asked for that.
    Edited,
}

/// One thing to do; converging, so doing it again is harmless.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Install Debian packages without starting their services.
    InstallPackages { packages: Vec<String> },
    /// Create a system user with a group of its own.
    CreateUser { name: String, home: Utf8PathBuf },
    /// Add a user to a group.
    JoinGroup { user: String, group: String },
    /// Create a directory, or converge its owner and mode.
    MakeDirectory { path: Utf8PathBuf },
    /// Make a view lead where it should; without a place to lead to it is removed.
    LinkView {
        path: Utf8PathBuf,
        to: Option<Utf8PathBuf>,
    },
    /// Put a copy of this binary where the services run it from.
    PlaceBinary { path: Utf8PathBuf },
    /// Generate a secret value that nobody has set.
    GenerateSecret { name: String },
    /// Fix which version of Odoo's code is meant.
    ResolveSource { source: String },
    /// Download and unpack Odoo's code.
    FetchOdoo { release: String },
    /// Build the virtual environment.
    BuildPython { release: String },
    /// Find an image here, else pull it, and pin what was found.
    GetImage { part: String, image: String },
    /// Build an image that holds the lock's Python packages besides what is in this one, and pin it.
    BuildImage { image: String },
    /// Build the trees of the lock's repositories, for a release whose Odoo lies in an image.
    GetRepositories { release: String },
    /// Make the gate's image from this program.
    MakeGateImage { image: String },
    /// Create a server's database cluster.
    CreateCluster {
        major: u16,
        #[serde(skip_serializing_if = "OwnServer::is_shared")]
        server: OwnServer,
    },
    /// Give a directory that another stack made to the user of a part.
    TakeOver { part: String, path: Utf8PathBuf },
    /// Make the administering role in a cluster that another stack made.
    AdoptCluster { path: Utf8PathBuf },
    /// Issue a certificate from the pack's own authority.
    IssueCertificate { environment: Name, domain: String },
    /// Converge the links to an edition's modules.
    LinkModules {
        edition: String,
        link: Vec<String>,
        unlink: Vec<String>,
    },
    /// Write one rendered file.
    WriteFile { path: Utf8PathBuf, why: Why },
    /// Remove a file that nothing wants any more.
    RemoveFile { path: Utf8PathBuf },
    /// Start the supervisor.
    StartSupervisor,
    /// Let systemd read its units again.
    ReadUnits,
    /// Let systemd start this target, and with it the services, now and at every boot.
    StartAtBoot { target: String },
    /// Let the supervisor run a service and wait until it does.
    StartService { service: String },
    /// Restart a service whose definition or files changed.
    RestartService { service: String, because: String },
    /// Make a service read its files again.
    ReloadService { service: String, because: String },
    /// Stop a service and forget it.
    RemoveService { service: String },
    /// Let systemd begin a job at its times.
    StartTimer { job: String },
    /// Let systemd forget a job.
    RemoveTimer { job: String },
    /// Create or converge the role of an environment.
    ConvergeRole { role: String },
    /// Keep a dump of a database as another stack left it.
    KeepDump {
        environment: Name,
        database: String,
        path: Utf8PathBuf,
    },
    /// Give a database and everything in it to the role of its environment, object by object.
    GiveDatabase {
        environment: Name,
        database: String,
        from: String,
        role: String,
    },
    /// Create an empty database that only its role and the administrator may connect to.
    CreateDatabase { environment: Name, database: String },
    /// Make role and database of an environment's sessions.
    PrepareSessions { environment: Name, database: String },
    /// Drop a database whose first installation was interrupted.
    DropUnfinished { environment: Name, database: String },
    /// Install Odoo into an empty database.
    InitializeDatabase {
        environment: Name,
        database: String,
        modules: Vec<String>,
    },
    /// Set the administrator's password and addresses, and mark the database as complete.
    FinishDatabase { environment: Name, database: String },
    /// Set the addresses that Odoo names, of itself and for its reports.
    SetAddresses { environment: Name, database: String },
    /// Mark a database that somebody else filled.
    MarkDatabase { environment: Name, database: String },
    /// Let the requests of an environment in again that the gate keeps waiting.
    ReleaseHold { environment: Name },
    /// Wait until an environment answers as it should.
    PassProbes { environment: Name },
}

#[expect(clippy::too_many_lines, reason = "one sentence per step")]
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstallPackages { packages } => {
                write!(f, "install {} (starts no service)", packages.join(" "))
            }
            Self::CreateUser { name, .. } => write!(f, "create user {name}"),
            Self::JoinGroup { user, group } => write!(f, "let {user} read files of group {group}"),
            Self::MakeDirectory { path } => write!(f, "make directory {path}"),
            Self::LinkView { path, to: Some(to) } => write!(f, "link {path} to {to}"),
            Self::LinkView { path, to: None } => write!(f, "remove the link {path}"),
            Self::PlaceBinary { path } => write!(f, "copy this program to {path}"),
            Self::GenerateSecret { name } => write!(f, "generate secret {name}"),
            Self::ResolveSource { source } => write!(f, "find the newest Odoo of {source}"),
            Self::FetchOdoo { release } => write!(f, "get Odoo {release}"),
            Self::BuildPython { release } => write!(f, "build the Python environment of {release}"),
            Self::GetImage { image, .. } => write!(f, "get image {image} and pin it"),
            Self::BuildImage { image } => {
                write!(f, "build an image on {image} with the locked Python packages")
            }
            Self::GetRepositories { release } => write!(f, "get the locked modules of {release}"),
            Self::MakeGateImage { image } => write!(f, "make image {image} from this program"),
            Self::CreateCluster { major, server } => match server.edition() {
                None => write!(f, "create a PostgreSQL {major} cluster"),
                Some(edition) => write!(f, "create a PostgreSQL {major} cluster for edition {edition}"),
            },
            Self::TakeOver { part, path } => {
                write!(f, "give {path} and what is in it to the user of {part}")
            }
            Self::AdoptCluster { path } => write!(f, "make the administering role in the cluster of {path}"),
            Self::IssueCertificate { domain, .. } => write!(f, "issue a certificate for {domain}"),
            Self::LinkModules {
                edition,
                link,
                unlink,
            } => f.write_str(&linking(edition, link, unlink)),
            Self::WriteFile { path, why } => write!(f, "write {path} ({why})"),
            Self::RemoveFile { path } => write!(f, "remove {path}"),
            Self::StartSupervisor => write!(f, "start the supervisor"),
            Self::ReadUnits => write!(f, "let systemd read its units again"),
            Self::StartAtBoot { target } => write!(f, "start {target} at every boot"),
            Self::StartService { service } => write!(f, "start {service}"),
            Self::RestartService { service, because } => write!(f, "restart {service} ({because})"),
            Self::ReloadService { service, because } => write!(f, "reload {service} ({because})"),
            Self::RemoveService { service } => write!(f, "stop and remove {service}"),
            Self::StartTimer { job } => write!(f, "start the timer of {job}"),
            Self::RemoveTimer { job } => write!(f, "remove the timer of {job}"),
            Self::ConvergeRole { role } => write!(f, "set up database role {role}"),
            Self::KeepDump { database, path, .. } => {
                write!(f, "keep a dump of database {database}, as it is now, in {path}")
            }
            Self::GiveDatabase {
                database, from, role, ..
            } => write!(
                f,
                "give database {database} and what {from} owns in it to role {role}, object by object"
            ),
            Self::CreateDatabase { database, .. } => write!(f, "create database {database}"),
            Self::PrepareSessions {
                environment,
                database,
            } => {
                write!(
                    f,
                    "set up role and database {database} for the sessions of {environment}"
                )
            }
            Self::DropUnfinished { database, .. } => {
                write!(
                    f,
                    "drop database {database}, whose first installation was interrupted"
                )
            }
            Self::InitializeDatabase {
                database, modules, ..
            } => {
                write!(f, "install {} into {database}", modules.join(", "))
            }
            Self::FinishDatabase { database, .. } => {
                write!(f, "set the administrator's password in {database}")
            }
            Self::SetAddresses { database, .. } => write!(f, "set the addresses of Odoo in {database}"),
            Self::MarkDatabase { database, .. } => write!(f, "mark database {database}"),
            Self::ReleaseHold { environment } => write!(f, "let requests to {environment} in again"),
            Self::PassProbes { environment } => write!(f, "check {environment}"),
        }
    }
}

fn linking(edition: &str, link: &[String], unlink: &[String]) -> String {
    let gone = unlink.join(", ");
    let came = match link.len() {
        0 => return format!("unlink modules of edition {edition}: {gone}"),
        1..=3 => format!("link modules of edition {edition}: {}", link.join(", ")),
        many => format!("link {many} modules of edition {edition}"),
    };
    if unlink.is_empty() {
        came
    } else {
        format!("{came}, unlink {gone}")
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "new",
            Self::Changed => "changed",
            Self::Permissions => "owner or mode",
            Self::Edited => "replaces a hand edit",
        })
    }
}

impl Step {
    /// What several such steps in a row are called together; `None` for a step that is always shown on its own.
    fn many(&self) -> Option<&'static str> {
        match self {
            Self::CreateUser { .. } => Some("create users"),
            Self::MakeDirectory { .. } => Some("make directories"),
            Self::GenerateSecret { .. } => Some("generate secrets"),
            Self::WriteFile { .. } => Some("write configuration files"),
            Self::InstallPackages { .. }
            | Self::JoinGroup { .. }
            | Self::LinkView { .. }
            | Self::PlaceBinary { .. }
            | Self::ResolveSource { .. }
            | Self::FetchOdoo { .. }
            | Self::BuildPython { .. }
            | Self::GetImage { .. }
            | Self::BuildImage { .. }
            | Self::GetRepositories { .. }
            | Self::MakeGateImage { .. }
            | Self::CreateCluster { .. }
            | Self::TakeOver { .. }
            | Self::AdoptCluster { .. }
            | Self::KeepDump { .. }
            | Self::GiveDatabase { .. }
            | Self::IssueCertificate { .. }
            | Self::LinkModules { .. }
            | Self::RemoveFile { .. }
            | Self::StartSupervisor
            | Self::ReadUnits
            | Self::StartAtBoot { .. }
            | Self::StartService { .. }
            | Self::RestartService { .. }
            | Self::ReloadService { .. }
            | Self::RemoveService { .. }
            | Self::StartTimer { .. }
            | Self::RemoveTimer { .. }
            | Self::ConvergeRole { .. }
            | Self::CreateDatabase { .. }
            | Self::PrepareSessions { .. }
            | Self::DropUnfinished { .. }
            | Self::InitializeDatabase { .. }
            | Self::FinishDatabase { .. }
            | Self::SetAddresses { .. }
            | Self::MarkDatabase { .. }
            | Self::ReleaseHold { .. }
            | Self::PassProbes { .. } => None,
        }
    }
}

impl Plan {
    /// Steps in the groups in which people read them: small ones of a kind together.
    ///
    /// # Shape
    /// Every step once, in order; no group is empty.
    pub fn groups(&self) -> Vec<(String, &[Step])> {
        let same = |a: &Step, b: &Step| a.many().is_some() && a.many() == b.many();
        self.steps
            .chunk_by(same)
            .map(|group| (sentence(group), group))
            .collect()
    }

    /// Whether everything is as it should be.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }
}

fn sentence(group: &[Step]) -> String {
    match (group, group.first().and_then(Step::many)) {
        ([one], _) => one.to_string(),
        (many, Some(what)) => format!("{what} ({})", many.len()),
        (_, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_of_a_kind_are_read_together() {
        let directory = |path: &str| Step::MakeDirectory { path: path.into() };
        let steps = vec![
            directory("/a"),
            directory("/b"),
            Step::StartSupervisor,
            directory("/c"),
        ];
        let plan = Plan {
            steps,
            ..Plan::default()
        };
        let read: Vec<String> = plan.groups().into_iter().map(|(text, _)| text).collect();
        assert_eq!(
            read,
            [
                "make directories (2)",
                "start the supervisor",
                "make directory /c"
            ]
        );
        assert_eq!(
            plan.groups().iter().map(|(_, group)| group.len()).sum::<usize>(),
            4
        );
    }
}
