//! Asks one site and keeps the session; an answer that is not the wanted one becomes a judgement.
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::http::{Answer, Request, exchange};
use super::page::plain;
use super::wire::{self, Trouble};
use super::{Site, Verdict};

/// Longest that an ordinary answer may take; Odoo builds a bundle in about 2 s when asked first.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What one probe found.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) url: String,
    pub(super) code: Option<u16>,
    pub(super) verdict: Verdict,
    pub(super) detail: String,
}

/// A step of a probe; the error is a judgement too.
pub(super) type Step<T> = Result<T, Judged>;

impl Judged {
    fn new(verdict: Verdict, url: String, code: Option<u16>, detail: impl Into<String>) -> Self {
        Self {
            url,
            code,
            verdict,
            detail: detail.into(),
        }
    }

    /// As it should be.
    pub(super) fn pass(url: String, code: u16, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, url, Some(code), detail)
    }

    /// Not as it should be.
    pub(super) fn fail(url: String, code: Option<u16>, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, url, code, detail)
    }

    /// Could not be looked at, which is no fault.
    pub(super) fn skip(url: String, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, url, None, detail)
    }

    /// Another answer than `wanted` came.
    pub(super) fn instead(url: String, answer: &Answer, wanted: &str) -> Self {
        Self::fail(
            url,
            Some(answer.status),
            format!("expected {wanted}, got {}", came(answer)),
        )
    }

    /// No answer came.
    pub(super) fn trouble(url: String, trouble: &Trouble) -> Self {
        Self::fail(url, None, trouble.to_string())
    }
}

/// What an answer is, in one line: where it sends people, or the first words of its body.
pub(super) fn came(answer: &Answer) -> String {
    let status = answer.status;
    if let Some(place) = answer.header("location").filter(|_| (300..400).contains(&status)) {
        return format!("{status} to {place}");
    }
    let kind = answer.kind();
    let words = if answer.body.is_empty() {
        "an empty body".to_owned()
    } else if kind.starts_with("text/") || kind.contains("json") || kind.is_empty() {
        format!("`{}`", plain(&answer.text(), 200))
    } else {
        format!("{} bytes of {kind}", answer.body.len())
    };
    format!("{status} with {words}")
}

/// One visitor of one site.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) site: &'a Site,
    trust: Arc<ClientConfig>,
    /// Value of the cookie `session_id`, once signed in.
    pub(super) session: RefCell<Option<String>>,
}

impl<'a> Client<'a> {
    /// A visitor without a session.
    pub(super) fn new(site: &'a Site) -> Result<Self, Trouble> {
        let trust = wire::trust(site.authority.as_deref())?;
        Ok(Self {
            site,
            trust,
            session: RefCell::new(None),
        })
    }

    /// The address that people would type for `target`.
    pub(super) fn url(&self, target: &str) -> String {
        self.site.base() + target
    }

    /// Asks for `target` over TLS.
    pub(super) fn get(&self, target: &str) -> Step<Answer> {
        self.get_within(target, PATIENCE)
    }

    /// Asks for `target` over TLS; for the whole of it there is `patience`.
    pub(super) fn get_within(&self, target: &str, patience: Duration) -> Step<Answer> {
        self.send(question(target), patience)
    }

    /// Asks for `target` with headers of its own.
    pub(super) fn get_with(&self, target: &str, headers: Vec<(&str, String)>) -> Step<Answer> {
        self.send(
            Request {
                headers,
                ..question(target)
            },
            PATIENCE,
        )
    }

    /// Posts a JSON document.
    pub(super) fn post(&self, target: &str, document: &serde_json::Value) -> Step<Answer> {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        let body = document.to_string();
        self.send(
            Request {
                method: "POST",
                target,
                headers,
                body: body.as_bytes(),
            },
            PATIENCE,
        )
    }

    /// Asks for `target` without TLS.
    pub(super) fn get_plain(&self, target: &str) -> Step<Answer> {
        let url = self.site.plain_base() + target;
        let headers = self.headers(&self.site.plain_host(), Vec::new());
        let request = Request {
            headers,
            ..question(target)
        };
        let answer =
            wire::plain(self.site.http, PATIENCE).and_then(|stream| exchange(stream, &request, PATIENCE));
        answer.map_err(|trouble| Judged::trouble(url, &trouble))
    }

    /// Opens a TLS connection and says nothing on it.
    pub(super) fn connect(&self, patience: Duration) -> Result<wire::Tls, Trouble> {
        wire::tls(self.site.address, &self.site.domain, &self.trust, patience)
    }

    fn send(&self, mut request: Request<'_>, patience: Duration) -> Step<Answer> {
        request.headers = self.headers(&self.site.host(), request.headers);
        let answer = self
            .connect(patience)
            .and_then(|stream| exchange(stream, &request, patience));
        answer.map_err(|trouble| Judged::trouble(self.url(request.target), &trouble))
    }

    /// The headers of every request, then those of this one, which may say `Connection` themselves.
    fn headers<'h>(&self, host: &str, more: Vec<(&'h str, String)>) -> Vec<(&'h str, String)> {
        let mut all = vec![
            ("Host", host.to_owned()),
            (
                "User-Agent",
                concat!("odoopack/", env!("CARGO_PKG_VERSION"), " probe").to_owned(),
            ),
            ("Accept", "*/*".to_owned()),
        ];
        if let Some(session) = self.session.borrow().as_deref() {
            all.push(("Cookie", format!("session_id={session}")));
        }
        if !more.iter().any(|(name, _)| *name == "Connection") {
            all.push(("Connection", "close".to_owned()));
        }
        all.extend(more);
        all
    }
}

fn question(target: &str) -> Request<'_> {
    Request {
        method: "GET",
        target,
        headers: Vec::new(),
        body: b"",
    }
}
