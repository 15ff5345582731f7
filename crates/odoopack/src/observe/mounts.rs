//! Where file systems are mounted: what is a mount cannot be renamed.
use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::Result;
use crate::files;

/// The first mount at a place or below it.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn below(place: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    Ok(all()?.into_iter().find(|point| point.starts_with(place)))
}

/// Whether something is mounted at a place itself.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn is_one(place: &Utf8Path) -> Result<bool> {
    let real = place.canonicalize_utf8().unwrap_or_else(|_| place.to_owned());
    Ok(all()?.contains(&real))
}

fn all() -> Result<Vec<Utf8PathBuf>> {
    let text = files::read_text("/proc/self/mountinfo".into())?.unwrap_or_default();
    Ok(parse(&text))
}

fn parse(mountinfo: &str) -> Vec<Utf8PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    // proc_pid_mountinfo(5): these four are written in octal.
    let plain = |point: &str| {
        let text = point.replace("\\040", " ").replace("\\011", "\t");
        Utf8PathBuf::from(text.replace("\\012", "\n").replace("\\134", "\\"))
    };
    points.map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_with_every_letter_of_its_name() {
        let line = |point: &str| format!("36 35 98:0 / {point} rw,noatime master:1 - ext4 /dev/sdb1 rw\n");
        let text = ["/", "/srv/my\\040odoo/data/postgres"].map(line).concat();
        assert_eq!(parse(&text), ["/", "/srv/my odoo/data/postgres"]);
        assert!(is_one("/proc".into()).unwrap() && !is_one("/proc/self".into()).unwrap());
        assert_eq!(below("/proc".into()).unwrap().as_deref(), Some("/proc".into()));
        assert_eq!(below("/nowhere".into()).unwrap(), None);
    }
}
