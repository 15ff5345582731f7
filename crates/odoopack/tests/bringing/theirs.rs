//! Programs of others, on the pack's cluster and as its services run: Odoo's own, and those of click-odoo-contrib.
use std::process::Command;

use camino::Utf8Path;

use super::imports::size;
use super::sql;
use crate::support::{Pack, addons};

/// Odoo's own program, as the administrator of the cluster, who may make databases.
pub(super) fn odoo(pack: &Pack, args: &[&str]) {
    let (mut command, entry) = like_odoo(pack);
    ends_well(command.arg(entry).args(args));
}

/// Odoo's Python with the variables of the service, and Odoo's entry; writes a configuration for the administrator to `odoo/odoo.conf`.
fn like_odoo(pack: &Pack) -> (Command, String) {
    let status = pack.status();
    let pid = &status["services"]["production.blue.web"]["pid"];
    let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap();
    let line = read("cmdline");
    let mut words = line.split('\0');
    let (python, entry) = (words.next().unwrap(), words.next().unwrap());
    let conf = pack.read("data/config/production/blue/odoo.conf");
    let conf: String = conf
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some(("db_user", _)) => "db_user = odoopack\n".to_owned(),
            Some(("db_password", _)) => String::new(),
            Some(("data_dir", _)) => format!("data_dir = {}\n", pack.path("odoo")),
            _ => format!("{line}\n"),
        })
        .collect();
    pack.write("odoo/odoo.conf", &conf);
    let mut command = Command::new(python);
    let environ = read("environ");
    command.envs(environ.split('\0').filter_map(|pair| pair.split_once('=')));
    (command, entry.to_owned())
}

fn ends_well(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The folder that we have written loads in click-odoo's own program, with every index and attachment; it takes the attachments with it.
pub(super) fn click_odoo_reads_ours(pack: &Pack, indexes: &str, whole: &str) {
    pack.now("click-odoo-restoredb loads our folder");
    let programs = addons::installed("click-odoo-contrib", "1.24");
    let (mut command, entry) = like_odoo(pack);
    // Beside the entry of its own there is the package, where Debian has it.
    let own = Utf8Path::new(&entry).ancestors().nth(2).unwrap();
    let odoo = own.join("lib/python3/dist-packages");
    assert!(odoo.join("odoo").is_dir(), "{entry}");
    let path = std::env::join_paths([&programs, &odoo]).unwrap();
    let start = "from click_odoo_contrib.restoredb import main; main(prog_name='restoredb')";
    let conf = pack.path("odoo/odoo.conf");
    let folder = pack.path("folder");
    let files = size(&folder.join("filestore"));
    command
        .env("PYTHONPATH", path)
        .args(["-c", start, "-c", conf.as_str()]);
    ends_well(command.args(["clicked", folder.as_str()]));
    assert_eq!(sql(pack, "clicked", indexes), whole);
    let proof = "SELECT value FROM ir_config_parameter WHERE key = 'restore.proof'";
    assert_eq!(sql(pack, "clicked", proof), "of production");
    assert_eq!(size(&pack.path("odoo/filestore/clicked")), files);
    sql(pack, "postgres", "DROP DATABASE clicked");
}
