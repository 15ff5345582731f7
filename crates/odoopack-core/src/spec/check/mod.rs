//! What no single value can show: checks across the file.
mod addons;
mod adopted;
mod backup;
pub(super) mod environments;
mod server;
mod source;

use super::keys::{self, FORMAT, Fallback};
use super::load::Report;
use super::shape::{Item, path};
use super::{Series, Spec};
use crate::target::PRIVATE_PORTS;

/// Longest path of a unix socket (`unix(7)`: 108 bytes with the closing zero).
const SOCKET_PATH: usize = 107;

/// Whether the file is of this program's format; a newer one is the only mistake that is reported.
pub(super) fn format(report: &mut Report<'_>) -> bool {
    let number = match report.document.values.get("format").map(|f| &f.item) {
        Some(Item::One(text)) => text.parse::<i64>().unwrap_or(FORMAT),
        Some(Item::Many(_)) | None => FORMAT,
    };
    if number > FORMAT {
        report.mistakes.clear();
        let what = format!("format {number} is newer than this program, which reads format {FORMAT}");
        report.refuse("format", what, "upgrade odoopack on this machine");
    } else if number < FORMAT {
        report.refuse(
            "format",
            format!("there is no format {number}"),
            format!("write `format = {FORMAT}`"),
        );
    }
    number <= FORMAT
}

/// Checks a resolved spec against itself and the file.
pub(super) fn spec(spec: &Spec, report: &mut Report<'_>) {
    required(report);
    root(spec, report);
    source::check(spec, report);
    addons::check(spec, report);
    web(spec, report);
    mail(spec, report);
    options(spec, report);
    backup::check(spec, report);
    server::check(spec, report);
    environments::check(spec, report);
    adopted::check(spec, report);
}

/// Every required key is there, once per chosen name.
fn required(report: &mut Report<'_>) {
    for key in keys::all().filter(|k| matches!(k.fallback, Fallback::Required)) {
        let paths = match key.path.split_once(".*.") {
            Some((table, name)) => report
                .below(table)
                .iter()
                .map(|p| format!("{p}.{name}"))
                .collect(),
            None => vec![key.path.to_owned()],
        };
        for path in paths {
            if !report.given(&path) {
                let name = path.rsplit('.').next().unwrap_or(&path);
                report.refuse(&path, "missing", format!("write `{name} = {}`", key.example));
            }
        }
    }
}

/// The root ends up in every rendered file, and in the paths of sockets.
fn root(spec: &Spec, report: &mut Report<'_>) {
    let root = spec.pack.root.as_str();
    if !report.sound("pack.root") && report.context.root.is_none() {
        return;
    }
    if let Err(wrong) = path::absolute(root) {
        report.refuse("pack.root", wrong.what, wrong.hint.unwrap_or_default());
    } else if root == "/" {
        report.refuse(
            "pack.root",
            "the root cannot be `/`",
            "choose a directory such as `/opt/odoo`",
        );
    } else {
        sockets(spec, report);
    }
}

fn sockets(spec: &Spec, report: &mut Report<'_>) {
    let gates = spec
        .environments
        .keys()
        .map(|name| format!("/data/run/gate/{name}.sock"));
    let port = spec.postgres.port.unwrap_or(5432);
    let servers = spec.servers();
    let servers = servers
        .iter()
        .map(|server| format!("/data/run/{server}/.s.PGSQL.{port}"));
    let control = "/data/run/gate-control/control.sock".to_owned();
    let all = gates.chain(servers).chain([control]);
    let longest = all.max_by_key(String::len).unwrap_or_default();
    let length = spec.pack.root.as_str().len() + longest.len();
    if length > SOCKET_PATH {
        let what = format!(
            "`<root>{longest}` would have {length} bytes, and a unix socket's path has at most {SOCKET_PATH}"
        );
        let room = SOCKET_PATH.saturating_sub(longest.len());
        report.refuse(
            "pack.root",
            what,
            format!("choose a root of at most {room} bytes"),
        );
    }
}

/// Only options that the series has, that nothing else decides, with values of their kind.
fn options(spec: &Spec, report: &mut Report<'_>) {
    for (name, value) in &spec.odoo.options {
        if let Err(mistake) = crate::odoo::options::check(spec.odoo.series, name, value) {
            let hint = "remove it; `odoopack spec reference` lists the keys of this file";
            report.refuse(&format!("odoo.options.{name}"), mistake.to_string(), hint);
        }
    }
}

fn web(spec: &Spec, report: &mut Report<'_>) {
    let (web, postgres) = (&spec.web, &spec.postgres);
    if web.http_port == web.https_port && report.sound("web.http_port") && report.sound("web.https_port") {
        let at = if report.given("web.https_port") {
            "web.https_port"
        } else {
            "web.http_port"
        };
        report.refuse(
            at,
            format!("HTTP and HTTPS both on port {}", web.http_port),
            "choose two ports",
        );
    }
    if postgres
        .port
        .is_some_and(|p| p == web.http_port || p == web.https_port)
    {
        report.refuse(
            "postgres.port",
            "nginx listens on that port",
            "choose another port",
        );
    }
    let ports = [
        ("web.http_port", Some(web.http_port)),
        ("web.https_port", Some(web.https_port)),
        ("postgres.port", postgres.port),
    ];
    for (key, port) in ports {
        if port.is_some_and(|port| PRIVATE_PORTS.contains(&port)) && report.sound(key) {
            private_port(key, port.unwrap_or_default(), report);
        }
    }
    let nowhere = report
        .document
        .values
        .get("web.listen")
        .is_some_and(|f| f.item == Item::Many(Vec::new()));
    if nowhere {
        report.refuse(
            "web.listen",
            "lists no address",
            "leave the line out, or name an address",
        );
    }
    if postgres.version == Some(12) && spec.odoo.series == Series::V19 && report.sound("odoo.series") {
        report.refuse(
            "postgres.version",
            "Odoo 19.0 needs PostgreSQL 13 or newer",
            "choose a newer major",
        );
    }
}

/// Refuses a port out of the range that Odoo's own ports are taken from.
fn private_port(key: &str, port: u16, report: &mut Report<'_>) {
    let (first, last) = (PRIVATE_PORTS.start, PRIVATE_PORTS.end);
    let what = format!("port {port} may be given to an Odoo of this pack");
    report.refuse(key, what, format!("choose one outside {first} to {last}"));
}

fn mail(spec: &Spec, report: &mut Report<'_>) {
    let relay = spec.mail.relay.as_ref();
    if relay.is_some_and(|relay| relay.address.port == 465) && report.sound("mail.smtp") {
        let what =
            "on port 465 a relay speaks TLS from the first byte, and odoo.conf can only ask for STARTTLS";
        report.refuse("mail.smtp", what, "write the port for STARTTLS, mostly 587");
    }
    if report.given("mail.credentials") && !report.given("mail.smtp") {
        let hint = "write `smtp = \"host:port\"`, or remove `credentials`";
        report.refuse("mail.credentials", "credentials for no relay", hint);
    }
}
