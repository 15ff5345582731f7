//! The part of `nginx.conf` that all sites share.
use super::site::CLOSE;
use super::text::{Text, literal, quoted};
use super::{AccessLog, Nginx, types};
use crate::units::Bytes;

/// TLS 1.2 ciphers; TLS 1.3 brings its own.
///
/// # Source
/// Mozilla, "Server Side TLS" 5.7, configuration "intermediate".
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
                       ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// Paths that take a password, with or without a language prefix.
const SIGN_IN: &str = "(?:/[^/]+)?/web/(?:login(?:/totp)?|signup|reset_password|session/authenticate)/?";

/// Seconds that nginx waits for the next part of a request or an answer.
pub const TIMEOUT: u64 = 720;

/// Seconds that it waits until the gate takes a connection.
pub const CONNECT_TIMEOUT: u64 = 5;

/// Calls per second and client address to the RPC endpoints, where every call carries a password.
pub(super) const RPC_RATE: u32 = 10;

/// RPC calls that may come at once: an integration that pushes a batch.
pub(super) const RPC_BURST: u32 = 100;

pub(super) fn settings(t: &mut Text, input: &Nginx) {
    types::mime(t);
    for line in [
        "server_tokens off",
        "sendfile on",
        "tcp_nopush on",
        "keepalive_timeout 75s",
    ] {
        t.line(line);
    }
    t.line("server_names_hash_bucket_size 128");
    t.line("map_hash_bucket_size 256");
    t.line("client_header_timeout 30s");
    t.line("large_client_header_buffers 4 16k");
    t.line(format_args!("client_max_body_size {}", size(input.body_limit)));
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        t.line(format_args!(
            "{name}_temp_path {}",
            quoted(input.temporary.join(name))
        ));
    }
    gzip(t);
    tls(t);
    proxy(t, input);
}

fn gzip(t: &mut Text) {
    t.line("gzip on");
    t.line("gzip_vary on");
    t.line("gzip_proxied any");
    t.line("gzip_min_length 1024");
    t.line(format_args!("gzip_types {}", types::COMPRESSED));
}

fn tls(t: &mut Text) {
    t.line("ssl_protocols TLSv1.2 TLSv1.3");
    t.line(format_args!("ssl_ciphers {CIPHERS}"));
    t.line("ssl_prefer_server_ciphers off");
    t.line("ssl_session_cache shared:tls:10m");
    t.line("ssl_session_timeout 1d");
    t.line("ssl_session_tickets off");
}

