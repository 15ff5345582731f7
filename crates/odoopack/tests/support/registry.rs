//! A registry of images on this machine, which Docker speaks to without TLS because it is on loopback.
use std::process::{Child, Command, Stdio};

use super::stack::{must, pushed};
use super::wait_for;

const PORT: u16 = 31_898;

/// The registry; gone with the value, and what was pushed to it stays for the next run.
pub(crate) struct Registry {
    server: Child,
    _place: tempfile::TempDir,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let config = place.path().join("config.yml");
        let kept = pushed();
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {kept}\nhttp:\n  addr: 127.0.0.1:{PORT}\n"
        );
        std::fs::write(&config, text).unwrap();
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self {
            server,
            _place: place,
        };
        wait_for("the registry listens", || {
            let ended = registry.server.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "`docker-registry` does not run ({ended:?}); `cargo xtask setup` installs it"
            );
            std::net::TcpStream::connect(("127.0.0.1", PORT)).ok()
        });
        registry
    }

    /// The name of an image in it.
    pub(crate) fn name(image: &str) -> String {
        format!("localhost:{PORT}/{image}")
    }

    /// Lets a name in it stand for an image of this Docker, which keeps the image under its own name only; the digest.
    pub(crate) fn push(local: &str, image: &str) -> String {
        let name = Self::name(image);
        must(&["tag", local, &name]);
        must(&["push", "--quiet", &name]);
        let (repository, _) = name.rsplit_once(':').unwrap();
        let all = must(&[
            "image",
            "inspect",
            "--format",
            "{{range .RepoDigests}}{{println .}}{{end}}",
            &name,
        ]);
        let digest = all
            .lines()
            .find(|line| line.starts_with(&format!("{repository}@")));
        let digest = digest
            .unwrap_or_else(|| panic!("{name} has no digest: {all}"))
            .to_owned();
        must(&["rmi", &name]);
        digest
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
