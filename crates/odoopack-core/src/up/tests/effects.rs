//! What each step does to the machine of plain values.
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use super::machine::{DAY, Machine, OURS, release};
use crate::facts::{
    Built, Certificate, Cluster, DatabaseFact, Docker, Facts, Image, PathFact, PathKind, Seen, ServiceFact,
    TimerFact, UserFact,
};
use crate::name::Name;
use crate::plan::Step;
use crate::secret::SecretText;
use crate::target::{self, Access, Target};
use crate::up;

impl Machine {
    /// The effect of one step; asserts what it may count on, and that the target knows what it names.
    #[expect(clippy::too_many_lines, reason = "one arm per step")]
    pub(super) fn apply(&mut self, step: &Step, target: &Target, seen: &Facts) {
        let layout = self.layout();
        let state = &mut self.facts;
        state.made_by = Seen::Present(self.spec.pack.name.to_string());
        state.ports = target.ports.iter().map(|(n, p)| (n.clone(), p.first)).collect();
        match step {
            Step::InstallPackages { packages } => {
                assert!(state.host.root, "only root installs packages");
                let named = |p: &&target::Program| packages.contains(&p.package);
                let programs: Vec<_> = target.programs.iter().filter(named).map(|p| p.name).collect();
                let lacking = packages.iter().filter(|name| state.lacking.remove(*name)).count();
                assert_eq!(programs.len() + lacking, packages.len());
                for program in programs {
                    self.install(program);
                }
            }
            Step::CreateUser { name, home } => {
                assert!(target.users.iter().any(|u| u.name == *name && u.home == *home));
                let number = 900 + u32::try_from(state.users.len()).unwrap();
                let user = UserFact {
                    uid: number,
                    gid: number,
                    home: home.clone(),
                    groups: BTreeSet::new(),
                };
                assert!(
                    state.users.insert(name.clone(), user).is_none(),
                    "{name} was there"
                );
            }
            Step::JoinGroup { user, group } => {
                assert!(state.users.contains_key(group), "group {group} does not exist");
                assert!(state.users.get_mut(user).unwrap().groups.insert(group.clone()));
            }
            Step::MakeDirectory { path } => {
                let want = target.directories.iter().find(|d| d.path == *path).unwrap();
                self.put(path, PathKind::Directory, &want.access);
            }
            Step::LinkView { path, to } => {
                assert!(
                    target
                        .views
                        .iter()
                        .any(|view| view.path == *path && view.to == *to)
                );
                match to {
                    Some(to) => self.put(path, PathKind::Link(to.clone()), &OURS),
                    None => drop(state.paths.remove(path)),
                }
            }
            Step::PlaceBinary { path } => {
                assert_eq!(*path, target.binary);
                self.put(path, PathKind::File("binary".into()), &OURS);
                self.facts.binary_current = true;
            }
            Step::GenerateSecret { name } => {
                assert!(target.secrets.contains(name));
                let hash = if name.ends_with("_HASH") {
                    "$pbkdf2-sha512$"
                } else {
                    ""
                };
                let value = format!("{hash}value of {name} number {}", state.secrets.len());
                let value = SecretText::new(value);
                assert!(
                    state.secrets.insert(name.clone(), value).is_none(),
                    "{name} had a value"
                );
            }
            Step::ResolveSource { .. } => state.release = Seen::Present(release(&layout, false, false)),
            Step::FetchOdoo { .. } => state.release = Seen::Present(release(&layout, true, false)),
            Step::BuildPython { .. } => state.release = Seen::Present(release(&layout, true, true)),
            Step::LinkModules {
                edition,
                link,
                unlink,
            } => {
                let farm = state.farms.entry(edition.clone()).or_default();
                farm.links.retain(|name, _| !unlink.contains(name));
                let wanted = &target.farms[&edition.parse().unwrap()].links;
                farm.links
                    .extend(link.iter().map(|name| (name.clone(), wanted[name].clone())));
            }
            Step::GetImage { part, image } => {
                let pinned = state.containers.images.get(part);
                if state.containers.absent.remove(part) && pinned.is_some_and(|one| one.pinned == *image) {
                    return;
                }
                assert_eq!(target.images.get(part), Some(image));
                self.get_image(part, image);
            }
            Step::BuildImage { image } => {
                let locked = state.containers.locked.clone().unwrap();
                self.get_image("odoo", image);
                let odoo = self.facts.containers.images.get_mut("odoo").unwrap();
                odoo.built = Some(Built {
                    on: locked.pin,
                    packages: locked.packages.unwrap(),
                });
            }
            Step::GetRepositories { .. } => {
                assert!(state.programs.contains_key("git"), "there is no git");
                state.release = Seen::Present(release(&layout, true, true));
            }
            Step::MakeGateImage { image } => {
                assert!(state.binary_current, "there is no program to make it from");
                assert_eq!(target.images.get("gate"), Some(image));
                self.get_image("gate", image);
            }
            Step::CreateCluster { major, server } => {
                assert!(seen.cluster(server).is_absent(), "there is a cluster");
                assert!(state.host.postgres.contains_key(major), "no programs of {major}");
                let cluster = Seen::Present(Cluster { major: *major });
                state.clusters.insert(server.clone(), cluster);
            }
            Step::TakeOver { part, path } => {
                assert!(state.used_elsewhere.is_empty(), "somebody else writes to {path}");
                assert!(target.adopted.contains(&(part.clone(), path.clone())));
                let wanted = target.directories.iter().find(|one| one.path == *path);
                let (access, fact) = (&wanted.unwrap().access, state.paths.get_mut(path));
                let Some(Seen::Present(fact)) = fact else {
                    panic!("there is no {path}");
                };
                fact.user.clone_from(access.user.as_ref().unwrap());
                fact.group.clone_from(access.group.as_ref().unwrap());
                if part != "postgres" {
                    state.adopted.insert(path.clone());
                }
            }
            Step::AdoptCluster { path } => {
                assert!(state.containers.images.contains_key("postgres"), "no programs");
                let runs = |seen: &Seen<ServiceFact>| seen.present().is_some_and(|service| service.running);
                assert!(
                    !state.services.get("postgres").is_some_and(runs),
                    "two servers in {path}"
                );
                state.adopted.insert(path.clone());
            }
            Step::KeepDump { database, path, .. } => {
                assert!(self.server.databases[database].filled);
                assert!(path.starts_with("/opt/shop/backups"));
                self.server.dumped.insert(database.clone());
            }
            Step::GiveDatabase { database, role, .. } => {
                assert!(self.server.dumped.contains(database), "there is no way back");
                assert!(self.server.roles.contains_key(role));
                self.server
                    .databases
                    .get_mut(database)
                    .unwrap()
                    .owner
                    .clone_from(role);
            }
            Step::IssueCertificate { environment, domain } => {
                assert_eq!(target.certificates.get(environment), Some(domain));
                let certificate = Certificate {
                    not_after: state.host.now + 300 * DAY,
                    names: vec![domain.clone()],
                };
                let content = format!("certificate until {}", certificate.not_after);
                state
                    .certificates
                    .insert(environment.clone(), Seen::Present(certificate));
                for half in ["pem", "key"] {
                    let path = layout.tls().join(format!("{environment}.{half}"));
                    self.put(&path, PathKind::File(content.clone()), &OURS);
                }
            }
            Step::WriteFile { path, .. } => {
                let file = target.file(path).unwrap();
                let hash = crate::hash::hex(file.content.expose().as_bytes());
                state.written.insert(path.clone(), hash.clone());
                self.put(path, PathKind::File(hash), &file.access);
            }
            Step::RemoveFile { path } => {
                assert!(target.file(path).is_none());
                state.paths.remove(path);
                state.written.remove(path);
            }
            Step::StartSupervisor => {
                assert!(state.supervisor.is_absent());
                state.supervisor = Seen::Present(77);
            }
            Step::StartService { service }
            | Step::RestartService { service, .. }
            | Step::ReloadService { service, .. } => {
                if target.stack.is_some() {
                    state.supervisor = Seen::Present(1);
                }
                assert!(
                    state.supervisor.present().is_some(),
                    "nobody could start {service}"
                );
                self.start(service, target);
            }
            Step::StartTimer { job } => {
                assert!(state.host.systemd && target.timers.contains_key(job));
                let started_as = Some(up::timer_hash(target, job));
                let fact = TimerFact {
                    running: true,
                    started_as,
                };
                state.timers.insert(job.clone(), fact);
            }
            Step::RemoveTimer { job } => {
                assert!(!target.timers.contains_key(job));
                state.timers.remove(job);
            }
            Step::RemoveService { service } => {
                assert!(target.service(service).is_none());
                state.services.remove(service);
            }
            Step::ConvergeRole { role } => {
                let want = target.databases.iter().find(|w| w.role == *role).unwrap();
                let secret = &seen.secrets[&target::secret_name(&want.environment, "DATABASE")];
                self.server.roles.insert(role.clone(), secret.expose().to_owned());
                let place = self.spec.server_of(&want.environment);
                self.server.placed.insert(role.clone(), place);
            }
            Step::CreateDatabase {
                environment,
                database,
            } => {
                let want = target
                    .databases
                    .iter()
                    .find(|w| w.environment == *environment)
                    .unwrap();
                assert!(
                    self.server.roles.contains_key(&want.role),
                    "no role {}",
                    want.role
                );
                self.server.made += 1;
                let empty = DatabaseFact {
                    oid: self.server.made,
                    owner: want.role.clone(),
                    open: false,
                    kind: None,
                    filled: false,
                    parameters: None,
                };
                self.server.databases.entry(database.clone()).or_insert(empty);
                let place = self.spec.server_of(environment);
                self.server.placed.insert(database.clone(), place);
            }
            Step::PrepareSessions {
                environment,
                database,
            } => {
                let mut wants = target.sessions.iter();
                let want = wants.find(|w| w.environment == *environment).unwrap();
                let secret = seen.secrets[&want.secret].expose().to_owned();
                self.server.roles.insert(database.clone(), secret);
                self.server.made += 1;
                let empty = DatabaseFact {
                    oid: self.server.made,
                    owner: database.clone(),
                    open: false,
                    kind: None,
                    filled: false,
                    parameters: None,
                };
                self.server.databases.entry(database.clone()).or_insert(empty);
                let place = self.spec.server_of(environment);
                self.server.placed.insert(database.clone(), place);
            }
            Step::DropUnfinished {
                environment,
                database,
            } => {
                let gone = self.server.databases.remove(database).unwrap();
                assert_eq!(
                    state.unfinished.get(environment),
                    Some(&gone.oid),
                    "{database} is not the marked one"
                );
                assert_eq!(gone.kind, None, "{database} was complete");
            }
            Step::InitializeDatabase {
                environment,
                database,
                modules,
            } => {
                assert_eq!(modules[..2], ["base", "web"]);
                // Odoo makes it whenever it runs.
                let wants = target.databases.iter();
                for want in wants.filter(|want| want.environment == *environment) {
                    let fact = PathFact {
                        kind: PathKind::Directory,
                        mode: 0o700,
                        user: "odoo".into(),
                        group: "odoo".into(),
                    };
                    if target.server.is_none() {
                        state.paths.insert(want.filestore(), Seen::Present(fact.clone()));
                    }
                    state.paths.insert(want.home.join("addons"), Seen::Present(fact));
                }
                let database = self.server.databases.get_mut(database).unwrap();
                assert!(!database.filled, "Odoo would be installed over something");
                state.unfinished.insert(environment.clone(), database.oid);
                database.filled = true;
                database.parameters = Some(BTreeMap::new());
            }
            Step::FinishDatabase {
                environment,
                database,
            } => {
                let database = self.server.databases.get_mut(database).unwrap();
                assert!(database.filled && database.kind.is_none());
                database.kind = Some("kind".into());
                database.parameters = Some(parameters(target, environment));
                state.unfinished.remove(environment);
            }
            Step::SetAddresses {
                environment,
                database,
            } => {
                let database = self.server.databases.get_mut(database).unwrap();
                assert!(database.kind.is_some(), "a database that is not complete");
                database.parameters = Some(parameters(target, environment));
            }
            Step::MarkDatabase {
                environment,
                database,
            } => {
                let database = self.server.databases.get_mut(database).unwrap();
                assert!(database.filled);
                database.kind = Some("kind".into());
                state.unfinished.remove(environment);
            }
            Step::ReadUnits => assert!(state.host.systemd),
            Step::StartAtBoot { .. } => {
                assert!(state.host.systemd);
                state.supervisor = Seen::Present(1);
            }
            Step::ReleaseHold { environment } => assert!(state.held.remove(environment)),
            Step::PassProbes { environment } => {
                assert!(
                    !state.held.contains(environment),
                    "the probes would wait at the gate"
                );
                let runs = |name: &String| {
                    state
                        .services
                        .get(name)
                        .and_then(Seen::present)
                        .is_some_and(|s| s.running)
                };
                assert!(
                    target.services.iter().all(|s| runs(&s.name)),
                    "not everything runs"
                );
                let want = target
                    .databases
                    .iter()
                    .find(|w| w.environment == *environment)
                    .unwrap();
                assert!(self.server.databases[&want.database].kind.is_some());
            }
        }
    }

