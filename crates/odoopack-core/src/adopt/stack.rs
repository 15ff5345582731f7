//! Which services of a project are Odoo, its database and its web server, and where their data lies.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::command::Command;
use super::project::{ODOO_CONF, ODOO_DATA, Place, Project};
use crate::foreign::compose::{Role, Service};
use crate::odoo::Series;
use crate::odoo::conf_file::Entry;
use crate::plan::Refusal;
use crate::render::shell::word;

/// The services of a project that are taken over.
#[derive(Clone, Debug)]
pub struct Stack<'a> {
    pub(super) project: &'a Project,
    pub(super) odoo: &'a Service,
    pub(super) postgres: &'a Service,
    pub(super) nginx: Option<&'a Service>,
    /// What Odoo is told, see [`Stack::told`].
    pub(super) entries: Vec<Entry>,
    /// Whether a file of Odoo's was read.
    pub(super) conf_read: bool,
}

/// Directory of each volume by its full name; `None`: there is no such volume.
pub type Volumes = BTreeMap<String, Option<Utf8PathBuf>>;

impl<'a> Stack<'a> {
    /// Finds them; `service` says which one is meant where several run Odoo. Whose the database is, [`Stack::told`] says.
    ///
    /// # Errors
    /// Why the project cannot be taken over.
    pub fn find(project: &'a Project, service: Option<&str>) -> Result<Self, Refusal> {
        let odoo = odoo(project, service)?;
        let nginx = project.services(Role::Nginx);
        let postgres = project.services(Role::Postgres);
        let postgres = postgres.first().copied().ok_or_else(|| {
            Refusal::new(
                "no service of the file is PostgreSQL: the database is elsewhere",
                "where that server stays, `odoopack init` makes a pack that uses it with `[postgres] url`, see docs/guides/managed-postgresql.md; else bring it over by dump: `odoopack backup import --help`",
            )
        })?;
        Ok(Self {
            project,
            odoo,
            postgres,
            nginx: nginx.first().copied(),
            entries: Vec::new(),
            conf_read: false,
        })
    }

    /// Services that nothing of the pack takes the place of.
    pub(super) fn others(&self) -> Vec<&str> {
        let ours = |service: &&Service| {
            let names = [Some(self.odoo), Some(self.postgres), self.nginx];
            names
                .into_iter()
                .flatten()
                .any(|known| known.name == service.name)
        };
        let all = self.project.compose.services.iter();
        all.filter(|service| !ours(service))
            .map(|service| service.name.as_str())
            .collect()
    }

    /// Full names of the volumes that are looked for.
    pub fn volumes(&self) -> BTreeSet<String> {
        let services = [Some(self.odoo), self.nginx].into_iter().flatten();
        let mut all = BTreeSet::new();
        for service in services.chain(self.project.services(Role::Postgres)) {
            for mount in service.mounts() {
                let target = self.project.variables.fill(&mount.target);
                if let Some(Place::Volume(name, _)) = self.project.place(service, target.as_str().into()) {
                    all.insert(name);
                }
            }
        }
        all
    }

    /// Series of Odoo, as the image's tag says it: `18`, `18.0`, `18.0-20250101`.
    pub fn series(&self) -> Option<Series> {
        let image = self.project.image(self.odoo);
        let number = tag(&image)?.split(['-', '.']).next()?;
        format!("{number}.0").parse().ok()
    }

    /// Odoo's configuration on the host, when it is mounted.
    pub fn odoo_conf(&self, volumes: &Volumes) -> Option<Utf8PathBuf> {
        let place = self.project.place(self.odoo, &self.odoo_conf_inside())?;
        self.host(&place, volumes).ok()
    }

    /// Odoo's configuration as the container sees it.
    ///
    /// # Source
    /// `odoo/tools/config.py`: `--config`, then `ODOO_RC`, which the official image sets.
    pub(super) fn odoo_conf_inside(&self) -> Utf8PathBuf {
        let variable = || self.project.variable(self.odoo, "ODOO_RC");
        let said = self.command().conf.or_else(variable);
        said.filter(|path| !path.is_empty())
            .map_or_else(|| ODOO_CONF.into(), Utf8PathBuf::from)
    }

