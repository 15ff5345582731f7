//! Backups of others come in and go out again.
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::in_production::{HELD, active};
use super::theirs::{click_odoo_reads_ours, odoo};
use super::{databases, differences, sql};
use crate::support::Pack;

/// What a copy must not keep: a picture, a mail server, a job, an API key, a mail that waits; and an attachment whose content a module
/// keeps elsewhere.
pub(crate) fn fill(pack: &Pack) {
    let site = pack.site();
    let session = site.sign_in("restore_production", &pack.secret("PRODUCTION_ADMIN"));
    session.unwrap().picture_goes_round();
    sql(
        pack,
        "restore_production",
        "INSERT INTO ir_mail_server (name, smtp_host, smtp_port, smtp_encryption, smtp_authentication, smtp_pass, active) \
           VALUES ('real', 'smtp.example.com', 587, 'starttls', 'login', 'geheim', true); \
         INSERT INTO res_users_apikeys (name, user_id, scope, key, index) VALUES ('robot', 2, 'rpc', 'x', 'abcdefgh'); \
         INSERT INTO mail_mail (mail_message_id, state, email_to) \
           SELECT id, 'outgoing', 'a@example.com' FROM mail_message LIMIT 1; \
         INSERT INTO ir_attachment (name, type, store_fname) VALUES ('far', 'binary', 's3://bucket/far'); \
         INSERT INTO ir_config_parameter (key, value) VALUES ('restore.proof', 'of production')",
    );
}

pub(crate) fn export(pack: &Pack) -> Utf8PathBuf {
    pack.now("export, while everything runs");
    let zip = pack.path("out.zip");
    // A server that ends who says nothing for a moment: the clean-up stays out until the export has ended.
    sql(
        pack,
        "postgres",
        "ALTER DATABASE restore_production SET idle_in_transaction_session_timeout = '100ms'",
    );
    let (said, bytes) = pack.run_counting(&["backup", "export", "production", zip.as_str(), "--json"]);
    sql(
        pack,
        "postgres",
        "ALTER DATABASE restore_production RESET idle_in_transaction_session_timeout",
    );
    let written = said.exits(0).json()["written"].clone();
    assert_eq!(
        (&written["missing"], &written["elsewhere"]),
        (&json!([]), &json!(1))
    );
    written_once(bytes, written["dump"].as_u64().unwrap(), size(&zip));
    a_filestore_that_is_away(pack);
    zip
}

/// As when the disk of the attachments is not mounted, or somebody has removed some of them.
fn a_filestore_that_is_away(pack: &Pack) {
    pack.now("export without the attachments");
    let place = pack.path("data/environments/production/filestore/restore_production");
    let aside = place.with_file_name("aside");
    for (name, more) in [("away.zip", &[][..]), ("away", &["--shape", "folder"])] {
        let path = pack.path(name);
        std::fs::rename(&place, &aside).unwrap();
        let args = [&["backup", "export", "production", path.as_str()][..], more].concat();
        let said = pack.run(&args);
        drop(std::fs::remove_dir_all(&place));
        std::fs::rename(&aside, &place).unwrap();
        let said = said.exits(4);
        assert!(said.stderr.contains("`mount DIRECTORY`"), "{}", said.said());
        assert!(!path.exists());
    }
    let one = "SELECT min(store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL";
    let lost = sql(pack, "restore_production", one);
    std::fs::rename(place.join(&lost), &aside).unwrap();
    let path = pack.path("some.zip");
    let said = pack.run(&["backup", "export", "production", path.as_str(), "--json"]);
    std::fs::rename(&aside, place.join(&lost)).unwrap();
    let said = said.exits(0);
    let written = said.json()["written"].clone();
    assert_eq!(
        (&written["missing"], &written["elsewhere"]),
        (&json!([lost]), &json!(1))
    );
    assert!(
        said.stderr.contains(&lost)
            && said.stderr.contains(
                "1 attachments are kept by a module in a storage of its own, and are not in this export"
            ),
        "{}",
        said.said()
    );
}

