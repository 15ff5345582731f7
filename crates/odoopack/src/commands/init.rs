//! `init`: the canonical layout and a commented file; or the file that matches an existing odoo.conf.
use odoopack_core::odoo::Series;
use odoopack_core::spec::{self, Starter};

use crate::context::{Context, FILE, working_directory};
use crate::failure::{Failure, Kind, Result};
use crate::files;

/// Write the canonical layout and a commented odoopack.toml.
///
/// Makes `repo/odoopack.toml` below --root (default: the working directory) and overwrites nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack init --root /opt/odoo --domain erp.example.com")]
pub(crate) struct Args {
    /// Host name of the production environment
    #[arg(long)]
    domain: String,
    /// Name of the pack
    #[arg(long, default_value = "odoo")]
    name: odoopack_core::name::Name,
    /// Series of Odoo: 17.0, 18.0, 19.0
    #[arg(long, default_value = "18.0")]
    series: Series,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let root = match &cx.root {
        Some(root) => root.clone(),
        None => working_directory()?,
    };
    let path = root.join("repo").join(FILE);
    if files::read_text(&path)?.is_some() {
        return Err(
            Failure::refused(format!("`{path}` is already there")).hint("edit it, or choose another --root")
        );
    }
    let environment = "production"
        .parse()
        .map_err(|e: odoopack_core::name::BadName| Failure::failed("no such name").because(e))?;
    let starter = Starter::new(args.name.clone(), environment, args.domain.clone(), args.series);
    let text = spec::starter(&starter);
    let context = spec::LoadContext::new(root.join("repo"));
    spec::load(&text, &context).map_err(|mistakes| {
        Failure::new(
            Kind::Spec,
            format!("no file can be made of these values\n{mistakes}"),
        )
    })?;
    for directory in ["repo/addons", "data", "backups"] {
        files::directory_all(&root.join(directory))?;
    }
    files::replace(&path, text.as_bytes(), 0o644, None)?;
    cx.ui.json(&serde_json::json!({ "written": path }));
    cx.ui.result(&format!(
        "wrote {path}; read it, then `odoopack plan --root {root}`"
    ));
    Ok(())
}
