//! What the administrator says to the database server about roles and databases.
//!
//! Odoo makes a database only as a role that may create some; ours may not, so the administrator prepares what it expects.
use crate::sorting::Sorting;

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

/// The same by a role that is no superuser, which may not even name what it cannot give; it becomes a member of the role, so
/// that what the role owns can be copied, renamed and dropped.
///
/// # Source
/// `CREATE ROLE` and `GRANT` of PostgreSQL 13 to 18: since 16 whoever makes a role may grant it, but is no member of it.
pub fn role_by_another(name: &str, there: bool, verifier: &str) -> String {
    let verb = if there { "ALTER" } else { "CREATE" };
    let name = identifier(name);
    format!(
        "{verb} ROLE {name} LOGIN PASSWORD {}; GRANT {name} TO CURRENT_USER",
        literal(verifier)
    )
}

/// Tells a running Odoo that what it keeps of this database in memory has changed.
///
/// # Source
/// Odoo 17.0 and 18.0 `odoo/modules/registry.py` (a sequence), 19.0 `odoo/orm/registry.py` (a table), `check_signaling`.
pub const SIGNAL: &str = "DO $$ BEGIN \
     IF to_regclass('public.orm_signaling_registry') IS NOT NULL THEN \
       INSERT INTO public.orm_signaling_registry DEFAULT VALUES; \
     ELSIF to_regclass('public.base_registry_signaling') IS NOT NULL THEN \
       PERFORM nextval('public.base_registry_signaling'); \
     END IF; END $$";

/// Makes an empty database that sorts its texts so, on a server of this major.
pub fn create_database(name: &str, owner: &str, sorting: &Sorting, major: u16) -> String {
    format!(
        "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'{}",
        identifier(name),
        identifier(owner),
        sorting.clause(major)
    )
}

/// Copies a database in which nobody is, under another name.
///
/// # Source
/// `CREATE DATABASE` of PostgreSQL: neither settings nor privileges of the database itself come along. Since 15 it must be
/// told to copy files rather than to write them all into its log; since 18 that can be a clone of the file system.
pub fn copy_database(from: &str, to: &str, owner: &str, knows_strategies: bool) -> String {
    let how = if knows_strategies {
        " STRATEGY FILE_COPY"
    } else {
        ""
    };
    format!(
        "CREATE DATABASE {} OWNER {} TEMPLATE {}{how}",
        identifier(to),
        identifier(owner),
        identifier(from)
    )
}

/// Says again what was set for a database, or for one role in it.
///
/// # Source
/// `pg_dump` 15 to 18, `variable_is_guc_list_quote`: what holds a list is kept with its quotes and must not get more.
pub fn setting(database: &str, role: Option<&str>, name: &str, value: &str) -> String {
    const LISTS: [&str; 6] = [
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    ];
    let value = if LISTS.contains(&name) {
        value.to_owned()
    } else {
        literal(value)
    };
    let whose = match role {
        None => format!("DATABASE {}", identifier(database)),
        Some(role) => format!("ROLE {} IN DATABASE {}", identifier(role), identifier(database)),
    };
    let name: Vec<String> = name.split('.').map(identifier).collect();
    format!("ALTER {whose} SET {} = {value};", name.join("."))
}

