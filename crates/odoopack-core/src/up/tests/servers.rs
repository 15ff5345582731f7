//! Tables about the database server: what is refused, dropped or kept of a cluster and its databases.
use super::machine::{FILE, Machine, name};
use super::tables::{check, only};
use crate::facts::{Cluster, Seen};
use crate::spec::OwnServer;

#[test]
fn half_filled_databases_are_dropped_only_with_our_mark() {
    let table = [
        // marked, filled, kind, first word of each step
        (true, true, false, "drop create install set"),
        (true, false, false, "create install set"),
        (false, false, false, "create install set"),
        (false, true, false, "mark"),
        (true, true, true, "mark"),
        (false, true, true, ""),
    ];
    for (marked, filled, kind, expected) in table {
        let mut machine = Machine::up(true);
        let database = machine.database("production");
        let oid = database.oid;
        database.filled = filled;
        database.kind = kind.then(|| "production".to_owned());
        machine
            .facts
            .unfinished
            .extend(marked.then(|| (name("production"), oid)));
        let words: Vec<String> = only(&machine)
            .iter()
            .filter_map(|s| s.split(' ').next().map(str::to_owned))
            .collect();
        assert_eq!(
            words.join(" "),
            expected,
            "marked {marked}, filled {filled}, kind {kind}"
        );
    }
}

#[test]
fn a_backup_restored_under_the_name_of_an_unfinished_database_is_kept() {
    let mut machine = Machine::up(true);
    let database = machine.database("production");
    (database.kind, database.filled) = (None, true);
    let before = database.oid;
    database.oid += 100;
    machine.facts.unfinished.insert(name("production"), before);
    assert_eq!(only(&machine), ["mark database shop_production"]);
}

#[test]
fn another_major_than_the_cluster_is_refused() {
    let file = format!("{FILE}\n[postgres]\nversion = 16\n");
    let mut machine = Machine::up(true);
    machine.spec = Machine::fresh(&file, true).spec;
    machine
        .facts
        .host
        .postgres
        .insert(16, "/usr/lib/postgresql/16/bin".into());
    check(
        &machine,
        &["of PostgreSQL 15, the file says 16", "`version = 15`"],
    );
}

#[test]
fn a_cluster_whose_programs_are_gone_is_refused() {
    let mut machine = Machine::up(true);
    machine.facts.host.postgres = [(17, "/usr/lib/postgresql/17/bin".into())].into();
    check(
        &machine,
        &["programs of PostgreSQL 15", "apt-get install postgresql-15"],
    );
}

#[test]
fn a_wanted_major_that_is_not_installed_is_installed_or_asked_for() {
    let file = format!("{FILE}\n[postgres]\nversion = 16\n");
    let mut machine = Machine::with_packages(FILE, true);
    machine.spec = Machine::fresh(&file, true).spec;
    assert_eq!(only(&machine), ["install postgresql-16 (starts no service)"]);
    machine.converge();
    let mut machine = Machine::with_packages(FILE, false);
    machine.spec = Machine::fresh(&file, false).spec;
    check(
        &machine,
        &["sudo apt-get install --no-install-recommends postgresql-16"],
    );
}

#[test]
fn an_installed_postgresql_that_is_too_old_is_refused() {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.host.postgres = [(11, "/usr/lib/postgresql/11/bin".into())].into();
    check(&machine, &["Odoo 19.0 needs PostgreSQL", "not 11"]);
}

#[test]
fn an_unsupported_python_is_refused() {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.host.pythons = [((3, 9), "/usr/bin/python3.9".into())].into();
    check(&machine, &["Odoo 19.0 needs Python 3.10 to 3."]);
}

#[test]
fn a_data_directory_of_another_pack_is_refused() {
    let mut machine = Machine::with_packages(FILE, true);
    machine.facts.made_by = Seen::Present("bakery".into());
    check(&machine, &["made by the pack `bakery`", "`name = \"bakery\"`"]);
}

#[test]
fn a_cluster_that_no_pack_made_is_refused() {
    let mut machine = Machine::with_packages(FILE, true);
    machine
        .facts
        .clusters
        .insert(OwnServer::SHARED, Seen::Present(Cluster { major: 15 }));
    check(
        &machine,
        &["/opt/shop/data/postgres holds a cluster that odoopack did not make"],
    );
}
