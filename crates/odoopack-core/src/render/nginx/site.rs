//! The part of `nginx.conf` that belongs to one environment.
use super::http::{RPC_BURST, other_host};
use super::text::{Text, quoted};
use super::{Accel, Nginx, Site, Slot, page};

/// Servers for every name that is not ours: closed without an answer.
pub(super) fn strangers(t: &mut Text, input: &Nginx) {
    t.gap();
    t.block("server", |t| {
        listen(t, input, input.http_port, " default_server");
        t.line(r#"server_name """#);
        t.line("return 444");
    });
    t.block("server", |t| {
        listen_tls(t, input, " default_server");
        t.line(r#"server_name """#);
        match input.sites.first() {
            Some(site) if input.version < (1, 19, 4) => certificate(t, site),
            _ => t.line("ssl_reject_handshake on"),
        }
        t.line("return 444");
    });
}

/// Everything of one environment.
pub(super) fn whole(t: &mut Text, input: &Nginx, site: &Site) {
    upstreams(t, site);
    servers(t, input, site);
}

/// The gate, and the slots for the time it is dead.
///
/// No connection is kept, which [`CLOSE`] sees to: opening a unix socket costs microseconds and leaves no `TIME_WAIT`, while
/// a POST on a kept connection that the gate closes at that moment is lost (nginx never repeats a POST it has sent).
/// `max_fails=0`: every request tries the gate first, so the slots are asked directly for not one request longer than needed.
fn upstreams(t: &mut Text, site: &Site) {
    t.gap();
    let address = |slot: &Slot, port: u16| format!("{}:{port}", slot.host);
    let web = |slot: &Slot| address(slot, slot.web);
    let websocket = |slot: &Slot| address(slot, slot.websocket.unwrap_or(slot.web));
    let slots = &site.slots;
    upstream(t, &site.environment, site, slots.iter().map(web));
    let name = format!("{}_websocket", site.environment);
    upstream(t, &name, site, slots.iter().map(websocket));
}

fn upstream(t: &mut Text, name: &str, site: &Site, slots: impl Iterator<Item = String>) {
    t.block(format_args!("upstream {name}"), |t| {
        t.line(format_args!(
            "server {} max_fails=0",
            quoted(format_args!("unix:{}", site.gate_socket))
        ));
        for slot in slots {
            t.line(format_args!("server {slot} backup max_fails=0"));
        }
    });
}

/// Plain HTTP, which redirects, and TLS.
fn servers(t: &mut Text, input: &Nginx, site: &Site) {
    t.block("server", |t| {
        listen(t, input, input.http_port, "");
        t.line(format_args!("server_name {}", site.domain));
        let port = if input.https_port == 443 {
            String::new()
        } else {
            format!(":{}", input.https_port)
        };
        t.line(format_args!(
            "return 301 https://{}{port}$request_uri",
            site.domain
        ));
    });
    t.block("server", |t| {
        listen_tls(t, input, "");
        t.line(format_args!("server_name {}", site.domain));
        certificate(t, site);
        headers(t, site);
        guards(t, input, site);
        ribbon(t, site);
        locations(t, site);
    });
    let own = site
        .inner
        .as_ref()
        .map_or(super::LOOPBACK, |(address, _)| address.as_str());
    if let Some(port) = site.direct_port {
        t.block("server", |t| {
            t.note("For people on this machine, without TLS; the only server of this port.");
            t.line(format_args!("listen {own}:{port}"));
            t.line(format_args!("server_name {}", site.domain));
            headers(t, site);
            if input.version >= (1, 19, 3) {
                t.line("proxy_cookie_flags session_id samesite=lax");
            } else {
                t.line(r#"proxy_cookie_path / "/; SameSite=Lax""#);
            }
            error_pages(t);
            ribbon(t, site);
            locations(t, site);
        });
    }
    if let Some((address, port)) = &site.inner {
        t.block("server", |t| {
            t.note(
                "For wkhtmltopdf: it cannot check the certificate, and attachments are sent by nginx only.",
            );
            t.line(format_args!("listen {address}:{port}"));
            t.note("The only server of this port, so it answers to every Host; the name is for the log.");
            t.line(format_args!("server_name {}", site.domain));
            headers(t, site);
            error_pages(t);
            locations(t, site);
        });
    }
}

/// Marks every page, so that nobody takes a copy for the real one. It takes no click and needs nothing of Odoo.
fn ribbon(t: &mut Text, site: &Site) {
    let Some(word) = &site.ribbon else {
        return;
    };
    let style = "position:fixed;bottom:0;left:50%;transform:translateX(-50%);z-index:2147483647;pointer-events:none;\
                 padding:1px 14px;border-radius:6px 6px 0 0;background:#b3261e;color:#fff;font:bold 12px sans-serif";
    t.line(format_args!(
        r#"sub_filter "</body>" "<div class='odoopack-ribbon' style='{style}'>{word}</div></body>""#
    ));
    t.line("sub_filter_once on");
}

fn error_pages(t: &mut Text) {
    for status in [502, 503, 504] {
        t.line(format_args!("error_page {status} @error_{status}"));
    }
}

fn listen(t: &mut Text, input: &Nginx, port: u16, more: &str) {
    for address in &input.listen {
        t.line(format_args!("listen {address}:{port}{more}"));
    }
}

/// # Source
/// nginx 1.25.1 changes: the `http2` parameter of `listen` became a directive of its own.
fn listen_tls(t: &mut Text, input: &Nginx, more: &str) {
    let separate = input.version >= (1, 25, 1);
    let http2 = if separate { "" } else { " http2" };
    listen(t, input, input.https_port, &format!(" ssl{http2}{more}"));
    if separate {
        t.line("http2 on");
    }
}

fn certificate(t: &mut Text, site: &Site) {
    t.line(format_args!("ssl_certificate {}", quoted(&site.certificate)));
    t.line(format_args!("ssl_certificate_key {}", quoted(&site.key)));
}

fn headers(t: &mut Text, site: &Site) {
    t.gap();
    t.note("No location adds a header, or it would lose all of these.");
    if site.hsts {
        t.line(r#"add_header Strict-Transport-Security "max-age=31536000" always"#);
    }
    for (name, variable) in [
        ("X-Content-Type-Options", "$nosniff"),
        ("X-Frame-Options", "$frames"),
        ("Referrer-Policy", "$referrer"),
        ("Content-Security-Policy", "$content_policy"),
        ("X-Robots-Tag", "$robots"),
        ("Retry-After", "$retry_after"),
        ("X-Request-Id", "$request_id"),
    ] {
        t.line(format_args!("add_header {name} {variable} always"));
    }
    t.gap();
    proxy_headers(t, CLOSE);
}

/// Makes whoever answers close the connection, and say so, for nginx keeps it otherwise.
///
/// # Source
/// nginx 1.29.7 changes: `keepalive 32 local` in every `upstream` that says nothing else; versions before it refuse
/// `keepalive 0`. `ngx_http_upstream_keepalive_module.c`: an answer with `Connection: close` is not kept, in any version.
pub(super) const CLOSE: &str = "close";

/// What Odoo is told about the client; a location that sets one of these has to set all.
///
/// # Source
/// `odoo/http.py` (17.0 to 19.0): `proxy_mode` acts only where `X-Forwarded-Host` is there and believes one hop;
/// `addons/bus/websocket.py`: Host and Origin are compared, so the port stays in Host.
fn proxy_headers(t: &mut Text, connection: &str) {
    for (name, value) in [
        ("Host", "$http_host"),
        ("X-Forwarded-Host", "$http_host"),
        ("X-Forwarded-For", "$remote_addr"),
        ("X-Forwarded-Proto", "$scheme"),
        ("X-Real-IP", "$remote_addr"),
        ("X-Request-Id", "$request_id"),
        ("Connection", connection),
    ] {
        t.line(format_args!("proxy_set_header {name} {value}"));
    }
}

fn guards(t: &mut Text, input: &Nginx, site: &Site) {
    t.gap();
    t.note("A full URL in the request line could bring a foreign Host, which Odoo would put into mails.");
    t.block(other_host(&site.domain), |t| t.line("return 421"));
    let burst = (input.login_rate / 2).max(5);
    t.line(format_args!("limit_req zone=sign_in burst={burst} nodelay"));
    t.line(format_args!("limit_req zone=rpc burst={RPC_BURST} nodelay"));
    error_pages(t);
}

/// # Shape
/// Regular expressions are tried in this order and win over plain prefixes.
fn locations(t: &mut Text, site: &Site) {
    t.gap();
    t.note(
        "The database manager, under a language prefix too; nginx has decoded and tidied the path by now.",
    );
    t.block(r#"location ~* "/web/database(?:/|$)""#, |t| t.line("return 404"));
    t.block(r#"location ~* "^/xmlrpc/(?:[0-9]+/)?db(?:/|$)""#, |t| {
        t.line("return 404");
    });
    statics(t, site);
    if let Some(accel) = &site.accel {
        attachments(t, accel);
    }
    t.block("location /websocket", |t| {
        t.line(format_args!("proxy_pass http://{}_websocket", site.environment));
        t.line("proxy_set_header Upgrade $upgrade");
        proxy_headers(t, "$connection_upgrade");
        t.line("proxy_read_timeout 3600s");
        t.line("proxy_send_timeout 3600s");
    });
    for name in ["/", "@odoo"] {
        t.block(format_args!("location {name}"), |t| {
            t.line(format_args!("proxy_pass http://{}", site.environment));
        });
    }
    errors(t);
}

/// Files below `<module>/static`, looked for in every addons directory, then asked of Odoo.
///
/// A test sees who answered: nginx's `ETag` has two parts (`"time-size"`), werkzeug's three; and `upstream` is empty in
/// the access log. There is no `open_file_cache`, so switching a link to another release acts at once.
fn statics(t: &mut Text, site: &Site) {
    t.block(r#"location ~ "^/[^/]+/static/(?:.*/)?\.""#, |t| {
        t.line("return 404");
    });
    t.block(r#"location ~ "^/[^/]+/static/.+$""#, |t| {
        t.line("root /");
        let tries: Vec<String> = site
            .static_roots
            .iter()
            .map(|d| quoted(format_args!("{d}$uri")))
            .collect();
        if tries.is_empty() {
            t.line(format_args!("proxy_pass http://{}", site.environment));
        } else {
            t.line(format_args!("try_files {} @odoo", tries.join(" ")));
        }
        t.line(if site.production {
            "expires 24h"
        } else {
            "expires -1"
        });
    });
}

/// # Source
/// `odoo/http.py` `Stream.get_response`: `X-Accel-Redirect: /web/filestore/<database>/<xx>/<sha1>`.
fn attachments(t: &mut Text, accel: &Accel) {
    t.block(
        format_args!(
            "location {}",
            quoted(format_args!("/web/filestore/{}/", accel.database))
        ),
        |t| {
            t.line("internal");
            t.line(format_args!(
                "alias {}",
                quoted(format_args!("{}/", accel.directory))
            ));
        },
    );
}

fn errors(t: &mut Text) {
    for status in [502, 503, 504] {
        t.block(format_args!("location @error_{status}"), |t| {
            t.line("default_type text/html");
            t.line(format_args!("return {status} '{}'", page::html(status)));
        });
    }
}