/// Gives another database its name; both in one transaction with what else must change.
pub fn rename_database(from: &str, to: &str) -> String {
    format!(
        "ALTER DATABASE {} RENAME TO {};",
        identifier(from),
        identifier(to)
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
///
/// Odoo's indexes for searching without accents need an immutable `unaccent`; where a database never had it, none of them is.
pub fn prepare_database(owner: &str, immutable_unaccent: bool) -> String {
    let immutable = if immutable_unaccent {
        "ALTER FUNCTION unaccent(text) IMMUTABLE; "
    } else {
        ""
    };
    format!(
        "CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE EXTENSION IF NOT EXISTS unaccent; \
         {immutable}ALTER SCHEMA public OWNER TO {}",
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

/// Makes the administering role where it is not; one line, as the server alone takes it.
pub fn administrator(role: &str) -> String {
    format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) THEN CREATE ROLE {role}; END IF; END $$; \
         ALTER ROLE {role} SUPERUSER LOGIN;",
        literal(role),
        role = identifier(role)
    )
}

/// Gives a database to a role.
pub fn give_database(database: &str, role: &str) -> String {
    format!(
        "ALTER DATABASE {} OWNER TO {}",
        identifier(database),
        identifier(role)
    )
}

/// Gives everything in the database to `role`, object by object, whoever owns it.
///
/// # Source
/// PostgreSQL refuses `REASSIGN OWNED` for the role that made the cluster, because the system's objects are its own; and
/// elsewhere it would hand over other databases too. Indexes, TOAST tables and sequences of columns follow their table;
/// what belongs to an extension stays with the administrator.
pub fn give_objects(role: &str) -> String {
    give(role, "SELECT oid FROM pg_roles WHERE rolname <> TO_ROLE", "")
}

/// Gives the database that one is connected to, and all that its owner has in it, to `role`: of other databases nothing.
///
/// Takes no superuser, but whoever may make databases and become both of them. The database goes first: who owns it may
/// have tables in `public` (PostgreSQL 15 and newer). Schemas of others, such as `public`, stay theirs.
pub fn hand_over(role: &str) -> String {
    let owner = "SELECT datdba FROM pg_database WHERE datname = current_database()";
    let database = "EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), TO_ROLE);\n  ";
    give(role, owner, database)
}

fn give(role: &str, owners: &str, first: &str) -> String {
    let text = GIVE.replace("OWNERS", owners).replace("FIRST", first);
    text.replace("TO_ROLE", &literal(role))
}

const GIVE: &str = "DO $give$ DECLARE
  owners oid[] := ARRAY(OWNERS);
  one record;
BEGIN
  FIRSTFOR one IN
    WITH spaces AS (
      SELECT oid FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
    ), members AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
    found AS (
      SELECT 1 AS turn, 'SCHEMA' AS kind, quote_ident(nspname) AS name, 'pg_namespace'::regclass::oid AS class, n.oid AS id
        FROM pg_namespace n JOIN spaces USING (oid) WHERE nspowner = ANY (owners)
      UNION ALL
      SELECT 2, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
             c.oid::regclass::text, 'pg_class'::regclass::oid, c.oid
        FROM pg_class c JOIN spaces s ON s.oid = relnamespace
       WHERE relowner = ANY (owners) AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
         AND NOT (relkind = 'S' AND EXISTS (SELECT FROM pg_depend d
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
                     AND d.refclassid = 'pg_class'::regclass))
      UNION ALL
      SELECT 3, 'TYPE', t.oid::regtype::text, 'pg_type'::regclass::oid, t.oid
        FROM pg_type t JOIN spaces s ON s.oid = typnamespace
       WHERE typowner = ANY (owners) AND typtype IN ('b', 'd', 'e', 'r') AND typelem = 0
      UNION ALL
      SELECT 4, 'ROUTINE', p.oid::regprocedure::text, 'pg_proc'::regclass::oid, p.oid
        FROM pg_proc p JOIN spaces s ON s.oid = pronamespace WHERE proowner = ANY (owners)
      UNION ALL
      SELECT 5, 'STATISTICS', format('%I.%I', n.nspname, x.stxname), 'pg_statistic_ext'::regclass::oid, x.oid
        FROM pg_statistic_ext x JOIN spaces s ON s.oid = stxnamespace JOIN pg_namespace n ON n.oid = stxnamespace
       WHERE stxowner = ANY (owners)
      UNION ALL
      SELECT 6, 'LARGE OBJECT', l.oid::text, 'pg_largeobject'::regclass::oid, l.oid
        FROM pg_largeobject_metadata l WHERE lomowner = ANY (owners)
    )
    SELECT kind, name FROM found
     WHERE NOT EXISTS (SELECT FROM members m WHERE m.classid = class AND m.objid = id) ORDER BY turn, name
  LOOP
    EXECUTE format('ALTER %s %s OWNER TO %I', one.kind, one.name, TO_ROLE);
  END LOOP;
END $give$";

/// The same where only a superuser may set such a thing: not copied by TEMPLATE and not in a dump of the database either,
/// but its owner may change it. `None` takes it away.
pub fn mark_by_comment(database: &str, kind: Option<&str>) -> String {
    let text = kind.map_or_else(
        || "NULL".to_owned(),
        |kind| literal(&format!("odoopack.kind={kind}")),
    );
    format!("COMMENT ON DATABASE {} IS {text}", identifier(database))
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
        assert_eq!(
            mark_by_comment("shop_production", Some("production")),
            "COMMENT ON DATABASE \"shop_production\" IS 'odoopack.kind=production'"
        );
    }

    #[test]
    fn only_the_database_at_hand_and_what_its_owner_has_is_handed_over() {
        let text = hand_over("shop_production");
        assert!(text.contains("WHERE datname = current_database());\n"), "{text}");
        assert!(
            text.contains(
                "'ALTER DATABASE %I OWNER TO %I', current_database(), 'shop_production');\n  FOR one IN"
            ),
            "{text}"
        );
        for text in [&text, &give_objects("shop_production")] {
            let left = ["OWNERS", "FIRST", "TO_ROLE"];
            assert!(left.iter().all(|word| !text.contains(word)), "{text}");
        }
        assert!(!give_objects("shop_production").contains("DATABASE"));
    }

    #[test]
    fn an_empty_database_is_as_it_is_wanted() {
        assert_eq!(
            create_database("d", "r", &Sorting::of_odoo(), 15),
            "CREATE DATABASE \"d\" OWNER \"r\" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
        );
        for immutable in [true, false] {
            let inside = prepare_database("r", immutable);
            assert_eq!(
                inside.contains("unaccent(text) IMMUTABLE;"),
                immutable,
                "{inside}"
            );
        }
    }

    #[test]
    fn what_was_set_is_said_again() {
        let kind = "ALTER DATABASE \"d\" SET \"odoopack\".\"kind\" = 'production';";
        assert_eq!(setting("d", None, "odoopack.kind", "production"), kind);
        let path = "ALTER ROLE \"r\" IN DATABASE \"d\" SET \"search_path\" = \"$user\", public;";
        assert_eq!(setting("d", Some("r"), "search_path", "\"$user\", public"), path);
    }
}
