//! What people have beside Odoo in its database: extensions that need each other and hold rows, tables of other servers, storages of modules.
use std::path::{Path, PathBuf};

use super::sql;
use crate::support::Pack;

/// One with rows that people put into it, which the dump has; by its name it comes before the one that it needs.
const FILES: [(&str, &str); 4] = [
    (
        "odoopack_a.control",
        "default_version = '1'\nrelocatable = false\nrequires = 'odoopack_z'\n",
    ),
    (
        "odoopack_a--1.sql",
        "CREATE TABLE odoopack_a_rows (id int PRIMARY KEY, what text);\nINSERT INTO odoopack_a_rows VALUES (1, 'its own');\n\
         SELECT pg_catalog.pg_extension_config_dump('odoopack_a_rows', 'WHERE id > 1');\n",
    ),
    (
        "odoopack_z.control",
        "default_version = '1'\nrelocatable = true\n",
    ),
    (
        "odoopack_z--1.sql",
        "CREATE FUNCTION odoopack_z_one() RETURNS int LANGUAGE sql AS 'SELECT 1';\n",
    ),
];

/// Takes the files away again.
pub(crate) struct Installed(Vec<PathBuf>);

impl Drop for Installed {
    fn drop(&mut self) {
        for file in &self.0 {
            drop(std::fs::remove_file(file));
        }
    }
}

/// Makes them in production's database; as long as what is returned lives the server knows them.
pub(crate) fn are_there(pack: &Pack) -> Installed {
    pack.now("extensions with rows, a table of another server, a storage of a module");
    let place = sql(
        pack,
        "postgres",
        "SELECT setting FROM pg_config WHERE name = 'SHAREDIR'",
    );
    let place = Path::new(&place).join("extension");
    let installed = Installed(FILES.iter().map(|(name, _)| place.join(name)).collect());
    for ((_, text), file) in FILES.iter().zip(&installed.0) {
        std::fs::write(file, text).unwrap();
    }
    sql(
        pack,
        "restore_production",
        "CREATE EXTENSION odoopack_a CASCADE; INSERT INTO odoopack_a_rows VALUES (2, 'of people'); \
         GRANT SELECT ON odoopack_a_rows TO restore_production; \
         CREATE EXTENSION postgres_fdw; \
         CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '192.0.2.1', dbname 'sales'); \
         CREATE USER MAPPING FOR restore_production SERVER elsewhere OPTIONS (user 'reader', password 'not to be copied'); \
         CREATE FOREIGN TABLE sales (amount int) SERVER elsewhere; COMMENT ON FOREIGN TABLE sales IS 'of the shop'; \
         CREATE VIEW sold AS SELECT sum(amount) AS amount FROM sales; \
         ALTER FOREIGN TABLE sales OWNER TO restore_production; ALTER VIEW sold OWNER TO restore_production",
    );
    let deep = pack.path("data/environments/production/filestore/restore_production/storage/a/b");
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("c"), "of a module").unwrap();
    installed
}

/// A restored copy of production has them, may read what it could, and can reach nobody.
pub(crate) fn came(pack: &Pack, database: &str, filestore: &camino::Utf8Path) {
    let ask = "SELECT (SELECT string_agg(what, ', ' ORDER BY id) FROM odoopack_a_rows), odoopack_z_one(), \
               (SELECT count(*) FROM pg_views WHERE viewname = 'sold'), (SELECT count(*) FROM pg_user_mappings), \
               has_foreign_data_wrapper_privilege('restore_production', 'postgres_fdw', 'USAGE') \
               OR has_foreign_data_wrapper_privilege('restore_staging', 'postgres_fdw', 'USAGE')";
    assert_eq!(sql(pack, database, ask), "its own, of people|1|1|0|f");
    let deep = std::fs::read_to_string(filestore.join("storage/a/b/c"));
    assert_eq!(deep.unwrap(), "of a module");
}
