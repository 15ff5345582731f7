//! The schedule under a clock that the test moves: a night with a change of clocks, days without power, nobody at work.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs, writes files, and shall panic when it cannot go on"
)]

mod scheduling;
mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use support::clock::Clock;

/// Longest wait for one thing to happen.
const PATIENCE: Duration = Duration::from_mins(1);

const FILE: &str = "format = 1\n[pack]\ntimezone = \"Europe/Paris\"\n[web]\nhttp_port = 18280\nhttps_port = 18243\n\
                    [environments.production]\ndomain = \"erp.localhost\"\n";

/// Two environments of which nothing runs: what works on them is begun, and refused.
const JOBS: &str = "format = 1\n[pack]\ntimezone = \"Europe/Paris\"\n[web]\nhttp_port = 18280\nhttps_port = 18243\n\
                    [backup]\nschedule = \"02:00\"\ndrill = \"Sun 04:00\"\n\
                    [environments.production]\ndomain = \"erp.localhost\"\n\
                    [environments.staging]\ncopy_of = \"production\"\ndomain = \"staging.localhost\"\nrefresh = \"Sun 05:00\"\n";

struct Clocked {
    _keep: tempfile::TempDir,
    root: Utf8PathBuf,
    running: Option<Child>,
}

impl Clocked {
    fn new(file: &str) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        for directory in ["repo", "data/config", "data/odoopack"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        std::fs::write(root.join("repo/odoopack.toml"), file).unwrap();
        let this = Self {
            _keep: keep,
            root,
            running: None,
        };
        let listed = this.list("2026-01-01 12:00:00");
        let job = |job: &Value| {
            json!({ "name": job["name"], "what": job["what"], "environment": job["environment"],
                    "when": job["when"], "run": job["run"] })
        };
        let jobs: Vec<Value> = listed["jobs"].as_array().unwrap().iter().map(job).collect();
        let table = json!({ "format": 1, "zone": listed["zone"], "jobs": jobs });
        std::fs::write(this.root.join("data/config/schedule.json"), table.to_string()).unwrap();
        this
    }

    fn clock(&self) -> Clock {
        Clock::new(self.root.join("clock"))
    }

    /// The clock says this from now on, in UTC, and goes on.
    fn set(&self, time: &str) {
        self.clock().write(&format!("@{time}"));
    }

    fn program(&self) -> Command {
        let mut command = self.clock().program(&self.root);
        command.env("TZ", "UTC");
        command
    }

    fn start(&mut self) {
        let log = std::fs::File::create(self.root.join("log")).unwrap();
        let child = self
            .program()
            .args(["schedule", "run"])
            .stdout(Stdio::from(log))
            .spawn();
        self.running = Some(child.unwrap());
    }

