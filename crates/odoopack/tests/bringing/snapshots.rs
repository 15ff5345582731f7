//! Snapshots of ours are proven, and come back.
use camino::{Utf8Path, Utf8PathBuf};

use super::{differences, extensions, leftovers, sql};
use crate::support::{Pack, machine, wait_for};

/// Odoo has served a drilled snapshot, and nothing is left of it.
pub(crate) fn proven_without_a_trace(pack: &Pack) {
    pack.now("a snapshot is drilled: Odoo serves it, and nothing is left");
    sql(
        pack,
        "restore_production",
        "UPDATE mail_mail SET state = 'outgoing'",
    );
    // Whatever names people give: blanks, points, an extension in a schema of its own.
    sql(
        pack,
        "restore_production",
        "CREATE SCHEMA public_extra AUTHORIZATION restore_production; \
         CREATE EXTENSION fuzzystrmatch WITH SCHEMA public_extra; \
         CREATE TABLE public_extra.\"a b\" (c text); INSERT INTO public_extra.\"a b\" VALUES ('x'); \
         ALTER TABLE public_extra.\"a b\" OWNER TO restore_production; \
         CREATE SCHEMA \"old.shop\"; CREATE TABLE \"old.shop\".sale (c text); INSERT INTO \"old.shop\".sale VALUES ('of the old shop'); \
         ALTER SCHEMA \"old.shop\" OWNER TO restore_production; ALTER TABLE \"old.shop\".sale OWNER TO restore_production; \
         CREATE INDEX sounds ON public_extra.\"a b\" (public_extra.soundex(c))",
    );
    pack.run(&["backup", "create", "production"]).exits(0);
    let before = leftovers(pack);
    let told = super::silent::drilled_in_silence(pack);
    assert!(
        told["found"]["rows"].as_u64().unwrap() > 1000
            && told["found"]["pages"] == true
            && told["level"] == "boot"
            && told["found"]["missing"] == 0
            && told["found"]["damaged"] == serde_json::json!([]),
        "{told}"
    );
    let status = pack.run(&["backup", "status", "--json"]).first_json();
    let row = &status["status"]["environments"][0];
    assert_eq!(
        (&row["proven"]["snapshot"], &row["recovery"]),
        (&told["snapshot"], &told["seconds"]),
        "{status}"
    );
    assert_eq!(leftovers(pack), before);
    wait_for("everything of the drill to end", || {
        let all = machine::processes_of(&pack.root);
        (!all.iter().any(|process| process.line.contains("drill"))).then_some(())
    });
    let place = pack.path("data/environments/production");
    let left: Vec<_> = place
        .read_dir_utf8()
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_owned())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.contains("drill") || name.contains("restore")),
        "{left:?}"
    );
    for level in ["index", "read"] {
        pack.run(&["backup", "drill", "latest", "--level", level])
            .exits(0);
    }
}

/// Beside, into another environment, in parts, and its files.
pub(crate) fn come_back(pack: &Pack) {
    pack.now("a snapshot comes back");
    let before = leftovers(pack);
    let made = pack.run(&["restore", "latest", "--as", "snap"]).exits(0);
    let away = format!("`odoopack restore --forget-copy snap --root {}`", pack.root);
    assert!(made.stderr.contains(&away), "{}", made.said());
    let filestore = pack.path("data/environments/production/filestore/snap");
    extensions::came(pack, "snap", &filestore);
    let odd = differences(pack, "restore_production", "snap");
    // What neutralizing changes, and what the scheduler of production has written meanwhile.
    let neutral = [
        "ir_config_parameter",
        "ir_cron",
        "ir_cron_progress",
        "ir_cron_trigger",
        "ir_mail_server",
        "ir_ui_view",
        "mail_mail",
        "res_users_apikeys",
    ];
    let unexpected: Vec<_> = odd
        .iter()
        .filter(|name| !neutral.contains(&name.as_str()))
        .collect();
    assert!(
        odd.len() >= 4 && unexpected.is_empty(),
        "beside what neutralizing changes: {odd:?}"
    );
    a_copy_goes(pack, &before);
    pack.run(&["restore", "latest", "--to", "staging", "--yes"])
        .exits(0);
    pack.run(&["env", "check", "staging"]).exits(0);
    let told = pack.json(&["restore", "latest", "--only", "config"]);
    let directory = Utf8PathBuf::from(told["directory"].as_str().unwrap());
    let file = std::fs::read_to_string(directory.join("pack/odoopack.toml")).unwrap();
    assert_eq!(file, pack.read("repo/odoopack.toml"));
    pieces(pack);
    parts_alone(pack);
}

