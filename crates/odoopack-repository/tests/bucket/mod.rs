//! A real S3 service on the loopback, `s3s-fs`, behind a wrapper that fails when it is told to.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use odoopack_core::secret::SecretText;
use odoopack_repository::{Access, Bucket, Place};
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

pub(crate) const BUCKET: &str = "backups";
/// A directory of it that is as one with object lock: it takes nothing without a checksum; the rest takes nothing with one, as Cloudflare R2.
pub(crate) const LOCKED: &str = "locked";
/// The access key that may not delete.
pub(crate) const WRITER: (&str, &str) = ("writer", "the-word-of-the-writer");
/// The one that may.
pub(crate) const OWNER: (&str, &str) = ("owner", "the-word-of-the-owner");
/// Pieces of an upload are this big.
const PIECE: u64 = 8 * 1024 * 1024;

/// A repository in the bucket.
pub(crate) fn place(endpoint: &str, prefix: &str, (id, word): (&str, &str)) -> Place {
    Place::Bucket(Bucket {
        endpoint: endpoint.to_owned(),
        name: BUCKET.to_owned(),
        prefix: prefix.to_owned(),
        region: "us-east-1".to_owned(),
        access: Access {
            id: id.to_owned(),
            secret: SecretText::new(word),
        },
        in_host: false,
        object_lock: prefix == LOCKED,
        patient: false,
    })
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The service answers 500.
    Error,
    /// It does not answer before the other side loses its patience.
    Silence,
    /// It promises the whole body and sends half of it.
    HalfBody,
    /// A listing is one from the past.
    StaleList,
    /// An upload in pieces ends well, and its last piece is gone.
    LostPiece,
    /// The service does not know requests with a condition.
    Unconditional,
    /// It does not heed `If-None-Match`.
    Heedless,
    /// The credentials are too old.
    Expired,
    /// It asks for fewer requests.
    Busy,
    /// The line breaks while the request is being sent.
    Reset,
}

/// Says of an answer that the line breaks instead of it.
#[derive(Clone, Copy)]
struct Broken;

/// A request that something goes wrong with: its fault, and how many more times.
type Rule = (Fault, usize, Box<dyn Fn(&Method, &str) -> bool + Send>);

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    /// Every request, as `GET /bucket/key?query`.
    seen: Vec<String>,
    /// The first answer to each listing.
    listings: HashMap<String, Bytes>,
    /// `Some`: what was first written over, of each object.
    versions: Option<HashMap<PathBuf, Vec<u8>>>,
}

