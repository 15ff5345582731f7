//! Services: start, restart, reload, remove; then the probes of an environment.
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use odoopack_core::name::Name;
use odoopack_core::schedule::Table;
use odoopack_core::service::Service;
use odoopack_core::spec::OwnServer;
use odoopack_core::up::{definition_hash, seen_inputs_hash, timer_hash};
use postgres::error::SqlState;

use super::Apply;
use crate::engines::Engine;
use crate::failure::{Failure, Result};
use crate::observe;
use crate::probe::{self, Probe};
use crate::store::marks::{self, Stamp, timer_stamp};
use crate::store::schedule;
use crate::tools::{self, docker};
use crate::ui::Progress;

/// How long an environment may take from its start until every probe passes.
const HEALTHY: Duration = Duration::from_mins(3);
/// How long a database server may take until it answers at all.
const ANSWERS: Duration = Duration::from_mins(1);
/// How long it may say that it is still starting: after a crash it first does again what it had written down, up to `max_wal_size`.
const RECOVERS: Duration = Duration::from_hours(1);

impl Apply<'_> {
    fn engine(&self) -> Engine<'_> {
        Engine::here(self.layout)
    }

    fn service(&self, name: &str) -> Result<&Service> {
        let service = self.target.service(name);
        service.ok_or_else(|| Failure::failed(format!("nothing describes the service `{name}`")))
    }

    /// Remembers what a service runs with; the files count as they are now, for certificates may have been issued in
    /// this very stage.
    fn stamp(&self, service: &Service, definition: String, starts: u64) -> Result<()> {
        let accounts = observe::host::accounts()?;
        let mut facts = self.facts.clone();
        for path in &service.inputs {
            facts
                .paths
                .insert(path.clone(), observe::paths::look(path, &accounts));
        }
        let inputs = seen_inputs_hash(self.target, &facts, service);
        let stamp = Stamp {
            definition,
            inputs,
            starts,
        };
        marks::remember_stamp(&self.layout.state(), &service.name, &stamp)
    }

    /// Starts that were asked for do not count as restarts.
    fn stamp_start(&self, service: &Service) -> Result<()> {
        let definition = definition_hash(self.target, service);
        self.stamp(service, definition, self.engine().starts(&service.name)?)
    }

    pub(super) fn start_supervisor(&self) -> Result<()> {
        self.engine().start_supervisor(&self.target.services)
    }

    pub(super) fn read_units(&self) -> Result<()> {
        self.engine().read_definitions()
    }

    pub(super) fn start_at_boot(&self, target: &str) -> Result<()> {
        self.engine().start_at_boot(target)
    }

    pub(super) fn start_service(&self, name: &str) -> Result<()> {
        let service = self.service(name)?;
        self.engine().make_known(&self.target.services)?;
        self.test_postgres(service)?;
        self.compile_modules(service);
        self.engine().start(service)?;
        self.ready(service)?;
        self.stamp_start(service)
    }

    pub(super) fn restart_service(&self, name: &str) -> Result<()> {
        let service = self.service(name)?;
        self.test_postgres(service)?;
        self.compile_modules(service);
        self.behind_the_gate(name, || {
            self.engine().restart(service)?;
            self.ready(service)
        })?;
        self.stamp_start(service)
    }

    pub(super) fn reload_service(&self, name: &str) -> Result<()> {
        let service = self.service(name)?;
        if name == "nginx" {
            self.test_nginx(service)?;
        }
        self.engine().reload(service)?;
        // It runs on with what it was started with.
        let before = marks::stamp(&self.layout.state(), name)?;
        let starts = before.as_ref().map_or(0, |stamp| stamp.starts);
        let definition =
            before.map_or_else(|| definition_hash(self.target, service), |stamp| stamp.definition);
        self.stamp(service, definition, starts)
    }

    pub(super) fn remove_service(&self, name: &str) -> Result<()> {
        let within = odoopack_core::target::longest_stop(self.spec).0;
        self.engine().remove(name, within)?;
        marks::forget_stamp(&self.layout.state(), name)
    }

    /// The job counts as known with its times from now on: nothing before was missed.
    pub(super) fn start_timer(&self, job: &str) -> Result<()> {
        let state = self.layout.state();
        let table = Table::of(self.spec);
        if let Some(job) = table.jobs.iter().find(|one| one.name == job) {
            schedule::known(&state, job, &table.zone, jiff::Timestamp::now().as_second())?;
        }
        self.engine().start_timer(job)?;
        let stamp = Stamp {
            definition: timer_hash(self.target, job),
            inputs: String::new(),
            starts: 0,
        };
        marks::remember_stamp(&state, &timer_stamp(job), &stamp)
    }

    pub(super) fn remove_timer(&self, job: &str) -> Result<()> {
        self.engine().remove_timer(job)?;
        marks::forget_stamp(&self.layout.state(), &timer_stamp(job))
    }

    /// Which database server a service is.
    fn own_server(&self, service: &Service) -> Option<OwnServer> {
        let mut servers = self.spec.servers().into_iter();
        servers.find(|server| server.is_called(&service.name))
    }

    /// A server that every environment needs is not stopped for a configuration with which it would not start.
    fn test_postgres(&self, service: &Service) -> Result<()> {
        let Some(own) = self.own_server(service) else {
            return Ok(());
        };
        let image = self.facts.containers.images.get("postgres");
        let test = match image.filter(|_| self.layout.containers()) {
            Some(image) => {
                let [passwd, group] = self.layout.accounts();
                let same = |path: Utf8PathBuf| (path.clone(), path);
                let mounts = [
                    (self.layout.cluster(&own), self.layout.cluster_inside(&own)),
                    same(self.layout.postgres_config(&own)),
                    (passwd, "/etc/passwd".into()),
                    (group, "/etc/group".into()),
                ];
                let user = self.container_user("postgres")?;
                docker::once_with(
                    &image.pinned,
                    &user,
                    &mounts,
                    &tools::postgres::test_argv(&service.argv),
                )
            }
            None => tools::postgres::test_configuration(&service.argv, service.user.as_deref()),
        };
        test.run().map_err(|e| {
            e.during("PostgreSQL would not start with its new configuration; it was left as it was")
                .hint("correct [postgres.options] in odoopack.toml, then `odoopack up`")
        })
    }

    /// A wrong configuration must not reach a running nginx: it would keep the old one without a word.
    fn test_nginx(&self, service: &Service) -> Result<()> {
        let config = self.layout.nginx().join("nginx.conf");
        if self.layout.containers() {
            return match observe::containers::one(self.layout, &service.name)? {
                Some(container) => {
                    docker::inside(&container.id, &["nginx", "-t", "-q", "-c", config.as_str()]).run()
                }
                None => Err(Failure::failed("nginx does not run").hint("`odoopack up`")),
            };
        }
        let program = service.argv.first().map(Utf8PathBuf::from).unwrap_or_default();
        tools::nginx::test(&program, &config, &self.layout.data().join("nginx")).run()
    }

    /// A database server runs before it answers.
    fn ready(&self, service: &Service) -> Result<()> {
        let Some(own) = self.own_server(service) else {
            return Ok(());
        };
        let socket = observe::databases::one(self.spec, self.layout, &own)?;
        let begun = Instant::now();
        while let Err(error) = observe::databases::connect(&socket, "postgres") {
            if begun.elapsed() > patience(error.code()) {
                return Err(Failure::failed("PostgreSQL does not answer")
                    .because(observe::databases::words(&error))
                    .hint(format!("`odoopack logs {}`", service.name)));
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Ok(())
    }

    pub(super) fn pass_probes(&self, environment: &Name, progress: &Progress) -> Result<()> {
        let site = observe::site::site(self.spec, self.layout, environment)?;
        progress.detail("waiting for every probe to pass");
        let seen = probe::wait_until_pass(&site, &Probe::QUICK, HEALTHY);
        let failed: Vec<String> = seen
            .iter()
            .filter(|s| s.failed())
            .map(ToString::to_string)
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(
            Failure::failed(format!("{environment} does not answer as it should"))
                .because(failed.join("\n"))
                .hint(format!("`odoopack logs {environment}`"))
                .hint(format!("after new code: `odoopack module update {environment}`"))
                .hint("`odoopack status`"),
        )
    }
}

/// How long to wait for a server that answered with this.
fn patience(code: Option<&SqlState>) -> Duration {
    if code == Some(&SqlState::CANNOT_CONNECT_NOW) {
        RECOVERS
    } else {
        ANSWERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_recovers_is_waited_for_and_a_silent_one_is_not() {
        assert!(patience(Some(&SqlState::CANNOT_CONNECT_NOW)) > Duration::from_mins(30));
        for other in [None, Some(&SqlState::TOO_MANY_CONNECTIONS)] {
            assert_eq!(patience(other), ANSWERS);
        }
    }
}
