//! Downloads that resume, are checked before they get their name, and show their bytes.
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::Digest;
use ureq::tls::{RootCerts, TlsConfig};

use crate::failure::{Failure, Result};
use crate::files;
use crate::ui::Progress;

/// Attempts before giving up.
const ATTEMPTS: u32 = 3;
/// Pause after the first failed attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest silence of a server.
const SILENCE: Duration = Duration::from_mins(1);
/// Bytes moved at once.
const BLOCK: usize = 256 * 1024;

/// One file to get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) url: &'a str,
    pub(super) sha256: &'a str,
    /// Where it goes once it is right; beside it lies the part that an interrupted run got.
    pub(super) place: &'a Utf8Path,
}

/// Gets a file, unless it is already there and right.
///
/// # Effects
/// A `.part` file is resumed where the server can; a wrong checksum removes it.
pub(super) fn get(wanted: &Wanted<'_>, progress: &Progress) -> Result<()> {
    if is_file_with(wanted.place, wanted.sha256)? {
        return Ok(());
    }
    files::directory_all(wanted.place.parent().unwrap_or(Utf8Path::new("/")))?;
    let part = Utf8PathBuf::from(format!("{}.part", wanted.place));
    let agent = agent(SILENCE)?;
    let mut pause = PAUSE;
    for attempt in 1.. {
        match resume(&agent, wanted.url, &part, progress) {
            Ok(()) => break,
            Err(Trouble::Final(failure)) => return Err(failure),
            Err(Trouble::Passing(failure)) if attempt >= ATTEMPTS => return Err(failure),
            Err(Trouble::Passing(_)) => std::thread::sleep(pause),
        }
        pause *= 2;
    }
    let got = hash_of(&part)?;
    if got != wanted.sha256.to_ascii_lowercase() {
        files::remove(&part)?;
        return Err(wrong_checksum(wanted.url, wanted.sha256, &got));
    }
    files::rename(&part, wanted.place)
}

/// The error for bytes that are not the promised ones.
pub(super) fn wrong_checksum(what: &str, expected: &str, got: &str) -> Failure {
    Failure::failed(format!("`{what}` is not what was promised"))
        .because(format!("expected sha256 {expected}, got {got}"))
        .hint("check the `sha256` in the file against the publisher's, then run again")
}

enum Trouble {
    /// Trying again may help.
    Passing(Failure),
    /// It will not.
    Final(Failure),
}

/// One attempt: asks for what is still missing and appends it.
fn resume(
    agent: &ureq::Agent,
    url: &str,
    part: &Utf8Path,
    progress: &Progress,
) -> std::result::Result<(), Trouble> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
        Failure::failed(format!("could not download `{url}`"))
            .because(e)
            .hint("check the network, then run again")
    };
    let have = part.metadata().map_or(0, |data| data.len());
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = match request.call() {
        Ok(response) => response,
        // What is there is already everything, or from another file: the checksum tells.
        Err(ureq::Error::StatusCode(416)) => return Ok(()),
        Err(e @ ureq::Error::StatusCode(400..=499)) => return Err(Trouble::Final(failed(e.into()))),
        Err(e) => return Err(Trouble::Passing(failed(e.into()))),
    };
    let resumed = response.status() == 206;
    if !resumed {
        files::remove(part).map_err(Trouble::Final)?;
    }
    let start = if resumed { have } else { 0 };
    let total = response.body().content_length().map(|length| length + start);
    let mut body = response.body_mut().as_reader();
    append(&mut body, part, start, total, progress).map_err(|e| Trouble::Passing(failed(e.into())))
}

fn append(
    body: &mut impl Read,
    part: &Utf8Path,
    mut have: u64,
    total: Option<u64>,
    progress: &Progress,
) -> std::io::Result<()> {
    let mut file = files::append(part).map_err(std::io::Error::other)?;
    let mut block = vec![0; BLOCK];
    loop {
        let count = body.read(&mut block)?;
        if count == 0 {
            break;
        }
        std::io::Write::write_all(&mut file, &block[..count])?;
        have += u64::try_from(count).unwrap_or_default();
        progress.detail(&total.map_or_else(
            || human(have),
            |total| format!("{} of {}", human(have), human(total)),
        ));
    }
    match total {
        Some(total) if have < total => Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            format!("the server stopped after {have} of {total} bytes"),
        )),
        _ => Ok(()),
    }
}

/// A client that trusts what the host trusts: `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system's store.
fn agent(silence: Duration) -> Result<ureq::Agent> {
    let found = rustls_native_certs::load_native_certs();
    let certificates: Vec<_> = found
        .certs
        .iter()
        .map(|certificate| ureq::tls::Certificate::from_der(certificate).to_owned())
        .collect();
    if certificates.is_empty() {
        return Err(Failure::refused("this host trusts no certificate authority")
            .because(format!("{:?}", found.errors))
            .hint("`apt-get install ca-certificates`"));
    }
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&certificates))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .user_agent(concat!("odoopack/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(silence))
        .build();
    Ok(config.into())
}

/// Whether a file is there with this hash.
pub(super) fn is_file_with(path: &Utf8Path, sha256: &str) -> Result<bool> {
    Ok(path.is_file() && hash_of(path)? == sha256.to_ascii_lowercase())
}

/// SHA-256 of a file in hex.
pub(super) fn hash_of(path: &Utf8Path) -> Result<String> {
    let unreadable = |e| Failure::failed(format!("could not read `{path}`")).because(e);
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let mut hash = sha2::Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block).map_err(unreadable)? {
            0 => return Ok(super::hex(&hash.finalize())),
            count => hash.update(&block[..count]),
        }
    }
}

/// Runs `work` and shows meanwhile how many bytes are in `directory`.
pub(super) fn watched<T>(
    directory: &Utf8Path,
    total: u64,
    progress: &Progress,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let (done, waiting) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while waiting.recv_timeout(Duration::from_millis(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
                progress.detail(&format!("{} of {}", human(size_of(directory)), human(total)));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

fn size_of(directory: &Utf8Path) -> u64 {
    let entries = directory
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .filter_map(std::result::Result::ok);
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|data| data.len())
        .sum()
}

/// Bytes for people: `117 MB`.
pub(super) fn human(bytes: u64) -> String {
    if bytes < 10_000_000 {
        format!("{} kB", bytes.div_ceil(1000))
    } else {
        format!("{} MB", bytes / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_stalls_inside_a_download_is_left() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            assert_ne!(stream.read(&mut asked).unwrap(), 0);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                .unwrap();
            // Until the client has gone.
            while stream.read(&mut asked).is_ok_and(|count| count > 0) {}
        });
        let place = tempfile::tempdir().unwrap();
        let part = Utf8Path::from_path(place.path()).unwrap().join("x.part");
        let progress = crate::ui::Ui::new(true, true, false).step("get");
        let url = format!("http://{address}/x");
        {
            let agent = agent(Duration::from_millis(200)).unwrap();
            let Err(Trouble::Passing(failure)) = resume(&agent, &url, &part, &progress) else {
                panic!("the server said nothing more");
            };
            assert!(
                failure.chain().join(" ").contains("timeout"),
                "{}",
                failure.sentence()
            );
        }
        assert_eq!(files::read_text(&part).unwrap().as_deref(), Some("half"));
        server.join().unwrap();
    }
}