/// A zip of ours loads in Odoo, one of Odoo's comes back, and our neutralizing leaves the rows that Odoo's leaves (E20).
pub(crate) fn odoo_reads_ours_and_we_read_odoos(pack: &Pack, zip: &Utf8Path) {
    pack.now("Odoo loads our zip, and neutralizes it");
    let conf = pack.path("odoo/odoo.conf").to_string();
    odoo(pack, &["db", "-c", &conf, "load", "theirs", zip.as_str()]);
    odoo(pack, &["neutralize", "-c", &conf, "-d", "theirs"]);
    let ours = pack
        .run(&["backup", "import", zip.as_str(), "--as", "ours", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&ours["found"]["missing"], &ours["found"]["elsewhere"]),
        (&json!(0), &json!(1))
    );
    assert!(ours["found"]["attachments"].as_u64().unwrap() > 5, "{ours}");
    assert_eq!(
        differences(pack, "theirs", "ours"),
        [
            "ir_config_parameter",
            "ir_mail_server",
            "mail_mail",
            "res_users_apikeys"
        ],
        "beside our own rules"
    );
    let rows = |database: &str| {
        let kept = "SELECT string_agg(key || '=' || value, E'\\n' ORDER BY key) FROM ir_config_parameter \
                    WHERE key NOT IN ('database.uuid', 'database.secret', 'database.create_date', 'web.base.url')";
        let servers =
            "SELECT string_agg((name, smtp_host, active)::text, ' ' ORDER BY name) FROM ir_mail_server";
        [sql(pack, database, kept), sql(pack, database, servers)]
    };
    assert_eq!(rows("theirs"), rows("ours"));
    pack.now("we load what Odoo has dumped");
    let dumped = pack.path("theirs.zip").to_string();
    odoo(pack, &["db", "-c", &conf, "dump", "theirs", &dumped]);
    pack.run(&["backup", "import", &dumped, "--as", "back"]).exits(0);
    assert_eq!(
        sql(
            pack,
            "back",
            "SELECT value FROM ir_config_parameter WHERE key = 'restore.proof'"
        ),
        "of production"
    );
    pack.run(&["backup", "import", &dumped, "--as", "back"]).exits(4);
    // `back` is owned by the environment's role, whoever owned it before.
    let owners = "SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')";
    assert_eq!(sql(pack, "back", owners), "restore_production");
    for database in ["theirs", "back", "ours"] {
        sql(pack, "postgres", &format!("DROP DATABASE {database}"));
    }
}

/// What goes through a pipe and what is there at the end is all that was written, beside a journal and the lists of what an archive holds.
#[track_caller]
fn written_once(written: u64, piped: u64, there: u64) {
    let all = piped + there + (1 << 20);
    assert!(
        written < all,
        "{written} bytes were written: {piped} through a pipe, {there} are there"
    );
}

/// Of a file, or of all below a directory.
pub(super) fn size(path: &Utf8Path) -> u64 {
    if path.is_file() {
        return path.metadata().unwrap().len();
    }
    path.read_dir_utf8()
        .unwrap()
        .flatten()
        .map(|entry| size(entry.path()))
        .sum()
}

/// Folder, custom, plain and compressed: out, and in again, with the same indexes and attachments; nothing is written twice on the way,
/// which a copy of the dump that is put down somewhere would be.
pub(crate) fn every_other_shape(pack: &Pack) {
    let indexes = "SELECT count(*) || ' ' || md5(string_agg(indexname, '|' ORDER BY indexname)) FROM pg_indexes WHERE schemaname = 'public'";
    let whole = sql(pack, "restore_production", indexes);
    for (name, more, only) in [
        ("folder", &["--shape", "folder"][..], &[][..]),
        ("a.dump", &[], &["--only", "database"]),
        ("a.sql", &[], &["--only", "database"]),
        ("a.sql.gz", &[], &["--only", "database"]),
    ] {
        pack.now(&format!("out and in: {name}"));
        let path = pack.path(name).to_string();
        let export = [&["backup", "export", "production", &path, "--json"][..], more].concat();
        let import = [&["backup", "import", &path, "--as", "shape"][..], only].concat();
        let (said, written) = pack.run_counting(&export);
        let dump = said.exits(0).json()["written"]["dump"].as_u64().unwrap();
        written_once(written, dump, size(&pack.path(name)));
        let (said, written) = pack.run_counting(&import);
        said.exits(0);
        let into = match name {
            "folder" => size(&pack.path("folder/filestore")),
            "a.dump" => 0,
            _ => size(&pack.path("a.sql")),
        };
        written_once(written, 0, into);
        assert_eq!(sql(pack, "shape", indexes), whole, "{name}");
        let files = pack.path("data/environments/production/filestore/shape");
        assert_eq!(files.exists(), name == "folder");
        drop(std::fs::remove_dir_all(files));
        sql(pack, "postgres", "DROP DATABASE shape");
        sql(pack, "postgres", "DROP ROLE shape");
        if name == "folder" {
            click_odoo_reads_ours(pack, indexes, &whole);
        }
    }
    extensions_of_others(pack);
    let dump = pack.path("a.dump").to_string();
    let refused = pack.run(&["backup", "import", &dump, "--as", "shape"]).exits(4);
    assert!(
        refused.stderr.contains("--only database"),
        "a dump without attachments: {}",
        refused.said()
    );
}

