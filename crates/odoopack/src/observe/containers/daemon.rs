//! What runs the containers: Docker or something that is called so, and Compose.
use camino::Utf8Path;
use odoopack_core::facts::{Docker, Seen};

use crate::exec::find_program;
use crate::files;
use crate::tools::docker;

/// Whether the program is not Docker's: Podman's answers to much of the same.
pub(super) fn is_podman() -> bool {
    let said = docker::program_version().read();
    said.is_ok_and(|text| text.to_lowercase().contains("podman"))
}

/// The daemon, how it keeps containers apart, and Compose.
pub(super) fn look() -> Seen<Docker> {
    if find_program("docker").is_none() {
        return Seen::Absent;
    }
    let about = docker::about().read().ok();
    let Some((server, mut security)) = about.and_then(|text| docker::parse_about(&text)) else {
        // This one says best why no daemon answers.
        return Seen::Unknown(match docker::server_version().read() {
            Ok(_) => "`docker info` does not say what it is".to_owned(),
            Err(failure) => failure.chain().join(": "),
        });
    };
    let enforce = files::read_text(Utf8Path::new(ENFORCE)).ok().flatten();
    security.retain(|name| name != "selinux" || enforces(enforce.as_deref()));
    let compose = docker::compose_version().read().ok();
    Seen::Present(Docker {
        server,
        compose: compose.map(|text| text.trim().to_owned()),
        security,
    })
}

/// Says whether `SELinux` keeps anybody from anything (`security/selinux/selinuxfs.c`, since Linux 2.6).
const ENFORCE: &str = "/sys/fs/selinux/enforce";

/// Whether what the daemon says of `SELinux` holds: where it is permissive, it writes down what it would refuse, and refuses nothing. Where it
/// does not say, it does.
fn enforces(said: Option<&str>) -> bool {
    said.is_none_or(|said| said.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selinux_that_is_permissive_keeps_no_container_from_a_file() {
        assert!(!enforces(Some("0")) && !enforces(Some("0\n")));
        assert!(enforces(Some("1")) && enforces(None));
    }
}
