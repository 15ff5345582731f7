//! Eyes on the machine: processes, listeners, users.
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use camino::Utf8Path;

/// A process as `/proc` shows it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) line: String,
}

/// The tests make users and run servers as them.
#[track_caller]
pub(crate) fn must_be_root() {
    let user = std::fs::read_to_string("/proc/self/status").unwrap();
    let root = user.lines().any(|line| line.starts_with("Uid:\t0\t"));
    assert!(
        root,
        "this test must run as root: it makes users and runs a whole Odoo as them"
    );
}

/// Where a root is made and removed: in memory where there is plenty, because removing the 40,000 files of a release from
/// a disk that is mounted with `discard` takes minutes.
pub(crate) fn roomy() -> &'static Utf8Path {
    let memory = Utf8Path::new("/dev/shm");
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: u64 = available
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    let free = rustix::fs::statvfs(memory.as_std_path()).map_or(0, |seen| seen.f_bavail * seen.f_frsize);
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let runs_programs = mounts
        .lines()
        .any(|line| line.contains(" /dev/shm ") && !line.contains("noexec"));
    let plenty = kib >> 20 >= 8 && free >> 30 >= 6 && runs_programs;
    if plenty { memory } else { Utf8Path::new("/tmp") }
}

/// Looks again and again at what every process was started with, also those that are there for a moment.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !ends.load(Ordering::Relaxed) {
                seen.extend(processes().into_iter().map(|process| process.line));
                std::thread::sleep(Duration::from_millis(100));
            }
            seen
        });
        Self { over, thread }
    }

    /// Each command line that was seen, once.
    pub(crate) fn lines(self) -> BTreeSet<String> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Every process that can be seen.
pub(crate) fn processes() -> Vec<Process> {
    let one = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = stat.rsplit(')').next()?.split_whitespace();
        let zombie = fields.next()? == "Z";
        let parent = fields.next()?.parse().ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (!zombie).then_some(Process { pid, parent, line })
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(one)
        .collect()
}

/// Processes that have to do with a directory: by their arguments, their program or where they are.
pub(crate) fn processes_of(root: &Utf8Path) -> Vec<Process> {
    let inside = |pid: u32| {
        ["cwd", "exe"].iter().any(|link| {
            std::fs::read_link(format!("/proc/{pid}/{link}")).is_ok_and(|to| to.starts_with(root))
        })
    };
    processes()
        .into_iter()
        .filter(|process| process.line.contains(root.as_str()) || inside(process.pid))
        .collect()
}

/// Ends what still runs below a test's own directory, supervisors first so that nothing comes back.
pub(crate) fn end_all_of(root: &Utf8Path) {
    for _ in 0..10 {
        let mut left = processes_of(root);
        left.retain(|process| process.pid != std::process::id());
        if left.is_empty() {
            return;
        }
        left.sort_by_key(|process| !process.line.starts_with("runsv"));
        for process in left {
            let pid = i32::try_from(process.pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            // One that has ended meanwhile is no fault.
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// Children of a process.
pub(crate) fn children(pid: u32) -> Vec<Process> {
    processes()
        .into_iter()
        .filter(|process| process.parent == pid)
        .collect()
}

/// Whether it runs.
pub(crate) fn alive(pid: u32) -> bool {
    processes().iter().any(|process| process.pid == pid)
}

/// `kill -9`.
#[track_caller]
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Lets a process stand still until [`go_on`]; what it has started goes on.
pub(crate) fn hold(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
}

pub(crate) fn go_on(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
}

/// As whom a process runs: the real, effective, saved and file system's user.
pub(crate) fn users_of(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.unwrap().trim().to_owned()
}

/// What a process gets whose terminal is closed.
pub(crate) fn hang_up(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
}

/// TCP ports on which anybody listens.
pub(crate) fn listening() -> BTreeSet<u16> {
    let read = |table: &str| std::fs::read_to_string(table).unwrap_or_default();
    let text = read("/proc/net/tcp") + &read("/proc/net/tcp6");
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(3) == Some(&"0A")).then_some(())?;
        u16::from_str_radix(fields[1].rsplit(':').next()?, 16).ok()
    };
    text.lines().filter_map(port).collect()
}

/// Users whose name begins like this.
pub(crate) fn users(prefix: &str) -> Vec<String> {
    let text = std::fs::read_to_string("/etc/passwd").unwrap();
    let names = text.lines().filter_map(|line| line.split(':').next());
    names
        .filter(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

/// Removes users and groups whose name begins like this: what an earlier run that was killed left.
pub(crate) fn forget_accounts(prefix: &str) {
    for user in users(prefix) {
        must("userdel", &["--force", &user]);
    }
    let text = std::fs::read_to_string("/etc/group").unwrap();
    let names = text.lines().filter_map(|line| line.split(':').next());
    for group in names.filter(|name| name.starts_with(prefix)) {
        must("groupdel", &["--force", group]);
    }
}

/// The clusters of the host itself, as Debian lists them; empty where the tool is missing.
pub(crate) fn host_clusters() -> String {
    let output = Command::new("pg_lsclusters").arg("--no-header").output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

/// Standard output of a program that must end well.
#[track_caller]
pub(crate) fn must(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Standard error of a program that must end well.
#[track_caller]
pub(crate) fn must_say(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir("/")
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {said}");
    said
}

/// The same, with something to read.
#[track_caller]
pub(crate) fn must_with(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let mut pipe = child.stdin.take().unwrap();
    let text = input.to_owned();
    let writer = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    drop(writer.join());
    assert!(output.status.success(), "{program} {args:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a statement gives as (role, database) with this password; `None` when it fails.
pub(crate) fn psql(socket: &Utf8Path, who: (&str, &str), password: &str, sql: &str) -> Option<String> {
    let output = Command::new("psql")
        .args(["-h", socket.as_str(), "-U", who.0, "-d", who.1, "-wAtc", sql])
        .env("PGPASSWORD", password)
        .output()
        .expect("`psql` is not installed; `cargo xtask setup` installs what the tests need");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
