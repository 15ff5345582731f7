//! Starts the real binary with its configuration in a directory of its own.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use odoopack_core::gate::{Answer, EnvironmentStatus, Request, Response, Slot, Status, parse_answer};
use serde_json::{Value, json};

/// Longest wait for anything in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running gate; killed on drop.
pub(crate) struct Gate {
    child: Child,
    pub(crate) place: Place,
}

/// The directory of one test.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a configuration with these environments: name, blue's web, green's web, blue's websocket port.
    pub(crate) fn configure(&self, environments: &[(&str, u16, u16, Option<u16>)]) {
        let environments: serde_json::Map<String, Value> = environments
            .iter()
            .map(|(name, blue, green, websocket)| {
                let slots = json!({"blue": {"web": blue, "websocket": websocket}, "green": {"web": green}});
                (
                    (*name).to_owned(),
                    json!({"socket": self.path(&format!("{name}.sock")), "slots": slots}),
                )
            })
            .collect();
        self.write_config(&json!({
            "format": 1,
            "control": self.path("control.sock"),
            "state": self.path("state.json"),
            "environments": environments,
        }));
    }

    pub(crate) fn write_config(&self, config: &Value) {
        self.write("gate.json", &config.to_string());
    }

    #[expect(clippy::disallowed_methods, reason = "a test writes its own fixture")]
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "a test starts the binary it tests")]
    pub(crate) fn spawn(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_odoopack"))
            .args(["gate", "--config"])
            .arg(self.path("gate.json"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Whether the health check of a container would be content.
    #[expect(clippy::disallowed_methods, reason = "a test starts the binary it tests")]
    pub(crate) fn check(&self) -> bool {
        let mut check = Command::new(env!("CARGO_BIN_EXE_odoopack"));
        check.args(["gate", "--check", "--config"]);
        let output = check.arg(self.path("gate.json")).output().unwrap();
        output.status.success()
    }

    pub(crate) fn start(self) -> Gate {
        let mut gate = Gate {
            child: self.spawn(),
            place: self,
        };
        let deadline = Instant::now() + PATIENCE;
        // The control socket exists first and answers last.
        while !gate.answers() {
            assert!(
                Instant::now() < deadline,
                "the gate does not start: {:?}",
                gate.child.try_wait()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        gate
    }
}

impl Gate {
    /// A gate for one environment `production`.
    pub(crate) fn for_slots(blue: u16, green: u16) -> Self {
        let place = Place::new();
        place.configure(&[("production", blue, green, None)]);
        place.start()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path("production.sock")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends one raw line to the control socket.
    pub(crate) fn say(&self, line: &str) -> String {
        self.try_say(line).unwrap()
    }

    fn answers(&self) -> bool {
        self.try_say(&Request::Status {}.to_line())
            .is_ok_and(|answer| !answer.is_empty())
    }

    fn try_say(&self, line: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.place.path("control.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer)
    }

    pub(crate) fn try_ask(&self, request: &Request) -> Answer {
        parse_answer(&self.say(&request.to_line())).unwrap()
    }

    pub(crate) fn ask(&self, request: &Request) -> Response {
        self.try_ask(request).unwrap()
    }

    /// Asks from a blocking thread, while the test goes on.
    pub(crate) async fn ask_meanwhile(&self, request: Request) -> Response {
        let path = self.place.path("control.sock");
        let ask = move || {
            let mut stream = UnixStream::connect(path).unwrap();
            stream.write_all((request.to_line() + "\n").as_bytes()).unwrap();
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).unwrap();
            parse_answer(&answer).unwrap().unwrap()
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }

    pub(crate) fn switch(&self, slot: Slot) -> Response {
        self.ask(&Request::Switch {
            environment: "production".to_owned(),
            slot,
        })
    }

    pub(crate) fn hold(&self, seconds: u64, page: Option<&str>) -> Response {
        let environment = "production".to_owned();
        self.ask(&Request::Hold {
            environment,
            seconds,
            page: page.map(ToOwned::to_owned),
        })
    }

    pub(crate) fn release(&self) -> Response {
        self.ask(&Request::Release {
            environment: "production".to_owned(),
        })
    }

    pub(crate) async fn drain(&self, slot: Slot, seconds: u64, close_websockets: bool) -> (u64, u64) {
        let environment = "production".to_owned();
        let request = Request::Drain {
            environment,
            slot,
            seconds,
            close_websockets,
        };
        let answer = self.ask_meanwhile(request).await;
        let Response::Drained {
            requests, websockets, ..
        } = answer
        else {
            panic!("{answer:?}")
        };
        (requests, websockets)
    }

    pub(crate) fn status(&self) -> Status {
        let answer = self.ask(&Request::Status {});
        let Response::Status(status) = answer else {
            panic!("{answer:?}")
        };
        status
    }

    pub(crate) fn production(&self) -> EnvironmentStatus {
        self.status().environments["production"].clone()
    }

    /// Waits until the environment looks as it should.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&EnvironmentStatus) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.production();
            if holds(&found) {
                return;
            }
            assert!(Instant::now() < deadline, "waiting for {what}: {found:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The most memory the process ever had, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// `SIGKILL`: no time to tidy up.
    pub(crate) fn kill(mut self) -> Place {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.into_place()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    fn into_place(mut self) -> Place {
        std::mem::replace(&mut self.place, Place::new())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
