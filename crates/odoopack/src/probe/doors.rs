//! `manager` and `redirect`: what must be closed is closed, what must lead on leads on.
use super::client::{Client, Judged, Step, came};
use super::login::LOGIN;

/// Ways to the database manager; the odd ones pass filters that look at the text before nginx tidies it.
const WAYS: [&str; 4] = [
    "/web/database/manager",
    "/web/database/selector",
    "//web/database/manager",
    "/web/database%2Fmanager",
];

/// A page of Odoo's own that says no is not enough: with a changed `list_db` it says yes.
pub(super) fn manager(client: &Client<'_>) -> Step<Judged> {
    let mut last = 404;
    for way in WAYS {
        let answer = client.get(way)?;
        if !matches!(answer.status, 403 | 404) {
            let wanted = "403 or 404 from the web server";
            return Err(Judged::instead(client.url(way), &answer, wanted));
        }
        last = answer.status;
    }
    Ok(Judged::pass(
        client.url(WAYS[0]),
        last,
        format!("refused in {} ways to write it", WAYS.len()),
    ))
}

pub(super) fn redirect(client: &Client<'_>) -> Step<Judged> {
    let url = client.site.plain_base() + LOGIN;
    let answer = client.get_plain(LOGIN)?;
    let wanted = client.url(LOGIN);
    let leads = answer.header("location") == Some(wanted.as_str());
    if matches!(answer.status, 301 | 302 | 307 | 308) && leads {
        return Ok(Judged::pass(url, answer.status, format!("leads to {wanted}")));
    }
    Err(Judged::fail(
        url,
        Some(answer.status),
        format!("expected the way to {wanted}, got {}", came(&answer)),
    ))
}
