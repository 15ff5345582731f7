//! What the file may not say, and what the reader answers.
use super::*;

const DOZENS: &str = r#"format = 1

[pack]
name = "Insight_Pulse"
root = "/opt/my odoo"
engine = "docker"

[odoo]
series = "18"
source = { git = "https://me:hunter2@example.com/odoo.git", commit = "abc123" }

[mail]
smtp = "smtp.mailgun.org"
credentials = "mailgun:hunter2"

[web]
http_port = 443
https_port = 99999
listen = ["0.0.0.0", "eth0", "0.0.0.0"]
body_limit = 100

[monitor]
every = "5m"

[editions.core]
modules = ["web_responsive", 7]

[editions.marketing]

[environments.production]
edition = "core"
domain = "https://erp.example.com/"
demo = true

[environments.production.env]
smtp_host = "x"
AWS_SECRET_ACCESS_KEY = "AKIA/very+secret"

[environments.staging]
edition = "cor"
  domian = "erp.staging.example.com"
copy_of = "production"

[environments.dev]
domain = "dev.example.com"
database = "odoo"
kind = "develop"

[environments.dev-2]
edition = "marketing"
domain = "dev.example.com"
database = "odoo"
"#;

#[test]
fn reports_a_dozen_mistakes_in_file_order() {
    insta::assert_snapshot!(wrong(DOZENS));
}

