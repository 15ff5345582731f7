//! What the tests need from Debian, and why.
use std::path::Path;

use crate::run;

/// One Debian package.
#[derive(Debug)]
pub(crate) struct Need {
    /// Its name in Debian.
    pub(crate) package: &'static str,
    /// What says that it is there, whoever put it there.
    pub(crate) seen: Seen,
    /// The service that its installation would start and enable.
    pub(crate) service: Option<&'static str>,
    /// Which tests fail without it.
    pub(crate) why: &'static str,
}

/// How a package is recognised; a file is looked for, no package manager is asked, so that a look takes no time.
#[derive(Debug)]
pub(crate) enum Seen {
    Program(&'static str),
    File(&'static str),
    /// `(directory, tail)`: `directory/ANY/tail` exists.
    Below(&'static str, &'static str),
}

/// Debian's own names; add a row and its reason, nothing else is needed.
pub(crate) const NEEDS: &[Need] = &[
    Need {
        package: "postgresql",
        seen: Seen::Below("/usr/lib/postgresql", "bin/initdb"),
        service: Some("postgresql"),
        why: "clusters of the tests' own are made from its binaries",
    },
    Need {
        package: "nginx",
        seen: Seen::Program("nginx"),
        service: Some("nginx"),
        why: "rendered configurations are checked by it and served from it",
    },
    Need {
        package: "redis-server",
        seen: Seen::Program("redis-server"),
        service: Some("redis-server"),
        why: "sessions in Redis",
    },
    Need {
        package: "python3-redis",
        seen: Seen::File("/usr/lib/python3/dist-packages/redis"),
        service: None,
        why: "the store of the session module is tested without Odoo",
    },
    Need {
        package: "openssh-server",
        seen: Seen::File("/usr/sbin/sshd"),
        service: Some("ssh"),
        why: "a private repository is read with its deploy key",
    },
    Need {
        package: "runit",
        seen: Seen::Program("runsvdir"),
        service: None,
        why: "supervises the services where systemd is not PID 1",
    },
    Need {
        package: "systemd",
        seen: Seen::Program("systemd-analyze"),
        service: None,
        why: "`systemd-analyze verify` reads the rendered units",
    },
    Need {
        package: "docker.io",
        seen: Seen::Program("dockerd"),
        service: Some("docker"),
        why: "a machine of its own on which systemd is process 1",
    },
    Need {
        package: "docker-registry",
        seen: Seen::Program("docker-registry"),
        service: Some("docker-registry"),
        why: "images are pushed to it and pulled by digest",
    },
    Need {
        package: "ufw",
        seen: Seen::Program("ufw"),
        service: Some("ufw"),
        why: "a port that Docker publishes is open in spite of it, and `doctor` says so",
    },
    Need {
        package: "mmdebstrap",
        seen: Seen::Program("mmdebstrap"),
        service: None,
        why: "makes that machine's image from the host's own mirror",
    },
    Need {
        package: "slirp4netns",
        seen: Seen::Program("slirp4netns"),
        service: None,
        why: "gives that machine a network without a rule in the host's firewall",
    },
    Need {
        package: "shellcheck",
        seen: Seen::Program("shellcheck"),
        service: None,
        why: "reads the rendered scripts",
    },
    Need {
        package: "curl",
        seen: Seen::Program("curl"),
        service: None,
        why: "asks nginx as a client that is not ours",
    },
    Need {
        package: "openssl",
        seen: Seen::Program("openssl"),
        service: None,
        why: "speaks TLS and makes certificates that are not ours",
    },
    Need {
        package: "restic",
        seen: Seen::Program("restic"),
        service: None,
        why: "the independent reader of backup repositories",
    },
    Need {
        package: "npm",
        seen: Seen::Program("npm"),
        service: None,
        why: "fetches PostgreSQL servers of other majors",
    },
    Need {
        package: "git",
        seen: Seen::Program("git"),
        service: None,
        why: "packs and addons are git repositories",
    },
    Need {
        package: "python3",
        seen: Seen::Program("python3"),
        service: None,
        why: "runs Odoo",
    },
    Need {
        package: "wkhtmltopdf",
        seen: Seen::Program("wkhtmltopdf"),
        service: None,
        why: "prints Odoo's reports",
    },
    Need {
        package: "fonts-dejavu-core",
        seen: Seen::File("/usr/share/fonts/truetype/dejavu"),
        service: None,
        why: "a report without fonts prints empty boxes",
    },
    Need {
        package: "fonts-liberation",
        seen: Seen::Below("/usr/share/fonts/truetype", "LiberationSans-Regular.ttf"),
        service: None,
        why: "the widths that Odoo's report styles were made for",
    },
    Need {
        package: "chromium",
        seen: Seen::Program("chromium"),
        service: None,
        why: "logs in to Odoo as a person would",
    },
    Need {
        package: "chromium-driver",
        seen: Seen::Program("chromedriver"),
        service: None,
        why: "drives the browser over plain HTTP",
    },
    Need {
        package: "faketime",
        seen: Seen::Program("faketime"),
        service: None,
        why: "moves the clock of the schedule",
    },
    Need {
        package: "ca-certificates",
        seen: Seen::File("/etc/ssl/certs/ca-certificates.crt"),
        service: None,
        why: "downloads are verified",
    },
    Need {
        package: "debian-archive-keyring",
        seen: Seen::File("/usr/share/keyrings/debian-archive-keyring.gpg"),
        service: None,
        why: "Odoo's own package is fetched signed",
    },
];

impl Seen {
    /// True when it is there; `root` is `/` outside tests.
    pub(crate) fn is_there(&self, root: &Path) -> bool {
        let under = |path: &str| root.join(path.trim_start_matches('/'));
        match self {
            Self::Program(name) => run::find(name).is_some(),
            Self::File(path) => under(path).exists(),
            Self::Below(directory, tail) => under(directory).read_dir().is_ok_and(|mut entries| {
                entries.any(|entry| entry.is_ok_and(|entry| entry.path().join(tail).exists()))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_has_a_reason_and_stands_once() {
        for (index, need) in NEEDS.iter().enumerate() {
            assert!(
                !need.why.is_empty() && !need.why.ends_with('.'),
                "{}",
                need.package
            );
            assert!(
                NEEDS[..index].iter().all(|other| other.package != need.package),
                "{}",
                need.package
            );
        }
    }

    #[test]
    fn looks_one_level_below_a_directory() {
        let seen = Seen::Below("/src", "needs.rs");
        assert!(seen.is_there(&run::root().join("xtask")), "src/setup/needs.rs");
        assert!(!Seen::Below("/src", "no.rs").is_there(&run::root().join("xtask")));
        assert!(!Seen::Below("/nowhere", "needs.rs").is_there(&run::root()));
    }
}
