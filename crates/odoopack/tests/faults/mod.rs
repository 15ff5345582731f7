//! What the tests of an ordinary user and of faults share: a place in memory, a warm cache, eyes on processes.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "each test file uses its own part; a test starts programs, writes files and panics"
)]
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A file system in memory below /mnt, unmounted at the end.
pub(crate) struct Disk {
    pub(crate) place: PathBuf,
}

impl Disk {
    pub(crate) fn new(name: &str, size: &str) -> Self {
        assert_eq!(
            std::fs::metadata("/proc/self").unwrap().uid(),
            0,
            "this test mounts, which takes root"
        );
        let place = PathBuf::from(format!("/mnt/odoopack-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let option = format!("size={size},mode=755");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &option, "none"])
            .arg(&place));
        Self { place }
    }

    pub(crate) fn resize(&self, size: &str) {
        let option = format!("remount,size={size}");
        run(Command::new("mount").args(["-o", &option]).arg(&self.place));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that failed may have left servers; they are ours, for they run from this disk.
        for pid in processes_in(&self.place) {
            signal(pid, rustix::process::Signal::KILL);
        }
        wait_until("the last process to end", || processes_in(&self.place).is_empty());
        drop(Command::new("umount").arg("--lazy").arg(&self.place).status());
        drop(std::fs::remove_dir(&self.place));
    }
}

/// Where this user's downloads are.
pub(crate) fn own_cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(home, PathBuf::from)
        .join("odoopack")
}

/// Copies downloads to `cache`; apt's configuration names its own place and is made anew.
pub(crate) fn seed(cache: &Path) {
    std::fs::create_dir_all(cache).unwrap();
    for part in ["debs", "locks", "uv", "wheels", "apt"] {
        if own_cache().join(part).is_dir() {
            run(Command::new("cp")
                .arg("-r")
                .arg(own_cache().join(part))
                .arg(cache));
        }
    }
    drop(std::fs::remove_dir_all(cache.join("apt/sid/etc")));
    for bin in ["pkgcache.bin", "srcpkgcache.bin"] {
        drop(std::fs::remove_file(cache.join("apt/sid/cache").join(bin)));
    }
}

/// A command without anything to read, whose output is kept.
pub(crate) fn quiet(mut command: Command) -> Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", said(&output));
    said(&output)
}

pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The command ends with `code` and says all of `words`.
#[track_caller]
pub(crate) fn expect(command: &mut Command, code: i32, words: &[&str]) -> String {
    let output = command.output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
    text
}

/// Processes whose arguments, program or directory lie below a place.
pub(crate) fn processes_in(place: &Path) -> Vec<u32> {
    let inside = |pid: &u32| {
        let at = PathBuf::from(format!("/proc/{pid}"));
        let line = std::fs::read(at.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let leads_here = |name: &str| std::fs::read_link(at.join(name)).is_ok_and(|to| to.starts_with(place));
        line.contains(place.to_str().unwrap()) || leads_here("cwd") || leads_here("exe")
    };
    let me = std::process::id();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != me && inside(pid))
        .collect()
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended by itself.
    rustix::process::kill_process(pid, signal).unwrap_or_default();
}

#[track_caller]
pub(crate) fn wait_until(what: &str, level: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !level() {
        assert!(begun.elapsed().as_secs() < 120, "waited two minutes for {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
