//! `secret`: set, list and rotate secret values; a value never stands on a command line.
use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};

use odoopack_core::name::Name;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::SecretRef;
use odoopack_core::target::generated_secrets;

use crate::backup;
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::password;
use crate::store::{lock, secrets};

/// Set, list and rotate the values that the file names as `secret:NAME`
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  odoopack secret set SMTP < smtp.txt\n  odoopack secret rotate PRODUCTION_DATABASE"
)]
pub(crate) enum Args {
    /// Store a value, read from standard input or generated
    #[command(
        after_help = "Examples:\n  odoopack secret set SMTP < smtp.txt\n  odoopack secret set API_TOKEN --generate"
    )]
    Set {
        /// Name: upper-case letters, digits and underscores
        name: String,
        /// Make up a random value
        #[arg(long)]
        generate: bool,
    },
    /// List names and where their values come from, never the values; `nowhere` is named in the file and has none
    #[command(after_help = "Example:\n  odoopack secret list")]
    List,
    /// Replace a generated value by a new one; `odoopack up` then brings it to every place that uses it
    #[command(after_help = "Example:\n  odoopack secret rotate PRODUCTION_DATABASE && odoopack up --yes")]
    Rotate {
        /// Name of a stored value
        name: String,
    },
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    match args {
        Args::Set { name, generate } => set(cx, &pack, name, *generate),
        Args::List => list(cx, &pack),
        Args::Rotate { name } => rotate(cx, &pack, name),
    }
}

fn set(cx: &Context, pack: &Pack, name: &str, generate: bool) -> Result<()> {
    checked(name)?;
    let is_key = name == backup::key::NAME;
    if is_key && generate {
        return Err(Failure::refused(format!(
            "{name} opens the backups; one that is made up opens none"
        ))
        .hint("`odoopack backup create` makes it with the repository"));
    }
    let value = if generate {
        password::generate()
    } else {
        from_stdin()?
    };
    if is_key {
        backup::place::opens(pack, &SecretText::new(value.clone()))?;
    }
    store(pack, name, &value)?;
    cx.ui.json(&serde_json::json!({ "set": name }));
    cx.ui.result(&format!(
        "set {name}; `odoopack up` brings it to every place that uses it"
    ));
    Ok(())
}

fn from_stdin() -> Result<String> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::new(Kind::Usage, "the value is read from standard input")
            .hint("`odoopack secret set NAME < FILE`, or `--generate`"));
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|e| Failure::failed("could not read the value from standard input").because(e))?;
    value_of(&text)
}

/// One line, or the lines of a private key; an editor of another system ends them with a carriage return.
fn value_of(text: &str) -> Result<String> {
    let text = text.replace("\r\n", "\n");
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let is_key = value.starts_with("-----BEGIN ");
    let control = |c: char| c.is_control() && !(is_key && c == '\n');
    if value.is_empty() || value.contains(control) {
        return Err(Failure::new(
            Kind::Usage,
            "the value must be one line that is not empty and has no control characters, or a private key",
        ));
    }
    Ok(value.to_owned())
}

fn list(cx: &Context, pack: &Pack) -> Result<()> {
    let mut places: BTreeMap<String, &str> = BTreeMap::new();
    for reference in pack.loaded.spec.secrets() {
        let (name, place) = match reference {
            SecretRef::Named(name) => (name.clone(), "nowhere"),
            SecretRef::Command(_) => (reference.key(), "command"),
        };
        places.insert(name, place);
    }
    for name in secrets::all(&pack.layout.secrets())?.into_keys() {
        let place = if secrets::in_variable(&name) {
            "environment"
        } else {
            "data/secrets"
        };
        places.insert(name, place);
    }
    let rows: Vec<_> = places
        .iter()
        .map(|(name, place)| serde_json::json!({ "name": name, "from": place }))
        .collect();
    cx.ui.json(&serde_json::json!(rows));
    for (name, place) in places {
        let missing = if place == "nowhere" {
            format!("; `odoopack secret set {name} < FILE`")
        } else {
            String::new()
        };
        cx.ui.result(&format!("{name:<32} {place}{missing}"));
    }
    Ok(())
}

fn rotate(cx: &Context, pack: &Pack, name: &str) -> Result<()> {
    if !secrets::names(&pack.layout.secrets())?
        .iter()
        .any(|known| known == name)
    {
        return Err(
            Failure::refused(format!("there is no stored secret {name}")).hint("`odoopack secret list`")
        );
    }
    let generated = |environment: &Name| generated_secrets(environment).iter().any(|known| known == name);
    if !pack.loaded.spec.environments.keys().any(generated) || name.ends_with("_HASH") {
        return Err(Failure::refused(format!(
            "{name} was not generated here, so it cannot be made up anew"
        ))
        .hint(format!("`odoopack secret set {name} < FILE`")));
    }
    if name.ends_with("_ADMIN") {
        // The file may be the only place that still knows the password with which people sign in.
        return Err(Failure::refused(format!(
            "{name} is the password that Odoo was given once; a new value here would not reach Odoo"
        ))
        .hint(format!(
            "change it in Odoo, then `odoopack secret set {name} < FILE`"
        )));
    }
    store(pack, name, &password::generate())?;
    // The hash follows its password: without it `up` makes a new one.
    files::remove(&secrets::path(&pack.layout.secrets(), &format!("{name}_HASH")))?;
    cx.ui.json(&serde_json::json!({ "rotated": name }));
    cx.ui.result(&format!("rotated {name}; now run `odoopack up`"));
    Ok(())
}

fn store(pack: &Pack, name: &str, value: &str) -> Result<()> {
    lock::make_place(&pack.layout.state())?;
    crate::observe::owner::check(&pack.layout.state())?;
    let _lock = lock::take(&pack.layout.state(), "odoopack secret")?;
    if !pack.layout.secrets().is_dir() {
        files::directory(&pack.layout.secrets(), 0o700, None)?;
    }
    secrets::set(&pack.layout.secrets(), name, value)
}

fn checked(name: &str) -> Result<()> {
    if secrets::is_name(name) {
        return Ok(());
    }
    Err(
        Failure::new(Kind::Usage, format!("`{name}` is no name of a secret"))
            .hint("use upper-case letters, digits and underscores, such as SMTP"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_line_whatever_ends_it_or_a_key() {
        for (text, wanted) in [
            ("u:p\n", Some("u:p")),
            ("u:p\r\n", Some("u:p")),
            ("u:p", Some("u:p")),
            ("-----BEGIN KEY\r\nx\r\n", Some("-----BEGIN KEY\nx")),
            ("", None),
            ("\r\n", None),
            ("u:p\nmore\n", None),
            ("u:\u{1b}p\n", None),
            ("u:p\rx\n", None),
        ] {
            assert_eq!(value_of(text).ok().as_deref(), wanted, "{text:?}");
        }
    }
}
