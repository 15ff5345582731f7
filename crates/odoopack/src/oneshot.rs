//! Odoo run once, as an environment's user, apart from its services: its log streamed and judged.
use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8PathBuf;
use odoopack_core::facts::Release;
use odoopack_core::layout::{ACT, Layout, Slot};
use odoopack_core::name::Name;
use odoopack_core::odoo::Role;
use odoopack_core::odoo::log::{self, Judge, Verdict};
use odoopack_core::secret::SecretText;
use odoopack_core::spec::{Environment, Spec, Value};
use odoopack_core::target;

use crate::exec::{Cmd, Outcome};
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::containers;
use crate::tools::docker;
use crate::ui::Progress;

/// Longest that one act may take.
const PATIENCE: Duration = Duration::from_hours(4);

/// Tests are run beside everything else of their environment.
pub(crate) const TESTS: &str = "tests";

/// Where and as whom Odoo runs.
#[derive(Clone, Debug)]
pub(crate) struct OneShot<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) environment: &'a Name,
    pub(crate) settings: &'a Environment,
    /// The code; its Python must be built.
    pub(crate) release: &'a Release,
    /// The odoo.conf that is read.
    pub(crate) conf: Utf8PathBuf,
    /// Values for the variables that the file takes from secrets.
    pub(crate) secrets: &'a BTreeMap<String, SecretText>,
    /// Gets the whole log, where it is worth keeping.
    pub(crate) log: Option<&'a Utf8PathBuf>,
    /// What its container is for, where it has one.
    pub(crate) purpose: &'static str,
}

/// What a run did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// How it ended, with its whole log as stderr.
    pub(crate) outcome: Outcome,
    /// What the log says.
    pub(crate) verdict: Verdict,
    cmd: Cmd,
}

impl<'a> OneShot<'a> {
    /// The release that the environment's services run.
    ///
    /// # Errors
    /// When the environment is not in the file.
    pub(crate) fn of_services(
        spec: &'a Spec,
        layout: &'a Layout,
        environment: &'a Name,
        release: &'a Release,
        secrets: &'a BTreeMap<String, SecretText>,
    ) -> Result<Self> {
        let settings = spec.environments.get(environment);
        let settings =
            settings.ok_or_else(|| Failure::failed(format!("there is no environment `{environment}`")))?;
        Ok(Self {
            layout,
            environment,
            settings,
            release,
            conf: layout.odoo_conf(environment, Slot::Blue),
            secrets,
            log: None,
            purpose: ACT,
        })
    }

    /// The command for one act (`-d`, `-i`, `-u` and the like), which ends when the act has ended.
    ///
    /// # Errors
    /// When Python is not built, or a secret of the environment has no value.
    pub(crate) fn command(&self) -> Result<Cmd> {
        Ok(self
            .odoo("server")?
            .args(Role::OneShot.arguments().iter().copied()))
    }

    /// A subcommand of Odoo with the environment's configuration, user and variables.
    ///
    /// # Errors
    /// As for [`Self::command`].
    pub(crate) fn odoo(&self, subcommand: &str) -> Result<Cmd> {
        let not_built = || Failure::refused("Odoo's Python is not built yet").hint("`odoopack up`");
        let python = self.release.python.as_ref().ok_or_else(not_built)?;
        if self.layout.containers() {
            return self.in_container(subcommand);
        }
        let mut argv = target::odoo_command(self.release, python, &self.conf);
        subcommand.clone_into(&mut argv[2]);
        let mut argv = argv.into_iter();
        let mut cmd = Cmd::new(argv.next().unwrap_or_default())
            .args(argv)
            .bare()
            .umask(0o027)
            .directory(&self.layout.environment(self.environment))
            .user(self.layout.user(self.environment.as_str()).as_deref())
            .patience(PATIENCE);
        let variables =
            target::odoo_variables(self.layout, self.environment, self.settings, self.release, python);
        for (name, value) in variables {
            cmd = cmd.env(name, value);
        }
        for (name, value) in &self.settings.env {
            if let Value::Secret(reference) = value {
                let key = reference.key();
                let value = self.secrets.get(&key).ok_or_else(|| {
                    Failure::refused(format!("{reference} has no value"))
                        .hint(format!("`odoopack secret set {key}`"))
                })?;
                cmd = cmd.env(name, value.expose());
            }
        }
        Ok(cmd)
    }

    /// The environment's tool, under a name by which one that was left behind is found.
    fn in_container(&self, subcommand: &str) -> Result<Cmd> {
        end_left(self.layout, self.environment.as_str(), self.purpose)?;
        let name = self.layout.one_shot(self.environment.as_str(), self.purpose);
        let tool = format!("{}.tools", self.environment);
        Ok(containers::project(self.layout)
            .tool(&tool, Some(&name), false)
            .args([subcommand, "-c", self.conf_inside().as_str()])
            .patience(PATIENCE))
    }

    /// Where a container sees what is read as odoo.conf: that of the services, or one in the environment's own directory.
    fn conf_inside(&self) -> Utf8PathBuf {
        let below = self.conf.strip_prefix(self.layout.environment(self.environment));
        below.map_or_else(
            |_| target::ODOO_CONF.into(),
            |below| self.layout.environment_inside(self.environment).join(below),
        )
    }

    /// Runs it to its end and judges its log; a bad verdict is no error yet.
    ///
    /// # Errors
    /// When it could not be started, took too long, or its log could not be kept.
    pub(crate) fn run(&self, cmd: Cmd, progress: &Progress) -> Result<Ran> {
        let mut judge = Judge::default();
        let outcome = cmd.stream_stderr(&mut |line| {
            if let Some(module) = log::loading(line) {
                progress.detail(&format!("module {module}"));
            }
            judge.feed(line);
        });
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                // Whoever started the container was ended; it would work on.
                let left = end_left(self.layout, self.environment.as_str(), self.purpose);
                return Err(match left {
                    Ok(()) => failure,
                    Err(second) => failure.hint(second.sentence()),
                });
            }
        };
        if let Some(path) = self.log {
            files::replace(path, outcome.stderr.as_bytes(), 0o640, None)?;
        }
        Ok(Ran {
            outcome,
            verdict: judge.finish(),
            cmd,
        })
    }
}

/// Ends what a run that was killed left working; where there are no containers, it has died with its starter.
///
/// # Errors
/// When Docker cannot be asked.
pub(crate) fn end_left(layout: &Layout, environment: &str, purpose: &str) -> Result<()> {
    if !layout.containers() {
        return Ok(());
    }
    // It ends badly when there is none.
    docker::remove(&layout.one_shot(environment, purpose))
        .outcome()
        .map(drop)
}

impl Ran {
    /// The verdict when exit code and log are good.
    ///
    /// # Errors
    /// With what the log says is wrong, or with its end when it says nothing.
    pub(crate) fn good(self) -> Result<Verdict> {
        let failed = !self.outcome.status.success();
        if self.verdict.is_good() {
            return if failed {
                Err(self.cmd.ended_badly(&self.outcome))
            } else {
                Ok(self.verdict)
            };
        }
        let what = if failed {
            "Odoo ended badly"
        } else {
            "Odoo ended well but complained in its log"
        };
        Err(Failure::failed(what).because(self.verdict.said()))
    }
}
