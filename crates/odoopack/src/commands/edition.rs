//! `edition`: the product lines of the file; adding and removing edit it and keep its comments.
use std::os::unix::fs::MetadataExt;

use odoopack_core::name::Name;
use odoopack_core::spec::{self, EditError, LoadContext, NewEdition, Spec};

use crate::context::{Context, FILE, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::hint::with_root;

/// Show, add and remove editions: product lines with their own host name, database and processes
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Each edition has its own database role, data directory, user and processes on one PostgreSQL and one nginx. Messages of the bus (the fact that something happened, and small payloads) can be read by every role of one PostgreSQL cluster; where that is too much, begin the pack with `cluster = \"per-edition\"` in [postgres], which gives each edition a PostgreSQL server of its own.\n\nExamples:\n  odoopack edition list\n  odoopack edition add marketing --domain marketing.example.com --modules mass_mailing,event --http-port 8070\n  odoopack edition remove marketing"
)]
pub(crate) enum Args {
    /// Show the editions with what runs them
    List,
    /// Add an edition, and an environment of the same name, to the file
    Add(Add),
    /// Remove an edition and its environments from the file; its data stay
    Remove {
        /// Its name
        name: Name,
        /// Show the changed file and leave it as it is
        #[arg(long)]
        dry_run: bool,
    },
}

/// A new edition.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Its name: lower-case letters, digits and hyphens
    name: Name,
    /// Host name that nginx answers to
    #[arg(long, value_name = "HOST")]
    domain: String,
    /// Modules to install, with commas between
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    modules: Vec<String>,
    /// Database name
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Loopback port for direct access
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Show the changed file and leave it as it is
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    match args {
        Args::List => {
            list(cx, &cx.load()?.loaded.spec);
            Ok(())
        }
        Args::Add(add) => {
            let (pack, _held) = super::lock::alone(cx, "odoopack edition add")?;
            let spec = &pack.loaded.spec;
            let new = NewEdition {
                name: add.name.clone(),
                domain: add.domain.clone(),
                modules: add.modules.clone(),
                database: add.database.clone(),
                http_port: add.http_port,
            };
            let text = spec::add_edition(&read(&pack)?, spec, &new).map_err(|error| refused(&error))?;
            write(cx, &pack, &text, add.dry_run)?;
            cx.ui
                .json(&serde_json::json!({ "added": add.name, "written": !add.dry_run }));
            cx.ui.say(&format!("added {}; now run `odoopack up`", add.name));
            Ok(())
        }
        Args::Remove { name, dry_run } => {
            let (pack, _held) = super::lock::alone(cx, "odoopack edition remove")?;
            let spec = &pack.loaded.spec;
            let (text, gone) =
                spec::remove_edition(&read(&pack)?, spec, name).map_err(|error| refused(&error))?;
            write(cx, &pack, &text, *dry_run)?;
            cx.ui
                .json(&serde_json::json!({ "removed": name, "environments": gone, "written": !dry_run }));
            let server = gone.first().map(|environment| spec.server_of(environment));
            let own = server.filter(|server| server.edition() == Some(name));
            let kept = own.map_or_else(String::new, |server| {
                let place = pack.layout.cluster(&server);
                format!("; its PostgreSQL server stops too, and {place} keeps the databases for an edition of this name")
            });
            let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
            cx.ui.say(&format!(
                "removed {name} with the environments: {}; `odoopack up` stops them; their databases, their files and the users that own these stay{kept}",
                gone.join(", ")
            ));
            Ok(())
        }
    }
}

fn refused(error: &EditError) -> Failure {
    Failure::refused(error.to_string()).hint("`odoopack edition list`")
}

fn read(pack: &Pack) -> Result<String> {
    let path = pack.directory.join(FILE);
    files::read_text(&path)?.ok_or_else(|| Failure::new(Kind::Spec, format!("there is no `{path}`")))
}

/// What would make the file wrong is not written.
fn write(cx: &Context, pack: &Pack, text: &str, dry_run: bool) -> Result<()> {
    let path = pack.directory.join(FILE);
    let context = LoadContext::new(&pack.directory).with_root(&pack.loaded.spec.pack.root);
    spec::load(text, &context).map_err(|mistakes| {
        Failure::new(
            Kind::Spec,
            format!(
                "`{path}` would be wrong with that\n{}",
                with_root(&mistakes.to_string())
            ),
        )
    })?;
    if dry_run {
        cx.ui.document(text);
        return Ok(());
    }
    let seen = std::fs::metadata(&path)
        .map_err(|e| Failure::failed(format!("could not look at `{path}`")).because(e))?;
    let owner = files::Owner {
        uid: seen.uid(),
        gid: seen.gid(),
    };
    files::replace(&path, text.as_bytes(), seen.mode() & 0o7777, Some(owner))
}

fn list(cx: &Context, spec: &Spec) {
    let mut rows = Vec::new();
    for (name, edition) in &spec.editions {
        let runs = spec
            .environments
            .iter()
            .filter(|(_, environment)| environment.edition == *name);
        let environments: Vec<_> = runs
            .map(|(name, environment)| {
                serde_json::json!({ "name": name, "kind": environment.kind, "domain": environment.domain,
                    "http_port": environment.http_port, "database": environment.database })
            })
            .collect();
        rows.push(
            serde_json::json!({ "name": name, "modules": edition.modules, "environments": environments }),
        );
    }
    cx.ui.json(&serde_json::json!(rows));
    for (name, edition) in &spec.editions {
        let modules = if edition.modules.is_empty() {
            "no modules of its own".to_owned()
        } else {
            edition.modules.join(", ")
        };
        cx.ui.result(&format!("{name}: {modules}"));
        for (environment, settings) in spec.environments.iter().filter(|(_, e)| e.edition == *name) {
            let port = settings
                .http_port
                // By a host name of its own: a browser has one set of cookies for all ports of 127.0.0.1.
                .map_or(String::new(), |port| format!(", {environment}.localhost:{port}"));
            let (domain, database) = (&settings.domain, &settings.database);
            cx.ui.result(&format!(
                "  {environment:<16} {domain}{port}, database {database}"
            ));
        }
    }
}
