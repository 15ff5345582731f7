//! Where systemd is process 1: units are files that are planned like others, and forgotten ones go.
use super::machine::{FILE, Machine};
use crate::facts::PathKind;
use crate::plan::Step;
use crate::render::systemd;

/// A machine with systemd on which everything is up.
fn up() -> Machine {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.host.systemd = true;
    machine.converge();
    machine
}

fn steps(machine: &Machine) -> Vec<String> {
    let plan = machine.plan();
    assert_eq!(plan.refusals, []);
    plan.steps.iter().map(ToString::to_string).collect()
}

fn unit(service: &str) -> camino::Utf8PathBuf {
    camino::Utf8Path::new(systemd::DIRECTORY).join(systemd::unit_name("shop", service))
}

#[test]
fn units_are_read_and_the_target_is_on_before_anything_starts() {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.host.systemd = true;
    let done = machine.converge();
    let at = |wanted: &dyn Fn(&Step) -> bool| done.iter().position(wanted).unwrap();
    let last_unit = done.iter().rposition(
        |step| matches!(step, Step::WriteFile { path, .. } if path.starts_with(systemd::DIRECTORY)),
    );
    let read = at(&|step| matches!(step, Step::ReadUnits));
    let boot = at(&|step| matches!(step, Step::StartAtBoot { target } if target == "odoopack-shop.target"));
    let first = at(&|step| matches!(step, Step::StartService { .. }));
    assert!(last_unit < Some(read) && read < boot && boot < first);
    assert!(!done.iter().any(|step| matches!(step, Step::StartSupervisor)));
    assert_eq!(steps(&machine), [""; 0]);
    let (target, _) = machine.look();
    assert!(
        target
            .files
            .iter()
            .all(|file| !file.path.as_str().contains("runit"))
    );
    assert!(
        target
            .directories
            .iter()
            .all(|place| !place.path.as_str().contains("runit"))
    );
}

#[test]
fn a_service_that_nobody_wants_goes_with_its_unit() {
    let mut machine = up();
    let staging = "staging".parse().unwrap();
    machine.spec.environments.get_mut(&staging).unwrap().cron_workers = Some(0);
    let done: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    let gone = [
        "stop and remove staging.blue.cron".to_owned(),
        format!("remove {}", unit("staging.blue.cron")),
        "let systemd read its units again".to_owned(),
    ];
    assert!(done.windows(3).any(|three| three == gone), "{done:#?}");
    assert_eq!(steps(&machine), [""; 0]);
}

#[test]
fn a_unit_whose_file_changed_means_a_restart_and_others_run_on() {
    let mut machine = up();
    // An older program wrote other fences and started the service with them.
    let path = unit("gate");
    let (target, _) = machine.look();
    let access = target.file(&path).unwrap().access.clone();
    machine.facts.written.insert(path.clone(), "old".to_owned());
    machine.put(&path, PathKind::File("old".to_owned()), &access);
    machine.service("gate").started_as = Some("old".to_owned());
    assert_eq!(
        machine
            .converge()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            &format!("write {path} (changed)"),
            "let systemd read its units again",
            "restart gate (what it is started with changed)",
            "check production",
            "check staging"
        ]
    );
}

#[test]
fn what_the_pack_did_not_write_is_left_alone() {
    let mut machine = up();
    let foreign = unit("somebody.elses");
    let (target, _) = machine.look();
    let access = target.file(&unit("gate")).unwrap().access.clone();
    machine.put(&foreign, PathKind::File("x".to_owned()), &access);
    assert_eq!(steps(&machine), [""; 0]);
}

#[test]
fn odoo_gets_a_limit_that_leaves_room_for_the_rest_and_the_database_none() {
    let machine = up();
    let (target, facts) = machine.look();
    let limit = |name: &str| target.service(name).unwrap().memory_max;
    let web = limit("production.blue.web").unwrap();
    assert!(web.0 <= facts.host.memory.0 / 4 * 3 && web.0 > facts.host.memory.0 / 4);
    assert!(limit("production.blue.cron").unwrap() <= web);
    assert_eq!(limit("postgres"), None);
}

