//! The file that matches a stack, and what becomes of everything in it.
use camino::{Utf8Path, Utf8PathBuf};
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::{Adoption, Holds, Seen, Stack, Wants, addons};
use crate::checks::Severity;
use crate::odoo::Series;
use crate::odoo::conf_file::Entry;
use crate::plan::Refusal;
use crate::secret::SecretText;
use crate::spec::{LoadContext, carry_over, load};

pub(super) const ENVIRONMENT: &str = "production";
/// Variables of the official image that say how the database is reached.
const CONNECTION: [&str; 13] = [
    "HOST",
    "PORT",
    "USER",
    "PASSWORD",
    "PASSWORD_FILE",
    "DB_HOST",
    "DB_PORT",
    "DB_USER",
    "DB_PASSWORD",
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
];
/// What `doctor` finds in files and the pack does not do otherwise.
const STAYS: [&str; 2] = ["compose-letsencrypt-mount", "compose-alpine-postgres"];

pub(super) struct Decider<'a> {
    pub(super) stack: &'a Stack<'a>,
    pub(super) wants: &'a Wants,
    pub(super) seen: &'a Seen<'a>,
    document: DocumentMut,
    out: Adoption,
}

/// Decides how a stack is taken over.
///
/// # Shape
/// With refusals there is no text: nothing may be written.
pub fn decide(stack: &Stack<'_>, wants: &Wants, seen: &Seen<'_>) -> Adoption {
    let mut decider = Decider {
        stack,
        wants,
        seen,
        document: DocumentMut::new(),
        out: Adoption::default(),
    };
    decider.all();
    let mut out = decider.out;
    if !out.refusals.is_empty() {
        out.text.clear();
        out.secrets.clear();
    }
    out
}

