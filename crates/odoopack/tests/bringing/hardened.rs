//! What people have in a real PostgreSQL and a real Odoo: roles of their own, a renamed or archived administrator, a second factor for
//! everybody, a file that the disk has spoiled.
use super::{leftovers, sql};
use crate::support::Pack;

const PRODUCTION: &str = "restore_production";
const FIRST: &str =
    "SELECT res_id FROM ir_model_data WHERE module = 'base' AND name = 'user_admin' AND model = 'res.users'";

/// The environment's role would have all that a role of the name has, were it even the administrator's.
pub(crate) fn names_of_roles_are_refused(pack: &Pack) {
    pack.now("no restore takes the name of somebody's role");
    let roles = "CREATE ROLE accountant LOGIN; CREATE ROLE readers NOLOGIN; GRANT readers TO accountant; \
                 CREATE ROLE granted NOLOGIN; GRANT CONNECT ON DATABASE restore_production TO granted";
    sql(pack, "postgres", roles);
    let members = "SELECT string_agg(pg_get_userbyid(roleid) || ' ' || pg_get_userbyid(member), ',' \
                   ORDER BY pg_get_userbyid(roleid)::text, pg_get_userbyid(member)::text) FROM pg_auth_members";
    let all = || format!("{} | {}", leftovers(pack), sql(pack, "postgres", members));
    let before = all();
    let beside = |name: &str| pack.run(&["restore", "latest", "--as", name, "--only", "database"]);
    for name in [
        "odoopack",
        "pg_execute_server_program",
        "odoopack-loading",
        "accountant",
        "readers",
        "granted",
    ] {
        let refused = beside(name).exits(4);
        let told = format!("there is a role `{name}` in PostgreSQL");
        assert!(refused.stderr.contains(&told), "{}", refused.said());
        assert_eq!(all(), before, "{name}");
    }
    let zip = pack.path("out.zip").to_string();
    pack.run(&["backup", "import", &zip, "--as", "odoopack"]).exits(4);
    assert_eq!(all(), before);
    // The way into a database that somebody has dropped is nobody's, and leads into the next one of its name.
    for _ in 0..2 {
        beside("again").exits(0);
        sql(pack, "postgres", "DROP DATABASE again");
    }
    let clean =
        "DROP ROLE again; DROP ROLE readers; DROP ROLE accountant; DROP OWNED BY granted; DROP ROLE granted";
    sql(pack, "postgres", clean);
}

/// The disk has changed a byte of a file: it is stored as it is, and the drill says so.
pub(crate) fn attachments_that_are_damaged_are_noted(pack: &Pack) {
    pack.now("an attachment is damaged in the filestore");
    let name = sql(
        pack,
        PRODUCTION,
        "SELECT min(store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL AND file_size > 100",
    );
    let file = pack
        .path("data/environments/production/filestore/restore_production")
        .join(&name);
    let kept = std::fs::read(&file).unwrap();
    let mut bytes = kept.clone();
    bytes[50] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    pack.run(&["backup", "create", "production"]).exits(0);
    let failed = pack
        .run(&["backup", "drill", "latest", "--level", "restore"])
        .exits(1);
    assert!(
        failed
            .stderr
            .contains("1 attachments are damaged in it, and 0 were"),
        "{}",
        failed.said()
    );
    let record = pack.read("data/odoopack/backups.jsonl");
    let last: serde_json::Value = serde_json::from_str(record.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["detail"]["damaged"]),
        (&"unproven".into(), &1.into())
    );
    let status = pack.run(&["backup", "status", "--json"]).exits(8).first_json();
    let complaint = "production: 1 attachments are damaged in the filestore";
    assert!(
        status["complaints"]
            .as_array()
            .unwrap()
            .contains(&complaint.into()),
        "{status}"
    );
    std::fs::write(&file, kept).unwrap();
    pack.run(&["backup", "create", "production"]).exits(0);
    pack.run(&["backup", "drill", "latest", "--level", "restore"])
        .exits(0);
    let status = pack.run(&["backup", "status", "--json"]).first_json();
    assert!(!status["complaints"].to_string().contains("damaged"), "{status}");
}

/// A drill enters it, and so does the administrator of a copy.
pub(crate) fn production_that_is_hard_to_enter(pack: &Pack) {
    pack.now("the administrator is renamed and archived, and everybody needs a code by mail");
    let admin = |what: &str| {
        sql(
            pack,
            PRODUCTION,
            &format!("UPDATE res_users SET {what} WHERE id = ({FIRST})"),
        )
    };
    admin("login = 'boss', active = false");
    sql(
        pack,
        PRODUCTION,
        "INSERT INTO ir_config_parameter (key, value) VALUES ('auth_totp.policy', 'all_required')",
    );
    pack.run(&["backup", "create", "production"]).exits(0);
    let told = pack.json(&["backup", "drill"]);
    assert_eq!(told["level"], "boot", "{told}");
    let said = pack
        .run(&["restore", "latest", "--to", "staging", "--yes"])
        .exits(0);
    assert!(said.stderr.contains("`boss` is archived"), "{}", said.said());
    let mut site = pack.site();
    "staging.localhost".clone_into(&mut site.domain);
    let session = site.sign_in_as("restore_staging", "boss", &pack.secret("STAGING_ADMIN"));
    assert!(session.is_some(), "the copy's own password opens nothing");
    let as_it_was = "SELECT u.active || ' ' || p.value FROM res_users u, ir_config_parameter p \
                     WHERE u.login = 'boss' AND p.key = 'auth_totp.policy'";
    assert_eq!(sql(pack, PRODUCTION, as_it_was), "false all_required");
    sql(
        pack,
        PRODUCTION,
        "DELETE FROM ir_config_parameter WHERE key = 'auth_totp.policy'",
    );

    pack.now("the probe signs in as whoever the administrator is");
    admin("active = true");
    let probes = pack.run(&["doctor", "--json"]).first_json()["probes"].to_string();
    assert!(probes.contains("signed in as boss"), "{probes}");

    pack.now("a drill of a database without the user that Odoo was made with");
    let named = |from: &str, to: &str| {
        let rename = "UPDATE ir_model_data SET name = ";
        let which = "WHERE module = 'base' AND model = 'res.users' AND name = ";
        sql(pack, PRODUCTION, &format!("{rename}'{to}' {which}'{from}'"))
    };
    named("user_admin", "user_gone");
    pack.run(&["backup", "create", "production"]).exits(0);
    pack.run(&["backup", "drill"]).exits(0);
    named("user_gone", "user_admin");
    admin("login = 'admin'");
}
