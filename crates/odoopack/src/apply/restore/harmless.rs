//! A copy is made harmless before it has a name that any Odoo knows; production is held until somebody lets it go.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::name::Name;
use odoopack_core::restore::harmless::{IDENTITY, INSTALLED, IS_NEUTRALIZED, RULES, Rule};
use odoopack_core::restore::{administrator, hold};
use odoopack_core::target::generated_secrets;
use postgres::{GenericClient, Transaction};
use rand::Rng;

use super::Restore;
use crate::apply::databases::failed;
use crate::failure::{Failure, Kind, Result};
use crate::files;

/// A rule that a database does not keep.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Broken {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) count: i64,
}

impl Restore<'_> {
    /// All or nothing: one transaction, whose end is the proof.
    pub(super) fn make_harmless(&self, database: &str, environment: &Name) -> Result<()> {
        let mut client = self.inside(database)?;
        let trouble = |e: postgres::Error| failed("could not make the copy harmless", &e);
        let mut transaction = client.transaction().map_err(trouble)?;
        self.neutralize(&mut transaction)?;
        for rule in RULES.iter().filter(|rule| !rule.act.is_empty()) {
            if applies(&mut transaction, rule)? {
                transaction
                    .batch_execute(rule.act)
                    .map_err(|e| failed(&format!("could not apply the rule `{}`", rule.id), &e))?;
            }
        }
        for key in IDENTITY {
            Self::parameter(&mut transaction, key, &uuid())?;
        }
        for (key, value) in self.addresses(environment)? {
            Self::parameter(&mut transaction, key, &value)?;
        }
        transaction.batch_execute(hold::FORGET).map_err(trouble)?;
        self.own_password(&mut transaction, environment)?;
        let broken = check(&mut transaction)?;
        if !broken.is_empty() {
            return Err(Failure::failed("the copy is not harmless").because(list(&broken)));
        }
        transaction.commit().map_err(trouble)
    }

    /// What Odoo's `neutralize` does, without starting Odoo (`modules/neutralize.py`).
    pub(super) fn neutralize(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        let rows = transaction
            .query(INSTALLED, &[])
            .map_err(|e| failed("could not look at the modules", &e))?;
        let mut files_read = 0;
        for row in rows {
            let name: String = row.get(0);
            let Some(directory) = self.module(&name)? else {
                continue;
            };
            let path = self.neutralizer(&directory)?;
            if let Some(sql) = files::read_text(&path)? {
                if !path.starts_with(&directory) {
                    says_something(&path, &sql)?;
                }
                transaction
                    .batch_execute(&sql)
                    .map_err(|e| failed(&format!("could not run `{path}`"), &e))?;
                files_read += 1;
            }
        }
        if files_read == 0 {
            return Err(Failure::failed("no module's `data/neutralize.sql` was found")
                .hint("`odoopack up` builds the release whose modules are read"));
        }
        let mark = "INSERT INTO ir_config_parameter (key, value) VALUES ('database.is_neutralized', 'true') \
                    ON CONFLICT (key) DO UPDATE SET value = 'true'";
        transaction
            .batch_execute(mark)
            .map_err(|e| failed("could not mark the copy as neutralized", &e))
    }

    pub(super) fn hold(&self, database: &str) -> Result<()> {
        let mut client = self.inside(database)?;
        let trouble = |e: postgres::Error| failed("could not hold its jobs and mail", &e);
        let mut transaction = client.transaction().map_err(trouble)?;
        transaction.batch_execute(hold::HOLD).map_err(trouble)?;
        for (key, value) in self.addresses(&self.environment)? {
            Self::parameter(&mut transaction, key, &value)?;
        }
        let waiting = waiting(&mut transaction)?;
        self.found(|found| found.waiting = waiting);
        transaction.commit().map_err(trouble)
    }

    /// Where a module's code is, in the order in which Odoo looks.
    pub(super) fn module(&self, name: &str) -> Result<Option<Utf8PathBuf>> {
        if let Some(own) = self.apply.facts.modules.get(name) {
            return Ok(Some(own.path.clone()));
        }
        let on_host = !self.apply.layout.containers();
        for place in self.apply.release()?.addons.iter().filter(|_| on_host) {
            let path = place.join(name);
            if super::filestore::there(&path.join("__manifest__.py"))? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Where a module's `data/neutralize.sql` can be read, if it has one: what lies in an image is copied out of it once.
    fn neutralizer(&self, module: &Utf8Path) -> Result<Utf8PathBuf> {
        let own = || module.join("data/neutralize.sql");
        if !self.apply.layout.containers() {
            return Ok(own());
        }
        let mut places = self.apply.release()?.addons.iter();
        match places.position(|place| module.parent() == Some(place)) {
            Some(number) => {
                let name = format!("{}.sql", module.file_name().unwrap_or_default());
                Ok(self.apply.neutralizers()?.join(number.to_string()).join(name))
            }
            None => Ok(own()),
        }
    }

    /// Beside an environment nobody serves it: it gets no address of anybody.
    fn addresses(&self, environment: &Name) -> Result<BTreeMap<&'static str, String>> {
        if self.served {
            return Ok(self.apply.want(environment)?.parameters.clone());
        }
        Ok(BTreeMap::from([
            ("web.base.url.freeze", "True".to_owned()),
            ("web.base.url", "http://localhost:8069".to_owned()),
        ]))
    }

    fn parameter(client: &mut impl GenericClient, key: &str, value: &str) -> Result<()> {
        let sql = "INSERT INTO ir_config_parameter (key, value, create_uid, write_uid, create_date, write_date) \
                   VALUES ($1, $2, 1, 1, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC') \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value, write_date = excluded.write_date";
        client
            .execute(sql, &[&key, &value])
            .map(drop)
            .map_err(|e| failed(&format!("could not set `{key}`"), &e))
    }

    /// The administrator of a served copy signs in with the copy's own password, under the login that production gave them.
    fn own_password(&self, transaction: &mut Transaction<'_>, environment: &Name) -> Result<()> {
        if !self.served {
            return Ok(());
        }
        let trouble = |e: postgres::Error| failed("could not set the administrator's password", &e);
        let [admin, ..] = generated_secrets(environment);
        let Some(first) = transaction
            .query_opt(administrator::FIRST, &[])
            .map_err(trouble)?
        else {
            self.warn(format!(
                "the user that Odoo was made with (`base.user_admin`) is not in it any more, so the secret {admin} opens nothing: sign in as somebody of production"
            ));
            return Ok(());
        };
        let (number, login, active): (i32, String, bool) = (first.get(0), first.get(1), first.get(2));
        let hash = crate::password::hash(self.apply.secret(&admin)?);
        let sql = "UPDATE res_users SET password = $1, active = true WHERE id = $2";
        transaction.execute(sql, &[&hash, &number]).map_err(trouble)?;
        // A copy sends no mail, so the code that people would be asked for never comes.
        transaction
            .batch_execute(administrator::NO_POLICY)
            .map_err(trouble)?;
        if !active {
            self.warn(format!(
                "the user `{login}` is archived in production; in this copy it may sign in, with the secret {admin}"
            ));
        }
        Ok(())
    }
}