    /// What Odoo's command says.
    pub(super) fn command(&self) -> Command {
        Command::read(&self.project.command(self.odoo))
    }

    /// Directory of the cluster in the container.
    ///
    /// # Source
    /// docker-library/postgres: `PGDATA` is `/var/lib/postgresql/data`, since 18 `/var/lib/postgresql/18/docker`.
    pub(super) fn cluster(&self) -> Utf8PathBuf {
        if let Some(path) = self
            .project
            .variable(self.postgres, "PGDATA")
            .filter(|path| !path.is_empty())
        {
            return path.into();
        }
        match self.major() {
            Some(major) if major >= 18 => format!("/var/lib/postgresql/{major}/docker").into(),
            _ => "/var/lib/postgresql/data".into(),
        }
    }

    /// Major of PostgreSQL, as the image's tag says it: `16`, `16.4-bookworm`, `pg16`, `latest-pg16`.
    fn major(&self) -> Option<u16> {
        let image = self.project.image(self.postgres);
        let tag = tag(&image)?;
        let named = tag.split('-').find_map(|part| part.strip_prefix("pg"));
        let number = named.unwrap_or(tag);
        let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        number[..digits].parse().ok()
    }

    /// The place of a service's data on the host.
    ///
    /// # Errors
    /// Why it cannot be taken over where it is.
    pub(super) fn data(
        &self,
        service: &Service,
        inside: &Utf8Path,
        volumes: &Volumes,
    ) -> Result<Utf8PathBuf, Refusal> {
        let place = self.project.place(service, inside);
        let place = place.ok_or_else(|| self.mounted_elsewhere(service, inside))?;
        self.host(&place, volumes)
    }

    fn mounted_elsewhere(&self, service: &Service, inside: &Utf8Path) -> Refusal {
        let mounts = service.mounts().into_iter();
        let mounts: Vec<String> = mounts
            .map(|mount| self.project.variables.fill(&mount.target))
            .collect();
        let name = &service.name;
        let nothing = format!("service `{name}` mounts nothing at {inside}");
        let image = self.project.image(service);
        let what = if image.contains("bitnami") || mounts.iter().any(|target| target.starts_with("/bitnami"))
        {
            format!(
                "{nothing}, but {}: the layout of `{image}` is not taken over, only that of the official images",
                listed(&mounts)
            )
        } else if mounts.is_empty() {
            format!("{nothing}: its data is in a volume without a name, or in the container alone")
        } else {
            format!(
                "{nothing}, but {}: its data is in none of them, in a volume without a name, or where the image alone knows",
                listed(&mounts)
            )
        };
        Refusal::new(what, self.by_dump())
    }

    /// How the data comes over where it cannot stay: as click-odoo-backupdb's folder, which `backup import` reads.
    pub(super) fn by_dump(&self) -> String {
        let variable = |names: &[&str]| {
            let mut names = names.iter();
            let found = names.find_map(|name| self.project.variable(self.postgres, name));
            found.filter(|text| !text.is_empty())
        };
        let user =
            variable(&["POSTGRES_USER", "POSTGRESQL_USERNAME"]).unwrap_or_else(|| "postgres".to_owned());
        let of_odoo = self.project.variable(self.odoo, "ODOO_DATABASE_NAME");
        let database = self
            .databases()
            .next()
            .or(of_odoo)
            .filter(|name| !name.is_empty());
        let database = database.unwrap_or_else(|| "DATABASE".to_owned());
        let data = if self.project.image(self.odoo).contains("bitnami") {
            "/bitnami/odoo/data".to_owned()
        } else {
            self.said("data_dir").unwrap_or(ODOO_DATA).to_owned()
        };
        let compose = format!("docker compose -p {}", word(&self.project.name));
        let (odoo, postgres) = (word(&self.odoo.name), word(&self.postgres.name));
        let name = word(&database);
        // The images call the password differently, and not every one lets its own users in without.
        let dump = format!(
            r#"PGPASSWORD="${{POSTGRESQL_PASSWORD:-$POSTGRES_PASSWORD}}" pg_dump -Fc -U {} {name}"#,
            word(&user)
        );
        let dump = word(&dump).into_owned();
        format!(
            "bring it over by dump, while the old stack runs and nobody works in it: `mkdir old`, `{compose} exec -T {postgres} sh -c {dump} > old/db.dump`, `{compose} cp {odoo}:{data}/filestore/{name} old/filestore`; then in a new root `odoopack init`, `odoopack up` and `odoopack backup import old --to production --yes-replace production`"
        )
    }

