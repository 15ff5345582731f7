//! A pack under systemd, on a machine of its own: a container with systemd as process 1.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on shall panic, in its helpers too; it says what it does"
)]

mod support;

use std::time::Instant;

use serde_json::{Value, json};
use support::guest::{Docker, Guest};
use support::{Answer, wait_for};

const SERVICES: [&str; 5] = [
    "postgres",
    "gate",
    "production.blue.web",
    "production.blue.cron",
    "nginx",
];
/// Where the demo is for root.
const ROOT: &str = "/opt/odoopack-demo";
/// Seconds; the machine's zone is UTC.
const DAY: i64 = 86_400;

#[test]
fn a_pack_lives_under_systemd() {
    support::machine::must_be_root();
    let docker = match Docker::start() {
        Ok(docker) => docker,
        // The one reason for which this may be left out.
        Err(reason) => {
            let why = format!("there is no machine with systemd: {reason}");
            return support::left_out("a_pack_lives_under_systemd", &why);
        }
    };
    let mut story = Story {
        guest: Guest::boot(&docker),
        begun: Instant::now(),
    };
    story.comes_up();
    story.begins_jobs();
    story.is_fenced();
    story.has_limits();
    story.heals();
    story.tells_what_happened();
    story.comes_back_after_a_boot();
    story.changes();
    story.goes_down_and_up();
    story.goes();
}

struct Story<'a> {
    guest: Guest<'a>,
    begun: Instant,
}

