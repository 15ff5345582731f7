//! Bringing a database and its filestore back: an operation, planned whole before it begins.
pub mod administrator;
pub mod harmless;
pub mod hold;
mod recovery;
mod room;
mod step;

#[cfg(test)]
mod tests;

use camino::{Utf8Path, Utf8PathBuf};

use crate::name::Name;
use crate::spec::Kind;

pub use recovery::{Event, Recovery, kept_when_put_back, recover, stays, together};
pub use room::{Disk, NoRoom, database_of, room, room_for_copy};
pub use step::{Staying, Step, Undo};

/// What is to be brought back, and where to.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Id of the operation; part of the names that only it uses.
    pub id: String,
    /// The environment whose role, user and release are used.
    pub environment: Name,
    /// Its kind.
    pub kind: Kind,
    /// Its role.
    pub role: String,
    /// The directory that holds one filestore per database.
    pub filestores: Utf8PathBuf,
    /// Where to.
    pub to: Destination,
    /// Whether the database comes back.
    pub database: bool,
    /// Whether the filestore comes back.
    pub filestore: bool,
    /// Services of the environment that run now, in the order in which they start.
    pub services: Vec<String>,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// In the place of the environment's own database and filestore, which are kept.
    Environment {
        /// Its database.
        database: String,
        /// Whether there is one now.
        database_exists: bool,
        /// Whether it has a filestore now.
        filestore_exists: bool,
    },
    /// Beside it, under a name that nothing has and no service uses.
    Beside {
        /// The name.
        database: String,
    },
}

impl Destination {
    /// The name of the database at the end.
    pub fn database(&self) -> &str {
        match self {
            Self::Environment { database, .. } | Self::Beside { database } => database,
        }
    }
}

/// Longest name of a database (PostgreSQL, `NAMEDATALEN` - 1).
const LONGEST: usize = 63;

/// A name that only the operation `id` uses.
///
/// # Shape
/// At most 63 bytes; the end of `database` is cut where it is long.
pub fn own_name(database: &str, what: &str, id: &str) -> String {
    let tail = format!("_{what}_{id}");
    let mut room = LONGEST.saturating_sub(tail.len()).min(database.len());
    while !database.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{tail}", &database[..room])
}

/// Plans the whole operation.
///
/// # Shape
/// Nothing that anybody uses is touched before the first swap; from the end of it on there is only the way forward,
/// or the undo of every step, and once the services run again only the way forward.
pub fn plan(wanted: &Wanted) -> Vec<Step> {
    let hidden = own_name(wanted.to.database(), "restore", &wanted.id);
    let directory = wanted.filestores.join(&hidden);
    let mut steps = Vec::new();
    if wanted.database {
        steps.push(Step::MakeDatabase {
            database: hidden.clone(),
            role: wanted.role.clone(),
        });
        steps.push(Step::LoadDatabase {
            database: hidden.clone(),
        });
    }
    if wanted.filestore {
        steps.push(Step::PlaceFilestore {
            own: directory.clone(),
            directory: directory.clone(),
        });
    }
    let newer = |again| keep_newer(wanted, &directory, again);
    steps.extend(newer(false));
    steps.push(Step::Verify {
        database: wanted.database.then(|| hidden.clone()),
        directory: wanted.filestore.then(|| directory.clone()),
        staying: staying(wanted),
    });
    if wanted.database {
        steps.push(fence(wanted, &hidden));
    }
    steps.extend(keep_filestore(wanted, false));
    let services = match &wanted.to {
        Destination::Environment { .. } => wanted.services.clone(),
        Destination::Beside { .. } => Vec::new(),
    };
    if !services.is_empty() {
        steps.push(Step::StopServices {
            services: services.clone(),
        });
    }
    steps.extend(newer(true));
    steps.extend(keep_filestore(wanted, true));
    swaps(wanted, &hidden, directory, &mut steps);
    if !services.is_empty() {
        steps.push(Step::StartServices { services });
        steps.push(Step::PassProbes {
            environment: wanted.environment.clone(),
        });
    }
    steps
}

