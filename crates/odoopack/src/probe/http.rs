//! One HTTP/1.1 request and its answer; redirects are answers, nothing is followed.
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use super::wire::{Stream, Trouble, broken};

/// Most that is read of one answer; Odoo's biggest bundle is 4 MB.
const LONGEST: u64 = 64 << 20;
/// Most that is read of one answer's head.
const LONGEST_HEAD: u64 = 64 << 10;

/// One request; the connection is closed after it.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Path and query, sent exactly as written.
    pub(super) target: &'a str,
    pub(super) headers: Vec<(&'a str, String)>,
    pub(super) body: &'a [u8],
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Every header of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The type without its parameters, in lower case.
    pub(super) fn kind(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends `request` and reads the whole answer.
pub(super) fn exchange(
    mut stream: impl Stream,
    request: &Request<'_>,
    patience: Duration,
) -> Result<Answer, Trouble> {
    let late = |e| broken(e, patience);
    stream.write_all(head(request).as_bytes()).map_err(late)?;
    stream
        .write_all(request.body)
        .and_then(|()| stream.flush())
        .map_err(late)?;
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader, patience)?;
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if request.method != "HEAD" && !matches!(status, 100..=199 | 204 | 304) {
        answer.body = read_body(&mut reader, &answer, patience)?;
    }
    Ok(answer)
}

fn head(request: &Request<'_>) -> String {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        write!(head, "{name}: {value}\r\n").unwrap_or_default();
    }
    if !request.body.is_empty() {
        write!(head, "Content-Length: {}\r\n", request.body.len()).unwrap_or_default();
    }
    head + "\r\n"
}

type Head = (u16, Vec<(String, String)>);

fn read_head(reader: &mut impl BufRead, patience: Duration) -> Result<Head, Trouble> {
    let mut bytes = Vec::new();
    let mut limited = reader.take(LONGEST_HEAD);
    while !bytes.ends_with(b"\r\n\r\n") {
        if limited
            .read_until(b'\n', &mut bytes)
            .map_err(|e| broken(e, patience))?
            == 0
        {
            return Err(Trouble::NotHttp(
                if bytes.is_empty() {
                    "closed without a word"
                } else {
                    "cut off"
                }
                .to_owned(),
            ));
        }
    }
    parse_head(&bytes)
}

fn parse_head(bytes: &[u8]) -> Result<Head, Trouble> {
    let mut headers = [httparse::EMPTY_HEADER; 96];
    let mut parsed = httparse::Response::new(&mut headers);
    parsed.parse(bytes).map_err(|e| Trouble::NotHttp(e.to_string()))?;
    let text = |h: &httparse::Header<'_>| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned());
    Ok((
        parsed.code.unwrap_or_default(),
        parsed.headers.iter().map(text).collect(),
    ))
}

fn read_body(reader: &mut impl BufRead, answer: &Answer, patience: Duration) -> Result<Vec<u8>, Trouble> {
    let late = |e| broken(e, patience);
    if answer
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        return read_chunks(reader, patience);
    }
    let announced = answer
        .header("content-length")
        .and_then(|text| text.trim().parse::<u64>().ok());
    let mut body = Vec::new();
    match announced {
        Some(length) if length > LONGEST => return Err(Trouble::TooLong(LONGEST >> 20)),
        Some(length) => {
            reader.take(length).read_to_end(&mut body).map_err(late)?;
            if (body.len() as u64) < length {
                return Err(Trouble::Broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
        None => _ = reader.take(LONGEST + 1).read_to_end(&mut body).map_err(late)?,
    }
    if body.len() as u64 > LONGEST {
        Err(Trouble::TooLong(LONGEST >> 20))
    } else {
        Ok(body)
    }
}

fn read_chunks(reader: &mut impl BufRead, patience: Duration) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    loop {
        let size = chunk_size(reader, patience)?;
        if body.len() as u64 + size > LONGEST {
            return Err(Trouble::TooLong(LONGEST >> 20));
        }
        let before = body.len() as u64;
        // Every chunk, also the last and empty one, ends in a line break; trailers are of no interest here.
        reader
            .take(size + 2)
            .read_to_end(&mut body)
            .map_err(|e| broken(e, patience))?;
        if body.len() as u64 != before + size + 2 {
            return Err(Trouble::Broken(std::io::ErrorKind::UnexpectedEof.into()));
        }
        body.truncate(body.len() - 2);
        if size == 0 {
            return Ok(body);
        }
    }
}

fn chunk_size(reader: &mut impl BufRead, patience: Duration) -> Result<u64, Trouble> {
    let mut line = Vec::new();
    reader
        .take(1 << 10)
        .read_until(b'\n', &mut line)
        .map_err(|e| broken(e, patience))?;
    match httparse::parse_chunk_size(&line) {
        Ok(httparse::Status::Complete((_, size))) => Ok(size),
        Ok(httparse::Status::Partial) => Err(Trouble::Broken(std::io::ErrorKind::UnexpectedEof.into())),
        Err(_) => Err(Trouble::NotHttp("a chunk without its size".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that was answered before it was asked.
    struct Tape(std::io::Cursor<Vec<u8>>);

    impl Read for Tape {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(into)
        }
    }

    impl std::io::Write for Tape {
        fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
            Ok(from.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn answered(text: &str) -> Result<Answer, Trouble> {
        let tape = Tape(std::io::Cursor::new(text.as_bytes().to_vec()));
        let request = Request {
            method: "GET",
            target: "/",
            headers: Vec::new(),
            body: b"",
        };
        exchange(tape, &request, Duration::from_secs(1))
    }

    #[test]
    fn reads_a_body_by_length_by_chunks_and_to_the_end() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello-and-more",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello",
        ] {
            assert_eq!(answered(text).unwrap().text(), "hello", "{text}");
        }
        let moved = answered("HTTP/1.1 303 See Other\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!((moved.status, moved.header("location")), (303, Some("/x")));
    }

    #[test]
    fn what_is_cut_off_is_no_answer() {
        for text in [
            "",
            "HTTP/1.1 200",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhello",
        ] {
            assert!(answered(text).is_err(), "{text}");
        }
    }
}
