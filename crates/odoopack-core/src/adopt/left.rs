//! What of the services has no place in the pack, and what else of the project goes on without it.
use super::decide::Decider;
use crate::foreign::compose::Service;
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

    pub(super) fn left_services(&mut self) {
        for name in self.stack.others() {
            self.leave(
                format!("service {name}"),
                "it is no part of the pack: keep it in a compose file of its own",
            );
        }
    }
}

fn has(service: &Service, key: &str) -> bool {
    let nothing = |node: &Node| match &node.value {
        Value::Null => true,
        Value::Text(text) => text.trim().is_empty(),
        Value::List(all) => all.is_empty(),
        Value::Map(_) => false,
    };
    service.node.get(key).is_some_and(|node| !nothing(node))
}
