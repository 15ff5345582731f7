//! What is killed comes back: `up` itself at three of its steps (with `ODOOPACK_SOAK=N` at every step in N rounds), then
//! each process of a running pack.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::web::Site;
use support::{Pack, journal, machine, wait_for};

const ENVIRONMENT: &str = "[environments.production]\ndomain = \"localhost\"\nusers = 6\n";

/// A step at which `up` is killed, and what must have happened by then.
type Point = (&'static str, fn(&Pack) -> bool);

const POINTS: [Point; 3] = [
    ("create-cluster", |_| true),
    ("\"step\":\"write-file\",\"why\":\"missing\"", |pack| {
        pack.path("data/config/nginx/nginx.conf").exists()
    }),
    ("initialize-database", |pack| installing(pack)),
];

#[test]
fn what_is_killed_comes_back() {
    let pack = Pack::with_file("faults", 31_000, &support::file("faults", ENVIRONMENT));
    half_an_account(&pack);
    if let Ok(rounds) = std::env::var("ODOOPACK_SOAK") {
        killed_at_every_step(&pack, rounds.parse().expect("the variable is a number"));
    } else {
        for point in POINTS {
            killed_at(&pack, point);
        }
    }
    pack.now("the next up finishes the work");
    pack.run(&["up", "--yes"]).exits(0);
    whole(&pack);
    let site = pack.site();
    for service in [
        "production.blue.web",
        "production.blue.cron",
        "postgres",
        "nginx",
        "gate",
    ] {
        killed_service(&pack, &site, service);
    }
    killed_child(&pack, &site, "an HTTP worker", |line| !line.contains(" gevent "));
    killed_child(&pack, &site, "the websocket server", |line| {
        line.contains(" gevent ")
    });
    closed_terminal(&pack, &site);
    killed_runsv(&pack, &site);
    killed_svlogd(&pack, &site);
    killed_runsvdir(&pack, &site);
    let processes = machine::processes_of(&pack.root).len();
    pack.run(&["down"]).exits(0);
    let left = machine::processes_of(&pack.root);
    assert!(
        processes > 10 && left.is_empty(),
        "{processes} processes, left {left:?}"
    );
    pack.now("done");
}

/// What a power cut in the middle of `useradd` or `userdel` leaves: the user without its group, or the group alone.
/// The first `up` completes both.
fn half_an_account(pack: &Pack) {
    let home = pack.path("data/odoopack");
    let name = "odoo-faults-gate";
    machine::must(
        "useradd",
        &[
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            home.as_str(),
            name,
        ],
    );
    machine::must("groupdel", &["--force", name]);
    machine::must("groupadd", &["--system", "odoo-faults-nginx"]);
}

/// Whether Odoo is in the middle of its first installation: it has made tables.
fn installing(pack: &Pack) -> bool {
    let socket = pack.path("data/run/postgres");
    let sql = "SELECT count(*) FROM pg_class WHERE relname IN ('ir_module_module', 'res_partner')";
    let said = machine::psql(&socket, ("odoopack", "faults_production"), "", sql);
    said.is_some_and(|count| count == "2")
}

fn killed_at(pack: &Pack, (step, reached): Point) {
    pack.now(&format!("up is killed in {step}"));
    let mut up = pack.start(&["up", "--yes"]);
    wait_for(&format!("{step} begins"), || {
        assert!(up.try_wait().unwrap().is_none(), "up ended before {step}");
        let begun = journal::begun(pack, up.id());
        let now =
            begun.last().is_some_and(|last| last.contains(step)) || begun.iter().any(|b| b.contains(step));
        (now && reached(pack)).then_some(())
    });
    up.kill().unwrap();
    up.wait().unwrap();
    nobody_left_behind(pack);
}

/// Whatever a killed `up` had started itself is gone; only the supervisor and what it looks after may run.
fn nobody_left_behind(pack: &Pack) {
    wait_for("children of the killed up are gone", || {
        let all = machine::processes();
        let supervised = |pid: u32| {
            let mut next = all.iter().find(|process| process.pid == pid);
            while let Some(process) = next {
                if process.line.starts_with("runsvdir ") {
                    return true;
                }
                next = all.iter().find(|parent| parent.pid == process.parent);
            }
            false
        };
        let left = machine::processes_of(&pack.root)
            .into_iter()
            .find(|process| !supervised(process.pid));
        left.is_none().then_some(())
    });
}

/// Every step of the way is begun and killed once; the runs in between make the progress.
fn killed_at_every_step(pack: &Pack, rounds: usize) {
    let (mut killed, mut last) = (BTreeSet::new(), String::new());
    for delay in [0, 30, 300].map(Duration::from_millis).into_iter().take(rounds) {
        loop {
            let mut up = pack.start(&["up", "--yes"]);
            let step = wait_for("a step that was not killed yet begins, or up ends", || {
                if up.try_wait().unwrap().is_some() {
                    return Some(None);
                }
                let begun = journal::begun(pack, up.id());
                begun
                    .into_iter()
                    .find(|step| !killed.contains(&(delay, step.clone())))
                    .map(Some)
            });
            let Some(step) = step else {
                let output = up.wait_with_output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "after {last:?} was killed:\n{said}");
                break;
            };
            std::thread::sleep(delay);
            up.kill().unwrap();
            up.wait().unwrap();
            nobody_left_behind(pack);
            last.clone_from(&step);
            killed.insert((delay, step));
        }
        whole(pack);
        pack.now(&format!(
            "soak: killed {} times, the last ones {delay:?} into the step",
            killed.len()
        ));
        pack.run(&["demo", "--down", "--keep-data"]).exits(0);
        for below in ["data", "backups"] {
            std::fs::remove_dir_all(pack.path(below)).unwrap();
        }
    }
}

