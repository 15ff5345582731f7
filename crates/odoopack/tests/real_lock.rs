//! Real modules of the OCA in a dozen repositories behind `git daemon`: locked, broken in every way, made again elsewhere.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too, and writes files as it likes"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use support::machine::must;
use support::{Answer, addons, artefacts, wait_for};

/// Names that OCA's repositories have.
const NAMES: [&str; 12] = [
    "account-financial-tools",
    "hr",
    "partner-contact",
    "project",
    "purchase-workflow",
    "queue",
    "reporting-engine",
    "sale-workflow",
    "server-tools",
    "social",
    "stock-logistics-workflow",
    "web",
];
/// Modules of each series.
const MODULES: usize = 60;
/// Comes as a Python package instead.
const PACKAGED: &str = "auditlog";

/// Unpacks wheels of one series and deals their modules out to directories; what needs Python packages stays out, so that
/// the test knows which packages it asks for.
const DEAL: &str = "
import sys, zipfile, os, ast
target, packaged, wanted, names = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split()
count = 0
for wheel in sys.argv[5:]:
    files = zipfile.ZipFile(wheel)
    inside = [name for name in files.namelist() if name.startswith('odoo/addons/')]
    module = inside[0].split('/')[2]
    manifest = ast.literal_eval(files.read('odoo/addons/%s/__manifest__.py' % module).decode())
    if module == packaged or manifest.get('external_dependencies') or not manifest.get('installable', True):
        continue
    for name in inside:
        path = os.path.join(target, names[count % len(names)], name[len('odoo/addons/'):])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, 'wb').write(files.read(name))
    count += 1
    if count == wanted:
        break
print(count)
";

