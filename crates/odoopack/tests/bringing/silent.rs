//! A drill that does nothing of what is due in its copy, and from which nothing goes out.
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::sql;
use crate::support::{Pack, machine, wait_for};

const PRODUCTION: &str = "restore_production";
/// Whatever runs a job, or tries to send the mail that waits, says so in the server's log, with the database it did it in.
const TRACES: &str = "CREATE FUNCTION trace() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
       RAISE LOG 'a trace of % in %', TG_TABLE_NAME, current_database(); RETURN NEW; END $$; \
     CREATE TRIGGER trace AFTER UPDATE ON ir_cron FOR EACH ROW EXECUTE FUNCTION trace(); \
     CREATE TRIGGER trace AFTER UPDATE ON mail_mail FOR EACH ROW WHEN (NEW.email_to = 'a@example.com') EXECUTE FUNCTION trace()";
const NO_TRACES: &str =
    "DROP TRIGGER trace ON ir_cron; DROP TRIGGER trace ON mail_mail; DROP FUNCTION trace()";
/// The job that sends mails.
const DUE: &str = "UPDATE ir_cron SET active = true, nextcall = now() AT TIME ZONE 'UTC' - interval '1 hour' \
     WHERE id = (SELECT res_id FROM ir_model_data WHERE module = 'mail' AND name = 'ir_cron_mail_scheduler_action')";
/// Odoo passes over a job whose row somebody holds. The backup itself holds the other one.
const HELD: &str = "BEGIN; SELECT 'held' FROM ir_cron WHERE id NOT IN (SELECT res_id FROM ir_model_data \
     WHERE module = 'base' AND name = 'autovacuum_job' AND model = 'ir.cron') FOR UPDATE";

/// A snapshot in which a mail is due, for a mail server that listens on this machine.
pub(crate) struct Tempting {
    server: TcpListener,
}

impl Tempting {
    /// Takes it; production is as it was then, and has sent nothing meanwhile.
    pub(crate) fn snapshot(pack: &Pack) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let port = server.local_addr().unwrap().port();
        sql(pack, PRODUCTION, DUE);
        let mut holding = hold(pack);
        sql(pack, PRODUCTION, TRACES);
        let mail = format!(
            "UPDATE ir_mail_server SET smtp_host = '127.0.0.1', smtp_port = {port}, smtp_encryption = 'none' WHERE name = 'real'; \
             UPDATE mail_mail SET state = 'outgoing'"
        );
        sql(pack, PRODUCTION, &mail);
        pack.run(&["backup", "create", "production"]).exits(0);
        let back = "UPDATE ir_mail_server SET smtp_host = 'smtp.example.com', smtp_port = 587, smtp_encryption = 'starttls' \
                     WHERE name = 'real'";
        sql(pack, PRODUCTION, &format!("{NO_TRACES}; {back}"));
        // It would go on without whoever began it.
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'";
        assert_eq!(sql(pack, PRODUCTION, end), "t");
        holding.wait().unwrap();
        let tempting = Self { server };
        assert!(
            tempting.came().is_none(),
            "production has sent the mail: there is nothing in the snapshot to send"
        );
        let traces = traces(pack);
        let of_production = format!("a trace of mail_mail in {PRODUCTION}");
        assert!(traces.contains(&of_production), "no traces come: {traces}");
        tempting
    }

    fn came(&self) -> Option<std::net::SocketAddr> {
        self.server.accept().ok().map(|(_, from)| from)
    }

    /// Nothing of the copy was done, and nobody came for the mail.
    pub(crate) fn nothing_happened(&self, pack: &Pack) {
        assert_eq!(self.came(), None, "the copy has sent mail");
        let traces = traces(pack);
        assert!(!traces.contains("_drill_"), "the copy has run its jobs: {traces}");
    }
}

/// A session that holds the jobs of production.
fn hold(pack: &Pack) -> Child {
    let socket = pack.path("data/run/postgres");
    let enter = ["-h", socket.as_str(), "-U", "odoopack", "-d", PRODUCTION, "-Atq"];
    let mut child = Command::new("psql")
        .args(enter)
        .args(["-c", HELD, "-c", "SELECT pg_sleep(600)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the jobs are held", || {
        let over = child.try_wait().unwrap();
        assert!(over.is_none(), "the jobs cannot be held: {over:?}");
        let sleeps =
            "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'";
        (sql(pack, PRODUCTION, sleeps) == "1").then_some(())
    });
    child
}

/// What the server's log says of them.
fn traces(pack: &Pack) -> String {
    let logs = pack.path("data/logs");
    let found = Command::new("grep")
        .args(["-rhF", "a trace of ", logs.as_str()])
        .output()
        .unwrap();
    String::from_utf8_lossy(&found.stdout).into_owned()
}

/// Looks at the Odoo of a drill while it runs, and tells every scheduler of the copy that something is due.
pub(crate) struct Prompter {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Option<Network>>,
}

/// Where an Odoo was.
#[derive(Debug, PartialEq, Eq)]
struct Network {
    /// In a network of its own.
    own: bool,
    /// Whether there is a way from it to anywhere.
    routes: bool,
}

impl Prompter {
    /// Begins to look.
    pub(crate) fn start(pack: &Pack) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let (root, socket) = (pack.root.clone(), pack.path("data/run/postgres"));
        let prompt = prompting(socket);
        let thread = std::thread::spawn(move || {
            let mut seen = None;
            while !ends.load(Ordering::Relaxed) {
                prompt();
                let all = machine::processes_of(&root);
                let odoo = all.iter().find(|process| {
                    process.line.contains("--max-cron-threads") && process.line.contains("_drill_")
                });
                seen = odoo.and_then(|process| network(process.pid)).or(seen);
                std::thread::sleep(Duration::from_millis(200));
            }
            seen
        });
        Self { over, thread }
    }

    /// The network that the copy's Odoo had, which is none.
    pub(crate) fn has_seen_no_network(self) {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.thread.join().unwrap();
        let none = Network {
            own: true,
            routes: false,
        };
        assert_eq!(seen, Some(none), "of the Odoo on the copy");
    }
}

/// What a scheduler waits for (`odoo/service/server.py`, `cron_trigger`), for every copy that a drill has made.
fn prompting(socket: camino::Utf8PathBuf) -> impl Fn() {
    let notify =
        "SELECT pg_notify('cron_trigger', datname) FROM pg_database WHERE datname LIKE '%\\_drill\\_%'";
    move || {
        let args = [
            "-h",
            socket.as_str(),
            "-U",
            "odoopack",
            "-d",
            "postgres",
            "-Atqc",
            notify,
        ];
        drop(Command::new("psql").args(args).output());
    }
}

/// `None` where it has ended meanwhile.
fn network(pid: u32) -> Option<Network> {
    let space = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/net")).ok();
    let own = space(&pid.to_string())? != space("self")?;
    let routes = std::fs::read_to_string(format!("/proc/{pid}/net/route")).ok()?;
    Some(Network {
        own,
        routes: routes.lines().count() > 1,
    })
}
