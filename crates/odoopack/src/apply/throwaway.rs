//! A database that exists for one run of Odoo's tests, with a data directory of its own.
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::name::Name;
use odoopack_core::odoo::log::Verdict;
use odoopack_core::render::odoo_conf::with_options;
use odoopack_core::target::tests_database;

use super::Apply;
use super::databases::{drop_database, failed};
use crate::failure::{Failure, Result};
use crate::files::{self, Owner};
use crate::oneshot::{self, OneShot, TESTS};
use crate::store::marks;
use crate::ui::Progress;

/// What shall be tested.
#[derive(Debug)]
pub(crate) struct Tests<'a> {
    pub(crate) modules: &'a [String],
    /// Odoo's `--test-tags`.
    pub(crate) tags: String,
    /// With demonstration data.
    pub(crate) demo: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Tested {
    pub(crate) verdict: Verdict,
    /// Why it is not good.
    pub(crate) failure: Option<Failure>,
    /// The whole log.
    pub(crate) log: Utf8PathBuf,
}

impl Apply<'_> {
    /// Name of the environment's database for tests.
    pub(crate) fn throwaway(&self, environment: &Name) -> Result<String> {
        Ok(tests_database(&self.want(environment)?.database))
    }

    /// Makes the database, runs the tests in it, and drops it whatever came of them.
    ///
    /// # Errors
    /// When there was nothing to judge; tests that failed are no error yet.
    pub(crate) fn test_modules(
        &self,
        environment: &Name,
        tests: &Tests<'_>,
        progress: &Progress,
    ) -> Result<Tested> {
        let database = self.throwaway(environment)?;
        let directory = self.layout.environment(environment).join(TESTS);
        let state = self.layout.state();
        let remove = || {
            // One that a killed run left may still be testing.
            oneshot::end_left(self.layout, environment.as_str(), TESTS)?;
            self.drop_throwaway(environment, &database)?;
            files::remove_tree(&directory)?;
            marks::forget_tests(&state, environment)
        };
        progress.detail("making an empty database");
        remove()?;
        marks::remember_tests(&state, environment, &database)?;
        let user = self.layout.user(environment.as_str());
        files::directory(&directory, 0o750, Self::owner(user.as_deref(), user.as_deref())?)?;
        let role = &self.want(environment)?.role;
        self.make_database(environment, &database, role, None)?;
        let tested = self.run_tests(environment, tests, (&database, &directory), progress);
        progress.detail("dropping the database");
        let removed = remove();
        let tested = tested?;
        removed.map(|()| tested)
    }

    fn run_tests(
        &self,
        environment: &Name,
        tests: &Tests<'_>,
        (database, directory): (&str, &Utf8Path),
        progress: &Progress,
    ) -> Result<Tested> {
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S");
        let log = self
            .layout
            .state()
            .join(format!("operations/{stamp}-tests-{environment}.log"));
        let odoo = OneShot::of_services(
            self.spec,
            self.layout,
            environment,
            self.release()?,
            &self.facts.secrets,
        )?;
        let conf = directory.join("odoo.conf");
        let inside = self.layout.environment_inside(environment).join(TESTS);
        self.write_conf(&odoo.conf, &conf, (database, &inside), tests.demo)?;
        let odoo = OneShot {
            log: Some(&log),
            conf,
            purpose: TESTS,
            ..odoo
        };
        let cmd = odoo
            .command()?
            .args(["-d", database, "-i", &tests.modules.join(",")])
            .args(["--test-tags", &tests.tags]);
        let ran = odoo.run(cmd, progress)?;
        let verdict = ran.verdict.clone();
        Ok(Tested {
            verdict,
            failure: ran.good().err(),
            log,
        })
    }

    /// The environment's odoo.conf, but for another database, data directory (as Odoo sees it) and port, and without a way
    /// out for mail.
    fn write_conf(
        &self,
        of_services: &Utf8Path,
        to: &Utf8Path,
        (database, directory): (&str, &Utf8Path),
        demo: bool,
    ) -> Result<()> {
        let missing = || Failure::refused(format!("there is no `{of_services}`")).hint("`odoopack up`");
        let text = files::read_text(of_services)?.ok_or_else(missing)?;
        let (demo, wanted) = self.spec.odoo.series.demo(demo);
        let port = free_port()?.to_string();
        let text = with_options(
            &text,
            &[
                ("db_name", database),
                ("data_dir", directory.as_str()),
                (demo, wanted),
                // Tests of pages are served by the process itself, beside the environment's own.
                ("http_interface", "127.0.0.1"),
                ("http_port", &port),
                // Odoo's tests send nothing; a module's might, and would through the environment's relay.
                ("smtp_server", "127.0.0.1"),
                ("smtp_port", "9"),
                ("smtp_user", "False"),
                ("smtp_password", "False"),
            ],
        );
        let owner = std::fs::metadata(of_services).map(|seen| Owner {
            uid: seen.uid(),
            gid: seen.gid(),
        });
        let owner =
            owner.map_err(|e| Failure::failed(format!("could not look at `{of_services}`")).because(e))?;
        files::replace(to, text.as_bytes(), 0o640, Some(owner))
    }

    /// Drops what this or an earlier run made; a database of that name that nobody began for tests is somebody's.
    fn drop_throwaway(&self, environment: &Name, database: &str) -> Result<()> {
        let mut client = self.admin(environment, "postgres")?;
        let there = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&database]);
        if there
            .map_err(|e| failed("could not look for the database of tests", &e))?
            .is_none()
        {
            return Ok(());
        }
        if !marks::is_for_tests(&self.layout.state(), environment, database)? {
            return Err(Failure::refused(format!(
                "database `{database}` is there and was not made for tests"
            ))
            .hint(format!("rename it, with `odoopack psql {environment} --admin`")));
        }
        drop_database(&mut client, database)
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> Result<u16> {
    let asked = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    asked
        .map(|address| address.port())
        .map_err(|e| Failure::failed("could not find a free port for the tests of pages").because(e))
}
