//! The one table of keys: reading, the schema, the reference and the starter file all come from it.
mod addons;
mod backup;
mod environments;
mod host;
mod odoo;

use super::shape::Shape;

/// One key of the file.
#[derive(Debug)]
pub(super) struct Key {
    /// Where it stands; `*` is a name chosen by the operator.
    pub(super) path: &'static str,
    /// What may stand there.
    pub(super) shape: Shape,
    /// What holds when the file does not say.
    pub(super) fallback: Fallback,
    /// A value as TOML, for the starter file and the reference.
    pub(super) example: &'static str,
    /// One sentence.
    pub(super) doc: &'static str,
    /// Why that default.
    pub(super) why: &'static str,
}

/// What holds when the file does not say.
#[derive(Debug)]
pub(super) enum Fallback {
    /// The file must say.
    Required,
    /// This TOML value.
    Literal(&'static str),
    /// Derived from other values, in words.
    Computed(&'static str),
    /// Absence has a meaning of its own, in words.
    Absent(&'static str),
}

/// One table of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// Its path, in the form of [`Key::path`].
    pub(super) path: &'static str,
    /// For tables whose keys are names chosen by the operator: what such a name looks like, and one.
    pub(super) names: Option<(Shape, &'static str)>,
    /// One sentence.
    pub(super) doc: &'static str,
}

/// The version of the file's format that this program reads.
pub(super) const FORMAT: i64 = 1;

const FIRST: &[Key] = &[Key {
    path: "format",
    shape: Shape::Format,
    fallback: Fallback::Required,
    example: "1",
    doc: "Version of this file's format.",
    why: "A program must be able to tell a newer file from a wrong one.",
}];

/// Every table, in the order in which files are written.
pub(super) const SECTIONS: &[Section] = &[
    section("pack", "The name and the place."),
    section("odoo", "Odoo itself."),
    section(
        "odoo.source",
        "Where Odoo's own code comes from: exactly one of `git`, `debian`, `deb`, `path`, `image`.",
    ),
    named(
        "odoo.options",
        (Shape::Option, "limit_time_real_cron"),
        "Options of odoo.conf that nothing else in this file governs.",
    ),
    section("addons", "Where modules come from."),
    named(
        "addons.repositories",
        (Shape::Repository, "project"),
        "Git repositories of modules, below the directory `oca`.",
    ),
    section(
        "addons.repositories.*",
        "One repository: where it is, what is taken from it.",
    ),
    named(
        "addons.groups",
        (Shape::Repository, "foundation"),
        "Groups of repositories.",
    ),
    section("addons.groups.*", "One group of repositories, for people."),
    named(
        "addons.hosts",
        (Shape::Host, "github.com"),
        "Hosts of repositories that need more than a URL.",
    ),
    section("addons.hosts.*", "How repositories of one host are read."),
    section(
        "mail",
        "Outgoing mail; production uses the relay, every other environment the catcher.",
    ),
    section("postgres", "The pack's own PostgreSQL cluster."),
    named(
        "postgres.options",
        (Shape::Setting, "log_min_duration_statement"),
        "Further settings of postgresql.conf, appended last.",
    ),
    section(
        "images",
        "What containers are made from; only the engine `compose` reads it.",
    ),
    section("web", "What nginx listens on."),
    section("capacity", "What the sizing may count on."),
    section("backup", "Snapshots of environments."),
    section(
        "backup.keep",
        "Which snapshots below `<root>/backups` stay, with restic's meaning.",
    ),
    section("backup.age", "How old each kind of proof may be."),
    section(
        "backup.offsite",
        "A second repository elsewhere: a bucket, or a directory such as a mounted disk of another machine.",
    ),
    section(
        "backup.offsite.keep",
        "Which snapshots are copied there and stay, with restic's meaning.",
    ),
    named(
        "editions",
        (Shape::Name, "core"),
        "Product lines; an edition `core` exists when the file names none.",
    ),
    section("editions.*", "One product line: a set of modules."),
    named(
        "environments",
        (Shape::Name, "production"),
        "Running copies of an edition; at least one.",
    ),
    section(
        "environments.*",
        "One running copy: own host name, database, role, data directory.",
    ),
    section("environments.*.tls", "A certificate that the operator brings."),
    named(
        "environments.*.env",
        (Shape::Variable, "SENTRY_DSN"),
        "Variables for Odoo itself: values, or `secret:NAME`.",
    ),
];

const fn section(path: &'static str, doc: &'static str) -> Section {
    Section {
        path,
        names: None,
        doc,
    }
}

const fn named(path: &'static str, names: (Shape, &'static str), doc: &'static str) -> Section {
    Section {
        path,
        names: Some(names),
        doc,
    }
}

/// Every key, in the order in which files are written.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    [
        FIRST,
        host::PACK,
        odoo::KEYS,
        addons::KEYS,
        host::KEYS,
        backup::KEYS,
        environments::KEYS,
    ]
    .into_iter()
    .flatten()
}

