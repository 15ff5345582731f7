//! A machine made of plain values, on which every step has the effect that it has on a real one.
use std::collections::BTreeMap;
use std::sync::OnceLock;

use camino::Utf8PathBuf;

use crate::facts::{Containers, DatabaseFact, Databases, Facts, Host, Release, Seen, ServiceFact};
use crate::layout::Layout;
use crate::name::Name;
use crate::plan::{Plan, Step};
use crate::sizing;
use crate::spec::{self, LoadContext, OwnServer, Spec};
use crate::target::{self, Access, Target};
use crate::units::Bytes;
use crate::up::{self, Consent};

pub(super) const ROOT: &str = "/opt/shop";
pub(super) const DAY: i64 = 86_400;

/// What the file wants, and the machine as it is.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) spec: Spec,
    pub(super) facts: Facts,
    pub(super) server: Server,
    pub(super) consent: Consent,
}

/// What the database server holds, whether it runs or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    /// Role to its password.
    pub(super) roles: BTreeMap<String, String>,
    pub(super) databases: BTreeMap<String, DatabaseFact>,
    /// The server of each role and database that was made.
    pub(super) placed: BTreeMap<String, OwnServer>,
    /// Databases that a dump was kept of.
    pub(super) dumped: std::collections::BTreeSet<String>,
    /// How many were ever made.
    pub(super) made: u32,
}

/// A small pack: two environments, Debian's Odoo.
pub(super) const FILE: &str = r#"
format = 1
[pack]
name = "shop"
root = "/opt/shop"
[odoo]
series = "19.0"
source = { debian = "sid" }
[web]
http_port = 8080
https_port = 8443
[environments.production]
domain = "erp.example.com"
[environments.staging]
domain = "staging.example.com"
"#;

impl Machine {
    /// A fresh Debian with nothing of ours on it.
    pub(super) fn fresh(file: &str, root: bool) -> Self {
        let loaded = spec::load(file, &LoadContext::new("/opt/shop/repo")).unwrap();
        Self {
            spec: loaded.spec,
            facts: nothing(root),
            server: Server::default(),
            consent: Consent::default(),
        }
    }

    /// The same with every package installed.
    pub(super) fn with_packages(file: &str, root: bool) -> Self {
        let mut machine = Self::fresh(file, root);
        for program in machine.look().0.programs {
            machine.install(program.name);
        }
        machine
    }

    /// Everything up.
    pub(super) fn up(root: bool) -> Self {
        static UP: [OnceLock<Machine>; 2] = [OnceLock::new(), OnceLock::new()];
        let make = || {
            let mut machine = Self::with_packages(FILE, root);
            machine.converge();
            machine
        };
        UP[usize::from(root)].get_or_init(make).clone()
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::new(&self.spec.pack.root, &self.spec.pack.name, self.facts.host.root)
            .with_engine(self.spec.pack.engine)
            .with_server(self.given())
            .with_adopted(&self.spec)
    }

    fn given(&self) -> Option<spec::GivenServer> {
        let value = |reference: &spec::SecretRef| self.facts.secrets.get(&reference.key()).cloned();
        self.spec.postgres.given(value).unwrap().map(|url| url.server)
    }

    /// What the program would see now, and what should be there: as its `observe` does it.
    pub(super) fn look(&self) -> (Target, Facts) {
        let host = &self.facts.host;
        let sizing = sizing::size(
            &sizing::Host {
                cores: host.cores,
                memory: host.memory,
            },
            &sizing::Wants::of(
                &self.spec,
                self.facts.server.present().map(crate::facts::ServerFact::budget),
            ),
        )
        .unwrap();
        let mut facts = self.facts.clone();
        let target = target::target(&self.spec, &self.layout(), &sizing, &facts).unwrap();
        let bound = target.bound();
        let named = target.directories.iter().map(|d| &d.path);
        let named = named.chain(target.files.iter().map(|f| &f.path));
        let named = named.chain(target.views.iter().map(|view| &view.path));
        let named = named
            .chain(target.services.iter().flat_map(|s| &s.inputs))
            .chain(&target.brought)
            .chain(
                target
                    .server
                    .iter()
                    .filter_map(|server| server.authority.as_ref()),
            )
            .chain(facts.written.keys())
            .chain(&bound);
        facts.paths = named
            .map(|path| {
                (
                    path.clone(),
                    self.facts.paths.get(path).cloned().unwrap_or(Seen::Absent),
                )
            })
            .collect();
        let own = self.spec.servers();
        let runs = |server: &OwnServer| {
            let service = facts.services.get(&server.to_string());
            service.and_then(Seen::present).is_some_and(|s| s.running)
        };
        let mut answer: Vec<OwnServer> = own.iter().filter(|server| runs(server)).cloned().collect();
        answer.extend(facts.server.present().map(|_| OwnServer::SHARED));
        for server in answer {
            let seen = || Seen::Present(self.databases(&target, &server));
            facts.databases.entry(server.clone()).or_insert_with(seen);
        }
        for server in own {
            facts.clusters.entry(server).or_insert(Seen::Absent);
        }
        (target, facts)
    }