/// What was copied out of an image and then emptied by a crash would count as read, and leave the data as they were.
fn says_something(path: &Utf8Path, sql: &str) -> Result<()> {
    if !sql.trim().is_empty() {
        return Ok(());
    }
    let copies = path.parent().and_then(Utf8Path::parent).unwrap_or(path);
    Err(
        Failure::refused(format!("`{path}` is empty: it would make nothing harmless")).hint(format!(
            "`rm -r {copies}`, then the same command again: it is copied anew out of the image"
        )),
    )
}

/// Whether the database has what the rule is about.
fn applies(client: &mut impl GenericClient, rule: &Rule) -> Result<bool> {
    let sql = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 \
               AND (column_name = ANY($2) OR cardinality($2::text[]) = 0)";
    let columns: Vec<&str> = rule.columns.to_vec();
    let row = client
        .query_one(sql, &[&rule.table, &columns])
        .map_err(|e| failed("could not look at the tables", &e))?;
    let count: i64 = row.get(0);
    Ok(count > 0 && count >= i64::try_from(columns.len()).unwrap_or(i64::MAX))
}

/// The rules that a database does not keep.
pub(crate) fn check(client: &mut impl GenericClient) -> Result<Vec<Broken>> {
    let mut broken = Vec::new();
    for rule in RULES {
        if !applies(client, rule)? {
            continue;
        }
        let row = client
            .query_one(rule.check, &[])
            .map_err(|e| failed(&format!("could not check `{}`", rule.id), &e))?;
        let count: i64 = row.get(0);
        if count != 0 {
            broken.push(Broken {
                id: rule.id,
                what: rule.what,
                count,
            });
        }
    }
    Ok(broken)
}

