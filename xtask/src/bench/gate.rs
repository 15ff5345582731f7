//! What the gate costs per request, and what switching slots through it breaks, beside nginx alone.
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::client::Client;
use super::rig::{Gate, Nginx, free_port, front, tiny};
use super::stats::Times;
use crate::run;

/// Both ways are measured in turns, so that a busy moment of the machine meets both.
const ROUNDS: usize = 10;

/// Clients, switches and the time between two of them, as in the comparison that led to the gate.
const CLIENTS: usize = 16;
pub(super) const SWITCHES: usize = 40;
const BETWEEN: Duration = Duration::from_millis(200);

/// The same requests with and without the gate between nginx and the upstream.
pub(super) struct Overhead {
    pub(super) direct: Times,
    pub(super) through: Times,
}

/// Asks an upstream on `port` for `path`, straight and through the gate; `each` requests per round and way.
pub(super) fn overhead(binary: &Path, port: u16, path: &str, each: usize) -> Result<Overhead> {
    let gate = Gate::start(binary, port, port)?;
    let (straight, gated) = (free_port()?, free_port()?);
    let blocks = front(straight, &format!("127.0.0.1:{port}")) + &front(gated, &gate.target());
    let _nginx = Nginx::start(&format!("front-{port}"), &blocks, gated)?;
    let mut clients = [Client::new(straight), Client::new(gated)];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (client, times) in clients.iter_mut().zip(&mut times) {
            for _ in 0..each {
                let took = client.get(path)?;
                // The first round warms caches and connections.
                if round > 0 {
                    times.push(took);
                }
            }
        }
    }
    let [direct, through] = times.map(|times| Times::of(times).expect("every round has requests"));
    Ok(Overhead { direct, through })
}

/// The overhead over an upstream that takes no time itself.
pub(super) fn overhead_of_tiny(binary: &Path) -> Result<Overhead> {
    let port = free_port()?;
    let _upstream = Nginx::start("tiny", &tiny(port), port)?;
    overhead(binary, port, "/", 1000)
}

/// Requests sent while slots were switched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switching {
    pub(super) sent: u64,
    pub(super) broken: u64,
}

impl std::ops::Add for Switching {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            broken: self.broken + other.broken,
        }
    }
}

/// Kills the gate of a pack and waits until its supervisor's new one takes requests.
pub(super) fn comes_back(root: &Path) -> Result<Duration> {
    let pid = super::memory::gate(root)?;
    let socket = root.join("data/run/gate/production.sock");
    let start = Instant::now();
    run::run(std::process::Command::new("kill").args(["-9", &pid.to_string()]))?;
    // The dead one's socket file stays, and refuses.
    loop {
        let another = super::memory::gate(root).is_ok_and(|now| now != pid);
        if another && UnixStream::connect(&socket).is_ok() {
            break;
        }
        if start.elapsed() > Duration::from_secs(30) {
            bail!("the gate did not come back");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = start.elapsed();
    // runit waits a second before it starts again what lived for less.
    std::thread::sleep(Duration::from_secs(2));
    Ok(took)
}

/// Switches through the gate; nginx is left alone.
pub(super) fn switch_by_gate(binary: &Path) -> Result<Switching> {
    let slots = [free_port()?, free_port()?];
    let _upstream = Nginx::start("slots", &(tiny(slots[0]) + &tiny(slots[1])), slots[1])?;
    let gate = Gate::start(binary, slots[0], slots[1])?;
    let port = free_port()?;
    let _nginx = Nginx::start("gated", &front(port, &gate.target()), port)?;
    under_load(port, |turn| gate.switch(["green", "blue"][turn % 2]))
}

/// Switches by writing the other slot into nginx's configuration and reloading it.
pub(super) fn switch_by_reload() -> Result<Switching> {
    let slots = [free_port()?, free_port()?];
    let _upstream = Nginx::start("slots", &(tiny(slots[0]) + &tiny(slots[1])), slots[1])?;
    let port = free_port()?;
    let blocks = |slot: usize| front(port, &format!("127.0.0.1:{}", slots[slot]));
    let nginx = Nginx::start("reloaded", &blocks(0), port)?;
    under_load(port, |turn| nginx.reload(&blocks((turn + 1) % 2)))
}

/// Posts over keep-alive connections while `switch` is called again and again.
fn under_load(port: u16, switch: impl Fn(usize) -> Result<()>) -> Result<Switching> {
    let (stop, sent, broken) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let one_client = || {
        let mut client = Client::new(port);
        while !stop.load(Ordering::Relaxed) {
            let is_broken = client.post("/web/dataset/call_kw", "{}").is_err();
            sent.fetch_add(1, Ordering::Relaxed);
            broken.fetch_add(u64::from(is_broken), Ordering::Relaxed);
            // A browser thinks between two requests; that is when a connection is closed under it.
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    std::thread::scope(|scope| {
        (0..CLIENTS).for_each(|_| drop(scope.spawn(one_client)));
        std::thread::sleep(BETWEEN);
        let outcome = (0..SWITCHES).try_for_each(|turn| {
            switch(turn)?;
            std::thread::sleep(BETWEEN);
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        outcome
    })
    .map(|()| Switching {
        sent: sent.load(Ordering::Relaxed),
        broken: broken.load(Ordering::Relaxed),
    })
}
