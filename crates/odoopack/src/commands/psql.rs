//! `psql`: a database session of an environment, as its own role.
use crate::context::Context;
use crate::failure::Result;
use crate::session;

/// Open psql on the database of an environment, as its own role
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  odoopack psql production\n  odoopack psql production -- -c 'SELECT count(*) FROM res_users'"
)]
pub(crate) struct Args {
    /// Name of the environment, such as `production`
    environment: String,
    /// Connect as the administrator of the cluster instead
    #[arg(long)]
    admin: bool,
    /// Arguments for psql
    #[arg(last = true, value_name = "ARGUMENT")]
    rest: Vec<String>,
}

/// Replaces this process by psql.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let (name, environment) = super::environment(&pack, &args.environment)?;
    Err(session::psql(&pack, name, environment, args.admin, &args.rest))
}
