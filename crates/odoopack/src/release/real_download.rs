//! Downloads against a small server on loopback that cuts, lies and refuses.
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};

use super::download::{self, Wanted};
use crate::failure::{Failure, Kind};
use crate::files;
use crate::ui::Ui;

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends what was asked for, the `Range` too.
    Whole,
    /// Promises everything and stops after so many bytes.
    Cut(usize),
    /// Sends everything, whatever `Range` says.
    IgnoreRange,
    /// Sends this status and nothing.
    Status(u16),
}

/// A server with an answer for each request in turn; keeps the `Range` of each.
struct Server {
    url: String,
    ranges: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(content: Vec<u8>, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/odoo_19.0_all.deb", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        std::thread::spawn(move || {
            for (answer, stream) in answers.into_iter().zip(listener.incoming()) {
                let range = answer_one(stream.unwrap(), &content, answer);
                seen.lock().unwrap().push(range);
            }
        });
        Self { url, ranges }
    }

    fn ranges(&self) -> Vec<String> {
        self.ranges.lock().unwrap().clone()
    }
}

fn answer_one(mut stream: TcpStream, content: &[u8], answer: Answer) -> String {
    let mut range = String::new();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("range: ") {
            value.clone_into(&mut range);
        }
        if line.is_empty() {
            break;
        }
    }
    let start = range
        .strip_prefix("bytes=")
        .and_then(|r| r.strip_suffix('-'))
        .map_or(0, |n| n.parse().unwrap());
    let (status, start, end) = match answer {
        Answer::Status(status) => (status, 0, 0),
        Answer::IgnoreRange => (200, 0, content.len()),
        Answer::Whole | Answer::Cut(_) if start >= content.len() => (416, 0, 0),
        Answer::Whole => (if start > 0 { 206 } else { 200 }, start, content.len()),
        Answer::Cut(count) => (if start > 0 { 206 } else { 200 }, start, start + count),
    };
    let length = if end == 0 { 0 } else { content.len() - start };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&content[start..end]).unwrap();
    range
}

struct Place {
    _keep: tempfile::TempDir,
    file: Utf8PathBuf,
}

impl Place {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(keep.path()).unwrap().join("a.deb");
        Self { _keep: keep, file }
    }

    fn part(&self) -> Utf8PathBuf {
        format!("{}.part", self.file).into()
    }

    fn get(&self, server: &Server, sha256: &str) -> Result<(), Failure> {
        let progress = Ui::new(true, true, false).step("download");
        download::get(
            &Wanted {
                url: &server.url,
                sha256,
                place: &self.file,
            },
            &progress,
        )
    }
}

fn content() -> Vec<u8> {
    (0_u32..300_000).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_cut_download_is_resumed_where_it_stopped() {
    let server = Server::start(content(), vec![Answer::Cut(500_000), Answer::Whole]);
    let place = Place::new();
    place.get(&server, &super::sha256(&content())).unwrap();
    assert_eq!(std::fs::read(&place.file).unwrap(), content());
    assert_eq!(server.ranges(), ["", "bytes=500000-"]);
    assert!(!place.part().exists());
}

#[test]
fn what_an_interrupted_run_got_is_kept_and_resumed() {
    let cut = Answer::Cut(1000);
    let server = Server::start(content(), vec![cut, cut, cut, Answer::Whole]);
    let place = Place::new();
    let hash = super::sha256(&content());
    let failure = place.get(&server, &hash).unwrap_err();
    assert!(
        failure.chain()[0].starts_with("could not download"),
        "{:?}",
        failure.chain()
    );
    assert!(!place.file.exists(), "an interrupted download has no final name");
    assert_eq!(place.part().metadata().unwrap().len(), 3000);
    place.get(&server, &hash).unwrap();
    assert_eq!(server.ranges(), ["", "bytes=1000-", "bytes=2000-", "bytes=3000-"]);
}

#[test]
fn a_wrong_checksum_is_refused_and_nothing_is_left() {
    let server = Server::start(content(), vec![Answer::Whole]);
    let place = Place::new();
    let expected = "0".repeat(64);
    let failure = place.get(&server, &expected).unwrap_err();
    let got = super::sha256(&content());
    assert_eq!(
        failure.chain()[1],
        format!("expected sha256 {expected}, got {got}")
    );
    assert!(!place.file.exists() && !place.part().exists());
}

#[test]
fn a_server_that_cannot_resume_starts_over() {
    let server = Server::start(content(), vec![Answer::IgnoreRange]);
    let place = Place::new();
    files::replace(&place.part(), b"something older", 0o644, None).unwrap();
    place.get(&server, &super::sha256(&content())).unwrap();
    assert_eq!(server.ranges(), ["bytes=15-"]);
}

#[test]
fn a_part_that_is_already_everything_is_taken() {
    let server = Server::start(content(), vec![Answer::Whole]);
    let place = Place::new();
    files::replace(&place.part(), &content(), 0o644, None).unwrap();
    place.get(&server, &super::sha256(&content())).unwrap();
    assert!(place.file.is_file());
}

#[test]
fn a_server_that_is_busy_is_asked_again_and_one_that_says_no_is_not() {
    let server = Server::start(content(), vec![Answer::Status(503), Answer::Whole]);
    Place::new().get(&server, &super::sha256(&content())).unwrap();
    let server = Server::start(content(), vec![Answer::Status(404), Answer::Whole]);
    let failure = Place::new().get(&server, "0").unwrap_err();
    assert_eq!(failure.kind, Kind::Failed);
    assert_eq!(server.ranges().len(), 1);
}

#[test]
fn what_is_already_right_asks_nobody() {
    let server = Server::start(content(), Vec::new());
    let place = Place::new();
    files::replace(&place.file, &content(), 0o644, None).unwrap();
    place.get(&server, &super::sha256(&content())).unwrap();
}