impl Decider<'_> {
    fn all(&mut self) {
        self.document["format"] = value(1);
        self.set(&["pack"], "name", value(self.wants.name.as_str()));
        self.set(&["pack"], "root", value(self.wants.root.as_str()));
        self.set(&["pack"], "engine", value("compose"));
        let series = self.images();
        self.ports();
        self.site();
        self.places();
        self.database();
        self.variables();
        let lifted = self.addons();
        self.left_programs();
        self.unread();
        self.left_services();
        if let Some(series) = series.filter(|_| self.out.refusals.is_empty()) {
            self.options(series, &lifted);
        }
        self.changes();
    }

    pub(super) fn set(&mut self, tables: &[&str], key: &str, item: Item) {
        let mut table: &mut Table = self.document.as_table_mut();
        for (depth, name) in tables.iter().enumerate() {
            let next = table.entry(name).or_insert_with(|| {
                let mut table = Table::new();
                table.set_implicit(depth + 1 < tables.len());
                Item::Table(table)
            });
            let Some(next) = next.as_table_mut() else { return };
            table = next;
        }
        table.set_implicit(false);
        table.insert(key, item);
    }

    pub(super) fn refuse(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.out.refusals.push(Refusal::new(what, hint));
    }

    pub(super) fn keep(&mut self, what: impl Into<String>, place: impl Into<String>) {
        self.out.kept.push((what.into(), place.into()));
    }

    pub(super) fn leave(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.out.left.push((what.into(), why.into()));
    }

    pub(super) fn change(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.out.changes.push((what.into(), why.into()));
    }

    /// The very images, so that nothing is swapped under the data.
    fn images(&mut self) -> Option<Series> {
        let stack = self.stack;
        let odoo = stack.project.image(stack.odoo);
        let series = self.wants.series.or_else(|| stack.series());
        if let Some(series) = series {
            self.set(&["odoo"], "series", value(series.to_string()));
        } else {
            self.refuse(
                format!("the image `{odoo}` does not say which series of Odoo it holds"),
                "say it: `odoopack adopt --series 18.0`",
            );
        }
        let mut source = toml_edit::InlineTable::new();
        source.insert("image", odoo.as_str().into());
        self.set(&["odoo"], "source", value(source));
        self.keep("image of Odoo", odoo);
        let postgres = stack.project.image(stack.postgres);
        self.set(&["images"], "postgres", value(postgres.as_str()));
        self.keep("image of PostgreSQL", postgres);
        if let Some(nginx) = stack.nginx {
            let image = stack.project.image(nginx);
            self.set(&["images"], "nginx", value(image.as_str()));
            self.keep("image of nginx", image);
        }
        series
    }

    fn places(&mut self) {
        let stack = self.stack;
        let inside = stack.cluster();
        match stack.data(stack.postgres, &inside, self.seen.volumes) {
            Ok(path) if self.seen.directories.get(&path) == Some(&Holds::Cluster) => {
                let path = self.real(path);
                self.set(&["postgres"], "directory", value(path.as_str()));
                self.keep("database cluster", path);
            }
            Ok(path) if self.seen.directories.get(&path) == Some(&Holds::Tablespaces) => self.refuse(
                format!("the cluster in {path} has tablespaces: their directories would not be mounted"),
                "move their tables back (`ALTER DATABASE NAME SET TABLESPACE pg_default`), or bring the database over by dump: `odoopack backup import --help`",
            ),
            Ok(path) => self.refuse(
                format!("there is no PostgreSQL cluster in {path}"),
                "`--project-directory DIR` says where Compose was run, `--project NAME` what the project was called",
            ),
            Err(refusal) => self.out.refusals.push(refusal),
        }
        self.attachments();
    }

    fn real(&self, path: Utf8PathBuf) -> Utf8PathBuf {
        self.seen.links.get(&path).cloned().unwrap_or(path)
    }

    /// Where a directory `filestore` is, of all that Odoo may have used.
    fn attachments(&mut self) {
        let stack = self.stack;
        let mut seen = Vec::new();
        for inside in stack.odoo_data() {
            match stack.data(stack.odoo, &inside, self.seen.volumes) {
                Ok(path) if self.seen.directories.get(&path) == Some(&Holds::Filestore) => {
                    let path = self.real(path);
                    self.set(&["environments", ENVIRONMENT], "directory", value(path.as_str()));
                    self.keep("attachments and sessions", path);
                    return;
                }
                Ok(path) => seen.push(path),
                Err(refusal) => return self.out.refusals.push(refusal),
            }
        }
        let seen: Vec<&str> = seen.iter().map(|path| path.as_str()).collect();
        self.refuse(
            format!("there is no `filestore`, where Odoo keeps attachments, in {}", seen.join(" or ")),
            "`--project-directory DIR` says where Compose was run; `data_dir` of odoo.conf where Odoo keeps its data",
        );
    }

    /// What the operator says, else the command, odoo.conf, and what the image of PostgreSQL made.
    fn database(&mut self) {
        let stack = self.stack;
        let option = |key: &str| stack.said(key).map(str::to_owned);
        let filter =
            option("dbfilter").map(|text| text.trim_start_matches('^').trim_end_matches('$').to_owned());
        let filter = filter.filter(|text| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        });
        let made = stack
            .project
            .variable(stack.postgres, "POSTGRES_DB")
            .filter(|name| name != "postgres" && !name.is_empty());
        let mut said = stack.databases();
        let found = self.wants.database.clone().or_else(|| said.next());
        for more in said.filter(|more| Some(more) != found.as_ref()) {
            self.leave(
                format!("database {more}"),
                "an environment has one database: give this one an environment of its own",
            );
        }
        let found = found.or(filter).or(made);
        let Some(name) = found else {
            self.refuse(
                "no file says which database is Odoo's",
                "say it: `odoopack adopt --database NAME`; `docker compose exec db psql -U odoo -l postgres` lists them",
            );
            return;
        };
        self.set(&["environments", ENVIRONMENT], "database", value(name.as_str()));
        self.keep("database", name);
    }

    /// Variables of Odoo; what looks secret goes where secrets are kept.
    fn variables(&mut self) {
        let stack = self.stack;
        for path in stack.project.missing_env_files(stack.odoo) {
            self.leave(
                format!("env_file {path}"),
                "it is not there: what Odoo needs of it belongs into [environments.production.env]",
            );
        }
        let files = stack.project.named_in_files(stack.odoo);
        let named = stack.odoo.environment().into_iter().map(|(name, ..)| name);
        for name in named.chain(files.iter().cloned()) {
            if files.contains(&name) && name.starts_with("POSTGRES_") {
                self.leave(
                    format!("variable {name}"),
                    "it is the old server's; Odoo signs in as a role of its own",
                );
                continue;
            }
            let text = stack.project.variable(stack.odoo, &name).unwrap_or_default();
            if CONNECTION.contains(&name.as_str()) || name == "ODOO_RC" {
                continue;
            }
            let upper = name.to_ascii_uppercase();
            let hidden = is_secret(&upper, &text);
            if hidden && !text.is_empty() {
                let secret = secret_of(upper);
                self.set(
                    &["environments", ENVIRONMENT, "env"],
                    &name,
                    value(format!("secret:{secret}")),
                );
                self.out.secrets.push((secret, SecretText::new(text)));
            } else if text.is_empty() {
                self.leave(
                    format!("variable {name}"),
                    "it has no value in the file or in `.env`",
                );
            } else {
                self.set(&["environments", ENVIRONMENT, "env"], &name, value(text));
            }
        }
    }

    /// Directories of modules as the host calls them; what is left is what odoo.conf says beside them.
    fn addons(&mut self) -> Vec<Entry> {
        let repo = self.wants.root.join("repo");
        let (mut own, mut oca) = (Array::new(), Vec::new());
        for (inside, host) in addons(self.stack, self.seen.volumes) {
            let Some(host) = host else {
                let why = "it is in the image: modules there that are not Odoo's own are not looked for";
                if !inside.contains("/odoo/addons") && !inside.contains("/dist-packages/") {
                    self.leave(format!("addons_path {inside}"), why);
                }
                continue;
            };
            let named = named(&host, &repo);
            match self.seen.directories.get(&host) {
                Some(Holds::Modules) => own.push(named.as_str()),
                Some(Holds::Repositories) => oca.push(named),
                Some(_) => self.leave(
                    format!("addons_path {inside}"),
                    format!("{host} holds no modules"),
                ),
                None => self.leave(format!("addons_path {inside}"), format!("there is no {host}")),
            }
        }
        if !own.is_empty() {
            self.set(&["addons"], "own", value(own));
        }
        let mut oca = oca.into_iter();
        if let Some(first) = oca.next() {
            self.set(&["addons"], "oca", value(first.as_str()));
            self.change(
                format!("Odoo sees those modules in the repositories of {first} that `modules` of [editions.core] names"),
                "Odoo saw none of them: it does not look for modules below a directory of repositories",
            );
        }
        for more in oca {
            self.leave(
                format!("addons_path {more}"),
                "[addons] oca is one directory: move its repositories there",
            );
        }
        let entries = self.stack.entries.iter();
        let kept = entries.filter(|entry| entry.key != "addons_path" && entry.key != "data_dir");
        kept.cloned().collect()
    }

    fn options(&mut self, series: Series, entries: &[Entry]) {
        let text = self.document.to_string();
        let whose = (series, ENVIRONMENT);
        // `db_name` is decided already.
        let rest: Vec<Entry> = entries
            .iter()
            .filter(|entry| entry.key != "db_name")
            .cloned()
            .collect();
        let rest = self.reachable_relay(rest);
        match carry_over(&text, whose, &rest, &|_| None) {
            Ok(carried) => {
                self.out.text = carried.text;
                self.out.secrets.extend(carried.secrets);
                self.out.left.extend(carried.dropped);
            }
            Err(e) => self.refuse(format!("no file can be made of these values: {e}"), "report this"),
        }
        let context = LoadContext::new(self.wants.root.join("repo"));
        if let Err(mistakes) = load(&self.out.text, &context) {
            self.refuse(
                format!("no file can be made of these values\n{mistakes}"),
                "correct what the message names in the files that were read",
            );
        }
    }

    /// Without a relay on the container's own loopback: `up` refuses one, and no mail ever reached it.
    fn reachable_relay(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let of_mail = |entry: &Entry| entry.section == "options" && entry.key.starts_with("smtp_");
        let server = entries
            .iter()
            .find(|entry| of_mail(entry) && entry.key == "smtp_server");
        let server = server.map_or("localhost", |entry| entry.value.trim()).to_owned();
        if !crate::spec::is_loopback(&server) {
            return entries;
        }
        let (mail, rest): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(of_mail);
        let said = |entry: &&Entry| !["", "False", "None", "localhost", "25"].contains(&entry.value.trim());
        let names: Vec<&str> = mail.iter().filter(said).map(|entry| entry.key.as_str()).collect();
        if !names.is_empty() {
            self.leave(
                names.join(", "),
                format!("`{server}` in a container is the container itself, where no relay listens: write the address of one that containers reach as `smtp` in [mail], on this machine that of Docker's bridge (`ip addr show docker0`), after `docker.service`"),
            );
        }
        rest
    }

    fn changes(&mut self) {
        let role = format!("{}_{ENVIRONMENT}", self.wants.name.underscored());
        let stack = self.stack;
        let user = stack.project.variable(stack.postgres, "POSTGRES_USER");
        let user = user
            .filter(|user| !user.is_empty())
            .unwrap_or_else(|| "postgres".to_owned());
        self.change(
            format!("Odoo signs in to PostgreSQL as {role}, which is no superuser; what {user} owns in the database is given to it object by object"),
            format!("{user} made the cluster: whoever gets SQL past Odoo as a superuser runs programs; a dump is kept in backups before"),
        );
        self.change(
            "the files of cluster and attachments belong to users of this pack",
            "the users of the images are nobody on this host, or somebody else",
        );
        let worth = |finding: &&crate::checks::Finding| {
            let other = |name: &&str| finding.saw.starts_with(&format!("`{name}`"));
            finding.severity != Severity::Info
                && !STAYS.contains(&finding.id)
                && !stack.others().iter().any(other)
        };
        let found: Vec<(String, String)> = self
            .seen
            .findings
            .iter()
            .filter(worth)
            .map(|finding| {
                (
                    format!("not any more ({}): {}", finding.place, finding.saw),
                    finding.why.clone(),
                )
            })
            .collect();
        self.out.changes.extend(found);
    }
}

