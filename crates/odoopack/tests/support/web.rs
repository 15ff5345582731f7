//! A visitor of a site through nginx and TLS, who trusts only the pack's own authority.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

/// Where a site is.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) port: u16,
    pub(crate) domain: String,
    pub(crate) authority: String,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl Page {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let one = |line: &'_ str| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.len()));
        let lines = self.headers.lines();
        lines
            .filter(|line| one(line).is_some_and(|(n, _)| n == name))
            .filter_map(|line| line.split_once(": ").map(|(_, value)| value))
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.headers, self.text());
        self
    }
}

impl Site {
    /// The address that a person types.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", self.domain, self.port)
    }

    pub(crate) fn get(&self, path: &str) -> Page {
        self.ask("GET", path, &[], b"").unwrap()
    }

    /// The answer, or why there was none; for times when something was just killed.
    pub(crate) fn try_get(&self, path: &str) -> Result<Page, String> {
        self.ask("GET", path, &[], b"").map_err(|e| e.to_string())
    }

    /// One request on a connection of its own; HTTP/1.0, so that the body simply ends with the connection.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Page> {
        let mut stream = self.connect()?;
        let mut head = Vec::new();
        write!(
            head,
            "{method} {path} HTTP/1.0\r\nHost: {}:{}\r\n",
            self.domain, self.port
        )?;
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        write!(head, "Content-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(&head)?;
        stream.write_all(body)?;
        let mut all = Vec::new();
        match stream.read_to_end(&mut all) {
            Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => return Err(e),
            _ => {}
        }
        parse(&all).ok_or_else(|| std::io::Error::other("no HTTP answer came"))
    }

    /// Status line of a websocket handshake.
    pub(crate) fn websocket(&self) -> String {
        self.open_websocket().0
    }

    /// The same, and what keeps it open.
    pub(crate) fn open_websocket(&self) -> (String, impl Sized + use<>) {
        let mut stream = self.connect().unwrap();
        let head = format!(
            "GET /websocket?version=19.0-2 HTTP/1.1\r\nHost: {}:{}\r\nOrigin: {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.domain,
            self.port,
            self.url("")
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut line = Vec::new();
        let mut byte = [0];
        while stream.read(&mut byte).unwrap() == 1 && byte[0] != b'\r' {
            line.push(byte[0]);
        }
        (String::from_utf8_lossy(&line).into_owned(), stream)
    }

    fn connect(&self) -> std::io::Result<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
        let mut store = rustls::RootCertStore::empty();
        let pem = CertificateDer::pem_slice_iter(self.authority.as_bytes());
        store.add_parsable_certificates(pem.filter_map(Result::ok));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store)
            .with_no_client_auth();
        let name = ServerName::try_from(self.domain.clone()).unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", self.port))?;
        tcp.set_read_timeout(Some(Duration::from_mins(1)))?;
        tcp.set_write_timeout(Some(Duration::from_mins(1)))?;
        let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        Ok(rustls::StreamOwned::new(session, tcp))
    }

    /// Signs in over JSON-RPC; `None` when the password is wrong.
    pub(crate) fn sign_in(&self, database: &str, password: &str) -> Option<Session<'_>> {
        self.sign_in_as(database, "admin", password)
    }

    /// The same as somebody else.
    pub(crate) fn sign_in_as(&self, database: &str, login: &str, password: &str) -> Option<Session<'_>> {
        let mut session = Session {
            site: self,
            cookie: String::new(),
        };
        let credentials = json!({ "db": database, "login": login, "password": password });
        let page = session.post("/web/session/authenticate", &credentials).unwrap();
        let cookie = page
            .all("set-cookie")
            .into_iter()
            .find(|c| c.starts_with("session_id="))?;
        let cookie = cookie.split(';').next()?.to_owned();
        let answer: Value = serde_json::from_slice(&page.body).ok()?;
        answer["result"]["uid"].as_u64()?;
        session.cookie = cookie;
        Some(session)
    }
}

fn parse(all: &[u8]) -> Option<Page> {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n")?;
    let headers = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = headers.split_whitespace().nth(1)?.parse().ok()?;
    Some(Page {
        status,
        headers,
        body: all[end + 4..].to_vec(),
    })
}

/// Somebody who is signed in.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    site: &'a Site,
    cookie: String,
}

impl Session<'_> {
    fn post(&self, path: &str, params: &Value) -> std::io::Result<Page> {
        let body = json!({ "jsonrpc": "2.0", "method": "call", "params": params }).to_string();
        let headers = [
            ("Content-Type", "application/json"),
            ("Cookie", self.cookie.as_str()),
        ];
        self.site.ask("POST", path, &headers, body.as_bytes())
    }

    /// The id of the session.
    pub(crate) fn cookie_value(&self) -> &str {
        self.cookie.trim_start_matches("session_id=")
    }

    pub(crate) fn get(&self, path: &str) -> Page {
        self.site
            .ask("GET", path, &[("Cookie", self.cookie.as_str())], b"")
            .unwrap()
    }

    /// Calls a method of a model.
    #[track_caller]
    pub(crate) fn call(&self, model: &str, method: &str, args: &Value) -> Value {
        let answer = self.try_call(model, method, args);
        answer.unwrap_or_else(|why| panic!("{model}.{method}: {why}"))
    }

    /// The same, or why it brought nothing; for times when something is exchanged.
    pub(crate) fn try_call(&self, model: &str, method: &str, args: &Value) -> Result<Value, String> {
        let params = json!({ "model": model, "method": method, "args": args, "kwargs": {} });
        let page = self
            .post(&format!("/web/dataset/call_kw/{model}/{method}"), &params)
            .map_err(|e| e.to_string())?;
        if page.status != 200 {
            return Err(format!("{}\n{}", page.headers, page.text()));
        }
        let mut answer: Value = serde_json::from_slice(&page.body).map_err(|e| e.to_string())?;
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Uploads a picture of one pixel and gets it back; Odoo keeps what is uploaded as files, which nginx serves.
    #[track_caller]
    pub(crate) fn picture_goes_round(&self) {
        let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        let values = json!([[{ "name": "proof.png", "datas": pixel, "mimetype": "image/png" }]]);
        let id = self.call("ir.attachment", "create", &values)[0].as_u64().unwrap();
        let picture = self.get(&format!("/web/content/{id}")).is(200);
        assert!(
            picture.body.starts_with(b"\x89PNG"),
            "{} bytes\n{}",
            picture.body.len(),
            picture.headers
        );
    }
}