#[test]
fn reports_a_syntax_error_alone() {
    insta::assert_snapshot!(wrong("format = 1\nenvironments = production\nbackup = 3\n"), @r"
    odoopack.toml:2:16: not TOML: string values must be quoted, expected literal string
      hint: correct the TOML there: texts stand in quotes, every key and table once
    ");
}

#[test]
fn reports_a_newer_format_alone() {
    insta::assert_snapshot!(wrong("format = 2\n[clusters.one]\nnodes = 3\n"), @r"
    odoopack.toml:1:10: format: format 2 is newer than this program, which reads format 1
      hint: upgrade odoopack on this machine
    ");
}

#[test]
fn refuses_formats_that_never_were() {
    for format in ["0", "-1", "\"1\"", "1.0"] {
        let found = wrong(&format!(
            "format = {format}\n[environments.a]\ndomain = \"a.b\"\n"
        ));
        assert!(found.ends_with("`format = 1`"), "{found}");
    }
}

#[test]
fn asks_for_the_format_and_an_environment() {
    insta::assert_snapshot!(wrong(""), @r#"
    odoopack.toml: environments: there is no environment
      hint: write `[environments.production]` with a `domain`
    odoopack.toml: format: missing
      hint: write `format = 1`
    "#);
}

#[test]
fn asks_for_what_an_environment_must_say() {
    insta::assert_snapshot!(wrong(
        "format = 1\n[editions.a]\n[editions.b]\n[environments.production]\n"
    ));
}

#[test]
fn knows_which_source_has_which_series() {
    let found = [
        "source = { debian = \"sid\" }",
        "source = { deb = \"https://example.com/odoo.deb\" }",
        "source = { git = \"/a\", path = \"b\", sha256 = \"00\" }",
        "source = { commit = \"0123456789abcdef0123456789abcdef01234567\" }",
        "source = { image = \"odoo:18.0\" }",
    ]
    .map(|source| format!("# {source}\n{}\n", wrong_with(&format!("[odoo]\n{source}\n"))));
    insta::assert_snapshot!(found.concat());
    assert!(matches!(
        spec_with("[odoo]\nseries = \"19.0\"\nsource.debian = \"sid\"\n").odoo.source,
        Source::Debian { suite } if suite == "sid"
    ));
}

#[test]
fn refuses_roots_that_configuration_files_cannot_hold() {
    let long = format!("/{}", "a".repeat(90));
    for (root, says) in [
        ("/", "cannot be `/`"),
        ("/opt/my odoo", "a space"),
        ("/opt/odoo\u{e9}", "non-ASCII"),
        ("relative", "not absolute"),
        ("/opt/../etc", "`..`"),
        ("/opt/a\tb", "control character"),
        (&long, "a unix socket's path has at most 107"),
    ] {
        let text = "format = 1\n[environments.production]\ndomain = \"erp.example.com\"\n";
        let found = load(text, &context().with_root(root)).unwrap_err().to_string();
        assert!(
            found.starts_with("--root: pack.root: ") && found.contains(says),
            "{root}: {found}"
        );
        let inside = load(text, &LoadContext::new(root)).unwrap_err().to_string();
        assert!(
            inside.starts_with("odoopack.toml: pack.root: ") && inside.contains(says),
            "{root}: {inside}"
        );
    }
}

#[test]
fn refuses_variables_that_odoo_19_takes_for_options() {
    let lines = "[environments.production.env]\nODOO_WORKERS = 9\nPGDATABASE = \"x\"\nODOO_QUEUE_JOB_CHANNELS = \"root:2\"\nLANG = \"C\"\n";
    let found = wrong_with(&format!("{lines}[odoo]\nseries = \"19.0\"\n"));
    assert_eq!(
        found.matches("reads this variable as an option").count(),
        2,
        "{found}"
    );
    assert_eq!(spec_with(lines).environments.len(), 1);
}

#[test]
fn warns_of_plain_secrets_without_failing() {
    let text = "format = 1\n[environments.production]\ndomain = \"a.b\"\nenv = { API_TOKEN = \"abc\", \
                TOKEN_TTL = 60, DB_PASSWORD_FILE = \"/x\", S3_SECRET = \"secret:S3\" }\n";
    let loaded = load(text, &context()).unwrap();
    insta::assert_snapshot!(loaded.warnings, @r#"
    odoopack.toml:4:21: warning: environments.production.env.API_TOKEN: looks like a secret in plain text
      hint: write `API_TOKEN = "secret:API_TOKEN"` and keep the value in the secret store
    "#);
    let hidden = show(&loaded)
        .into_iter()
        .find(|v| v.path.ends_with("API_TOKEN"))
        .unwrap();
    assert_eq!(hidden.value.as_deref(), Some("\"***\""));
}

#[test]
fn warns_of_an_image_that_nothing_is_made_from() {
    let text = "format = 1\n[postgres]\nurl = \"secret:URL\"\n[images]\npostgres = \"postgres:15\"\n\
                [environments.production]\ndomain = \"a.b\"\n";
    let said = |text: &str| load(text, &context()).unwrap().warnings.to_string();
    assert!(
        said(text).contains("images.postgres: has no effect: the stack runs no PostgreSQL"),
        "{}",
        said(text)
    );
    assert_eq!(said(&text.replace("url = \"secret:URL\"\n", "")), "");
}

#[test]
fn serializes_a_mistake_field_by_field() {
    let found = load(
        "format = 1\nbackup = 1\n[environments.a]\ndomain = \"a.b\"",
        &context(),
    )
    .unwrap_err();
    let json = serde_json::to_string_pretty(&found).unwrap();
    insta::assert_snapshot!(json);
}

/// Lines in a good file, and what is said about them.
const LINES: &[(&str, &str)] = &[
    (
        "[odoo]\nsource = { git = \"http://me:hunter2@a.b/c\" }",
        "holds a password or token",
    ),
    (
        "memory_soft = \"3GiB\"\nmemory_hard = \"2GiB\"",
        "soft limit 3GiB is above the hard limit 2GiB",
    ),
    (
        "users = 0",
        "0 is out of range\n  hint: use a whole number from 1 to 100000",
    ),
    (
        "users = \"ten\"",
        "expected a whole number from 1 to 100000, found text",
    ),
    ("users = 99999999999999999999", "is out of range"),
    (
        "demo = \"yes\"",
        "expected true or false, found text\n  hint: write for example `demo = true`",
    ),
    ("tls = \"acme\"", "`acme` is not one of local"),
    ("tls = {}", "names no certificate"),
    ("tls.key = \"/k.pem\"", "`key` without `certificate`"),
    ("domain2 = \"x\"", "unknown key\n  hint: did you mean `domain`?"),
    (
        "sharding = true",
        "unknown key\n  hint: remove it: this version does not know it",
    ),
    ("reload = true", "code is taken in at once in development only"),
    (
        "refresh = \"Sun 05:00\"",
        "a production environment is nobody's copy: its data would be replaced",
    ),
    (
        "kind = \"staging\"\nrefresh = \"Sun 05:00\"",
        "it is not said of which environment it is a copy",
    ),
    (
        "kind = \"staging\"\ncopy_of = \"productoin\"",
        "there is no environment `productoin`",
    ),
    ("http_port = 443", "port 443 is taken: nginx listens there"),
    (
        "http_port = 21000",
        "port 21000 may be given to an Odoo of this pack",
    ),
    ("database = \"secret:DB\"", "a secret cannot be used here"),
    ("env = { X = \"secret:lower\" }", "malformed secret reference"),
    (
        "env = { X = true }",
        "expected text, a whole number or secret:NAME, found a boolean",
    ),
    (
        "[mail]\ncredentials = \"secret:SMTP\"",
        "credentials for no relay",
    ),
    (
        "[mail]\nsmtp = \"mail.example.net:465\"",
        "odoo.conf can only ask for STARTTLS",
    ),
    ("[postgres]\nport = 443", "nginx listens on that port"),
    (
        "[web]\nhttps_port = 21443",
        "web.https_port: port 21443 may be given to an Odoo of this pack",
    ),
    (
        "[environments.redis]\ndomain = \"redis.example.com\"",
        "`redis` is the name of a service of every pack",
    ),
    (
        "[environments.default]\ndomain = \"d.example.com\"\nsessions = \"redis\"",
        "environments.default.sessions: Redis has a user `default` of its own",
    ),
    (
        "[environments.copy-of-all-data]\ndomain = \"c.example.com\"\n[pack]\nname = \"insightpulse-ai\"",
        "its user `odoo-insightpulse-ai-copy-of-all-data` would have 37 characters, and the name of a user has at most 32\n  hint: make this name, or `name` of [pack], 5 characters shorter",
    ),
    (
        "[pack]\nname = \"pg\"",
        "pack.name: the roles of its environments would begin with `pg_`",
    ),
    (
        "[pack]\nname = \"pg-shop\"",
        "pack.name: the roles of its environments would begin with `pg_`",
    ),
    (
        "[postgres.options]\na.b = 1",
        "hint: write a name with dots in quotes: `\"a.NAME\" = ...`",
    ),
    (
        "[odoo]\noptions = { smtp_password = \"secret:X\" }",
        "a secret cannot be used here",
    ),
    (
        "[odoo]\noptions = { x = \"a\\nb\" }",
        "contains a control character",
    ),
    ("[web]\nlisten = []", "lists no address"),
    (
        "[environments.Prod]\ndomain = \"x\"",
        "environments.Prod: `Prod` is no name",
    ),
    ("[environments]\nstaging = \"x\"", "expected a table, found text"),
    (
        "[monitor]\nevery = \"5m\"",
        "monitor: unknown key\n  hint: remove it: this version does not know it",
    ),
    (
        "[odoo]\nsource = { git = \"/a\", commit = \"abc\" }",
        "`abc` is not 40 hex digits",
    ),
];

#[test]
fn says_what_is_wrong_in_one_line_each() {
    for (lines, says) in LINES {
        let found = wrong_with(lines);
        assert!(found.contains(says), "{lines}: {found}");
    }
}
