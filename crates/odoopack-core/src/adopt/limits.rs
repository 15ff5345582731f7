//! How much and how long nginx lets pass: what stays, and what the pack's nginx does otherwise.
use camino::Utf8Path;
use toml_edit::value;

use super::decide::Decider;
use crate::foreign::nginx::{Directive, seconds, size};
use crate::render::nginx::{CONNECT_TIMEOUT, TIMEOUT};
use crate::units::Bytes;

/// The biggest upload.
const BODY: &str = "client_max_body_size";
/// What `body_limit` is where the file says nothing.
const USUAL_BODY: Bytes = Bytes::mib(128);
const TOO_LATE: &str = "what takes longer ends with 504 there";
/// How long nginx waits, what the pack's nginx says, and what more than that was for.
const TIMES: [(&str, u64, &str); 3] = [
    ("proxy_read_timeout", TIMEOUT, TOO_LATE),
    ("proxy_send_timeout", TIMEOUT, TOO_LATE),
    (
        "proxy_connect_timeout",
        CONNECT_TIMEOUT,
        "the gate takes a connection at once, and waits for Odoo itself",
    ),
];
/// Locations whose connections stay open for hours; the pack's nginx has limits of its own for those.
const BUS: [&str; 2] = ["/websocket", "/longpolling"];

/// One of them, as a file says it.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    name: String,
    text: String,
    place: String,
}

impl Limit {
    /// Bytes or seconds, whichever it is; without end is more than anything.
    fn amount(&self) -> Option<u64> {
        if self.name == BODY {
            size(&self.text).map(|bytes| if bytes == 0 { u64::MAX } else { bytes })
        } else {
            seconds(&self.text)
        }
    }

    /// Whether it is of this name, and how much it lets pass.
    fn called(&self, name: &str) -> Option<(u64, &Self)> {
        (self.name == name)
            .then(|| self.amount())
            .flatten()
            .map(|amount| (amount, self))
    }
}

/// Those of a block and of what is in it; not of the servers in it, not of the bus, and not of locations that do not lead to Odoo.
pub(super) fn read(path: &Utf8Path, all: &[Directive], odoo: &dyn Fn(&Directive) -> bool) -> Vec<Limit> {
    let mut found = Vec::new();
    for directive in all {
        let name = directive.name.as_str();
        if name == BODY || TIMES.iter().any(|(known, ..)| *known == name) {
            found.push(Limit {
                name: name.to_owned(),
                text: directive.arg(0).to_owned(),
                place: format!("{path}:{}", directive.line),
            });
        }
        let bus = |arg: &String| BUS.iter().any(|bus| arg.contains(bus));
        let others = || directive.args.iter().any(bus) || !odoo(directive);
        if name != "server" && !(name == "location" && others()) {
            found.extend(read(path, directive.inner(), odoo));
        }
    }
    found
}

impl Decider<'_> {
    /// What passes nginx: as much and as long as before, or that is said. `inner` are those of Odoo's servers, which win over `outer`.
    pub(super) fn limits(&mut self, inner: &[&Limit], outer: &[&Limit]) {
        let most = |name: &str| {
            let all = [inner, outer].map(|all| {
                all.iter()
                    .filter_map(|one| one.called(name))
                    .max_by_key(|one| one.0)
            });
            let [of_odoo, of_all] = all;
            of_odoo.or(of_all)
        };
        if let Some((bytes, limit)) = most(BODY) {
            self.biggest_upload(bytes, limit);
        }
        for (name, ours, why) in TIMES {
            let Some((seconds, limit)) = most(name) else {
                continue;
            };
            if seconds == ours {
                self.keep(format!("`{name}` of nginx"), format!("{ours}s"));
            } else if seconds > ours {
                let Limit { text, place, .. } = limit;
                self.change(format!("`{name} {text}` of nginx ({place}) is {ours}s"), why);
            }
            // What is shorter is among the findings about the file.
        }
    }

    fn biggest_upload(&mut self, bytes: u64, limit: &Limit) {
        let Limit { text, place, .. } = limit;
        if bytes == u64::MAX {
            self.change(
                format!("`{BODY} {text}` of nginx ({place}) is {USUAL_BODY}"),
                "a request without an end fills the disk; `body_limit` in [web] lets more pass",
            );
        } else if bytes >= USUAL_BODY.0 {
            let kept = Bytes::mib(bytes.div_ceil(1 << 20));
            if kept != USUAL_BODY {
                self.set(&["web"], "body_limit", value(format!("{}MiB", kept.as_mib())));
            }
            self.keep("biggest upload", kept.to_string());
        }
    }
}
