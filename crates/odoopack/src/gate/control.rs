//! The control socket: one JSON line asked, one JSON line answered.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use odoopack_core::gate::{Refusal, Request, answer_line};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::commands;
use super::server::Gate;

/// Longest line; a hold may carry a whole page.
const MAX_LINE: u64 = 256 * 1024;

/// Pause after a failed `accept`: without file descriptors it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the control socket until the gate ends.
pub(crate) async fn serve(gate: Rc<Gate>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                spawn_local(converse(Rc::clone(&gate), stream));
            }
            Err(error) => {
                gate.log.say(&format!("gate: control: cannot accept: {error}"));
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one client until it leaves; a client that breaks off has nobody to be told.
async fn converse(gate: Rc<Gate>, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Ok(Some(line)) = next_line(&mut reader).await {
        let fits = line.ends_with('\n');
        if answer(&gate, &line, &mut writer).await.is_err() || !fits {
            return;
        }
    }
}

/// The next line, cut at the limit; `None` at the end.
async fn next_line(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = reader.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}

async fn answer(gate: &Rc<Gate>, line: &str, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let answer = match parse(line) {
        Ok(request) => commands::execute(gate, request).await,
        Err(refusal) => Err(refusal),
    };
    writer.write_all((answer_line(&answer) + "\n").as_bytes()).await
}

fn parse(line: &str) -> Result<Request, Refusal> {
    if line.len() as u64 >= MAX_LINE {
        return Err(Refusal::new(
            format!("the request is longer than {MAX_LINE} bytes"),
            "send a smaller page",
        ));
    }
    Request::parse(line)
}
