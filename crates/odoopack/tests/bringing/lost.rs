//! A machine that is lost, and comes back from repository and key.
use serde_json::json;

use crate::support::{Pack, machine};

/// The machine is gone; the repository and the key on paper are all there is.
pub(crate) fn machine_is_lost(pack: &Pack) {
    pack.now("the machine is lost, and recovered from repository and key");
    pack.run(&["backup", "create", "production"]).exits(0);
    let keep = tempfile::tempdir().unwrap();
    let place = keep.path().to_str().unwrap();
    machine::must("cp", &["-r", pack.path("backups").as_str(), place]);
    let key = format!("{place}/key");
    std::fs::write(&key, pack.secret("BACKUP_KEY")).unwrap();
    let password = pack.secret("PRODUCTION_ADMIN");
    pack.run(&["demo", "--down", "--yes"]).exits(0);
    assert!(!pack.root.exists());
    let repository = format!("{place}/backups");
    pack.run(&["recover", &repository, "--key-file", &key, "--yes"])
        .exits(0);
    pack.write(".odoopack-demo", "made by a test\n");
    let site = pack.site();
    let session = site.sign_in("restore_production", &password).unwrap();
    session.picture_goes_round();
    assert_eq!(
        session.call("ir.config_parameter", "get_param", &json!(["restore.proof"])),
        "of production"
    );
    pack.run(&["recover", &repository, "--key-file", &key, "--yes"])
        .exits(4);
    pack.run(&["env", "resume", "production", "--yes"]).exits(0);
    pack.run(&["status"]).exits(0);
}
