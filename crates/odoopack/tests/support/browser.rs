//! A headless Chromium, driven over the `WebDriver` protocol (<https://www.w3.org/TR/webdriver2/>).
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use camino::Utf8PathBuf;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::Digest;

use super::web::Site;

/// Key of an element's id in answers (W3C `WebDriver`, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window; it ends with the value.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one that trusts the site's own certificate and nothing that it does not know.
    pub(crate) fn start(site: &Site, certificate: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (driver, port) = driver();
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            profile,
        };
        let home = browser.profile.path().to_str().unwrap().to_owned();
        let spki = format!(
            "--ignore-certificate-errors-spki-list={}",
            fingerprint(certificate)
        );
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--window-size=1280,900",
            &format!("--user-data-dir={home}"),
            &spki,
        ];
        let options = json!({ "binary": "/usr/bin/chromium", "args": args });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = browser.send("POST", "/session", &wanted);
        session["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        browser.open(&site.url("/web/login"));
        browser
    }

    pub(crate) fn open(&self, url: &str) {
        self.ask("url", &json!({ "url": url }));
    }

    /// Types into the first element that the selector finds.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        self.act(selector, "value", &json!({ "text": text }));
    }

    pub(crate) fn click(&self, selector: &str) {
        self.act(selector, "click", &json!({}));
    }

    /// An element that is there may still be hidden, or covered, for a moment.
    fn act(&self, selector: &str, what: &str, body: &Value) {
        let element = self.find(selector);
        let path = format!("/session/{}/element/{element}/{what}", self.session);
        super::wait_for(&format!("{what} on `{selector}`"), || {
            let (status, _) = self.exchange("POST", &path, body).unwrap();
            (status == 200).then_some(())
        });
    }

    /// Waits until the page shows such an element and returns its id.
    #[track_caller]
    pub(crate) fn find(&self, selector: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        super::wait_for(&format!("the page shows `{selector}`"), || {
            let found = self.ask("elements", &by);
            found[0][ELEMENT].as_str().map(str::to_owned)
        })
    }

    /// Value of a script in the page.
    pub(crate) fn script(&self, text: &str) -> Value {
        self.ask("execute/sync", &json!({ "script": text, "args": [] }))
    }

    fn ask(&self, what: &str, body: &Value) -> Value {
        self.send("POST", &format!("/session/{}/{what}", self.session), body)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.exchange(method, path, body).unwrap();
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer["value"].clone()
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_mins(2)))?;
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_lowercase();
            if let Some(text) = line.strip_prefix("http/1.1 ") {
                status = text
                    .split(' ')
                    .next()
                    .and_then(|code| code.parse().ok())
                    .unwrap_or_default();
            } else if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap_or_default();
            } else if line.is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
    }

    /// Keeps a picture of the window, for a test that failed.
    fn keep_picture(&self) -> Option<Utf8PathBuf> {
        let path = format!("/session/{}/screenshot", self.session);
        let (_, answer) = self.exchange("GET", &path, &Value::Null).ok()?;
        let picture = decoded(answer["value"].as_str()?);
        let place = super::artefacts().join("browser.png");
        std::fs::write(&place, picture).ok()?;
        Some(place)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("what the browser showed: {:?}", self.keep_picture());
        }
        let path = format!("/session/{}", self.session);
        drop(self.exchange("DELETE", &path, &Value::Null));
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// A driver that listens.
///
/// It takes a free port of IPv4, then the same one of IPv6, and gives up when that one is taken:
/// <https://source.chromium.org/chromium/chromium/src/+/main:chrome/test/chromedriver/server/chromedriver_server.cc>.
fn driver() -> (Child, u16) {
    let mut said = String::new();
    for _ in 0..5 {
        let mut driver = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "chromedriver", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`chromedriver` is not installed; `cargo xtask setup` installs what the tests need");
        if let Some(port) = announced_port(&mut driver, &mut said) {
            return (driver, port);
        }
        drop(driver.wait());
    }
    panic!("chromedriver does not come up; it says:\n{said}");
}

/// `ChromeDriver was started successfully on port 40123.`; nothing where it ended before.
fn announced_port(driver: &mut Child, said: &mut String) -> Option<u16> {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let port = line
            .split("successfully on port ")
            .nth(1)
            .map(|rest| rest.trim_end_matches('.').parse().unwrap());
        *said += &format!("{line}\n");
        port
    });
    // Somebody must go on reading, or the driver would block.
    std::thread::spawn(move || lines.for_each(drop));
    port
}

/// Base64 of the SHA-256 of the public key, as Chromium's option wants it.
fn fingerprint(pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    encoded(&sha2::Sha256::digest(certificate.public_key().raw))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encoded(bytes: &[u8]) -> String {
    let chunk = |three: &[u8]| {
        let number = (0..3).fold(0_u32, |n, at| {
            n << 8 | u32::from(three.get(at).copied().unwrap_or(0))
        });
        let digit = |at: usize| {
            let digit = char::from(DIGITS[(number >> (18 - 6 * at)) as usize & 63]);
            if at <= three.len() { digit } else { '=' }
        };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(chunk).collect()
}

fn decoded(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte))
        .map(|at| u32::try_from(at).unwrap_or_default())
        .collect();
    let chunk = |four: &[u32]| {
        let number = (0..4).fold(0_u32, |n, at| n << 6 | four.get(at).copied().unwrap_or(0));
        number.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(chunk).collect()
}
