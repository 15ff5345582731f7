//! The rendered `nginx.conf`, read and obeyed by the real nginx.
#![expect(clippy::disallowed_methods, reason = "the test drives the real nginx")]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
use odoopack_core::render::nginx::nginx_conf;
use rig::{PRODUCTION, Response, Rig, STAGING, backend, input};
use support::{must, open_directory, run, text, until};

#[path = "support/nginx_rig.rs"]
mod rig;
mod support;

fn assert_headers(response: &Response, place: &str) {
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
    ] {
        assert_eq!(
            response.headers.get(name).map(String::as_str),
            Some(value),
            "{name} of {place}"
        );
    }
    assert!(response.headers.contains_key("x-frame-options"), "{place}");
    assert!(response.headers.contains_key("x-request-id"), "{place}");
    assert_eq!(response.headers.get("x-robots-tag"), None, "{place}");
    assert_eq!(response.headers["server"], "nginx", "{place} tells the version");
}

#[test]
fn nginx_accepts_the_file_without_a_warning() {
    let rig = Rig::start();
    let conf = rig.path.join("nginx.conf");
    let output = run("nginx", &["-t", "-e", "stderr", "-c", conf.as_str()]);
    let said = text(&output.stderr);
    assert!(
        output.status.success() && !said.contains("[warn]") && !said.contains("[emerg]"),
        "{said}"
    );
}

#[test]
fn static_files_come_from_the_first_addons_directory_and_never_reach_odoo() {
    let rig = Rig::start();
    let own = rig.get("/web/static/own.css");
    assert_eq!((own.status, own.body.as_str()), (200, "own"));
    assert_eq!(own.headers["etag"].matches('-').count(), 1, "nginx's own form");
    assert_eq!(own.headers["cache-control"], "max-age=86400");
    assert_eq!(
        rig.get("/web/static/src/viewer.mjs").headers["content-type"],
        "application/javascript"
    );
    assert_eq!(
        rig.get("/web/static/logo.svg").headers["content-security-policy"],
        "default-src 'none'"
    );
    assert!(
        rig.get("/web/static/missing.png")
            .body
            .contains(r#""by": "gate""#)
    );
    let log = rig.first_logged();
    assert_eq!(
        (&log["upstream"], &log["env"]),
        (&"".into(), &"production".into())
    );
}

#[test]
fn nothing_but_static_is_reachable_and_no_hidden_file() {
    let rig = Rig::start();
    for hidden in [
        "/web/static/.git/config",
        "/web/static/src/../.git/config",
        "/web/static/%2egit/config",
    ] {
        assert_eq!(rig.get(hidden).status, 404, "{hidden}");
    }
    for outside in [
        "/web/__manifest__.py",
        "/web/static/../__manifest__.py",
        "/.env",
        "/web/static/..%2f__manifest__.py",
    ] {
        assert!(!rig.get(outside).body.contains("secret"), "{outside}");
    }
    assert_eq!(
        rig.get("/web/filestore/prod/ab/abcd").status,
        404,
        "attachments are for X-Accel-Redirect only"
    );
}

#[test]
fn the_database_manager_is_closed_in_every_spelling() {
    let rig = Rig::start();
    for path in [
        "/web/database/manager",
        "/web/database",
        "//web/database/manager",
        "/web//database/manager",
        "/Web/DataBase/manager",
        "/web/%64atabase/manager",
        "/web%2fdatabase/manager",
        "/web/./database/selector",
        "/web/static/../database/manager",
        "/fr/web/database/manager",
        "/web/database/backup?x=1",
        "/xmlrpc/2/db",
        "/xmlrpc/db",
        "//xmlrpc/2/db",
    ] {
        assert_eq!(rig.get(path).status, 404, "{path}");
        assert_eq!(rig.post(path).status, 404, "{path}");
    }
    assert_eq!(rig.get("/web/databases_of_ours").status, 200);
    assert_eq!(rig.post("/xmlrpc/2/object").status, 200);
}

#[test]
fn sign_in_attempts_are_limited_and_pages_are_not() {
    let rig = Rig::start();
    let tries: Vec<u16> = (0..20).map(|_| rig.post("/fr/web/login").status).collect();
    assert_eq!(
        tries.iter().filter(|s| **s == 200).count(),
        16,
        "one and a burst of half a minute: {tries:?}"
    );
    let refused = rig.post("/web/session/authenticate");
    assert_eq!(
        (refused.status, refused.headers["retry-after"].as_str()),
        (429, "10")
    );
    assert_headers(&refused, "429");
    for _ in 0..20 {
        assert_eq!(rig.get("/web/login").status, 200);
        assert_eq!(rig.post("/web/dataset/call_kw").status, 200);
        assert_eq!(rig.post("/jsonrpc").status, 200);
        assert_eq!(rig.post("/json/2/res.partner/search").status, 200);
    }
}

#[test]
fn rpc_has_a_wider_limit_of_its_own() {
    let rig = Rig::start();
    let url = format!("https://{PRODUCTION}:{}/jsonrpc?n=[1-200]", rig.input.https_port);
    let place = format!("{PRODUCTION}:{}:127.0.0.1", rig.input.https_port);
    let codes = must(
        "curl",
        &[
            "-sk",
            "--resolve",
            &place,
            "-d",
            "{}",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}\n",
            &url,
        ],
    );
    let good = codes.lines().filter(|c| *c == "200").count();
    assert!(
        (101..150).contains(&good) && codes.contains("429"),
        "{good} of 200"
    );
}

