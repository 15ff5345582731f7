//! What a file for Docker Compose says about its services.
use super::yaml::{Mistake, Node, Value, read};

/// The services of a file, in file order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compose {
    /// The whole file.
    pub root: Node,
    /// Its services.
    pub services: Vec<Service>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// What it most likely is.
    pub role: Role,
    /// Everything that stands under its name.
    pub node: Node,
}

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Odoo.
    Odoo,
    /// PostgreSQL.
    Postgres,
    /// nginx.
    Nginx,
    /// Redis or one of its likes.
    Redis,
    /// Something else.
    Other,
}

/// One published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// From 1.
    pub line: usize,
    /// Host address, when one is given.
    pub host: Option<String>,
    /// Port inside the container, as written.
    pub target: String,
    /// The entry as written.
    pub shown: String,
}

/// One mounted place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// From 1.
    pub line: usize,
    /// Host path or volume name; empty for an anonymous volume.
    pub source: String,
    /// Path inside the container.
    pub target: String,
}

impl Compose {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no YAML or has no map of services.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        let root = read(text)?.ok_or_else(|| Mistake {
            line: 1,
            what: "the file is empty".to_owned(),
        })?;
        let services = root
            .get("services")
            .filter(|node| matches!(node.value, Value::Map(_)));
        let services = services.ok_or_else(|| Mistake {
            line: 1,
            what: "there are no services".to_owned(),
        })?;
        let service = |(name, node): &(String, Node)| Service {
            name: name.clone(),
            line: node.line,
            role: role(name, node),
            node: node.clone(),
        };
        let services = services.entries().iter().map(service).collect();
        Ok(Self { root, services })
    }

    /// The services of one role.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |service| service.role == role)
    }
}

/// By the image, and by the name where an image is built.
fn role(name: &str, node: &Node) -> Role {
    let image = node.get("image").and_then(Node::text).unwrap_or_default();
    let base = image
        .split('@')
        .next()
        .unwrap_or_default()
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let base = base.split(':').next().unwrap_or_default();
    let word = if base.is_empty() || base.contains('$') {
        name
    } else {
        base
    };
    let is = |words: &[&str]| words.iter().any(|known| word.contains(known));
    if is(&["pgadmin", "pgbouncer", "backup", "exporter", "adminer"]) {
        Role::Other
    } else if is(&["postgres", "pgvector", "postgis", "timescale"]) || name == "db" && base.is_empty() {
        Role::Postgres
    } else if is(&["nginx"]) {
        Role::Nginx
    } else if is(&["redis", "valkey", "keydb"]) {
        Role::Redis
    } else if is(&["odoo"]) || name.contains("odoo") {
        Role::Odoo
    } else {
        Role::Other
    }
}

impl Service {
    /// A text directly under the service.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.node.get(key).and_then(Node::text)
    }

    /// Line of a key, or of the service when it has none.
    pub fn line_of(&self, key: &str) -> usize {
        self.node.get(key).map_or(self.line, |node| node.line)
    }

    /// Environment variables: name, value (empty when it comes from outside), line.
    pub fn environment(&self) -> Vec<(String, String, usize)> {
        let Some(node) = self.node.get("environment") else {
            return Vec::new();
        };
        let written = |node: &Node| {
            let (name, value) = node.text()?.split_once('=').unwrap_or((node.text()?, ""));
            Some((name.to_owned(), value.to_owned(), node.line))
        };
        let entry = |(name, node): &(String, Node)| {
            (
                name.clone(),
                node.text().unwrap_or_default().to_owned(),
                node.line,
            )
        };
        let listed = node.members().iter().filter_map(written);
        node.entries().iter().map(entry).chain(listed).collect()
    }

    /// The value of one variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment()
            .into_iter()
            .find(|(known, ..)| known == name)
            .map(|(_, value, _)| value)
    }

    /// Whether a variable is named without a value: Compose passes it through from outside.
    ///
    /// # Source
    /// Compose specification, `environment`: a name alone in the list form, or a key without a value in the map form.
    pub fn passes_through(&self, name: &str) -> bool {
        let Some(node) = self.node.get("environment") else {
            return false;
        };
        let listed = node.members().iter().any(|node| node.text() == Some(name));
        let keyed = node.get(name).is_some_and(|node| node.value == Value::Null);
        listed || keyed
    }

    /// Published ports, short and long form.
    pub fn ports(&self) -> Vec<Port> {
        self.node
            .get("ports")
            .map_or_else(Vec::new, |node| node.members().iter().filter_map(port).collect())
    }

    /// Mounted places, short and long form.
    pub fn mounts(&self) -> Vec<Mount> {
        self.node
            .get("volumes")
            .map_or_else(Vec::new, |node| node.members().iter().filter_map(mount).collect())
    }
}

