//! What `backup forget` removes, and what it never does.
use std::io::{Read, Write};
use std::process::{Command, Stdio};

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
    let shown = pack.run(&["backup", "list"], "", 0) + &pack.run(&["backup", "status"], "", 8);
    let (table, _) = shown.split_once("error: ").unwrap();
    assert!(table.contains(" last proven\n"), "{table}");
    let wide = |line: &&str| line.chars().count() > 80;
    assert_eq!(table.lines().find(wide), None);
    // A drill that fails takes that away, and with it the last reason to keep it.
    pack.note("unproven", &proven, &json!({ "why": ["x"] }));
    pack.run(&["backup", "forget", "--yes"], "", 0);
    assert_eq!(pack.listed(&[]), [newest]);
}

/// Answers yes to the question what to remove, after something else has happened; returns what was said.
#[track_caller]
fn yes_after(pack: &Pack, args: &str, meanwhile: impl FnOnce()) -> String {
    let (program, root) = (env!("CARGO_BIN_EXE_odoopack"), pack.root.display());
    // Nobody is asked who has no terminal.
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{program} --root {root} backup forget {args}"))
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("[y/N]") {
        let mut some = [0; 1024];
        let got = output.read(&mut some).unwrap();
        assert!(got > 0, "nobody asked: {}", String::from_utf8_lossy(&said));
        said.extend(&some[..got]);
    }
    meanwhile();
    input.write_all(b"y\n").unwrap();
    output.read_to_end(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    let code = child.wait().unwrap().code();
    format!("exit {}\n{said}", code.unwrap_or(-1))
}

#[test]
fn what_changes_while_somebody_is_asked_counts() {
    let (pack, [first, second, third, newest]) = with();
    let all = pack.listed(&[]);
    let said = yes_after(&pack, "", || {
        pack.run(&["backup", "pin", &second], "", 0);
    });
    assert!(
        said.starts_with("exit 4\n") && said.contains("stays: pinned"),
        "{said}"
    );
    assert_eq!(pack.listed(&[]), all);
    pack.run(&["backup", "unpin", &second], "", 0);
    // Also of those that were named, which go whatever the policy says.
    let said = yes_after(&pack, &third, || pack.note("proven", &third, &Value::Null));
    assert!(
        said.starts_with("exit 4\n") && said.contains("last proven"),
        "{said}"
    );
    pack.note("unproven", &third, &json!({ "why": ["x"] }));
    let said = yes_after(&pack, "", || {
        pack.run(&["backup", "forget", &newest, "--yes"], "", 0);
    });
    assert!(
        said.starts_with("exit 4\n") && said.contains("stays: last"),
        "{said}"
    );
    let said = yes_after(&pack, &format!("{second} {third}"), || {
        pack.run(&["backup", "forget", &first, "--yes"], "", 0);
    });
    assert!(
        said.starts_with("exit 4\n") && said.contains("would be left"),
        "{said}"
    );
    assert_eq!(pack.listed(&[]), [second.clone(), third.clone()]);
    // What somebody else has removed meanwhile is removed.
    let said = yes_after(&pack, &second, || {
        pack.run(&["backup", "forget", &second, "--yes"], "", 0);
    });
    assert!(said.starts_with("exit 0\n"), "{said}");
    assert_eq!(pack.listed(&[]), [third]);
}
