//! Keeping a restored production still: its scheduled jobs and its outgoing mail wait until a person lets them go.
//!
//! What is held is written down in the database itself, so that it holds whatever process is started on it.

/// Holds; repeatable, and what was inactive before stays so.
///
/// # Source
/// The columns of the server that leads nowhere: `base/data/neutralize.sql` of 17.0 to 19.0. The states of a job, and that the runner takes up
/// whatever is pending, enqueued or started when it starts: OCA `queue_job`, `job.py` and `jobrunner/runner.py`.
pub const HOLD: &str = "
CREATE SCHEMA IF NOT EXISTS odoopack;
CREATE TABLE IF NOT EXISTS odoopack.held (
    what text NOT NULL, id integer NOT NULL, since timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'), PRIMARY KEY (what, id));
INSERT INTO odoopack.held (what, id) SELECT 'cron', id FROM ir_cron WHERE active ON CONFLICT DO NOTHING;
UPDATE ir_cron SET active = false WHERE active;
INSERT INTO odoopack.held (what, id) SELECT 'mail-server', id FROM ir_mail_server WHERE active
    AND id NOT IN (SELECT id FROM odoopack.held WHERE what = 'nowhere') ON CONFLICT DO NOTHING;
UPDATE ir_mail_server SET active = false WHERE active AND id IN (SELECT id FROM odoopack.held WHERE what = 'mail-server');
WITH made AS (
    INSERT INTO ir_mail_server (name, smtp_port, smtp_host, smtp_encryption, active, smtp_authentication)
    SELECT 'held after a restore', 1025, 'invalid', 'none', true, 'login'
     WHERE NOT EXISTS (SELECT FROM odoopack.held WHERE what = 'nowhere')
    RETURNING id)
INSERT INTO odoopack.held (what, id) SELECT 'nowhere', id FROM made;
DO $$ BEGIN
    IF to_regclass('queue_job') IS NOT NULL THEN
        INSERT INTO odoopack.held (what, id) SELECT 'job-' || state, id FROM queue_job
            WHERE state IN ('wait_dependencies', 'pending', 'enqueued', 'started') ON CONFLICT DO NOTHING;
        UPDATE queue_job SET state = 'cancelled' WHERE (('job-' || state), id) IN (SELECT what, id FROM odoopack.held);
    END IF;
END $$;
";

/// Whether anything is held.
pub const IS_HELD: &str = "SELECT to_regclass('odoopack.held') IS NOT NULL";

/// Lets go what was held, and nothing else; `mail_mail` is treated by [`RESEND`].
pub const RESUME: &str = "
UPDATE ir_cron SET active = true WHERE id IN (SELECT id FROM odoopack.held WHERE what = 'cron');
UPDATE ir_mail_server SET active = true WHERE id IN (SELECT id FROM odoopack.held WHERE what = 'mail-server');
DELETE FROM ir_mail_server WHERE id IN (SELECT id FROM odoopack.held WHERE what = 'nowhere');
DO $$ BEGIN
    IF to_regclass('queue_job') IS NOT NULL THEN
        UPDATE queue_job j SET state = CASE h.what WHEN 'job-wait_dependencies' THEN 'wait_dependencies' ELSE 'pending' END
            FROM odoopack.held h WHERE h.id = j.id AND h.what LIKE 'job-%' AND j.state = 'cancelled'
            -- Somebody asked for the same again meanwhile: once is enough.
            AND (to_jsonb(j) ->> 'identity_key' IS NULL
                -- Other jobs wait for this very one.
                OR strpos(coalesce(to_jsonb(j) ->> 'dependencies', ''), '\"reverse_depends_on\": [\"') > 0
                OR NOT EXISTS (SELECT FROM queue_job t
                WHERE to_jsonb(t) ->> 'identity_key' = to_jsonb(j) ->> 'identity_key'
                AND t.id NOT IN (SELECT id FROM odoopack.held WHERE what LIKE 'job-%')
                AND t.state IN ('wait_dependencies', 'pending', 'enqueued', 'started', 'done')
                AND (to_jsonb(t) ->> 'date_created')::timestamp >= (SELECT min(since) FROM odoopack.held)));
    END IF;
END $$;
DROP TABLE odoopack.held;
DROP SCHEMA odoopack;
";

/// Mails that somebody sent meanwhile and that failed because of the hold wait in the queue again.
pub const RESEND: &str = "UPDATE mail_mail SET state = 'outgoing', failure_reason = NULL \
    WHERE state = 'exception' AND write_date >= (SELECT min(since) FROM odoopack.held)";

/// Forgets that anything was held, in a copy.
pub const FORGET: &str = "DROP TABLE IF EXISTS odoopack.held; DROP SCHEMA IF EXISTS odoopack";

/// What waits: the name of each held job that is due, oldest first.
pub const DUE: &str = "SELECT coalesce(s.name->>'en_US', s.name::text) FROM ir_cron c JOIN ir_act_server s ON s.id = c.ir_actions_server_id \
    WHERE c.id IN (SELECT id FROM odoopack.held WHERE what = 'cron') AND c.nextcall <= now() AT TIME ZONE 'UTC' ORDER BY c.nextcall";

/// Questions about what waits, each a table and a count.
pub const WAITING: &[(&str, &str, &str)] = &[
    (
        "mail_mail",
        "mails to send",
        "SELECT count(*) FROM mail_mail WHERE state = 'outgoing' \
         OR (state = 'exception' AND write_date >= (SELECT min(since) FROM odoopack.held))",
    ),
    (
        "queue_job",
        "queued jobs",
        "SELECT count(*) FROM queue_job WHERE state = 'cancelled' AND id IN (SELECT id FROM odoopack.held WHERE what LIKE 'job-%')",
    ),
];
