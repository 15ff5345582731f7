//! `psql`: a database session of an environment, as its own role.
use crate::context::Context;
use crate::exec::Cmd;
use crate::failure::{Failure, Result};
use crate::store::secrets;

/// Open psql on the database of an environment, as the environment's own role.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack psql production\n  odoopack psql production -- -c 'SELECT count(*) FROM res_users'")]
pub(crate) struct Args {
    /// Environment
    environment: String,
    /// Connect as the administrator of the cluster instead
    #[arg(long)]
    admin: bool,
    /// Arguments for psql
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Replaces this process by psql.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let (name, environment) = super::environment(&pack, &args.environment)?;
    let role = pack.layout.role(name);
    let mut cmd = Cmd::new("psql")
        .args(["-h", pack.layout.postgres_socket().as_str(), "-d", &environment.database])
        .args(args.rest.iter().cloned());
    if args.admin {
        return Err(cmd.args(["-U", odoopack_core::layout::ADMIN_ROLE]).become_it());
    }
    let all = secrets::all(&pack.layout.secrets())?;
    let password = all.get(&odoopack_core::target::secret_name(name, "DATABASE"));
    let password = password.ok_or_else(|| Failure::refused("the role has no password yet").hint("odoopack up"))?;
    cmd = cmd.args(["-U", &role]).env("PGPASSWORD", password.expose());
    Err(cmd.become_it())
}
