//! `init`: the canonical layout and a commented file; or the file that matches an existing odoo.conf.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;
use odoopack_core::name::{BadName, Name};
use odoopack_core::odoo::{Series, conf_file};
use odoopack_core::spec::{self, Carried, Spec, Starter};
use odoopack_core::target;

use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::store::secrets;

/// Write a commented odoopack.toml and the directories around it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Makes `repo/odoopack.toml` below --root (default: the working directory) and overwrites nothing.\n\nExamples:\n  odoopack init --root /opt/odoo --domain erp.example.com\n  odoopack init --domain erp.example.com --from-odoo-conf /etc/odoo/odoo.conf"
)]
pub(crate) struct Args {
    /// Host name of the production environment
    #[arg(long)]
    domain: String,
    /// Name of the pack
    #[arg(long, default_value = "odoo")]
    name: odoopack_core::name::Name,
    /// Series of Odoo: 17.0, 18.0 or 19.0
    #[arg(long, default_value = "18.0")]
    series: Series,
    /// Carry over what an existing odoo.conf says, and say what was left behind and why
    #[arg(long, value_name = "FILE")]
    from_odoo_conf: Option<Utf8PathBuf>,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let (root, path) = cx.place_of_new_file()?;
    let carried = file(args)?;
    let context = spec::LoadContext::new(root.join("repo"));
    let loaded = spec::load(&carried.text, &context).map_err(|mistakes| {
        Failure::new(
            Kind::Spec,
            format!("no file can be made of these values\n{mistakes}"),
        )
    })?;
    lay_out(&root, &loaded.spec)?;
    store(&root, &carried)?;
    files::replace(&path, carried.text.as_bytes(), 0o644, None)?;
    tell(cx, &root, &path, &carried);
    Ok(())
}

/// Makes what people look for first, as `up` would, which makes the rest: it then finds nothing to change there.
fn lay_out(root: &Utf8Path, spec: &Spec) -> Result<()> {
    if !root.is_dir() {
        files::directory_all(root)?;
        files::directory(root, 0o755, None)?;
    }
    // One root has one name, whatever link leads to it.
    let real = root.canonicalize_utf8();
    let real = real.map_err(|e| Failure::failed(format!("could not look at `{root}`")).because(e))?;
    let layout = Layout::new(&real, &spec.pack.name, true);
    for (path, mode) in [
        (layout.repo(), 0o755),
        (layout.data(), 0o755),
        (layout.addons(), 0o755),
        (layout.backups(), 0o700),
    ] {
        files::directory(&path, mode, None)?;
    }
    files::directory_all(&layout.repo().join("addons"))?;
    for view in target::views_of(spec, &layout) {
        if let Some(to) = view.to.filter(|_| view.path.symlink_metadata().is_err()) {
            files::link(&to, &view.path)?;
        }
    }
    Ok(())
}

fn file(args: &Args) -> Result<Carried> {
    let environment: Name = "production"
        .parse()
        .map_err(|e: BadName| Failure::failed("no such name").because(e))?;
    let text = spec::starter(&Starter::new(
        args.name.clone(),
        environment.clone(),
        args.domain.clone(),
        args.series,
    ));
    let Some(conf) = &args.from_odoo_conf else {
        return Ok(Carried {
            text,
            dropped: Vec::new(),
            secrets: Vec::new(),
        });
    };
    let conf_text = files::read_text(conf)?.ok_or_else(|| {
        Failure::refused(format!("there is no `{conf}`")).hint("check the path of --from-odoo-conf")
    })?;
    let read = conf_file::read(&conf_text);
    if let Some(mistake) = read.mistakes.first() {
        return Err(Failure::refused(format!("Odoo itself could not read `{conf}`"))
            .because(mistake.clone())
            .hint(format!("`odoopack doctor --file {conf}`")));
    }
    let whose = (args.series, environment.as_str());
    spec::carry_over(&text, whose, &read.entries, &holds_odoos_modules)
        .map_err(|e| Failure::failed("could not carry the values over").because(e))
}

/// Whether a directory is one of Odoo's own, where it can be looked into.
fn holds_odoos_modules(path: &str) -> Option<bool> {
    let path = Utf8Path::new(path);
    let of_odoo = |module: &str| path.join(module).join("__manifest__.py").is_file();
    path.is_dir().then(|| of_odoo("base") || of_odoo("web"))
}

/// Secrets of the old file go where secrets are kept, not into the new one.
fn store(root: &Utf8Path, carried: &Carried) -> Result<()> {
    if carried.secrets.is_empty() {
        return Ok(());
    }
    let directory = root.join("data/secrets");
    files::directory(&directory, 0o700, None)?;
    carried
        .secrets
        .iter()
        .try_for_each(|(name, value)| secrets::set(&directory, name, value.expose()))
}

fn tell(cx: &Context, root: &Utf8Path, path: &Utf8Path, carried: &Carried) {
    let secrets: Vec<&str> = carried.secrets.iter().map(|(name, _)| name.as_str()).collect();
    cx.ui
        .json(&serde_json::json!({ "written": path, "dropped": carried.dropped, "secrets": secrets }));
    cx.ui.result(&format!(
        "wrote {path}; read it, then `odoopack plan --root {root}`"
    ));
    for name in secrets {
        cx.ui.result(&format!(
            "  kept the value of secret:{name} in {root}/data/secrets"
        ));
    }
    for (key, why) in &carried.dropped {
        cx.ui.result(&format!("  left behind {key}: {why}"));
    }
}
