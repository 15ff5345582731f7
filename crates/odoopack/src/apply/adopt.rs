//! What another stack made becomes the pack's: places, the administering role, a database with all that is in it.
use std::io::Read;

use camino::Utf8Path;
use odoopack_core::layout::ADMIN_ROLE;
use odoopack_core::render::sql;
use odoopack_core::spec::OwnServer;
use odoopack_core::target::postgres_port;

use super::Apply;
use super::databases::failed;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe;
use crate::store::marks;
use crate::tools::{docker, postgres};

impl Apply<'_> {
    pub(super) fn take_over(&self, part: &str, path: &Utf8Path) -> Result<()> {
        let user = self.layout.user(part);
        let owner = Self::owner(user.as_deref(), user.as_deref())?;
        if let Some(owner) = owner {
            files::own_tree(path, owner)?;
        }
        // A cluster is taken over when its role is there.
        if part == "postgres" {
            return Ok(());
        }
        marks::remember_adopted(&self.layout.state(), path)
    }

    /// No client could enter: the server is started for one statement, without listening to anybody.
    pub(super) fn adopt_cluster(&self, path: &Utf8Path) -> Result<()> {
        let image = self.facts.containers.images.get("postgres");
        let image = image.ok_or_else(|| Failure::failed("the image of PostgreSQL is not known yet"))?;
        let programs = image.places.first();
        let programs =
            programs.ok_or_else(|| Failure::failed(format!("{} has no PostgreSQL", image.wanted)))?;
        let [passwd, group] = self.layout.accounts();
        for path in [&passwd, &group] {
            self.write_file(path)?;
        }
        let mounts = [
            (path.to_owned(), self.layout.cluster_inside(&OwnServer::SHARED)),
            (passwd, "/etc/passwd".into()),
            (group, "/etc/group".into()),
        ];
        let argv = postgres::single_argv(programs, &self.layout.cluster_inside(&OwnServer::SHARED));
        let user = self.container_user("postgres")?;
        let text = sql::administrator(ADMIN_ROLE);
        let cmd = docker::once_fed(&image.pinned, &user, &mounts, &argv).input(format!("{text}\n"));
        let outcome = cmd.outcome()?;
        // It ends well whatever a statement did.
        if !outcome.status.success() || outcome.stderr.contains("ERROR:") {
            return Err(cmd.ended_badly(&outcome));
        }
        marks::remember_adopted(&self.layout.state(), path)
    }

    /// Compressed, and under its name only when it is whole.
    pub(super) fn keep_dump(&self, database: &str, path: &Utf8Path) -> Result<()> {
        let own = self.spec.server_of(&self.described(database)?.environment);
        let server = observe::containers::one(self.layout, &own.to_string())?.filter(|one| one.running);
        let server =
            server.ok_or_else(|| Failure::failed("PostgreSQL does not run").hint("`odoopack up`"))?;
        let image = self.facts.containers.images.get("postgres");
        let programs = image.and_then(|image| image.places.first());
        let programs = programs.ok_or_else(|| Failure::failed("the image of PostgreSQL is not known yet"))?;
        let pg_dump = docker::session(&server.id, &[postgres::APPLICATION], false)
            .arg(programs.join("pg_dump").into_string());
        let socket = self.layout.postgres_socket(&own);
        let cmd = postgres::dump_kept(pg_dump, (&socket, postgres_port(self.spec)), database);
        let part = path.with_extension("part");
        files::remove(&part)?;
        let mut file = files::create(&part, 0o600, None)?;
        let wrong = |e: std::io::Error| Failure::failed(format!("could not write `{part}`")).because(e);
        cmd.drain(|pipe| copy(pipe, &mut file).map_err(wrong))?;
        file.sync_all().map_err(wrong)?;
        drop(file);
        files::rename(&part, path)
    }

    /// One transaction: the database and all that is in it, or nothing.
    pub(super) fn give_database(&self, database: &str, role: &str) -> Result<()> {
        let mut client = self.admin(&self.described(database)?.environment, database)?;
        let text = format!(
            "BEGIN;{};{};{};COMMIT;",
            sql::give_objects(role),
            sql::give_database(database, role),
            sql::close_database(database)
        );
        client.batch_execute(&text).map_err(|e| {
            failed(
                "could not give the database to its role; nothing of it was changed",
                &e,
            )
        })
    }
}

fn copy(from: &mut dyn Read, to: &mut std::fs::File) -> std::io::Result<()> {
    std::io::copy(from, to).map(drop)
}
