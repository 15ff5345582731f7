//! What people may send and how long they may wait is as before, or it is said.
use super::{Case, SEED_NGINX, seed};
use crate::units::Bytes;

/// The seed's nginx with another text in the place of its limits.
fn with(limits: &str) -> String {
    let (before, rest) = SEED_NGINX.split_once("    client_max_body_size").unwrap();
    let (_, after) = rest.split_once("proxy_send_timeout 720s;\n").unwrap();
    format!("{before}    {limits}\n{after}")
}

#[test]
fn the_seeds_limits_stay_or_their_change_is_said() {
    let (adoption, spec) = seed().spec();
    assert_eq!(spec.web.body_limit, Bytes::mib(128));
    for name in ["proxy_read_timeout", "proxy_send_timeout"] {
        let kept = (format!("`{name}` of nginx"), "720s".to_owned());
        assert!(adoption.kept.contains(&kept), "{:#?}", adoption.kept);
    }
    let changes: Vec<&str> = adoption.changes.iter().map(|(what, _)| what.as_str()).collect();
    let connect = "`proxy_connect_timeout 720s` of nginx (0.conf:24) is 5s";
    assert!(changes.contains(&connect), "{changes:#?}");
    let upload = |what: &&&str| what.contains("`client_max_body_size 100M`");
    assert_eq!(changes.iter().filter(upload).count(), 1, "{changes:#?}");
}

/// What `body_limit` becomes, and what is said of the limits of nginx.
fn is(text: &str, limit: u64, said: &str) {
    let case = Case {
        nginx: &[text],
        ..seed()
    };
    let (adoption, spec) = case.spec();
    assert_eq!(spec.web.body_limit, Bytes::mib(limit), "{text}");
    let changes: Vec<&str> = adoption.changes.iter().map(|(what, _)| what.as_str()).collect();
    let found: Vec<&&str> = changes
        .iter()
        .filter(|what| what.contains(" of nginx ("))
        .collect();
    assert_eq!(
        found,
        Vec::from_iter((!said.is_empty()).then_some(&said)),
        "{text}"
    );
}

#[test]
fn more_than_usual_is_carried_over_or_said() {
    let whole = |outer: &str, inner: &str| format!("http {{ {outer}\n{}\n}}", with(inner));
    for (text, limit, said) in [
        (with("client_max_body_size 128m;"), 128, ""),
        (with("client_max_body_size 1g;"), 1024, ""),
        (with("client_max_body_size 1500000k;"), 1465, ""),
        (
            with("client_max_body_size 0;"),
            128,
            "`client_max_body_size 0` of nginx (0.conf:22) is 128MiB",
        ),
        (
            with("proxy_read_timeout 1h;"),
            128,
            "`proxy_read_timeout 1h` of nginx (0.conf:22) is 720s",
        ),
        (
            with("location /up { proxy_pass http://odoo; client_max_body_size 2g; }"),
            2048,
            "",
        ),
        (
            with("location /websocket { proxy_read_timeout 1d; proxy_pass http://odoo_im; }"),
            128,
            "",
        ),
        (
            with(
                "location /n8n { proxy_pass http://n8n:5678; client_max_body_size 5g; proxy_read_timeout 24h; }",
            ),
            128,
            "",
        ),
        (
            with("proxy_read_timeout 1h30m;"),
            128,
            "`proxy_read_timeout 1h30m` of nginx (0.conf:22) is 720s",
        ),
        // Odoo's own server wins over what is around it, and another one's does not count.
        (whole("client_max_body_size 3g;", ""), 3072, ""),
        (
            whole("client_max_body_size 3g;", "client_max_body_size 1g;"),
            1024,
            "",
        ),
        (
            whole("server { client_max_body_size 9g; proxy_read_timeout 9h; }", ""),
            128,
            "",
        ),
    ] {
        is(&text, limit, said);
    }
}