/// The key at `pattern`.
pub(super) fn find(pattern: &str) -> Option<&'static Key> {
    all().find(|k| k.path == pattern)
}

/// The table at `pattern`.
pub(super) fn table(pattern: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|s| s.path == pattern)
}

/// The names that may stand directly below `pattern` (`*` for a chosen one); empty for a plain value.
pub(super) fn children(pattern: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for path in all().map(|k| k.path).chain(SECTIONS.iter().map(|s| s.path)) {
        let below = if pattern.is_empty() {
            Some(path)
        } else {
            path.strip_prefix(pattern)
        };
        let below = below.and_then(|b| {
            if pattern.is_empty() {
                Some(b)
            } else {
                b.strip_prefix('.')
            }
        });
        let first = below.and_then(|b| b.split('.').next());
        found.extend(first.filter(|f| !found.contains(f)));
    }
    found
}

/// `pattern` with one more name.
pub(super) fn join(pattern: &str, name: &str) -> String {
    if pattern.is_empty() {
        name.to_owned()
    } else {
        format!("{pattern}.{name}")
    }
}

/// The table that the key at `pattern` is written in, and its name there (`tls.key`).
pub(super) fn split(pattern: &'static str) -> (&'static str, &'static str) {
    let written = |s: &&Section| !matches!(s.path, "odoo.source" | "environments.*.tls");
    let inside = |s: &&Section| {
        pattern
            .strip_prefix(s.path)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    let longest = SECTIONS
        .iter()
        .filter(written)
        .filter(inside)
        .max_by_key(|s| s.path.len());
    longest.map_or(("", pattern), |s| (s.path, &pattern[s.path.len() + 1..]))
}

#[cfg(test)]
mod tests {
    use toml::de::DeValue;

    use super::*;

    #[test]
    fn every_default_and_every_example_has_the_shape_of_its_key() {
        for key in all() {
            let default = if let Fallback::Literal(text) = key.fallback {
                Some(text)
            } else {
                None
            };
            for text in default.into_iter().chain([key.example]) {
                let value = DeValue::parse(text).unwrap();
                assert_eq!(
                    key.shape.read(value.get_ref()).map(|_| ()),
                    Ok(()),
                    "{} = {text}",
                    key.path
                );
            }
        }
    }

    #[test]
    fn every_key_is_listed_once_and_stands_in_a_section() {
        let mut paths: Vec<_> = all().map(|k| k.path).collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count);
        for key in all().filter(|k| k.path != "format") {
            assert_ne!(split(key.path).0, "", "{}", key.path);
        }
    }

    #[test]
    fn every_sentence_ends_and_every_reason_is_given() {
        for key in all() {
            assert!(key.doc.ends_with('.') && key.why.ends_with('.'), "{}", key.path);
        }
    }

    #[test]
    fn knows_what_may_stand_below() {
        assert_eq!(
            children("odoo.source"),
            ["git", "commit", "debian", "deb", "sha256", "path", "image"]
        );
        assert_eq!(children("editions"), ["*"]);
        assert!(children("format").is_empty());
        assert_eq!(split("environments.*.tls.key"), ("environments.*", "tls.key"));
        assert_eq!(split("odoo.options.*"), ("odoo.options", "*"));
    }
}
