//! Jobs of a stack, which the host begins.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

use serde_json::json;

use crate::support::stack::{id, must};
use crate::support::{Pack, wait_for};

/// As at boot, where the host's timers may be ahead of the containers.
pub(crate) fn a_missed_one_waits_for_the_server(pack: &Pack) {
    pack.now("a job waits until PostgreSQL answers");
    let rendered = pack.read("config/schedule.json");
    let mut table: serde_json::Value = serde_json::from_str(&rendered).unwrap();
    let mut job = table["jobs"][0].clone();
    job["name"] = json!("look");
    job["environment"] = json!("production");
    job["run"] = json!(["module", "changed", "production"]);
    table["jobs"].as_array_mut().unwrap().push(job);
    pack.write("config/schedule.json", &table.to_string());
    let postgres = id("postgres");
    must(&["stop", &postgres]);
    let mut child = pack.start(&["schedule", "run", "look"]);
    let mut looks = 0;
    wait_for("it does not give up", || {
        assert_eq!(child.try_wait().unwrap(), None);
        looks += 1;
        (looks > 15).then_some(())
    });
    must(&["start", &postgres]);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("wait until `postgres` answers"),
        "{said}"
    );
    pack.write("config/schedule.json", &rendered);
    wait_for("every probe passes again", || {
        (pack.status()["good"] == true).then_some(())
    });
}
