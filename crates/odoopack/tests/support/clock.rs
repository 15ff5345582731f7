//! Another clock for a process and what it begins; the rest of the machine keeps its own.
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

/// Gives a program another clock.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// A clock in a file, which whoever follows it reads each time.
pub(crate) struct Clock {
    file: Utf8PathBuf,
}

impl Clock {
    /// The clock in this file.
    pub(crate) fn new(file: Utf8PathBuf) -> Self {
        assert!(
            Utf8Path::new(LIBRARY).exists(),
            "`faketime` is not installed; `cargo xtask setup` installs what the tests need"
        );
        Self { file }
    }

    /// It says this from now on, in the words of faketime(1).
    pub(crate) fn write(&self, text: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{text}\n")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    /// It says this second since 1970 from now on and goes on, the same for everybody who follows it.
    pub(crate) fn set(&self, second: i64) {
        self.write(&format!("{:+}", second - jiff::Timestamp::now().as_second()));
    }

    /// What a process must have in its environment to follow it.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("LD_PRELOAD", LIBRARY),
            ("FAKETIME_TIMESTAMP_FILE", self.file.as_str()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }

    /// The program under test, which follows it and dies with a test that is killed.
    pub(crate) fn program(&self, root: &Utf8Path) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_odoopack")])
            .args(["--root", root.as_str()])
            .envs(self.variables())
            .current_dir("/");
        command
    }
}