#[test]
fn copies_give_way_to_production() {
    let (target, _) = up().look();
    let gives_way = |name: &str| {
        let shown = &target.file(&unit(name)).unwrap().shown;
        shown.contains("\nCPUWeight=25\nOOMScoreAdjust=500\n")
    };
    assert!(gives_way("staging.blue.web") && gives_way("staging.blue.cron"));
    assert!(!gives_way("production.blue.web") && !gives_way("postgres"));
}

#[test]
fn a_job_has_a_timer_that_follows_the_file_and_no_service_of_ours() {
    let mut machine = up();
    let (target, _) = machine.look();
    assert!(target.service("schedule").is_none() && machine.facts.timers["certificates"].running);
    let [timer, service] = systemd::job_units("shop", "certificates");
    let text = |name: &str| {
        let path = camino::Utf8Path::new(systemd::DIRECTORY).join(name);
        target.file(&path).unwrap().shown.clone()
    };
    insta::assert_snapshot!(text(&timer) + "---\n" + &text(&service));
    // Only the timer is started anew; nobody's pages are checked for it.
    machine.spec.pack.timezone = "Asia/Singapore".parse().unwrap();
    let done: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    assert_eq!(done.last().unwrap(), "start the timer of certificates");
    assert!(
        !done
            .iter()
            .any(|step| step.contains("restart") || step.contains("check")),
        "{done:#?}"
    );
}

#[test]
fn a_timer_that_nobody_wants_goes_before_its_files() {
    let mut machine = up();
    let known = machine.facts.timers["certificates"].clone();
    machine.facts.timers.insert("gone".to_owned(), known);
    let [timer, _] = systemd::job_units("shop", "gone");
    let path = camino::Utf8Path::new(systemd::DIRECTORY).join(timer);
    let (target, _) = machine.look();
    let access = target.file(&unit("gate")).unwrap().access.clone();
    machine.facts.written.insert(path.clone(), "old".to_owned());
    machine.put(&path, PathKind::File("old".to_owned()), &access);
    let done: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    assert_eq!(done[0], "remove the timer of gone");
    assert_eq!(done[1], format!("remove {path}"));
    assert_eq!(steps(&machine), [""; 0]);
}

/// In a stack nothing may command Docker, so the host's systemd begins the jobs.
#[test]
fn a_stacks_jobs_have_timers_of_the_host_and_are_refused_without_any() {
    let file = FILE
        .replace("source = { debian = \"sid\" }\n", "")
        .replace("[pack]", "[pack]\nengine = \"compose\"")
        + "\n[backup]\nschedule = \"02:00\"\n";
    let mut machine = Machine::with_packages(&file, true);
    let refused = |machine: &Machine| {
        machine
            .plan()
            .refusals
            .iter()
            .any(|one| one.what.contains("[backup] schedule"))
    };
    assert!(refused(&machine));
    machine.facts.host.systemd = true;
    assert!(!refused(&machine));
    let done = machine.converge();
    let timer = |job: &str| {
        done.iter()
            .position(|step| *step == Step::StartTimer { job: job.to_owned() })
    };
    let service = done
        .iter()
        .rposition(|step| matches!(step, Step::StartService { .. }));
    assert!(timer("backup-production") > service && timer("certificates") > service);
    assert_eq!(steps(&machine), [""; 0]);
    let (target, _) = machine.look();
    assert!(target.service("schedule").is_none());
    let unit = camino::Utf8Path::new(systemd::DIRECTORY).join(systemd::target_name("shop"));
    assert!(target.file(&unit).is_some());
    a_changed_unit_of_a_job_is_read(machine);
}

/// What was missed while the machine was off begins with it, and Docker must be there first.
fn a_changed_unit_of_a_job_is_read(mut machine: Machine) {
    let [_, service] = systemd::job_units("shop", "backup-production");
    let path = camino::Utf8Path::new(systemd::DIRECTORY).join(service);
    let (target, _) = machine.look();
    let file = target.file(&path).unwrap();
    for line in ["After=docker.service", "Wants=docker.service"] {
        assert!(
            file.shown.lines().any(|one| one == line),
            "no `{line}` in {}",
            file.shown
        );
    }
    let access = file.access.clone();
    machine.facts.written.insert(path.clone(), "old".to_owned());
    machine.put(&path, PathKind::File("old".to_owned()), &access);
    let why = crate::plan::Why::Changed;
    assert_eq!(
        machine.plan().steps,
        [Step::WriteFile { path, why }, Step::ReadUnits]
    );
}
