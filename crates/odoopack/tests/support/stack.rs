//! A Docker of the test's own, in a network of its own, with images that carry the names that a stack asks for.
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::guest::{answer, cache, mirror, suite};
use super::{Answer, Pack, addons, file, machine, wait_for};

/// A module of the OCA that needs no Python package.
pub(crate) const FIRSTNAME: (&str, &str) = ("odoo-addon-partner-firstname", "19.0.1.0.3");
/// One that comes as a Python package.
pub(crate) const PACKAGED: (&str, &str) = ("odoo-addon-auditlog", "19.0.2.0.1");
/// Where [`Index`] answers.
const INDEX: &str = "127.0.0.1:31899";

/// Open files that a process in a container may have unless it raises the limit, as Docker 29 has it.
pub(crate) const FILES_AT_FIRST: u64 = 1024;
/// Set in the process that has the network of its own.
const INSIDE: &str = "ODOOPACK_TEST_STACK";
/// Says what the images are made of; another text makes them anew.
const RECIPE: &str = "5";
/// Odoo's image before its files are compiled.
const PLAIN: &str = "odoopack-test-odoo";
/// What the official images hold besides their program: PostgreSQL, nginx, and what Odoo needs.
const PACKAGES: &str = "python3,postgresql,redis-server,nginx-light,wkhtmltopdf,ca-certificates,procps,tzdata,fonts-dejavu-core,libldap-2.5-0,libxslt1.1";
/// What is not worth its space, and speed instead of safety against a power cut.
const DPKG: [&str; 3] = [
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
];
/// No cluster of Debian's own.
const HOOKS: [&str; 3] = [
    r#"--essential-hook=mkdir -p "$1/etc/postgresql-common/createcluster.d""#,
    r#"--essential-hook=echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/none.conf""#,
    r#"--customize-hook=rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*"#,
];
/// The suite that has Compose 2 as a package.
const COMPOSE_SUITE: &str = "trixie";
/// Module directories that no test needs and that make half of Odoo's size.
const LEFT_OUT: &str = "l10n_";

/// The file of a stack from these images, answering on loopback alone; `more` goes on from its table `[web]`.
pub(crate) fn stack_file(name: &str, more: &str) -> String {
    format!(
        "format = 1\n\n[pack]\nname = \"{name}\"\nroot = \"ROOT\"\nengine = \"compose\"\n\n[odoo]\nseries = \"19.0\"\n\n\
         [images]\npostgres = \"postgres:15\"\nnginx = \"nginx:1.22\"\nredis = \"redis:7.0\"\n\n\
         [web]\nlisten = [\"127.0.0.1\"]\nhttp_port = 80\nhttps_port = 443\n{more}"
    )
}

/// Runs what a test does in a network of its own, with a Docker of its own; says so where there can be none.
pub(crate) fn with_docker(test: &str, story: impl FnOnce()) {
    if in_own_network(test) {
        with_docker_here(test, story);
    }
}

/// The same in a network that is this test's already.
pub(crate) fn with_docker_here(test: &str, story: impl FnOnce()) {
    match Stack::start() {
        Ok(stack) => {
            *held() = Some(stack);
            let _end = Ends;
            story();
        }
        // The one reason for which this may be left out.
        Err(reason) => super::left_out(test, &format!("there is no Docker: {reason}")),
    }
}

/// The daemon of this process.
static DOCKER: Mutex<Option<Stack>> = Mutex::new(None);

fn held() -> MutexGuard<'static, Option<Stack>> {
    DOCKER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends it, also when the story does not end well.
struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {
        drop(held().take());
    }
}

/// Ends the daemon with all containers, and starts it again as a machine does that boots.
pub(crate) fn reboot() {
    let mut held = held();
    let stack = held.as_mut().unwrap();
    stack.end();
    stack.begin().unwrap();
}

/// Runs a test again in a process whose network is its own; true in that process.
///
/// What has to be downloaded is downloaded before, because nothing can be from there.
pub(crate) fn in_own_network(test: &str) -> bool {
    if is_inside() {
        machine::must("ip", &["link", "set", "lo", "up"]);
        return true;
    }
    machine::must_be_root();
    Ingredients::prepare();
    let this = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--fork", "--kill-child", "--"])
        .arg(this)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        // The program under test and `docker` find the daemon and Compose by these, as on any host.
        .env("DOCKER_HOST", Ingredients::socket())
        .env("DOCKER_CONFIG", Ingredients::plugins())
        .env("PIP_INDEX_URL", format!("http://{INDEX}/simple"))
        .status()
        .expect("`unshare` is part of util-linux");
    assert!(status.success(), "see above");
    false
}