/// Nothing is left to do, no file differs, everything answers, and nothing half-made lies around.
fn whole(pack: &Pack) {
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    pack.run(&["render", "--check"]).exits(0);
    let status = pack.run(&["status", "--json"]).exits(0).json();
    assert_eq!(status["good"], true, "{status}");
    let unfinished = pack
        .path("data/odoopack/unfinished")
        .read_dir_utf8()
        .unwrap()
        .count();
    assert_eq!(unfinished, 0);
    let sql = "SELECT DISTINCT state FROM ir_module_module WHERE name IN ('base', 'web')";
    let answer = pack.run(&["psql", "production", "--", "-Atc", sql]).exits(0);
    assert_eq!(answer.stdout.trim(), "installed");
}

fn fact(status: &Value, service: &str, key: &str) -> u64 {
    status["services"][service][key].as_u64().unwrap_or_default()
}

fn answers(site: &Site) -> bool {
    ["/web/health?db_server_status=1", "/web/login"]
        .iter()
        .all(|path| site.try_get(path).is_ok_and(|page| page.status == 200))
}

/// Killed, it comes back by itself as another process, and the restart is counted.
fn killed_service(pack: &Pack, site: &Site, service: &str) {
    pack.now(&format!("kill -9 {service}"));
    let before = pack.status();
    let pid = u32::try_from(fact(&before, service, "pid")).unwrap();
    let begun = Instant::now();
    machine::kill(pid);
    wait_for(&format!("{service} is back and counted"), || {
        let now = pack.status();
        let other = fact(&now, service, "pid") != u64::from(pid);
        // A process is there a moment before its start is written down.
        let counted = fact(&now, service, "restarts") > fact(&before, service, "restarts");
        (other && counted && now["good"] == true && answers(site)).then_some(now)
    });
    pack.now(&format!("  back after {:.1} s", begun.elapsed().as_secs_f64()));
}

/// A child of the web master is replaced by the master, which goes on; that is counted too.
fn killed_child(pack: &Pack, site: &Site, what: &str, is_it: fn(&str) -> bool) {
    pack.now(&format!("kill -9 {what}"));
    let web = "production.blue.web";
    let replaced = |status: &Value| status["services"][web]["children"]["replaced"].as_u64();
    // After a start of the service its children take a moment to say that they are there.
    let before = wait_for("the children are counted", || {
        Some(pack.status()).filter(|now| replaced(now).is_some())
    });
    let master = fact(&before, web, "pid");
    let children = machine::children(u32::try_from(master).unwrap());
    let child = children
        .iter()
        .find(|child| is_it(&child.line))
        .unwrap_or_else(|| panic!("{children:?}"));
    machine::kill(child.pid);
    let after = wait_for(&format!("{what} is replaced and counted"), || {
        let now = pack.status();
        let same =
            now["services"][web]["children"]["running"] == before["services"][web]["children"]["running"];
        (same && replaced(&now) > replaced(&before) && now["good"] == true && answers(site)).then_some(now)
    });
    assert_eq!(fact(&after, web, "pid"), master, "the master goes on");
    assert_eq!(fact(&after, web, "restarts"), fact(&before, web, "restarts"));
    assert!(!machine::alive(child.pid));
}

