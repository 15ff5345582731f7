//! Whether a database is still the empty one that `up` has made: a recovery replaces no other.
use odoopack_core::name::Name;
use odoopack_core::restore::own_name;

use super::database::exists;
use super::replaced;
use crate::apply::Apply;
use crate::apply::databases::failed;
use crate::failure::{Failure, Result};

/// What people make first in an Odoo that they work in; what Odoo makes itself is made by its own user, number 1, and what its
/// bot says to whoever opens it is of that user's partner.
const OF_PEOPLE: &[&str] = &[
    "res_partner",
    "res_users",
    "res_company",
    "mail_message",
    "crm_lead",
    "product_template",
    "sale_order",
    "purchase_order",
    "pos_order",
    "account_move",
    "stock_picking",
    "project_task",
    "hr_employee",
];

/// The number of the database when nothing would be lost with it; `None` when there is none. `known` is the number that the
/// empty one had, where that was written down; one that was `just_made` nobody can have worked in.
///
/// # Errors
/// Refuses when it is another one, or somebody has worked in it.
pub(crate) fn still(
    apply: &Apply<'_>,
    (environment, database): (&Name, &str),
    known: Option<u32>,
    just_made: bool,
) -> Result<Option<u32>> {
    if !exists(&mut apply.admin(environment, "postgres")?, database)? {
        return Ok(None);
    }
    let number = apply.number(environment, database)?;
    let worked_in = if just_made {
        None
    } else {
        worked_in(apply, environment, database)?
    };
    match not_empty(number, known, worked_in) {
        None => Ok(Some(number)),
        Some(why) => {
            Err(Failure::refused(format!("database {database} is not the empty one any more")).because(why))
        }
    }
}

/// Removes the empty database in whose place the restore `id` has put another one, unless somebody worked in it while that was made: then
/// its name is returned.
pub(crate) fn forget(
    apply: &Apply<'_>,
    (environment, database): (&Name, &str),
    id: &str,
) -> Result<Option<String>> {
    let name = own_name(database, "replaced", id);
    if exists(&mut apply.admin(environment, "postgres")?, &name)?
        && worked_in(apply, environment, &name)?.is_some()
    {
        return Ok(Some(name));
    }
    let all = replaced::find(apply, environment, database)?;
    all.by(database, id).remove(apply).map(|()| None)
}

/// What to say of one that is kept.
pub(crate) fn is_kept(environment: &Name, database: &str) -> String {
    format!(
        "somebody worked in the empty database while the data came: it is kept as {database} until `odoopack restore --forget-replaced {environment}`"
    )
}

fn not_empty(number: u32, known: Option<u32>, worked_in: Option<&str>) -> Option<String> {
    if known.is_some_and(|known| known != number) {
        return Some("another one was put in its place after the recovery began".to_owned());
    }
    worked_in.map(|table| format!("somebody has worked in it: `{table}` has rows that a user made"))
}

/// The first table with something that a person made.
fn worked_in(apply: &Apply<'_>, environment: &Name, database: &str) -> Result<Option<&'static str>> {
    let mut inside = apply.admin(environment, database)?;
    let asking = |e| failed("could not look who has worked in the database", &e);
    for table in OF_PEOPLE {
        let there = "SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || $1) AND attname = 'create_uid'";
        if inside.query_opt(there, &[table]).map_err(asking)?.is_none() {
            continue;
        }
        let not_bot = if *table == "mail_message" {
            "AND author_id IS DISTINCT FROM (SELECT partner_id FROM res_users WHERE id = 1)"
        } else {
            ""
        };
        let sql = format!("SELECT FROM public.{table} WHERE create_uid > 1 {not_bot} LIMIT 1");
        if inside.query_opt(&sql, &[]).map_err(asking)?.is_some() {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::not_empty;

    #[test]
    fn only_the_database_that_up_made_and_nobody_used_is_empty() {
        assert_eq!(not_empty(7, None, None), None);
        assert_eq!(not_empty(7, Some(7), None), None);
        assert!(not_empty(8, Some(7), None).unwrap().contains("put in its place"));
        for known in [None, Some(7)] {
            let why = not_empty(7, known, Some("sale_order")).unwrap();
            assert!(why.contains("`sale_order`"), "{why}");
        }
    }
}