    /// A place on the host.
    pub(super) fn host(&self, place: &Place, volumes: &Volumes) -> Result<Utf8PathBuf, Refusal> {
        let (name, rest) = match place {
            Place::Host(path) => return Ok(path.clone()),
            Place::Volume(name, rest) => (name, rest),
        };
        if self.project.has_driver(name) {
            return Err(Refusal::new(
                format!(
                    "volume `{name}` has a driver or options of its own: its directory is there only while a container has it"
                ),
                "name the directory behind it in the compose file as a bind mount first",
            ));
        }
        let Some(Some(directory)) = volumes.get(name) else {
            return Err(Refusal::new(
                format!("there is no volume `{name}`"),
                "`docker volume ls` shows how it is called; `--project NAME` says what the project was called",
            ));
        };
        Ok(if rest.as_str().is_empty() {
            directory.clone()
        } else {
            directory.join(rest)
        })
    }

    /// Where Odoo may keep attachments, as the container sees it.
    ///
    /// # Source
    /// odoo/docker: `data_dir` stands in the image's own odoo.conf; with another one that does not say it, Odoo uses what
    /// `odoo/tools/appdirs.py` makes of the home of its user.
    pub(super) fn odoo_data(&self) -> Vec<Utf8PathBuf> {
        match self.said("data_dir").filter(|path| path.starts_with('/')) {
            Some(path) => vec![path.into()],
            None => vec![
                Utf8PathBuf::from(ODOO_DATA).join(".local/share/Odoo"),
                ODOO_DATA.into(),
            ],
        }
    }

    /// The service that is PostgreSQL.
    pub fn postgres_service(&self) -> &str {
        &self.postgres.name
    }

    /// The image that PostgreSQL runs in.
    pub fn postgres_image(&self) -> String {
        self.project.image(self.postgres)
    }

    /// The databases that Odoo is told to use.
    pub(super) fn databases(&self) -> impl Iterator<Item = String> {
        let said = self.said("db_name").unwrap_or_default();
        let all = said.split(',').map(str::trim).filter(|name| !name.is_empty());
        all.map(str::to_owned)
    }
}

fn odoo<'a>(project: &'a Project, wanted: Option<&str>) -> Result<&'a Service, Refusal> {
    let all = project.services(Role::Odoo);
    let names: Vec<&str> = all.iter().map(|service| service.name.as_str()).collect();
    match (wanted, all.as_slice()) {
        (Some(name), _) => project
            .compose
            .services
            .iter()
            .find(|one| one.name == name)
            .ok_or_else(|| {
                Refusal::new(
                    format!("there is no service `{name}`"),
                    format!("one of {}", names.join(", ")),
                )
            }),
        (None, [one]) => Ok(one),
        (None, []) => Err(Refusal::new(
            "no service of the file runs Odoo, as far as its image and its name say",
            "say which: `odoopack adopt --service NAME`",
        )),
        (None, _) => Err(Refusal::new(
            format!("several services run Odoo: {}", names.join(", ")),
            "say which one is taken over: `odoopack adopt --service NAME`",
        )),
    }
}

/// The tag of an image, which stands behind its repository and before its digest; a port of a registry is none.
///
/// # Source
/// distribution/reference: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    name.split_once(':').map(|(_, tag)| tag)
}

pub(super) fn listed(all: &[String]) -> String {
    let all: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
    all.join(", ")
}
