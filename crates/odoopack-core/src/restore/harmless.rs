//! What makes a copy of production harmless beyond Odoo's own `neutralize`, and what proves it.

/// One rule: what it changes, and what must not be found afterwards.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Short name.
    pub id: &'static str,
    /// What must not be there, for people.
    pub what: &'static str,
    /// Table without which there is nothing to do.
    pub table: &'static str,
    /// Columns without which it does not apply.
    pub columns: &'static [&'static str],
    /// The change; empty where `neutralize` does it and only the proof is ours.
    pub act: &'static str,
    /// Counts what must be zero.
    pub check: &'static str,
}

/// Whether Odoo's own mark says of a database that it is a copy that was made harmless.
pub const IS_NEUTRALIZED: &str = "SELECT EXISTS (SELECT FROM ir_config_parameter WHERE key = 'database.is_neutralized' AND lower(value) = 'true')";

/// Every rule, in the order in which they run, after the modules' own `neutralize.sql`.
///
/// # Source
/// Odoo 17.0 to 19.0: what `base/data/neutralize.sql` and its like do not touch (`knowledge/odoo.md` C4, C5).
pub const RULES: &[Rule] = &[
    Rule {
        id: "neutralized",
        what: "Odoo's own mark that it is neutralized is missing",
        table: "ir_config_parameter",
        columns: &["key", "value"],
        act: "",
        check: "SELECT 1 - count(*) FROM ir_config_parameter WHERE key = 'database.is_neutralized' AND lower(value) = 'true'",
    },
    Rule {
        id: "cron",
        what: "scheduled jobs that would run",
        table: "ir_cron",
        columns: &["active"],
        act: "",
        check: "SELECT count(*) FROM ir_cron WHERE active AND id NOT IN (SELECT res_id FROM ir_model_data \
                WHERE model = 'ir.cron' AND module = 'base' AND name = 'autovacuum_job')",
    },
    Rule {
        id: "mail-server",
        what: "outgoing mail servers that lead out",
        table: "ir_mail_server",
        columns: &["active", "smtp_host"],
        act: "UPDATE ir_mail_server SET smtp_user = NULL, smtp_pass = NULL WHERE smtp_user IS NOT NULL OR smtp_pass IS NOT NULL",
        check: "SELECT count(*) FROM ir_mail_server WHERE (active AND smtp_host NOT IN ('invalid', '127.0.0.1', 'localhost')) \
                OR smtp_pass IS NOT NULL",
    },
    Rule {
        id: "fetchmail",
        what: "mailboxes that would be emptied",
        table: "fetchmail_server",
        columns: &["active", "password"],
        act: "UPDATE fetchmail_server SET active = false, password = NULL WHERE active OR password IS NOT NULL",
        check: "SELECT count(*) FROM fetchmail_server WHERE active OR password IS NOT NULL",
    },
    Rule {
        id: "mail-queue",
        what: "mails that wait to be sent",
        table: "mail_mail",
        columns: &["state"],
        act: "UPDATE mail_mail SET state = 'cancel' WHERE state = 'outgoing'",
        check: "SELECT count(*) FROM mail_mail WHERE state = 'outgoing'",
    },
    Rule {
        id: "api-keys",
        what: "API keys that open production too",
        table: "res_users_apikeys",
        columns: &[],
        act: "DELETE FROM res_users_apikeys",
        check: "SELECT count(*) FROM res_users_apikeys",
    },
    Rule {
        id: "queue-jobs",
        what: "queued jobs that would run",
        table: "queue_job",
        columns: &["state"],
        act: "UPDATE queue_job SET state = 'cancelled' WHERE state NOT IN ('done', 'failed', 'cancelled')",
        check: "SELECT count(*) FROM queue_job WHERE state NOT IN ('done', 'failed', 'cancelled')",
    },
    Rule {
        id: "webhooks",
        what: "webhooks that would call out",
        table: "ir_act_server",
        columns: &["state", "webhook_url"],
        act: "",
        check: "SELECT count(*) FROM ir_act_server WHERE state = 'webhook' AND webhook_url IS NOT NULL \
                AND webhook_url NOT LIKE 'neutralization - %'",
    },
    Rule {
        id: "payment",
        what: "payment providers that take money",
        table: "payment_provider",
        columns: &["state"],
        act: "UPDATE payment_provider SET state = 'disabled' WHERE state NOT IN ('disabled', 'test')",
        check: "SELECT count(*) FROM payment_provider WHERE state NOT IN ('disabled', 'test')",
    },
    Rule {
        id: "sign-in-providers",
        what: "sign-in providers of production",
        table: "auth_oauth_provider",
        columns: &["enabled"],
        act: "UPDATE auth_oauth_provider SET enabled = false WHERE enabled",
        check: "SELECT count(*) FROM auth_oauth_provider WHERE enabled",
    },
    Rule {
        id: "enterprise-code",
        what: "the subscription code of production",
        table: "ir_config_parameter",
        columns: &["key", "value"],
        act: "DELETE FROM ir_config_parameter WHERE key = 'database.enterprise_code'",
        check: "SELECT count(*) FROM ir_config_parameter WHERE key = 'database.enterprise_code'",
    },
];

/// Parameters that make a database the one it is (`ir_config_parameter.py`, `_default_parameters`).
pub const IDENTITY: [&str; 2] = ["database.uuid", "database.secret"];

/// Modules whose `neutralize.sql` counts (`modules/neutralize.py`, `get_installed_modules`).
pub const INSTALLED: &str = "SELECT name FROM ir_module_module WHERE state IN ('installed', 'to upgrade', 'to remove') \
     ORDER BY name <> 'base', name";
