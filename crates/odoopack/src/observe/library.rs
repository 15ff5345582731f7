//! The C library of an image of PostgreSQL: by it the server sorts texts, and so its indexes.
use odoopack_core::facts::Image;

use super::containers;
use crate::exec::find_program;
use crate::failure::Result;
use crate::tools::{docker, ldd};

/// Only GNU's answers the first question.
const ASK: &str = "getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 || true";

/// That of an image of this machine, as `glibc 2.36` or `musl`; `None`: it does not say.
pub(crate) fn of(id: &str) -> Result<Option<String>> {
    let text = docker::once(id, "sh", &["-c", ASK]).read()?;
    Ok(ldd::parse_library(&text))
}

/// That of a pinned image; one that was pinned before anybody asked is asked now, when it is still here.
pub(crate) fn of_pinned(image: &Image) -> Result<Option<String>> {
    if image.c_library.is_some() {
        return Ok(image.c_library.clone());
    }
    match containers::image(&image.pinned)? {
        Some(here) => of(&here.id),
        None => Ok(None),
    }
}

/// That of what a service of somebody's project runs in: its container's image, else what the name stands for here.
pub(crate) fn of_service(project: &str, service: &str, name: &str) -> Result<Option<String>> {
    // Without an answer of Docker only the image's name tells.
    if find_program("docker").is_none() || docker::server_version().read().is_err() {
        return Ok(None);
    }
    let mut all = containers::everything()?.into_iter();
    let made = all.find(|one| one.project == project && one.service == service && !one.one_off);
    let name = made.map_or_else(|| name.to_owned(), |container| container.image);
    match containers::image(&name)? {
        Some(here) => of(&here.id),
        None => Ok(None),
    }
}
