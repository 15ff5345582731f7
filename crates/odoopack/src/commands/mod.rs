//! One file per command; each reads as a story: load, observe, plan, show, apply, verify.
pub(crate) mod adopt;
pub(crate) mod backup;
pub(crate) mod boot_test;
mod bringing;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod edition;
pub(crate) mod engine;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod gate;
pub(crate) mod image;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod module;
pub(crate) mod oca;
pub(crate) mod plan;
pub(crate) mod psql;
pub(crate) mod recover;
pub(crate) mod render;
pub(crate) mod renew;
pub(crate) mod restart;
pub(crate) mod restore;
pub(crate) mod schedule;
pub(crate) mod secret;
pub(crate) mod shell;
pub(crate) mod sizing;
pub(crate) mod spec;
pub(crate) mod status;
mod stored;
pub(crate) mod up;

use odoopack_core::name::Name;
use odoopack_core::spec::Environment;

use crate::context::Pack;
use crate::failure::{Failure, Kind, Result};

/// The environment of that name.
pub(crate) fn environment<'a>(pack: &'a Pack, name: &str) -> Result<(&'a Name, &'a Environment)> {
    let all = &pack.loaded.spec.environments;
    all.iter()
        .find(|(known, _)| known.as_str() == name)
        .ok_or_else(|| {
            let names: Vec<&str> = all.keys().map(Name::as_str).collect();
            Failure::new(Kind::Usage, format!("there is no environment `{name}`"))
                .hint(format!("one of {}", names.join(", ")))
        })
}
