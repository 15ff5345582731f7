//! A dozen repositories of real modules behind `git daemon`, and packs that take modules from them.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too, and writes files as it likes"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::support::machine::must;
use crate::support::{Answer, addons, artefacts, wait_for};

/// Names that OCA's repositories have.
pub(crate) const NAMES: [&str; 12] = [
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
pub(crate) const MODULES: usize = 60;
/// Comes as a Python package instead.
pub(crate) const PACKAGED: &str = "auditlog";

/// Unpacks wheels of one series and deals their modules out to directories; what needs Python packages stays out, so that
/// the test knows which packages it asks for.
pub(crate) const DEAL: &str = "
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
pub(crate) struct Place {
    _keep: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
    pub(crate) cache: Utf8PathBuf,
    pub(crate) daemon: Child,
    pub(crate) port: u16,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

pub(crate) fn git(directory: &Utf8Path, args: &[&str]) -> String {
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

/// Where the servers' users can enter: they could not where this repository lies in a home.
fn shared() -> Utf8PathBuf {
    let place = artefacts();
    let enters = |directory: &Utf8Path| directory.metadata().unwrap().permissions().mode() & 0o005 == 0o005;
    if place.ancestors().all(enters) {
        return place;
    }
    let place = Utf8PathBuf::from("/var/tmp/odoopack-tests");
    std::fs::create_dir_all(&place).unwrap();
    place
}

impl Place {
    pub(crate) fn new(series: &[&str]) -> Self {
        // On the file system of the cache, so that wheels are linked.
        let keep = tempfile::Builder::new()
            .prefix("lock-")
            .tempdir_in(shared())
            .unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        let cache = shared().join("lock-cache");
        // Wheels stay from run to run; mirrors are new each time.
        drop(std::fs::remove_dir_all(cache.join("odoopack/git")));
        std::fs::create_dir_all(cache.join("odoopack")).unwrap();
        upstreams(&root, series);
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        // `git daemon` would start it as a child that outlives a kill.
        let programs = git(&root, &["--exec-path"]);
        let daemon = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(format!("{}/git-daemon", programs.trim()))
            .args(["--reuseaddr", "--export-all"])
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

    pub(crate) fn up(&self, name: &str) -> Utf8PathBuf {
        self.root.join("up").join(name)
    }

    /// A pack that takes all repositories whole.
    pub(crate) fn pack(&self, name: &str, series: &str) -> Pack<'_> {
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
pub(crate) fn upstreams(root: &Utf8Path, all: &[&str]) {
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

pub(crate) fn tiny_odoo(place: &Utf8Path, series: &str) {
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

pub(crate) struct Pack<'a> {
    pub(crate) place: &'a Place,
    pub(crate) repo: Utf8PathBuf,
    pub(crate) cache: Utf8PathBuf,
}

impl Pack<'_> {
    pub(crate) fn run(&self, args: &[&str]) -> Answer {
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

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).exits(0).json()
    }

    /// What a verification names, as `about: kind`, with its words.
    pub(crate) fn broken(&self, args: &[&str]) -> BTreeMap<String, String> {
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
    pub(crate) fn breaks(&self, args: &[&str], kinds: &[&str]) -> BTreeMap<String, String> {
        let found = self.broken(args);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, kinds, "{found:?}");
        found
    }

    pub(crate) fn checkout(&self, name: &str) -> Utf8PathBuf {
        self.repo.join("addons/external/oca").join(name)
    }

    pub(crate) fn lock(&self) -> Value {
        serde_json::from_str(&self.text("oca.lock.json")).unwrap()
    }

    pub(crate) fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.repo.join(file)).unwrap()
    }

    /// Changes a file for the time of some work.
    pub(crate) fn with(&self, file: &str, old: &str, new: &str, work: impl FnOnce()) {
        let before = self.text(file);
        assert!(before.contains(old), "no `{old}` in {file}");
        std::fs::write(self.repo.join(file), before.replacen(old, new, 1)).unwrap();
        work();
        std::fs::write(self.repo.join(file), before).unwrap();
    }
}

/// Every file below a directory with its content; git's own data left out.
pub(crate) fn contents(root: &Utf8Path) -> BTreeMap<String, Vec<u8>> {
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
