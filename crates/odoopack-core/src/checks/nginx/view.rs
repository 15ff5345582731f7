//! A configuration as the rules ask for it: the servers that lead to Odoo, their locations, what each inherits.
use crate::foreign::nginx::{Directive, Mistake};

/// One configuration.
#[derive(Default)]
pub(in crate::checks) struct View {
    pub(super) mistake: Option<Mistake>,
    /// It was rendered by odoopack, which knows nginx's version.
    pub(super) generated: bool,
    /// Every block, outermost first, with what it stands in.
    pub(super) blocks: Vec<Block>,
    /// Servers that lead to Odoo.
    pub(super) sites: Vec<Site>,
    pub(super) upstreams: Vec<Directive>,
}

/// A block and what it stands in.
#[derive(Clone)]
pub(super) struct Block {
    /// Outermost first, the block itself last.
    pub(super) chain: Vec<Directive>,
}

/// A server.
pub(super) struct Site {
    pub(super) server: Block,
    pub(super) locations: Vec<Block>,
    /// Part of it stands in files that are not here, so nothing can be called missing.
    pub(super) partial: bool,
}

impl Block {
    pub(super) fn own(&self) -> &Directive {
        self.chain.last().expect("a block is the last of its own chain")
    }

    /// The directives of this name that count here: a block's own replace those around it.
    pub(super) fn effective<'a>(&'a self, name: &'a str) -> Vec<&'a Directive> {
        let here = self
            .chain
            .iter()
            .rev()
            .map(|block| block.all(name).collect::<Vec<_>>());
        here.into_iter()
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// The pattern of a location.
    pub(super) fn pattern(&self) -> &str {
        self.own().args.last().map_or("", String::as_str)
    }

    fn is_regex(&self) -> bool {
        matches!(self.own().arg(0), "~" | "~*")
    }

    /// Whether requests below `path` end here, judged by the text alone.
    pub(super) fn takes(&self, path: &str) -> bool {
        if self.is_regex() {
            return self.pattern().replace('\\', "").contains(path.trim_matches('/'));
        }
        self.pattern().trim_end_matches('/').starts_with(path)
    }

    pub(super) fn passes(&self) -> Option<&Directive> {
        self.own().all("proxy_pass").next()
    }

    pub(super) fn shown(&self) -> String {
        format!("`location {}`", self.own().args.join(" "))
    }
}

impl Site {
    /// Locations that hand requests to Odoo.
    pub(super) fn passing(&self) -> impl Iterator<Item = &Block> {
        self.locations
            .iter()
            .filter(|location| location.passes().is_some())
    }

    /// The same without the bus.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Block> {
        self.passing()
            .filter(|location| !location.takes("/websocket") && !location.takes("/longpolling"))
    }

    /// The location that takes everything else, or the server itself.
    pub(super) fn main(&self) -> &Block {
        let rest = self.pages().find(|location| location.pattern() == "/");
        rest.or_else(|| self.pages().next()).unwrap_or(&self.server)
    }

    pub(super) fn listens(&self) -> impl Iterator<Item = &Directive> {
        self.server.own().all("listen")
    }

    /// Nobody outside this host reaches it.
    pub(super) fn is_inner(&self) -> bool {
        let own = |address: &str| {
            ["127.", "localhost", "[::1]", "unix:"]
                .iter()
                .any(|inner| address.starts_with(inner))
        };
        self.listens().next().is_some() && self.listens().all(|listen| own(listen.arg(0)))
    }

    pub(super) fn speaks_tls(&self) -> bool {
        self.listens()
            .any(|listen| listen.args.iter().any(|arg| arg == "ssl" || arg == "quic"))
            || self.server.effective("ssl").iter().any(|ssl| ssl.arg(0) == "on")
    }

    pub(super) fn line(&self) -> usize {
        self.server.own().line
    }
}

impl View {
    pub(super) fn new(text: &str, directives: &[Directive]) -> Self {
        let mut view = Self {
            generated: text.starts_with("# made by odoopack"),
            ..Self::default()
        };
        collect(&mut view.blocks, &[], directives);
        let upstream = |block: &&Block| block.own().name == "upstream";
        view.upstreams = view
            .blocks
            .iter()
            .filter(upstream)
            .map(|block| block.own().clone())
            .collect();
        let servers = view.blocks.iter().filter(|block| block.own().name == "server");
        let sites: Vec<Site> = servers.map(|server| view.site(server)).collect();
        view.sites = sites.into_iter().filter(|site| view.is_odoo(site)).collect();
        view
    }

    fn site(&self, server: &Block) -> Site {
        let depth = server.chain.len();
        let inside = |block: &&Block| {
            block.own().name == "location"
                && block.chain.len() > depth
                && block.chain[..depth] == server.chain
        };
        let locations: Vec<Block> = self.blocks.iter().filter(inside).cloned().collect();
        let includes = |block: &Block| {
            block
                .own()
                .all("include")
                .any(|include| !is_known(include.arg(0)))
        };
        let partial = includes(server) || locations.iter().any(includes);
        Site {
            server: server.clone(),
            locations,
            partial,
        }
    }

    /// By a path, port or name that only Odoo has.
    fn is_odoo(&self, site: &Site) -> bool {
        let by_path = |l: &Block| {
            ["/websocket", "/longpolling", "/web/", "/odoo"]
                .iter()
                .any(|path| l.takes(path))
        };
        let by_target = |l: &Block| {
            let target = l.passes().map_or("", |pass| pass.arg(0));
            target.contains("odoo")
                || self
                    .ports(l)
                    .iter()
                    .any(|port| matches!(port.as_str(), "8069" | "8072"))
        };
        site.passing()
            .any(|location| by_path(location) || by_target(location))
    }

    /// Ports that a location leads to; none for unix sockets and variables.
    pub(super) fn ports(&self, location: &Block) -> Vec<String> {
        let target = location.passes().map_or("", |pass| pass.arg(0));
        let host = target
            .split_once("://")
            .map_or(target, |(_, rest)| rest)
            .split('/')
            .next()
            .unwrap_or_default();
        let upstream = self.upstreams.iter().find(|upstream| upstream.arg(0) == host);
        let addresses = upstream.map_or_else(|| vec![host], |u| u.all("server").map(|s| s.arg(0)).collect());
        let port = |address: &str| address.rsplit_once(':').map(|(_, port)| port.to_owned());
        let numeric = |port: &String| port.chars().all(|c| c.is_ascii_digit());
        addresses.into_iter().filter_map(port).filter(numeric).collect()
    }
}

/// Files that come with nginx and hold nothing of interest here.
fn is_known(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(
        name,
        "mime.types" | "fastcgi_params" | "options-ssl-nginx.conf" | "dhparam.conf"
    )
}

fn collect(into: &mut Vec<Block>, around: &[Directive], directives: &[Directive]) {
    for directive in directives.iter().filter(|directive| directive.block.is_some()) {
        let mut chain = around.to_vec();
        chain.push(directive.clone());
        into.push(Block { chain: chain.clone() });
        collect(into, &chain, directive.inner());
    }
}
