//! A good environment, and one fault at a time.
use super::*;

const DAY: i64 = 86_400;

fn access(user: &str, mode: u32) -> Access {
    Access {
        user: user.to_owned(),
        group: user.to_owned(),
        mode,
    }
}

fn good() -> Environment {
    let guarded = Guarded {
        path: "/srv/data/secrets/X".to_owned(),
        seen: Seen::Present(access("root", 0o400)),
        wanted: access("root", 0o600),
    };
    let role = Role {
        name: "erp".to_owned(),
        superuser: false,
        create_role: false,
        create_database: false,
        replication: false,
    };
    Environment {
        name: "production".to_owned(),
        production: true,
        domain: "erp.example.com".to_owned(),
        now: 1_000 * DAY,
        versions: Versions {
            series: Series::V18,
            python: Some((3, 12)),
            postgres: Some(16),
        },
        guarded: vec![guarded],
        certificate: Seen::Present(Certificate {
            not_after: 1_060 * DAY,
            names: vec!["*.example.com".to_owned()],
        }),
        role: Seen::Present(role),
        default_password: Seen::Present(false),
        manager_open: Seen::NotYet,
        demo_modules: Seen::Present(Vec::new()),
        dangling: Seen::Present(Vec::new()),
        drifted: Vec::new(),
    }
}

fn check(spoil: impl Fn(&mut Environment), wanted: &str) {
    let mut environment = good();
    spoil(&mut environment);
    let told: Vec<String> = judge(&environment)
        .iter()
        .map(|f| format!("{} {:?} {}: {}", f.id, f.severity, f.place, f.saw))
        .collect();
    assert_eq!(told.join("; "), wanted);
}

fn ends(days: i64) -> impl Fn(&mut Environment) {
    move |e| {
        e.certificate = Seen::Present(Certificate {
            not_after: (1_000 + days) * DAY,
            names: vec!["erp.example.com".to_owned()],
        });
    }
}

#[test]
fn a_good_environment_yields_nothing() {
    check(|_| {}, "");
    check(|e| e.role = Seen::NotYet, "");
}

#[test]
fn versions_that_do_not_fit() {
    check(
        |e| e.versions.python = Some((3, 14)),
        "environment-versions Error production: Odoo 18.0 runs on Python 3.14, supported are 3.10 to 3.13",
    );
    check(
        |e| e.versions.postgres = Some(11),
        "environment-versions Error production: Odoo 18.0 runs on PostgreSQL 11, it needs 12 or newer",
    );
}

#[test]
fn files_that_others_can_read_or_that_are_gone() {
    let place = "environment-file-access Error /srv/data/secrets/X";
    check(
        |e| e.guarded[0].seen = Seen::Present(access("root", 0o644)),
        &format!("{place}: root:root 0644 instead of root:root 0600"),
    );
    check(
        |e| e.guarded[0].seen = Seen::Present(access("odoo", 0o600)),
        &format!("{place}: odoo:odoo 0600 instead of root:root 0600"),
    );
    check(
        |e| e.guarded[0].seen = Seen::Absent,
        &format!("{place}: it is not there"),
    );
}

#[test]
fn certificates_that_end_or_are_for_others() {
    let place = "erp.example.com: the certificate";
    check(
        ends(-1),
        &format!("environment-certificate Error {place} has run out"),
    );
    check(
        ends(2),
        &format!("environment-certificate Error {place} runs out in 2 days"),
    );
    check(
        ends(13),
        &format!("environment-certificate Warning {place} runs out in 13 days"),
    );
    check(ends(14), "");
    check(
        |e| e.domain = "a.erp.example.com".to_owned(),
        "environment-certificate Error a.erp.example.com: the certificate is for *.example.com",
    );
}

#[test]
fn doors_that_are_open() {
    let role = |e: &mut Environment| {
        if let Seen::Present(role) = &mut e.role {
            role.superuser = true;
            role.create_database = true;
        }
    };
    check(
        role,
        "environment-superuser Error role erp: it has SUPERUSER, CREATEDB",
    );
    let mut spoiled = good();
    role(&mut spoiled);
    assert_eq!(
        judge(&spoiled)[0].fix,
        "`ALTER ROLE \"erp\" NOSUPERUSER NOCREATEDB`"
    );
    check(
        |e| e.default_password = Seen::Present(true),
        "environment-default-password Error production: `admin` signs in with `admin`",
    );
    check(
        |e| e.manager_open = Seen::Present(true),
        "environment-manager-open Error production: `/web/database/manager` answers",
    );
}

#[test]
fn what_is_in_the_database_and_on_disk() {
    let names = |n: usize| Seen::Present((0..n).map(|i| format!("m{i}")).collect());
    check(
        |e| e.demo_modules = names(5),
        "environment-demo-data Error production: installed with demo data: m0, m1, m2 and 2 more",
    );
    check(
        |e| {
            e.demo_modules = names(5);
            e.production = false;
        },
        "",
    );
    check(
        |e| e.dangling = names(1),
        "environment-dangling-links Error production: 1 links lead nowhere: m0",
    );
    check(
        |e| e.drifted = vec!["/srv/odoo.conf".to_owned()],
        "environment-drift Warning /srv/odoo.conf: edited by hand",
    );
}

#[test]
fn what_could_not_be_looked_at_is_said() {
    check(
        |e| e.role = Seen::Unknown("no connection".to_owned()),
        "environment-superuser Warning production: its role could not be looked at: no connection",
    );
}
