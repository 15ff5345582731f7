//! Production under a restore that is killed: what was before, or a production that is held; nothing between, and nothing lost.
use std::collections::{BTreeMap, BTreeSet};

use super::{databases, sql, tables};
use crate::support::Pack;

const PRODUCTION: &str = "restore_production";
/// What [`active`] says of a production that is held.
pub(crate) const HELD: &str = "0 invalid";
/// What the scheduler of a production that runs writes.
const OF_THE_SCHEDULER: [&str; 4] = ["ir_cron", "ir_cron_progress", "ir_cron_trigger", "mail_mail"];

/// How many jobs of production would run, and by which servers mail would leave.
pub(crate) fn active(pack: &Pack) -> String {
    let active = "SELECT (SELECT count(*) FROM ir_cron WHERE active) || ' ' || (SELECT string_agg(smtp_host, ',') FROM ir_mail_server WHERE active)";
    sql(pack, PRODUCTION, active)
}

/// Production before it.
pub(crate) struct Before {
    active: String,
    tables: BTreeMap<String, String>,
    files: BTreeSet<String>,
}

impl Before {
    pub(crate) fn of(pack: &Pack) -> Self {
        let active = active(pack);
        assert_ne!(active, HELD);
        Self {
            active,
            tables: tables(pack, PRODUCTION),
            files: files(pack, PRODUCTION),
        }
    }

    /// Whoever is killed leaves the old production with its jobs, the new one without, or none at all for a moment.
    pub(crate) fn is_never_half(&self, pack: &Pack) {
        if !databases(pack).split(' ').any(|name| name == PRODUCTION) {
            return;
        }
        let new = super::cut_off::marked(pack, PRODUCTION).is_empty();
        let expected = if new { HELD } else { &self.active };
        assert_eq!(active(pack), expected, "new: {new}");
    }

    /// And what becomes of it afterwards.
    pub(crate) fn comes_out(&self, pack: &Pack, finished: bool) {
        if !finished {
            assert_eq!(active(pack), self.active);
            self.is_whole_in(pack, PRODUCTION);
            return;
        }
        assert_eq!(active(pack), HELD, "its jobs wait for a person");
        let all = databases(pack);
        let kept = all
            .split(' ')
            .find(|name| name.starts_with("restore_production_replaced_"));
        self.is_whole_in(pack, kept.unwrap_or_else(|| panic!("nothing is kept: {all}")));
        pack.run(&["env", "resume", "production", "--yes"]).exits(0);
        assert_eq!(active(pack), self.active);
    }

    /// Every row and every attachment is there.
    fn is_whole_in(&self, pack: &Pack, database: &str) {
        let now = tables(pack, database);
        let names = self.tables.keys().chain(now.keys()).collect::<BTreeSet<_>>();
        let mut odd = names
            .into_iter()
            .filter(|name| !OF_THE_SCHEDULER.contains(&name.as_str()));
        assert_eq!(odd.find(|name| self.tables.get(*name) != now.get(*name)), None);
        let place = pack.path("data/environments/production/filestore").join(database);
        let lost = self.files.iter().find(|name| !place.join(name).is_file());
        assert_eq!(lost, None, "of {database}");
    }
}

/// The places of attachments that the database names, and that are there.
fn files(pack: &Pack, database: &str) -> BTreeSet<String> {
    let named = "SELECT DISTINCT store_fname FROM ir_attachment WHERE store_fname IS NOT NULL";
    let place = pack.path("data/environments/production/filestore").join(database);
    let named = sql(pack, database, named);
    let there = named.lines().filter(|name| place.join(name).is_file());
    let all: BTreeSet<String> = there.map(str::to_owned).collect();
    assert!(!all.is_empty());
    all
}
