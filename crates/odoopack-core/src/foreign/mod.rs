//! Files that others wrote: what kind they are, and what they say with the lines where they say it.
pub mod address;
pub mod compose;
pub mod nginx;
pub mod yaml;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// odoo.conf.
    OdooConf,
    /// nginx's configuration or a part of it.
    Nginx,
    /// A file for Docker Compose.
    Compose,
}

/// Tells the kind of a file from its content, and by its name only where that says nothing.
pub fn kind(path: &str, text: &str) -> Option<Kind> {
    by_content(text).or_else(|| by_name(path))
}

fn by_content(text: &str) -> Option<Kind> {
    let lines = || {
        text.lines()
            .map(str::trim_end)
            .filter(|line| !line.trim_start().starts_with(['#', ';']))
    };
    let opens = |line: &str| {
        let word = line.split_whitespace().next().unwrap_or_default();
        matches!(word, "server" | "upstream" | "location" | "http" | "map") && line.contains('{')
    };
    if lines().any(|line| line.trim_start().starts_with("[options]")) {
        return Some(Kind::OdooConf);
    }
    if lines().any(|line| line == "services:" || line.starts_with("services: ")) {
        return Some(Kind::Compose);
    }
    lines().any(opens).then_some(Kind::Nginx)
}

fn by_name(path: &str) -> Option<Kind> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    match (name, extension) {
        ("odoo.conf" | ".odoorc" | "odoo.cfg" | "openerp-server.conf", _) => Some(Kind::OdooConf),
        (_, "conf") if path.contains("nginx") => Some(Kind::Nginx),
        (_, "yml" | "yaml") if stem.contains("compose") => Some(Kind::Compose),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_kind_before_the_name() {
        for (path, text, wanted) in [
            (
                "x",
                include_str!("../../fixtures/seed-odoo.conf"),
                Some(Kind::OdooConf),
            ),
            (
                "x",
                include_str!("../../fixtures/seed-nginx.conf"),
                Some(Kind::Nginx),
            ),
            (
                "x",
                include_str!("../../fixtures/seed-docker-compose.yml"),
                Some(Kind::Compose),
            ),
            ("deploy/nginx/a.conf", "# nothing yet\n", Some(Kind::Nginx)),
            ("etc/odoo.conf", "workers = 2\n", Some(Kind::OdooConf)),
            ("compose.yaml", "x: 1\n", Some(Kind::Compose)),
            ("README.md", "hello\n", None),
        ] {
            assert_eq!(kind(path, text), wanted, "{path}");
        }
    }
}
