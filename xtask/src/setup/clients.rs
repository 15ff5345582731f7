//! PostgreSQL's client programs of majors that this Debian does not have, from the suites that do, with the libraries they need.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;

/// A major and the suite whose packages of it are taken: 9 MB to fetch, 22 MB to keep. No suite has those of 16.
const MAJORS: [(u16, &str); 2] = [(17, "trixie"), (18, "sid")];

/// The libraries that the programs are linked with; also the C library, because the one here is older.
const LIBRARIES: [&str; 17] = [
    "libc6",
    "libpq5",
    "liblz4-1",
    "libxxhash0",
    "libreadline8t64",
    "libtinfo6",
    "libssl3t64",
    "libzstd1",
    "zlib1g",
    "libgssapi-krb5-2",
    "libkrb5-3",
    "libk5crypto3",
    "libkrb5support0",
    "libcom-err2",
    "libkeyutils1",
    "libldap2",
    "libsasl2-2",
];

const PROGRAMS: [&str; 3] = ["pg_dump", "pg_restore", "psql"];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Debian's names of this machine's architecture, and its loader.
const MACHINE: (&str, &str, &str) = if cfg!(target_arch = "aarch64") {
    ("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1")
} else {
    ("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2")
};

/// Fetches the programs that are missing; a script beside each starts it with its own loader and libraries, wherever they are
/// copied to.
pub(super) fn install() -> Result<()> {
    for (major, suite) in MAJORS {
        let place = run::cache()?.join(format!("odoopack-tests/postgres-clients/{major}"));
        if place.is_dir() {
            continue;
        }
        println!("setup: PostgreSQL's clients of major {major}, from {suite}: backups between majors");
        let scratch = place.with_extension("new");
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        let packages = scratch.join("apt");
        let apt = Apt::new(&packages, suite)?;
        apt.run(&["update"])?;
        apt.run(&["download", &format!("postgresql-client-{major}")])?;
        apt.run(&[&["download"], LIBRARIES.as_slice()].concat())?;
        let tree = scratch.join("tree");
        unpack(&packages, &tree)?;
        keep(&tree, major, &scratch.join("kept"))?;
        for program in PROGRAMS {
            let said = run::read(Command::new(scratch.join("kept").join(program)).arg("--version"))?;
            if !said.contains(&format!(" {major}.")) {
                bail!("{program} of {suite} says that it is `{}`", said.trim());
            }
        }
        fs::rename(scratch.join("kept"), &place)?;
        fs::remove_dir_all(&scratch)?;
    }
    Ok(())
}

fn unpack(packages: &Path, tree: &Path) -> Result<()> {
    for entry in fs::read_dir(packages)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run::run(Command::new("dpkg-deb").arg("-x").args([&path, tree]))?;
        }
    }
    Ok(())
}

/// Keeps the programs and the libraries, and drops manuals, translations and what the C library brings besides.
fn keep(tree: &Path, major: u16, to: &Path) -> Result<()> {
    let (_, triplet, loader) = MACHINE;
    let libraries = to.join("lib");
    fs::create_dir_all(&libraries)?;
    for entry in fs::read_dir(tree.join("usr/lib").join(triplet))? {
        let entry = entry?;
        // Followed: a library is known by the name that links to it.
        if entry.path().is_file() {
            fs::copy(entry.path(), libraries.join(entry.file_name()))?;
        }
    }
    for program in PROGRAMS {
        let real = to.join(format!("{program}.real"));
        let from = tree.join(format!("usr/lib/postgresql/{major}/bin/{program}"));
        fs::copy(&from, &real).with_context(|| format!("{} is not there", from.display()))?;
        let script = format!(
            "#!/bin/sh\nhere=${{0%/*}}\nexec \"$here/lib/{loader}\" --library-path \"$here/lib\" \"$here/{program}.real\" \"$@\"\n"
        );
        fs::write(to.join(program), script)?;
        fs::set_permissions(to.join(program), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// An apt that knows one suite and nothing of what is installed here; signatures are checked as always.
struct Apt<'a> {
    place: &'a Path,
    options: Vec<String>,
}

impl<'a> Apt<'a> {
    fn new(place: &'a Path, suite: &str) -> Result<Self> {
        for directory in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(place.join(directory))?;
        }
        fs::write(place.join("status"), "")?;
        let (architecture, ..) = MACHINE;
        let source = format!(
            "deb [arch={architecture} signed-by={KEYRING}] {} {suite} main\n",
            mirror()?
        );
        fs::write(place.join("source.list"), source)?;
        let root = place.display();
        let options = [
            format!("Dir::State={root}/state"),
            format!("Dir::State::status={root}/status"),
            format!("Dir::Cache={root}/cache"),
            format!("Dir::Etc::sourcelist={root}/source.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "Acquire::Check-Valid-Until=false".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "APT::Sandbox::User=".to_owned(),
        ];
        Ok(Self {
            place,
            options: options.to_vec(),
        })
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        let options = self.options.iter().flat_map(|option| ["-o", option]);
        run::run(
            Command::new("apt-get")
                .arg("-qq")
                .args(options)
                .args(args)
                .current_dir(self.place),
        )
    }
}

/// The mirror of Debian that this machine's apt asks.
fn mirror() -> Result<String> {
    let format = "$(REPO_URI)|$(COMPONENT)|$(ORIGIN)|$(LABEL)";
    let text = run::read(Command::new("apt-get").args([
        "indextargets",
        "--format",
        format,
        "Created-By: Packages",
    ]))?;
    let known = text
        .lines()
        .find_map(|line| line.strip_suffix("|main|Debian|Debian"));
    // Before the first `apt-get update` nobody knows whose archive it is; the signature decides.
    let likely = || {
        text.lines()
            .filter_map(|line| line.strip_suffix("|main||"))
            .find(|uri| uri.contains("debian") && !uri.contains("security"))
    };
    known
        .or_else(likely)
        .map(str::to_owned)
        .context("this machine's apt knows no mirror of Debian; `apt-get update` and run it again")
}
