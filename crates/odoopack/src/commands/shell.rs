//! `shell`: Odoo's own shell on the database of an environment.
use odoopack_core::layout::Slot;
use odoopack_core::spec::{SecretRef, Value};
use odoopack_core::target::{odoo_command, odoo_variables};

use super::environment;
use crate::context::{Context, Pack};
use crate::exec::Cmd;
use crate::failure::{Failure, Result};

/// Open Odoo's Python shell on an environment (`env` is there, `env.cr.commit()` keeps changes).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack shell production\n  odoopack shell production < script.py")]
pub(crate) struct Args {
    /// Environment
    environment: String,
}

/// Replaces this process by the shell.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let cmd = odoo(&pack, &args.environment, "shell")?;
    Err(cmd.args(["--no-http"]).become_it())
}

/// A call of Odoo's program with the environment's configuration, user and variables.
pub(crate) fn odoo(pack: &Pack, name: &str, subcommand: &str) -> Result<Cmd> {
    let (name, environment) = environment(pack, name)?;
    let release = crate::release::observe(&pack.layout, &pack.loaded.spec)?;
    let release = release.present().filter(|release| release.python.is_some());
    let release = release.ok_or_else(|| Failure::refused("Odoo is not built yet").hint("odoopack up"))?;
    let python = release.python.as_ref().ok_or_else(|| Failure::refused("Odoo is not built yet"))?;
    let conf = pack.layout.odoo_conf(name, Slot::Blue);
    let mut argv = odoo_command(release, python, &conf);
    subcommand.clone_into(&mut argv[2]);
    let mut argv = argv.into_iter();
    let mut cmd = Cmd::new(argv.next().unwrap_or_default())
        .args(argv)
        .args(["-d", &environment.database])
        .bare()
        .directory(&pack.layout.environment(name))
        .user(pack.layout.user(name.as_str()).as_deref());
    for (name, value) in odoo_variables(&pack.layout, name, environment, release, python) {
        cmd = cmd.env(name, value);
    }
    let secrets = crate::observe::secret_values(&pack.loaded.spec, &pack.layout)?;
    for (variable, value) in &environment.env {
        if let Value::Secret(reference) = value {
            cmd = cmd.env(variable, secret(&secrets, reference)?);
        }
    }
    Ok(cmd)
}

fn secret<'a>(
    all: &'a std::collections::BTreeMap<String, odoopack_core::secret::SecretText>,
    reference: &SecretRef,
) -> Result<&'a str> {
    let value = all.get(&reference.key()).map(odoopack_core::secret::SecretText::expose);
    value.ok_or_else(|| {
        Failure::refused(format!("secret {} has no value", reference.key()))
            .hint(format!("odoopack secret set {}", reference.key()))
    })
}
