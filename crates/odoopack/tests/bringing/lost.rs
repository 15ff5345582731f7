//! A machine that is lost, and comes back from repository and key.
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::{databases, sql};
use crate::bucket;
use crate::support::{Pack, machine, wait_for, write};

/// The machine is gone; the repository, which is in a bucket, and the key on paper are all there is.
pub(crate) fn machine_is_lost(pack: &Pack) {
    pack.now("the machine is lost, and recovered from repository and key");
    let upstream = Upstream::locked_by(pack);
    let status =
        || pack.run(&["backup", "status", "--json"]).first_json()["status"]["environments"][0].clone();
    let proven = status()["proven"].clone();
    assert_ne!(proven["snapshot"], serde_json::Value::Null);
    shallow(pack);
    pack.write("repo/note", "not committed\n");
    back_up(pack);
    let keep = tempfile::tempdir().unwrap();
    let service = bucket::Service::start();
    let erp = service.root.join(bucket::BUCKET).join("erp");
    machine::must(
        "cp",
        &["-r", pack.path("backups").as_str(), erp.to_str().unwrap()],
    );
    let [key, credentials] = ["key", "credentials"].map(|name| format!("{}/{name}", keep.path().display()));
    std::fs::write(&key, pack.secret("BACKUP_KEY")).unwrap();
    let (id, word) = bucket::WRITER;
    std::fs::write(&credentials, format!("{id}:{word}\n")).unwrap();
    let password = pack.secret("PRODUCTION_ADMIN");
    pack.run(&["demo", "--down", "--yes"]).exits(0);
    assert!(!pack.root.exists());
    upstream.vanishes();
    let repository = format!("{}/{}/erp", service.endpoint(), bucket::BUCKET);
    let secrets = ["--key-file", &key, "--credentials-file", &credentials];
    let recover = [&["recover", repository.as_str(), "--yes"], &secrets[..]].concat();
    cut_off_twice(pack, &recover);
    let said = pack.run(&recover).exits(0);
    assert!(
        !said.stderr.contains("this machine runs"),
        "another release: {}",
        said.said()
    );
    comes_back_whole(pack, &said.said());
    pack.write(".odoopack-demo", "made by a test\n");
    let site = pack.site();
    let session = site.sign_in("restore_production", &password).unwrap();
    session.picture_goes_round();
    assert_eq!(
        session.call("ir.config_parameter", "get_param", &json!(["restore.proof"])),
        "of production"
    );
    lives_on(pack, &recover);
    pack.run(&recover).exits(4);
    for environment in ["production", "shop"] {
        pack.run(&["env", "resume", environment, "--yes"]).exits(0);
    }
    pack.run(&["status"]).exits(0);
    assert_eq!(status()["proven"], proven, "what was proven is forgotten");
    let all = pack.run(&["backup", "status", "--json"]).first_json();
    assert_eq!(all["status"]["key_confirmed"], true, "who recovers has the key");
    let listed = pack.json(&["module", "list"]).to_string();
    assert!(listed.contains(MODULE), "{listed}");
    pack.run(&["up", "--yes"]).exits(0);
}

fn back_up(pack: &Pack) {
    // The first moment of a second environment that people work in.
    sql(pack, "restore_shop", SHOP);
    for environment in ["production", "shop"] {
        let made = pack.run(&["backup", "create", environment]).exits(0);
        assert!(made.stderr.contains("shallow clone"), "{}", made.said());
    }
}

/// Both environments that people work in are, without the history that the clone had not whole.
fn comes_back_whole(pack: &Pack, said: &str) {
    // What nobody can make a repository of is kept, and keeps nothing else from coming back.
    assert!(pack.path("history.bundle").is_file(), "{said}");
    assert!(!pack.path("repo/.git").exists() && pack.path("repo/note").is_file());
    let of_shop = "SELECT value FROM ir_config_parameter WHERE key = 'restore.shop'";
    assert_eq!(sql(pack, "restore_shop", of_shop), "of the shop", "{said}");
    assert!(!databases(pack).contains("_replaced_"), "{}", databases(pack));
    assert!(
        pack.path("data/odoopack/awaited")
            .read_dir_utf8()
            .unwrap()
            .next()
            .is_none()
    );
}

const MODULE: &str = "restore_probe";
const SHOP: &str = "INSERT INTO ir_config_parameter (key, value) VALUES ('restore.shop', 'of the shop')";

/// Makes the pack a clone that has the last of two commits.
fn shallow(pack: &Pack) {
    git(pack, &["init", "--quiet", "--initial-branch=main"]);
    git(pack, &["add", "odoopack.toml"]);
    git(pack, &["commit", "--quiet", "-m", "the file"]);
    git(pack, &["add", "oca.lock.json"]);
    git(pack, &["commit", "--quiet", "-m", "the pack"]);
    let keep = tempfile::tempdir().unwrap();
    let clone = keep.path().join("clone");
    let clone = clone.to_str().unwrap();
    let url = format!("file://{}", pack.path("repo"));
    machine::must(
        "git",
        &[
            "-c",
            "safe.directory=*",
            "clone",
            "--quiet",
            "--depth=1",
            &url,
            clone,
        ],
    );
    let own = pack.path("repo/.git");
    std::fs::remove_dir_all(&own).unwrap();
    machine::must("cp", &["-r", &format!("{clone}/.git"), own.as_str()]);
}

