//! A place on loopback for the gate's measurements: a tiny upstream, nginx in front, and the real gate.
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run;

/// A directory that goes away with its owner.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("odoopack-bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A process that ends with its owner: asked first, since nginx would leave its workers behind.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let shown = format!("{command:?}");
        command
            .stdin(Stdio::null())
            .spawn()
            .map(Self)
            .with_context(|| format!("cannot start {shown}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        drop(self.0.wait());
    }
}

/// A port nobody listens on at this moment.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until something listens.
pub(super) fn until_listens(port: u16) -> Result<()> {
    until(&format!("port {port}"), || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
}

pub(super) fn until(what: &str, holds: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > Duration::from_secs(10) {
            bail!("waited 10 s for {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// One nginx with one worker and these `server` and `upstream` blocks.
pub(super) struct Nginx {
    place: Place,
    program: PathBuf,
    _running: Running,
}

impl Nginx {
    pub(super) fn start(name: &str, blocks: &str, port: u16) -> Result<Self> {
        let place = Place::new(name)?;
        place.write("nginx.conf", &conf(place.path(), blocks))?;
        let program = run::find("nginx").context("nginx is missing: `cargo xtask setup`")?;
        let running = Running::start(command(&program, place.path()).args(["-g", "daemon off;"]))?;
        until_listens(port)?;
        Ok(Self {
            place,
            program,
            _running: running,
        })
    }

    /// Writes other blocks and sends `nginx -s reload`.
    pub(super) fn reload(&self, blocks: &str) -> Result<()> {
        self.place.write("nginx.conf", &conf(self.place.path(), blocks))?;
        run::run(command(&self.program, self.place.path()).args(["-s", "reload"]))
    }
}

fn command(program: &Path, place: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(place)
        .args(["-e", "error.log", "-c", "nginx.conf"]);
    command
}

fn conf(place: &Path, blocks: &str) -> String {
    // The gate's sockets belong to whoever runs this.
    let user = if run::is_root() { "user root;\n" } else { "" };
    let place = place.display();
    format!(
        "{user}worker_processes 1;\npid {place}/nginx.pid;\nevents {{ worker_connections 4096; }}\n\
         http {{\naccess_log off;\nkeepalive_requests 1000000;\nclient_body_temp_path {place}/body;\n\
         proxy_temp_path {place}/proxy;\nfastcgi_temp_path {place}/fastcgi;\nuwsgi_temp_path {place}/uwsgi;\n\
         scgi_temp_path {place}/scgi;\n{blocks}}}\n"
    )
}

/// A server that answers everything with a few bytes.
pub(super) fn tiny(port: u16) -> String {
    format!("server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 'ok'; }} }}\n")
}

/// A server that passes everything on to `target`, as the rendered configuration does: a connection per request.
pub(super) fn front(port: u16, target: &str) -> String {
    format!(
        "server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://{target}; \
         proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header Connection ''; }} }}\n"
    )
}

/// The release build's gate with one environment.
pub(super) struct Gate {
    place: Place,
    _running: Running,
}

impl Gate {
    pub(super) fn start(binary: &Path, blue: u16, green: u16) -> Result<Self> {
        let place = Place::new(&format!("gate-{blue}"))?;
        let at = |name: &str| place.path().join(name).display().to_string();
        place.write(
            "gate.json",
            &format!(
                r#"{{"format":1,"control":"{}","state":"{}","environments":{{"bench":{{"socket":"{}","slots":
                {{"blue":{{"web":{blue}}},"green":{{"web":{green}}}}}}}}}}}"#,
                at("control.sock"),
                at("state.json"),
                at("bench.sock")
            ),
        )?;
        let running = Running::start(
            Command::new(binary)
                .args(["gate", "--config"])
                .arg(place.path().join("gate.json"))
                .stderr(Stdio::null()),
        )?;
        let socket = place.path().join("bench.sock");
        until("the gate", || UnixStream::connect(&socket).is_ok())?;
        Ok(Self {
            place,
            _running: running,
        })
    }

    /// Where nginx finds it.
    pub(super) fn target(&self) -> String {
        format!("unix:{}", self.place.path().join("bench.sock").display())
    }

    /// Sends new requests to that slot.
    pub(super) fn switch(&self, slot: &str) -> Result<()> {
        let mut control = UnixStream::connect(self.place.path().join("control.sock"))?;
        let request = format!(r#"{{"protocol":1,"command":"switch","environment":"bench","slot":"{slot}"}}"#);
        control.write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(control).read_line(&mut answer)?;
        if !answer.contains("switched") {
            bail!("the gate answered {answer}");
        }
        Ok(())
    }
}
