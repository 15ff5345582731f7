//! What an existing odoo.conf says, carried over into a starter file; and what was left behind, with the reason.
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::{LoadContext, Severity, load};
use crate::odoo::Series;
use crate::odoo::conf_file::Entry;
use crate::odoo::options::{self, Governor};
use crate::secret::SecretText;

/// A starter file with the values of an odoo.conf.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The file; it loads when the values do.
    pub text: String,
    /// Options that were left behind, with the reason.
    pub dropped: Vec<(String, String)>,
    /// Secret values to store, by name.
    pub secrets: Vec<(String, SecretText)>,
}

/// Carries `entries` over into `starter`, whose environment is `environment`.
///
/// # Shape
/// `dropped` holds every value that the new file does not; an option that only says Odoo's default is not mentioned.
/// `odoos` tells whether a directory of modules is Odoo's own, where that can be seen.
///
/// # Errors
/// When `starter` is not TOML.
pub fn carry_over(
    starter: &str,
    (series, environment): (Series, &str),
    entries: &[Entry],
    odoos: &dyn Fn(&str) -> Option<bool>,
) -> Result<Carried, toml_edit::TomlError> {
    let document: DocumentMut = starter.parse()?;
    let mut carrier = Carrier {
        document,
        series,
        environment,
        odoos,
        waiting: Vec::new(),
        dropped: Vec::new(),
        secrets: Vec::new(),
    };
    for entry in entries {
        carrier.entry(entry);
    }
    carrier.mail(entries);
    carrier.try_again();
    Ok(Carried {
        text: carrier.document.to_string(),
        dropped: carrier.dropped,
        secrets: carrier.secrets,
    })
}

/// Values that only make sense together, with the options that they come from.
#[derive(Clone)]
struct Group {
    names: Vec<String>,
    values: Vec<(Vec<String>, String, Item)>,
}

struct Carrier<'a> {
    document: DocumentMut,
    series: Series,
    environment: &'a str,
    odoos: &'a dyn Fn(&str) -> Option<bool>,
    /// What did not fit yet: another value may have to come first.
    waiting: Vec<Group>,
    dropped: Vec<(String, String)>,
    secrets: Vec<(String, SecretText)>,
}

