//! A file below `snapshots/` that cannot be read any more: every other snapshot is listed, copied and brought back.
use std::process::Command;

use serde_json::{Value, json};

use crate::rig::{KEY, Pack};

#[test]
fn one_damaged_snapshot_takes_no_other_out_of_reach() {
    let pack = Pack::new();
    pack.run(&["backup", "key", "confirm"], KEY, 0);
    let [older, damaged, newest] = [72, 48, 1].map(|hours| {
        let id = pack.store_old("production", hours);
        pack.note_old("made", &id, hours, &Value::Null);
        id
    });
    pack.note("proven", &older, &json!({}));
    assert_eq!(pack.complaints(0), json!([]));
    let list = pack.json(&["backup", "list"]);
    let file = format!("snapshots/{}", list[1]["restic"].as_str().unwrap());
    let file = pack.root.join("backups").join(file);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let said = pack.run(&["backup", "list"], "", 0);
    assert!(
        [&older, &newest]
            .iter()
            .all(|id| said.contains(&format!("{id}  "))),
        "{said}"
    );
    assert!(said.contains("is passed over"), "{said}");
    pack.run(&["backup", "cat", "latest", "manifest.json"], "", 0);
    let said = pack.run(&["backup", "cat", &damaged, "manifest.json"], "", 1);
    let aside = format!("mv {}", file.display());
    assert!(
        said.contains(&aside) && !said.contains("there is no snapshot"),
        "{said}"
    );
    assert_eq!(
        pack.complaints(8),
        json!(["1 objects among the snapshots cannot be read"])
    );
    let said = recovered(&pack, &newest);
    assert!(said.contains("is passed over"), "{said}");
    // What removes needs to know all of them.
    let said = pack.run(&["backup", "forget", "--yes"], "", 1);
    let (_, command) = said.split_once("hint: `").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    assert!(command.starts_with(&aside), "{said}");
    assert!(
        Command::new("sh")
            .args(["-c", command])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        pack.complaints(8),
        json!(["1 snapshots that were made are not listed any more"])
    );
    pack.run(&["backup", "forget", "--accept-missing", "--yes"], "", 0);
    assert_eq!(pack.complaints(0), json!([]));
    assert_eq!(pack.listed(&[]), [older, newest]);
}

/// Which snapshot an empty machine would begin with.
fn recovered(pack: &Pack, newest: &str) -> String {
    let [key, root] = ["key", "empty"].map(|name| pack.root.join(name));
    std::fs::write(&key, KEY).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_odoopack"))
        .arg("--root")
        .arg(&root)
        .args(["recover", "--key-file"])
        .arg(&key)
        .arg(pack.root.join("backups"))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        said.contains(&format!("snapshot {newest} of production")),
        "{said}"
    );
    assert!(!root.join("data").exists(), "{said}");
    said
}