    /// What the program finds in an image, and what follows from it.
    fn get_image(&mut self, part: &str, name: &str) {
        let (version, place) = match part {
            "odoo" => ((19, 0, 0), "/usr/lib/python3/dist-packages/odoo/addons"),
            "postgres" => ((16, 0, 0), "/usr/lib/postgresql/16/bin"),
            "nginx" => ((1, 28, 0), "/usr/sbin/nginx"),
            "redis" => ((7, 2, 0), "/usr/local/bin/redis-server"),
            _ => ((0, 0, 0), "/odoopack"),
        };
        let image = Image {
            wanted: name.to_owned(),
            pinned: format!("{part}@sha256:0"),
            id: "sha256:0".to_owned(),
            locked: None,
            version,
            places: vec![place.into()],
            python: crate::facts::PYTHON.map(str::to_owned).into(),
            c_library: None,
            built: None,
        };
        let layout = self.layout();
        let facts = &mut self.facts;
        match part {
            "odoo" => {
                let trees = self.spec.addons.repositories.is_empty();
                facts.release = Seen::Present(release(&layout, trees, trees));
            }
            "postgres" => facts.host.postgres = [(version.0, place.into())].into(),
            "nginx" => {
                facts.host.nginx = Some(version);
                facts.programs.insert("nginx".to_owned(), place.into());
            }
            "redis" => {
                facts.programs.insert("redis-server".to_owned(), place.into());
            }
            _ => {}
        }
        facts.containers.images.insert(part.to_owned(), image);
    }