impl Carrier<'_> {
    fn entry(&mut self, entry: &Entry) {
        if entry.section != "options" {
            let name = format!("[{}] {}", entry.section, entry.key);
            self.drop(
                &name,
                "only [options] is Odoo's own; keep it in the module's configuration",
            );
            return;
        }
        let known = options::find(self.series, &entry.key);
        if known.is_some_and(|option| option.default_in(self.series) == Some(entry.value.as_str())) {
            return;
        }
        match options::governor(&entry.key) {
            Some(Governor::Key(key)) => self.governed(entry, key),
            Some(Governor::Fixed(reason)) => self.drop(&entry.key, reason),
            None => self.free(entry),
        }
    }

    fn free(&mut self, entry: &Entry) {
        match options::check(self.series, &entry.key, &entry.value) {
            Ok(()) => self.set(entry, &["odoo", "options"], &entry.key, value(&entry.value)),
            Err(mistake) => self.drop(&entry.key, &mistake.to_string()),
        }
    }

    fn governed(&mut self, entry: &Entry, key: &str) {
        let environment = ["environments", self.environment];
        let number = entry.value.parse::<i64>().ok();
        match (entry.key.as_str(), number) {
            ("workers" | "db_maxconn", Some(number)) => {
                self.set(entry, &environment, &entry.key, value(number));
            }
            ("max_cron_threads", Some(number)) => {
                self.set(entry, &environment, "cron_workers", value(number));
            }
            ("limit_memory_soft", Some(bytes)) => self.set(entry, &environment, "memory_soft", size(bytes)),
            ("limit_memory_hard", Some(bytes)) => self.set(entry, &environment, "memory_hard", size(bytes)),
            ("db_name", _) if said(&entry.value) => self.database(entry),
            ("addons_path", _) => self.addons(entry),
            ("email_from", _) => self.set(entry, &["mail"], "from", value(&entry.value)),
            ("server_wide_modules", _) => self.server_wide(entry),
            // These go together, see `mail`.
            ("smtp_server" | "smtp_port" | "smtp_user" | "smtp_password" | "smtp_ssl", _) => {}
            _ => self.drop(&entry.key, &format!("`{key}` of odoopack.toml decides it")),
        }
    }

    fn database(&mut self, entry: &Entry) {
        let mut names = words(&entry.value);
        if let Some(first) = names.next() {
            let environment = ["environments", self.environment];
            self.set(entry, &environment, "database", value(first));
        }
        for more in names {
            let why = "an environment has one database: give this one an environment of its own";
            self.drop(&format!("{} {more}", entry.key), why);
        }
    }

    /// Odoo's own directories come with the release.
    fn addons(&mut self, entry: &Entry) {
        let mut own: Vec<&str> = Vec::new();
        for path in words(&entry.value) {
            let path = if path == "/" {
                path
            } else {
                path.trim_end_matches('/')
            };
            if own.contains(&path) {
                continue;
            }
            let name = format!("{} {path}", entry.key);
            if (self.odoos)(path).unwrap_or_else(|| named_as_odoos(path)) {
                self.drop(&name, "it holds Odoo's own modules, which come with the release");
                continue;
            }
            let alone: Array = [path].into_iter().collect();
            match self.fits(&[(strings(&["addons"]), "own".to_owned(), value(alone))]) {
                Ok(_) => own.push(path),
                Err(why) => self.drop(&name, &why),
            }
        }
        if !own.is_empty() {
            let own: Array = own.into_iter().collect();
            self.set(entry, &["addons"], "own", value(own));
        }
    }

    fn server_wide(&mut self, entry: &Entry) {
        let standard = self.series.server_wide_modules();
        let more: Array = words(&entry.value)
            .filter(|name| !standard.contains(name))
            .collect();
        if !more.is_empty() {
            self.set(entry, &["editions", "core"], "server_wide", value(more));
        }
    }

    fn mail(&mut self, entries: &[Entry]) {
        let series = self.series;
        let find = |key: &str| {
            let usual = options::find(series, key).and_then(|option| option.default_in(series));
            let mut all = entries.iter().filter(|entry| entry.section == "options");
            let found = all
                .find(|entry| entry.key == key)
                .map(|entry| entry.value.as_str());
            found.filter(|text| said(text) && Some(*text) != usual)
        };
        let given = |keys: &[&str]| -> Vec<String> {
            let keys = keys.iter().filter(|key| find(key).is_some());
            keys.map(|key| (*key).to_owned()).collect()
        };
        let all = [
            "smtp_server",
            "smtp_port",
            "smtp_ssl",
            "smtp_user",
            "smtp_password",
        ];
        let Some(server) = find("smtp_server") else {
            let why = "a relay on this machine is written as `smtp = \"127.0.0.1:25\"` in [mail]";
            self.drop_all(&given(&all), why);
            return;
        };
        let relay = format!("{server}:{}", find("smtp_port").unwrap_or("25"));
        let mut values = vec![(strings(&["mail"]), "smtp".to_owned(), value(relay))];
        let Some(secret) = find("smtp_user").zip(find("smtp_password")) else {
            self.drop_all(&given(&all[3..]), "`smtp_user` and `smtp_password` go together");
            if find("smtp_ssl").is_some() {
                let why =
                    "mail is encrypted only with `credentials` of [mail]: `odoopack secret set SMTP < FILE`";
                self.drop_all(&given(&all[..3]), why);
            } else {
                self.put(Group {
                    names: given(&all[..2]),
                    values,
                });
            }
            return;
        };
        values.push((strings(&["mail"]), "credentials".to_owned(), value("secret:SMTP")));
        self.secrets.push((
            "SMTP".to_owned(),
            SecretText::new(format!("{}:{}", secret.0, secret.1)),
        ));
        self.put(Group {
            names: given(&all),
            values,
        });
    }

    fn set(&mut self, entry: &Entry, tables: &[&str], key: &str, item: Item) {
        self.put(Group {
            names: vec![entry.key.clone()],
            values: vec![(strings(tables), key.to_owned(), item)],
        });
    }

    fn put(&mut self, group: Group) {
        match self.fits(&group.values) {
            Ok(document) => self.document = document,
            Err(_) => self.waiting.push(group),
        }
    }

    /// What waits is tried until nothing more fits; the rest is left behind.
    fn try_again(&mut self) {
        loop {
            let waiting = std::mem::take(&mut self.waiting);
            let before = waiting.len();
            for group in waiting {
                self.put(group);
            }
            if self.waiting.len() == before {
                break;
            }
        }
        for group in std::mem::take(&mut self.waiting) {
            let why = self.fits(&group.values).err().unwrap_or_default();
            if group.names.iter().any(|name| name == "smtp_server") {
                self.secrets.clear();
            }
            self.drop_all(&group.names, &why);
        }
    }

    /// The file with these values, or why they do not fit.
    fn fits(&self, values: &[(Vec<String>, String, Item)]) -> Result<DocumentMut, String> {
        let mut document = self.document.clone();
        for (tables, key, item) in values {
            insert(&mut document, tables, key, item.clone());
        }
        match load(&document.to_string(), &LoadContext::new("/srv/odoo/repo")) {
            Ok(_) => Ok(document),
            Err(mistakes) => Err(mistakes
                .iter()
                .find(|mistake| mistake.severity == Severity::Error)
                .map_or_else(String::new, |mistake| {
                    format!("{}: {}", mistake.what, mistake.hint)
                })),
        }
    }

    fn drop_all(&mut self, names: &[String], reason: &str) {
        for name in names {
            self.drop(name, reason);
        }
    }

    fn drop(&mut self, name: &str, reason: &str) {
        self.dropped.push((name.to_owned(), reason.to_owned()));
    }
}

fn insert(document: &mut DocumentMut, tables: &[String], key: &str, item: Item) {
    let mut table: &mut Table = document.as_table_mut();
    for name in tables {
        let next = table.entry(name).or_insert_with(implicit);
        let Some(next) = next.as_table_mut() else { return };
        table = next;
    }
    table.set_implicit(false);
    table.insert(key, item);
}

