//! Probes against a site that answers as a test says.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use odoopack_core::secret::SecretText;

use super::server::{Asked, answer, answer_with, nobody, start};
use super::{Probe, Seen, SignIn, Site, Verdict, all_pass, run, wait_until_pass};

const PAGE: &str = include_str!("fixtures/login-19.0.html");
const STYLED: &str = "%PDF-1.4\n/FontName /A+Lato-Regular\n";

/// A site as it should be.
fn healthy(asked: &Asked) -> Vec<u8> {
    let safe = [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Referrer-Policy", "same-origin"),
    ];
    let with = |status, kind, body: &str, more: &[(&str, &str)]| {
        let headers = [&[("Content-Type", kind)], &safe[..], more].concat();
        answer_with(status, &headers, body)
    };
    let cookie = (
        "Set-Cookie",
        "session_id=abc; Path=/; HttpOnly; Secure; SameSite=Lax",
    );
    let path = asked.target.split('?').next().unwrap_or_default();
    match path {
        "/web/health" => with(
            200,
            "application/json",
            r#"{"status": "pass", "db_server_status": true}"#,
            &[],
        ),
        "/odoopack/sessions" => with(200, "application/json", r#"{"good": true}"#, &[]),
        "/web/login" => with(200, "text/html; charset=utf-8", PAGE, &[cookie]),
        "/web/assets/15213f5/web.assets_frontend.min.css" => {
            with(200, "text/css", "a{background:url(/web/x.png)}", &[])
        }
        "/web/binary/company_logo" | "/web/x.png" => with(200, "image/png", "png", &[]),
        "/web/static/img/favicon.ico" => with(200, "image/x-icon", "ico", &[("ETag", "\"65a1b2c3-3\"")]),
        "/websocket" if asked.header("sec-websocket-key").is_some() => handshake(asked),
        "/web/session/authenticate" => with(200, "application/json", &authenticated(asked), &[cookie]),
        "/web/session/destroy" => with(200, "application/json", "{}", &[]),
        "/report/pdf/base.report_irmodeloverview/1" if asked.header("cookie") == Some("session_id=abc") => {
            with(200, "application/pdf", STYLED, &[])
        }
        path if path.contains(".min.js") => with(200, "text/javascript", "js", &[]),
        path if path.contains("/fonts/") => with(200, "font/woff2", "font", &[]),
        _ => with(404, "text/html", "<h1>Not Found</h1>", &[]),
    }
}

fn handshake(asked: &Asked) -> Vec<u8> {
    assert_eq!(asked.header("connection"), Some("Upgrade"));
    assert_eq!(asked.target, "/websocket?version=19.0-2");
    b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n".to_vec()
}

fn authenticated(asked: &Asked) -> String {
    assert_eq!(asked.method, "POST");
    let right = asked.body.contains(r#""password":"right""#);
    if right {
        r#"{"result": {"uid": 2}}"#
    } else {
        r#"{"error": {"data": {"message": "Access Denied"}}}"#
    }
    .to_owned()
}

fn site(answering: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Site {
    let mut site = start("erp.test", 60, Arc::new(answering));
    site.sign_in = Some(SignIn {
        login: "admin".to_owned(),
        password: SecretText::new("right"),
    });
    site
}

/// A healthy site except for one path.
fn site_but(path: &'static str, instead: Vec<u8>) -> Site {
    site(move |asked| {
        if asked.target == path {
            instead.clone()
        } else {
            healthy(asked)
        }
    })
}

fn ask(site: &Site, probe: Probe) -> Seen {
    run(site, &[probe]).remove(0)
}

#[test]
fn a_healthy_site_passes_every_probe() {
    let mut site = site(healthy);
    site.http = {
        let https = site.address.port();
        let leads = format!("https://erp.test:{https}/web/login");
        start(
            "erp.test",
            60,
            Arc::new(move |_| answer_with(301, &[("Location", &leads)], "")),
        )
        .http
    };
    let seen = run(&site, &Probe::ALL);
    let told: Vec<String> = seen
        .iter()
        .map(|one| format!("{} {:?} {}", one.probe, one.verdict, one.detail))
        .collect();
    assert!(all_pass(&seen), "{told:#?}");
    assert_eq!(seen.len(), Probe::ALL.len());
    assert_eq!(seen[3].detail, "sessions are in Redis");
    assert_eq!(seen[4].detail, "7 files, 0 KiB");
    assert!(seen.iter().all(|one| one.verdict == Verdict::Pass), "{told:#?}");
}

/// A healthy site where one path answers otherwise fails `probe` with this detail.
fn check(probe: Probe, path: &'static str, instead: Vec<u8>, expected: &str) {
    let seen = ask(&site_but(path, instead), probe);
    assert_eq!((seen.verdict, seen.detail.as_str()), (Verdict::Fail, expected));
    assert!(seen.url.ends_with(path), "{} {path}", seen.url);
}

fn html(status: u16, body: &str) -> Vec<u8> {
    answer(status, "text/html", body)
}

const HEALTH: &str = "/web/health?db_server_status=1";
const STYLE: &str = "/web/assets/15213f5/web.assets_frontend.min.css";
const REPORT: &str = "/report/pdf/base.report_irmodeloverview/1";
const BUS: &str = "/websocket?version=19.0-2";

#[test]
fn health_says_what_came_instead() {
    let away = answer_with(303, &[("Location", "/web/database/selector")], "");
    let wanted = "expected 200 with status pass, got";
    check(
        Probe::Health,
        HEALTH,
        away,
        &format!("{wanted} 303 to /web/database/selector"),
    );
    check(
        Probe::Health,
        HEALTH,
        html(502, "<h1>Bad  Gateway</h1>"),
        &format!("{wanted} 502 with `Bad Gateway`"),
    );
}

#[test]
fn health_claims_no_more_than_odoo_said() {
    let old = site_but(HEALTH, answer(200, "application/json", r#"{"status": "pass"}"#));
    let seen = ask(&old, Probe::Health);
    assert_eq!(
        (seen.verdict, seen.detail.as_str()),
        (
            Verdict::Pass,
            "Odoo answers; this version does not say whether the database server does"
        )
    );
    let seen = ask(&site(healthy), Probe::Health);
    assert_eq!(seen.detail, "Odoo and the database server answer");
}

#[test]
fn a_picture_that_only_a_style_sheet_names_may_be_missing() {
    let seen = ask(&site_but("/web/x.png", html(404, "Not Found")), Probe::Login);
    assert_eq!(
        (seen.verdict, seen.detail.as_str()),
        (
            Verdict::Pass,
            "7 files, 0 KiB; missing, and named only by style sheets: 1: /web/x.png"
        )
    );
    // What the page names itself is asked first, also where a style sheet names it again.
    let logo = site(|asked| match asked.target.as_str() {
        STYLE => answer(200, "text/css", "a{background:url(/web/binary/company_logo)}"),
        "/web/binary/company_logo" => html(404, "Not Found"),
        _ => healthy(asked),
    });
    assert_eq!(ask(&logo, Probe::Login).verdict, Verdict::Fail);
    // A style sheet that another one takes in is no decoration.
    let nested = site(|asked| match asked.target.as_str() {
        STYLE => answer(200, "text/css", "@import url(/web/more.css);"),
        _ => healthy(asked),
    });
    let seen = ask(&nested, Probe::Login);
    assert_eq!(
        (seen.verdict, seen.detail.as_str()),
        (
            Verdict::Fail,
            "1 of 7 files are bad: /web/more.css: 404 with `Not Found`"
        )
    );
}

#[test]
fn login_names_the_file_that_did_not_arrive() {
    let welcome = "expected Odoo's login page, got 200 with `Welcome to nginx!`";
    check(
        Probe::Login,
        "/web/login",
        html(200, "<p>Welcome to nginx!"),
        welcome,
    );
    let told = |detail: &str| format!("1 of 6 files are bad: {STYLE}: {detail}");
    check(
        Probe::Login,
        STYLE,
        answer(200, "text/css", ""),
        &told("200 with an empty body"),
    );
    check(
        Probe::Login,
        STYLE,
        html(200, "oops"),
        &told("it came as `text/html`, which browsers refuse here"),
    );
    check(
        Probe::Login,
        "/web/x.png",
        html(500, "Oh"),
        "1 of 7 files are bad: /web/x.png: 500 with `Oh`",
    );
}

#[test]
fn websocket_needs_the_right_handshake() {
    check(
        Probe::Websocket,
        BUS,
        html(400, "Bad"),
        "expected 101 Switching Protocols, got 400 with `Bad`",
    );
    check(
        Probe::Websocket,
        BUS,
        answer(101, "x", ""),
        "101, but `Sec-WebSocket-Accept` is missing",
    );
}

#[test]
fn an_open_manager_and_files_past_nginx_and_bare_answers_fail() {
    let open = "expected 403 or 404 from the web server, got 200 with `Databases`";
    check(
        Probe::Manager,
        "//web/database/manager",
        html(200, "Databases"),
        open,
    );
    let icon = answer_with(
        200,
        &[("Content-Type", "image/x-icon"), ("ETag", "\"1.0-2-3\"")],
        "x",
    );
    let past = "not served by nginx itself (ETag: \"1.0-2-3\")";
    check(Probe::Static, "/web/static/img/favicon.ico", icon, past);
    check(
        Probe::Headers,
        "/web/health",
        html(200, "x"),
        "missing: X-Content-Type-Options: nosniff",
    );
    let page = [
        ("X-Content-Type-Options", "nosniff"),
        ("Set-Cookie", "session_id=a; HttpOnly"),
    ];
    let missing = "missing: X-Frame-Options, Referrer-Policy, Secure on the cookie, SameSite on the cookie";
    check(
        Probe::Headers,
        "/web/login",
        answer_with(200, &page, PAGE),
        missing,
    );
}

#[test]
fn a_pdf_without_styles_is_no_pass() {
    check(
        Probe::Report,
        REPORT,
        html(500, "No Wkhtmltopdf"),
        "expected a PDF, got 500 with `No Wkhtmltopdf`",
    );
    let bare = answer(
        200,
        "application/pdf",
        "%PDF-1.4\n/FontName /QMAAAA+DejaVuSerif\n",
    );
    let seen = ask(&site_but(REPORT, bare), Probe::Report);
    assert!(
        seen.verdict == Verdict::Fail && seen.detail.contains("DejaVuSerif"),
        "{}",
        seen.detail
    );
}

#[test]
fn signing_in_needs_the_right_password_and_shows_none() {
    let mut site = site(healthy);
    site.sign_in = Some(SignIn {
        login: "admin".to_owned(),
        password: SecretText::new("wrong-horse"),
    });
    let seen = ask(&site, Probe::SignIn);
    assert_eq!(
        (seen.verdict, seen.detail.as_str()),
        (Verdict::Fail, "signing in as `admin` was refused: Access Denied")
    );
    assert!(!format!("{site:?} {seen:?}").contains("wrong-horse"));
    site.sign_in = None;
    assert_eq!(ask(&site, Probe::Report).verdict, Verdict::Skipped);
}

#[test]
fn a_second_factor_is_no_fault() {
    let pending = answer(200, "application/json", r#"{"result": {"uid": null}}"#);
    let site = site_but("/web/session/authenticate", pending);
    for probe in [Probe::SignIn, Probe::Report] {
        let seen = ask(&site, probe);
        assert_eq!(seen.verdict, Verdict::Skipped);
        assert!(seen.detail.contains("second factor"), "{}", seen.detail);
    }
}

#[test]
fn a_certificate_of_somebody_else_or_for_another_name_or_about_to_end_fails() {
    let own = start("erp.test", 60, Arc::new(healthy));
    let mut foreign = own.clone();
    foreign.authority = start("erp.test", 60, Arc::new(healthy)).authority;
    let mut empty = own.clone();
    empty.authority = Some("no PEM".to_owned());
    let other = start("other.test", 60, Arc::new(healthy));
    let ending = start("erp.test", 13, Arc::new(healthy));
    for (site, word) in [
        (foreign, "invalid peer certificate"),
        (other, "not valid for name"),
        (ending, "overdue"),
        (empty, "no certificate to trust"),
    ] {
        let seen = ask(&site, Probe::Certificate);
        assert!(
            seen.verdict == Verdict::Fail && seen.detail.contains(word),
            "{word}: {}",
            seen.detail
        );
    }
    assert_eq!(ask(&own, Probe::Certificate).verdict, Verdict::Pass);
}

#[test]
fn waits_until_everything_passes() {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let starting = site(move |asked| {
        if counted.fetch_add(1, Ordering::Relaxed) < 3 {
            answer(503, "text/html", "starting")
        } else {
            healthy(asked)
        }
    });
    let seen = wait_until_pass(&starting, &[Probe::Health, Probe::Login], Duration::from_secs(20));
    assert!(all_pass(&seen), "{seen:?}");
    assert!(count.load(Ordering::Relaxed) > 3);
}

#[test]
fn gives_up_when_the_time_is_over_and_says_why() {
    let mut site = site(healthy);
    site.address = nobody();
    let seen = wait_until_pass(&site, &[Probe::Health, Probe::SignIn], Duration::from_millis(300));
    assert!(
        seen[0].detail.contains("no connection to 127.0.0.1"),
        "{}",
        seen[0].detail
    );
    assert_eq!(seen[1].verdict, Verdict::Skipped);
}
