//! The steps of a restore, each with the sentence that an operator reads and the act that takes it back.
use std::fmt;

use camino::Utf8PathBuf;

use crate::name::Name;

/// What an environment has and keeps, where only a part of it is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Staying {
    /// Its database, when only attachments come.
    pub database: Option<String>,
    /// Its filestore: the new database will use it, or the new filestore takes over what is in it.
    pub filestore: Option<Utf8PathBuf>,
}

/// One step; doing it again after it was cut off is harmless.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Make an empty database that nobody knows, with the extensions that only an administrator may make.
    MakeDatabase { database: String, role: String },
    /// Fill it, as the environment's role.
    LoadDatabase { database: String },
    /// Put the attachments into a directory that nobody uses; `own` is that directory, or the one of the operation around it.
    PlaceFilestore {
        directory: Utf8PathBuf,
        own: Utf8PathBuf,
    },
    /// Put beside the attachments that arrived those which the backup does not have: the database that names them stays. `again` is
    /// for what came while the first time ran.
    KeepNewer {
        from: Utf8PathBuf,
        to: Utf8PathBuf,
        again: bool,
    },
    /// Compare what arrived with what should have.
    Verify {
        database: Option<String>,
        directory: Option<Utf8PathBuf>,
        #[serde(default)]
        staying: Staying,
    },
    /// Give a copy its own identity, neutralize it and prove it by SQL.
    MakeHarmless { database: String, environment: Name },
    /// Keep scheduled jobs and outgoing mail still.
    HoldJobs { database: String },
    /// Start Odoo on it, cut off from every network, sign in and look at the web client.
    Boot { database: String, own: Utf8PathBuf },
    /// Stop what uses the database.
    StopServices { services: Vec<String> },
    /// Let the new database have the name; the old one is kept under another.
    SwapDatabase {
        from: String,
        to: String,
        kept: Option<String>,
        mark: Option<String>,
    },
    /// The same with the filestore.
    SwapFilestore {
        from: Utf8PathBuf,
        to: Utf8PathBuf,
        kept: Option<Utf8PathBuf>,
    },
    /// Give the database that is kept attachments of its own, out of the filestore that stays: Odoo collects there what the new
    /// database does not name. `again` is for what came while the first time ran.
    KeepFilestore {
        from: Utf8PathBuf,
        to: Utf8PathBuf,
        again: bool,
    },
    /// Start what was stopped.
    StartServices { services: Vec<String> },
    /// Wait until it answers as it should.
    PassProbes { environment: Name },
}

/// What takes a step back; harmless when there is nothing to take back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case")]
pub enum Undo {
    /// Drop a database that only the operation knows.
    DropDatabase { database: String },
    /// Remove a directory that only the operation knows.
    RemoveDirectory { directory: Utf8PathBuf },
    /// Start the services again.
    StartServices { services: Vec<String> },
    /// Stop them again.
    StopServices { services: Vec<String> },
    /// Give the old database its name back.
    SwapDatabaseBack {
        from: String,
        to: String,
        kept: Option<String>,
        mark: Option<String>,
    },
    /// Give the old filestore its name back.
    SwapFilestoreBack {
        from: Utf8PathBuf,
        to: Utf8PathBuf,
        kept: Option<Utf8PathBuf>,
    },
    /// Give back what was collected of the old database's attachments meanwhile.
    GiveFilesBack { from: Utf8PathBuf, to: Utf8PathBuf },
}

impl Step {
    /// What takes it back; `None` where an earlier step's undo does.
    pub fn undo(&self) -> Option<Undo> {
        match self.clone() {
            Self::MakeDatabase { database, .. } => Some(Undo::DropDatabase { database }),
            Self::PlaceFilestore { own, .. } => Some(Undo::RemoveDirectory { directory: own }),
            Self::StopServices { services } => Some(Undo::StartServices { services }),
            Self::StartServices { services } => Some(Undo::StopServices { services }),
            Self::SwapDatabase { from, to, kept, mark } => {
                Some(Undo::SwapDatabaseBack { from, to, kept, mark })
            }
            Self::SwapFilestore { from, to, kept } => Some(Undo::SwapFilestoreBack { from, to, kept }),
            Self::KeepFilestore { to, again: false, .. } => Some(Undo::RemoveDirectory { directory: to }),
            Self::KeepFilestore {
                from,
                to,
                again: true,
            } => Some(Undo::GiveFilesBack { from: to, to: from }),
            Self::LoadDatabase { .. }
            | Self::KeepNewer { .. }
            | Self::Verify { .. }
            | Self::MakeHarmless { .. }
            | Self::HoldJobs { .. }
            | Self::Boot { .. }
            | Self::PassProbes { .. } => None,
        }
    }

