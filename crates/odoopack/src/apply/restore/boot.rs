//! Odoo on a restored copy, cut off from every network: it starts, somebody signs in, the web client comes whole.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Slot;
use odoopack_core::name::Name;
use odoopack_core::render::compose::Container;
use odoopack_core::render::odoo_conf::with_options;
use odoopack_core::restore::administrator;
use odoopack_core::target::{GATE_PART, ODOO_CONF};

use super::Restore;
use crate::apply::databases::failed;
use crate::context::Pack;
use crate::engines::programs::{self, BOOT, LOOK};
use crate::exec::{Cmd, tail};
use crate::failure::{Failure, Result};
use crate::files;
use crate::oneshot::OneShot;
use crate::probe::bare::{self, Client};
use crate::tools::docker;
use crate::ui::Progress;

/// Longest that Odoo may take until it answers.
const HEALTHY: Duration = Duration::from_mins(4);
/// Any port will do where nobody else is.
const PORT: u16 = 8069;
/// The variable in which the password goes to the process in the namespace.
const PASSWORD: &str = "ODOOPACK_BOOT_PASSWORD";
/// Lines of Odoo's log in a failure.
const LINES: usize = 15;

/// What the process in the namespace is told.
#[derive(Clone, Debug)]
pub(crate) struct Inside {
    pub(crate) environment: Name,
    pub(crate) database: String,
    pub(crate) login: String,
    pub(crate) conf: Utf8PathBuf,
}

impl Restore<'_> {
    /// Starts Odoo on the copy without any network, and asks it from where it is.
    pub(super) fn boot(&self, database: &str, own: &Utf8Path, progress: &Progress) -> Result<()> {
        let password = crate::password::generate();
        let login = self.sign_in_as(database, &password)?;
        let conf = own.join("odoo.conf");
        files::replace(&conf, self.conf(database, own)?.as_bytes(), 0o640, self.owner()?)?;
        progress.detail("Odoo starts");
        let copy = Copy {
            database,
            login: &login,
            password: &password,
            conf: &conf,
        };
        if self.apply.layout.containers() {
            return self.boot_container(&copy);
        }
        self.boot_here(&copy)
    }

    /// Starts this program again in a network namespace of its own, where it starts Odoo and asks it.
    fn boot_here(&self, copy: &Copy<'_>) -> Result<()> {
        let root = self.apply.layout.root();
        let alone = if rustix::process::geteuid().is_root() {
            Cmd::new("unshare").args(["--net", "--"])
        } else {
            Cmd::new("unshare").args(["--user", "--map-current-user", "--keep-caps", "--net", "--"])
        };
        alone
            .arg(this_program()?)
            .args(["--root", root.as_str()])
            .args(self.boot_test(copy))
            .args(["--conf", copy.conf.as_str()])
            .env(PASSWORD, copy.password)
            .patience(HEALTHY * 2)
            .run()
    }

    fn boot_test<'a>(&'a self, copy: &Copy<'a>) -> [&'a str; 6] {
        let (database, login) = (copy.database, copy.login);
        [
            "boot-test",
            self.environment.as_str(),
            "--database",
            database,
            "--login",
            login,
        ]
    }

    /// Starts a container without any network, and this program in the very same place, which asks it.
    fn boot_container(&self, copy: &Copy<'_>) -> Result<()> {
        let name = |what| programs::name(self.apply.layout, self.environment.as_str(), what);
        let (odoo, looker) = (name(BOOT), name(LOOK));
        let end = || programs::end(self.apply.layout, self.environment.as_str(), &[LOOK, BOOT]);
        end()?;
        let words = [
            "server",
            "-c",
            ODOO_CONF,
            "-d",
            copy.database,
            "--workers",
            "0",
            "--max-cron-threads",
            "0",
        ];
        docker::alone(&self.container(copy.conf)?, &odoo, &words).run()?;
        let gate = self.apply.facts.containers.images.get(GATE_PART);
        let gate = gate.ok_or_else(|| Failure::failed("the image of the gate is not known"))?;
        let program = Utf8PathBuf::from(this_program()?);
        let ask = docker::beside(&odoo, &looker, (&program, &gate.id), &[PASSWORD])
            .args(self.boot_test(copy))
            .env(PASSWORD, copy.password)
            .patience(HEALTHY * 2);
        let outcome = std::thread::scope(|scope| {
            // Nobody waits for an answer of one that has ended.
            scope.spawn(|| {
                drop(docker::wait(&odoo).outcome());
                drop(docker::remove(&looker).outcome());
            });
            let answer = ask
                .run()
                .map_err(|failure| match docker::logs(&odoo, None, LINES).outcome() {
                    Ok(said) => failure.because(tail(&format!("{}{}", said.stdout, said.stderr), LINES)),
                    Err(_) => failure,
                });
            // Ends the one that waits, too.
            let ended = end();
            answer.and(ended)
        });
        outcome.map_err(|e| e.during("Odoo does not serve the copy"))
    }

    /// What the environment's own Odoo sees, with the copy's configuration in the place of its own.
    fn container(&self, conf: &Utf8Path) -> Result<Container> {
        let tools = self.apply.target.stack.as_ref().map(|stack| &stack.tools);
        let tool = tools.and_then(|tools| tools.get(&self.environment));
        let mut container = tool
            .cloned()
            .ok_or_else(|| Failure::refused("Odoo is not built yet").hint("`odoopack up`"))?;
        let mut mounts = container.mounts.iter_mut();
        let place = mounts.find(|mount| mount.target == ODOO_CONF);
        let place = place.ok_or_else(|| Failure::failed("the container has no configuration"))?;
        place.source = conf.to_owned();
        Ok(container)
    }

    /// A password for this copy alone, of an administrator who may sign in with nothing besides it: what production asks of people, or
    /// whom it has archived, would keep everybody out.
    fn sign_in_as(&self, database: &str, password: &str) -> Result<String> {
        let mut client = self.inside(database)?;
        let trouble = |e: postgres::Error| failed("could not give the administrator a password", &e);
        let found = match client.query_opt(administrator::FIRST, &[]).map_err(trouble)? {
            Some(first) => Some(first),
            None => client.query_opt(administrator::ANOTHER, &[]).map_err(trouble)?,
        };
        let found = found.ok_or_else(|| Failure::failed("the database has no administrator"))?;
        let (number, login): (i32, String) = (found.get(0), found.get(1));
        let hash = crate::password::hash(password);
        client
            .execute(
                "UPDATE res_users SET password = $1, active = true WHERE id = $2",
                &[&hash, &number],
            )
            .map_err(trouble)?;
        client.batch_execute(administrator::NO_POLICY).map_err(trouble)?;
        let second = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'res_users' AND column_name = 'totp_secret'";
        let has_second: i64 = client.query_one(second, &[]).map_err(trouble)?.get(0);
        if has_second > 0 {
            client
                .batch_execute("UPDATE res_users SET totp_secret = NULL WHERE totp_secret IS NOT NULL")
                .map_err(trouble)?;
        }
        Ok(login)
    }

    /// The environment's own configuration, with the copy's database and a directory of its own; nginx is not there to
    /// serve files.
    fn conf(&self, database: &str, own: &Utf8Path) -> Result<String> {
        let path = self.apply.layout.odoo_conf(&self.environment, Slot::Blue);
        let text = files::read_text(&path)?
            .ok_or_else(|| Failure::refused(format!("there is no `{path}`")).hint("`odoopack up`"))?;
        let layout = self.apply.layout;
        let below = own.strip_prefix(layout.environment(&self.environment));
        let inside = below.map_or_else(
            |_| own.to_owned(),
            |below| layout.environment_inside(&self.environment).join(below),
        );
        Ok(conf_of_copy(&text, database, &inside))
    }
}

