//! Odoo's own programs and those of click-odoo-contrib, run on the bench's demo as its services run.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::pack::Demo;
use crate::run;

/// The release of click-odoo-contrib that is measured; its programs are run as they come.
const CLICK_ODOO: &str = "click-odoo-contrib==1.24";

/// Their release with what it needs, fetched once.
pub(super) fn click_odoo() -> Result<PathBuf> {
    let place = run::tools()?.join(format!("{CLICK_ODOO}-whole"));
    if !place.join("click_odoo").is_dir() {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary=:all:",
            "--target",
        ])
        .arg(&place)
        .arg(CLICK_ODOO);
        run::run(&mut pip)?;
    }
    Ok(place)
}

/// A configuration with which Odoo's programs enter as the administrator of the cluster, who may make databases.
pub(super) struct Odoo<'a> {
    demo: &'a Demo,
    conf: PathBuf,
}

impl<'a> Odoo<'a> {
    /// Writes the configuration to `place`; filestores are looked for below `data`.
    pub(super) fn new(demo: &'a Demo, place: &Path, data: &Path) -> Result<Self> {
        let conf = place.join("odoo.conf");
        let rendered = demo.root().join("data/config/production/blue/odoo.conf");
        let text =
            fs::read_to_string(&rendered).with_context(|| format!("cannot read {}", rendered.display()))?;
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some(("db_user", _)) => "db_user = odoopack\n".to_owned(),
            Some(("db_password", _)) => String::new(),
            Some(("data_dir", _)) => format!("data_dir = {}\n", data.display()),
            _ => format!("{line}\n"),
        });
        fs::write(&conf, lines.collect::<String>())?;
        Ok(Self { demo, conf })
    }

    /// `odoo db -c CONF ARGUMENTS`.
    pub(super) fn db(&self, arguments: &[&str]) -> Result<Command> {
        let (mut command, entry) = self.like_the_service()?;
        command
            .arg(entry)
            .args(["db", "-c"])
            .arg(&self.conf)
            .args(arguments);
        Ok(command)
    }

    /// `click-odoo-MODULE -c CONF ARGUMENTS`.
    pub(super) fn click(&self, module: &str, arguments: &[&str]) -> Result<Command> {
        let (mut command, _) = self.like_the_service()?;
        let addons = self.demo.odoo_addons()?;
        let odoo = addons.ancestors().nth(2).context("Odoo's modules lie nowhere")?;
        let path = std::env::join_paths([&click_odoo()?, odoo])?;
        command
            .env("PYTHONPATH", path)
            .arg("-c")
            .arg(format!(
                "from click_odoo_contrib.{module} import main; main(prog_name='{module}')"
            ))
            .arg("-c")
            .arg(&self.conf)
            .args(arguments);
        Ok(command)
    }

    /// Python with the variables of the service that runs, and Odoo's entry.
    fn like_the_service(&self) -> Result<(Command, String)> {
        let status = self.demo.read(&["status", "--json"])?;
        let pid = pid_of(&status, "production.blue.web").context("Odoo does not run")?;
        let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}"));
        let line = read("cmdline").context("Odoo does not run")?;
        let mut words = line.split('\0');
        let mut command = Command::new(words.next().context("Odoo has no command")?);
        let entry = words.next().context("Odoo has no entry")?.to_owned();
        command.envs(
            read("environ")?
                .split('\0')
                .filter_map(|pair| pair.split_once('=')),
        );
        Ok((command, entry))
    }
}

/// The process of a service in what `status --json` prints.
fn pid_of<'a>(status: &'a str, service: &str) -> Option<&'a str> {
    let (_, rest) = status.split_once(&format!("\"{service}\":{{"))?;
    let (_, number) = own(rest)?.split_once("\"pid\":")?;
    let number = number.split([',', '}']).next()?;
    number.parse::<u32>().is_ok().then_some(number)
}

/// What stands before the brace that closes the object.
fn own(rest: &str) -> Option<&str> {
    let mut depth = 0;
    let end = rest.char_indices().find(|(_, letter)| {
        depth += match letter {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth < 0
    });
    end.map(|(at, _)| &rest[..at])
}

#[cfg(test)]
mod tests {
    use super::pid_of;

    #[test]
    fn the_process_of_a_service_is_found() {
        let status = r#"{"services":{"nginx":{"pid":1,"up":true},"web":{"children":{"running":3},"pid":77,"z":1},"cron":{"running":false}}}"#;
        assert_eq!(pid_of(status, "web"), Some("77"));
        assert_eq!(pid_of(status, "cron"), None);
        assert_eq!(pid_of(status, "gate"), None);
    }
}
