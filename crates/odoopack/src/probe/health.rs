//! `health`: Odoo's own word that it and, where it looks, the database server answer.
use std::time::Duration;

use super::client::{Client, Judged, Step};

/// With `db_server_status` Odoo opens a connection to database `postgres`.
///
/// # Source
/// `addons/web/controllers/home.py` (17.0 to 19.0): 500 and `fail` when the server cannot be reached. Commits of 17.0 and 18.0
/// from before odoo/odoo#182537 do not look and leave `db_server_status` out. It says nothing about the environment's own
/// database; `login` does.
const HEALTH: &str = "/web/health?db_server_status=1";

/// A probe that runs every few minutes must not wait for a minute itself.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn health(client: &Client<'_>) -> Step<Judged> {
    let answer = client.get_within(HEALTH, PATIENCE)?;
    let url = client.url(HEALTH);
    let body = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
    if answer.status == 200 && body["status"] == "pass" {
        let detail = if body["db_server_status"] == true {
            "Odoo and the database server answer"
        } else {
            "Odoo answers; this version does not say whether the database server does"
        };
        return Ok(Judged::pass(url, 200, detail));
    }
    Err(Judged::instead(url, &answer, "200 with status pass"))
}

/// An address of the module that keeps sessions elsewhere than in files; Odoo itself goes on without a module that failed to load.
const SESSIONS: &str = "/odoopack/sessions";

pub(super) fn sessions(client: &Client<'_>, place: &str) -> Step<Judged> {
    let url = client.url(SESSIONS);
    let answer = client.get_within(SESSIONS, PATIENCE)?;
    if answer.status == 200 {
        return Ok(Judged::pass(url, 200, format!("sessions are {place}")));
    }
    Err(Judged::instead(
        url,
        &answer,
        &format!("200 of the module that keeps sessions {place}"),
    ))
}
