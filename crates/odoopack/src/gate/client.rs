//! Asking the gate something from the rest of the binary, without async.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::gate::{Refusal, Request, Response, parse_answer};

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody listens: the gate does not run.
    #[error("the gate does not answer at `{control}`")]
    Absent { control: Utf8PathBuf, source: io::Error },
    /// The connection broke or `timeout` passed; whether the request was carried out is unknown.
    #[error("the gate at `{control}` broke off")]
    Broken { control: Utf8PathBuf, source: io::Error },
    /// It answered something else than this protocol.
    #[error("the answer of the gate at `{control}` cannot be read")]
    Unreadable {
        control: Utf8PathBuf,
        source: serde_json::Error,
    },
    /// It answered, and did nothing.
    #[error("the gate refused: {0}")]
    Refused(Refusal),
}

/// Asks the gate one thing and waits for its answer.
///
/// # Units
/// `timeout` is how long the gate may stay silent; a drain needs more than its own seconds.
pub(crate) fn call(control: &Utf8Path, request: &Request, timeout: Duration) -> Result<Response, CallError> {
    let stream = UnixStream::connect(control).map_err(|source| CallError::Absent {
        control: control.to_owned(),
        source,
    })?;
    let line = exchange(stream, request, timeout).map_err(|source| CallError::Broken {
        control: control.to_owned(),
        source,
    })?;
    parse_answer(&line)
        .map_err(|source| CallError::Unreadable {
            control: control.to_owned(),
            source,
        })?
        .map_err(CallError::Refused)
}

fn exchange(mut stream: UnixStream, request: &Request, timeout: Duration) -> io::Result<String> {
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all((request.to_line() + "\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    if line.is_empty() {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A gate that says `answer` to whatever it is asked.
    fn gate_that_says(answer: &'static str) -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path())
            .unwrap()
            .join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(stream.try_clone().unwrap())
                .read_line(&mut String::new())
                .unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        (directory, path)
    }

    fn ask(path: &Utf8Path) -> Result<Response, CallError> {
        call(path, &Request::Reload {}, Duration::from_secs(5))
    }

    #[test]
    fn brings_the_answer() {
        let line = "{\"answer\":\"released\",\"environment\":\"p\",\"held\":2,\"protocol\":1}\n";
        let (_directory, path) = gate_that_says(line);
        assert_eq!(
            ask(&path).unwrap(),
            Response::Released {
                environment: "p".to_owned(),
                held: 2
            }
        );
    }

    #[test]
    fn tells_a_refusal_from_silence_and_absence() {
        let (_directory, path) = gate_that_says("{\"error\":\"no\",\"hint\":\"yes\",\"protocol\":1}\n");
        assert!(matches!(ask(&path), Err(CallError::Refused(_))));
        let (_directory, path) = gate_that_says("");
        assert!(matches!(ask(&path), Err(CallError::Broken { .. })));
        let (_directory, path) = gate_that_says("hello\n");
        assert!(matches!(ask(&path), Err(CallError::Unreadable { .. })));
        let nowhere = Utf8Path::new("/nonexistent/control.sock");
        assert!(matches!(ask(nowhere), Err(CallError::Absent { .. })));
    }
}