/// What only looks at a server is left out; what data may need is named before anything is loaded.
fn extensions_of_others(pack: &Pack) {
    for (extension, end, code) in [
        ("pg_stat_statements", "sql", 0),
        ("pageinspect", "sql", 4),
        ("pageinspect", "dump", 4),
    ] {
        pack.now(&format!("out and in with {extension}"));
        sql(
            pack,
            "restore_production",
            &format!("CREATE EXTENSION {extension}"),
        );
        let path = pack.path(&format!("extension.{end}"));
        let exported = pack.run(&["backup", "export", "production", path.as_str()]);
        sql(pack, "restore_production", &format!("DROP EXTENSION {extension}"));
        exported.exits(0);
        let args = [
            "backup",
            "import",
            path.as_str(),
            "--as",
            "shape",
            "--only",
            "database",
        ];
        let said = pack.run(&args).exits(code);
        std::fs::remove_file(&path).unwrap();
        if code == 0 {
            assert!(
                said.stderr.contains("extension pg_stat_statements"),
                "{}",
                said.said()
            );
            sql(pack, "postgres", "DROP DATABASE shape");
            sql(pack, "postgres", "DROP ROLE shape");
            continue;
        }
        assert!(
            said.stderr.contains("`pg_dump --exclude-extension=pageinspect`"),
            "{}",
            said.said()
        );
        assert!(!databases(pack).contains("shape"), "{}", databases(pack));
    }
}

pub(crate) fn copy_is_harmless(pack: &Pack, zip: &Utf8Path) {
    pack.now("production into staging: a harmless copy that serves");
    let before = pack.run(&["env", "check", "staging", "--json"]);
    assert_eq!(
        before.code,
        Some(8),
        "a fresh staging runs its jobs: {}",
        before.said()
    );
    pack.run(&["backup", "import", zip.as_str(), "--to", "staging", "--yes"])
        .exits(0);
    pack.run(&["env", "check", "staging"]).exits(0);
    let mark = |database: &str| {
        let setting = "SELECT c FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c WHERE d.datname = ";
        sql(pack, "postgres", &format!("{setting}'{database}'"))
    };
    assert_eq!(mark("restore_staging"), "odoopack.kind=staging");
    let mut site = pack.site();
    "staging.localhost".clone_into(&mut site.domain);
    let session = site
        .sign_in("restore_staging", &pack.secret("STAGING_ADMIN"))
        .unwrap();
    session.picture_goes_round();
    let told = session.call("ir.config_parameter", "get_param", &json!(["restore.proof"]));
    assert_eq!(told, "of production");
    assert_eq!(site.get("/web/login").status, 200);
    let uuid = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";
    assert_ne!(
        sql(pack, "restore_staging", uuid),
        sql(pack, "restore_production", uuid)
    );
    sql(
        pack,
        "restore_staging",
        "UPDATE ir_cron SET active = true WHERE id = (SELECT max(id) FROM ir_cron)",
    );
    let said = pack.run(&["env", "check", "staging"]).exits(8);
    assert!(
        said.stderr.contains("scheduled jobs that would run"),
        "{}",
        said.said()
    );
    pack.run(&["restore", "--forget-replaced", "staging", "--yes"])
        .exits(0);
    assert!(!databases(pack).contains("replaced"), "{}", databases(pack));
}

