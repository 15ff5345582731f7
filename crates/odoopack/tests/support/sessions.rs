//! Sessions of people: whether they are known, under which key, and how a device is signed out.
use super::web::Session;
use super::{Pack, wait_for};

/// Whether Odoo shows its pages to this one.
pub(crate) fn known(session: &Session<'_>) -> bool {
    session.get("/odoo").status == 200
}

/// What a key of the session is made from in Redis.
pub(crate) fn digest(session: &Session<'_>) -> String {
    use sha2::Digest;
    format!("{:x}", sha2::Sha256::digest(session.cookie_value()))
}

/// As somebody does who signs a device out from another one.
pub(crate) fn revoke(pack: &Pack, name: &str, device: &Session<'_>) {
    let identifier = &device.cookie_value()[..42];
    let sql = format!("SELECT count(*) FROM res_device_log WHERE session_identifier = '{identifier}'");
    wait_for("the device is logged", || {
        assert!(known(device));
        let count = pack.run(&["psql", name, "--", "-Atc", &sql]).exits(0).stdout;
        (count.trim() != "0").then_some(())
    });
    let script = format!(
        "env['res.device'].search([('session_identifier', '=', '{identifier}')])._revoke()\nenv.cr.commit()\n"
    );
    pack.run_with(&["shell", name], &script).exits(0);
}
