//! `websocket`: the bus accepts a handshake through everything that stands in front of it.
use super::client::{Client, Judged, Step};
use super::login::login_page;

/// The example key of RFC 6455, section 1.3, and the answer that it must have.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Sent when the login page names none; the handshake succeeds with any version, only the talk after it may not.
///
/// # Source
/// `addons/bus/websocket.py` 19.0, `_serve_forever`: `OUTDATED_VERSION` is sent after the handshake.
const FALLBACK: &str = "19.0-1";

pub(super) fn websocket(client: &Client<'_>) -> Step<Judged> {
    let version = login_page(client)
        .ok()
        .and_then(|page| version(&page))
        .unwrap_or_else(|| FALLBACK.to_owned());
    let target = format!("/websocket?version={version}");
    let answer = client.get_with(&target, handshake(client))?;
    let url = client.url(&target);
    if answer.status != 101 {
        return Err(Judged::instead(url, &answer, "101 Switching Protocols"));
    }
    match answer.header("sec-websocket-accept").map(str::trim) {
        Some(ACCEPT) => Ok(Judged::pass(url, 101, "handshake accepted")),
        other => {
            let detail = format!(
                "101, but `Sec-WebSocket-Accept` is {}",
                other.unwrap_or("missing")
            );
            Err(Judged::fail(url, Some(101), detail))
        }
    }
}

/// # Source
/// `addons/bus/websocket.py` `_REQUIRED_HANDSHAKE_HEADERS`; Host and Origin have to agree.
fn handshake(client: &Client<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("Origin", client.site.base()),
        ("Connection", "Upgrade".to_owned()),
        ("Upgrade", "websocket".to_owned()),
        ("Sec-WebSocket-Version", "13".to_owned()),
        ("Sec-WebSocket-Key", KEY.to_owned()),
    ]
}

/// The version that the page's session information names.
fn version(page: &str) -> Option<String> {
    let (_, after) = page.split_once("\"websocket_worker_version\":")?;
    let text = after.trim_start().strip_prefix('"')?.split('"').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~' | '+');
    (!text.is_empty() && text.chars().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_login_page_names_the_version() {
        let page = include_str!("fixtures/login-19.0.html");
        assert_eq!(super::version(page).as_deref(), Some("19.0-2"));
        assert_eq!(super::version("\"websocket_worker_version\": \"a b\""), None);
    }
}