/// Everything below one directory that is removed at the end.
struct Place {
    _keep: tempfile::TempDir,
    root: Utf8PathBuf,
    cache: Utf8PathBuf,
    daemon: Child,
    port: u16,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

fn git(directory: &Utf8Path, args: &[&str]) -> String {
    let who = [
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@example.org",
        "-C",
        directory.as_str(),
    ];
    must("git", &[who.as_slice(), args].concat()).trim().to_owned()
}

impl Place {
    fn new(series: &[&str]) -> Self {
        // On the file system of the cache, so that wheels are linked.
        let keep = tempfile::Builder::new()
            .prefix("lock-")
            .tempdir_in(artefacts())
            .unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        let cache = artefacts().join("lock-cache");
        // Wheels stay from run to run; mirrors are new each time.
        drop(std::fs::remove_dir_all(cache.join("odoopack/git")));
        std::fs::create_dir_all(cache.join("odoopack")).unwrap();
        upstreams(&root, series);
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let daemon = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                "git",
                "daemon",
                "--reuseaddr",
                "--export-all",
            ])
            .args([
                "--listen=127.0.0.1",
                &format!("--port={port}"),
                &format!("--base-path={root}/up"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("git daemon listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            _keep: keep,
            root,
            cache,
            daemon,
            port,
        }
    }

    fn up(&self, name: &str) -> Utf8PathBuf {
        self.root.join("up").join(name)
    }

    /// A pack that takes all repositories whole.
    fn pack(&self, name: &str, series: &str) -> Pack<'_> {
        let repo = self.root.join(name).join("repo");
        std::fs::create_dir_all(&repo).unwrap();
        let odoo = self.root.join("odoo").join(series);
        let repositories: String = NAMES
            .iter()
            .map(|name| {
                format!(
                    "[addons.repositories.{name}]\nurl = \"git://127.0.0.1:{}/{name}\"\n",
                    self.port
                )
            })
            .collect();
        let file = format!(
            "format = 1\n\n[pack]\nname = \"lk\"\n\n[odoo]\nseries = \"{series}\"\nsource = {{ path = \"{odoo}\" }}\n\n\
             [addons]\noca = \"addons/external/oca\"\nrequirements = [\"requirements.txt\"]\n\n\
             [addons.hosts.\"127.0.0.1\"]\ninsecure = true\n\n{repositories}\n[environments.production]\ndomain = \"localhost\"\n"
        );
        std::fs::write(repo.join("odoopack.toml"), file).unwrap();
        std::fs::write(repo.join("requirements.txt"), format!("odoo-addon-{PACKAGED}\n")).unwrap();
        git(&repo, &["init", "--quiet"]);
        Pack {
            place: self,
            repo,
            cache: self.cache.clone(),
        }
    }
}

/// Real modules on a branch per series, and something that looks like Odoo's requirements.
fn upstreams(root: &Utf8Path, all: &[&str]) {
    let wheels = addons::wheels();
    for name in NAMES {
        let up = root.join("up").join(name);
        std::fs::create_dir_all(&up).unwrap();
        git(&up, &["init", "--quiet", "--initial-branch=18.0"]);
        git(&up, &["config", "uploadpack.allowFilter", "true"]);
    }
    for series in all {
        for name in NAMES {
            let up = root.join("up").join(name);
            git(
                &up,
                &["checkout", "--quiet", "--orphan", &format!("{series}-new")],
            );
            git(&up, &["rm", "-r", "--quiet", "--force", "--ignore-unmatch", "."]);
        }
        let of_series = wheels
            .iter()
            .filter(|wheel| wheel.as_str().contains(&format!("-{series}.")));
        let mut args = vec!["-c", DEAL];
        let (target, names, wanted) = (root.join("up"), NAMES.join(" "), MODULES.to_string());
        args.extend([target.as_str(), PACKAGED, &wanted, &names]);
        args.extend(of_series.map(|wheel| wheel.as_str()));
        assert_eq!(must("python3", &args).trim(), wanted, "modules of {series}");
        for name in NAMES {
            let up = root.join("up").join(name);
            git(&up, &["add", "--all"]);
            git(
                &up,
                &[
                    "commit",
                    "--quiet",
                    "--message",
                    &format!("[ADD] modules of {series}"),
                ],
            );
            git(&up, &["branch", "--force", series]);
            git(&up, &["checkout", "--quiet", series]);
        }
        tiny_odoo(&root.join("odoo").join(series), series);
    }
    for name in NAMES {
        git(&root.join("up").join(name), &["checkout", "--quiet", all[0]]);
    }
}

fn tiny_odoo(place: &Utf8Path, series: &str) {
    let release = format!(
        "version_info = ({}, 0, 'final', 0, '')\n",
        series.replace('.', ", ")
    );
    for (name, text) in [
        ("odoo/release.py", release.as_str()),
        ("odoo-bin", "print('Odoo')\n"),
        ("odoo/addons/base/__manifest__.py", "{'name': 'Base'}\n"),
        ("requirements.txt", "six==1.17.0\n"),
    ] {
        std::fs::create_dir_all(place.join(name).parent().unwrap()).unwrap();
        std::fs::write(place.join(name), text).unwrap();
    }
}

struct Pack<'a> {
    place: &'a Place,
    repo: Utf8PathBuf,
    cache: Utf8PathBuf,
}

impl Pack<'_> {
    fn run(&self, args: &[&str]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_odoopack"))
            .args(args)
            .current_dir(&self.repo)
            .env("XDG_CACHE_HOME", &self.cache)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Answer {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).exits(0).json()
    }

    /// What a verification names, as `about: kind`, with its words.
    fn broken(&self, args: &[&str]) -> BTreeMap<String, String> {
        let answer = self.run(&[&["lock", "verify", "--json"], args].concat());
        let said = answer.first_json();
        let breaks = said["breaks"]
            .as_array()
            .unwrap_or_else(|| panic!("{}", answer.said()));
        let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        let all: BTreeMap<String, String> = breaks
            .iter()
            .map(|one| {
                (
                    format!("{}: {}", text(one, "about"), text(one, "kind")),
                    text(one, "what"),
                )
            })
            .collect();
        assert_eq!(
            answer.code,
            Some(if all.is_empty() { 0 } else { 8 }),
            "{}",
            answer.said()
        );
        all
    }

    #[track_caller]
    fn breaks(&self, args: &[&str], kinds: &[&str]) -> BTreeMap<String, String> {
        let found = self.broken(args);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, kinds, "{found:?}");
        found
    }

    fn checkout(&self, name: &str) -> Utf8PathBuf {
        self.repo.join("addons/external/oca").join(name)
    }

    fn lock(&self) -> Value {
        serde_json::from_str(&self.text("oca.lock.json")).unwrap()
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.repo.join(file)).unwrap()
    }

    /// Changes a file for the time of some work.
    fn with(&self, file: &str, old: &str, new: &str, work: impl FnOnce()) {
        let before = self.text(file);
        assert!(before.contains(old), "no `{old}` in {file}");
        std::fs::write(self.repo.join(file), before.replacen(old, new, 1)).unwrap();
        work();
        std::fs::write(self.repo.join(file), before).unwrap();
    }
}

