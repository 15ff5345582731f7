//! Rules about how requests reach Odoo: the bus, headers, limits, buffers.
use super::super::Severity::{Error, Info, Warning};
use super::super::rule::{Rule, Spot};
use super::view::{Block, Site, View};
use crate::foreign::nginx::{seconds, size};

/// # Source
/// `odoo/http.py` `DEFAULT_MAX_CONTENT_LENGTH`; nginx's own default is 1m.
const BODY: u64 = 128 << 20;
/// # Source
/// Odoo 18.0 documentation, "System configuration", "HTTPS"; nginx's own default is 60s.
const TIMEOUT: u64 = 720;

pub(super) const RULES: &[Rule<View>] = &[
    Rule {
        id: "nginx-longpolling",
        severity: Error,
        title: "no location leads to `/longpolling`",
        why: "the route does not exist since Odoo 16.0: chat, notifications and the bus are dead",
        fix: "replace it by `location /websocket` with the Upgrade headers and `proxy_http_version 1.1`",
        look: longpolling,
    },
    Rule {
        id: "nginx-websocket-missing",
        severity: Error,
        title: "`/websocket` has a location of its own",
        why: "with workers the bus answers on the gevent port only: every handshake on the other one is a 500",
        fix: "add `location /websocket { proxy_pass http://<host>:8072; proxy_http_version 1.1; proxy_set_header \
              Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; ... }`",
        look: websocket_missing,
    },
    Rule {
        id: "nginx-websocket-upgrade",
        severity: Error,
        title: "the websocket's upgrade is passed on",
        why: "nginx drops the hop-by-hop headers and speaks HTTP/1.0 to the other side: the handshake fails",
        fix: "in that location: `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
              proxy_set_header Connection $connection_upgrade;`",
        look: websocket_upgrade,
    },
    Rule {
        id: "nginx-websocket-upstream",
        severity: Warning,
        title: "`/websocket` leads to the gevent port",
        why: "right only with `workers = 0`; with workers the HTTP port answers a handshake with 500",
        fix: "lead it to the `gevent_port`, 8072 unless it was changed",
        look: websocket_upstream,
    },
    Rule {
        id: "nginx-forwarded-host",
        severity: Error,
        title: "Odoo is told the host and scheme that people see",
        why: "`proxy_mode` acts only where `X-Forwarded-Host` is there, and links are http without the scheme; a \
              location that sets one header loses all those of the server",
        fix: "where Odoo is reached: `proxy_set_header X-Forwarded-Host $http_host; proxy_set_header \
              X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Real-IP \
              $remote_addr;`",
        look: forwarded,
    },
    Rule {
        id: "nginx-body-size",
        severity: Warning,
        title: "bodies up to Odoo's own limit pass",
        why: "uploads that Odoo would take (128 MiB) end with 413 at nginx",
        fix: "`client_max_body_size 128m;`, in the server",
        look: body_size,
    },
    Rule {
        id: "nginx-timeouts",
        severity: Warning,
        title: "slow answers are waited for",
        why: "reports and imports that take longer end with 504 while Odoo goes on working",
        fix: "`proxy_read_timeout 720s; proxy_send_timeout 720s;`",
        look: timeouts,
    },
    Rule {
        id: "nginx-buffering-off",
        severity: Warning,
        title: "nginx buffers in both directions",
        why: "a worker serves one request and drops a client that is silent for 2 s: slow clients get cut answers \
              and occupy workers",
        fix: "remove the line",
        look: buffering_off,
    },
    Rule {
        id: "nginx-cache-without-zone",
        severity: Warning,
        title: "a cache has a zone",
        why: "`proxy_cache_valid` alone does nothing: every request still reaches Odoo",
        fix: "serve `/<module>/static/` from the addons directories with `try_files`, or name a `proxy_cache` zone",
        look: cache_without_zone,
    },
    Rule {
        id: "nginx-static-proxied",
        severity: Info,
        title: "static files come from the disk",
        why: "each file occupies one of Odoo's workers for no reason",
        fix: "`location ~ ^/[^/]+/static/ { root /; try_files <addons directory>$uri ... @odoo; }`",
        look: static_proxied,
    },
];

fn each(view: &View, look: fn(&View, &Site) -> Vec<Spot>) -> Vec<Spot> {
    view.sites.iter().flat_map(|site| look(view, site)).collect()
}

fn longpolling(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let old = site
            .locations
            .iter()
            .filter(|location| location.takes("/longpolling"));
        old.map(|location| Spot::at(location.own().line, location.shown()))
            .collect()
    })
}

fn websocket_missing(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let there = site.locations.iter().any(|location| location.takes("/websocket"));
        let spot = || Spot::at(site.line(), "this server has no `location /websocket`");
        if there || site.partial {
            Vec::new()
        } else {
            vec![spot()]
        }
    })
}

fn websocket_upgrade(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let wrong = |location: &Block| {
            let missing = missing_upgrade(location);
            let line = location.own().line;
            (!missing.is_empty() && !site.partial).then(|| {
                Spot::at(
                    line,
                    format!("{} has no {}", location.shown(), missing.join(" and no ")),
                )
            })
        };
        site.passing()
            .filter(|location| location.takes("/websocket"))
            .filter_map(wrong)
            .collect()
    })
}

fn missing_upgrade(location: &Block) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !location
        .effective("proxy_http_version")
        .iter()
        .any(|version| version.arg(0) == "1.1")
    {
        missing.push("`proxy_http_version 1.1`");
    }
    for (name, shown) in [
        ("upgrade", "header `Upgrade`"),
        ("connection", "header `Connection`"),
    ] {
        if !has_header(location, name) {
            missing.push(shown);
        }
    }
    missing
}

fn has_header(location: &Block, name: &str) -> bool {
    location
        .effective("proxy_set_header")
        .iter()
        .any(|header| header.arg(0).eq_ignore_ascii_case(name))
}

fn websocket_upstream(view: &View) -> Vec<Spot> {
    each(view, |view, site| {
        let pages = view.ports(site.main());
        let same = |location: &&Block| {
            let ports = view.ports(location);
            !ports.is_empty() && ports == pages
        };
        let bus = site
            .passing()
            .filter(|location| location.takes("/websocket"))
            .filter(same);
        let line = |location: &Block| location.passes().map_or(site.line(), |pass| pass.line);
        bus.map(|l| {
            Spot::at(
                line(l),
                format!("{} leads to port {}, as the pages do", l.shown(), pages[0]),
            )
        })
        .collect()
    })
}

fn forwarded(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let wrong = |location: &Block| {
            let wanted = ["X-Forwarded-Host", "X-Forwarded-Proto"];
            let missing: Vec<&str> = wanted
                .into_iter()
                .filter(|name| !has_header(location, name))
                .collect();
            let spot = || {
                Spot::at(
                    location.own().line,
                    format!("{} sends no {}", location.shown(), missing.join(", no ")),
                )
            };
            (!missing.is_empty() && !site.partial).then(spot)
        };
        site.passing()
            .filter(|location| !location.takes("/longpolling"))
            .filter_map(wrong)
            .collect()
    })
}

fn body_size(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let limits = site.main().effective("client_max_body_size");
        match limits.first() {
            None if site.partial => Vec::new(),
            None => vec![Spot::at(site.line(), "no `client_max_body_size`: it is 1m")],
            Some(limit) => {
                let small = size(limit.arg(0)).is_some_and(|bytes| bytes > 0 && bytes < BODY);
                let spot = || Spot::at(limit.line, format!("`client_max_body_size {}`", limit.arg(0)));
                small.then(spot).into_iter().collect()
            }
        }
    })
}

fn timeouts(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let mut spots = Vec::new();
        for name in ["proxy_read_timeout", "proxy_send_timeout"] {
            match site.main().effective(name).first() {
                Some(limit) if seconds(limit.arg(0)).is_some_and(|seconds| seconds < TIMEOUT) => {
                    spots.push(Spot::at(limit.line, format!("`{name} {}`", limit.arg(0))));
                }
                None if name == "proxy_read_timeout" && !site.partial => {
                    spots.push(Spot::at(site.line(), format!("no `{name}`: it is 60s")));
                }
                Some(_) | None => {}
            }
        }
        spots
    })
}

fn buffering_off(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let mut spots = Vec::new();
        for name in ["proxy_buffering", "proxy_request_buffering"] {
            let off = site
                .pages()
                .flat_map(|location| location.effective(name))
                .filter(|d| d.arg(0) == "off");
            spots.extend(off.map(|directive| Spot::at(directive.line, format!("`{name} off`"))));
        }
        spots.sort_by_key(|spot| format!("{:?}", spot.place));
        spots.dedup();
        spots
    })
}

fn cache_without_zone(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let cached = |location: &Block| {
            location
                .effective("proxy_cache")
                .iter()
                .any(|zone| zone.arg(0) != "off")
        };
        let uncached = site.passing().filter(|location| !cached(location));
        let spot = |location: &Block| {
            location.own().all("proxy_cache_valid").next().map(|valid| {
                Spot::at(
                    valid.line,
                    format!(
                        "`proxy_cache_valid` in {} without `proxy_cache`",
                        location.shown()
                    ),
                )
            })
        };
        uncached.filter_map(spot).collect()
    })
}

fn static_proxied(view: &View) -> Vec<Spot> {
    each(view, |_, site| {
        let cached = |location: &Block| {
            location
                .effective("proxy_cache")
                .iter()
                .any(|zone| zone.arg(0) != "off")
        };
        let files = site
            .pages()
            .filter(|location| location.pattern().contains("static") && !cached(location));
        files
            .map(|location| Spot::at(location.own().line, format!("{} asks Odoo", location.shown())))
            .collect()
    })
}