/// The terminal of a restart is closed while visitors wait at the gate: they are let in.
fn closed_terminal(pack: &Pack, site: &Site) {
    let service = "production.blue.web";
    pack.now("a terminal is closed in the middle of a restart");
    // What runit says is there at once; a `status` with its probes may take longer than the restart.
    let pid = pack.path(&format!("data/odoopack/enabled/{service}/supervise/pid"));
    let started = || std::fs::read_to_string(&pid).unwrap_or_default();
    let before = started();
    let command = ["restart", service];
    let mut restart = pack.start(&command);
    wait_for("the restart begins, and the gate holds", || {
        let now = started();
        (!now.is_empty() && now != before).then_some(())
    });
    assert!(restart.try_wait().unwrap().is_none(), "too late");
    machine::hang_up(restart.id());
    let ended = pack.end(restart, &command);
    // It says which of the two it is: interrupted, or all was done and looked at in spite of the signal.
    let says_so = match ended.code {
        Some(129) => ended.stderr.contains("interrupted"),
        Some(0) => ended.stdout.contains(&format!("restarted {service}")),
        _ => false,
    };
    assert!(says_so, "{}", ended.said());
    // Without a second request that would wait for the end of the hold: the first one that Odoo can answer is answered.
    wait_for("visitors are let in", || answers(site).then_some(()));
    wait_for("all is well", || (pack.status()["good"] == true).then_some(()));
}

fn killed_runsv(pack: &Pack, site: &Site) {
    let service = "production.blue.cron";
    pack.now(&format!("kill -9 the runsv of {service}"));
    let before = pack.status();
    let of_service = format!("runsv {service}");
    let runsv = machine::processes().into_iter().find(|process| {
        let mine = std::fs::read_link(format!("/proc/{}/cwd", process.pid));
        process.line.trim() == of_service && mine.is_ok_and(|place| place.starts_with(&pack.root))
    });
    let runsv = runsv.unwrap().pid;
    machine::kill(runsv);
    wait_for("runsv and its service are back", || {
        let now = pack.status();
        let other = fact(&now, service, "pid") != fact(&before, service, "pid");
        let counted = fact(&now, service, "restarts") > fact(&before, service, "restarts");
        (other && counted && now["good"] == true && answers(site)).then_some(())
    });
    assert!(!machine::alive(runsv));
}

/// What a service says goes on being written down.
fn killed_svlogd(pack: &Pack, site: &Site) {
    pack.now("kill -9 the svlogd of nginx");
    let logs = pack.path("data/logs/nginx");
    let of_nginx = || {
        let all = machine::processes().into_iter();
        all.filter(|process| process.line.contains("svlogd") && process.line.contains(logs.as_str()))
            .map(|process| process.pid)
            .collect::<Vec<_>>()
    };
    let killed = of_nginx();
    let [svlogd] = killed[..] else {
        panic!("{killed:?}");
    };
    machine::kill(svlogd);
    wait_for("another svlogd writes", || {
        (of_nginx().iter().any(|pid| *pid != svlogd) && answers(site)).then_some(())
    });
    let said = || pack.read("data/logs/nginx/current").lines().count();
    let before = said();
    wait_for("a request is written down", || {
        (answers(site) && said() > before).then_some(())
    });
}

/// Nothing restarts `runsvdir`: `status` says so, everything goes on, the next `up` brings it back.
fn killed_runsvdir(pack: &Pack, site: &Site) {
    pack.now("kill -9 runsvdir");
    let enabled = pack.path("data/odoopack/enabled");
    let runsvdir = machine::processes()
        .into_iter()
        .find(|process| process.line.starts_with("runsvdir ") && process.line.contains(enabled.as_str()))
        .unwrap();
    machine::kill(runsvdir.pid);
    wait_for("it is gone", || (!machine::alive(runsvdir.pid)).then_some(()));
    let told = pack.run(&["status"]).exits(8);
    assert!(
        told.stdout.contains("the supervisor does not run"),
        "{}",
        told.said()
    );
    assert!(answers(site), "the services go on");
    pack.run(&["up", "--yes"]).exits(0);
    whole(pack);
}