    fn databases(&self, target: &Target, on: &OwnServer) -> Databases {
        let here = |name: &String| self.server.placed.get(name).is_none_or(|place| place == on);
        let good = |role: &String, password: &String| {
            let own = target.databases.iter();
            let own = own.map(|want| (&want.role, target::secret_name(&want.environment, "DATABASE")));
            let sessions = target.sessions.iter();
            own.chain(sessions.map(|want| (&want.database, want.secret.clone())))
                .any(|(name, secret)| {
                    let secret = self.facts.secrets.get(&secret);
                    name == role && secret.is_some_and(|secret| secret.expose() == password)
                })
        };
        Databases {
            roles: self
                .server
                .roles
                .iter()
                .filter(|(r, _)| here(r))
                .map(|(r, p)| (r.clone(), good(r, p)))
                .collect(),
            databases: self
                .server
                .databases
                .iter()
                .filter(|(name, _)| here(name))
                .map(|(name, fact)| (name.clone(), fact.clone()))
                .collect(),
        }
    }

    pub(super) fn plan(&self) -> Plan {
        let (target, facts) = self.look();
        up::plan(&self.spec, &target, &facts, self.consent)
    }

    /// Plans and applies until nothing is left; returns every step that was done.
    pub(super) fn converge(&mut self) -> Vec<Step> {
        self.converge_at_most(usize::MAX)
    }

    /// The same, with the machine as it was after each step.
    pub(super) fn converge_watched(&mut self) -> Vec<(Step, Self)> {
        let mut states = Vec::new();
        loop {
            let (target, facts) = self.look();
            let plan = up::plan(&self.spec, &target, &facts, self.consent);
            if plan.steps.is_empty() {
                return states;
            }
            for step in plan.steps {
                self.apply(&step, &target, &facts);
                states.push((step, self.clone()));
            }
        }
    }

    /// The same, killed after `limit` steps.
    pub(super) fn converge_at_most(&mut self, limit: usize) -> Vec<Step> {
        let mut done = Vec::new();
        for _ in 0..20 {
            let (target, facts) = self.look();
            let plan = up::plan(&self.spec, &target, &facts, self.consent);
            assert_eq!(plan.refusals, [], "after {done:#?}");
            if plan.steps.is_empty() {
                assert!(target.complete, "nothing left to do, and not complete");
                return done;
            }
            for step in plan.steps {
                if done.len() == limit {
                    return done;
                }
                self.apply(&step, &target, &facts);
                done.push(step);
            }
        }
        panic!(
            "does not converge; last steps: {:#?}",
            &done[done.len().saturating_sub(12)..]
        );
    }

    /// The database of an environment.
    pub(super) fn database(&mut self, environment: &str) -> &mut DatabaseFact {
        self.server
            .databases
            .get_mut(&format!("shop_{environment}"))
            .unwrap()
    }

    pub(super) fn service(&mut self, name: &str) -> &mut ServiceFact {
        match self.facts.services.get_mut(name) {
            Some(Seen::Present(fact)) => fact,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// Whatever watches the services, and with it the services, is gone.
    pub(super) fn reboot(&mut self) {
        self.facts.supervisor = Seen::Absent;
        for seen in self.facts.services.values_mut() {
            if let Seen::Present(fact) = seen {
                fact.running = false;
            }
        }
    }
}

pub(super) const OURS: Access = Access {
    user: None,
    group: None,
    mode: 0o644,
};

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn nothing(root: bool) -> Facts {
    Facts {
        adopted: std::collections::BTreeSet::new(),
        used_elsewhere: Vec::new(),
        host: Host {
            cores: 4,
            memory: Bytes::gib(16),
            disk_free: Bytes::gib(100),
            docker_disk: None,
            root,
            systemd: false,
            user: if root { "root" } else { "maria" }.to_owned(),
            ids: if root { (0, 0) } else { (1000, 1000) },
            debian: true,
            postgres: BTreeMap::new(),
            pythons: BTreeMap::new(),
            nginx: None,
            now: 1_800_000_000,
        },
        programs: BTreeMap::new(),
        users: BTreeMap::new(),
        made_by: Seen::Absent,
        binary_current: false,
        locked: false,
        closed: None,
        closed_authority: None,
        paths: BTreeMap::new(),
        written: BTreeMap::new(),
        secrets: BTreeMap::new(),
        release: Seen::Absent,
        farms: BTreeMap::new(),
        held: std::collections::BTreeSet::new(),
        modules: crate::modules::Tree::new(crate::spec::Series::V19, []),
        absent_addons: Vec::new(),
        ports: BTreeMap::new(),
        foreign_listeners: BTreeMap::new(),
        python_unfit: None,
        unavailable: std::collections::BTreeSet::new(),
        lacking: std::collections::BTreeSet::new(),
        certificates: BTreeMap::new(),
        clusters: BTreeMap::new(),
        server: Seen::NotYet,
        databases: BTreeMap::new(),
        unfinished: BTreeMap::new(),
        supervisor: Seen::Absent,
        services: BTreeMap::new(),
        containers: Containers::default(),
        timers: BTreeMap::new(),
    }
}

pub(super) fn release(layout: &Layout, fetched: bool, python: bool) -> Release {
    let tree: Utf8PathBuf = layout.releases().join("19.0-abc");
    Release {
        id: "19.0-abc".into(),
        identity: "odoo-19 19.0".into(),
        wanted: "19.0 debian sid".into(),
        fetched,
        entry: if fetched {
            tree.join("usr/bin/odoo")
        } else {
            Utf8PathBuf::new()
        },
        python_path: None,
        addons: if fetched {
            vec![tree.join("addons")]
        } else {
            Vec::new()
        },
        repositories: BTreeMap::new(),
        python: python.then(|| layout.pythons().join("0123")),
    }
}