/// A copy and how to sign in to it.
#[derive(Clone, Copy)]
struct Copy<'a> {
    database: &'a str,
    login: &'a str,
    password: &'a str,
    conf: &'a Utf8Path,
}

fn this_program() -> Result<String> {
    let program = std::env::current_exe();
    let program = program.map_err(|e| Failure::failed("could not find this program").because(e))?;
    Ok(program.to_string_lossy().into_owned())
}

fn conf_of_copy(text: &str, database: &str, own: &Utf8Path) -> String {
    let port = PORT.to_string();
    with_options(
        text,
        &[
            ("db_name", database),
            ("data_dir", own.as_str()),
            ("x_sendfile", "False"),
            ("proxy_mode", "False"),
            ("workers", "0"),
            ("max_cron_threads", "0"),
            ("http_interface", "127.0.0.1"),
            ("http_port", &port),
        ],
    )
}

/// What happens in the namespace: only loopback is there, and Odoo ends with this process.
pub(crate) fn inside(pack: &Pack, told: &Inside) -> Result<()> {
    let (spec, layout) = (&pack.loaded.spec, &pack.layout);
    let release = crate::observe::release(pack)?;
    let release = release
        .present()
        .ok_or_else(|| Failure::refused("Odoo is not built yet").hint("`odoopack up`"))?;
    let secrets = crate::observe::secrets::values(spec, layout)?;
    let one = OneShot::of_services(spec, layout, &told.environment, release, &secrets)?;
    let password = password()?;
    Cmd::new("ip")
        .args(["link", "set", "lo", "up"])
        .run()
        .map_err(|e| e.hint("`apt-get install iproute2`"))?;
    only_loopback()?;
    let cmd = one
        .odoo("server")?
        .args(["-c", told.conf.as_str(), "-d", &told.database])
        .args(["--workers", "0", "--max-cron-threads", "0"])
        .patience(HEALTHY * 2);
    let log = Arc::new(Mutex::new((String::new(), false)));
    let shared = Arc::clone(&log);
    std::thread::spawn(move || {
        let ended = cmd.stream_stderr(&mut |line| {
            let mut log = shared.lock().unwrap_or_else(PoisonError::into_inner);
            log.0.push_str(line);
            log.0.push('\n');
        });
        let mut log = shared.lock().unwrap_or_else(PoisonError::into_inner);
        log.1 = true;
        if let Err(failure) = ended {
            log.0.push_str(&failure.chain().join(": "));
        }
    });
    let said = || tail(&log.lock().unwrap_or_else(PoisonError::into_inner).0, LINES);
    let ended = || log.lock().unwrap_or_else(PoisonError::into_inner).1;
    answers(&told.database, &told.login, &password, ended).map_err(|failure| failure.because(said()))
}

