//! A tiny site for tests: TLS with a certificate of its own authority, one thread per connection.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Site;

/// What was asked.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<String>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let split = |line: &'_ String| {
            line.split_once(": ")
                .is_some_and(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        self.headers
            .iter()
            .find(|line| split(line))
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value)
    }
}

/// Answers a question with the whole text of an answer.
pub(super) type Answering = Arc<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;

/// An answer with a body.
pub(super) fn answer(status: u16, kind: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    answer_with(status, &[("Content-Type", kind)], body)
}

/// An answer with headers and a body.
pub(super) fn answer_with(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut text = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n", body.len());
    text.extend(
        headers
            .iter()
            .flat_map(|(name, value)| [name, ": ", value, "\r\n"]),
    );
    [text.as_bytes(), b"\r\n", body].concat()
}

/// Starts a site `erp.test` whose certificate is for `name` and ends in `days`.
pub(super) fn start(name: &str, days: i64, answering: Answering) -> Site {
    let (config, authority) = certificate(name, days);
    let https = listen();
    let http = listen();
    let site = Site {
        domain: "erp.test".to_owned(),
        address: address(&https),
        http: address(&http),
        authority: Some(authority),
        sign_in: None,
        database: "erp".to_owned(),
        static_mark: None,
        hsts: false,
        sessions: Some("in Redis"),
        prints: true,
    };
    let plain = Arc::clone(&answering);
    std::thread::spawn(move || {
        serve(&https, &move |stream| {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            talk(StreamOwned::new(session, stream), &answering);
        });
    });
    std::thread::spawn(move || serve(&http, &move |stream| talk(stream, &plain)));
    site
}

/// An address where nobody listens.
pub(super) fn nobody() -> SocketAddr {
    address(&listen())
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap()
}

fn serve(listener: &TcpListener, each: &(impl Fn(TcpStream) + Sync)) {
    std::thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            scope.spawn(move || each(stream));
        }
    });
}

/// Clients that do not trust us go away; that is theirs to judge.
fn talk(mut stream: impl Read + Write, answering: &Answering) {
    let Some(asked) = read(&mut stream) else { return };
    stream
        .write_all(&answering(&asked))
        .and_then(|()| stream.flush())
        .unwrap_or_default();
}

fn read(stream: &mut impl Read) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let first = lines.remove(0);
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut asked = Asked {
        method,
        target,
        headers: lines,
        body: String::new(),
    };
    let length = asked
        .header("content-length")
        .map_or(0, |text| text.parse().unwrap());
    reader.take(length).read_to_string(&mut asked.body).ok()?;
    Some(asked)
}

fn certificate(name: &str, days: i64) -> (Arc<ServerConfig>, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let end =
        jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() + jiff::Span::new().days(days + 1);
    leaf.not_after = date_time_ymd(
        end.year().into(),
        end.month().unsigned_abs(),
        end.day().unsigned_abs(),
    );
    let signed = leaf
        .signed_by(&key, &Issuer::new(authority, authority_key))
        .unwrap();
    let chain = vec![CertificateDer::from(signed.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    (
        Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()),
        pem,
    )
}
