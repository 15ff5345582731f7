//! A websocket after its handshake: bytes in both directions until one side ends.

use std::io;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, copy_buf, split};

use super::flight::Ticket;

/// Buffer per direction; there may be thousands of idle websockets.
const BUFFER: usize = 4 * 1024;

/// Carries a websocket until one side ends or its slot closes them.
///
/// A side that breaks off is an ordinary end: browsers leave without a word.
pub(crate) async fn carry(client: OnUpgrade, slot: OnUpgrade, ticket: Ticket) {
    tokio::select! {
        _ = relay(client, slot) => {}
        () = ticket.closed() => {}
    }
}

async fn relay(client: OnUpgrade, slot: OnUpgrade) -> Result<(), Ended> {
    let (client, slot) = (opened(client).await?, opened(slot).await?);
    let ((from_client, to_client), (from_slot, to_slot)) = (split(client), split(slot));
    tokio::select! {
        ended = one_way(from_client, to_slot) => ended?,
        ended = one_way(from_slot, to_client) => ended?,
    }
    Ok(())
}

/// Why a tunnel ended early; nobody acts on it.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the handshake was not finished")]
    Handshake(#[from] hyper::Error),
    #[error("the connection broke")]
    Broken(#[from] io::Error),
}

async fn opened(side: OnUpgrade) -> Result<TokioIo<Upgraded>, Ended> {
    Ok(TokioIo::new(side.await?))
}

/// Copies until the end of one side and passes the end on; the other direction has nothing left to say then.
async fn one_way(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    copy_buf(&mut BufReader::with_capacity(BUFFER, from), &mut to).await?;
    to.shutdown().await
}