/// All of it, and nothing that may be more than a copy.
fn a_copy_goes(pack: &Pack, before: &str) {
    let forget = |name: &str| pack.run(&["restore", "--forget-copy", name, "--yes"]);
    let neutral = |value: &str| {
        let sql_of =
            format!("UPDATE ir_config_parameter SET value = '{value}' WHERE key = 'database.is_neutralized'");
        sql(pack, "snap", &sql_of);
    };
    for name in ["postgres", "nothing"] {
        let refused = forget(name).exits(4);
        assert!(refused.stderr.contains("there is no copy"), "{}", refused.said());
    }
    neutral("false");
    let refused = forget("snap").exits(4);
    assert!(
        refused.stderr.contains("it is not neutralized"),
        "{}",
        refused.said()
    );
    neutral("true");
    forget("snap").exits(0);
    assert_eq!(leftovers(pack), before);
}

/// One table and one attachment, without restoring anything.
fn pieces(pack: &Pack) {
    let cat = |args: &[&str]| pack.run(&[&["backup", "cat", "latest"], args].concat());
    let table = cat(&["--table", "ir_config_parameter"]).exits(0).stdout;
    assert!(
        table.contains("CREATE TABLE public.ir_config_parameter") && table.contains("restore.proof\t"),
        "{table}"
    );
    assert!(
        !table.contains("CREATE TABLE public.res_users"),
        "one table alone"
    );
    let sale = cat(&["--table", "old.shop.sale"]).exits(0).stdout;
    assert!(sale.contains("of the old shop"), "{sale}");
    cat(&["--table", "no_such_table"]).exits(4);
    let one = "SELECT id || ' ' || store_fname FROM ir_attachment WHERE mimetype = 'text/css' AND store_fname IS NOT NULL ORDER BY id LIMIT 1";
    let one = sql(pack, "restore_production", one);
    let (id, place) = one.split_once(' ').unwrap();
    let content = pack.read(&format!(
        "data/environments/production/filestore/restore_production/{place}"
    ));
    assert_eq!(cat(&["--attachment", id]).exits(0).stdout, content);
    cat(&["--attachment", "no such name"]).exits(4);
}

/// The attachments of a snapshot without its database, and the database without them.
fn parts_alone(pack: &Pack) {
    let uuid = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";
    let before = sql(pack, "restore_staging", uuid);
    let name = sql(
        pack,
        "restore_staging",
        "SELECT min(store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL",
    );
    let file = pack
        .path("data/environments/staging/filestore/restore_staging")
        .join(name);
    std::fs::remove_file(&file).unwrap();
    let newer = attached_since(pack);
    let again = [
        "restore",
        "latest",
        "--to",
        "staging",
        "--only",
        "filestore",
        "--yes",
    ];
    let said = pack.run(&again).exits(0);
    assert!(file.is_file(), "{file}");
    let kept = std::fs::read_to_string(&newer);
    assert_eq!(kept.unwrap(), NEWER, "{}", said.said());
    assert!(
        !said.stderr.contains("attachments are missing"),
        "{}",
        said.said()
    );
    let kept =
        || pack.json(&["restore", "--forget-replaced", "staging", "--dry-run"])["plan"]["remove"].clone();
    let earlier = kept();
    assert_ne!(earlier.as_array().map_or(0, Vec::len), 0, "{earlier}");
    pack.run(&[again.as_slice(), &["--discard-replaced"]].concat())
        .exits(0);
    assert_eq!(
        kept(),
        earlier,
        "what earlier restores kept stays, its own does not"
    );
    let production = [
        "--to",
        "production",
        "--discard-replaced",
        "--yes-replace",
        "production",
    ];
    pack.run(&[["restore", "latest"].as_slice(), &production].concat())
        .exits(4);
    assert_eq!(sql(pack, "restore_staging", uuid), before);
    assert!(newer.is_file(), "{newer}");
    pack.run(&["restore", "latest", "--as", "bare", "--only", "database"])
        .exits(0);
    assert!(!pack.path("data/environments/production/filestore/bare").exists());
    sql(pack, "postgres", "DROP DATABASE bare");
    sql(pack, "postgres", "DROP ROLE bare");
    files_of_the_kept_database_stay(pack, &newer);
}

const NEWER: &str = "attached since the snapshot";