    pub(super) fn install(&mut self, program: &str) {
        let host = &mut self.facts.host;
        match program {
            "postgres" => {
                let major = self.spec.postgres.version.unwrap_or(15);
                host.postgres
                    .insert(major, format!("/usr/lib/postgresql/{major}/bin").into());
            }
            target::CLIENT => {
                host.postgres.insert(16, "/usr/lib/postgresql/16/bin".into());
            }
            "python3-venv" => {
                host.pythons.insert((3, 11), "/usr/bin/python3.11".into());
            }
            "nginx" => host.nginx = Some((1, 22, 1)),
            "docker" => {
                self.facts.containers.docker = Seen::Present(Docker {
                    server: "20.10.24".to_owned(),
                    compose: Some("2.26.1".to_owned()),
                    security: vec!["seccomp".to_owned()],
                });
            }
            _ => {}
        }
        self.facts
            .programs
            .insert(program.to_owned(), format!("/usr/bin/{program}").into());
    }

    pub(super) fn put(&mut self, path: &Utf8Path, kind: PathKind, access: &Access) {
        let parent = path.parent().unwrap();
        let parent_is_directory = match self.facts.paths.get(parent) {
            Some(Seen::Present(fact)) => fact.kind == PathKind::Directory,
            _ => ["/opt", "/etc/ssl/erp", crate::render::systemd::DIRECTORY].contains(&parent.as_str()),
        };
        assert!(parent_is_directory, "{path} has no directory to be in");
        let me = self.facts.host.user.clone();
        let fact = PathFact {
            kind,
            mode: access.mode,
            user: access.user.clone().unwrap_or_else(|| me.clone()),
            group: access.group.clone().unwrap_or(me),
        };
        self.facts.paths.insert(path.to_owned(), Seen::Present(fact));
    }

