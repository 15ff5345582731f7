//! Connections to a given address under a given name, with one deadline for everything that happens on them.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Nobody listens, or no way there.
    #[error("no connection to {address}: {source}")]
    NotReached {
        /// Where it was tried.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No agreement on TLS, mostly a certificate that is not trusted.
    #[error("TLS failed: {0}")]
    Tls(std::io::Error),
    /// The name cannot stand in a certificate.
    #[error("`{0}` is no host name")]
    NoName(String),
    /// The authority's text, or the system's store, holds no certificate.
    #[error("{0} holds no certificate to trust")]
    NoAuthority(String),
    /// Took too long.
    #[error("no complete answer within {0} s")]
    Late(u64),
    /// The connection ended early.
    #[error("the connection broke: {0}")]
    Broken(std::io::Error),
    /// Something that is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    /// More than anybody should read.
    #[error("the answer is longer than {0} MiB")]
    TooLong(u64),
}

/// Both directions of a connection.
pub(super) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A TLS connection whose certificate was verified.
pub(super) type Tls = StreamOwned<ClientConnection, Timed>;

/// Connects without TLS.
pub(super) fn plain(address: SocketAddr, patience: Duration) -> Result<Timed, Trouble> {
    let stream = TcpStream::connect_timeout(&address, patience)
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|source| NotReached { address, source })?;
    Ok(Timed {
        stream,
        until: Instant::now() + patience,
    })
}

use Trouble::NotReached;

/// Connects with TLS: to `address`, but asking for `name` and believing only a certificate for it.
pub(super) fn tls(
    address: SocketAddr,
    name: &str,
    trust: &Arc<ClientConfig>,
    patience: Duration,
) -> Result<Tls, Trouble> {
    let wanted = ServerName::try_from(name.to_owned()).map_err(|_| Trouble::NoName(name.to_owned()))?;
    let mut stream = plain(address, patience)?;
    let failed = |e: rustls::Error| Trouble::Tls(std::io::Error::other(e));
    let mut session = ClientConnection::new(Arc::clone(trust), wanted).map_err(failed)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream).map_err(|e| {
            if is_late(&e) {
                late(patience)
            } else {
                Trouble::Tls(e)
            }
        })?;
    }
    Ok(StreamOwned::new(session, stream))
}

/// What a failed read or write means for a connection that was given `patience`.
pub(super) fn broken(error: std::io::Error, patience: Duration) -> Trouble {
    if is_late(&error) {
        late(patience)
    } else {
        Trouble::Broken(error)
    }
}

fn late(patience: Duration) -> Trouble {
    Trouble::Late(patience.as_secs())
}

/// A blocking socket whose time is over reports `WouldBlock` (`socket(7)`, `SO_RCVTIMEO`).
fn is_late(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    )
}

/// A connection that fails once its time is over, however the bytes trickle in.
#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> std::io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(std::io::ErrorKind::TimedOut.into())
        } else {
            Ok(Some(left))
        }
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(from)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// Whom to believe: the authority given as PEM, else the system's store.
pub(super) fn trust(authority: Option<&str>) -> Result<Arc<ClientConfig>, Trouble> {
    let store = match authority {
        Some(pem) => {
            let given = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
            filled("the authority's file", given)?
        }
        None => system_store()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Trouble::Tls(std::io::Error::other(e)))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn system_store() -> Result<RootCertStore, Trouble> {
    filled(
        "the system's certificate store",
        rustls_native_certs::load_native_certs().certs,
    )
}

/// A certificate that cannot be read is left out, as OpenSSL does: stores hold odd old ones.
fn filled(
    place: &str,
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<RootCertStore, Trouble> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    if store.is_empty() {
        Err(Trouble::NoAuthority(place.to_owned()))
    } else {
        Ok(store)
    }
}
