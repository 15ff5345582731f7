//! One request from nginx to a slot, and its answer back.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::task::spawn_local;

use super::environment::Environment;
use super::failure::{Failure, read_leftover};
use super::flight::{Kind, Ticket};
use super::headers;
use super::route::{Route, Want, find};
use super::tunnel;
use super::upstream::{Link, Relayed, send};

/// Odoo's bytes as they come, or a page of the gate.
pub(crate) type Answer = Response<Either<Relayed, Full<Bytes>>>;

/// Answers one request, counted and with the right connection headers.
pub(crate) async fn answer(environment: Rc<Environment>, request: Request<Incoming>) -> Answer {
    environment.metrics.count(|counters| counters.requests += 1);
    let result = relay(&environment, request).await;
    let mut answer = result.unwrap_or_else(|failure| refuse(&environment, &failure));
    environment.metrics.count_answer(answer.status());
    if environment.is_leaving() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn relay(environment: &Environment, mut request: Request<Incoming>) -> Result<Answer, Failure> {
    if request.method() == Method::CONNECT {
        return Err(Failure::NotProxied);
    }
    let want = Want::of(request.method(), request.uri(), request.headers());
    let route = match find(environment, want).await {
        Ok(route) => route,
        Err(failure) => {
            read_leftover(request);
            return Err(failure);
        }
    };
    let client = (want.kind == Kind::Websocket).then(|| hyper::upgrade::on(&mut request));
    prepare(&mut request, want.kind);
    exchange(environment, route, request, client).await
}

/// Sends the request to the slot it was given, once.
async fn exchange(
    environment: &Environment,
    route: Route<'_>,
    request: Request<Incoming>,
    client: Option<OnUpgrade>,
) -> Result<Answer, Failure> {
    let Route {
        slot,
        stream,
        ticket,
        passed,
        _turn,
    } = route;
    let (response, link) = send(stream, request)
        .await
        .map_err(|source| Failure::Broken { slot, source })?;
    environment.metrics.first_byte(passed.elapsed());
    match client {
        Some(client) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            environment.metrics.count(|counters| counters.websockets += 1);
            Ok(open_tunnel(client, response, link, ticket))
        }
        _ => Ok(pass_on(response, link, ticket)),
    }
}

/// The request as Odoo shall see it; path, `Host` and what nginx said about the client stay as they are.
fn prepare(request: &mut Request<Incoming>, kind: Kind) {
    let no_length = !request.headers().contains_key(CONTENT_LENGTH);
    let unsized_body = no_length && !request.body().is_end_stream();
    headers::prepare_request(request.headers_mut(), kind == Kind::Websocket, unsized_body);
    *request.version_mut() = Version::HTTP_11;
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(path);
    }
}

fn pass_on(mut response: Response<Incoming>, link: Link, ticket: Ticket) -> Answer {
    headers::strip(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response.map(|body| Either::Left(Relayed::new(body, link, ticket)))
}

fn open_tunnel(client: OnUpgrade, mut response: Response<Incoming>, link: Link, ticket: Ticket) -> Answer {
    let slot = hyper::upgrade::on(&mut response);
    let protocol = response.headers().get(UPGRADE).cloned();
    headers::strip(response.headers_mut());
    headers::set_upgrade(
        response.headers_mut(),
        protocol.unwrap_or(HeaderValue::from_static("websocket")),
    );
    link.release();
    spawn_local(tunnel::carry(client, slot, ticket));
    response.map(|_| Either::Right(Full::default()))
}

fn refuse(environment: &Environment, failure: &Failure) -> Answer {
    match failure {
        Failure::Held(_) | Failure::Leaving => environment.metrics.count(|counters| counters.refused += 1),
        Failure::Unreachable { .. } | Failure::Broken { .. } => {
            environment.metrics.count(|counters| counters.errors += 1);
            environment
                .log
                .say(&format!("gate: {}: {failure}", environment.name));
        }
        Failure::NotProxied => {}
    }
    failure.answer().map(Either::Right)
}
