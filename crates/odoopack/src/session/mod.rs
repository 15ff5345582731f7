//! Interactive programs as an environment sees the world: Odoo's own subcommands and psql.
use odoopack_core::name::Name;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::Environment;
use odoopack_core::target::{ODOO_CONF, secret_name};

use crate::context::Pack;
use crate::exec::Cmd;
use crate::failure::{Failure, Result};
use crate::observe;
use crate::oneshot::OneShot;
use crate::tools::docker;

/// Replaces this process by a subcommand of Odoo with the environment's configuration, user and variables.
pub(crate) fn odoo(
    pack: &Pack,
    name: &Name,
    environment: &Environment,
    subcommand: &str,
    rest: &[String],
) -> Failure {
    if pack.layout.containers() {
        return tool(pack, name, environment, subcommand, rest);
    }
    match odoo_command(pack, name, environment, subcommand) {
        Ok(cmd) => cmd.args(rest.iter().cloned()).become_it(),
        Err(failure) => failure,
    }
}

/// The environment's tool in a container of its own.
fn tool(pack: &Pack, name: &Name, environment: &Environment, subcommand: &str, rest: &[String]) -> Failure {
    if !pack.layout.stack().is_file() {
        return Failure::refused("there are no containers yet").hint("`odoopack up`");
    }
    let project = observe::containers::project(&pack.layout);
    project
        .tool(&format!("{name}.tools"), None, terminal())
        .args([subcommand, "-c", ODOO_CONF, "-d", &environment.database])
        .args(rest.iter().cloned())
        .become_it()
}

/// Whether a person sits in front of us: only then a program in a container may ask for a terminal.
fn terminal() -> bool {
    let is_one = |fd: &str| {
        let place = std::fs::read_link(format!("/proc/self/fd/{fd}"));
        place.is_ok_and(|place| place.starts_with("/dev/pts") || place.starts_with("/dev/tty"))
    };
    is_one("0") && is_one("1")
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

/// psql of this machine, or that of the pack's own server in its container, whose administrator is root there as here.
fn program(pack: &Pack, environment: &Name) -> Result<Cmd> {
    if !pack.layout.containers() || pack.loaded.spec.postgres.is_given() {
        return Ok(Cmd::new("psql"));
    }
    let service = pack.loaded.spec.server_of(environment).to_string();
    let server = observe::containers::one(&pack.layout, &service)?.filter(|one| one.running);
    let server = server.ok_or_else(|| Failure::refused("PostgreSQL does not run").hint("`odoopack up`"))?;
    Ok(docker::session(&server.id, &["PGPASSWORD"], terminal()).arg("psql"))
}

/// Replaces this process by psql on the environment's database, as its own role or as the administrator.
pub(crate) fn psql(
    pack: &Pack,
    name: &Name,
    environment: &Environment,
    admin: bool,
    rest: &[String],
) -> Failure {
    let program = match program(pack, name) {
        Ok(program) => program,
        Err(failure) => return failure,
    };
    let place = match observe::databases::server(&pack.loaded.spec, &pack.layout, name) {
        Ok(server) => server.place(),
        Err(failure) => return failure,
    };
    let cmd = program
        .args(["-h", &place.host, "-p", &place.port.to_string()])
        .args(["-d", &environment.database])
        .args(rest.iter().cloned());
    let set = |cmd: Cmd, (name, value): &(&str, SecretText)| cmd.env(*name, value.expose());
    if admin {
        let cmd = cmd.args(["-U", &place.role]);
        return place.variables.iter().fold(cmd, set).become_it();
    }
    let protection = pack
        .layout
        .server()
        .map_or_else(Vec::new, observe::databases::variables);
    let values = observe::secrets::values(&pack.loaded.spec, &pack.layout);
    match values.map(|all| all.get(&secret_name(name, "DATABASE")).cloned()) {
        Ok(Some(password)) => {
            let cmd = cmd.args(["-U", &pack.layout.role(name)]);
            let cmd = protection.iter().fold(cmd, set);
            cmd.env("PGPASSWORD", password.expose()).become_it()
        }
        Ok(None) => Failure::refused("the role has no password yet").hint("`odoopack up`"),
        Err(failure) => failure,
    }
}