    /// The power fails.
    fn cut(&mut self) {
        let mut child = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn list(&self, time: &str) -> Value {
        self.set(time);
        let output = self
            .program()
            .args(["schedule", "list", "--json"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let first = text.lines().next().unwrap_or_default();
        serde_json::from_str(first).unwrap_or_else(|e| panic!("{e}: {text} {:?}", output.stderr))
    }

    /// Waits until a run of a job for this time has ended.
    fn ended(&self, job: &str, due: &str) -> Value {
        let due = due.parse::<jiff::Timestamp>().unwrap().as_second();
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.root.join(format!("data/odoopack/schedule/{job}.json")));
            let past: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
            if past["last"]["due"] == due && past["last"]["ended"].is_i64() {
                return past["last"].clone();
            }
            let log = std::fs::read_to_string(self.root.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "no run for {due}: {past}\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Clocked {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[test]
fn jobs_happen_when_the_clock_says_so_and_a_missed_one_is_caught_up_once() {
    let mut pack = Clocked::new(FILE);
    // In the night to 29 March 2026 clocks go forward: 04:30 in Paris is 03:30 UTC before it, 02:30 UTC after it.
    pack.set("2026-03-28 03:29:57");
    pack.start();
    let first = pack.ended("certificates", "2026-03-28T03:30:00Z");
    assert_eq!(
        (&first["outcome"], &first["missed"]),
        (&json!("done"), &json!(0)),
        "{first}"
    );
    pack.set("2026-03-29 02:29:58");
    let second = pack.ended("certificates", "2026-03-29T02:30:00Z");
    assert_eq!(second["outcome"], "done");
    assert!(
        second["started"].as_i64().unwrap() - second["due"].as_i64().unwrap() < 60,
        "{second}"
    );

    pack.cut();
    // Nobody begins anything for three days.
    let listed = pack.list("2026-04-01 12:00:00");
    assert_eq!(
        (&listed["begun"], &listed["jobs"][0]["overdue"]),
        (&json!(false), &json!(true)),
        "{listed}"
    );
    assert_eq!(listed["jobs"][0]["next"], "2026-04-02T04:30:00+02:00");
    pack.start();
    let late = pack.ended("certificates", "2026-04-01T02:30:00Z");
    assert_eq!(
        (&late["outcome"], &late["missed"]),
        (&json!("done"), &json!(2)),
        "{late}"
    );
    pack.set("2026-04-01 13:00:00");
    let output = pack.program().args(["schedule", "list"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("done in") && text.contains("3 times were missed"),
        "{text}"
    );
    assert_eq!(
        output.status.code(),
        Some(8),
        "no supervisor begins the jobs here: {text}"
    );
}

impl Clocked {
    /// How often each job was begun since the last start.
    fn begun(&self, jobs: [&str; 3]) -> [usize; 3] {
        let log = std::fs::read_to_string(self.root.join("log")).unwrap();
        jobs.map(|job| {
            let begins = format!(" INFO {job} begins for ");
            log.lines().filter(|line| line.contains(&begins)).count()
        })
    }
}

#[test]
fn a_backup_a_drill_and_a_refresh_are_begun_once_each_and_missed_nights_are_caught_up_once() {
    let jobs = ["backup-production", "drill-production", "refresh-staging"];
    let mut pack = Clocked::new(JOBS);
    // Sunday in Paris is two hours ahead of UTC: 02:00, 04:00 and 05:00.
    pack.set("2026-06-06 23:59:57");
    pack.start();
    let dues = [
        "2026-06-07T00:00:00Z",
        "2026-06-07T02:00:00Z",
        "2026-06-07T03:00:00Z",
    ];
    let nights = [None, Some("2026-06-07 01:59:57"), Some("2026-06-07 02:59:57")];
    for ((job, due), night) in jobs.iter().zip(dues).zip(nights) {
        if let Some(night) = night {
            pack.set(night);
        }
        let ran = pack.ended(job, due);
        assert_eq!((&ran["missed"], &ran["attempt"]), (&json!(0), &json!(1)), "{ran}");
        // It got as far as to what it needs of a pack that runs.
        assert_eq!(ran["outcome"], json!({ "failed": 4 }), "{job}: {ran}");
    }
    pack.set("2026-06-07 20:00:00");
    let listed = pack.list("2026-06-07 20:00:00");
    assert_eq!(listed["begun"], false, "no supervisor begins the jobs here");
    assert_eq!(pack.begun(jobs), [1, 1, 1]);

    pack.cut();
    // Three nights without power, none of them to a Sunday.
    pack.set("2026-06-10 12:00:00");
    pack.start();
    let late = pack.ended(jobs[0], "2026-06-10T00:00:00Z");
    assert_eq!(late["missed"], 2, "{late}");
    pack.ended("certificates", "2026-06-10T02:30:00Z");
    assert_eq!(pack.begun(jobs), [1, 0, 0]);
}

/// The same three where they can do their work.
#[test]
fn a_snapshot_its_proof_and_a_refresh_are_made_by_the_clock_and_missed_ones_are_caught_up() {
    let nights = scheduling::Nights::begin();
    nights.backup_is_made();
    nights.drill_proves_it();
    nights.missed_ones_are_caught_up();
    nights.all_is_well();
}

#[test]
fn a_job_is_begun_by_hand_and_its_failure_is_kept() {
    let pack = Clocked::new(FILE);
    pack.set("2026-05-05 12:00:00");
    let output = pack
        .program()
        .args(["schedule", "run", "certificates", "--json"])
        .output()
        .unwrap();
    let ran: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&ran["run"]["outcome"], output.status.code()),
        (&json!("done"), Some(0)),
        "{ran}"
    );
    // The file becomes wrong: the job ends with 3, and that is said.
    std::fs::write(pack.root.join("data/odoopack/pack"), "somebody-else\n").unwrap();
    std::fs::write(pack.root.join("data/odoopack/written.json"), "{").unwrap();
    let output = pack
        .program()
        .args(["schedule", "run", "certificates"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("written.json"), "{said}");
    let listed = pack.list("2026-05-05 12:00:05");
    assert_eq!(listed["jobs"][0]["good"], false);
    assert!(
        listed["jobs"][0]["past"]["last"]["said"]
            .as_str()
            .unwrap()
            .contains("written.json"),
        "{listed}"
    );
    let output = pack
        .program()
        .args(["schedule", "run", "nothing"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
}

/// Three times the power failed under it, and nobody begins it again before the next night.
#[test]
fn a_job_that_was_cut_off_to_its_last_attempt_is_not_good() {
    let pack = Clocked::new(FILE);
    let night = "2026-05-05T02:30:00Z".parse::<jiff::Timestamp>().unwrap();
    let night = night.as_second();
    std::fs::create_dir_all(pack.root.join("data/odoopack/schedule")).unwrap();
    for (attempt, good) in [(1, true), (3, false)] {
        let last = json!({ "due": night, "started": night + 1, "ended": null, "outcome": "running",
                           "missed": 0, "attempt": attempt, "said": null });
        let past = json!({ "since": night - 86_400, "last": last }).to_string();
        std::fs::write(pack.root.join("data/odoopack/schedule/certificates.json"), past).unwrap();
        let listed = pack.list("2026-05-05 02:40:00");
        assert_eq!(listed["jobs"][0]["good"], good, "attempt {attempt}: {listed}");
    }
}