#[test]
fn websockets_are_passed_with_their_headers_and_not_limited() {
    let rig = Rig::start();
    let plain = rig.get("/websocket/health");
    let headers = &serde_json::from_str::<serde_json::Value>(&plain.body).unwrap()["headers"];
    assert_eq!(
        (&headers["upgrade"], &headers["connection"]),
        (&serde_json::Value::Null, &"close".into())
    );
    for _ in 0..30 {
        let more = [
            "--http1.1",
            "-N",
            "-H",
            "Connection: Upgrade",
            "-H",
            "Upgrade: websocket",
            "--max-time",
            "1",
        ];
        let output = rig.raw(
            &more,
            &format!("https://{PRODUCTION}:{}/websocket", rig.input.https_port),
        );
        let answer = text(&output.stdout);
        assert!(
            answer.starts_with("HTTP/1.1 101") && answer.contains("Upgrade: websocket"),
            "{answer}"
        );
    }
    let smuggled = rig.curl(
        &[
            "--http1.1",
            "-H",
            "Connection: Upgrade",
            "-H",
            "Upgrade: websocket",
        ],
        &format!("https://{PRODUCTION}:{}/", rig.input.https_port),
    );
    assert_eq!(smuggled.status, 200, "an upgrade anywhere else is dropped");
}

#[test]
fn every_answer_carries_the_security_headers() {
    let rig = Rig::start();
    for path in [
        "/",
        "/broken",
        "/web/static/own.css",
        "/web/static/.x",
        "/web/database",
        "/websocket/health",
        "/accel",
        "/die",
    ] {
        assert_headers(&rig.get(path), path);
    }
    assert_eq!(
        rig.get("/web").headers["x-frame-options"],
        "DENY",
        "Odoo's own word stands"
    );
    assert_eq!(rig.get("/").headers["x-frame-options"], "SAMEORIGIN");
    let cookie = rig.get("/").headers["set-cookie"].to_lowercase();
    assert!(
        cookie.contains("secure") && cookie.contains("samesite=lax") && cookie.contains("httponly"),
        "{cookie}"
    );
}

#[test]
fn attachments_keep_the_policy_that_odoo_gave_them() {
    let rig = Rig::start();
    let sent = rig.get("/accel");
    assert_eq!((sent.status, sent.body.as_str()), (200, "<svg>attachment</svg>"));
    assert_eq!(sent.headers["content-security-policy"], "default-src 'none'");
    assert_eq!(sent.headers["content-type"], "image/svg+xml");
}

