//! `headers` and `static`: every kind of answer carries the security headers, static files come from nginx.
use super::client::{Client, Judged, Step};
use super::http::Answer;
use super::login::{LOGIN, arrives};
use super::page::{Asset, Kind};

/// A file that every series has.
const FILE: &str = "/web/static/img/favicon.ico";

/// One of each kind of location: Odoo's page, Odoo's data, a file, a refusal, the bus.
const PLACES: [&str; 5] = [LOGIN, "/web/health", FILE, "/web/database/manager", "/websocket"];

pub(super) fn static_file(client: &Client<'_>) -> Step<Judged> {
    let asset = Asset {
        kind: Kind::Image,
        path: FILE.to_owned(),
    };
    let answer = arrives(client, &asset)?;
    let url = client.url(FILE);
    let from_nginx = match &client.site.static_mark {
        Some((name, value)) => answer.all(name).any(|seen| seen == value),
        None => answer.header("etag").is_some_and(is_nginxs),
    };
    if from_nginx {
        return Ok(Judged::pass(url, 200, "served by nginx itself"));
    }
    let tag = answer.header("etag").unwrap_or("none");
    Err(Judged::fail(
        url,
        Some(200),
        format!("not served by nginx itself (ETag: {tag})"),
    ))
}

/// nginx's `ETag` is `"time-size"` in hexadecimal, werkzeug's has three parts.
///
/// # Source
/// nginx 1.22 `ngx_http_set_etag`; werkzeug 3 `send_file`.
fn is_nginxs(tag: &str) -> bool {
    let inner = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
    let hexadecimal = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_hexdigit());
    let parts: Vec<&str> = inner.split('-').collect();
    parts.len() == 2 && parts.into_iter().all(hexadecimal)
}

pub(super) fn headers(client: &Client<'_>) -> Step<Judged> {
    for place in PLACES {
        let answer = client.get(place)?;
        let mut missing = missing(&answer, client.site.hsts);
        if place == LOGIN {
            missing.extend(missing_on_page(&answer));
        }
        if !missing.is_empty() {
            let detail = format!("missing: {}", missing.join(", "));
            return Err(Judged::fail(client.url(place), Some(answer.status), detail));
        }
    }
    Ok(Judged::pass(
        client.url(LOGIN),
        200,
        format!("on {} kinds of answers", PLACES.len()),
    ))
}

fn missing(answer: &Answer, hsts: bool) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !answer
        .header("x-content-type-options")
        .is_some_and(|value| value.eq_ignore_ascii_case("nosniff"))
    {
        missing.push("X-Content-Type-Options: nosniff");
    }
    if hsts && answer.header("strict-transport-security").is_none() {
        missing.push("Strict-Transport-Security");
    }
    missing
}

/// What only a page needs: no foreign frame around it, no address given away, a cookie that stays on TLS.
fn missing_on_page(answer: &Answer) -> Vec<&'static str> {
    let mut missing = Vec::new();
    let framed = answer
        .all("content-security-policy")
        .any(|policy| policy.contains("frame-ancestors"));
    if answer.header("x-frame-options").is_none() && !framed {
        missing.push("X-Frame-Options");
    }
    if answer.header("referrer-policy").is_none() {
        missing.push("Referrer-Policy");
    }
    for (flag, name) in [
        ("secure", "Secure on the cookie"),
        ("httponly", "HttpOnly on the cookie"),
        ("samesite", "SameSite on the cookie"),
    ] {
        if !session_cookie_has(answer, flag) {
            missing.push(name);
        }
    }
    missing
}

/// True too when no session cookie was set.
fn session_cookie_has(answer: &Answer, flag: &str) -> bool {
    let mut cookies = answer
        .all("set-cookie")
        .filter(|cookie| cookie.starts_with("session_id="));
    cookies.all(|cookie| {
        cookie
            .split(';')
            .skip(1)
            .any(|part| part.trim().to_ascii_lowercase().starts_with(flag))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn tells_nginxs_tag_from_werkzeugs() {
        for (tag, nginxs) in [
            ("\"65a1-47e\"", true),
            ("W/\"65a1b2c3-47e\"", true),
            ("\"1705312345.0-1150-1234567\"", false),
            ("\"47e\"", false),
            ("\"-\"", false),
        ] {
            assert_eq!(super::is_nginxs(tag), nginxs, "{tag}");
        }
    }
}
