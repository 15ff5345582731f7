//! `spec`: the resolved file with the origin of each value, and its JSON Schema.
use odoopack_core::spec;

use crate::context::Context;
use crate::failure::Result;
use crate::ui;

/// Show what the file says, where each value came from, and what it may say
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  odoopack spec show\n  odoopack spec schema > odoopack.schema.json")]
pub(crate) enum Args {
    /// Print each value with where it came from
    #[command(after_help = "Example:\n  odoopack spec show | grep -v '# default'")]
    Show,
    /// Print the JSON Schema of odoopack.toml
    #[command(after_help = "Example:\n  odoopack spec schema > odoopack.schema.json")]
    Schema,
    /// Print every key with its meaning and default, as Markdown
    #[command(after_help = "Example:\n  odoopack spec reference | less")]
    Reference,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    match args {
        Args::Schema => ui::out(&format!("{:#}", spec::schema())),
        Args::Reference => ui::out(spec::reference().trim_end()),
        Args::Show => show(cx)?,
    }
    Ok(())
}

fn show(cx: &Context) -> Result<()> {
    let pack = cx.load()?;
    let values = spec::show(&pack.loaded);
    cx.ui.json(&serde_json::json!(values));
    for value in values {
        cx.ui.result(&format!(
            "{} = {}    # {}",
            value.path,
            value.value.as_deref().unwrap_or("-"),
            value.origin
        ));
    }
    Ok(())
}