/// What happens in the network of a container in which Odoo starts.
pub(crate) fn beside(database: &str, login: &str) -> Result<()> {
    only_loopback()?;
    answers(database, login, &password()?, || false)
}

fn password() -> Result<String> {
    std::env::var(PASSWORD).map_err(|_| Failure::failed("the password did not arrive"))
}

/// Waits until Odoo answers, signs in and looks at the web client.
fn answers(database: &str, login: &str, password: &str, ended: impl Fn() -> bool) -> Result<()> {
    let client = Client::new(PORT);
    let begun = Instant::now();
    while !client.is_healthy() {
        if ended() || begun.elapsed() > HEALTHY {
            return Err(Failure::failed("Odoo does not start on the copy"));
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    bare::visit(&client, database, login, password).map_err(Failure::failed)
}

/// Nothing leads anywhere: the promise of a drill is that nothing is sent.
fn only_loopback() -> Result<()> {
    let text = files::read_text("/proc/net/dev".into())?.unwrap_or_default();
    let others: Vec<&str> = text
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next())
        .map(str::trim)
        .filter(|name| *name != "lo")
        .collect();
    // Tunnels without an address that the kernel makes in every namespace are down.
    let up = |name: &&str| {
        let path = Utf8PathBuf::from(format!("/sys/class/net/{name}/operstate"));
        !matches!(files::read_text(&path), Ok(Some(state)) if state.trim() == "down")
    };
    let routes = |path: &str| files::read_text(path.into()).map(Option::unwrap_or_default);
    let leads = leads_out(&routes("/proc/net/route")?, &routes("/proc/net/ipv6_route")?);
    if !leads || !others.iter().any(up) {
        return Ok(());
    }
    Err(Failure::refused(
        "the copy would have a network: nothing is started",
    ))
}

/// Whether there is a way to anything but this place itself, by either version of the protocol.
///
/// # Shape
/// Linux, `/proc/net/route`: a heading, then a line per route, those of loopback not among them; `/proc/net/ipv6_route`: a line
/// per route that ends with its device, `lo` in a namespace that has nothing else.
fn leads_out(routes: &str, routes_of_6: &str) -> bool {
    let elsewhere = |line: &str| {
        line.split_whitespace()
            .last()
            .is_some_and(|device| device != "lo")
    };
    routes.lines().count() > 1 || routes_of_6.lines().any(elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_out_by_either_protocol_is_one() {
        let heading = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let route = format!("{heading}eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
        let of_6 = |device: &str| {
            let (none, one) = ("0".repeat(32), format!("{}1", "0".repeat(31)));
            format!("{one} 80 {none} 00 {none} 00000000 00000002 00000000 80200001       {device}\n")
        };
        let alone = of_6("lo");
        assert!(!leads_out("", "") && !leads_out(heading, &alone));
        assert!(leads_out(&route, &alone));
        assert!(leads_out(heading, &format!("{alone}{}", of_6("eth0"))));
    }

    #[test]
    fn the_copy_gets_a_database_and_a_directory_of_its_own() {
        let text =
            "# made\n[options]\ndb_name = demo\ndb_user = a\ndata_dir = /x\nx_sendfile = True\nworkers = 4\n";
        let copy = conf_of_copy(text, "copy", "/own".into());
        for line in [
            "db_name = copy",
            "data_dir = /own",
            "x_sendfile = False",
            "workers = 0",
            "db_user = a",
        ] {
            assert_eq!(copy.matches(&format!("\n{line}\n")).count(), 1, "{line}: {copy}");
        }
        assert!(!copy.contains("demo") && !copy.contains("= 4"), "{copy}");
    }
}
