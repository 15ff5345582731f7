//! The whole `nginx.conf`: TLS, static files, limits, security headers; everything else goes to the gate.
use camino::{Utf8Path, Utf8PathBuf};

pub use self::http::{CONNECT_TIMEOUT, TIMEOUT};
use self::text::{Text, quoted};
use crate::units::Bytes;

mod http;
mod page;
mod site;
mod text;
mod types;

/// A version of nginx, `(1, 22, 1)`.
pub type Version = (u32, u32, u32);

/// What `nginx.conf` depends on.
///
/// # Shape
/// No path holds a `$`: nginx has no way to write one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nginx {
    /// Fingerprint for the first line.
    pub hash: String,
    /// Version of the program that will read the file.
    pub version: Version,
    /// User of the worker processes; `None`: the user who starts nginx (not root).
    pub user: Option<String>,
    /// Worker processes.
    pub workers: u32,
    /// File for the master's process id.
    pub pid: Utf8PathBuf,
    /// Existing directory; nginx makes its own temporary directories in it.
    pub temporary: Utf8PathBuf,
    /// One JSON object per request.
    pub access_log: AccessLog,
    /// nginx's own messages.
    pub error_log: Utf8PathBuf,
    /// Addresses, IPv6 in brackets: `0.0.0.0`, `[::]`.
    pub listen: Vec<String>,
    /// Port for plain HTTP, which only redirects.
    pub http_port: u16,
    /// Port for TLS.
    pub https_port: u16,
    /// Biggest request body.
    pub body_limit: Bytes,
    /// Sign-in attempts per minute and client address, at least 1.
    pub login_rate: u32,
    /// Directory with one file per site ([`site_conf`]); `None`: they stand in `nginx.conf` itself.
    pub sites_in: Option<Utf8PathBuf>,
    /// In the order in which they shall stand; domains and environments unique.
    pub sites: Vec<Site>,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// A file, or `/dev/stdout` where that is a pipe.
    File(Utf8PathBuf),
    /// The journal. Its `/dev/stdout` is a socket, which cannot be opened, so lines go to the socket of syslog; the
    /// journal files them under nginx's unit like everything else that its processes say.
    Journal,
}

/// One environment as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Name of the environment; also names the upstreams.
    pub environment: String,
    /// The only host name it answers to.
    pub domain: String,
    /// Certificate chain, PEM.
    pub certificate: Utf8PathBuf,
    /// Private key, PEM.
    pub key: Utf8PathBuf,
    /// Unix socket of the gate.
    pub gate_socket: Utf8PathBuf,
    /// Asked directly while the gate is dead.
    pub slots: Vec<Slot>,
    /// Address and port without TLS, for the pages that Odoo's own wkhtmltopdf asks for (`report.url`); nobody outside
    /// reaches it.
    pub inner: Option<(String, u16)>,
    /// Port without TLS, for people on this machine; at the same address as the inner one, else loopback.
    pub direct_port: Option<u16>,
    /// What every page says at its corner; `None` for the real one.
    pub ribbon: Option<String>,
    /// Addons directories in the order of `addons_path`; their `<module>/static` is served by nginx.
    pub static_roots: Vec<Utf8PathBuf>,
    /// Odoo runs with `x_sendfile`, nginx sends the attachments.
    pub accel: Option<Accel>,
    /// Real one: search engines may list it, static files may be cached.
    pub production: bool,
    /// Tell browsers never to come without TLS; only with a certificate that the world trusts.
    pub hsts: bool,
}

/// Address of a slot on this host.
pub const LOOPBACK: &str = "127.0.0.1";

/// The private address of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// [`LOOPBACK`], or the address of a container.
    pub host: String,
    /// HTTP.
    pub web: u16,
    /// The gevent process; `None` with `workers = 0`, where the web port speaks websocket too.
    pub websocket: Option<u16>,
}

/// Where attachments lie that Odoo asks nginx to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accel {
    /// `<data_dir>/filestore/<database>`.
    pub directory: Utf8PathBuf,
    /// Part of the path that Odoo answers with.
    pub database: String,
}

/// Renders `nginx.conf`.
///
/// # Source
/// nginx 1.22 reference (`nginx.org/en/docs`); Odoo 18.0 documentation, "System configuration", "HTTPS".
pub fn nginx_conf(input: &Nginx) -> String {
    let mut text = Text::new(super::made_by(&input.hash));
    main(&mut text, input);
    text.gap();
    text.block("events", |t| {
        t.line(format_args!("worker_connections {CONNECTIONS}"));
    });
    text.gap();
    text.block("http", |t| {
        http::settings(t, input);
        http::maps(t, input);
        http::limits(t, input);
        http::log(t, input);
        site::strangers(t, input);
        for site in &input.sites {
            match &input.sites_in {
                Some(directory) => t.line(format_args!("include {}", quoted(site_file(directory, site)))),
                None => site::whole(t, input, site),
            }
        }
    });
    text.finish()
}

/// The file of a site where each has its own.
pub fn site_file(directory: &Utf8Path, site: &Site) -> Utf8PathBuf {
    directory.join(format!("{}.conf", site.domain))
}

/// Renders the file of one site, for [`Nginx::sites_in`].
pub fn site_conf(input: &Nginx, site: &Site) -> String {
    let mut text = Text::new(super::made_by(&input.hash));
    site::whole(&mut text, input, site);
    text.finish()
}

/// Connections of one worker; every proxied request takes two, every websocket two for its whole life (E34).
const CONNECTIONS: u32 = 4096;

fn main(t: &mut Text, input: &Nginx) {
    t.line("daemon off");
    t.line(format_args!("pid {}", quoted(&input.pid)));
    if let Some(user) = &input.user {
        t.line(format_args!("user {user}"));
    }
    t.line(format_args!("worker_processes {}", input.workers));
    t.line(format_args!("worker_rlimit_nofile {}", CONNECTIONS * 4));
    t.note("Websockets would keep the workers of an old configuration for hours.");
    t.line("worker_shutdown_timeout 720s");
    t.line(format_args!("error_log {} warn", quoted(&input.error_log)));
}