#[test]
fn a_dead_gate_is_bypassed_for_get_and_post_and_used_again_at_once() {
    let mut rig = Rig::start();
    assert!(rig.post("/x").body.contains(r#""by": "gate""#));
    rig.gate.end();
    for left_over in [true, false] {
        for answer in [rig.get("/x"), rig.post("/x"), rig.post("/websocket/x")] {
            assert_eq!(answer.status, 200, "socket file there: {left_over}");
            assert!(answer.body.contains(r#""by": "slot""#), "{}", answer.body);
        }
        if left_over {
            std::fs::remove_file(&rig.input.sites[0].gate_socket).unwrap();
        }
    }
    rig.gate = backend("gate", rig.input.sites[0].gate_socket.as_str());
    until("the gate is back", || {
        rig.get("/x").body.contains(r#""by": "gate""#)
    });
}

#[test]
fn a_request_that_was_received_is_repeated_only_when_that_does_no_harm() {
    let rig = Rig::start();
    assert_eq!(rig.post("/die").status, 502);
    let asked = rig.first_logged();
    assert!(!asked["upstream"].as_str().unwrap().contains(", "), "{asked}");
}

/// A POST that goes out on a kept connection while the gate closes it would be lost.
#[test]
fn no_connection_is_kept_whatever_nginx_does_by_itself() {
    // What nginx says to itself in every `upstream` since 1.29.7.
    let newer = |conf: String| -> String {
        let line = |line: &str| {
            let begins = line.trim_start().starts_with("upstream ");
            format!("{line}\n{}", if begins { "keepalive 32;\n" } else { "" })
        };
        conf.lines().map(line).collect()
    };
    let rig = Rig::start_as(|_| {}, newer);
    for path in ["/x", "/x", "/websocket/x", "/websocket/x"] {
        for answer in [rig.get(path), rig.post(path)] {
            let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!((&said["by"], &said["nth"]), (&"gate".into(), &1.into()), "{path}");
        }
    }
}

#[test]
fn everything_down_is_a_page_that_says_so() {
    let rig = Rig::start();
    let down = rig.curl(&[], &format!("https://{STAGING}:{}/odoo", rig.input.https_port));
    assert_eq!((down.status, down.headers["retry-after"].as_str()), (502, "10"));
    assert_eq!(down.headers["x-robots-tag"], "noindex");
    assert!(down.body.contains("Odoo will be back") && down.headers["content-type"] == "text/html");
    assert_eq!(
        down.headers.get("strict-transport-security"),
        None,
        "not with a certificate of our own"
    );
}

#[test]
fn plain_http_redirects_and_strangers_get_nothing() {
    let rig = Rig::start();
    let (http, https) = (rig.input.http_port, rig.input.https_port);
    let moved = rig.curl(&[], &format!("http://{PRODUCTION}:{http}/web?a=b"));
    assert_eq!(
        (moved.status, &moved.headers["location"]),
        (301, &format!("https://{PRODUCTION}:{https}/web?a=b"))
    );
    let closed = rig.raw(&[], &format!("http://other.example.com:{http}/"));
    assert_eq!(closed.status.code(), Some(52), "curl 52: empty reply");
    let refused = rig.raw(&[], &format!("https://other.example.com:{https}/"));
    assert_eq!(refused.status.code(), Some(35), "curl 35: handshake refused");
    let foreign = rig.curl(
        &[
            "--http1.1",
            "-H",
            "Host: evil.example.com",
            "--request-target",
            &format!("https://{PRODUCTION}/"),
        ],
        &format!("https://{PRODUCTION}:{https}/"),
    );
    assert_eq!(foreign.status, 421, "{}", foreign.body);
}

#[test]
fn odoo_is_told_the_truth_about_the_client_and_the_log_keeps_no_token() {
    let rig = Rig::start();
    let port = rig.input.https_port;
    let lies = [
        "-H",
        "X-Forwarded-For: 1.2.3.4",
        "-H",
        "X-Real-IP: 1.2.3.4",
        "-H",
        "X-Forwarded-Host: evil",
    ];
    let answer = rig.curl(&lies, &format!("https://{PRODUCTION}:{port}/a%20b?token=secret"));
    let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let headers = &said["headers"];
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers["host"], format!("{PRODUCTION}:{port}"));
    assert_eq!(headers["x-forwarded-host"], headers["host"]);
    assert_eq!(said["path"], "/a%20b?token=secret", "passed as it came");
    assert_eq!(headers["x-request-id"], answer.headers["x-request-id"]);
    let entry = rig.first_logged();
    assert_eq!(
        (&entry["path"], &entry["status"], &entry["id"]),
        (&"/a%20b".into(), &200.into(), &headers["x-request-id"])
    );
    assert!(!entry.to_string().contains("secret"));
}

#[test]
fn the_inner_port_serves_reports_without_tls_and_without_the_manager() {
    let rig = Rig::start();
    let url = |path: &str| {
        format!(
            "http://127.0.0.1:{}{path}",
            rig.input.sites[0].inner.clone().unwrap().1
        )
    };
    let page = rig.curl(&[], &url("/report/html/x"));
    assert!(page.body.contains(r#""by": "gate""#) && page.body.contains(r#""x-forwarded-proto": "http""#));
    assert_eq!(rig.curl(&[], &url("/web/static/own.css")).body, "own");
    assert_eq!(rig.curl(&[], &url("/accel")).body, "<svg>attachment</svg>");
    assert_eq!(rig.curl(&[], &url("/web/database/manager")).status, 404);
    assert_eq!(rig.first_logged()["env"], "production");
}

#[test]
fn bodies_over_the_limit_are_refused_and_others_arrive_whole() {
    let rig = Rig::start();
    let url = format!("https://{PRODUCTION}:{}/upload", rig.input.https_port);
    for (size, status) in [(1_000_000, 200), (1_100_000, 413)] {
        let file = rig.path.join("upload");
        std::fs::write(&file, vec![b'x'; size]).unwrap();
        let answer = rig.curl(&["--data-binary", &format!("@{file}"), "-H", "Expect:"], &url);
        assert_eq!(answer.status, status);
        assert!(status != 200 || answer.body.contains(&format!(r#""body": {size}"#)));
    }
}

#[test]
fn old_versions_get_the_directives_they_know() {
    let (_directory, path) = open_directory();
    let mut input = input(&path);
    input.version = (1, 18, 0);
    let old = nginx_conf(&input);
    assert!(
        !old.contains("ssl_reject_handshake")
            && !old.contains("proxy_cookie_flags")
            && old.contains("ssl http2")
    );
    input.version = (1, 26, 3);
    let new = nginx_conf(&input);
    assert!(new.contains("http2 on;") && !new.contains("ssl http2"));
}
