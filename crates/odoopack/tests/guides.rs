//! The README and the guides say what happens: their console blocks are run.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

#[path = "cli/transcript.rs"]
mod transcript;

use std::net::TcpListener;
use std::path::PathBuf;

use transcript::{Blocks, Sandbox, repository};

/// Where the demo of the pages is: root's usual place.
const DEMO: &str = "/opt/odoopack-demo";

/// README first: it brings the demo up.
fn pages() -> Vec<PathBuf> {
    let guides = std::fs::read_dir(repository("docs/guides")).unwrap();
    let mut guides: Vec<PathBuf> = guides.map(|entry| entry.unwrap().path()).collect();
    guides.sort();
    assert!(guides.len() >= 4, "looked in the wrong place: {guides:?}");
    [repository("README.md"), repository("docs/exit-codes.md")]
        .into_iter()
        .chain(guides)
        .collect()
}

#[test]
fn the_commands_of_the_pages_print_what_the_pages_say() {
    for page in pages() {
        Sandbox::new("/srv/odoo").check(&page, Blocks::Hermetic);
    }
}

/// A demo with a name, users and ports of its own, so that another one on this machine is left alone.
fn demo() -> Sandbox {
    let mut sandbox = Sandbox::new(DEMO);
    let ports: [TcpListener; 2] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let [http, https] = ports.map(|port| port.local_addr().unwrap().port());
    let root = sandbox.path(DEMO);
    let root = root.display();
    let file = format!(
        "format = 1\n[pack]\nname = \"guides\"\nroot = \"{root}\"\n[odoo]\nseries = \"19.0\"\n\
         source = {{ debian = \"sid\" }}\n[web]\nlisten = [\"127.0.0.1\"]\nhttp_port = {http}\nhttps_port = {https}\n\
         [environments.production]\ndomain = \"localhost\"\nusers = 6\n",
    );
    sandbox.write_file(".odoopack-demo", "made by a test\n");
    sandbox.write_file("repo/odoopack.toml", &file);
    // A block of ports as if given before: another new pack on this machine would be given the first one as well.
    let first = 28_500 + std::process::id() % 150 * 10;
    sandbox.write_file("data/odoopack/ports.json", &format!("{{\"production\":{first}}}"));
    sandbox.option = Some(format!("--root {root}"));
    for (written, here) in [
        ("odoo-demo-", "odoo-guides-"),
        ("demo_production", "guides_production"),
        (":8080", &format!(":{http}")),
        (":8443", &format!(":{https}")),
        // Root's usual place needs no option.
        ("demo --down  ", &format!("demo --down --root {DEMO}  ")),
    ] {
        sandbox.name(written, here);
    }
    sandbox
}

/// Takes the demo down whatever happened before.
struct Down<'a>(&'a Sandbox);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let (text, code) = self.0.run("odoopack demo --down");
        assert!(
            code == 0 || std::thread::panicking(),
            "the demo is still there: {text}"
        );
    }
}

#[test]
fn real_commands_of_the_pages_print_what_the_pages_say() {
    let sandbox = demo();
    let _down = Down(&sandbox);
    for page in pages() {
        sandbox.check(&page, Blocks::Real);
    }
}
