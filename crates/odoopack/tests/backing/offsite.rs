//! The second place is a bucket of a real S3 service.
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::bucket;
use crate::support::Pack;

/// Bytes in a second, as the file says it.
const BANDWIDTH: f64 = 8.0 * 1024.0 * 1024.0;

/// A bucket as the second place: copied, looked at, told apart from what stays here, and safe from this machine.
pub(crate) fn elsewhere(pack: &Pack) {
    pack.now("off site");
    pack.run(&["backup", "offsite"]).exits(4);
    let service = bucket::Service::start();
    let offsite = format!(
        "[backup.offsite]\ns3 = \"{}/{}/erp\"\ncredentials = \"secret:SPACES\"\nprune_credentials = \"secret:SPACES_PRUNE\"\nbandwidth = \"8MiB\"\nkeep = {{ last = 1, weekly = 0, monthly = 0 }}\n\n[backup.keep]",
        service.endpoint(),
        bucket::BUCKET
    );
    pack.edit_file("[backup.keep]", &offsite);
    let lacking = pack.run(&["backup", "offsite"]).exits(4);
    assert!(
        lacking.stderr.contains("odoopack secret set SPACES"),
        "{}",
        lacking.said()
    );
    let (id, word) = bucket::WRITER;
    pack.run_with(&["secret", "set", "SPACES"], &format!("{id}:{word}"))
        .exits(0);
    let never = pack.run(&["backup", "status", "--json"]).exits(8).first_json();
    let complaints = never["complaints"].to_string();
    assert!(
        complaints.contains("production: off site never")
            && complaints.contains("the last copy off site failed"),
        "{complaints}"
    );
    let list = pack.json(&["backup", "list"]);
    let newest = list[list.as_array().unwrap().len() - 1]["snapshot"].clone();
    let would = pack.json(&["backup", "offsite", "--dry-run"]);
    // The pinned one too: what no policy removes here goes there.
    assert_eq!(
        would["would_copy"],
        serde_json::json!([newest, list[0]["snapshot"]])
    );
    let copied = copied_no_faster_than_allowed(pack);
    the_key_is_not_stretched_again(pack);
    assert_eq!(
        (&copied["copied"], &copied["read"]),
        (&would["would_copy"], &1.into())
    );
    let again = pack.json(&["backup", "offsite", "--read"]);
    assert_eq!(
        (&again["copied"], &again["read"]),
        (&serde_json::json!([]), &2.into())
    );
    let there = pack.json(&["backup", "list", "--offsite"]);
    assert_eq!(there.as_array().unwrap().len(), 2);
    let status = pack.run(&["backup", "status", "--json"]).exits(8).first_json();
    assert_eq!(
        status["complaints"],
        serde_json::json!([
            "production: proven never",
            "production: the last drill failed",
            "production: more attachments are missing in the filestore than before"
        ])
    );
    restic_there(pack, &service);
    read_and_recovered_from_there(pack, &service, &newest);
    removed_with_the_other_key(pack, &service, &newest);
    pack.edit_file(&offsite, "[backup.keep]");
}

fn copied_no_faster_than_allowed(pack: &Pack) -> Value {
    let begun = Instant::now();
    let copied = pack.json(&["backup", "offsite"]);
    // Every byte is sent and looked at, and only the last request need not be waited for.
    let least = copied["bytes"].as_f64().unwrap() / BANDWIDTH;
    let took = begun.elapsed().as_secs_f64();
    assert!(took >= least && least > 0.1, "{took} s for {copied}");
    copied
}

/// What opens the repository there is kept beside what opens the one here, as secret as the key.
fn the_key_is_not_stretched_again(pack: &Pack) {
    let kept = pack.path("data/odoopack/backup-opened-offsite");
    let metadata = kept.metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&kept).unwrap();
    assert_ne!(text, pack.read("data/odoopack/backup-opened"), "each has its own");
    // Damaged, it only costs time.
    std::fs::write(&kept, text.replace('1', "2")).unwrap();
    pack.json(&["backup", "list", "--offsite"]);
}

fn restic_there(pack: &Pack, service: &bucket::Service) {
    let outcome = Command::new("restic")
        .args(["check", "--read-data"])
        .env("RESTIC_REPOSITORY", service.root.join(bucket::BUCKET).join("erp"))
        .env("RESTIC_PASSWORD", pack.secret("BACKUP_KEY"))
        .env("RESTIC_CACHE_DIR", pack.path("restic-cache"))
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
}