impl Story<'_> {
    fn now(&self, what: &str) {
        println!("{:>6.1}s  {what}", self.begun.elapsed().as_secs_f64());
    }

    /// Runs the program on the pack.
    fn odoopack(&self, args: &[&str]) -> Answer {
        self.guest.run(&[&["odoopack", "--root", ROOT], args].concat())
    }

    #[track_caller]
    fn nothing_to_do(&self) {
        let answer = self.odoopack(&["up", "--yes", "--json"]).exits(0);
        assert_eq!(answer.json()["steps"], 0, "{}", answer.said());
    }

    fn status(&self) -> Value {
        self.odoopack(&["status", "--json"]).first_json()
    }

    #[track_caller]
    fn all_good(&self) {
        let status = self.odoopack(&["status", "--json"]).exits(0).first_json();
        assert_eq!(status["good"], true, "{status}");
        for probe in status["probes"]["production"].as_array().unwrap() {
            assert_eq!(probe["verdict"], "pass", "{probe}");
        }
    }

    /// One property of a service's unit.
    fn property(&self, service: &str, name: &str) -> String {
        let property = format!("--property={name}");
        self.guest
            .must(&["systemctl", "show", "--value", &property, &unit(service)])
    }

    fn comes_up(&self) {
        self.now("demo from nothing; nginx is installed and its own service stays off");
        self.guest.must(&["odoopack", "demo", "--yes"]);
        for unit in ["nginx.service", "postgresql.service"] {
            let state = self.guest.run(&["systemctl", "is-active", unit]).stdout;
            assert_eq!(state.trim(), "inactive", "{unit}");
            let state = self.guest.run(&["systemctl", "is-enabled", unit]).stdout;
            assert_eq!(state.trim(), "disabled", "{unit}");
        }
        for service in SERVICES {
            assert_eq!(self.property(service, "ActiveState"), "active", "{service}");
            assert_eq!(
                self.property(service, "Slice"),
                "odoopack-demo.slice",
                "{service}"
            );
        }
        for (service, user) in [
            ("postgres", "odoo-demo-postgres"),
            ("production.blue.web", "odoo-demo-production"),
        ] {
            let pid = self.property(service, "MainPID");
            assert_eq!(self.guest.must(&["ps", "-o", "user:40=", "-p", &pid]), user);
        }
        self.all_good();
        self.nothing_to_do();
    }

    /// The row of a job in `schedule list`; somebody begins it.
    #[track_caller]
    fn job(&self, name: &str) -> Value {
        let listed = self.odoopack(&["schedule", "list", "--json"]).first_json();
        assert_eq!(listed["begun"], true, "{listed}");
        let mut rows = listed["jobs"].as_array().unwrap().iter();
        rows.find(|row| row["name"] == name).unwrap().clone()
    }

    /// A timer waits for the job, at the time that we say.
    #[track_caller]
    fn has_a_timer(&self, name: &str) -> jiff::Timestamp {
        let job = self.job(name);
        let next: jiff::Timestamp = job["next"].as_str().unwrap().parse().unwrap();
        let timer = job_unit(name, "timer");
        let show = [
            "systemctl",
            "show",
            "--value",
            "-p",
            "NextElapseUSecRealtime",
            &timer,
        ];
        let seen = self.guest.must(&show);
        // systemd 252 prints this property in words, whatever `--timestamp` asks for; the machine's zone is UTC.
        let shown = next.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        assert!(seen.contains(&shown), "{seen} is not {shown}");
        next
    }

    /// Writes down that a job ran last at `due`, as on a machine that was off since then.
    fn ran_last(&self, name: &str, due: i64, outcome: &str, attempt: u32) {
        let ended = (outcome != "running").then_some(due + 2);
        let last = json!({ "due": due, "started": due + 1, "ended": ended, "outcome": outcome, "missed": 0,
                           "attempt": attempt, "said": null });
        let past = json!({ "since": due - DAY, "times": self.job(name)["past"]["times"], "last": last });
        let file = format!("{ROOT}/data/odoopack/schedule/{name}.json");
        self.guest.must(&["sh", "-c", &format!("echo '{past}' >{file}")]);
    }

    /// A timer waits for each job; what it starts is run when it is due, and written down.
    fn begins_jobs(&self) {
        self.now("a timer begins the jobs");
        let name = "certificates";
        let last = || self.job(name)["past"]["last"].clone();
        assert_eq!(last(), Value::Null);
        let due = self.has_a_timer(name).as_second() - DAY;
        let unit = job_unit(name, "service");
        let start = || self.guest.must(&["systemctl", "start", &unit]);
        self.odoopack(&["schedule", "list"]).exits(0);
        start();
        assert_eq!(last(), Value::Null, "it is not due");
        self.ran_last(name, due - DAY, "done", 1);
        start();
        let ran = last();
        assert_eq!(
            (&ran["outcome"], &ran["due"]),
            (&json!("done"), &json!(due)),
            "{ran}"
        );
        start();
        assert_eq!(last(), ran, "somebody has run it");
        self.ran_last(name, due - DAY, "done", 1);
        let lock = format!("{ROOT}/data/odoopack/schedule/{name}.lock");
        let held = format!("flock {lock} systemctl start {unit}");
        self.guest.run(&["sh", "-c", &held]).exits(1);
        let status = ["systemctl", "show", "--value", "-p", "ExecMainStatus", &unit];
        assert_eq!(self.guest.must(&status).trim(), "5", "somebody else is at work");
        wait_for("it is begun again by itself", || {
            (last()["outcome"] == "done" && last()["due"] == due).then_some(())
        });
    }

    /// What a service can reach, seen from its own mount namespace as root.
    fn is_fenced(&self) {
        self.now("the fences hold, and leave what is needed");
        let inside = |service: &str, words: &[&str]| {
            let pid = self.property(service, "MainPID");
            self.guest
                .run(&[&["nsenter", "--mount", "--target", &pid], words].concat())
        };
        let data = format!("{ROOT}/data/environments/production/touched");
        inside("production.blue.web", &["touch", &data]).exits(0);
        for place in [
            "/etc/touched",
            "/usr/touched",
            "/opt/odoopack-demo/data/secrets/touched",
            "/root/touched",
        ] {
            let answer = inside("production.blue.web", &["touch", place]);
            assert_eq!(answer.code, Some(1), "{place}: {}", answer.said());
        }
        assert_eq!(
            inside("production.blue.web", &["ls", "-A", "/root"]).said(),
            "exit Some(0)\n"
        );
        for service in SERVICES {
            let words = [
                "systemd-analyze",
                "security",
                "--no-pager",
                "--threshold=50",
                &unit(service),
            ];
            let answer = self.guest.run(&words).exits(0);
            let score = answer
                .stdout
                .lines()
                .rfind(|line| line.contains("exposure"))
                .unwrap_or_default();
            println!("         {}", score.trim_start_matches(['→', ' ']));
        }
        // A report goes through wkhtmltopdf, which asks Odoo for its styles.
        let doctor = self.odoopack(&["doctor", "--json"]);
        let probes = doctor.first_json()["probes"].clone();
        for what in ["sign_in", "report"] {
            let seen = probes
                .as_array()
                .unwrap()
                .iter()
                .find(|row| row["seen"]["probe"] == what);
            assert_eq!(seen.unwrap()["seen"]["verdict"], "pass", "{probes}");
        }
    }

    /// The limit of memory is one that the kernel has taken.
    fn has_limits(&self) {
        let limit: u64 = self.property("production.blue.web", "MemoryMax").parse().unwrap();
        assert!(limit >= 1 << 30, "{limit}");
        let pid = self.property("production.blue.web", "MainPID");
        let groups = self.guest.must(&["cat", &format!("/proc/{pid}/cgroup")]);
        let path = |marker: &str| {
            groups
                .lines()
                .find_map(|line| Some(line.split_once(marker)?.1.to_owned()))
        };
        let file = match path(":memory:") {
            Some(path) => format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"),
            None => format!("/sys/fs/cgroup{}/memory.max", path("0::").unwrap()),
        };
        assert_eq!(self.guest.must(&["cat", &file]), limit.to_string());
        self.now(&format!(
            "all of Odoo's web processes together may use {} MiB",
            limit >> 20
        ));
        assert_eq!(self.property("postgres", "MemoryMax"), "infinity");
    }

    fn restarts(&self, service: &str) -> u64 {
        self.property(service, "NRestarts").parse().unwrap()
    }

    fn heals(&self) {
        for service in SERVICES {
            self.now(&format!("kill -9 of {service}"));
            // Odoo ends by itself when its database server does, so some have been counted before.
            let before = self.restarts(service);
            let pid = self.property(service, "MainPID");
            self.guest.must(&["kill", "-9", &pid]);
            wait_for(&format!("{service} is back and counted"), || {
                let seen = self.status()["services"][service].clone();
                let counted = seen["restarts"].as_u64() == Some(self.restarts(service));
                (seen["running"] == true && counted && self.restarts(service) > before).then_some(())
            });
        }
        wait_for("every probe passes again", || {
            (self.status()["good"] == true).then_some(())
        });
        self.nothing_to_do();
    }

    fn tells_what_happened(&self) {
        self.now("logs");
        let said = |args: &[&str]| {
            self.odoopack(&[&["logs", "-n", "100000"], args].concat())
                .exits(0)
                .stdout
        };
        let nginx = said(&["nginx"]);
        assert!(nginx.contains(r#""path":"/web/login","status":200"#), "{nginx}");
        assert!(nginx.lines().all(|line| line.starts_with("nginx ")), "{nginx}");
        let all = said(&["--since", "1h"]);
        for (service, text) in [
            ("production.blue.web", "odoo.service.server"),
            ("postgres", "database system is ready"),
            ("gate", "serving 1"),
        ] {
            let line = all
                .lines()
                .find(|line| line.starts_with(service) && line.contains(text));
            assert!(line.is_some(), "{service} does not say `{text}`:\n{all}");
        }
        // `grep -F -f` counts the lines that hold any of the values, which are no arguments of anybody.
        let secrets = format!(
            "for f in {ROOT}/data/secrets/*; do cat $f; echo; done | grep . >/run/values && test -s /run/values && journalctl --no-pager --all | grep -cFf /run/values; rm /run/values"
        );
        let lines = self.guest.run(&["sh", "-c", &secrets]).stdout;
        assert_eq!(lines.trim(), "0", "lines of the journal with secret values");
        let bad = said(&["gate", "--level", "warning"]);
        assert!(bad.contains("Failed with result 'signal'"), "{bad}");
        assert!(!bad.contains("Started odoopack"), "{bad}");
    }

    /// The machine was off for two nights of the backup, and the power failed under the renewal.
    fn comes_back_after_a_boot(&mut self) {
        let (missed, cut_off) = ("backup-production", "certificates");
        let toml = format!("{ROOT}/repo/odoopack.toml");
        let more = r#"s/^\[environments.production\]/[backup]\nschedule = "02:00"\n\n&/"#;
        self.guest.must(&["sed", "-i", more, &toml]);
        self.odoopack(&["up", "--yes"]).exits(0);
        assert_eq!(self.job(missed)["past"]["last"], Value::Null);
        let due = self.has_a_timer(missed).as_second() - DAY;
        self.ran_last(missed, due - 3 * DAY, "done", 1);
        let stamp = format!("/var/lib/systemd/timers/stamp-{}", job_unit(missed, "timer"));
        self.guest.must(&["test", "-e", &stamp]);
        self.guest
            .must(&["touch", "-d", &format!("@{}", due - 3 * DAY), &stamp]);
        let of_renewal = self.has_a_timer(cut_off).as_second() - DAY;
        self.ran_last(cut_off, of_renewal, "running", 1);
        self.now("boot");
        self.guest.reboot();
        wait_for("everything is there by itself", || {
            (self.status()["good"] == true).then_some(())
        });
        self.now("everything came back by itself");
        self.all_good();
        self.nothing_to_do();
        self.has_caught_up(missed, due);
        self.now("what was cut off is begun again");
        wait_for("its second attempt", || {
            let last = self.job(cut_off)["past"]["last"].clone();
            let again = last["attempt"] == 2 && last["due"] == of_renewal;
            (again && last["outcome"] == "done").then_some(())
        });
        self.odoopack(&["schedule", "list"]).exits(0);
        self.has_a_timer(missed);
        self.has_a_timer(cut_off);
    }

    /// What a night's backup that came too late leaves: one snapshot for all of them.
    fn has_caught_up(&self, job: &str, due: i64) {
        self.now("what was missed is caught up");
        wait_for("the backup to end", || {
            let last = self.job(job)["past"]["last"].clone();
            (last["due"] == due && last["outcome"] == "done").then_some(())
        });
        assert_eq!(self.job(job)["past"]["last"]["missed"], 2);
        let shown = self.odoopack(&["schedule", "list"]).stdout;
        let line = shown.lines().find(|line| line.starts_with(job)).unwrap();
        assert!(
            line.contains("done in ") && line.contains("times were missed"),
            "{shown}"
        );
        let list = self.odoopack(&["backup", "list", "--json"]).exits(0).json();
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    }

    /// A hand edit is refused; a service that is no longer wanted goes with its unit.
    fn changes(&self) {
        self.now("a hand edit of a unit is drift");
        let file = format!("/etc/systemd/system/{}", unit("gate"));
        self.guest.must(&["sh", "-c", &format!("echo Nice=5 >>{file}")]);
        self.odoopack(&["render", "--check"]).exits(8);
        self.odoopack(&["up", "--yes"]).exits(4);
        self.odoopack(&["up", "--yes", "--overwrite-edits"]).exits(0);
        self.nothing_to_do();

        self.now("a service that nobody wants any more goes with its unit");
        let toml = format!("{ROOT}/repo/odoopack.toml");
        self.guest
            .must(&["sh", "-c", &format!("echo 'cron_workers = 0' >>{toml}")]);
        self.odoopack(&["up", "--yes"]).exits(0);
        let left = self.guest.must(&[
            "ls",
            "/etc/systemd/system",
            "/etc/systemd/system/odoopack-demo.target.wants",
        ]);
        assert!(
            left.contains("web.service") && !left.contains("cron.service"),
            "{left}"
        );
        assert_eq!(self.property("production.blue.cron", "LoadState"), "not-found");
        self.all_good();
        self.nothing_to_do();
    }

    fn goes_down_and_up(&self) {
        self.now("down leaves no process and nothing for the next boot");
        self.odoopack(&["down"]).exits(0);
        self.nothing_runs();
        let boot = self
            .guest
            .run(&["systemctl", "is-enabled", "odoopack-demo.target"]);
        assert_eq!(boot.stdout.trim(), "disabled");
        self.now("up again");
        self.odoopack(&["up", "--yes"]).exits(0);
        self.all_good();
        self.nothing_to_do();
    }

    fn goes(&self) {
        self.now("demo --down removes everything");
        self.guest.must(&["odoopack", "demo", "--down", "--yes"]);
        self.nothing_runs();
        let left = self.guest.run(&["sh", "-c", "ls -d /etc/systemd/system/*odoopack* /etc/systemd/system/*/*odoopack* /opt/*; grep odoo- /etc/passwd"]);
        assert_eq!(left.stdout, "");
        let units = self.guest.must(&[
            "systemctl",
            "list-units",
            "--all",
            "--plain",
            "--no-legend",
            "odoopack-*",
        ]);
        assert_eq!(units, "");
        self.now("done");
    }

    fn nothing_runs(&self) {
        let all = self.guest.must(&["ps", "-e", "-o", "user:40=,args="]);
        let left: Vec<&str> = all
            .lines()
            .filter(|line| line.starts_with("odoo-") || line.contains(ROOT))
            .collect();
        assert_eq!(left, Vec::<&str>::new());
    }
}

/// The timer of a job, or the service that it starts.
fn job_unit(job: &str, kind: &str) -> String {
    format!("odoopack-demo-job-{job}.{kind}")
}

fn unit(service: &str) -> String {
    format!("odoopack-demo-{service}.service")
}
