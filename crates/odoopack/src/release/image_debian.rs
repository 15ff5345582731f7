//! Debian packages that an image was to get and its archive does not have.
use odoopack_core::oca_lock::{DEBIAN_LIST, Lock, debian_line_of};
use odoopack_core::odoo::log;

use super::image_python::Adding;
use crate::exec::Outcome;
use crate::failure::{Failure, Result};
use crate::files;
use crate::oca::{Workshop, resolve};
use crate::tools::apt;

const NAME_ANOTHER: &str =
    "name another package in `apt.txt`, then `odoopack lock`; or name a newer image as `source` in [odoo]";
const TAKE_ANOTHER: &str = "take a commit of the repository that names another package: `odoopack oca pin --help`; or name a newer image as `source` in [odoo], then `odoopack lock`";

impl Adding<'_> {
    /// Says which package of whose list it is, where apt said so; else what was asked for.
    pub(super) fn without_debian(
        &self,
        (lock, image): (&Lock, &str),
        outcome: &Outcome,
        failure: Failure,
    ) -> Failure {
        let wanted = lock.debian_needs();
        let said = [outcome.stdout.as_str(), outcome.stderr.as_str()].join("\n");
        let said = log::without_colours(&said);
        let not_there = apt::parse_not_there(&said);
        let first = not_there
            .iter()
            .find(|(name, _)| wanted.iter().any(|one| one == *name));
        match first {
            Some((name, instead)) => self
                .missing(lock, (name, instead), image)
                .unwrap_or_else(|other| failure.hint(other.sentence())),
            None if wanted.is_empty() => failure,
            None => failure.hint(format!(
                "if it failed at {}: check the network, then `odoopack image build`",
                wanted.join(", ")
            )),
        }
    }

    fn missing(&self, lock: &Lock, (name, instead): (&str, &[&str]), image: &str) -> Result<Failure> {
        let all = lock.repositories.iter();
        let named = all.filter(|(_, locked)| locked.debian.iter().any(|one| one == name));
        let workshop = Workshop::new(self.spec, self.layout, self.repo, self.cache)?;
        let mut places = Vec::new();
        for (repository, locked) in named {
            let line = resolve::debian_line(&workshop.mirror(&locked.url), locked, name)?;
            let line = line.map_or(String::new(), |line| format!("line {line} of "));
            places.push(format!("{line}`apt.txt` of {repository}"));
        }
        let own = lock.debian.iter().any(|one| one == name);
        if own {
            let text = files::read_text(&self.repo.join(DEBIAN_LIST))?.unwrap_or_default();
            let line = debian_line_of(&text, name).map_or(String::new(), |line| format!("line {line} of "));
            places.push(format!("{line}`apt.txt` of the pack"));
        }
        let why = if instead.is_empty() {
            format!("the Debian of `{image}` has no such package, or its archive could not be reached")
        } else {
            format!(
                "in the Debian of `{image}` only others stand for it: {}",
                instead.join(", ")
            )
        };
        Ok(Failure::refused(format!(
            "Debian package `{name}`, which {} names, cannot be installed",
            places.join(" and ")
        ))
        .because(why)
        .hint(if own { NAME_ANOTHER } else { TAKE_ANOTHER }))
    }
}
