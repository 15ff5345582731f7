//! The command that a service runs Odoo with: what its options say, and what in it is none.
use crate::odoo::Series;
use crate::odoo::conf_file::Entry;
use crate::odoo::options::{self, Instead, Kind};

/// What a command says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// Path of odoo.conf.
    pub(super) conf: Option<String>,
    /// Its options, as odoo.conf would say them.
    pub(super) entries: Vec<Entry>,
    /// What is no option of odoo.conf, without values, which may be secret.
    pub(super) rest: Vec<String>,
}

/// What a word is that begins with `-`.
enum Meaning {
    Conf,
    /// An option, and what it is when no value stands there; `None`: the next word is.
    Option(String, Option<&'static str>),
    /// An option that only a command has.
    Other,
}

impl Command {
    /// Reads the words of a command.
    ///
    /// # Source
    /// `odoo/tools/config.py`: optparse, so the last of several counts, and a value stands behind `=`, in the next word, or right
    /// behind the letter of a short option. `--log-handler` adds up.
    pub(super) fn read(words: &[String]) -> Self {
        let mut command = Self::default();
        let words = command.of_odoo(words);
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" || word == "server" && command.entries.is_empty() {
                continue;
            }
            let Some((name, value)) = parted(word) else {
                command.rest.push(crate::foreign::address::blanked(word));
                continue;
            };
            match meaning(&name) {
                Meaning::Other => {
                    if value.is_none() {
                        words.next_if(|next| !next.starts_with('-'));
                    }
                    command.rest.push(name);
                }
                Meaning::Option(key, Some(alone)) => {
                    command.set(key, value.unwrap_or_else(|| alone.to_owned()));
                }
                Meaning::Option(key, None) => match value.or_else(|| words.next().cloned()) {
                    Some(value) => command.set(key, value),
                    None => command.rest.push(name),
                },
                Meaning::Conf => command.conf = value.or_else(|| words.next().cloned()),
            }
        }
        command
    }

    /// The value of an option, when there is one.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(entry.value.as_str()).filter(|text| !text.is_empty())
    }

    fn set(&mut self, key: String, value: String) {
        let known = self.entries.iter_mut().find(|entry| entry.key == key);
        match known {
            Some(known) if key == "log_handler" => known.value = format!("{},{value}", known.value),
            Some(known) => known.value = value,
            None => self.entries.push(Entry {
                section: "options".to_owned(),
                key,
                value,
                line: 1,
            }),
        }
    }

    /// The words behind Odoo's name; what else is run is noted.
    fn of_odoo(&mut self, words: &[String]) -> Vec<String> {
        let base = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
        let shell = words
            .first()
            .is_some_and(|first| ["sh", "bash", "dash"].contains(&base(first).as_str()));
        let words: Vec<String> = if shell {
            words
                .iter()
                .flat_map(|word| split(&word.replace(';', " ; ")))
                .collect()
        } else {
            words.to_vec()
        };
        let odoo =
            |word: &String| ["odoo", "odoo-bin", "odoo.py", "openerp-server"].contains(&base(word).as_str());
        let script = shell
            || words
                .first()
                .is_some_and(|first| base(first).starts_with("python"));
        let option = words
            .iter()
            .position(|word| word.starts_with('-') && word != "--");
        // A database is often called `odoo` as well: behind an option the name counts only where a program stands.
        let program = |at: &usize| {
            script || option.is_none_or(|option| *at < option) || words[at.saturating_sub(1)] == "--"
        };
        let mut named = words
            .iter()
            .enumerate()
            .filter(|(_, word)| odoo(word))
            .map(|(at, _)| at);
        let start = named.find(program).map(|at| at + 1);
        let start = start.or_else(|| option.filter(|_| !shell));
        let (before, after) = words.split_at(start.unwrap_or(words.len()));
        let usual = |word: &&String| {
            let of_odoo = ["python", "entrypoint"]
                .iter()
                .any(|start| base(word).starts_with(start));
            !odoo(word) && !of_odoo && !word.starts_with('-')
        };
        if let Some(program) = before.iter().find(usual) {
            self.rest.push(program.clone());
        }
        let operator = |word: &&String| shell && ["&&", "||", ";", "|", "&", "$@"].contains(&word.as_str());
        after.iter().take_while(|word| !operator(word)).cloned().collect()
    }
}

/// The name of an option as it is written, and the value that stands in the same word.
fn parted(word: &str) -> Option<(String, Option<String>)> {
    if word.starts_with("--") {
        let (name, value) = word
            .split_once('=')
            .map_or((word, None), |(name, value)| (name, Some(value)));
        return Some((name.to_owned(), value.map(str::to_owned)));
    }
    let letter = word.strip_prefix('-')?.chars().next()?;
    let value = &word[1 + letter.len_utf8()..];
    Some((
        format!("-{letter}"),
        (!value.is_empty()).then(|| value.to_owned()),
    ))
}