/// A path as the pack's file says it.
fn named(path: &Utf8Path, repo: &Utf8Path) -> Utf8PathBuf {
    path.strip_prefix(repo)
        .map_or_else(|_| path.to_owned(), Utf8Path::to_owned)
}

/// The name under which a variable's value is kept: never one that the pack makes for itself, like `BACKUP_KEY`.
fn secret_of(variable: String) -> String {
    let own = ["BACKUP_", "PRODUCTION_"]
        .iter()
        .any(|start| variable.starts_with(start));
    if own { format!("ODOO_{variable}") } else { variable }
}

/// Whether a variable holds what nobody else should read, by its name or by the password in its URL.
fn is_secret(name: &str, text: &str) -> bool {
    let words = [
        "PASS", "PWD", "SECRET", "TOKEN", "KEY", "DSN", "CRED", "AUTH", "PRIVATE",
    ];
    let in_url = text.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split('/').next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    });
    in_url || words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{is_secret, secret_of};

    #[test]
    fn what_looks_secret_is_kept_under_a_name_that_the_pack_does_not_use() {
        for (name, text) in [
            ("ADMIN_PWD", "x"),
            ("SMTP_CREDENTIALS", "x"),
            ("REDIS_URL", "redis://:x@redis:6379/0"),
            ("DATABASE_URL", "postgres://odoo:x@db/odoo"),
        ] {
            assert!(is_secret(name, text), "{name}");
        }
        assert!(!is_secret("REDIS_URL", "redis://redis:6379/0") && !is_secret("TZ", "Europe/Berlin"));
        let of = |name: &str| secret_of(name.to_owned());
        assert_eq!(
            (
                of("BACKUP_KEY").as_str(),
                of("PRODUCTION_ADMIN").as_str(),
                of("API_KEY").as_str()
            ),
            ("ODOO_BACKUP_KEY", "ODOO_PRODUCTION_ADMIN", "API_KEY")
        );
    }
}