/// Whether Odoo takes the value for one.
fn said(text: &str) -> bool {
    !["", "False", "None"].contains(&text)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

/// Whether a directory that is not here has a name as Odoo's own have: `odoo/addons`, `odoo18/addons`.
fn named_as_odoos(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    parts.next() == Some("addons")
        && parts
            .next()
            .is_some_and(|parent| parent == "OCB" || parent.to_lowercase().starts_with("odoo"))
}

fn implicit() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

fn size(bytes: i64) -> Item {
    const MIB: i64 = 1 << 20;
    if bytes % MIB == 0 {
        value(format!("{}MiB", bytes / MIB))
    } else {
        value(format!("{bytes}B"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odoo::conf_file;
    use crate::spec::{Spec, Starter, starter};

    fn carried(conf: &str) -> (Carried, Spec) {
        let names = ["odoo", "production"].map(|name| name.parse().unwrap());
        let [pack, environment] = names;
        let text = starter(&Starter::new(pack, environment, "erp.example.net", Series::V18));
        let entries = conf_file::read(conf).entries;
        let nothing_here = |_: &str| None;
        let carried = carry_over(&text, (Series::V18, "production"), &entries, &nothing_here).unwrap();
        let spec = load(&carried.text, &LoadContext::new("/opt/x/repo"))
            .unwrap()
            .spec;
        (carried, spec)
    }

    fn dropped(carried: &Carried) -> Vec<&str> {
        carried.dropped.iter().map(|(key, _)| key.as_str()).collect()
    }

    #[test]
    fn carries_what_has_a_place_and_says_why_the_rest_has_none() {
        let conf = "[options]\nworkers = 4\nmax_cron_threads = 3\nlimit_memory_soft = 1073741824\n\
                    addons_path = /mnt/own,/usr/lib/python3/dist-packages/odoo/addons\ndb_name = books\n\
                    smtp_server = mail.example.net\nsmtp_port = 587\nsmtp_user = erp\nsmtp_password = geheim\n\
                    admin_passwd = x\nlongpolling_port = 8072\nlimit_request = 8192\ncsv_internal_sep = ,\n\
                    [queue_job]\nchannels = root:2\n";
        let (carried, spec) = carried(conf);
        let production = spec.environments.values().next().unwrap();
        assert_eq!((production.workers, production.cron_workers), (Some(4), Some(3)));
        assert_eq!(production.memory_soft.unwrap().as_mib(), 1024);
        assert_eq!(production.database, "books");
        assert_eq!(spec.addons.own, ["/mnt/own"]);
        assert_eq!(spec.odoo.options["limit_request"], "8192");
        assert_eq!(carried.secrets[0].1.expose(), "erp:geheim");
        assert_eq!(
            dropped(&carried),
            [
                "addons_path /usr/lib/python3/dist-packages/odoo/addons",
                "admin_passwd",
                "longpolling_port",
                "[queue_job] channels"
            ]
        );
        assert!(!carried.text.contains("geheim"));
    }

    #[test]
    fn what_does_not_fit_is_left_behind_with_its_reason() {
        let conf = "[options]\nlimit_memory_soft = 0\nemail_from = Shop <a@b.c>\ndb_name = my.books, second\n\
                    addons_path = /mnt/own modules,/mnt/own,/mnt/own/,/opt/odoo18/addons/\nmax_cron_threads = 1000\n\
                    smtp_server = localhost\nsmtp_user = erp\nworkers = 4\n";
        let (carried, spec) = carried(conf);
        assert_eq!(spec.addons.own, ["/mnt/own"]);
        assert_eq!(spec.environments.values().next().unwrap().workers, Some(4));
        assert_eq!(
            dropped(&carried),
            [
                "db_name second",
                "addons_path /mnt/own modules",
                "addons_path /opt/odoo18/addons",
                "smtp_user",
                "limit_memory_soft",
                "email_from",
                "db_name",
                "max_cron_threads"
            ]
        );
        assert!(carried.dropped.iter().all(|(_, why)| !why.is_empty()));
    }

    #[test]
    fn mail_that_was_encrypted_is_not_carried_over_as_plain() {
        let (plain, spec) =
            carried("[options]\nsmtp_server = mail.example.net\nsmtp_ssl = True\nsmtp_user = erp\n");
        assert!(spec.mail.relay.is_none() && plain.secrets.is_empty());
        assert_eq!(dropped(&plain), ["smtp_user", "smtp_server", "smtp_ssl"]);
    }

    #[test]
    fn limits_that_only_fit_together_are_carried_over_in_any_order() {
        let (carried, spec) =
            carried("[options]\nlimit_memory_soft = 8589934592\nlimit_memory_hard = 10737418240\n");
        assert_eq!(dropped(&carried), [""; 0]);
        assert_eq!(
            spec.environments
                .values()
                .next()
                .unwrap()
                .memory_soft
                .unwrap()
                .as_mib(),
            8192
        );
    }
}
