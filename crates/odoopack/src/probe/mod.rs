//! Live probes: asks a running site what its users would ask and judges the answers.
pub(crate) mod bare;
mod certificate;
mod client;
mod doors;
mod headers;
mod health;
mod http;
mod login;
mod page;
mod report;
mod seen;
#[cfg(test)]
mod server;
mod session;
#[cfg(test)]
mod tests;
mod websocket;
mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use odoopack_core::secret::SecretText;

use client::{Client, Judged, Step};
pub(crate) use seen::{Seen, Verdict};

/// One site and how to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Host name that the site answers to; also the name in its certificate.
    pub(crate) domain: String,
    /// Where TLS is spoken; its port is taken for the public one.
    pub(crate) address: SocketAddr,
    /// Where plain HTTP is spoken, for the redirect.
    pub(crate) http: SocketAddr,
    /// Certificate of the pack's own authority, PEM; `None`: the system's store decides.
    pub(crate) authority: Option<String>,
    /// Who signs in; `None` skips `sign_in` and `report`.
    pub(crate) sign_in: Option<SignIn>,
    /// Name of the database.
    pub(crate) database: String,
    /// Header (name, value) by which nginx marks what it served itself; `None`: its `ETag` tells.
    pub(crate) static_mark: Option<(String, String)>,
    /// Whether browsers shall be told never to come without TLS.
    pub(crate) hsts: bool,
    /// Where sessions are to be when not in files, in words.
    pub(crate) sessions: Option<&'static str>,
    /// Whether the program is there that prints; `false` skips `report`.
    pub(crate) prints: bool,
}

/// Somebody who may sign in.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    /// Login.
    pub(crate) login: String,
    /// Password.
    pub(crate) password: SecretText,
}

impl Site {
    /// Host name with the port where that is not the usual one.
    fn host(&self) -> String {
        with_port(&self.domain, self.address.port(), 443)
    }

    fn plain_host(&self) -> String {
        with_port(&self.domain, self.http.port(), 80)
    }

    /// `https://name[:port]`
    fn base(&self) -> String {
        format!("https://{}", self.host())
    }

    fn plain_base(&self) -> String {
        format!("http://{}", self.plain_host())
    }
}

fn with_port(domain: &str, port: u16, usual: u16) -> String {
    if port == usual {
        domain.to_owned()
    } else {
        format!("{domain}:{port}")
    }
}

/// One question to a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The certificate is for this name, trusted, and good for 14 days.
    Certificate,
    /// Plain HTTP leads to HTTPS.
    Redirect,
    /// Odoo answers, and by its own word the database server, where this version looks.
    Health,
    /// Sessions are where the file wants them.
    Sessions,
    /// The login page and every file that it names.
    Login,
    /// nginx serves static files itself.
    Static,
    /// The bus: a websocket handshake.
    Websocket,
    /// The database manager is refused.
    Manager,
    /// Security headers on every kind of answer.
    Headers,
    /// The administrator can sign in.
    SignIn,
    /// One PDF, with its styles.
    Report,
}

impl Probe {
    /// Every probe, cheapest and most basic first.
    pub(crate) const ALL: [Self; 11] = [
        Self::Certificate,
        Self::Redirect,
        Self::Health,
        Self::Sessions,
        Self::Login,
        Self::Static,
        Self::Websocket,
        Self::Manager,
        Self::Headers,
        Self::SignIn,
        Self::Report,
    ];

    /// What `up` waits for and `status` shows: quick, and without signing in.
    pub(crate) const QUICK: [Self; 8] = [
        Self::Certificate,
        Self::Redirect,
        Self::Health,
        Self::Sessions,
        Self::Login,
        Self::Static,
        Self::Websocket,
        Self::Manager,
    ];

    /// The name that people and machines read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Redirect => "redirect",
            Self::Health => "health",
            Self::Sessions => "sessions",
            Self::Login => "login",
            Self::Static => "static",
            Self::Websocket => "websocket",
            Self::Manager => "manager",
            Self::Headers => "headers",
            Self::SignIn => "sign_in",
            Self::Report => "report",
        }
    }

    fn ask(self, client: &Client<'_>) -> Step<Judged> {
        match self {
            Self::Certificate => certificate::certificate(client),
            Self::Redirect => doors::redirect(client),
            Self::Health => health::health(client),
            Self::Sessions => health::sessions(client, client.site.sessions.unwrap_or("nowhere")),
            Self::Login => login::login(client),
            Self::Static => headers::static_file(client),
            Self::Websocket => websocket::websocket(client),
            Self::Manager => doors::manager(client),
            Self::Headers => headers::headers(client),
            Self::SignIn => session::sign_in(client),
            Self::Report => report::report(client),
        }
    }
}

/// Asks each question once, in the order given.
///
/// # Shape
/// One entry per question, in the same order; `sessions` is left out where they are kept in files.
///
/// # Effects
/// `sign_in` and `report` write a session and, since 18.0, a device entry; they sign out at the end. Unless
/// `web.base.url.freeze` is set, Odoo takes the address that its administrator signs in at for `web.base.url`.
pub(crate) fn run(site: &Site, which: &[Probe]) -> Vec<Seen> {
    visit(site, which, false)
}

/// Asks until everything passes or `limit` is over; what was seen last is returned.
///
/// # Shape
/// As [`run`]; while waiting, questions after the first failing one are `Skipped`: sign-in is rate limited.
pub(crate) fn wait_until_pass(site: &Site, which: &[Probe], limit: Duration) -> Vec<Seen> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(100);
    loop {
        let seen = visit(site, which, true);
        let left = end.saturating_duration_since(Instant::now());
        if all_pass(&seen) || left.is_zero() {
            return seen;
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 3 / 2).min(Duration::from_secs(2));
    }
}

/// Whether nothing failed.
pub(crate) fn all_pass(seen: &[Seen]) -> bool {
    !seen.iter().any(Seen::failed)
}

fn visit(site: &Site, which: &[Probe], stop_at_failure: bool) -> Vec<Seen> {
    let client = Client::new(site);
    let mut seen: Vec<Seen> = Vec::new();
    let applies = |probe: &&Probe| **probe != Probe::Sessions || site.sessions.is_some();
    for probe in which.iter().filter(applies) {
        let blocked = stop_at_failure && !all_pass(&seen);
        let started = Instant::now();
        let judged = match &client {
            _ if blocked => Judged::skip(site.base(), "an earlier probe failed"),
            Ok(client) => probe.ask(client).unwrap_or_else(|failed| failed),
            Err(trouble) => Judged::trouble(site.base(), trouble),
        };
        seen.push(told(*probe, judged, started.elapsed()));
    }
    if let Ok(client) = &client {
        session::sign_out(client);
    }
    seen
}

fn told(probe: Probe, judged: Judged, took: Duration) -> Seen {
    let Judged {
        url,
        code,
        verdict,
        detail,
    } = judged;
    Seen {
        probe: probe.name(),
        url,
        code,
        took,
        verdict,
        detail,
    }
}
