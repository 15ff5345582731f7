//! Module operations: Odoo run once on the database of an environment, and what the database remembers of it.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use odoopack_core::changed::{Act, Loaded, Record, Work, advisory_lock};
use odoopack_core::layout::{ACT, Layout};
use odoopack_core::name::Name;
use odoopack_core::odoo::log::Verdict;
use odoopack_core::target::DatabaseWant;
use postgres::Client;

use super::Apply;
use super::databases::failed;
use crate::failure::{Failure, Kind, Result};
use crate::observe::{code, installed};
use crate::oneshot::{self, OneShot};
use crate::ui::Progress;

impl Apply<'_> {
    /// Installs, updates or uninstalls; the second part is what went wrong.
    ///
    /// # Errors
    /// When Odoo could not be run at all.
    pub(crate) fn work_on_modules(
        &self,
        environment: &Name,
        work: &Work,
        log: &Utf8PathBuf,
        progress: &Progress,
    ) -> Result<(Verdict, Option<Failure>)> {
        let odoo = OneShot {
            log: Some(log),
            ..self.one_shot(environment)?
        };
        let database = &self.want(environment)?.database;
        let modules = work.modules.join(",");
        let cmd = match work.act {
            Act::Install => odoo.command()?.args(["-d", database, "-i", &modules]),
            Act::Update => odoo.command()?.args(["-d", database, "-u", &modules]),
            Act::Uninstall => odoo
                .odoo("shell")?
                .args(["-d", database])
                .args(QUIET)
                .input(uninstall(&work.modules)?),
        };
        let mut without_code = self.uploaded(environment)?;
        if work.act == Act::Uninstall {
            // A module without code is never loaded, and this is how one gets rid of it.
            without_code.extend(work.all().map(str::to_owned));
        }
        let mut ran = odoo.run(cmd, progress)?;
        ran.verdict
            .expect_without_code(|module| without_code.contains(module));
        let verdict = ran.verdict.clone();
        Ok((verdict, ran.good().err()))
    }

    /// Makes Odoo build its bundles again, also in the processes that run.
    ///
    /// # Errors
    /// When Odoo could not do it.
    pub(crate) fn regenerate_assets(&self, environment: &Name, progress: &Progress) -> Result<()> {
        let odoo = self.one_shot(environment)?;
        let database = &self.want(environment)?.database;
        let cmd = odoo
            .odoo("shell")?
            .args(["-d", database])
            .args(QUIET)
            .input(ASSETS);
        let uploaded = self.uploaded(environment)?;
        let mut ran = odoo.run(cmd, progress)?;
        ran.verdict
            .expect_without_code(|module| uploaded.contains(module));
        ran.good().map(drop)
    }

    /// Installed modules that were uploaded into the database, which have no directory anywhere.
    fn uploaded(&self, environment: &Name) -> Result<BTreeSet<String>> {
        let mut client = self.admin(environment, &self.want(environment)?.database)?;
        Ok(installed::look(&mut client)?.uploaded())
    }

    /// Stores the hashes of what the first installation loaded.
    pub(super) fn remember_first(&self, want: &DatabaseWant, modules: &BTreeSet<String>) -> Result<()> {
        let mut client = self.admin(&want.environment, &want.database)?;
        let code = code::look(self.spec, self.layout, self.release()?, &mut client)?;
        let contents = code.contents(modules.iter().map(String::as_str))?;
        let run = Loaded {
            modules: &contents,
            build: &code.build,
            languages: &code.stored.languages,
            unusual: code.stored.is_unusual(),
            whole: true,
        };
        remember(
            &mut client,
            &Record::default().after(&run, &|module| modules.contains(module)),
        )
    }

    fn one_shot<'b>(&'b self, environment: &'b Name) -> Result<OneShot<'b>> {
        OneShot::of_services(
            self.spec,
            self.layout,
            environment,
            self.release()?,
            &self.facts.secrets,
        )
    }
}