/// How requests are passed on.
///
/// # Source
/// Odoo's HTTP workers drop a client that is silent for 2 s (`ODOO_HTTP_SOCKET_TIMEOUT`, `odoo/service/server.py`),
/// so both bodies are buffered here and may go to disk. `proxy_next_upstream`: a request that could not be
/// sent goes on whatever its method is, one that was sent only when it is idempotent (nginx 1.22,
/// `ngx_http_upstream_next`, seen in `tests/nginx_real.rs`). The time limit keeps a request that ran into the
/// 720 s from being run again.
fn proxy(t: &mut Text, input: &Nginx) {
    t.line("proxy_http_version 1.1");
    t.line("proxy_buffering on");
    t.line("proxy_request_buffering on");
    t.line("proxy_buffer_size 64k");
    t.line("proxy_buffers 16 64k");
    t.line("proxy_busy_buffers_size 128k");
    t.line("proxy_max_temp_file_size 4096m");
    t.line(format_args!("proxy_connect_timeout {CONNECT_TIMEOUT}s"));
    t.line(format_args!("proxy_read_timeout {TIMEOUT}s"));
    t.line(format_args!("proxy_send_timeout {TIMEOUT}s"));
    t.line("proxy_redirect off");
    t.line("proxy_next_upstream error timeout");
    t.line("proxy_next_upstream_timeout 20s");
    t.note("Odoo's cookie has HttpOnly only.");
    if input.version >= (1, 19, 3) {
        t.line("proxy_cookie_flags session_id samesite=lax secure");
    } else {
        t.line(r#"proxy_cookie_path / "/; Secure; SameSite=Lax""#);
    }
}

/// The journal's socket for syslog (systemd-journald.service(8)); no host name, for the journal knows it.
const JOURNAL: &str = "syslog:server=unix:/dev/log,nohostname,tag=nginx";

/// Variables computed when they are needed.
///
/// Every header that is added depends on a map, and none is added inside a location: an `add_header` there would
/// silently drop all those of the server. A header that Odoo sent itself is left alone.
pub(super) fn maps(t: &mut Text, input: &Nginx) {
    t.gap();
    environments(t, input);
    t.block("map $http_upgrade $upgrade", |t| {
        t.line(r#"default """#);
        t.line(r#""~*^websocket$" websocket"#);
    });
    t.block("map $upgrade $connection_upgrade", |t| {
        t.line(format_args!("default {CLOSE}"));
        t.line("websocket upgrade");
    });
    header_maps(t);
    t.note("The query string is not logged: Odoo puts tokens there (invitation, portal, password reset).");
    t.block("map $request_uri $path", |t| {
        t.line(r#""~^(?<before_query>[^?]*)" $before_query"#);
    });
    t.block("map $status $status_number", |t| {
        t.line("default 0");
        t.line(r#""~^[1-9]" $status"#);
    });
}

fn environments(t: &mut Text, input: &Nginx) {
    t.block("map $server_name $environment", |t| {
        t.line(r#"default """#);
        for site in &input.sites {
            t.line(format_args!(
                "{} {}",
                quoted(&site.domain),
                quoted(&site.environment)
            ));
        }
    });
    t.note("robots.txt is Odoo's; this keeps copies out of search engines even without it.");
    t.block("map $server_name $robots", |t| {
        t.line("default noindex");
        for site in input.sites.iter().filter(|s| s.production) {
            t.line(format_args!("{} \"\"", quoted(&site.domain)));
        }
    });
}

fn header_maps(t: &mut Text) {
    t.block("map $sent_http_x_content_type_options $nosniff", |t| {
        t.line(r#""" nosniff"#);
    });
    t.note("Course pages are made to be shown inside other sites.");
    t.block(r#"map "$sent_http_x_frame_options|$uri" $frames"#, |t| {
        t.line(r#"default """#);
        t.line(r#""~^\|(?:/[^/]+)?/slides/embed""#.to_owned() + r#" """#);
        t.line(r#""~^\|" SAMEORIGIN"#);
    });
    t.block("map $sent_http_referrer_policy $referrer", |t| {
        t.line(r#""" strict-origin-when-cross-origin"#);
    });
    t.note("Static images ($uri is the whole path of the file by then), and files sent for Odoo, whose own");
    t.note("policy X-Accel-Redirect would drop.");
    t.block(
        r#"map "$uri|$sent_http_content_type|$upstream_http_content_security_policy" $content_policy"#,
        |t| {
            t.line(r#"default """#);
            t.line(r#""~/static/[^|]*\|image/[^|]*\|$" "default-src 'none'""#);
            t.line(r#""~^/web/filestore/[^|]*\|[^|]*\|(?<odoo_policy>.+)$" $odoo_policy"#);
        },
    );
    t.block(r#"map "$status|$sent_http_retry_after" $retry_after"#, |t| {
        t.line(r#"default """#);
        t.line(r#""~^(?:429|50[234])\|$" 10"#);
    });
}

/// Zones of the limits; a request with an empty key is not counted.
///
/// IPv6 clients own at least a /64, so that is what is counted. Everything under `/jsonrpc`, `/xmlrpc` and
/// 19.0's `/json/2` is one zone: the service that is called stands in the body, which nginx does not read. So a call of service `db`
/// cannot be told from others here; `list_db = False` in odoo.conf is what closes it.
pub(super) fn limits(t: &mut Text, input: &Nginx) {
    t.gap();
    t.block("map $binary_remote_addr $client", |t| {
        t.line("default $binary_remote_addr");
        t.line(r#""~(?s)^(?<network>.{8}).{8}$" $network"#);
    });
    t.block(r#"map "$request_method:$uri" $signing_in"#, |t| {
        t.line(r#"default """#);
        t.line(format_args!(r#""~*^POST:{SIGN_IN}$" $client"#));
    });
    t.block(r#"map "$request_method:$uri" $calling"#, |t| {
        t.line(r#"default """#);
        t.line(r#""~*^POST:/(?:jsonrpc|xmlrpc|json/2)(?:/|$)" $client"#);
    });
    t.line(format_args!(
        "limit_req_zone $signing_in zone=sign_in:10m rate={}r/m",
        input.login_rate
    ));
    t.line(format_args!(
        "limit_req_zone $calling zone=rpc:10m rate={RPC_RATE}r/s"
    ));
    t.line("limit_req_status 429");
    t.line("limit_req_log_level warn");
}

/// The access log: one JSON object per line.
///
/// # Shape
/// `time` ISO 8601, `env`, `host`, `remote`, `method`, `path` (as sent, without the query), `status` (0: the
/// client left), `bytes`, `seconds`, `upstream` and `upstream_seconds` (text; empty when nginx answered itself, a list
/// after a retry), `agent`, `id` (also sent to Odoo and to the client as `X-Request-Id`).
pub(super) fn log(t: &mut Text, input: &Nginx) {
    t.gap();
    let fields = [
        r#""time":"$time_iso8601","env":"$environment","host":"$host","remote":"$remote_addr","#,
        r#""method":"$request_method","path":"$path","status":$status_number,"bytes":$bytes_sent,"#,
        r#""seconds":$request_time,"upstream":"$upstream_addr","upstream_seconds":"$upstream_response_time","#,
        r#""agent":"$http_user_agent","id":"$request_id""#,
    ];
    t.line(format_args!(
        "log_format json escape=json '{{{}}}'",
        fields.concat()
    ));
    match &input.access_log {
        AccessLog::File(path) => t.line(format_args!("access_log {} json", quoted(path))),
        AccessLog::Journal => t.line(format_args!("access_log {JOURNAL} json")),
    }
}

/// The test that a request is meant for this site, whatever its request line says.
pub(super) fn other_host(domain: &str) -> String {
    format!(r#"if ($http_host !~* "^{}(?::[0-9]+)?$")"#, literal(domain))
}

fn size(bytes: Bytes) -> String {
    if bytes.0.is_multiple_of(1 << 20) {
        format!("{}m", bytes.as_mib())
    } else {
        bytes.0.to_string()
    }
}
