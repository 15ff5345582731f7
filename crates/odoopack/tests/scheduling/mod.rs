//! The jobs of the file at their times, with an Odoo that runs: the supervised scheduler and what it begins see a clock that is moved.
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::clock::Clock;
use crate::support::{self, Answer, Pack, guest, machine, wait_for};

/// Days ahead of today is the night, so that no time of it comes by itself while the test runs.
const AHEAD: i64 = 3;
const BACKUP: &str = "backup-production";
const DRILL: &str = "drill-production";
const REFRESH: &str = "refresh-staging";

/// A pack whose scheduler follows a clock.
pub(crate) struct Nights {
    pack: Pack,
    clock: Clock,
    day: Date,
}

impl Nights {
    /// Brings it up, and gives its scheduler the clock of the hour before the first job.
    pub(crate) fn begin() -> Self {
        let day = Timestamp::now().to_zoned(TimeZone::UTC).date() + AHEAD.days();
        let week = &format!("{:?}", day.weekday())[..3];
        let more = format!(
            "[backup]\nschedule = \"{week} 02:00\"\ndrill = \"{week} 04:00\"\n\n[environments.production]\ndomain = \"localhost\"\n\n\
             [environments.staging]\nkind = \"staging\"\ncopy_of = \"production\"\ndomain = \"staging.localhost\"\nrefresh = \"{week} 05:00\"\n"
        );
        let pack = Pack::with_file("nights", 32_400, &support::file("nights", &more));
        let clock = Clock::new(pack.path("clock"));
        pack.now("up");
        pack.run(&["up", "--yes"]).exits(0);
        let nights = Self { pack, clock, day };
        nights.sql(
            "production",
            "INSERT INTO ir_config_parameter (key, value) VALUES ('nights.of', 'production')",
        );
        nights.scheduler_gets_the_clock();
        nights
    }

    /// Of everything that is supervised only this one gets it.
    fn scheduler_gets_the_clock(&self) {
        wait_for("every job is known", || {
            let known = |job: &&str| {
                self.pack
                    .path(&format!("data/odoopack/schedule/{job}.json"))
                    .exists()
            };
            [BACKUP, DRILL, REFRESH, "certificates"]
                .iter()
                .all(known)
                .then_some(())
        });
        self.supervise("down");
        let run = "data/odoopack/runit/schedule/run";
        let (text, bare) = (self.pack.read(run), "/usr/bin/env -i");
        assert!(text.contains(bare), "{text}");
        let variables = self
            .clock
            .variables()
            .map(|(name, value)| format!(" {name}={value}"));
        self.pack
            .write(run, &text.replace(bare, &format!("{bare}{}", variables.concat())));
        self.clock.set(self.at(0, 1));
        self.supervise("up");
        self.pack
            .now("the nights that were leapt over are caught up first");
        self.ended("certificates", self.at(-1, 4) + 30 * 60);
    }

    fn supervise(&self, verb: &str) {
        let service = self.pack.path("data/odoopack/enabled/schedule");
        machine::must("sv", &["-w", "60", verb, service.as_str()]);
    }

    /// A full hour of the day that is so many days from the night.
    fn at(&self, days: i64, hour: i8) -> i64 {
        let time = (self.day + days.days()).at(hour, 0, 0, 0);
        time.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second()
    }

    fn sql(&self, environment: &str, text: &str) -> String {
        let answer = self
            .pack
            .run(&["psql", environment, "--admin", "--", "-Atqc", text]);
        answer.exits(0).stdout.trim().to_owned()
    }

    /// Runs the program at the time that the clock says.
    fn run(&self, args: &[&str]) -> Answer {
        let output = self.clock.program(&self.pack.root).args(args).output().unwrap();
        guest::answer(&output)
    }

    /// Waits until a run for this time came to its end, and nobody else was in its way.
    fn ended(&self, job: &str, due: i64) -> Value {
        wait_for(&format!("{job} ends for {due}"), || {
            let path = self.pack.path(&format!("data/odoopack/schedule/{job}.json"));
            let past: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
            let last = &past["last"];
            let over = last["due"] == due && last["ended"].is_i64() && last["outcome"] != "locked";
            over.then(|| last.clone())
        })
    }

    /// Sets the clock to just before the time, and sees the job begin then and end well.
    fn comes(&self, job: &str, due: i64) {
        self.clock.set(due - 3);
        let ran = self.ended(job, due);
        assert_eq!(
            (&ran["outcome"], &ran["missed"]),
            (&json!("done"), &json!(0)),
            "{ran}"
        );
        let late = ran["started"].as_i64().unwrap() - due;
        assert!((0..60).contains(&late), "{late} s after its time: {ran}");
    }

