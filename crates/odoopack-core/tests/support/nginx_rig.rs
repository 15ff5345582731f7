//! nginx with two sites, a Python backend for the gate and one for a slot.
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use camino::Utf8PathBuf;
use odoopack_core::render::nginx::{Accel, AccessLog, Nginx, Site, Slot, Version, nginx_conf};
use odoopack_core::units::Bytes;

use crate::support::{Running, free_ports, must, open_directory, program, root, run, text, until};

pub(crate) const PRODUCTION: &str = "erp.example.com";
pub(crate) const STAGING: &str = "erp.staging.example.com";

/// nginx with two sites; only the first one has something behind it.
pub(crate) struct Rig {
    pub(crate) _directory: tempfile::TempDir,
    pub(crate) path: Utf8PathBuf,
    pub(crate) input: Nginx,
    pub(crate) gate: Running,
    pub(crate) _slot: Running,
    pub(crate) _nginx: Running,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Nginx)) -> Self {
        Self::start_as(change, |conf| conf)
    }

    /// The same with another text of the file.
    pub(crate) fn start_as(change: impl FnOnce(&mut Nginx), rewrite: impl FnOnce(String) -> String) -> Self {
        let (directory, path) = open_directory();
        let mut input = input(&path);
        files(&path);
        let [stopped, slot, inner] = free_ports();
        input.sites[0].inner = Some(("127.0.0.1".to_owned(), inner));
        input.sites[0].slots = vec![
            Slot {
                host: "127.0.0.1".to_owned(),
                web: stopped,
                websocket: None,
            },
            Slot {
                host: "127.0.0.1".to_owned(),
                web: slot,
                websocket: Some(slot),
            },
        ];
        change(&mut input);
        std::fs::write(path.join("nginx.conf"), rewrite(nginx_conf(&input))).unwrap();
        let gate = backend("gate", input.sites[0].gate_socket.as_str());
        let slot_process = backend("slot", &slot.to_string());
        let mut nginx = Command::new(program("nginx"));
        nginx.args([
            "-p",
            path.as_str(),
            "-e",
            "stderr",
            "-c",
            path.join("nginx.conf").as_str(),
        ]);
        let nginx = Running::start(&mut nginx);
        let rig = Self {
            _directory: directory,
            path,
            input,
            gate,
            _slot: slot_process,
            _nginx: nginx,
        };
        until("gate, slot and nginx listen", || {
            rig.input.sites[0].gate_socket.exists()
                && [slot, rig.input.https_port]
                    .iter()
                    .all(|p| std::net::TcpStream::connect(("127.0.0.1", *p)).is_ok())
        });
        rig
    }

    /// One request to the first site over TLS.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.curl(
            &[],
            &format!("https://{PRODUCTION}:{}{path}", self.input.https_port),
        )
    }

    pub(crate) fn post(&self, path: &str) -> Response {
        self.curl(
            &["--data", "login=a"],
            &format!("https://{PRODUCTION}:{}{path}", self.input.https_port),
        )
    }

    pub(crate) fn curl(&self, more: &[&str], url: &str) -> Response {
        let output = self.raw(more, url);
        assert!(output.status.success(), "{url}: {}", text(&output.stderr));
        parse(&text(&output.stdout))
    }

    pub(crate) fn raw(&self, more: &[&str], url: &str) -> std::process::Output {
        let mut arguments = vec![
            "-isS",
            "--insecure",
            "--path-as-is",
            "--globoff",
            "--max-time",
            "10",
        ];
        let places: Vec<String> = [PRODUCTION, STAGING, "other.example.com"]
            .iter()
            .flat_map(|d| [self.input.http_port, self.input.https_port].map(|p| format!("{d}:{p}:127.0.0.1")))
            .collect();
        arguments.extend(places.iter().flat_map(|p| ["--resolve", p.as_str()]));
        arguments.extend(more);
        arguments.push(url);
        run("curl", &arguments)
    }

    /// First line of the access log, which nginx writes after it has answered.
    pub(crate) fn first_logged(&self) -> serde_json::Value {
        let read = || std::fs::read_to_string(self.path.join("access.log")).unwrap();
        until("a line in the access log", || read().contains('\n'));
        serde_json::from_str(read().lines().next().unwrap()).unwrap()
    }
}

pub(crate) fn backend(label: &str, place: &str) -> Running {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/backend.py");
    Running::start(Command::new(program("python3")).arg(script).args([label, place]))
}

pub(crate) fn parse(answer: &str) -> Response {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = BTreeMap::new();
    for (name, value) in lines.filter_map(|l| l.split_once(": ")) {
        let earlier = headers.insert(name.to_lowercase(), value.to_owned());
        assert!(
            earlier.is_none() || name.eq_ignore_ascii_case("cache-control"),
            "{name} twice:\n{head}"
        );
    }
    Response {
        status,
        headers,
        body: body.to_owned(),
    }
}

pub(crate) fn input(path: &Utf8PathBuf) -> Nginx {
    let [http_port, tls_port] = free_ports();
    Nginx {
        hash: "abc123".into(),
        version: installed(),
        user: root().then(|| "www-data".to_owned()),
        workers: 1,
        pid: path.join("nginx.pid"),
        temporary: path.join("temporary"),
        access_log: AccessLog::File(path.join("access.log")),
        error_log: path.join("error.log"),
        listen: vec!["127.0.0.1".into()],
        http_port,
        https_port: tls_port,
        body_limit: Bytes::mib(1),
        login_rate: 30,
        sites_in: None,
        sites: vec![
            site(path, "production", PRODUCTION),
            site(path, "staging-2", STAGING),
        ],
    }
}

pub(crate) fn site(path: &Utf8PathBuf, environment: &str, domain: &str) -> Site {
    Site {
        environment: environment.into(),
        domain: domain.into(),
        certificate: path.join("site.crt"),
        key: path.join("site.key"),
        gate_socket: path.join(format!("{environment}.sock")),
        slots: vec![],
        inner: None,
        direct_port: None,
        ribbon: None,
        static_roots: vec![path.join("own addons"), path.join("odoo")],
        accel: Some(Accel {
            directory: path.join("filestore"),
            database: "prod".into(),
        }),
        production: environment == "production",
        hsts: environment == "production",
    }
}

pub(crate) fn installed() -> Version {
    let said = text(&run("nginx", &["-v"]).stderr);
    let number = said.split_once("nginx/").unwrap().1;
    let parts: Vec<u32> = number
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|p| p.parse().ok())
        .collect();
    (parts[0], parts[1], parts[2])
}

pub(crate) fn files(path: &Utf8PathBuf) {
    for (name, content) in [
        ("temporary/keep", ""),
        ("own addons/web/static/own.css", "own"),
        ("own addons/web/__manifest__.py", "secret"),
        ("odoo/web/static/own.css", "core"),
        ("odoo/web/static/src/viewer.mjs", "core"),
        ("odoo/web/static/logo.svg", "<svg/>"),
        ("odoo/web/static/.git/config", "secret"),
        ("odoo/.env", "secret"),
        ("filestore/ab/abcd", "<svg>attachment</svg>"),
    ] {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    let (key, certificate) = (path.join("site.key"), path.join("site.crt"));
    let names = format!("subjectAltName=DNS:{PRODUCTION},DNS:{STAGING}");
    let request = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ];
    let rest = [
        "-subj",
        "/CN=test",
        "-addext",
        &names,
        "-keyout",
        key.as_str(),
        "-out",
        certificate.as_str(),
    ];
    must("openssl", &[&request[..], &rest[..]].concat());
}