/// And the mail waits again, whatever the job that sends mails made of it meanwhile.
const JOBS_OF_EVERY_STATE: &str = "CREATE TABLE queue_job (id serial PRIMARY KEY, state text, identity_key text, date_created timestamp); ALTER TABLE queue_job OWNER TO restore_production; \
     INSERT INTO queue_job (state) VALUES ('done'), ('pending'), ('enqueued'), ('started'), ('wait_dependencies'), ('cancelled'); \
     UPDATE queue_job SET identity_key = 'once' WHERE state = 'enqueued'; UPDATE mail_mail SET state = 'outgoing'";

fn somebody_asks_for_the_same_job(pack: &Pack) {
    let job = "INSERT INTO queue_job (state, identity_key, date_created) VALUES ('done', 'once', now() AT TIME ZONE 'UTC')";
    sql(pack, "restore_production", job);
}

fn jobs(pack: &Pack) -> String {
    let states = "SELECT string_agg(state, ' ' ORDER BY id) FROM queue_job";
    sql(pack, "restore_production", states)
}

/// And nothing of it is let go.
fn what_waits_is_listed(pack: &Pack) {
    let shown = pack.json(&["env", "resume", "production", "--dry-run"]);
    let waiting = shown["waiting"].to_string();
    assert!(
        shown["held"] == true && waiting.contains("1 mails to send") && waiting.contains("4 queued jobs"),
        "{shown}"
    );
    assert_eq!(active(pack), HELD);
}

fn is_not_replaced_by_a_yes(pack: &Pack) {
    let refused = pack
        .run(&["restore", "latest", "--to", "production", "--yes"])
        .exits(4);
    assert!(
        refused.stderr.contains("--yes-replace production"),
        "{}",
        refused.said()
    );
}

pub(crate) fn production_is_held(pack: &Pack) {
    pack.now("into production, which is held");
    let before = active(pack);
    sql(pack, "restore_production", JOBS_OF_EVERY_STATE);
    super::guarded::somebody_reads_production(pack);
    pack.run(&["backup", "create", "production"]).exits(0);
    is_not_replaced_by_a_yes(pack);
    let args = ["restore", "latest", "--yes-replace", "production"];
    let said = pack.run(&args).exits(0);
    assert!(
        said.stdout.contains("are held")
            && said.stdout.contains("1 mails to send")
            && said.stdout.contains("4 queued jobs"),
        "{}",
        said.said()
    );
    assert_eq!(active(pack), HELD);
    super::guarded::they_still_read_it(pack, &said.said());
    // The runner of jobs takes up whatever waits as soon as it starts.
    assert_eq!(
        jobs(pack),
        "done cancelled cancelled cancelled cancelled cancelled"
    );
    let site = pack.site();
    let session = site
        .sign_in("restore_production", &pack.secret("PRODUCTION_ADMIN"))
        .unwrap();
    session.picture_goes_round();
    what_waits_is_listed(pack);
    super::guarded::who_lets_a_copy_go_is_told(pack);
    sql(
        pack,
        "restore_production",
        "UPDATE mail_mail SET state = 'exception', write_date = now() AT TIME ZONE 'UTC'",
    );
    somebody_asks_for_the_same_job(pack);
    pack.run(&["env", "resume", "production", "--yes"]).exits(0);
    assert_eq!(active(pack), before);
    assert_eq!(
        jobs(pack),
        "done pending cancelled pending wait_dependencies cancelled done"
    );
    sql(pack, "restore_production", "DROP TABLE queue_job");
    assert_eq!(
        sql(
            pack,
            "restore_production",
            "SELECT string_agg(state, ' ') FROM mail_mail"
        ),
        "outgoing"
    );
    pack.run(&["env", "resume", "production", "--yes"]).exits(0);
    let kept = databases(pack);
    assert!(kept.contains("restore_production_replaced_"), "{kept}");
    pack.run(&["restore", "--forget-replaced", "production", "--yes"])
        .exits(0);
    assert!(!databases(pack).contains("replaced"), "{}", databases(pack));
}