/// The running service.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// Where it keeps the objects.
    pub(crate) root: PathBuf,
    state: Arc<Mutex<State>>,
    _keep: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Service {
    pub(crate) fn start() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path().to_owned();
        std::fs::create_dir(root.join(BUCKET)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&root).unwrap());
        let mut auth = SimpleAuth::new();
        for (id, word) in [WRITER, OWNER] {
            auth.register(id.to_owned(), word.into());
        }
        builder.set_auth(auth);
        // Some who ask live under a clock of the test.
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = u32::MAX;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        let inner = builder.build();
        let state = Arc::new(Mutex::new(State::default()));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, directory) = (Arc::clone(&state), root.clone());
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (inner, state, root) = (inner.clone(), Arc::clone(&shared), directory.clone());
                let answer = service_fn(move |request| {
                    let (inner, state, root) = (inner.clone(), Arc::clone(&state), root.clone());
                    async move {
                        let answer = respond(&inner, &state, &root, request).await;
                        match answer.extensions().get::<Broken>() {
                            None => Ok(answer),
                            Some(Broken) => Err(std::io::Error::other("the line broke")),
                        }
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer),
                );
            }
        });
        Self {
            address,
            root,
            state,
            _keep: keep,
            _runtime: runtime,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn place(&self, prefix: &str, access: (&str, &str)) -> Place {
        place(&self.endpoint(), prefix, access)
    }

    /// From now on the next `times` requests that `hit` picks go wrong.
    pub(crate) fn fail(
        &self,
        fault: Fault,
        times: usize,
        hit: impl Fn(&Method, &str) -> bool + Send + 'static,
    ) {
        let mut state = self.state.lock().unwrap();
        state.seen.clear();
        state.rule = Some((fault, times, Box::new(hit)));
    }

    /// From here on the first answer to each listing is the one that a stale list gives again.
    pub(crate) fn remember_from_here(&self) {
        self.state.lock().unwrap().listings.clear();
    }

    /// From here on the bucket keeps what is written over.
    pub(crate) fn keep_versions(&self) {
        self.state.lock().unwrap().versions = Some(HashMap::new());
    }

    /// Brings back the version of each object that was there at [`Self::keep_versions`]; returns how many.
    pub(crate) fn bring_back(&self) -> usize {
        let versions = self.state.lock().unwrap().versions.take().unwrap();
        for (path, content) in &versions {
            std::fs::write(path, content).unwrap();
        }
        versions.len()
    }

    /// Nothing goes wrong any more; returns what was asked since [`Self::fail`], and how many faults are left over.
    pub(crate) fn heal(&self) -> (Vec<String>, usize) {
        let mut state = self.state.lock().unwrap();
        let left = state.rule.take().map_or(0, |rule| rule.1);
        (std::mem::take(&mut state.seen), left)
    }
}

type Answer = Response<http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>>;

fn plain(status: StatusCode, text: &str) -> Answer {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes()));
    let mut answer = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// The fault for a request, when there is one.
fn fault(state: &Mutex<State>, method: &Method, target: &str) -> Option<Fault> {
    let mut state = state.lock().unwrap();
    state.seen.push(format!("{method} {target}"));
    let (fault, left, hit) = state.rule.as_mut()?;
    (*left > 0 && hit(method, target)).then(|| {
        *left -= 1;
        *fault
    })
}

fn denied(key: &str) -> String {
    format!("{key}<Code>AccessDenied</Code><Message>this key may not delete</Message>")
}

/// As S3 answers who may not delete any of several objects: that all went well, with an error for each of them in it.
fn denied_all(asked: &str) -> String {
    let keys = asked
        .split("<Key>")
        .skip(1)
        .filter_map(|rest| rest.split_once("</Key>"));
    let errors: String = keys
        .map(|(key, _)| format!("<Error>{}</Error>", denied(&format!("<Key>{key}</Key>"))))
        .collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><DeleteResult>{errors}</DeleteResult>")
}

/// The first answer that there was to a listing.
fn first_listing(state: &Mutex<State>, target: &str, now: &Bytes) -> Bytes {
    let mut state = state.lock().unwrap();
    let first = state.listings.entry(target.to_owned());
    first.or_insert_with(|| now.clone()).clone()
}

/// Keeps what a request may write over.
fn keep_version(state: &Mutex<State>, root: &Path, method: &Method, target: &str) {
    let mut state = state.lock().unwrap();
    let Some(versions) = state.versions.as_mut() else {
        return;
    };
    let path = root.join(target.split('?').next().unwrap().trim_start_matches('/'));
    if *method != Method::GET && *method != Method::HEAD && path.is_file() {
        versions
            .entry(path.clone())
            .or_insert_with(|| std::fs::read(path).unwrap());
    }
}

/// Takes the last piece from an object that was just put together.
fn lose_piece(root: &Path, target: &str) {
    let key = target.split('?').next().unwrap().trim_start_matches('/');
    let path = root.join(key);
    let size = path.metadata().unwrap().len();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len((size - 1) / PIECE * PIECE).unwrap();
}

fn has_condition(request: &Request<Incoming>) -> bool {
    let conditions = ["if-none-match", "if-match"];
    conditions
        .iter()
        .any(|name| request.headers().contains_key(*name))
}