/// Whether this is that process.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// A package index with one package, for a network that leads nowhere; gone with the value.
pub(crate) struct Index {
    server: Child,
    _place: tempfile::TempDir,
}

impl Index {
    pub(crate) fn start() -> Self {
        let place = tempfile::tempdir().unwrap();
        let (package, version) = PACKAGED;
        let simple = place.path().join("simple").join(package);
        std::fs::create_dir_all(&simple).unwrap();
        let wheels = addons::unpacked(package, version);
        let mut wheels = wheels.parent().unwrap().read_dir_utf8().unwrap().flatten();
        let wheel = wheels
            .find(|entry| entry.path().extension() == Some("whl"))
            .unwrap();
        std::fs::copy(wheel.path(), simple.join(wheel.file_name())).unwrap();
        let name = wheel.file_name();
        std::fs::write(
            simple.join("index.html"),
            format!("<a href=\"{name}\">{name}</a>\n"),
        )
        .unwrap();
        let (host, port) = INDEX.split_once(':').unwrap();
        let server = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "python3",
                "-m",
                "http.server",
                "--bind",
                host,
                port,
            ])
            .current_dir(place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the package index listens", || {
            std::net::TcpStream::connect(INDEX).ok()
        });
        Self {
            server,
            _place: place,
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// What images are made of.
struct Ingredients;

impl Ingredients {
    fn home() -> Utf8PathBuf {
        cache().join("odoopack-tests/stack").join(RECIPE)
    }

    fn tree() -> Utf8PathBuf {
        Self::home().join("base.tar")
    }

    fn odoo() -> Utf8PathBuf {
        Self::home().join("odoo")
    }

    fn plugins() -> Utf8PathBuf {
        Self::home().join("docker-config")
    }

    /// One test at a time holds the place.
    fn socket() -> String {
        format!("unix://{}/docker.sock", Self::home())
    }

    fn prepare() {
        std::fs::create_dir_all(Self::home()).unwrap();
        let held = File::create(Self::home().join(".held")).unwrap();
        held.lock().unwrap();
        if !Self::plugins().join("cli-plugins/docker-compose").is_file() {
            compose_plugin(&Self::plugins());
        }
        for (package, version) in [FIRSTNAME, PACKAGED, addons::SESSION_DB] {
            addons::unpacked(package, version);
        }
        if !Self::tree().is_file() {
            println!("         making the base of the images");
            base(&Self::tree());
        }
        if !Self::odoo().join("Dockerfile").is_file() {
            println!("         taking a release of Odoo for its image");
            odoo(&Self::odoo());
        }
    }
}

/// Compose's binary from Debian's package, through an apt state of its own.
fn compose_plugin(place: &Utf8Path) {
    let scratch = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(scratch.path()).unwrap();
    for directory in ["state/lists/partial", "cache/archives/partial"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    std::fs::write(root.join("status"), "").unwrap();
    let source = format!(
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} {COMPOSE_SUITE} main\n",
        mirror(&suite())
    );
    std::fs::write(root.join("source.list"), source).unwrap();
    let apt = |args: &[&str]| {
        let options = [
            format!("Dir::State={root}/state"),
            format!("Dir::State::status={root}/status"),
            format!("Dir::Cache={root}/cache"),
            format!("Dir::Etc::sourcelist={root}/source.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "Acquire::Check-Valid-Until=false".to_owned(),
        ];
        let options = options.iter().flat_map(|option| ["-o", option]);
        let output = Command::new("apt-get")
            .arg("-q")
            .args(options)
            .args(args)
            .current_dir(root)
            .output()
            .unwrap();
        answer(&output).exits(0);
    };
    apt(&["update"]);
    apt(&["download", "docker-compose"]);
    let package = root.read_dir_utf8().unwrap().flatten();
    let package = package
        .map(camino::Utf8DirEntry::into_path)
        .find(|path| path.extension() == Some("deb"));
    machine::must(
        "dpkg-deb",
        &["-x", package.unwrap().as_str(), root.join("out").as_str()],
    );
    let plugin = root.join("out/usr/libexec/docker/cli-plugins/docker-compose");
    std::fs::create_dir_all(place.join("cli-plugins")).unwrap();
    std::fs::copy(plugin, place.join("cli-plugins/docker-compose")).unwrap();
}

fn base(tree: &Utf8Path) {
    let suite = suite();
    let new = tree.with_extension("new");
    let mut maker = Command::new("mmdebstrap");
    maker.args(["--mode=root", "--variant=apt", "--format=tar"]);
    maker.arg(format!("--include={PACKAGES}"));
    maker
        .args(DPKG.map(|option| format!("--dpkgopt={option}")))
        .args(HOOKS);
    maker.args([
        &suite,
        new.as_str(),
        &format!("deb {} {suite} main", mirror(&suite)),
    ]);
    let output = maker
        .output()
        .expect("`mmdebstrap` is not installed; `cargo xtask setup` installs it");
    answer(&output).exits(0);
    std::fs::rename(new, tree).unwrap();
}

/// A release that the engine `native` built, as the tree of an image: Debian's package and a virtual environment.
fn odoo(place: &Utf8Path) {
    // Python packages besides Odoo's own: what takes changed code in, as in the official image, and what talks to Redis.
    let more =
        "[environments.dev]\ndomain = \"localhost\"\ndemo = false\nreload = true\nsessions = \"redis\"\n";
    let pack = Pack::with_file("stack-source", 31_900, &file("stack-source", more));
    pack.run(&["up", "--yes"]).exits(0);
    let record: serde_json::Value = serde_json::from_str(&pack.read("data/odoopack/release.json")).unwrap();
    let text = |key: &str| Utf8PathBuf::from(record["release"][key].as_str().unwrap());
    let (entry, python) = (text("entry"), text("python"));
    let usr = entry.parent().and_then(Utf8Path::parent).unwrap();
    drop(std::fs::remove_dir_all(place));
    let tree = place.join("tree");
    let inside = |path: &Utf8Path| tree.join(path.as_str().trim_start_matches('/'));
    // Not where it was made: a container has a `/dev/shm` of its own in front of the image's.
    let (made, python) = (python, Utf8PathBuf::from("/opt/odoo-python"));
    std::fs::create_dir_all(tree.join("opt")).unwrap();
    machine::must("cp", &["-a", usr.as_str(), tree.join("usr").as_str()]);
    machine::must("cp", &["-a", made.as_str(), inside(&python).as_str()]);
    machine::must("find", &[tree.as_str(), "-path", "*/i18n/*", "-delete"]);
    let addons = tree.join("usr/lib/python3/dist-packages/odoo/addons");
    for entry in addons.read_dir_utf8().unwrap().flatten() {
        if entry.file_name().starts_with(LEFT_OUT) {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    // Its packages lie where Debian's Python looks for them, and this is another one.
    let packages = inside(&python)
        .join("lib")
        .read_dir_utf8()
        .unwrap()
        .flatten()
        .next()
        .unwrap();
    let path = packages.path().join("site-packages/odoo.pth");
    std::fs::write(path, "/usr/lib/python3/dist-packages\n").unwrap();
    let script = std::fs::read_to_string(tree.join("usr/bin/odoo")).unwrap();
    let (_, rest) = script.split_once('\n').unwrap();
    std::fs::write(
        tree.join("usr/bin/odoo"),
        format!("#!{python}/bin/python\n{rest}"),
    )
    .unwrap();
    machine::must("chmod", &["755", tree.join("usr/bin/odoo").as_str()]);
    let dockerfile = format!(
        "FROM odoopack-test-base:{RECIPE}\nCOPY tree /\n\
         RUN useradd --system --home-dir /var/lib/odoo --create-home odoo && mkdir -p /etc/odoo /mnt/extra-addons\n\
         ENV LANG=C.UTF-8 ODOO_RC=/etc/odoo/odoo.conf PATH={python}/bin:{PATH}\nUSER odoo\nCMD [\"odoo\"]\n"
    );
    std::fs::write(place.join("Dockerfile"), dockerfile).unwrap();
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The daemon; gone with the value.
struct Stack {
    daemon: Option<Child>,
    place: tempfile::TempDir,
    _held: File,
}

impl Stack {
    /// Starts it and makes the images that are missing; the reason when Docker cannot start here.
    fn start() -> Result<Self, String> {
        let home = Ingredients::home().join("docker");
        std::fs::create_dir_all(&home).map_err(|e| format!("{home}: {e}"))?;
        let held = File::create(home.join(".held")).map_err(|e| e.to_string())?;
        held.lock().map_err(|e| e.to_string())?;
        let place = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut stack = Self {
            daemon: None,
            place,
            _held: held,
        };
        stack.begin()?;
        Self::remove_left();
        stack.images();
        Ok(stack)
    }

    fn begin(&mut self) -> Result<(), String> {
        let home = Ingredients::home().join("docker");
        let at = Utf8Path::from_path(self.place.path()).expect("a temporary directory is UTF-8");
        let log = File::create(at.join("log")).map_err(|e| e.to_string())?;
        let daemon = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "dockerd"])
            .arg(format!(
                "--default-ulimit=nofile={FILES_AT_FIRST}:{}",
                most_files()
            ))
            .arg(format!("--host={}", Ingredients::socket()))
            .arg(format!("--data-root={home}"))
            .arg(format!("--exec-root={at}/exec"))
            .arg(format!("--pidfile={at}/pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|e| e.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|e| e.to_string())?;
        let log = at.join("log");
        self.daemon = Some(daemon);
        self.wait(&log)
    }

    fn end(&mut self) {
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        let pid = daemon.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).output());
        drop(daemon.wait());
    }

    fn wait(&mut self, log: &Utf8Path) -> Result<(), String> {
        let begun = Instant::now();
        while docker(&["version"]).code != Some(0) {
            let daemon = self.daemon.as_mut();
            let ended = daemon.is_none_or(|daemon| matches!(daemon.try_wait(), Ok(Some(_))));
            if ended || begun.elapsed() > Duration::from_mins(1) {
                let text = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("dockerd does not start:\n{}", super::tail(&text, 8)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// What a killed run left behind.
    fn remove_left() {
        for id in must(&["ps", "--all", "--quiet"]).lines() {
            must(&["rm", "--force", "--volumes", id]);
        }
        must(&["network", "prune", "--force"]);
        // Else an image that was built by another run would be found instead of built.
        for id in must(&["image", "ls", "--quiet", "--filter", "label=odoopack.release"]).lines() {
            docker(&["rmi", "--force", id]);
        }
    }

    fn images(&self) {
        let base = format!("odoopack-test-base:{RECIPE}");
        let known = |name: &str| docker(&["image", "inspect", name]).code == Some(0);
        if !known(&base) {
            println!("         importing the base of the images");
            must(&["import", Ingredients::tree().as_str(), &base]);
        }
        let postgres = self.place.path().join("postgres");
        std::fs::create_dir_all(&postgres).unwrap();
        let text = format!(
            "FROM {base}\nENV PGDATA=/var/lib/postgresql/data PATH={PATH}:/usr/lib/postgresql/15/bin\nCMD [\"postgres\"]\n"
        );
        std::fs::write(postgres.join("Dockerfile"), text).unwrap();
        let compiled = Utf8PathBuf::from_path_buf(self.place.path().join("odoo")).unwrap();
        std::fs::create_dir_all(&compiled).unwrap();
        // As Debian's package does when it is installed, and so the official image.
        let text = format!(
            "FROM {PLAIN}:{RECIPE}\nUSER root\nRUN python3 -m compileall -q /usr/lib/python3/dist-packages || true\nUSER odoo\n"
        );
        std::fs::write(compiled.join("Dockerfile"), text).unwrap();
        let (plain, odoo) = (format!("{PLAIN}:{RECIPE}"), format!("{PLAIN}-compiled:{RECIPE}"));
        for (name, context) in [
            ("postgres:15", Utf8PathBuf::from_path_buf(postgres).unwrap()),
            (plain.as_str(), Ingredients::odoo()),
            (odoo.as_str(), compiled),
        ] {
            if !known(name) {
                println!("         building {name}");
                let output = Command::new("docker")
                    .args(["build", "--quiet", "--tag", name, context.as_str()])
                    .env("DOCKER_BUILDKIT", "0")
                    .output()
                    .unwrap();
                answer(&output).exits(0);
            }
        }
        must(&["tag", &odoo, "odoo:19.0"]);
        must(&["tag", &base, "nginx:1.22"]);
        must(&["tag", &base, "redis:7.0"]);
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.end();
    }
}

/// No daemon may give a container more than it has itself.
fn most_files() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.maximum.unwrap_or(1 << 20)
}

/// Where a registry keeps what was pushed once, for the images of this recipe.
pub(crate) fn pushed() -> Utf8PathBuf {
    Ingredients::home().join("registry")
}

/// Makes an image that is another one, of which nothing but a label differs.
pub(crate) fn build_variant(of: &str, name: &str) {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(
        place.path().join("Dockerfile"),
        format!("FROM {of}\nLABEL variant=\"{name}\"\n"),
    )
    .unwrap();
    let output = Command::new("docker")
        .args(["build", "--quiet", "--tag", name])
        .arg(place.path())
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    answer(&output).exits(0);
}

/// Runs `docker`.
pub(crate) fn docker(args: &[&str]) -> Answer {
    let output = Command::new("docker")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("docker: {e}; `cargo xtask setup` installs it"));
    answer(&output)
}

/// Runs it and expects that it ends well; its output.
#[track_caller]
pub(crate) fn must(args: &[&str]) -> String {
    docker(args).exits(0).stdout.trim().to_owned()
}

/// Id of the container of a service.
pub(crate) fn id(service: &str) -> String {
    let filter = format!("label=com.docker.compose.service={service}");
    must(&["ps", "--quiet", "--no-trunc", "--filter", &filter])
}