    fn start(&mut self, name: &str, target: &Target) {
        let service = target.service(name).unwrap();
        let seen = &self.facts;
        for input in &service.inputs {
            assert!(
                matches!(seen.paths.get(input), Some(Seen::Present(_))),
                "{name} reads {input}, which is not there"
            );
        }
        if let Some(user) = &service.user {
            assert!(self.facts.users.contains_key(user), "{name} has no user {user}");
        }
        for before in &service.after {
            let runs = self
                .facts
                .services
                .get(before)
                .and_then(Seen::present)
                .is_some_and(|s| s.running);
            assert!(runs, "{name} starts before {before}");
        }
        let fact = ServiceFact {
            running: true,
            pid: Some(100),
            since: Some(1),
            restarts: 0,
            started_with: Some(up::inputs_hash(target, seen, service)),
            started_as: Some(up::definition_hash(target, service)),
        };
        self.facts.services.insert(name.to_owned(), Seen::Present(fact));
    }
}

fn parameters(target: &Target, environment: &Name) -> BTreeMap<String, String> {
    let mut all = target.databases.iter();
    let want = all.find(|want| want.environment == *environment).unwrap();
    let owned = |(key, value): (&&str, &String)| ((*key).to_owned(), value.clone());
    want.parameters.iter().map(owned).collect()
}