/// Plans a drill: everything up to the end of `boot` or of the comparison, and nothing that anybody sees.
///
/// # Shape
/// Holds no swap, so that a drill that was cut off is always taken back, as is one that has ended.
pub fn plan_drill(id: &str, role: &str, place: &Utf8Path, database: &str, boot: bool) -> Vec<Step> {
    let hidden = own_name(database, "drill", id);
    let own = place.join(own_name("drill", "of", id));
    let directory = own.join("filestore").join(&hidden);
    let mut steps = vec![
        Step::MakeDatabase {
            database: hidden.clone(),
            role: role.to_owned(),
        },
        Step::LoadDatabase {
            database: hidden.clone(),
        },
        Step::PlaceFilestore {
            directory: directory.clone(),
            own: own.clone(),
        },
        Step::Verify {
            database: Some(hidden.clone()),
            directory: Some(directory),
            staying: Staying::default(),
        },
    ];
    if boot {
        steps.push(Step::Boot {
            database: hidden,
            own,
        });
    }
    steps
}

/// What the environment keeps of its own; nothing of it where both come, or where they come beside it.
fn staying(wanted: &Wanted) -> Staying {
    let Destination::Environment {
        database,
        database_exists,
        filestore_exists,
    } = &wanted.to
    else {
        return Staying::default();
    };
    if wanted.database && wanted.filestore {
        return Staying::default();
    }
    Staying {
        database: (*database_exists && !wanted.database).then(|| database.clone()),
        filestore: filestore_exists.then(|| wanted.filestores.join(database)),
    }
}

/// Where the database stays, people go on to need what they have added since the backup was made.
fn keep_newer(wanted: &Wanted, directory: &Utf8Path, again: bool) -> Option<Step> {
    let from = staying(wanted).filestore.filter(|_| wanted.filestore)?;
    Some(Step::KeepNewer {
        from,
        to: directory.to_owned(),
        again,
    })
}

/// Where the filestore stays, the new database uses it, and with it Odoo's clean-up, which knows nothing of the database that is kept.
fn keep_filestore(wanted: &Wanted, again: bool) -> Option<Step> {
    let Destination::Environment {
        database,
        database_exists: true,
        filestore_exists: true,
    } = &wanted.to
    else {
        return None;
    };
    let kept = own_name(database, "replaced", &wanted.id);
    let alone = wanted.database && !wanted.filestore;
    alone.then(|| Step::KeepFilestore {
        from: wanted.filestores.join(database),
        to: wanted.filestores.join(kept),
        again,
    })
}

/// Production keeps still until somebody lets it go on; everything else is a copy and can harm nobody.
fn fence(wanted: &Wanted, hidden: &str) -> Step {
    let database = hidden.to_owned();
    let in_place = matches!(wanted.to, Destination::Environment { .. });
    if wanted.kind == Kind::Production && in_place {
        Step::HoldJobs { database }
    } else {
        Step::MakeHarmless {
            database,
            environment: wanted.environment.clone(),
        }
    }
}

fn swaps(wanted: &Wanted, hidden: &str, directory: Utf8PathBuf, steps: &mut Vec<Step>) {
    let name = wanted.to.database();
    let (database_exists, filestore_exists, mark) = match &wanted.to {
        Destination::Environment {
            database_exists,
            filestore_exists,
            ..
        } => (
            *database_exists,
            *filestore_exists,
            Some(crate::target::database_mark(wanted.kind).to_owned()),
        ),
        Destination::Beside { .. } => (false, false, None),
    };
    let kept = own_name(name, "replaced", &wanted.id);
    if wanted.database {
        steps.push(Step::SwapDatabase {
            from: hidden.to_owned(),
            to: name.to_owned(),
            kept: database_exists.then(|| kept.clone()),
            mark,
        });
    }
    if wanted.filestore {
        steps.push(Step::SwapFilestore {
            from: directory,
            to: wanted.filestores.join(name),
            kept: filestore_exists.then(|| wanted.filestores.join(&kept)),
        });
    }
}
