//! Dumps that others made: what of them may reach a database, judged without touching one.
pub mod archive;
mod lexer;
pub mod sql;
mod statement;
pub mod toc;

#[cfg(test)]
mod tests;