/// The broken rules for people.
pub(crate) fn list(broken: &[Broken]) -> String {
    let lines = broken
        .iter()
        .map(|one| format!("{}: {} {}", one.id, one.count, one.what));
    lines.collect::<Vec<_>>().join("\n")
}

/// What waits in a held database.
pub(crate) fn waiting(client: &mut impl GenericClient) -> Result<Vec<String>> {
    let trouble = |e: postgres::Error| failed("could not look at what waits", &e);
    let due = client.query(hold::DUE, &[]).map_err(trouble)?;
    let names: Vec<String> = due.iter().map(|row| row.get(0)).collect();
    let mut all = Vec::new();
    if !names.is_empty() {
        all.push(format!(
            "{} scheduled jobs that are due: {}",
            names.len(),
            names.join(", ")
        ));
    }
    for (table, what, sql) in hold::WAITING {
        let row = client
            .query_one("SELECT to_regclass($1) IS NOT NULL", &[table])
            .map_err(trouble)?;
        if row.get(0) {
            let count: i64 = client.query_one(*sql, &[]).map_err(trouble)?.get(0);
            if count > 0 {
                all.push(format!("{count} {what}"));
            }
        }
    }
    Ok(all)
}

/// Lets go what was held; `None` when nothing was.
///
/// # Errors
/// Kind `NeedsHuman` never: it is one transaction.
pub(crate) fn resume(client: &mut postgres::Client) -> Result<Option<Vec<String>>> {
    let trouble = |e: postgres::Error| failed("could not let it go on", &e);
    let mut transaction = client.transaction().map_err(trouble)?;
    if !is_held(&mut transaction)? {
        return Ok(None);
    }
    let waiting = waiting(&mut transaction)?;
    let mails = transaction
        .query_one("SELECT to_regclass('mail_mail') IS NOT NULL", &[])
        .map_err(trouble)?;
    if mails.get(0) {
        transaction.batch_execute(hold::RESEND).map_err(trouble)?;
    }
    transaction.batch_execute(hold::RESUME).map_err(trouble)?;
    transaction.commit().map_err(trouble)?;
    Ok(Some(waiting))
}

/// Whether jobs and mail of a database are held.
pub(crate) fn is_held(client: &mut impl GenericClient) -> Result<bool> {
    client
        .query_one(hold::IS_HELD, &[])
        .map(|row| row.get(0))
        .map_err(|e| failed("could not look whether it is held", &e))
}

/// What it means when people are to work in such a database.
pub(crate) const NEUTRALIZED: &str = "when it was made a harmless copy, its scheduled jobs, mail servers, mailboxes and payment providers were switched off and its keys removed, and nothing brings them back";

/// Whether a database is a copy that was made harmless.
pub(crate) fn is_neutralized(client: &mut impl GenericClient) -> Result<bool> {
    client
        .query_one(IS_NEUTRALIZED, &[])
        .map(|row| row.get(0))
        .map_err(|e| failed("could not look whether it is neutralized", &e))
}

/// A failed promise as a failure.
pub(crate) fn not_kept(broken: &[Broken], name: &str) -> Failure {
    Failure::new(Kind::Drift, format!("{name} could do harm")).because(list(broken))
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_copy_is_refused_with_what_helps() {
        let path = Utf8Path::new("/srv/odoo/data/releases/abc/neutralize/0/mail.sql");
        says_something(path, "UPDATE a SET b = 1").unwrap();
        for text in ["", " \n\t\n"] {
            let failure = says_something(path, text).unwrap_err();
            let hint = failure.json()["hints"][0].as_str().unwrap().to_owned();
            assert!(
                hint.contains("`rm -r /srv/odoo/data/releases/abc/neutralize`"),
                "{hint}"
            );
        }
    }
}
