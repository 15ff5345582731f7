//! A pack goes from one engine to the other, as the refusal of the switch says: written out here, brought in in a new root.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts programs and says what it does"
)]

mod support;

use camino::Utf8Path;
use serde_json::json;
use support::stack::{in_own_network, is_inside, must, stack_file, with_docker_here};
use support::{Pack, artefacts, file};

const PRODUCTION: &str = "[environments.production]\ndomain = \"localhost\"\nusers = 3\n";

/// Of the user `admin`, here and there.
const PASSWORD: &str = "as-it-was-4713";

/// What people have put into it.
const FILL: &str = r"
import base64
env['res.partner'].create({'name': 'Moved'})
env['ir.attachment'].create({'name': 'moved.txt', 'datas': base64.b64encode(b'these bytes move')})
env.cr.commit()
";

/// Rows of tables that nothing changes by itself.
const COUNTS: &str = "SELECT (SELECT count(*) FROM res_partner), (SELECT count(*) FROM ir_module_module), (SELECT count(*) FROM ir_model_fields)";

#[test]
fn a_pack_goes_from_one_engine_to_the_other() {
    let place = artefacts();
    let (zip, counts) = (place.join("engines.zip"), place.join("engines.counts"));
    if !is_inside() {
        natively(&zip, &counts);
    }
    if !in_own_network("a_pack_goes_from_one_engine_to_the_other") {
        [zip, counts]
            .iter()
            .for_each(|path| std::fs::remove_file(path).unwrap());
        return;
    }
    with_docker_here("a_pack_goes_from_one_engine_to_the_other", || {
        in_containers(&zip, &counts);
    });
}

fn counted(pack: &Pack) -> String {
    let ask = ["psql", "production", "--", "-Atc", COUNTS];
    pack.run(&ask).exits(0).stdout.trim().to_owned()
}

/// Nothing of what it needs can be downloaded in the network that leads nowhere.
fn natively(zip: &Utf8Path, counts: &Utf8Path) {
    let pack = Pack::with_file("engines", 31_400, &file("engines", PRODUCTION));
    pack.now("the engine `native`, with something in it");
    pack.run_with(&["secret", "set", "PRODUCTION_ADMIN"], PASSWORD)
        .exits(0);
    pack.run(&["up", "--yes"]).exits(0);
    pack.run_with(&["shell", "production"], FILL).exits(0);
    // There is no Docker here, and nobody shall install one for this.
    pack.now("the switch is refused with the way");
    pack.edit_file("[pack]\n", "[pack]\nengine = \"compose\"\n");
    pack.edit_file("source = { debian = \"sid\" }\n", "");
    let refused = pack.run(&["up", "--yes"]).exits(1);
    for words in [
        "`odoopack backup export ENV FILE.zip`",
        "`odoopack backup import FILE.zip --to ENV --yes-replace ENV`",
    ] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.said());
    }
    pack.edit_file("engine = \"compose\"\n", "");
    pack.edit_file(
        "series = \"19.0\"\n",
        "series = \"19.0\"\nsource = { debian = \"sid\" }\n",
    );
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    pack.now("written out");
    drop(std::fs::remove_file(zip));
    pack.run(&["backup", "export", "production", zip.as_str()])
        .exits(0);
    std::fs::write(counts, counted(&pack)).unwrap();
}

fn in_containers(zip: &Utf8Path, counts: &Utf8Path) {
    let pack = Pack::with_file("moved", 31_450, &stack_file("moved", &format!("\n{PRODUCTION}")));
    pack.now("the engine `compose`, in a new root");
    pack.run_with(&["secret", "set", "PRODUCTION_ADMIN"], PASSWORD)
        .exits(0);
    pack.run(&["up", "--yes"]).exits(0);
    pack.now("brought in");
    let import = ["backup", "import", zip.as_str(), "--to", "production"];
    pack.run(&[&import[..], &["--yes-replace", "production"]].concat())
        .exits(0);
    pack.run(&["env", "resume", "production", "--yes"]).exits(0);
    pack.now("everything is there, and it works");
    assert_eq!(counted(&pack), std::fs::read_to_string(counts).unwrap());
    assert_eq!(pack.status()["good"], true);
    let site = pack.site();
    let session = site.sign_in("moved_production", PASSWORD);
    let session = session.expect("the old password is right");
    let found = session.call("res.partner", "search_count", &json!([[["name", "=", "Moved"]]]));
    assert_eq!(found, 1);
    let found = session.call("ir.attachment", "search", &json!([[["name", "=", "moved.txt"]]]));
    let page = session.get(&format!("/web/content/{}", found[0])).is(200);
    assert_eq!(page.body, b"these bytes move");
    assert_eq!(pack.json(&["up", "--yes"])["steps"], 0);
    pack.run(&["down"]).exits(0);
    assert_eq!(must(&["ps", "--all", "--quiet"]), "");
    pack.now("done");
}
