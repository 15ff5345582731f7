//! Interactive programs as an environment sees the world: Odoo's own subcommands and psql.
use odoopack_core::layout::ADMIN_ROLE;
use odoopack_core::name::Name;
use odoopack_core::spec::Environment;
use odoopack_core::target::{postgres_port, secret_name};

use crate::context::Pack;
use crate::exec::Cmd;
use crate::failure::{Failure, Result};
use crate::observe;
use crate::oneshot::OneShot;
use crate::store::secrets;

/// Replaces this process by a subcommand of Odoo with the environment's configuration, user and variables.
pub(crate) fn odoo(
    pack: &Pack,
    name: &Name,
    environment: &Environment,
    subcommand: &str,
    rest: &[String],
) -> Failure {
    match odoo_command(pack, name, environment, subcommand) {
        Ok(cmd) => cmd.args(rest.iter().cloned()).become_it(),
        Err(failure) => failure,
    }
}

fn odoo_command(pack: &Pack, name: &Name, environment: &Environment, subcommand: &str) -> Result<Cmd> {
    let (spec, layout) = (&pack.loaded.spec, &pack.layout);
    let release = observe::release(pack)?;
    let release = release
        .present()
        .ok_or_else(|| Failure::refused("Odoo is not built yet").hint("`odoopack up`"))?;
    let secrets = observe::secrets::values(spec, layout)?;
    let odoo = OneShot::of_services(spec, layout, name, release, &secrets)?;
    Ok(odoo.odoo(subcommand)?.args(["-d", &environment.database]))
}

/// Replaces this process by psql on the environment's database, as its own role or as the administrator.
pub(crate) fn psql(
    pack: &Pack,
    name: &Name,
    environment: &Environment,
    admin: bool,
    rest: &[String],
) -> Failure {
    let cmd = Cmd::new("psql")
        .args([
            "-h",
            pack.layout.postgres_socket().as_str(),
            "-p",
            &postgres_port(&pack.loaded.spec).to_string(),
            "-d",
            &environment.database,
        ])
        .args(rest.iter().cloned());
    if admin {
        return cmd.args(["-U", ADMIN_ROLE]).become_it();
    }
    match secrets::all(&pack.layout.secrets()).map(|all| all.get(&secret_name(name, "DATABASE")).cloned()) {
        Ok(Some(password)) => cmd
            .args(["-U", &pack.layout.role(name)])
            .env("PGPASSWORD", password.expose())
            .become_it(),
        Ok(None) => Failure::refused("the role has no password yet").hint("`odoopack up`"),
        Err(failure) => failure,
    }
}
