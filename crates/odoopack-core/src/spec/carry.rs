//! What an existing odoo.conf says, carried over into a starter file; and what was left behind, with the reason.
use toml_edit::{Array, DocumentMut, Item, Table, value};

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
/// `dropped` in file order; an option that only says Odoo's default is not mentioned.
///
/// # Errors
/// When `starter` is not TOML.
pub fn carry_over(
    starter: &str,
    series: Series,
    environment: &str,
    entries: &[Entry],
) -> Result<Carried, toml_edit::TomlError> {
    let document: DocumentMut = starter.parse()?;
    let mut carrier = Carrier {
        document,
        series,
        environment,
        dropped: Vec::new(),
        secrets: Vec::new(),
    };
    for entry in entries {
        carrier.entry(entry);
    }
    carrier.mail(entries);
    Ok(Carried {
        text: carrier.document.to_string(),
        dropped: carrier.dropped,
        secrets: carrier.secrets,
    })
}

struct Carrier<'a> {
    document: DocumentMut,
    series: Series,
    environment: &'a str,
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
            Ok(()) => self.set(&["odoo", "options"], &entry.key, value(&entry.value)),
            Err(mistake) => self.drop(&entry.key, &mistake.to_string()),
        }
    }

    fn governed(&mut self, entry: &Entry, key: &str) {
        let environment = ["environments", self.environment];
        let number = entry.value.parse::<i64>().ok();
        match (entry.key.as_str(), number) {
            ("workers" | "db_maxconn", Some(number)) => self.set(&environment, &entry.key, value(number)),
            ("max_cron_threads", Some(number)) => self.set(&environment, "cron_workers", value(number)),
            ("limit_memory_soft", Some(bytes)) => self.set(&environment, "memory_soft", size(bytes)),
            ("limit_memory_hard", Some(bytes)) => self.set(&environment, "memory_hard", size(bytes)),
            ("db_name", _) if !["", "False"].contains(&entry.value.as_str()) => {
                let first = entry.value.split(',').next().unwrap_or_default().trim();
                self.set(&environment, "database", value(first));
            }
            ("addons_path", _) => self.addons(&entry.value),
            ("email_from", _) => self.set(&["mail"], "from", value(&entry.value)),
            ("server_wide_modules", _) => self.server_wide(&entry.value),
            // These go together, see `mail`.
            ("smtp_server" | "smtp_port" | "smtp_user" | "smtp_password", _) => {}
            _ => self.drop(&entry.key, &format!("`{key}` of odoopack.toml decides it")),
        }
    }

    /// Odoo's own directories come with the release.
    fn addons(&mut self, text: &str) {
        let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
        let own: Array = paths.filter(|path| !path.ends_with("odoo/addons")).collect();
        if !own.is_empty() {
            self.set(&["addons"], "own", value(own));
        }
    }

    fn server_wide(&mut self, text: &str) {
        let standard = self.series.server_wide_modules();
        let more = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && !standard.contains(name));
        let more: Array = more.collect();
        if !more.is_empty() {
            self.set(&["editions", "core"], "server_wide", value(more));
        }
    }

    fn mail(&mut self, entries: &[Entry]) {
        let find = |key: &str| {
            let entry = entries
                .iter()
                .find(|entry| entry.section == "options" && entry.key == key);
            entry
                .map(|entry| entry.value.as_str())
                .filter(|text| !["", "False"].contains(text))
        };
        let Some(server) = find("smtp_server").filter(|server| *server != "localhost") else {
            return;
        };
        let port = find("smtp_port").unwrap_or("25");
        self.set(&["mail"], "smtp", value(format!("{server}:{port}")));
        if let (Some(user), Some(password)) = (find("smtp_user"), find("smtp_password")) {
            self.set(&["mail"], "credentials", value("secret:SMTP"));
            self.secrets
                .push(("SMTP".to_owned(), SecretText::new(format!("{user}:{password}"))));
        }
    }

    fn drop(&mut self, name: &str, reason: &str) {
        self.dropped.push((name.to_owned(), reason.to_owned()));
    }

    fn set(&mut self, tables: &[&str], key: &str, item: Item) {
        let mut table: &mut Table = self.document.as_table_mut();
        for name in tables {
            let next = table.entry(name).or_insert_with(implicit);
            let Some(next) = next.as_table_mut() else { return };
            table = next;
        }
        table.set_implicit(false);
        table.insert(key, item);
    }
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
    use crate::spec::{LoadContext, Starter, load, starter};

    #[test]
    fn carries_what_has_a_place_and_says_why_the_rest_has_none() {
        let conf = "[options]\nworkers = 4\nmax_cron_threads = 3\nlimit_memory_soft = 1073741824\n\
                    addons_path = /mnt/own,/usr/lib/python3/dist-packages/odoo/addons\ndb_name = books\n\
                    smtp_server = mail.example.net\nsmtp_port = 587\nsmtp_user = erp\nsmtp_password = geheim\n\
                    admin_passwd = x\nlongpolling_port = 8072\nlimit_request = 8192\ncsv_internal_sep = ,\n\
                    [queue_job]\nchannels = root:2\n";
        let names = ["odoo", "production"].map(|name| name.parse().unwrap());
        let [pack, environment] = names;
        let text = starter(&Starter::new(pack, environment, "erp.example.net", Series::V18));
        let entries = conf_file::read(conf).entries;
        let carried = carry_over(&text, Series::V18, "production", &entries).unwrap();
        let spec = load(&carried.text, &LoadContext::new("/opt/x/repo"))
            .unwrap()
            .spec;
        let production = spec.environments.values().next().unwrap();
        assert_eq!((production.workers, production.cron_workers), (Some(4), Some(3)));
        assert_eq!(production.memory_soft.unwrap().as_mib(), 1024);
        assert_eq!(production.database, "books");
        assert_eq!(spec.addons.own, ["/mnt/own"]);
        assert_eq!(spec.odoo.options["limit_request"], "8192");
        assert_eq!(carried.secrets[0].1.expose(), "erp:geheim");
        let dropped: Vec<&str> = carried.dropped.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            dropped,
            ["admin_passwd", "longpolling_port", "[queue_job] channels"]
        );
        assert!(!carried.text.contains("geheim"));
    }
}