fn meaning(name: &str) -> Meaning {
    let short = [
        ("-D", "data_dir"),
        ("-d", "db_name"),
        ("-r", "db_user"),
        ("-w", "db_password"),
        ("-p", "http_port"),
    ];
    if ["-c", "--config"].contains(&name) {
        return Meaning::Conf;
    }
    if let Some((_, key)) = short.iter().find(|(known, _)| *known == name) {
        return Meaning::Option((*key).to_owned(), None);
    }
    let Some(key) = name.strip_prefix("--").map(|name| name.replace('-', "_")) else {
        return Meaning::Other;
    };
    if ["no_http", "no_xmlrpc"].contains(&key.as_str()) {
        return Meaning::Option("http_enable".to_owned(), Some("False"));
    }
    if key == "no_database_list" {
        return Meaning::Option("list_db".to_owned(), Some("False"));
    }
    let find = |key: &str| Series::ALL.iter().find_map(|series| options::find(*series, key));
    let other = || {
        let mut all = Series::ALL
            .iter()
            .filter_map(|series| options::elsewhere(*series, &key));
        all.find_map(|one| match one.instead {
            Instead::Option(key) => find(key),
            Instead::Pack(_) | Instead::CommandLine | Instead::Nothing(_) => None,
        })
    };
    match find(&key).or_else(other) {
        Some(option) if !option.file_only => {
            let alone = (option.kind == Kind::Bool).then_some("True");
            Meaning::Option(option.name.to_owned(), alone)
        }
        _ => Meaning::Other,
    }
}

/// A text in words, as Compose parts a command: between quotes everything is one.
///
/// # Source
/// compose-go: `go-shellwords`.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (String, String, Option<String>) {
        let command = Command::read(&split(text));
        let all = command
            .entries
            .iter()
            .map(|entry| format!("{}={}", entry.key, entry.value));
        (
            all.collect::<Vec<_>>().join(" "),
            command.rest.join(" "),
            command.conf,
        )
    }

    #[rustfmt::skip]
    const CASES: &[(&str, &str, &str)] = &[
        ("", "", ""),
        ("odoo", "", ""),
        ("odoo --workers=4 --max-cron-threads 2", "workers=4 max_cron_threads=2", ""),
        ("--workers=4 --workers 6", "workers=6", ""),
        ("python3 /opt/odoo/odoo-bin server -d books -D /data", "db_name=books data_dir=/data", ""),
        ("odoo -dbooks -r me -w 'geheim 1'", "db_name=books db_user=me db_password=geheim 1", ""),
        ("odoo --addons-path=/a,/b --load=web,x", "addons_path=/a,/b server_wide_modules=web,x", ""),
        ("odoo --database=odoo --db-filter '^x$'", "db_name=odoo dbfilter=^x$", ""),
        ("odoo --db_host=db --xmlrpc-port=8070", "db_host=db http_port=8070", ""),
        ("odoo --smtp mail.example.com --smtp-ssl --smtp-port=465", "smtp_server=mail.example.com smtp_ssl=True smtp_port=465", ""),
        ("odoo --proxy-mode --no-database-list --no-http", "proxy_mode=True list_db=False http_enable=False", ""),
        ("odoo --limit-time-real-cron -1", "limit_time_real_cron=-1", ""),
        ("odoo --log-handler=a:INFO --log-handler b:DEBUG", "log_handler=a:INFO,b:DEBUG", ""),
        ("odoo -u all --stop-after-init --test-enable --workers=1", "stop_after_init=True workers=1", "-u --test-enable"),
        ("odoo --acme-key geheim --acme=geheim shell", "", "--acme-key --acme shell"),
        ("odoo --csv-internal-sep=x", "", "--csv-internal-sep"),
        ("odoo --workers", "", "--workers"),
        ("wait-for-it.sh db:5432 -- odoo --workers=1", "workers=1", "wait-for-it.sh"),
        ("/start.sh --workers=1", "workers=1", "/start.sh"),
        ("bash -c 'pip install x && exec odoo --db_host=db --workers=1 && echo --workers=2'", "db_host=db workers=1", "bash"),
        ("sh -c /start.sh", "", "sh"),
        ("sh -c 'date; exec odoo -d odoo; date -d x'", "db_name=odoo", "sh"),
        ("-d odoo --workers=1", "db_name=odoo workers=1", ""),
        ("-- --database odoo --workers=1", "db_name=odoo workers=1", ""),
        ("wait-for-it.sh -t 30 db:5432 -- odoo --workers=1", "workers=1", "wait-for-it.sh"),
        ("python3 -u /opt/odoo/odoo-bin -d odoo", "db_name=odoo", ""),
    ];

    #[test]
    fn every_way_to_write_an_option_is_read_and_the_rest_is_named() {
        for (text, entries, rest) in CASES {
            let (found, others, conf) = shown(text);
            assert_eq!(
                (found.as_str(), others.as_str(), conf),
                (*entries, *rest, None),
                "{text}"
            );
        }
        for text in [
            "odoo -c /x.conf",
            "odoo -c/x.conf",
            "--config=/x.conf",
            "odoo --config /x.conf",
        ] {
            let only = (String::new(), String::new(), Some("/x.conf".to_owned()));
            assert_eq!(shown(text), only, "{text}");
        }
    }
}