    /// Names of all snapshots, and when each was made.
    fn snapshots(&self) -> Vec<(String, i64)> {
        let all = self.run(&["backup", "list", "--json"]).exits(0).json();
        let one = |row: &Value| {
            let time: Timestamp = row["time"].as_str().unwrap().parse().unwrap();
            (row["snapshot"].as_str().unwrap().to_owned(), time.as_second())
        };
        all.as_array().unwrap().iter().map(one).collect()
    }

    /// A snapshot of that night is there.
    pub(crate) fn backup_is_made(&self) {
        self.pack.now("a backup at its time");
        self.pack.run(&["backup", "list"]).exits(4);
        let due = self.at(0, 2);
        self.comes(BACKUP, due);
        let made = self.snapshots();
        assert_eq!(made.len(), 1, "{made:?}");
        assert!((due..due + 120).contains(&made[0].1), "{made:?} is not of {due}");
    }

    /// Odoo served it.
    pub(crate) fn drill_proves_it(&self) {
        self.pack.now("a drill at its time");
        self.comes(DRILL, self.at(0, 4));
        let status = self.run(&["backup", "status", "--json"]).first_json();
        let proven = &status["status"]["environments"][0]["proven"]["snapshot"];
        assert_eq!(*proven, self.snapshots()[0].0, "{status}");
    }

    /// Nobody is there when staging would be refreshed, nor a week later at the time of the backup.
    pub(crate) fn missed_ones_are_caught_up(&self) {
        self.pack.now("a refresh and a backup that are missed");
        self.supervise("down");
        self.sql(
            "staging",
            "INSERT INTO ir_config_parameter (key, value) VALUES ('nights.own', 'staging')",
        );
        self.clock.set(self.at(7, 3));
        let listed = self.run(&["schedule", "list", "--json"]).exits(8).first_json();
        for (job, overdue) in [(BACKUP, true), (DRILL, false), (REFRESH, true)] {
            assert_eq!(row(&listed, job)["overdue"], overdue, "{job}: {listed}");
        }
        assert_eq!(listed["begun"], false);

        self.pack.now("both are caught up");
        self.supervise("up");
        for (job, due) in [(REFRESH, self.at(0, 5)), (BACKUP, self.at(7, 2))] {
            let ran = self.ended(job, due);
            assert_eq!(
                (&ran["outcome"], &ran["missed"]),
                (&json!("done"), &json!(0)),
                "{ran}"
            );
        }
        self.ended("certificates", self.at(6, 4) + 30 * 60);
        let parameters = "SELECT string_agg(value, ' ') FROM ir_config_parameter WHERE key LIKE 'nights.%'";
        assert_eq!(
            self.sql("staging", parameters),
            "production",
            "it is what production was"
        );
        self.pack.run(&["env", "check", "staging"]).exits(0);
        let mut site = self.pack.site();
        "staging.localhost".clone_into(&mut site.domain);
        let password = self.pack.secret("STAGING_ADMIN");
        assert!(
            site.sign_in("nights_staging", &password).is_some(),
            "Odoo serves it"
        );
    }

    /// What is shown in the end, and that nothing was done twice.
    pub(crate) fn all_is_well(&self) {
        self.pack.now("what is shown of it");
        let listed = self.run(&["schedule", "list", "--json"]).exits(0).first_json();
        for job in [BACKUP, DRILL, REFRESH] {
            let row = row(&listed, job);
            assert_eq!(
                (&row["good"], &row["past"]["last"]["outcome"]),
                (&json!(true), &json!("done")),
                "{row}"
            );
        }
        let shown = self.run(&["schedule", "list"]).exits(0).stdout;
        for (job, missed) in [(BACKUP, true), (DRILL, false), (REFRESH, true)] {
            let line = shown.lines().find(|line| line.starts_with(job)).unwrap();
            assert!(
                line.contains("done in ") && line.contains("its time was missed") == missed,
                "{line}"
            );
        }
        assert_eq!(self.snapshots().len(), 2);
        let log = self.pack.read("data/logs/schedule/current");
        for (job, times) in [(BACKUP, 2), (DRILL, 1), (REFRESH, 1)] {
            let ends = format!(" {job} done in ");
            assert_eq!(log.matches(&ends).count(), times, "{job}:\n{log}");
        }
        self.pack.now("done");
    }
}

fn row<'a>(listed: &'a Value, job: &str) -> &'a Value {
    let rows = listed["jobs"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == job).unwrap()
}
