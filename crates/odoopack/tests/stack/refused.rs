//! What `up` does not do to a stack that people work in.

use crate::nothing_to_do;
use crate::support::Pack;
use crate::support::stack::{id, must};

pub(crate) fn another_engine(pack: &Pack) {
    pack.edit_file("engine = \"compose\"", "engine = \"native\"");
    pack.edit_file(
        "series = \"19.0\"",
        "series = \"19.0\"\nsource = { debian = \"sid\" }",
    );
    let answer = pack.run(&["up", "--yes"]).exits(4);
    assert!(
        answer.stderr.contains("was made by the engine `compose`"),
        "{}",
        answer.said()
    );
    pack.edit_file("engine = \"native\"", "engine = \"compose\"");
    pack.edit_file("\nsource = { debian = \"sid\" }", "");
    nothing_to_do(pack);
}

/// Neither by another `database` nor by another name of the environment.
pub(crate) fn books_out_of_sight(pack: &Pack) {
    pack.now("another database, and another name of the environment, are refused");
    let text = pack.read("repo/odoopack.toml");
    let domain = "domain = \"localhost\"\n";
    let files = [
        (
            text.replace(domain, &format!("{domain}database = \"books\"\n")),
            "people worked in shop_production",
        ),
        (
            text.replace("[environments.production", "[environments.books"),
            "they would find an empty Odoo there",
        ),
    ];
    for (changed, words) in files {
        assert_ne!(changed, text);
        pack.write("repo/odoopack.toml", &changed);
        let said = pack.run(&["up", "--yes"]).exits(4).said();
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    pack.write("repo/odoopack.toml", &text);
    nothing_to_do(pack);
    let limit = must(&["inspect", "--format", "{{.HostConfig.Memory}}", &id("nginx")]);
    assert_ne!(limit, "0", "nginx has a limit of memory");
}
