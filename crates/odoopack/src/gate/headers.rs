//! Headers that belong to one connection and not to the message (RFC 9110, 7.6.1).

use hyper::HeaderMap;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Removed from every message, whatever its `Connection` says.
const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Never removed because `Connection` names them: a client could strip what nginx added for Odoo.
const END_TO_END: [HeaderName; 6] = [AUTHORIZATION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, REAL_IP];

/// Removes what the next hop must not see.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Makes a request fit for its own connection to Odoo, which serves one request per connection.
///
/// `Expect` ends here: the client is told to continue when the slot starts to read.
pub(crate) fn prepare_request(headers: &mut HeaderMap, upgrade: bool, unsized_body: bool) {
    let upgrade = if upgrade {
        headers.get(UPGRADE).cloned()
    } else {
        None
    };
    let trailers = has_token(headers, &TE, "trailers");
    strip(headers);
    headers.remove(EXPECT);
    if unsized_body {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(protocol) = upgrade {
        set_upgrade(headers, protocol);
    } else if trailers {
        headers.insert(CONNECTION, HeaderValue::from_static("close, te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Says that this connection changes its protocol.
pub(crate) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Whether a request asks to become a websocket.
pub(crate) fn wants_websocket(headers: &HeaderMap) -> bool {
    has_token(headers, &CONNECTION, "upgrade") && has_token(headers, &UPGRADE, "websocket")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !END_TO_END.contains(name) && !name.as_str().starts_with("x-forwarded-"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn removes_what_belongs_to_the_connection_and_what_it_names() {
        let mut map = headers(&[
            ("connection", "keep-alive, X-Mine"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-mine", "1"),
            ("accept", "*/*"),
        ]);
        strip(&mut map);
        assert_eq!(names(&map), ["accept"]);
    }

    #[test]
    fn a_client_cannot_strip_what_nginx_added() {
        let mut map = headers(&[
            ("connection", "host, x-forwarded-for, x-real-ip, cookie"),
            ("host", "erp.example.com"),
            ("x-forwarded-for", "203.0.113.7"),
            ("x-real-ip", "203.0.113.7"),
            ("cookie", "session_id=1"),
        ]);
        strip(&mut map);
        assert_eq!(names(&map), ["cookie", "host", "x-forwarded-for", "x-real-ip"]);
    }

    #[test]
    fn an_upgrade_is_carried_only_where_it_is_wanted() {
        let asked = [("connection", "Upgrade"), ("upgrade", "WebSocket")];
        let mut map = headers(&asked);
        assert!(wants_websocket(&map));
        prepare_request(&mut map, true, false);
        assert_eq!(
            (&map[CONNECTION], &map[UPGRADE]),
            (&"upgrade".parse().unwrap(), &"WebSocket".parse().unwrap())
        );
        let mut map = headers(&asked);
        prepare_request(&mut map, false, false);
        assert_eq!(names(&map), ["connection"]);
    }

    #[test]
    fn an_upgrade_to_something_else_is_no_websocket() {
        assert!(!wants_websocket(&headers(&[
            ("connection", "upgrade"),
            ("upgrade", "h2c")
        ])));
        assert!(!wants_websocket(&headers(&[("upgrade", "websocket")])));
    }
}