/// What is answered before the service hears of the request.
async fn instead(fault: Option<Fault>, request: &Request<Incoming>) -> Option<Answer> {
    match fault {
        Some(Fault::Error) => Some(plain(StatusCode::INTERNAL_SERVER_ERROR, "something broke")),
        Some(Fault::Silence) => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            Some(plain(StatusCode::INTERNAL_SERVER_ERROR, "too late"))
        }
        Some(Fault::Unconditional) if has_condition(request) => {
            let error =
                "<Error><Code>NotImplemented</Code><Message>A header that you provided</Message></Error>";
            Some(plain(StatusCode::NOT_IMPLEMENTED, error))
        }
        Some(Fault::Expired) => {
            let error =
                "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
            Some(plain(StatusCode::FORBIDDEN, error))
        }
        Some(Fault::Busy) => {
            let error =
                "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            Some(plain(StatusCode::SERVICE_UNAVAILABLE, error))
        }
        Some(Fault::Reset) => {
            let mut answer = plain(StatusCode::OK, "");
            answer.extensions_mut().insert(Broken);
            Some(answer)
        }
        Some(
            Fault::HalfBody | Fault::StaleList | Fault::LostPiece | Fault::Unconditional | Fault::Heedless,
        )
        | None => None,
    }
}

async fn respond(inner: &S3Service, state: &Mutex<State>, root: &Path, request: Request<Incoming>) -> Answer {
    let method = request.method().clone();
    let target = request.uri().path_and_query().unwrap().to_string();
    let fault = fault(state, &method, &target);
    if let Some(answer) = instead(fault, &request).await {
        return answer;
    }
    if fault == Some(Fault::Heedless) && has_condition(&request) {
        // The headers are signed. As if they were not there: what is there is written over.
        drop(std::fs::remove_file(root.join(target.trim_start_matches('/'))));
    }
    let stores = method == Method::PUT && !request.headers().contains_key("x-amz-copy-source");
    let locked = target.starts_with(&format!("/{BUCKET}/{LOCKED}/"));
    if stores && locked != request.headers().contains_key("x-amz-checksum-sha256") {
        let error =
            "<Error><Code>InvalidRequest</Code><Message>x-amz-checksum- HTTP header</Message></Error>";
        return plain(StatusCode::BAD_REQUEST, error);
    }
    let signed = request
        .headers()
        .get("authorization")
        .map_or("", |value| value.to_str().unwrap_or_default());
    let writer = signed.contains("Credential=writer/");
    if method == Method::DELETE && writer && !target.contains("uploadId=") {
        return plain(StatusCode::FORBIDDEN, &format!("<Error>{}</Error>", denied("")));
    }
    if method == Method::POST && writer && (target.ends_with("?delete") || target.contains("?delete=")) {
        let asked = request.into_body().collect().await.unwrap().to_bytes();
        return plain(StatusCode::OK, &denied_all(&String::from_utf8_lossy(&asked)));
    }
    keep_version(state, root, &method, &target);
    let answer = inner.call(request.map(s3s::Body::from)).await;
    let Ok(answer) = answer else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the service itself failed");
    };
    let (mut parts, body) = answer.into_parts();
    let mut bytes = body.collect().await.unwrap().to_bytes();
    if method == Method::GET && target.contains("list-type=2") {
        let first = first_listing(state, &target, &bytes);
        if fault == Some(Fault::StaleList) {
            bytes = first;
            parts.headers.remove("content-length");
        }
    }
    if fault == Some(Fault::LostPiece) {
        lose_piece(root, &target);
    }
    if fault == Some(Fault::HalfBody) {
        let half = bytes.slice(..bytes.len() / 2);
        let broken = Err(std::io::Error::other("the line broke"));
        let stream = futures_util::stream::iter([Ok(Frame::data(half)), broken]);
        return Response::from_parts(parts, StreamBody::new(stream).boxed_unsync());
    }
    Response::from_parts(
        parts,
        Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
    )
}