/// What the schedule runs copies the new one and takes nothing away; with the other key the older one goes.
fn removed_with_the_other_key(pack: &Pack, service: &bucket::Service, older: &Value) {
    let made = pack.run(&["backup", "create", "--forget", "--offsite"]).exits(0);
    assert!(
        made.said().contains("the credentials that delete are not here"),
        "{}",
        made.said()
    );
    let ids = |pack: &Pack| -> Vec<Value> {
        let there = pack.json(&["backup", "list", "--offsite"]);
        there
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["snapshot"].clone())
            .collect()
    };
    assert_eq!(ids(pack).len(), 3);
    one_that_vanished_is_missed(pack, service, older.as_str().unwrap());
    pack.run(&["backup", "forget", "--offsite", "--yes"]).exits(4);
    let (id, word) = bucket::OWNER;
    pack.run_with(&["secret", "set", "SPACES_PRUNE"], &format!("{id}:{word}"))
        .exits(0);
    let here = pack.json(&["backup", "list"]);
    let newest = &here.as_array().unwrap().last().unwrap()["snapshot"];
    let pin = |what: &str| pack.json(&["backup", what, newest.as_str().unwrap()]);
    assert_eq!(pin("pin")["offsite"], true);
    let there = pack.json(&["backup", "list", "--offsite"]);
    let pinned = |one: &&Value| one["snapshot"] == *newest && one["pinned"] == true;
    assert!(
        there.as_array().unwrap().iter().any(|one| pinned(&one)),
        "{there}"
    );
    assert_eq!(pin("unpin")["offsite"], true);
    let done = pack.json(&["backup", "forget", "--offsite", "--yes"]);
    assert_eq!(done["removed"], serde_json::json!([older]));
    assert_eq!(ids(pack).len(), 2);
}

/// Somebody, or a rule of the service, has removed what nobody here asked to remove.
fn one_that_vanished_is_missed(pack: &Pack, service: &bucket::Service, id: &str) {
    let place = service.root.join(bucket::BUCKET).join("erp/snapshots");
    let aside = service.root.join("vanished");
    // A pin renames the file of a snapshot: whose it is says the list.
    let file = std::fs::read_dir(&place).unwrap().flatten().find(|entry| {
        std::fs::rename(entry.path(), &aside).unwrap();
        let listed = pack.json(&["backup", "list", "--offsite"]).to_string();
        if listed.contains(id) {
            std::fs::rename(&aside, entry.path()).unwrap();
        }
        !listed.contains(id)
    });
    let file = file.unwrap().path();
    let missed = pack.run(&["backup", "offsite"]);
    assert!(
        missed.code != Some(0) && missed.stderr.contains("forget --offsite --accept-missing"),
        "{}",
        missed.said()
    );
    let status = pack.run(&["backup", "status"]).exits(8).said();
    assert!(status.contains("the last copy off site failed"), "{status}");
    std::fs::rename(&aside, &file).unwrap();
    pack.run(&["backup", "offsite"]).exits(0);
}

/// A machine that has nothing but the key and the credentials finds the snapshot, and refuses to be this pack a second time.
fn read_and_recovered_from_there(pack: &Pack, service: &bucket::Service, newest: &Value) {
    pack.json(&["backup", "drill", "latest", "--offsite", "--level", "read"]);
    let (id, word) = bucket::WRITER;
    pack.write("credentials", &format!("{id}:{word}\n"));
    pack.write("key", &pack.secret("BACKUP_KEY"));
    let outcome = Command::new(env!("CARGO_BIN_EXE_odoopack"))
        .args([
            "recover",
            &format!("{}/{}/erp", service.endpoint(), bucket::BUCKET),
        ])
        .args(["--credentials-file", pack.path("credentials").as_str()])
        .args(["--key-file", pack.path("key").as_str()])
        .args(["--root", pack.path("empty").as_str()])
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(4), "{said}");
    assert!(said.contains(newest.as_str().unwrap()), "{said}");
    // The users of this machine belong to the pack that is still there: it ends before any of its secrets is here twice.
    assert!(said.contains("belongs to something else"), "{said}");
    let left: Vec<_> = pack.path("empty").read_dir_utf8().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    std::fs::remove_dir_all(pack.path("empty")).unwrap();
    for secret in ["credentials", "key"] {
        std::fs::remove_file(pack.path(secret)).unwrap();
    }
}
