//! `sign_in`: the administrator can sign in; the session is given back at the end.
use serde_json::{Value, json};

use super::SignIn;
use super::client::{Client, Judged, Step, came};
use super::http::Answer;

const AUTHENTICATE: &str = "/web/session/authenticate";
const DESTROY: &str = "/web/session/destroy";

pub(super) fn sign_in(client: &Client<'_>) -> Step<Judged> {
    let url = client.url(AUTHENTICATE);
    let Some(who) = &client.site.sign_in else {
        return Ok(Judged::skip(url, "nobody to sign in as"));
    };
    let uid = open(client, who)?;
    Ok(Judged::pass(
        url,
        200,
        format!("signed in as {} (user {uid})", who.login),
    ))
}

/// Makes sure that there is a session.
pub(super) fn ensure(client: &Client<'_>, who: &SignIn) -> Step<()> {
    if client.session.borrow().is_some() {
        Ok(())
    } else {
        open(client, who).map(|_| ())
    }
}

fn open(client: &Client<'_>, who: &SignIn) -> Step<u64> {
    let parameters =
        json!({ "db": client.site.database, "login": who.login, "password": who.password.expose() });
    let answer = client.post(
        AUTHENTICATE,
        &json!({ "jsonrpc": "2.0", "method": "call", "params": parameters }),
    )?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match (answer.status, uid(&body), cookie(&answer)) {
        (200, Some(uid), Some(session)) => {
            client.session.replace(Some(session));
            Ok(uid)
        }
        // The password is right; that more is asked for is no fault.
        (200, None, _) if body.pointer("/result/uid").is_some_and(Value::is_null) => {
            let detail = format!(
                "`{}` has a second factor: a probe cannot sign in as this user",
                who.login
            );
            Err(Judged::skip(client.url(AUTHENTICATE), detail))
        }
        _ => Err(Judged::fail(
            client.url(AUTHENTICATE),
            Some(answer.status),
            refusal(who, &answer, &body),
        )),
    }
}

fn uid(body: &Value) -> Option<u64> {
    body.pointer("/result/uid").and_then(Value::as_u64)
}

/// Odoo answers 200 to a refused sign-in, with the error inside.
fn refusal(who: &SignIn, answer: &Answer, body: &Value) -> String {
    match body
        .pointer("/error/data/message")
        .or_else(|| body.pointer("/error/message"))
        .and_then(Value::as_str)
    {
        Some(message) => format!("signing in as `{}` was refused: {message}", who.login),
        None => format!("expected a user's number and a session, got {}", came(answer)),
    }
}

fn cookie(answer: &Answer) -> Option<String> {
    let value = answer
        .all("set-cookie")
        .find_map(|cookie| cookie.strip_prefix("session_id="))?;
    value
        .split(';')
        .next()
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

/// Ends the session if there is one; that it failed harms nobody, sessions end by themselves after a week.
pub(super) fn sign_out(client: &Client<'_>) {
    if client.session.borrow().is_some() {
        let call = json!({ "jsonrpc": "2.0", "method": "call", "params": {} });
        drop(client.post(DESTROY, &call));
        client.session.replace(None);
    }
}