/// A repository of modules that the pack's lock names.
struct Upstream {
    keep: tempfile::TempDir,
    url: String,
}

impl Upstream {
    fn locked_by(pack: &Pack) -> Self {
        pack.now("a repository of modules, locked and built");
        let keep = tempfile::tempdir().unwrap();
        let place = Utf8Path::from_path(keep.path()).unwrap();
        let manifest =
            "{'name': 'Probe', 'version': '19.0.1.0.0', 'license': 'LGPL-3', 'depends': ['base']}\n";
        write(&place.join(MODULE).join("__manifest__.py"), manifest);
        write(&place.join(MODULE).join("__init__.py"), "");
        for args in [
            &["init", "--quiet", "--initial-branch=19.0"][..],
            &["add", "--all"],
            &["commit", "--quiet", "--message", "all"],
        ] {
            let who = [
                "-C",
                place.as_str(),
                "-c",
                "user.name=T",
                "-c",
                "user.email=t@example.org",
            ];
            machine::must("git", &[&who[..], args].concat());
        }
        let url = format!("file://{place}");
        let text = pack.read("repo/odoopack.toml");
        pack.write(
            "repo/odoopack.toml",
            &format!(
                "{text}\n[environments.shop]\nkind = \"production\"\nedition = \"bare\"\ndomain = \"shop.localhost\"\n\n[addons]\noca = \"addons/external/oca\"\n\n[addons.repositories.tools]\nurl = \"{url}\"\n"
            ),
        );
        pack.run(&["lock"]).exits(0);
        pack.run(&["up", "--yes"]).exits(0);
        Self { keep, url }
    }

    /// The remote is gone, and so is what the cache of this machine has of it.
    fn vanishes(self) {
        let cache = std::env::var("XDG_CACHE_HOME").map_or_else(
            |_| Utf8PathBuf::from(std::env::var("HOME").unwrap()).join(".cache"),
            Utf8PathBuf::from,
        );
        let key = &odoopack_core::hash::hex(self.url.as_bytes())[..16];
        let mirror = cache.join(format!("odoopack/git/{key}.git"));
        std::fs::remove_dir_all(&mirror).unwrap();
        drop(std::fs::remove_file(mirror.with_extension("lock")));
        self.keep.close().unwrap();
    }
}

fn git(pack: &Pack, args: &[&str]) -> String {
    let repo = pack.path("repo");
    let who = [
        "-C",
        repo.as_str(),
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.com",
    ];
    machine::must("git", &[&who[..], args].concat())
}

/// Killed while it builds and starts, and while the data comes back.
fn cut_off_twice(pack: &Pack, recover: &[&str]) {
    for point in ["\"services\"", "\"data\""] {
        pack.now(&format!("killed at {point}"));
        let mut child = pack.start(recover);
        let mark = pack.path(".odoopack-recovering");
        wait_for("the stage begins", || {
            let text = std::fs::read_to_string(&mark).ok()?;
            text.contains(point).then_some(())
        });
        if point.contains("data") {
            // What is an empty database until then nobody wants as a snapshot.
            let zip = pack.path("shop.zip");
            for command in [
                &["backup", "create", "shop"][..],
                &["backup", "export", "shop", zip.as_str()],
            ] {
                let refused = pack.run(command).exits(4);
                assert!(refused.stderr.contains("odoopack recover"), "{}", refused.said());
            }
            let open = pack.path("data/odoopack/open");
            wait_for("the restore begins", || {
                open.read_dir_utf8().ok()?.next().map(|_| ())
            });
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A recovery that ended only in part, once people work: the same command takes nothing of it away.
fn lives_on(pack: &Pack, recover: &[&str]) {
    let later =
        "INSERT INTO ir_config_parameter (key, value) VALUES ('restore.later', 'kept') RETURNING value";
    sql(pack, "restore_production", later);
    let mark = pack.path(".odoopack-recovering");
    for (text, code, said) in [
        (
            r#"{"snapshot":"latest","stage":"data","empty":1}"#,
            4,
            "is not the empty one any more",
        ),
        (
            r#"{"snapshot":"latest","stage":"restored","operation":"00000000"}"#,
            0,
            "is back",
        ),
    ] {
        std::fs::write(&mark, text).unwrap();
        let run = pack.run(recover).exits(code);
        assert!(run.said().contains(said), "{}", run.said());
        assert_eq!(mark.exists(), code != 0);
        let kept = "SELECT value FROM ir_config_parameter WHERE key = 'restore.later'";
        assert_eq!(sql(pack, "restore_production", kept), "kept");
    }
}