/// An attachment that the database names and no snapshot has.
fn attached_since(pack: &Pack) -> Utf8PathBuf {
    let filestore = pack.path("data/environments/staging/filestore/restore_staging");
    let (two, name) = ("5e", "5e00000000000000000000000000000000000001");
    let place = filestore.join(two);
    std::fs::create_dir_all(&place).unwrap();
    let path = place.join(name);
    std::fs::write(&path, NEWER).unwrap();
    for (mode, path) in [("750", &place), ("640", &path)] {
        let owner = format!("--reference={filestore}");
        machine::must("chown", &[&owner, path.as_str()]);
        machine::must("chmod", &[mode, path.as_str()]);
    }
    let row = format!(
        "INSERT INTO ir_attachment (name, type, store_fname, res_model, res_id) \
           VALUES ('newer.txt', 'binary', '{two}/{name}', 'res.partner', 1)"
    );
    sql(pack, "restore_staging", &row);
    path
}

/// The replaced database has attachments of its own, whatever Odoo collects of those that the new one does not name; `newer` is one.
fn files_of_the_kept_database_stay(pack: &Pack, newer: &Utf8Path) {
    let filestores = pack.path("data/environments/staging/filestore");
    let live = filestores.join("restore_staging");
    let name = newer.strip_prefix(&live).unwrap();
    let with = || -> Vec<Utf8PathBuf> {
        let all = filestores.read_dir_utf8().unwrap().flatten();
        let own = all.filter(|store| store.path() != live && store.path().join(name).exists());
        own.map(camino::Utf8DirEntry::into_path).collect()
    };
    let before = with();
    let named = "SELECT min(store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL AND store_fname NOT LIKE '5e/%'";
    let collected = sql(pack, "restore_staging", named);
    let file = live.join(&collected);
    std::fs::remove_file(&file).unwrap();
    let said = pack
        .run(&[
            "restore", "latest", "--to", "staging", "--only", "database", "--yes",
        ])
        .exits(0);
    let all = said.said();
    let mut own = with();
    own.retain(|store| !before.contains(store));
    let [own] = &own[..] else { panic!("{own:?} {all}") };
    assert!(
        own.as_str().contains("_replaced_") && all.contains(own.as_str()),
        "{all}"
    );
    std::fs::remove_file(newer).unwrap();
    assert_eq!(std::fs::read_to_string(own.join(name)).unwrap(), NEWER);
    assert!(
        all.contains(&collected) && all.contains("not in the filestore, which stays"),
        "{all}"
    );
    let (_, command) = all.split_once("`odoopack restore ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    let command = command.replace(&format!(" --root {}", pack.root), "");
    let words: Vec<&str> = ["restore"]
        .into_iter()
        .chain(command.split(' '))
        .chain(["--yes"])
        .collect();
    pack.run(&words).exits(0);
    assert!(file.is_file(), "{file}");
    pack.run(&["restore", "--forget-replaced", "staging", "--yes"])
        .exits(0);
    assert!(!own.exists(), "{own}");
}

/// Bytes of a pack file are gone: the drill says so, and nothing that serves notices.
pub(crate) fn damaged_is_unproven(pack: &Pack) {
    pack.now("a snapshot that was damaged is unproven, and changes nothing");
    let before = leftovers(pack);
    let mut packs = Vec::new();
    for two in pack.path("backups/data").read_dir_utf8().unwrap().flatten() {
        packs.extend(
            two.path()
                .read_dir_utf8()
                .unwrap()
                .flatten()
                .map(camino::Utf8DirEntry::into_path),
        );
    }
    let biggest = packs
        .iter()
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let kept = std::fs::read(biggest).unwrap();
    let mut bytes = kept.clone();
    bytes[kept.len() / 3] ^= 0x40;
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(biggest, writable).unwrap();
    std::fs::write(biggest, &bytes).unwrap();
    let failed = pack.run(&["backup", "drill", "latest", "--level", "restore"]);
    assert_eq!(failed.code, Some(1), "{}", failed.said());
    assert_eq!(leftovers(pack), before);
    let failed = pack.run(&["restore", "latest", "--to", "staging", "--yes"]);
    assert_eq!(failed.code, Some(1), "{}", failed.said());
    assert_eq!(leftovers(pack), before);
    let record = pack.read("data/odoopack/backups.jsonl");
    assert!(record.lines().last().unwrap().contains("unproven"), "{record}");
    std::fs::write(biggest, &kept).unwrap();
    pack.run(&["backup", "drill", "latest", "--level", "read"])
        .exits(0);
}
