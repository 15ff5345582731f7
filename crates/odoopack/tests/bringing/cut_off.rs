//! Restores that are killed, and a server that goes away under one.
use std::process::Command;

use super::in_production::Before;
use super::{databases, leftovers, sql};
use crate::support::{Pack, machine, wait_for};

/// A snapshot into another environment.
const SNAPSHOT: [&str; 5] = ["restore", "latest", "--to", "staging", "--yes"];

/// And into the one that people work in.
const PRODUCTION: [&str; 6] = [
    "restore",
    "latest",
    "--to",
    "production",
    "--yes-replace",
    "production",
];

/// Steps of it, and the one that puts the new database in place: from its end on there is only the way forward.
const STEPS: usize = 10;
const SWAP: usize = 6;
/// The step that makes a copy harmless, or holds the jobs of production.
const FENCE: usize = 4;

/// A restore that is killed when `step` has begun; with the end of `swap` the new state is in place.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    environment: &'a str,
    command: &'a [&'a str],
    step: usize,
    swap: usize,
}

/// Killed at every step: the next command takes it back, or finishes it, and `up` waits for that.
pub(crate) fn killed_anywhere(pack: &Pack, zip: &camino::Utf8Path) {
    let import = ["backup", "import", zip.as_str(), "--to", "staging", "--yes"];
    let attempt = |environment, command, step| Attempt {
        environment,
        command,
        step,
        swap: SWAP,
    };
    for step in 0..STEPS {
        // In the middle it is also what somebody else has written; what touches the services and the names is done to production too.
        let (environment, command) = match step {
            FENCE => ("staging", &import[..]),
            5 | SWAP | 7 | 9 => ("production", &PRODUCTION[..]),
            _ => ("staging", &SNAPSHOT[..]),
        };
        killed_at(pack, attempt(environment, command, step));
    }
    killed_at(pack, attempt("production", &PRODUCTION, FENCE));
    // The database alone: when its services stop, the one that is kept has attachments of its own.
    let alone = [&SNAPSHOT[..], &["--only", "database"]].concat();
    killed_at(
        pack,
        Attempt {
            swap: 7,
            ..attempt("staging", &alone, 5)
        },
    );
}

/// What only the database has that is there before; empty for the new one.
pub(crate) fn marked(pack: &Pack, database: &str) -> String {
    let mark = "SELECT value FROM ir_config_parameter WHERE key = 'restore.before'";
    sql(pack, database, mark)
}

fn mark(pack: &Pack, database: &str) {
    let mark = "INSERT INTO ir_config_parameter (key, value) VALUES ('restore.before', 'here') ON CONFLICT DO NOTHING";
    sql(pack, database, mark);
}

fn killed_at(pack: &Pack, attempt: Attempt<'_>) {
    let Attempt {
        environment, step, ..
    } = attempt;
    pack.now(&format!("killed at step {step} into {environment}"));
    let database = format!("restore_{environment}");
    mark(pack, &database);
    let production = (environment == "production").then(|| Before::of(pack));
    let before = (leftovers(pack), marked(pack, &database));
    let finishes = killed(pack, attempt);
    if let Some(production) = &production {
        production.is_never_half(pack);
    }
    waits_for_that(pack, attempt, finishes);
    if finishes && environment == "staging" {
        pack.now("and the whole machine goes down");
        pack.run(&["down", "--yes"]).exits(0);
    }
    let said = pack.run(&["restore", "--resume"]).exits(0);
    let done = if finishes { "finished" } else { "taken back" };
    assert!(said.stdout.contains(done), "{}", said.said());
    let after = (leftovers(pack), marked(pack, &database));
    assert_eq!(after == before, !finishes, "{before:?} {after:?}");
    assert_eq!(after.1.is_empty(), finishes);
    if let Some(production) = &production {
        production.comes_out(pack, finishes);
    }
    pack.run(&["restore", "--resume"]).exits(0);
    pack.run(&["up", "--yes"]).exits(0);
    // What was taken back was started a moment ago; its websockets come last.
    wait_for("everything serves", || {
        (pack.run(&["status"]).code == Some(0)).then_some(())
    });
    pack.run(&["restore", "--forget-replaced", environment, "--yes"])
        .exits(0);
}

