//! A database server of somebody else: TLS with an authority of its own, and roles that somebody makes.
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::{command, free_ports, machine, wait_for, write};

pub(crate) const PASSWORD: &str = "canary-4f81/c:0b@77d2";
const IN_URL: &str = "canary-4f81%2Fc:0b%4077d2";
/// Enough for a threaded server and the sums around it, too little for workers.
const CONNECTIONS: u32 = 100;

/// A cluster that the pack knows only by its URL.
pub(crate) struct Server {
    place: Utf8PathBuf,
    /// What the URL says, which its certificate holds.
    name: String,
    port: u16,
    child: Child,
}

impl Server {
    /// One that listens on an address of this machine only, under a name that means it, and lets in whoever comes with a password.
    pub(crate) fn start(address: &str, name: &str) -> Self {
        let place = machine::roomy().join("odoopack-given-server");
        let programs = newest();
        let [port] = free_ports();
        made(&place, &programs, (address, port), name);
        let log = std::fs::File::create(place.join("log")).unwrap();
        let child = as_postgres()
            .args([
                "setpriv",
                "--pdeathsig",
                "INT",
                "--",
                programs.join("postgres").as_str(),
            ])
            .args(["-D", place.join("cluster").as_str()])
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self {
            place,
            name: name.to_owned(),
            port,
            child,
        };
        wait_for("the server to answer", || {
            server
                .psql("postgres")
                .args(["-c", "SELECT 1"])
                .output()
                .unwrap()
                .status
                .success()
                .then_some(())
        });
        server
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = command("psql", &["-h", self.place.as_str(), "-U", "provider", "-qAtX"]);
        psql.args(["-p", &self.port.to_string(), "-d", database]);
        psql
    }

    #[track_caller]
    pub(crate) fn ask(&self, database: &str, sql: &str) -> String {
        let output = self
            .psql(database)
            .args(["-v", "ON_ERROR_STOP=1", "-c", sql])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(output.status.success(), "{sql}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    pub(crate) fn url(&self, role: &str, more: &str) -> String {
        let (name, port, place) = (&self.name, self.port, &self.place);
        format!(
            "postgres://{role}:{IN_URL}@{name}:{port}/whatever?sslmode=verify-full&sslrootcert={place}/{more}"
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.place));
    }
}

/// A cluster with its certificates, which nobody has started yet.
fn made(place: &Utf8Path, programs: &Utf8Path, (address, port): (&str, u16), name: &str) {
    drop(std::fs::remove_dir_all(place));
    std::fs::create_dir_all(place).unwrap();
    run(Command::new("chown").args(["postgres:", place.as_str()]));
    let cluster = place.join("cluster");
    let initdb = programs.join("initdb");
    let arguments = [
        initdb.as_str(),
        "-D",
        cluster.as_str(),
        "--username=provider",
        "--no-sync",
    ];
    run(as_postgres()
        .args(arguments)
        .arg("--encoding=UTF8")
        .stdout(Stdio::null()));
    certificates(place, name);
    write(
        &cluster.join("pg_hba.conf"),
        "local all provider trust\nhostssl all all all scram-sha-256\n",
    );
    let settings = format!(
        "listen_addresses = '{address}'\nport = {port}\nunix_socket_directories = '{place}'\nssl = on\n\
         ssl_cert_file = '{place}/server.pem'\nssl_key_file = '{place}/server.key'\n\
         max_connections = {CONNECTIONS}\nfsync = off\nlog_connections = on\n"
    );
    write(&cluster.join("postgresql.auto.conf"), &settings);
    run(Command::new("chown").args(["-R", "postgres:", place.as_str()]));
    run(Command::new("chmod").args(["0711", place.as_str()]));
}

/// The programs of the newest major that Debian has installed here.
fn newest() -> Utf8PathBuf {
    let majors = Utf8Path::new("/usr/lib/postgresql").read_dir_utf8().unwrap();
    let majors = majors
        .flatten()
        .filter_map(|entry| entry.file_name().parse::<u16>().ok());
    let major = majors.max().expect("`cargo xtask setup` installs PostgreSQL");
    Utf8PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"))
}

fn as_postgres() -> Command {
    let mut command = command(
        "setpriv",
        &["--reuid=postgres", "--regid=postgres", "--init-groups", "--"],
    );
    command.current_dir("/");
    command
}

#[track_caller]
fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// An authority, a certificate of it for the server's name, and an authority that nobody asked.
fn certificates(place: &Utf8Path, name: &str) {
    let authority = || {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
    };
    let (pem, issuer) = authority();
    write(&place.join("ca.pem"), &pem);
    write(&place.join("other.pem"), &authority().0);
    let key = KeyPair::generate().unwrap();
    // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
    let mut certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    certificate.distinguished_name.push(DnType::CommonName, name);
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    write(&place.join("server.pem"), &certificate.pem());
    write(&place.join("server.key"), &key.serialize_pem());
    run(Command::new("chmod").args(["0600", place.join("server.key").as_str()]));
}