    /// Whether the new state is in place once this has ended.
    pub fn is_swap(&self) -> bool {
        matches!(self, Self::SwapDatabase { .. } | Self::SwapFilestore { .. })
    }

    /// Under which name it keeps what it replaces.
    pub fn kept(&self) -> Option<&str> {
        match self {
            Self::SwapDatabase { kept, .. } => kept.as_deref(),
            Self::SwapFilestore { kept, .. } => kept.as_ref().map(|path| path.as_str()),
            Self::KeepFilestore { to, again: false, .. } => Some(to.as_str()),
            Self::MakeDatabase { .. }
            | Self::LoadDatabase { .. }
            | Self::PlaceFilestore { .. }
            | Self::KeepNewer { .. }
            | Self::Verify { .. }
            | Self::MakeHarmless { .. }
            | Self::HoldJobs { .. }
            | Self::Boot { .. }
            | Self::StopServices { .. }
            | Self::KeepFilestore { .. }
            | Self::StartServices { .. }
            | Self::PassProbes { .. } => None,
        }
    }

    /// Whether anybody notices it.
    pub fn is_visible(&self) -> bool {
        self.is_swap() || matches!(self, Self::StopServices { .. })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeDatabase { database, role } => {
                write!(f, "make an empty database {database} that only {role} may enter")
            }
            Self::LoadDatabase { database } => write!(f, "load the dump into {database}"),
            Self::PlaceFilestore { directory, .. } => write!(f, "put the attachments into {directory}"),
            Self::KeepNewer {
                from, again: false, ..
            } => {
                write!(f, "keep the attachments in {from} that the backup does not have")
            }
            Self::KeepNewer {
                from, again: true, ..
            } => {
                write!(f, "keep what came into {from} meanwhile")
            }
            Self::Verify { .. } => write!(f, "compare what arrived with what should have"),
            Self::MakeHarmless { database, .. } => {
                write!(
                    f,
                    "make {database} a harmless copy: own identity, neutralized, checked by SQL"
                )
            }
            Self::HoldJobs { database } => {
                write!(f, "hold scheduled jobs and outgoing mail in {database}")
            }
            Self::Boot { database, .. } => {
                write!(
                    f,
                    "start Odoo on {database} without any network, sign in and look at the web client"
                )
            }
            Self::StopServices { services } => write!(f, "stop {}", services.join(", ")),
            Self::SwapDatabase {
                to, kept: Some(kept), ..
            } => {
                write!(f, "put it in the place of database {to}, which is kept as {kept}")
            }
            Self::SwapDatabase { to, .. } => write!(f, "name the database {to}"),
            Self::SwapFilestore {
                to, kept: Some(kept), ..
            } => {
                let name = kept.file_name().unwrap_or_default();
                write!(
                    f,
                    "put the attachments in the place of {to}, which is kept as {name}"
                )
            }
            Self::SwapFilestore { to, .. } => write!(f, "name the attachments {to}"),
            Self::KeepFilestore { to, again: false, .. } => {
                write!(f, "give the database that is kept its attachments in {to}")
            }
            Self::KeepFilestore {
                from, again: true, ..
            } => {
                write!(f, "and those that came into {from} meanwhile")
            }
            Self::StartServices { services } => write!(f, "start {}", services.join(", ")),
            Self::PassProbes { environment } => write!(f, "check {environment}"),
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropDatabase { database } => write!(f, "drop {database}"),
            Self::RemoveDirectory { directory } => write!(f, "remove {directory}"),
            Self::StartServices { services } => write!(f, "start {}", services.join(", ")),
            Self::StopServices { services } => write!(f, "stop {}", services.join(", ")),
            Self::SwapDatabaseBack { to, .. } => write!(f, "give database {to} back"),
            Self::SwapFilestoreBack { to, .. } => write!(f, "give the attachments {to} back"),
            Self::GiveFilesBack { to, .. } => {
                write!(f, "give back what was collected in {to}")
            }
        }
    }
}
