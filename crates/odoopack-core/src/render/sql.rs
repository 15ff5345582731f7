//! What the administrator says to the database server about roles and databases.
//!
//! Odoo makes a database only as a role that may create some; ours may not, so the administrator prepares what it expects.

/// Makes or changes the role of an environment; `verifier` is what the server keeps instead of the password.
///
/// # Source
/// `CREATE ROLE` of PostgreSQL 15 to 18: a SCRAM verifier is stored as it is, so that no log can hold the password.
pub fn role(name: &str, there: bool, verifier: &str) -> String {
    let verb = if there { "ALTER" } else { "CREATE" };
    format!(
        "{verb} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}",
        identifier(name),
        literal(verifier)
    )
}

/// Makes an empty database with the collation that Odoo's own has.
///
/// # Source
/// Odoo 17.0 to 19.0, `odoo/service/db.py` `_create_empty_database`.
pub fn create_database(name: &str, owner: &str) -> String {
    format!(
        "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
        identifier(name),
        identifier(owner)
    )
}

/// Shuts a database to every role but its owner.
pub fn close_database(name: &str) -> String {
    format!(
        "REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC",
        identifier(name)
    )
}

/// Prepares the inside of a new database: the extensions that only the administrator may make, and its schema's owner.
pub fn prepare_database(owner: &str) -> String {
    format!(
        "CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE EXTENSION IF NOT EXISTS unaccent; \
         ALTER FUNCTION unaccent(text) IMMUTABLE; ALTER SCHEMA public OWNER TO {}",
        identifier(owner)
    )
}

/// Says what a database is for: not copied by TEMPLATE, not in a dump, and its owner may not reset it (tried on
/// PostgreSQL 15 and 18).
pub fn mark(database: &str, kind: &str) -> String {
    format!(
        "ALTER DATABASE {} SET odoopack.kind = {}",
        identifier(database),
        literal(kind)
    )
}

/// A quoted SQL identifier.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted SQL text (`standard_conforming_strings` is on since PostgreSQL 9.1).
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_stay_what_they_are() {
        assert_eq!(identifier("shop\"; DROP"), "\"shop\"\"; DROP\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(
            mark("shop_production", "production"),
            "ALTER DATABASE \"shop_production\" SET odoopack.kind = 'production'"
        );
    }
}
