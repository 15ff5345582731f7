//! `backup key`: the key that opens every backup, out of this machine and back.
use std::io::{IsTerminal, Read};

use crate::backup::key;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};

/// Take the key of the backups out of this machine, and confirm that you have it
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Without the key nobody can read the backups, and a machine that burns takes its copy along.\n\nExamples:\n  odoopack backup key export\n  odoopack backup key export > /media/usb/odoopack.key\n  odoopack backup key confirm < /media/usb/odoopack.key"
)]
pub(crate) enum Args {
    /// Print the key
    Export,
    /// Read the key from standard input and note that it is kept elsewhere
    Confirm,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    match args {
        Args::Export => {
            let key = key::of(&pack.layout)?;
            cx.ui.json(&serde_json::json!({ "key": key.expose() }));
            cx.ui.document(key.expose());
            cx.ui
                .say("keep it away from this machine, then `odoopack backup key confirm`");
        }
        Args::Confirm => {
            key::confirm(&pack.layout, &given(cx)?)?;
            cx.ui.json(&serde_json::json!({ "confirmed": true }));
            cx.ui.result("confirmed: the key is kept elsewhere");
        }
    }
    Ok(())
}

fn given(cx: &Context) -> Result<String> {
    let mut text = String::new();
    let failed = |e: std::io::Error| Failure::failed("could not read the key from standard input").because(e);
    if std::io::stdin().is_terminal() {
        cx.ui.say("type the key as you have it elsewhere:");
        std::io::stdin().read_line(&mut text).map_err(failed)?;
    } else {
        std::io::stdin()
            .take(4096)
            .read_to_string(&mut text)
            .map_err(failed)?;
    }
    if text.trim().is_empty() {
        return Err(
            Failure::new(Kind::Usage, "no key was given").hint("`odoopack backup key confirm < FILE`")
        );
    }
    Ok(text)
}
