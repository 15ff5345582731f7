//! What `backup forget` removes, and what it never does.
use serde_json::{Value, json};

use crate::rig::Pack;

const ONLY_THE_LAST: &str = "[backup.keep]\nlast = 1\ndaily = 0\nweekly = 0\nmonthly = 0\n";

/// Snapshots of the last days, oldest first, and a policy that keeps the newest one.
fn with<const N: usize>() -> (Pack, [String; N]) {
    let pack = Pack::new();
    pack.configure(ONLY_THE_LAST);
    let ids = std::array::from_fn(|day| {
        let hours = i64::try_from(N - day).unwrap() * 24;
        let id = pack.store_old("production", hours);
        pack.note_old("made", &id, hours, &Value::Null);
        id
    });
    (pack, ids)
}

#[test]
fn the_last_one_whose_proof_holds_stays() {
    let (pack, [oldest, proven, taken_back, newest]) = with();
    pack.note("proven", &oldest, &Value::Null);
    pack.note("proven", &proven, &Value::Null);
    pack.note("proven", &taken_back, &Value::Null);
    pack.note("unproven", &taken_back, &json!({ "why": ["x"] }));
    pack.run(&["backup", "forget", &proven, "--yes"], "", 4);
    let said = pack.run(&["backup", "forget", "--yes"], "", 0);
    assert!(said.contains("2 snapshots removed"), "{said}");
    assert_eq!(pack.listed(&[]), [proven.clone(), newest.clone()]);
    let list = pack.json(&["backup", "list"]);
    assert_eq!(list[0]["reasons"], json!(["last proven"]));
    // A drill that fails takes that away, and with it the last reason to keep it.
    pack.note("unproven", &proven, &json!({ "why": ["x"] }));
    pack.run(&["backup", "forget", "--yes"], "", 0);
    assert_eq!(pack.listed(&[]), [newest]);
}
