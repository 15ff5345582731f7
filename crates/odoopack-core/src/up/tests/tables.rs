//! Tables: one typical machine each, and what is planned or refused on it.
use super::machine::{FILE, Machine, ROOT, name};
use crate::facts::{PathKind, Seen};
use crate::modules::{Module, Origin, Tree};
use crate::plan::{Plan, Step, Why};
use crate::spec::OwnServer;
use crate::units::Bytes;
use crate::up::Consent;

/// The only refusal of a plan: what and hint.
fn refused(machine: &Machine) -> String {
    let plan = machine.plan();
    assert_eq!(plan.steps, [], "nothing may be planned beside a refusal");
    let [one] = &plan.refusals[..] else {
        panic!("expected one refusal, not {:#?}", plan.refusals);
    };
    format!("{}; {}", one.what, one.hint)
}

pub(super) fn check(machine: &Machine, expected: &[&str]) {
    let text = refused(machine);
    for part in expected {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

pub(super) fn only(machine: &Machine) -> Vec<String> {
    let plan = machine.plan();
    assert_eq!(plan.refusals, []);
    steps(&plan)
}

#[test]
fn a_fresh_root_machine_installs_packages_first_and_says_what_follows() {
    let plan = Machine::fresh(FILE, true).plan();
    let text = steps(&plan);
    assert_eq!(
        text,
        ["install postgresql nginx python3-venv wkhtmltopdf runit (starts no service)"]
    );
    assert_eq!(plan.then.len(), 5);
    assert!(plan.then[0].starts_with("users"));
}

#[test]
fn missing_packages_are_one_line_for_an_ordinary_user() {
    let mut machine = Machine::with_packages(FILE, false);
    machine.facts.programs.remove("nginx");
    machine.facts.programs.remove("wkhtmltopdf");
    check(
        &machine,
        &[
            "only root can install",
            "`sudo apt-get install --no-install-recommends nginx wkhtmltopdf`",
        ],
    );
    machine.facts.host.debian = false;
    check(&machine, &["no Debian", "own package tool"]);
}

#[test]
fn a_new_program_with_the_same_protocol_interrupts_nobody() {
    let mut machine = Machine::up(true);
    machine.facts.binary_current = false;
    let (target, _) = machine.look();
    assert_eq!(
        only(&machine),
        [format!("copy this program to {}", target.binary)]
    );
}

#[test]
fn what_no_archive_has_is_done_without_and_said() {
    let mut machine = Machine::with_packages(FILE, false);
    machine.facts.programs.remove("wkhtmltopdf");
    machine.facts.unavailable.insert("wkhtmltopdf".to_owned());
    let notes = machine.plan().notes;
    let note = "no archive of this host has package wkhtmltopdf: reports are not printed as PDF";
    assert!(notes.iter().any(|said| said.starts_with(note)), "{notes:#?}");
    machine.converge();
    assert_eq!(only(&machine), [""; 0]);
    // Nothing runs without a web server.
    let mut machine = Machine::with_packages(FILE, false);
    machine.facts.programs.remove("nginx");
    machine.facts.unavailable.insert("nginx".to_owned());
    check(&machine, &["only root can install"]);
}

#[test]
fn a_port_that_somebody_has_is_refused_with_the_name_of_the_process() {
    let mut machine = Machine::with_packages(FILE, true);
    machine
        .facts
        .foreign_listeners
        .insert(8443, "`apache2` (process 9)".into());
    check(
        &machine,
        &["port 8443 is taken by `apache2` (process 9)", "[web] https_port"],
    );
}

#[test]
fn a_private_port_that_somebody_took_meanwhile_moves_its_environment_only() {
    let mut machine = Machine::up(true);
    let blocks = |machine: &Machine| ["production", "staging"].map(|n| machine.facts.ports[&name(n)]);
    let [production, staging] = blocks(&machine);
    machine.reboot();
    let listeners = &mut machine.facts.foreign_listeners;
    listeners.insert(production + 2, "`java` (process 9)".into());
    machine.converge();
    assert_eq!(blocks(&machine), [staging + 10, staging]);
}

#[test]
fn a_secret_that_the_file_names_must_have_a_value_before_anything_is_touched() {
    let mut machine = Machine::up(true);
    machine.spec = Machine::fresh(
        &format!("{FILE}[environments.production.env]\nX = \"secret:X\"\n[mail]\nsmtp = \"relay:587\"\ncredentials = \"secret:SMTP\"\n"),
        true,
    )
    .spec;
    let mut give = |name: &str, value: &str| {
        let value = crate::secret::SecretText::new(value);
        machine.facts.secrets.insert(name.to_owned(), value);
        machine.clone()
    };
    let wanting_two = give("OTHER", "x").plan();
    assert_eq!((wanting_two.steps.len(), wanting_two.refusals.len()), (0, 2));
    check(
        &give("X", "x"),
        &["`secret:SMTP` has no value", "`odoopack secret set SMTP < FILE`"],
    );
    check(
        &give("SMTP", "only a word"),
        &[
            "`secret:SMTP` is not `user:password`",
            "`odoopack secret set SMTP < FILE`",
        ],
    );
    assert_eq!(give("SMTP", "user:word").plan().refusals, []);
}

#[test]
fn machine_is_asked_before_secrets_are_there() {
    let mail = "[mail]\nsmtp = \"relay:587\"\ncredentials = \"secret:SMTP\"\n";
    let mut machine = Machine::with_packages(&format!("{FILE}{mail}"), true);
    let unfit = |machine: &Machine| -> Vec<String> {
        let (target, facts) = machine.look();
        let plan = crate::up::unfit(&machine.spec, &target, &facts);
        plan.refusals.into_iter().map(|one| one.what).collect()
    };
    assert_eq!(unfit(&machine), [""; 0]);
    let listeners = &mut machine.facts.foreign_listeners;
    listeners.insert(8443, "`apache2` (process 9)".into());
    assert_eq!(unfit(&machine), ["port 8443 is taken by `apache2` (process 9)"]);
    let later: Vec<String> = machine.plan().refusals.into_iter().map(|one| one.what).collect();
    assert_eq!(later[1..], unfit(&machine));
    assert_eq!(later[0], "`secret:SMTP` has no value");
}

#[test]
fn what_deletes_off_site_may_be_kept_elsewhere() {
    let bucket = "[backup.offsite]\ns3 = \"https://s3.example.com/shop\"\ncredentials = \"secret:SPACES\"\n\
                  prune_credentials = \"secret:SPACES_PRUNE\"\n";
    let mut machine = Machine::up(true);
    machine.spec = Machine::fresh(&format!("{FILE}{bucket}"), true).spec;
    check(&machine, &["`secret:SPACES` has no value"]);
}

#[test]
fn a_low_port_needs_root() {
    let file = FILE.replace("8443", "443");
    check(
        &Machine::with_packages(&file, false),
        &["ordinary user cannot listen on port 443", "https_port"],
    );
    assert!(Machine::with_packages(&file, true).plan().refusals.is_empty());
}

#[test]
fn a_hand_edit_is_refused_until_the_operator_allows_it() {
    let mut machine = Machine::up(true);
    let path = machine.layout().config().join("nginx/nginx.conf");
    let Some(Seen::Present(fact)) = machine.facts.paths.get_mut(&path) else {
        panic!("no nginx.conf")
    };
    fact.kind = PathKind::File("edited".into());
    check(
        &machine,
        &["nginx/nginx.conf was edited by hand", "--overwrite-edits"],
    );
    machine.consent = Consent {
        overwrite_edits: true,
    };
    let plan = machine.plan();
    assert_eq!(
        plan.steps,
        [Step::WriteFile {
            path,
            why: Why::Edited
        }]
    );
}

#[test]
fn what_could_not_be_looked_at_stops_everything() {
    let why = || "permission denied".to_owned();
    let base = Machine::up(true);
    let mut all = Vec::new();
    let mut case = |change: &dyn Fn(&mut Machine), what: &'static str| {
        let mut machine = base.clone();
        change(&mut machine);
        all.push((machine, what));
    };
    case(&|m| m.facts.release = Seen::Unknown(why()), "the release");
    case(&|m| m.facts.supervisor = Seen::Unknown(why()), "the supervisor");
    case(
        &|m| drop(m.facts.clusters.insert(OwnServer::SHARED, Seen::Unknown(why()))),
        "the database cluster",
    );
    case(
        &|m| m.facts.made_by = Seen::Unknown(why()),
        "whose data directory",
    );
    case(
        &|m| drop(m.facts.services.insert("gate".into(), Seen::Unknown(why()))),
        "gate",
    );
    case(
        &|m| drop(m.facts.paths.insert(ROOT.into(), Seen::Unknown(why()))),
        ROOT,
    );
    case(
        &|m| drop(m.facts.databases.insert(OwnServer::SHARED, Seen::Unknown(why()))),
        "the databases",
    );
    for (machine, what) in &all {
        check(machine, &["could not look at", what, "permission denied"]);
    }
}

#[test]
fn a_server_that_cannot_be_asked_does_not_stop_the_stage_that_mends_it() {
    let mut machine = Machine::up(true);
    machine
        .facts
        .databases
        .insert(OwnServer::SHARED, Seen::Unknown("no pg_hba.conf entry".into()));
    let path = machine.layout().config().join("postgres/pg_hba.conf");
    machine.facts.paths.remove(&path);
    assert_eq!(only(&machine), [format!("write {path} (new)")]);
}

#[test]
fn a_user_of_something_else_is_refused() {
    let mut machine = Machine::up(true);
    machine.facts.users.get_mut("odoo-shop-gate").unwrap().home = "/home/somebody".into();
    check(
        &machine,
        &["user odoo-shop-gate belongs to something else", "another name"],
    );
}

#[test]
fn a_root_that_the_servers_cannot_reach_is_refused() {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.closed = Some("/root".into());
    check(&machine, &["may not enter /root", "--root DIR"]);
    let mut machine = Machine::with_packages(FILE, false);
    machine.facts.closed = Some("/home/maria".into());
    assert_eq!(machine.plan().refusals, []);
}

#[test]
fn a_link_or_a_file_in_the_place_of_a_directory_is_refused() {
    for kind in [
        PathKind::Link("/mnt/big".into()),
        PathKind::File("x".into()),
        PathKind::Other,
    ] {
        let mut machine = Machine::up(true);
        let path = machine.layout().data();
        let Some(Seen::Present(fact)) = machine.facts.paths.get_mut(&path) else {
            panic!("no data")
        };
        fact.kind = kind;
        check(&machine, &["/opt/shop/data", "directory"]);
    }
}

#[test]
fn too_little_disk_or_memory_is_refused_before_the_first_installation_only() {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.host.disk_free = Bytes::gib(1);
    check(&machine, &["free below /opt/shop", "--root DIR"]);
    let mut machine = Machine::up(true);
    machine.facts.host.disk_free = Bytes::mib(1);
    assert!(machine.plan().is_empty());
}

#[test]
fn an_interpreter_that_cannot_be_used_is_refused_before_anything_is_touched() {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.python_unfit = Some("there is no Python `python3.99`".to_owned());
    check(&machine, &["there is no Python `python3.99`", "leave it out"]);
}

#[test]
fn every_refusal_is_told_at_once() {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.made_by = Seen::Present("bakery".into());
    machine.facts.foreign_listeners.insert(8080, "x".into());
    machine.facts.host.pythons = [((3, 9), "/usr/bin/python3.9".into())].into();
    assert_eq!(machine.plan().refusals.len(), 3);
}

#[test]
fn a_service_that_stopped_is_started_and_checked() {
    let mut machine = Machine::up(true);
    machine.service("staging.blue.cron").running = false;
    assert_eq!(
        only(&machine),
        ["start staging.blue.cron", "check production", "check staging"]
    );
}

#[test]
fn fences_that_an_ordinary_user_cannot_have_are_said() {
    let plan = Machine::with_packages(FILE, false).plan();
    let text = plan.notes.join("\n");
    assert!(
        text.contains("runs as maria") && text.contains("memory"),
        "{text}"
    );
    let plan = Machine::with_packages(FILE, true).plan();
    let text = plan.notes.join("\n");
    assert!(!text.contains("runs as") && text.contains("memory"), "{text}");
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.host.systemd = true;
    assert_eq!(machine.plan().notes, [""; 0]);
}

#[test]
fn only_certificates_that_end_soon_are_renewed_whatever_else_the_file_wants() {
    let mut machine = Machine::up(true);
    // A change that waits for the next `up`.
    machine.spec.web.login_rate = 7;
    let renewals = |machine: &Machine| {
        let (target, facts) = machine.look();
        steps(&crate::up::renewals(&target, &facts))
    };
    assert_eq!(renewals(&machine), [""; 0]);
    machine.facts.host.now += 271 * 86_400;
    let wanted = [
        "issue a certificate for erp.example.com",
        "issue a certificate for staging.example.com",
        "reload nginx (certificates were renewed)",
    ];
    assert_eq!(renewals(&machine), wanted);
    machine.service("nginx").running = false;
    assert_eq!(renewals(&machine), wanted[..2]);
    machine.facts.certificates.clear();
    assert_eq!(
        renewals(&machine),
        [""; 0],
        "a first certificate is a matter of `up`"
    );
}

#[test]
fn a_certificate_that_was_brought_must_be_there_and_is_read_again_when_it_is_replaced() {
    let tls = "tls = { certificate = \"/opt/erp.pem\", key = \"/opt/erp.key\" }\n";
    let file = FILE.replace("[environments.staging]", &format!("{tls}[environments.staging]"));
    let mut machine = Machine::with_packages(&file, true);
    let bring = |machine: &mut Machine, path: &str, content: &str| {
        machine.put(path.into(), PathKind::File(content.into()), &super::machine::OURS);
    };
    bring(&mut machine, "/opt/erp.pem", "first");
    check(&machine, &["there is no /opt/erp.key"]);
    bring(&mut machine, "/opt/erp.key", "first");
    machine.converge();
    assert_eq!(only(&machine), [""; 0]);
    for path in ["/opt/erp.pem", "/opt/erp.key"] {
        let mut renewed = machine.clone();
        bring(&mut renewed, path, "second");
        let planned = only(&renewed);
        assert_eq!(planned[0], "reload nginx (its files changed)", "{path}");
        let (target, facts) = renewed.look();
        assert_eq!(
            steps(&crate::up::renewals(&target, &facts)),
            ["reload nginx (a certificate that was brought was replaced)"]
        );
    }
    let (target, facts) = machine.look();
    assert!(crate::up::renewals(&target, &facts).is_empty());
}

#[test]
fn a_variable_whose_secret_changed_restarts_what_reads_it() {
    let file = format!("{FILE}[environments.production.env]\nTOKEN = \"secret:TOKEN\"\n");
    let mut machine = Machine::with_packages(&file, true);
    let give = |machine: &mut Machine, value: &str| {
        let value = crate::secret::SecretText::new(value);
        machine.facts.secrets.insert("TOKEN".to_owned(), value);
    };
    give(&mut machine, "old");
    machine.converge();
    give(&mut machine, "new");
    let done: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    for service in ["production.blue.web", "production.blue.cron"] {
        assert!(
            done.contains(&format!("restart {service} (its files changed)")),
            "{done:#?}"
        );
    }
}

#[test]
fn what_invitations_and_reports_name_follows_the_file() {
    let mut machine = Machine::up(true);
    machine.spec.web.https_port = 9443;
    let done = machine.converge();
    let set = |step: &&Step| matches!(step, Step::SetAddresses { .. });
    assert_eq!(done.iter().filter(set).count(), 2, "{done:#?}");
    let parameters = machine.database("staging").parameters.clone().unwrap();
    assert_eq!(parameters["web.base.url"], "https://staging.example.com:9443");
    let first = machine.facts.ports[&name("staging")];
    assert_eq!(
        parameters["report.url"],
        format!("http://127.0.0.1:{}", first + 8)
    );
    // A database without Odoo's table, which somebody marked, is left alone.
    machine.database("staging").parameters = None;
    machine
        .database("production")
        .parameters
        .as_mut()
        .unwrap()
        .clear();
    assert_eq!(only(&machine), ["set the addresses of Odoo in shop_production"]);
}

#[test]
fn sessions_in_a_database_have_a_role_and_a_database_of_their_own() {
    let table = "[environments.production]\n";
    let file = FILE.replacen(table, &format!("{table}sessions = \"database\"\n"), 1);
    assert_ne!(file, FILE);
    let mut machine = Machine::with_packages(&file, true);
    check(
        &machine,
        &[
            "needs OCA's module `session_db`",
            "`odoopack oca add server-tools --modules session_db`",
        ],
    );
    let module = |name: &str, origin: Origin| Module {
        name: name.to_owned(),
        path: format!("/m/{name}").into(),
        origin,
        manifest: crate::manifest::parse(b"{}"),
    };
    let there = [
        module("base", Origin::Odoo),
        module("web", Origin::Odoo),
        module("session_db", Origin::Python),
    ];
    machine.facts.modules = Tree::new(crate::spec::Series::V19, there);
    let done: Vec<String> = machine.converge().iter().map(ToString::to_string).collect();
    let step = "set up role and database shop_production-sessions for the sessions of production";
    assert_eq!(done.iter().filter(|text| *text == step).count(), 1, "{done:#?}");
    assert!(
        !done.iter().any(|text| text.contains("staging-sessions")),
        "{done:#?}"
    );
    let (target, _) = machine.look();
    let told = target
        .file(&machine.layout().sessions(&name("production")))
        .unwrap();
    assert_eq!(told.access.mode, 0o640);
    assert!(
        told.shown.contains("shop_production-sessions:***@/"),
        "{}",
        told.shown
    );
    let hba = target
        .file("/opt/shop/data/config/postgres/pg_hba.conf".into())
        .unwrap();
    let line =
        "local \"shop_production-sessions\",\"postgres\",samerole \"shop_production-sessions\" scram-sha-256";
    assert!(hba.shown.contains(line), "{}", hba.shown);
    // Somebody let others in.
    machine.database("production-sessions").open = true;
    assert_eq!(only(&machine), [step]);
}