/// How long a backend may take to notice that it was told to end.
const STRAYS: Duration = Duration::from_secs(30);
/// What a shell must not start.
const QUIET: [&str; 5] = ["--no-http", "--max-cron-threads", "0", "--workers", "0"];

/// `regenerate_assets_bundles` exists since 17.0; the signal reaches the other processes.
const ASSETS: &str =
    "env['ir.attachment'].regenerate_assets_bundles()\nenv.cr.commit()\nenv.registry.signal_changes()\n";

/// The button's own function, as every series has it; the names are checked, so that they are only names.
fn uninstall(modules: &[String]) -> Result<String> {
    let bad = |name: &&String| !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if let Some(name) = modules.iter().find(bad) {
        return Err(Failure::refused(format!("`{name}` is no name of a module")));
    }
    let list: Vec<String> = modules.iter().map(|name| format!("'{name}'")).collect();
    Ok(format!(
        "modules = env['ir.module.module'].search([('name', 'in', [{}])])\nmodules.button_immediate_uninstall()\nenv.cr.commit()\n",
        list.join(", ")
    ))
}

/// Keeps click-odoo-update away for as long as this connection lives.
///
/// # Errors
/// Kind `Locked` when it is at work.
pub(crate) fn exclude_click_odoo(client: &mut Client, database: &str) -> Result<()> {
    let sql = "SELECT pg_try_advisory_lock($1)";
    let row = client.query_one(sql, &[&advisory_lock(database)]);
    let taken: bool = row.map_err(|e| failed("could not lock the database", &e))?.get(0);
    if taken {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Locked,
        format!("click-odoo-update is at work in `{database}`"),
    )
    .hint("wait until it has ended"))
}

/// Ends what an Odoo that was killed left running in the database; called when nothing of it may run.
///
/// # Errors
/// When the server refuses, or something does not end.
pub(crate) fn end_strays(layout: &Layout, environment: &Name, client: &mut Client) -> Result<()> {
    oneshot::end_left(layout, environment.as_str(), ACT)?;
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name LIKE 'odoo-%' AND pid <> pg_backend_pid()";
    let begun = Instant::now();
    while begun.elapsed() < STRAYS {
        let row = client.query_one(sql, &[]);
        let left: i64 = row
            .map_err(|e| failed("could not end what an earlier run left", &e))?
            .get(0);
        if left == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Failure::failed("connections of an Odoo that is gone do not end").hint("`odoopack psql ENV --admin`"))
}

/// Puts states `to ...` back, as Odoo does after a failure, and keeps 19.0 from going on by itself.
///
/// # Source
/// `odoo/modules/loading.py` `reset_modules_state`, 17.0 to 19.0; `odoo/orm/registry.py` 19.0 for the parameter.
pub(crate) fn reset_states(client: &mut Client) -> Result<()> {
    let sql = "UPDATE ir_module_module SET state = 'installed' WHERE state IN ('to remove', 'to upgrade'); \
               UPDATE ir_module_module SET state = 'uninstalled' WHERE state = 'to install'; \
               DELETE FROM ir_config_parameter WHERE key = 'base.partially_updated_database'";
    client
        .batch_execute(sql)
        .map_err(|e| failed("could not put the states of modules back", &e))
}

/// Stores what was loaded.
///
/// # Errors
/// When the database cannot be written; nothing is stored then.
pub(crate) fn remember(client: &mut Client, record: &Record) -> Result<()> {
    let store = |client: &mut Client| -> std::result::Result<(), postgres::Error> {
        let mut transaction = client.transaction()?;
        for (key, value) in record.values() {
            transaction.execute(
                "INSERT INTO ir_config_parameter (key, value, create_date, write_date) \
                 VALUES ($1, $2, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC') \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value, write_date = excluded.write_date",
                &[&key, &value],
            )?;
        }
        transaction.commit()
    };
    store(client).map_err(|e| failed("could not store what was loaded", &e))
}
