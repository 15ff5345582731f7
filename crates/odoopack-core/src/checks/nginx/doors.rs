//! Rules about what is open and what protects it: TLS, the manager, headers, cookies, limits.
use super::super::Severity::{Error, Info, Warning};
use super::super::rule::{Rule, Spot};
use super::view::{Block, Site, View};

pub(super) const RULES: &[Rule<View>] = &[
    Rule {
        id: "nginx-manager-open",
        severity: Error,
        title: "`/web/database` is refused",
        why: "whoever guesses the master password copies or drops every database; Odoo's own `list_db = False` is \
              one changed line away from open",
        fix: "`location ~* /web/database { return 404; }`",
        look: manager_open,
    },
    Rule {
        id: "nginx-tls-missing",
        severity: Error,
        title: "Odoo is reached over TLS only",
        why: "passwords and session cookies cross the network in clear text",
        fix: "`listen 443 ssl;` with a certificate, and `return 301 https://$host$request_uri;` on port 80",
        look: tls_missing,
    },
    Rule {
        id: "nginx-tls-old",
        severity: Warning,
        title: "only TLS 1.2 and newer",
        why: "older protocols are broken, and browsers no longer speak them",
        fix: "`ssl_protocols TLSv1.2 TLSv1.3;`",
        look: tls_old,
    },
    Rule {
        id: "nginx-http2-listen",
        severity: Warning,
        title: "HTTP/2 is switched on the way this nginx wants it",
        why: "deprecated since nginx 1.25.1: a warning at every start, later an error",
        fix: "from 1.25.1 on: `listen 443 ssl;` and a line `http2 on;`",
        look: http2_listen,
    },
    Rule {
        id: "nginx-hsts",
        severity: Warning,
        title: "browsers are told to stay on TLS",
        why: "without Strict-Transport-Security the first request of every visit may be led elsewhere",
        fix: "`add_header Strict-Transport-Security \"max-age=31536000\" always;` in the server",
        look: hsts,
    },
    Rule {
        id: "nginx-add-header-inheritance",
        severity: Warning,
        title: "no location drops the server's headers",
        why: "one `add_header` in a location takes away all those of the server",
        fix: "repeat them there, or add none in locations",
        look: add_header,
    },
    Rule {
        id: "nginx-cookie-flags",
        severity: Warning,
        title: "the session cookie has Secure and SameSite",
        why: "Odoo sets HttpOnly only",
        fix: "`proxy_cookie_flags session_id samesite=lax secure;` (nginx 1.19.3 and newer)",
        look: cookie_flags,
    },
    Rule {
        id: "nginx-rate-limit",
        severity: Info,
        title: "signing in is rate limited",
        why: "Odoo's own cooldown is per worker and forgotten at every restart",
        fix: "a `limit_req_zone` for POST to `/web/login`, `/web/session/authenticate`, `/jsonrpc` and `/xmlrpc`",
        look: rate_limit,
    },
];

fn whole(view: &View, look: fn(&Site) -> Option<Spot>) -> Vec<Spot> {
    view.sites
        .iter()
        .filter(|site| !site.partial)
        .filter_map(look)
        .collect()
}

fn manager_open(view: &View) -> Vec<Spot> {
    whole(view, |site| {
        let refused = |block: &Block| {
            let returns = block
                .own()
                .all("return")
                .any(|answer| answer.arg(0).starts_with('4'));
            returns
                || block.own().all("deny").next().is_some()
                || block.own().all("internal").next().is_some()
        };
        let by_location = site
            .locations
            .iter()
            .any(|l| l.takes("/web/database") && refused(l));
        let by_if = site
            .server
            .own()
            .all("if")
            .any(|test| test.args.join(" ").contains("/web/database"));
        let spot = || Spot::at(site.line(), "nothing here refuses `/web/database/manager`");
        (!by_location && !by_if).then(spot)
    })
}

fn tls_missing(view: &View) -> Vec<Spot> {
    whole(view, |site| {
        let spot = || {
            let line = site.listens().next().map_or(site.line(), |listen| listen.line);
            Spot::at(line, "this server leads to Odoo without TLS")
        };
        (!site.speaks_tls() && !site.is_inner()).then(spot)
    })
}

fn tls_old(view: &View) -> Vec<Spot> {
    let protocols = view
        .blocks
        .iter()
        .flat_map(|block| block.own().all("ssl_protocols"));
    let old = |arg: &&String| matches!(arg.as_str(), "TLSv1" | "TLSv1.1" | "SSLv2" | "SSLv3");
    let spot = |directive: &crate::foreign::nginx::Directive| {
        let named: Vec<&str> = directive.args.iter().filter(old).map(String::as_str).collect();
        (!named.is_empty()).then(|| {
            Spot::at(
                directive.line,
                format!("`ssl_protocols` allows {}", named.join(", ")),
            )
        })
    };
    protocols.filter_map(spot).collect()
}

fn http2_listen(view: &View) -> Vec<Spot> {
    if view.generated {
        return Vec::new();
    }
    let listens = view.blocks.iter().flat_map(|block| block.own().all("listen"));
    let old = listens.filter(|listen| listen.args.iter().any(|arg| arg == "http2"));
    old.map(|listen| Spot::at(listen.line, format!("`listen {}`", listen.args.join(" "))))
        .collect()
}

/// With a certificate of the pack's own authority a rendered file leaves it out on purpose.
fn hsts(view: &View) -> Vec<Spot> {
    if view.generated {
        return Vec::new();
    }
    whole(view, |site| {
        let sends = |header: &&&crate::foreign::nginx::Directive| {
            header.arg(0).eq_ignore_ascii_case("strict-transport-security")
        };
        let there = site
            .main()
            .effective("add_header")
            .iter()
            .any(|header| sends(&header));
        let spot = || Spot::at(site.line(), "no `Strict-Transport-Security`");
        (site.speaks_tls() && !there).then(spot)
    })
}

fn add_header(view: &View) -> Vec<Spot> {
    let mut spots = Vec::new();
    for location in view.sites.iter().flat_map(|site| &site.locations) {
        let names = |block: &crate::foreign::nginx::Directive| -> Vec<String> {
            block
                .all("add_header")
                .map(|header| header.arg(0).to_ascii_lowercase())
                .collect()
        };
        let own = names(location.own());
        let around = location
            .chain
            .iter()
            .rev()
            .skip(1)
            .map(names)
            .find(|names| !names.is_empty());
        let lost: Vec<String> = around
            .unwrap_or_default()
            .into_iter()
            .filter(|name| !own.contains(name))
            .collect();
        if !own.is_empty() && !lost.is_empty() {
            let saw = format!(
                "{} adds headers of its own and loses {}",
                location.shown(),
                lost.join(", ")
            );
            spots.push(Spot::at(location.own().line, saw));
        }
    }
    spots
}

fn cookie_flags(view: &View) -> Vec<Spot> {
    whole(view, |site| {
        let says = |name: &str| {
            let found = site.main().effective(name);
            found
                .iter()
                .any(|directive| directive.args.join(" ").to_ascii_lowercase().contains("secure"))
        };
        let spot = || Spot::at(site.line(), "no `proxy_cookie_flags`");
        (site.speaks_tls() && !says("proxy_cookie_flags") && !says("proxy_cookie_path")).then(spot)
    })
}

fn rate_limit(view: &View) -> Vec<Spot> {
    whole(view, |site| {
        let limited = |block: &Block| !block.effective("limit_req").is_empty();
        let spot = || Spot::at(site.line(), "no `limit_req`");
        (!site.is_inner() && !limited(&site.server) && !site.locations.iter().any(limited)).then(spot)
    })
}