fn port(node: &Node) -> Option<Port> {
    if let Some(text) = node.text() {
        let parts = split(text);
        let target = parts.last()?.split('/').next()?.to_owned();
        let host = (parts.len() > 2).then(|| parts[..parts.len() - 2].join(":"));
        return Some(Port {
            line: node.line,
            host,
            target,
            shown: text.to_owned(),
        });
    }
    let say = |key| node.get(key).and_then(Node::text);
    let target = say("target")?.to_owned();
    let shown = format!("{}:{target}", say("published").unwrap_or("any"));
    Some(Port {
        line: node.line,
        host: say("host_ip").map(str::to_owned),
        target,
        shown,
    })
}

fn mount(node: &Node) -> Option<Mount> {
    let line = node.line;
    if let Some(text) = node.text() {
        return Some(match split(text).as_slice() {
            [target] => Mount {
                line,
                source: String::new(),
                target: target.clone(),
            },
            [source, target, ..] => Mount {
                line,
                source: source.clone(),
                target: target.clone(),
            },
            [] => return None,
        });
    }
    let say = |key| node.get(key).and_then(Node::text).unwrap_or_default().to_owned();
    Some(Mount {
        line,
        source: say("source"),
        target: say("target"),
    })
}

/// Splits at colons that stand neither in `${NAME:-default}` nor in `[::1]`.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ports_mounts_and_variables_in_every_form() {
        let text = "services:\n  odoo:\n    image: odoo:18.0\n    environment: [USER=odoo, PASSWORD]\n    ports:\n      - \"${PORT:-8069}:8069\"\n      - 127.0.0.1:8072:8072/tcp\n      - \"[::1]:9:9\"\n      - {target: 80, published: 8080, host_ip: 10.0.0.1}\n      - 443\n    volumes: [data:/var/lib/odoo, ./a:/b:ro, {type: bind, source: /x, target: /y}, /only]\n";
        let compose = Compose::read(text).unwrap();
        let odoo = compose.of(Role::Odoo).next().unwrap();
        let ports: Vec<_> = odoo.ports().into_iter().map(|p| (p.host, p.target)).collect();
        let host = |text: &str| Some(text.to_owned());
        assert_eq!(
            ports,
            [
                (None, "8069".to_owned()),
                (host("127.0.0.1"), "8072".to_owned()),
                (host("[::1]"), "9".to_owned()),
                (host("10.0.0.1"), "80".to_owned()),
                (None, "443".to_owned()),
            ]
        );
        let mounts: Vec<_> = odoo
            .mounts()
            .into_iter()
            .map(|m| format!("{}>{}", m.source, m.target))
            .collect();
        assert_eq!(mounts, ["data>/var/lib/odoo", "./a>/b", "/x>/y", ">/only"]);
        assert_eq!(odoo.variable("USER").as_deref(), Some("odoo"));
        assert_eq!(odoo.variable("PASSWORD").as_deref(), Some(""));
        assert!(odoo.passes_through("PASSWORD") && !odoo.passes_through("USER") && !odoo.passes_through("X"));
        let map = "services:\n  odoo: {environment: {A: , B: ~, C: '', D: x}}\n";
        let odoo = Compose::read(map).unwrap().services.remove(0);
        let through: Vec<&str> = ["A", "B", "C", "D"]
            .into_iter()
            .filter(|name| odoo.passes_through(name))
            .collect();
        assert_eq!(through, ["A", "B"]);
    }

    #[test]
    fn knows_services_by_image_and_by_name() {
        let text = "services:\n  a: {image: 'ghcr.io/x/odoo-ce:18'}\n  db: {build: .}\n  c: {image: 'pgvector/pgvector:pg16'}\n  d: {image: 'nginx@sha256:0'}\n  e: {image: 'valkey/valkey:8'}\n  odoo: {image: '${IMAGE}'}\n  g: {image: 'dpage/pgadmin4'}\n";
        let roles: Vec<_> = Compose::read(text)
            .unwrap()
            .services
            .iter()
            .map(|s| s.role)
            .collect();
        assert_eq!(
            roles,
            [
                Role::Odoo,
                Role::Postgres,
                Role::Postgres,
                Role::Nginx,
                Role::Redis,
                Role::Odoo,
                Role::Other
            ]
        );
        for bad in ["services: []", "x: 1", "", "services:\n"] {
            assert!(Compose::read(bad).is_err(), "{bad}");
        }
    }
}
