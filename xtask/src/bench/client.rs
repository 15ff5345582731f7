//! A keep-alive HTTP client of a few lines: one connection, one request at a time, every answer timed and judged.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longer than any honest answer here.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection to a server on loopback; reopened after the server said that it closes.
pub(super) struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            stream: None,
        }
    }

    pub(super) fn get(&mut self, path: &str) -> Result<Duration> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    pub(super) fn post(&mut self, path: &str, body: &str) -> Result<Duration> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}",
            body.len()
        );
        self.send(&format!("{head}\r\n\r\n{body}"))
    }

    /// Sends once and never again: a request that breaks is an error, as it is for a browser's POST.
    fn send(&mut self, request: &str) -> Result<Duration> {
        let mut stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let start = Instant::now();
        stream
            .get_mut()
            .write_all(request.as_bytes())
            .context("sending")?;
        let closes = answer(&mut stream)?;
        let took = start.elapsed();
        self.stream = (!closes).then_some(stream);
        Ok(took)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }
}

/// Looks before it sends, as browsers and HTTP libraries do: a connection that was closed in the meantime is not used.
fn is_open(stream: &BufReader<TcpStream>) -> bool {
    let stream = stream.get_ref();
    let found = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let is_quiet = found.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).is_ok() && is_quiet
}

/// Reads one answer with a known length; returns whether the server closes after it.
fn answer(stream: &mut impl BufRead) -> Result<bool> {
    let (mut status, mut length, mut closes) = (String::new(), None, false);
    stream.read_line(&mut status).context("reading the answer")?;
    // Odoo itself speaks 1.0, which closes unless it says otherwise.
    let old = status.starts_with("HTTP/1.0 200 ");
    if !old && !status.starts_with("HTTP/1.1 200 ") {
        bail!("answered {:?}", status.trim_end());
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).context("reading the answer")?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = Some(value.parse::<u64>()?),
            ("connection", value) => closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let length = length.context("an answer without a length")?;
    let read = std::io::copy(&mut stream.take(length), &mut std::io::sink()).context("reading the body")?;
    if read < length {
        bail!("a body of {read} bytes instead of {length}");
    }
    Ok(closes || old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_an_error() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        assert!(answer(&mut whole.as_bytes()).unwrap());
        assert!(!answer(&mut whole.replace("close", "keep-alive").as_bytes()).unwrap());
        let old = whole.replace("1.1", "1.0").replace("Connection: close\r\n", "");
        assert!(answer(&mut old.as_bytes()).unwrap());
        for broken in [
            "",
            &whole[..whole.len() - 1],
            &whole.replace("200 OK", "502 Bad Gateway"),
            &whole.replace("Content-Length: 2\r\n", ""),
        ] {
            assert!(answer(&mut broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
