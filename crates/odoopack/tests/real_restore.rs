//! Backups of others come in and go out again, whatever they hold and whenever somebody kills it.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too; it writes files and starts Odoo's own program"
)]

mod bringing;
#[path = "../../odoopack-repository/tests/bucket/mod.rs"]
#[expect(dead_code, reason = "what the tests of the repository need more of")]
mod bucket;
mod support;

use bringing::{cut_off, extensions, guarded, hardened, hostile, imports, lost, planned, snapshots, unlike};
use support::Pack;

const FILE: &str = r#"[editions.core]
modules = ["mail"]

[environments.production]
edition = "core"
domain = "localhost"

[editions.bare]
modules = []

[environments.staging]
edition = "bare"
kind = "staging"
domain = "staging.localhost"
"#;

/// A production that runs, with what a copy must not keep.
fn brought_up(name: &str, first: u16) -> Pack {
    let pack = Pack::with_file(name, first, &support::file("restore", FILE));
    pack.now("up");
    pack.run(&["up", "--yes"]).exits(0);
    imports::fill(&pack);
    pack
}

#[test]
fn backups_come_in_and_go_out() {
    let pack = brought_up("restore", 31_300);
    let zip = imports::export(&pack);
    imports::odoo_reads_ours_and_we_read_odoos(&pack, &zip);
    imports::every_other_shape(&pack);
    guarded::a_dump_that_ends_early_is_not_whole(&pack);
    imports::copy_is_harmless(&pack, &zip);
    guarded::a_copy_is_no_production(&pack);
    hostile::hostile_backups_change_nothing(&pack, &zip);
    let _installed = extensions::are_there(&pack);
    snapshots::proven_without_a_trace(&pack);
    unlike::copies_that_are_not_as_they_were_prove_nothing(&pack);
    unlike::a_copy_sorts_and_searches_as_it_did(&pack);
    snapshots::come_back(&pack);
    snapshots::damaged_is_unproven(&pack);
    guarded::what_changes_meanwhile_is_seen(&pack);
    hardened::names_of_roles_are_refused(&pack);
    hardened::attachments_that_are_damaged_are_noted(&pack);
    hardened::production_that_is_hard_to_enter(&pack);
    pack.now("done");
}

#[test]
fn restores_are_cut_off_and_the_machine_is_lost() {
    let pack = brought_up("killed", 31_500);
    let zip = pack.path("out.zip");
    pack.run(&["backup", "export", "production", zip.as_str()])
        .exits(0);
    pack.run(&["backup", "create", "production"]).exits(0);
    planned::jobs_of_the_file_do_what_they_say(&pack);
    cut_off::killed_anywhere(&pack, &zip);
    cut_off::next_night_goes_on(&pack);
    cut_off::server_stops_in_the_middle(&pack);
    cut_off::disk_fills(&pack);
    cut_off::servers_disk_fills(&pack);
    cut_off::more_is_computed_than_fits(&pack);
    imports::production_is_held(&pack);
    pack.run(&["up", "--yes"]).exits(0);
    lost::machine_is_lost(&pack);
    pack.now("done");
}