/// Every file below a directory with its content; git's own data left out.
fn contents(root: &Utf8Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Utf8Path, at: &Utf8Path, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in at.read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == ".git" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                walk(root, entry.path(), all);
            } else {
                let name = entry.path().strip_prefix(root).unwrap().to_string();
                all.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(root, root, &mut all);
    all
}

#[test]
fn a_lock_of_real_repositories_holds_and_every_break_is_named() {
    let place = Place::new(&["18.0", "19.0"]);
    let pack = place.pack("one", "18.0");
    pack.json(&["lock"]);
    let lock = pack.lock();
    let modules: usize = NAMES
        .iter()
        .map(|name| lock["repositories"][name]["modules"].as_object().unwrap().len())
        .sum();
    assert_eq!(modules, MODULES);
    let packages = lock["python"]["targets"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .as_array()
        .unwrap()
        .clone();
    let auditlog = packages
        .iter()
        .find(|package| package["name"] == "odoo-addon-auditlog");
    assert!(
        auditlog.unwrap()["version"]
            .as_str()
            .unwrap()
            .starts_with("18.0."),
        "{auditlog:?}"
    );
    pack.json(&["oca", "sync"]);
    pack.breaks(&[], &[]);
    pack.breaks(&["--offline"], &[]);
    assert!(
        pack.json(&["lock"])["changes"].as_array().unwrap().is_empty(),
        "a second lock changes nothing"
    );
    // Plain git sees ordinary submodules at the recorded commits.
    let status = git(&pack.repo, &["submodule", "status"]);
    assert_eq!(status.lines().count(), NAMES.len());
    assert!(
        !status.lines().any(|line| line.starts_with(['+', '-', 'U'])),
        "{status}"
    );

    checkouts(&pack);
    tampered(&pack);
    wrong_wishes(&pack);
    wheels(&pack, &packages);
    upstream(&place, &pack);
    elsewhere(&place, &pack);
}

#[test]
fn modules_of_19_are_locked_as_well_and_pull_requests_merge_the_same_everywhere() {
    let place = Place::new(&["19.0"]);
    let pack = place.pack("nineteen", "19.0");
    pack.json(&["lock"]);
    let lock = pack.lock();
    let versions = lock["repositories"]["web"]["modules"].as_object().unwrap();
    assert!(
        versions
            .values()
            .all(|version| version.as_str().unwrap().starts_with("19.0.")),
        "{versions:?}"
    );
    pack.breaks(&[], &[]);
    pack.breaks(&["--offline"], &[]);
    // A commit that nobody has.
    let old = lock["repositories"]["web"]["commit"].as_str().unwrap();
    pack.with("oca.lock.json", old, &"5".repeat(40), || {
        let found = pack.broken(&["--offline"]);
        assert!(found.keys().any(|key| key == "web: absent"), "{found:?}");
    });
    merges(&place, &pack);
}

fn checkouts(pack: &Pack<'_>) {
    // A byte of the same file, with the same size and time.
    let web = pack.checkout("web");
    let manifest = contents(&web)
        .into_keys()
        .find(|name| name.ends_with("__manifest__.py"))
        .unwrap();
    let path = web.join(&manifest);
    let before = std::fs::read(&path).unwrap();
    let time = path.metadata().unwrap().modified().unwrap();
    let mut after = before.clone();
    *after.last_mut().unwrap() = b' ';
    std::fs::write(&path, &after).unwrap();
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let found = pack.breaks(&["--offline"], &["web: checkout-changed"]);
    assert!(found["web: checkout-changed"].contains(&manifest), "{found:?}");
    std::fs::write(&path, &before).unwrap();
    // A file that the commit does not have.
    std::fs::write(web.join("extra.py"), "x").unwrap();
    pack.breaks(&["--offline"], &["web: checkout-changed"]);
    std::fs::remove_file(web.join("extra.py")).unwrap();
    pack.breaks(&["--offline"], &[]);
    // Somebody pulled: the checkout and then the submodule are elsewhere than the lock.
    let hr = pack.checkout("hr");
    git(
        &hr,
        &[
            "-c",
            "user.name=T",
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "local",
        ],
    );
    pack.breaks(&["--offline"], &["hr: checkout-moved"]);
    git(&pack.repo, &["add", "addons/external/oca/hr"]);
    pack.breaks(&["--offline"], &["hr: checkout-moved", "hr: submodule"]);
    assert_eq!(pack.json(&["oca", "sync"])["moved"], serde_json::json!(["hr"]));
    pack.breaks(&["--offline"], &[]);
}

/// The lock itself says something else than the commits have.
fn tampered(pack: &Pack<'_>) {
    let lock = pack.lock();
    let of = |name: &str, key: &str| lock["repositories"][name][key].as_str().unwrap().to_owned();
    let (tree, other) = (of("web", "tree"), of("hr", "tree"));
    pack.with("oca.lock.json", &tree, &other, || {
        pack.breaks(&["--offline"], &["web: tree"]);
    });
    let (module, version) = lock["repositories"]["web"]["modules"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let line = format!("\"{module}\": {version}");
    pack.with(
        "oca.lock.json",
        &line,
        &format!("\"{module}\": \"18.0.9.9.9\""),
        || {
            pack.breaks(&["--offline"], &[&format!("web/{module}: version")]);
        },
    );
    let neighbour = lock["repositories"]["hr"]["modules"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap();
    let more = format!(
        "\"base_sparse_field\": \"18.0.1.0.0\",\n        \"{neighbour}\": \"18.0.1.0.0\",\n        {line}"
    );
    pack.with("oca.lock.json", &line, &more, || {
        let core = "web/base_sparse_field: missing-module";
        let beside = format!("web/{neighbour}: missing-module");
        let mut wanted = [core, &beside];
        wanted.sort_unstable();
        let found = pack.breaks(&["--offline"], &wanted);
        assert!(found[core].ends_with("it is part of Odoo"), "{found:?}");
        assert!(found[&beside].ends_with("it is in `hr`"), "{found:?}");
    });
    let commit = of("web", "commit");
    pack.with("oca.lock.json", &commit, "HEAD", || {
        pack.breaks(&["--offline"], &["web: unpinned"]);
    });
}

/// The file wants what is not there: the lock is not written, and every reason is named.
fn wrong_wishes(pack: &Pack<'_>) {
    let before = pack.text("oca.lock.json");
    let web = format!(
        "[addons.repositories.web]\nurl = \"git://127.0.0.1:{}/web\"\n",
        pack.place.port
    );
    let wanted = "modules = [\"account_lock_date\", \"calendar_event_type\", \"project_task_template\", \"base_sparse_field\"]\n";
    pack.with("odoopack.toml", &web, &format!("{web}{wanted}"), || {
        pack.breaks(&["--offline"], &["web: differs"]);
        let said = pack.run(&["lock"]).exits(4).said();
        for module in [
            "account_lock_date",
            "calendar_event_type",
            "project_task_template",
        ] {
            assert!(said.contains(&format!("web/{module}: not in commit")), "{said}");
        }
        assert!(
            said.contains("it is part of Odoo") && said.contains("it is nowhere that is known here"),
            "{said}"
        );
    });
    let module = pack.lock()["repositories"]["web"]["modules"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let nineteen = format!("{web}branch = \"19.0\"\nmodules = [\"{module}\"]\n");
    pack.with("odoopack.toml", &web, &nineteen, || {
        let said = pack.run(&["lock"]).exits(4).said();
        assert!(
            said.contains("which is not of 18.0") || said.contains("not in commit"),
            "{said}"
        );
    });
    assert_eq!(pack.text("oca.lock.json"), before);
}

fn wheels(pack: &Pack<'_>, packages: &[Value]) {
    let six = packages.iter().find(|package| package["name"] == "six").unwrap();
    let hashes: BTreeSet<&str> = six["hashes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| hash.as_str().unwrap())
        .collect();
    let before = pack.text("oca.lock.json");
    let mut tampered = before.clone();
    for hash in &hashes {
        tampered = tampered.replace(hash, &format!("sha256:{}", "0".repeat(64)));
    }
    std::fs::write(pack.repo.join("oca.lock.json"), tampered).unwrap();
    let found = pack.breaks(&["--offline"], &["python: hash"]);
    assert!(found["python: hash"].starts_with("six 1.17.0"), "{found:?}");
    std::fs::write(pack.repo.join("oca.lock.json"), before).unwrap();
    // The wheel leaves the cache, and comes back.
    let wheels = pack.cache.join("odoopack/wheels");
    let listed = must(
        "find",
        &[
            wheels.as_str(),
            "-path",
            "*wheels-*",
            "-type",
            "d",
            "-name",
            "six",
        ],
    );
    let place = listed
        .lines()
        .next()
        .unwrap_or_else(|| panic!("no six below {wheels}"));
    let aside = format!("{place}.aside");
    std::fs::rename(place, &aside).unwrap();
    let found = pack.breaks(&["--offline"], &["python: wheel"]);
    assert!(
        found["python: wheel"].starts_with("six 1.17.0: not in the cache"),
        "{found:?}"
    );
    drop(std::fs::remove_dir_all(place));
    std::fs::rename(&aside, place).unwrap();
    pack.breaks(&["--offline"], &[]);
}

fn upstream(place: &Place, pack: &Pack<'_>) {
    // The branch moves on: the lock holds, and what is new is shown.
    let up = place.up("web");
    let module = pack.lock()["repositories"]["web"]["modules"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let manifest = up.join(&module).join("__manifest__.py");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let version = pack.lock()["repositories"]["web"]["modules"][&module]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::write(&manifest, text.replace(&version, "18.0.99.0.0")).unwrap();
    let script = up.join(&module).join("migrations/18.0.99.0.0");
    std::fs::create_dir_all(&script).unwrap();
    std::fs::write(
        script.join("post-migration.py"),
        "def migrate(cr, version):\n    pass\n",
    )
    .unwrap();
    std::fs::create_dir_all(up.join("brand_new")).unwrap();
    std::fs::write(
        up.join("brand_new/__manifest__.py"),
        "{'name': 'N', 'version': '18.0.1.0.0'}\n",
    )
    .unwrap();
    git(&up, &["add", "--all"]);
    git(&up, &["commit", "--quiet", "--message", "[IMP] web: much better"]);
    pack.breaks(&[], &[]);
    let outdated = pack.json(&["oca", "outdated"]);
    assert_eq!(
        (outdated[0]["name"].as_str(), outdated[0]["commits"].as_u64()),
        (Some("web"), Some(1)),
        "{outdated}"
    );
    let log = pack.json(&["oca", "log", "web"]);
    assert_eq!(
        log["ahead"]["commits"][0]["subject"], "[IMP] web: much better",
        "{log}"
    );
    assert_eq!(log["ahead"]["added"], serde_json::json!(["brand_new"]));
    let changed = &log["ahead"]["changed"][0];
    assert_eq!(
        (&changed["module"], &changed["migrations"]),
        (&Value::from(module.clone()), &serde_json::json!(["18.0.99.0.0"]))
    );
    updates(pack, &up, &module);
}

/// Forward, back to a commit by name, and a branch that was rewritten under the lock.
fn updates(pack: &Pack<'_>, up: &Utf8Path, module: &str) {
    let before = pack.text("oca.lock.json");
    assert!(
        !pack.json(&["oca", "update", "web", "--dry-run"])["changes"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(pack.text("oca.lock.json"), before);
    pack.json(&["oca", "update", "web"]);
    assert_eq!(
        pack.lock()["repositories"]["web"]["modules"][module],
        "18.0.99.0.0"
    );
    assert_eq!(
        pack.lock()["repositories"]["web"]["commit"].as_str().unwrap(),
        git(up, &["rev-parse", "HEAD"])
    );
    pack.breaks(&["--offline"], &[]);
    // And back, to a commit by name.
    let first = git(up, &["rev-parse", "HEAD~1"]);
    pack.json(&["oca", "update", "web", "--to", &first]);
    pack.breaks(&[], &[]);
    // The branch is rewritten: the commit is on this machine, and no longer on the branch.
    git(up, &["commit", "--quiet", "--amend", "--message", "rewritten"]);
    git(up, &["reset", "--quiet", "--hard", "HEAD~1"]);
    git(
        up,
        &["commit", "--quiet", "--amend", "--message", "another beginning"],
    );
    let found = pack.breaks(&[], &["web: rewritten"]);
    assert!(found["web: rewritten"].contains("no longer holds"), "{found:?}");
    pack.breaks(&["--offline"], &[]);
}

/// A second directory with a cache of its own, from what git carries.
fn elsewhere(place: &Place, pack: &Pack<'_>) {
    git(&pack.repo, &["add", "--all"]);
    git(&pack.repo, &["commit", "--quiet", "--message", "pack"]);
    let repo = place.root.join("two/repo");
    std::fs::create_dir_all(repo.parent().unwrap()).unwrap();
    git(
        &place.root,
        &["clone", "--quiet", pack.repo.as_str(), repo.as_str()],
    );
    let cache = place.root.join("cache");
    std::fs::create_dir_all(cache.join("odoopack")).unwrap();
    for shared in ["uv", "wheels", "locks"] {
        let from = pack.cache.join("odoopack").join(shared);
        std::os::unix::fs::symlink(from, cache.join("odoopack").join(shared)).unwrap();
    }
    let other = Pack { place, repo, cache };
    other.json(&["oca", "sync"]);
    other.breaks(&["--offline"], &[]);
    for name in NAMES {
        let (one, two) = (contents(&pack.checkout(name)), contents(&other.checkout(name)));
        assert!(one.len() > 3 && one == two, "{name}");
    }
    assert_eq!(git(&other.repo, &["status", "--porcelain"]), "");
}

/// Pull requests: merged, the same on another machine, refused when they conflict.
fn merges(place: &Place, pack: &Pack<'_>) {
    let up = place.up("project");
    git(&up, &["checkout", "--quiet", "--detach", "19.0"]);
    std::fs::create_dir_all(up.join("from_pull")).unwrap();
    std::fs::write(
        up.join("from_pull/__manifest__.py"),
        "{'name': 'P', 'version': '19.0.1.0.0'}\n",
    )
    .unwrap();
    git(&up, &["add", "--all"]);
    git(&up, &["commit", "--quiet", "--message", "pull"]);
    git(&up, &["update-ref", "refs/pull/7/head", "HEAD"]);
    git(&up, &["checkout", "--quiet", "19.0"]);
    std::fs::write(up.join("README"), "the branch\n").unwrap();
    git(&up, &["add", "--all"]);
    git(&up, &["commit", "--quiet", "--message", "branch"]);
    pack.json(&["oca", "add", "project", "--merge", "refs/pull/7/head"]);
    pack.json(&["oca", "update", "project"]);
    let locked = pack.lock()["repositories"]["project"].clone();
    assert_eq!(locked["modules"]["from_pull"], "19.0.1.0.0", "{locked}");
    pack.breaks(&[], &[]);
    // Another machine merges again and gets the same commit.
    let cache = place.root.join("cache-of-merges");
    std::fs::create_dir_all(cache.join("odoopack")).unwrap();
    for shared in ["uv", "wheels", "locks"] {
        std::os::unix::fs::symlink(
            pack.cache.join("odoopack").join(shared),
            cache.join("odoopack").join(shared),
        )
        .unwrap();
    }
    let (one, merged) = (pack.checkout("project"), locked["merged"].as_str().unwrap());
    assert_eq!(git(&one, &["rev-parse", "HEAD"]), merged);
    let before = contents(&one);
    std::fs::remove_dir_all(&one).unwrap();
    let other = Pack {
        place,
        repo: pack.repo.clone(),
        cache,
    };
    other.json(&["oca", "sync", "project"]);
    assert_eq!(git(&one, &["rev-parse", "HEAD"]), merged);
    assert_eq!(contents(&one), before);
    // A pull request that does not fit.
    git(&up, &["checkout", "--quiet", "--detach", "19.0~1"]);
    std::fs::write(up.join("README"), "the pull request\n").unwrap();
    git(&up, &["add", "--all"]);
    git(&up, &["commit", "--quiet", "--message", "conflict"]);
    git(&up, &["update-ref", "refs/pull/8/head", "HEAD"]);
    let said = pack
        .run(&["oca", "add", "project", "--merge", "refs/pull/8/head"])
        .exits(4)
        .said();
    assert!(
        said.contains("does not merge into `project`") && said.contains("conflicts in README"),
        "{said}"
    );
    pack.breaks(&["--offline"], &[]);
}
