//! What of the services has no place in the pack, and what else of the project goes on without it.
use super::Stack;
use super::decide::Decider;
use crate::foreign::compose::{Role, Service};
use crate::foreign::yaml::{Node, Value};

impl Decider<'_> {
    /// What the services of the pack were started with, as far as nothing takes its place.
    pub(super) fn left_programs(&mut self) {
        let stack = self.stack;
        let (odoo, postgres) = (stack.odoo, stack.postgres);
        if !stack.conf_read {
            let (name, path) = (&odoo.name, stack.odoo_conf_inside());
            self.leave(
                "odoo.conf",
                format!("none was read, because none is mounted at {path}: where the image has one of its own, `docker compose cp {name}:{path} .` copies it, and `--odoo-conf FILE` names it"),
            );
        }
        for word in stack.command().rest {
            self.leave(
                format!("`{word}` of the command of service {}", odoo.name),
                "it is no option of odoo.conf: the pack starts Odoo itself",
            );
        }
        if has(odoo, "entrypoint") {
            self.leave(
                format!("entrypoint of service {}", odoo.name),
                "the pack starts Odoo itself: whatever that program does before, or adds to the command, was not read",
            );
        }
        for key in ["command", "entrypoint"] {
            if has(postgres, key) {
                self.leave(
                    format!("{key} of service {}", postgres.name),
                    "PostgreSQL starts with the pack's own configuration: settings belong into [postgres.options]",
                );
            }
        }
    }

    /// Services that go on without the pack, and those that cannot as they are.
    pub(super) fn left_services(&mut self) {
        let stack = self.stack;
        let postgres = &stack.postgres.name;
        self.change(
            "PostgreSQL answers through its socket, and to the pack's roles alone",
            format!("nobody else has to reach it; any other service or person that works in the cluster of {postgres} cannot sign in any more, and what they have there has to be moved first"),
        );
        for name in stack.others() {
            self.leave(
                format!("service {name}"),
                match stack.uses_postgres(name) {
                    Some(how) => format!("it uses PostgreSQL in {postgres} ({how}) and cannot sign in there after `up`: what it has in that cluster has to be moved to a server of its own first (`pg_dump`)"),
                    None => "it is no part of the pack: keep it in a compose file of its own".to_owned(),
                },
            );
        }
    }
}

impl Stack<'_> {
    /// How another service says that it works with the database's server; `None`: it does not.
    fn uses_postgres(&self, name: &str) -> Option<String> {
        let mut all = self.project.compose.services.iter();
        let service = all.find(|service| service.name == name)?;
        let named = service.environment().into_iter().map(|(name, ..)| name);
        let named = named.chain(self.project.named_in_files(service));
        let leads = |name: &String| {
            let text = self.project.variable(service, name).unwrap_or_default();
            !is_account(name) && hosts(&text).any(|host| self.answers(self.postgres, host))
        };
        if let Some(name) = named.into_iter().find(leads) {
            return Some(format!("variable {name}"));
        }
        let key = ["links", "depends_on"].into_iter().find(|key| {
            let Some(node) = service.node.get(key) else {
                return false;
            };
            let listed = node.members().iter().filter_map(Node::text);
            let listed = listed.map(|text| text.split(':').next().unwrap_or_default());
            let mut all = node.entries().iter().map(|(name, _)| name.as_str()).chain(listed);
            all.any(|name| name == self.postgres.name)
        });
        key.map(|key| format!("`{key}`"))
            .or_else(|| (service.role == Role::Odoo).then(|| "it runs Odoo".to_owned()))
    }
}

/// Whether a variable says an account or a database, which often have the server's name.
fn is_account(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words = [
        "USER", "USERNAME", "PASSWORD", "DB", "DATABASE", "NAME", "TYPE", "ENGINE", "DIALECT",
    ];
    words.iter().any(|word| name.rsplit('_').next() == Some(word))
}

/// Hosts in a value: that of a URL, else any word of it.
fn hosts(text: &str) -> impl Iterator<Item = &str> {
    let authority = text.split_once("://").map(|(_, rest)| {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default()
    });
    let words = authority.unwrap_or(text).split([',', ';', '=', ' ', '\'', '"']);
    words.map(|word| word.split(':').next().unwrap_or_default())
}

pub(super) fn has(service: &Service, key: &str) -> bool {
    let nothing = |node: &Node| match &node.value {
        Value::Null => true,
        Value::Text(text) => text.trim().is_empty(),
        Value::List(all) => all.is_empty(),
        Value::Map(_) => false,
    };
    service.node.get(key).is_some_and(|node| !nothing(node))
}