/// Kills it; says whether the new state is in place.
fn killed(pack: &Pack, attempt: Attempt<'_>) -> bool {
    let Attempt { step, swap, .. } = attempt;
    let mut child = pack.start(attempt.command);
    let open = pack.path("data/odoopack/open");
    let journal = || {
        let entry = open.read_dir_utf8().ok()?.flatten().next()?;
        std::fs::read_to_string(entry.path()).ok()
    };
    wait_for("the step begins", || {
        journal()?
            .contains(&format!("{{\"begin\":{step}}}"))
            .then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let finishes = journal().unwrap().contains(&format!("{{\"done\":{swap}}}"));
    assert!(
        step == swap || finishes == (step > swap),
        "killed too late for step {step}"
    );
    finishes
}

/// Until it was taken up nothing else is done with what it has begun to replace.
fn waits_for_that(pack: &Pack, attempt: Attempt<'_>, finishes: bool) {
    let Attempt {
        environment, step, ..
    } = attempt;
    let refused = pack.run(&["up", "--yes"]).exits(4);
    let of_it = format!("a restore of {environment} from ");
    assert!(
        refused.stderr.contains(&of_it)
            && refused.stderr.contains("odoopack restore --resume")
            && !refused.stderr.contains("  - "),
        "{}",
        refused.said()
    );
    if step == 0 {
        let status = pack.run(&["status"]).exits(8);
        assert!(status.stdout.contains(&of_it), "{}", status.said());
    }
    if !finishes {
        return;
    }
    // Neither decides what becomes of it, and half of it is no snapshot.
    let forget = ["restore", "--forget-replaced", environment, "--yes"];
    let half = pack.path("half.zip");
    let export = ["backup", "export", environment, half.as_str()];
    for command in [
        &["backup", "drill"][..],
        &["backup", "create", environment],
        &export,
        &forget,
    ] {
        let refused = pack.run(command).exits(4);
        assert!(refused.stderr.contains("restore --resume"), "{}", refused.said());
    }
}

/// The copy of every night is cut off: the next night's puts that right and makes its own, with nobody there.
pub(crate) fn next_night_goes_on(pack: &Pack) {
    pack.now("a night's copy is cut off");
    let before = leftovers(pack);
    let refresh = [&SNAPSHOT[..], &["--discard-replaced"]].concat();
    let mut child = pack.start(&refresh);
    wait_for("the load begins", || {
        databases(pack).contains("_restore_").then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let said = pack.run(&refresh).exits(0);
    assert!(said.stderr.contains("was taken back"), "{}", said.said());
    assert_eq!(leftovers(pack), before);
}

/// PostgreSQL is gone while a dump is loaded: nothing can be taken back until it runs again; then everything is.
pub(crate) fn server_stops_in_the_middle(pack: &Pack) {
    pack.now("PostgreSQL stops in the middle");
    let before = leftovers(pack);
    let child = pack.start(&SNAPSHOT);
    wait_for("the load begins", || {
        databases(pack).contains("_restore_").then_some(())
    });
    let pid = pack.status()["services"]["postgres"]["pid"].as_u64().unwrap();
    machine::kill(u32::try_from(pid).unwrap());
    let said = String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned();
    assert!(
        said.contains("odoopack restore --resume") || said.contains("could not"),
        "{said}"
    );
    wait_for("it heals", || {
        let socket = pack.path("data/run/postgres");
        let args = [
            "-h",
            socket.as_str(),
            "-U",
            "odoopack",
            "-d",
            "postgres",
            "-Atc",
            "SELECT 1",
        ];
        let output = Command::new("psql").args(args).output().unwrap();
        output.status.success().then_some(())
    });
    pack.run(&["restore", "--resume"]).exits(0);
    assert_eq!(leftovers(pack), before);
}

/// The disk fills while attachments arrive: what was there stays, and the message says which disk.
pub(crate) fn disk_fills(pack: &Pack) {
    pack.now("the disk is full");
    let before = leftovers(pack);
    let place = pack.path("data/environments/staging/filestore");
    machine::must(
        "mount",
        &["-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", place.as_str()],
    );
    let failed = pack.run(&SNAPSHOT);
    machine::must("umount", &[place.as_str()]);
    assert_eq!(failed.code, Some(1), "{}", failed.said());
    assert!(failed.stderr.contains("No space left"), "{}", failed.said());
    assert_eq!(leftovers(pack), before);
}

/// The disk that PostgreSQL itself writes to fills while a dump is loaded: what was there stays, and it says so.
pub(crate) fn servers_disk_fills(pack: &Pack) {
    pack.now("PostgreSQL's disk is full");
    let before = leftovers(pack);
    let place = pack.path("data/tiny");
    std::fs::create_dir(&place).unwrap();
    machine::must(
        "mount",
        &["-t", "tmpfs", "-o", "size=14m,mode=700", "tmpfs", place.as_str()],
    );
    let owner = format!("--reference={}", pack.path("data/postgres"));
    machine::must("chown", &[&owner, place.as_str()]);
    let admin = |text: &str| sql(pack, "postgres", text);
    admin(&format!("CREATE TABLESPACE tiny LOCATION '{place}'"));
    // New databases lie where the template lies.
    admin("ALTER DATABASE template0 SET TABLESPACE tiny");
    let failed = pack.run(&SNAPSHOT);
    admin("ALTER DATABASE template0 SET TABLESPACE pg_default");
    admin("DROP TABLESPACE tiny");
    machine::must("umount", &[place.as_str()]);
    std::fs::remove_dir(&place).unwrap();
    assert_eq!(failed.code, Some(1), "{}", failed.said());
    assert!(failed.stderr.contains("a disk is full"), "{}", failed.said());
    assert_eq!(leftovers(pack), before);
}

/// Eighty bytes that would fill any disk: what loads them is ended while there is still room for whoever works on that server.
pub(crate) fn more_is_computed_than_fits(pack: &Pack) {
    pack.now("a dump computes more than there is room for");
    let before = leftovers(pack);
    let (cluster, aside) = (pack.path("data/postgres"), pack.path("data/postgres-aside"));
    stop(pack);
    std::fs::rename(&cluster, &aside).unwrap();
    std::fs::create_dir(&cluster).unwrap();
    let used = machine::must("du", &["-sm", aside.as_str()]);
    let used: u32 = used.split_whitespace().next().unwrap().parse().unwrap();
    let size = format!("size={}m", used + 400);
    machine::must("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", cluster.as_str()]);
    machine::must("cp", &["-a", &format!("{aside}/."), cluster.as_str()]);
    start(pack);
    let endless = "-- x\nCREATE TABLE public.a AS SELECT repeat(md5(g::text), 60) FROM generate_series(1, 10000000000) g;\n";
    pack.write("endless.sql", endless);
    let path = pack.path("endless.sql").to_string();
    let said = pack.run(&["backup", "import", &path, "--as", "endless", "--only", "database"]);
    let after = leftovers(pack);
    stop(pack);
    std::fs::remove_dir_all(&aside).unwrap();
    machine::must("cp", &["-a", cluster.as_str(), aside.as_str()]);
    machine::must("umount", &[cluster.as_str()]);
    std::fs::remove_dir(&cluster).unwrap();
    std::fs::rename(&aside, &cluster).unwrap();
    start(pack);
    assert_eq!(said.code, Some(4), "{}", said.said());
    assert!(
        said.stderr.contains("bigger than there is room for"),
        "{}",
        said.said()
    );
    assert_eq!(after, before);
}

/// Stops the server alone, at once.
fn stop(pack: &Pack) {
    let pid = pack.path("data/postgres/postmaster.pid");
    let postmaster = std::fs::read_to_string(&pid).unwrap();
    machine::must(
        "sv",
        &["once", pack.path("data/odoopack/enabled/postgres").as_str()],
    );
    machine::must("kill", &["-INT", postmaster.lines().next().unwrap()]);
    wait_for("the server to stop", || (!pid.exists()).then_some(()));
}

fn start(pack: &Pack) {
    machine::must(
        "sv",
        &["up", pack.path("data/odoopack/enabled/postgres").as_str()],
    );
    wait_for("the server to answer", || {
        let asked = ["psql", "production", "--admin", "--", "-Atc", "SELECT 1"];
        (pack.run(&asked).code == Some(0)).then_some(())
    });
}
