//! Dumps that others made: what of them may reach a database, judged without touching one.
pub mod archive;
pub mod copied;
mod lexer;
pub mod sql;
mod statement;
pub mod toc;

#[cfg(test)]
mod tests;

/// Extensions that the administrator has made before anything of a dump is read: Odoo's own.
pub const MADE_BEFORE: [&str; 3] = ["plpgsql", "pg_trgm", "unaccent"];

/// Extensions that only look at a server: no table, index or function of a database's own needs one.
pub const NEEDLESS: [&str; 5] = [
    "amcheck",
    "pg_buffercache",
    "pg_prewarm",
    "pg_stat_statements",
    "pgstattuple",
];
