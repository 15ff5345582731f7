//! What a database says of its modules: which are installed, what is under way, what it remembers of the code.
use std::collections::BTreeSet;

use odoopack_core::changed::{CHECKSUMS_KEY, DEFAULT_PATTERNS, DETAILS_KEY, Installed, PATTERNS_KEY, Record};
use postgres::Client;

use super::databases::words;
use crate::failure::{Failure, Result};

/// Everything that module commands ask of a database.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Modules in state `installed`, `to upgrade` or `to remove`.
    pub(crate) installed: Vec<Installed>,
    /// What those need as it was when they were loaded: a module and one that it needs.
    pub(crate) needs: Vec<(String, String)>,
    /// Modules in a state `to ...`, with it.
    pub(crate) underway: Vec<(String, String)>,
    /// Codes of the active languages.
    pub(crate) languages: Vec<String>,
    /// Exclusion patterns.
    pub(crate) patterns: String,
    /// What was loaded last, or why that cannot be read.
    pub(crate) record: std::result::Result<Record, String>,
}

impl Stored {
    /// Whether the database names other exclusion patterns than the usual ones.
    pub(crate) fn is_unusual(&self) -> bool {
        self.patterns != DEFAULT_PATTERNS
    }

    /// Names of the installed modules.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.installed.iter().map(|one| one.name.as_str()).collect()
    }

    /// Names of those that were uploaded into the database: they have no directory.
    pub(crate) fn uploaded(&self) -> BTreeSet<String> {
        let uploaded = self.installed.iter().filter(|one| one.imported);
        uploaded.map(|one| one.name.clone()).collect()
    }

    /// What was loaded last.
    ///
    /// # Errors
    /// When it is damaged: nothing is not the same as unreadable.
    pub(crate) fn record(&self) -> Result<&Record> {
        self.record.as_ref().map_err(|why| {
            Failure::failed("what the database remembers of its modules is damaged")
                .because(why.clone())
                .hint("`odoopack module changed ENV --record` takes the code of today for what was loaded")
        })
    }
}

/// Reads it in one transaction.
///
/// # Errors
/// When the database cannot be asked.
pub(crate) fn look(client: &mut Client) -> Result<Stored> {
    read(client)
        .map_err(|e| Failure::failed("could not look at the modules of the database").because(words(&e)))
}

fn read(client: &mut Client) -> std::result::Result<Stored, postgres::Error> {
    let mut inside = client.build_transaction().read_only(true).start()?;
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'ir_module_module'::regclass AND attname = 'imported'";
    let imported: i64 = inside.query_one(columns, &[])?.get(0);
    let imported = if imported > 0 {
        "coalesce(imported, false)"
    } else {
        "false"
    };
    let sql = format!("SELECT name, state, latest_version, {imported} FROM ir_module_module ORDER BY name");
    let (mut installed, mut underway) = (Vec::new(), Vec::new());
    for row in inside.query(&sql, &[])? {
        let (name, state): (String, Option<String>) = (row.get(0), row.get(1));
        let state = state.unwrap_or_default();
        if state.starts_with("to ") {
            underway.push((name.clone(), state.clone()));
        }
        if ["installed", "to upgrade", "to remove"].contains(&state.as_str()) {
            installed.push(Installed {
                version: row.get(2),
                // Odoo Studio keeps its customizations in a module that never has a directory.
                imported: row.get::<_, bool>(3) || name == "studio_customization",
                name,
            });
        }
    }
    let needs = "SELECT m.name, d.name FROM ir_module_module_dependency d JOIN ir_module_module m ON m.id = d.module_id \
                 WHERE m.state IN ('installed', 'to upgrade', 'to remove') AND d.name IS NOT NULL ORDER BY 1, 2";
    let needs = inside.query(needs, &[])?;
    let needs = needs.iter().map(|row| (row.get(0), row.get(1))).collect();
    let rows = inside.query("SELECT code FROM res_lang WHERE active ORDER BY code", &[])?;
    let languages = rows.iter().map(|row| row.get(0)).collect();
    let mut parameter = |key: &str| -> std::result::Result<Option<String>, postgres::Error> {
        let row = inside.query_opt("SELECT value FROM ir_config_parameter WHERE key = $1", &[&key])?;
        Ok(row.and_then(|row| row.get(0)))
    };
    // An empty one counts as none, as for click-odoo-update.
    let patterns = parameter(PATTERNS_KEY)?.filter(|text| !text.is_empty());
    let patterns = patterns.unwrap_or_else(|| DEFAULT_PATTERNS.to_owned());
    let (checksums, details) = (parameter(CHECKSUMS_KEY)?, parameter(DETAILS_KEY)?);
    Ok(Stored {
        installed,
        needs,
        underway,
        languages,
        patterns,
        record: Record::parse(checksums.as_deref(), details.as_deref()),
    })
}
