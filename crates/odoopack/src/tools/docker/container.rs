//! Containers as Docker tells of them.
use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use super::{PROJECT, docker};
use crate::exec::Cmd;

/// The labels that Compose gives every container (`docker compose` 2, `api/labels.go`).
const SERVICE: &str = "com.docker.compose.service";
const ONE_OFF: &str = "com.docker.compose.oneoff";
const DIRECTORY: &str = "com.docker.compose.project.working_dir";

/// Everything about containers.
pub(crate) fn inspect(ids: &[&str]) -> Cmd {
    docker(&["inspect", "--type", "container"]).args(ids.iter().copied())
}

/// A container as Docker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// Its service in the stack.
    pub(crate) service: String,
    /// Somebody asked for it by hand, or it is a tool.
    pub(crate) one_off: bool,
    pub(crate) running: bool,
    /// Its first process as the host sees it.
    pub(crate) pid: Option<u32>,
    /// Seconds since 1970 of its last start.
    pub(crate) started: Option<i64>,
    pub(crate) restarts: u64,
    /// Ports of the host.
    pub(crate) published: Vec<u16>,
    /// Those that are open now, with their addresses; also such as nobody gave a number.
    pub(crate) open: BTreeSet<(String, u16)>,
    /// Its name.
    pub(crate) name: String,
    /// Its project in Docker Compose.
    pub(crate) project: String,
    /// Where the first file of its project lies; `None`: Compose did not say.
    pub(crate) directory: Option<Utf8PathBuf>,
    /// Places of the host that it may write to.
    pub(crate) writes: Vec<Utf8PathBuf>,
    /// Id of its image.
    pub(crate) image: String,
}

/// Reads what [`inspect`] prints.
///
/// # Errors
/// When it is not what Docker prints.
pub(crate) fn parse_containers(text: &str) -> serde_json::Result<Vec<Container>> {
    let all: Vec<raw::Container> = serde_json::from_str(text)?;
    Ok(all.into_iter().map(container).collect())
}

fn container(raw: raw::Container) -> Container {
    let label = |name: &str| raw.config.labels.get(name).cloned().unwrap_or_default();
    let ports = raw.host_config.port_bindings.unwrap_or_default();
    let published = ports.values().flatten().flatten();
    let now = raw.network_settings.ports.unwrap_or_default();
    let open = now.values().flatten().flatten();
    Container {
        service: label(SERVICE),
        one_off: label(ONE_OFF) == "True",
        running: raw.state.running && !raw.state.restarting,
        pid: (raw.state.pid > 0).then_some(raw.state.pid),
        started: raw
            .state
            .started_at
            .parse()
            .ok()
            .map(jiff::Timestamp::as_second)
            .filter(|second| *second > 0),
        restarts: raw.restart_count,
        published: published.filter_map(|port| port.host_port.parse().ok()).collect(),
        open: open
            .filter_map(|port| Some((every(&port.host_ip).to_owned(), port.host_port.parse().ok()?)))
            .collect(),
        name: raw.name.trim_start_matches('/').to_owned(),
        project: label(PROJECT),
        directory: Some(label(DIRECTORY).into()).filter(|path: &Utf8PathBuf| !path.as_str().is_empty()),
        writes: raw
            .mounts
            .into_iter()
            .filter(|mount| mount.rw && !mount.source.as_str().is_empty())
            .map(|mount| mount.source)
            .collect(),
        image: raw.image,
        id: raw.id,
    }
}

/// Docker says twice that every address is meant.
fn every(address: &str) -> &str {
    match address {
        "" | "::" => "0.0.0.0",
        address => address,
    }
}

/// The parts of Docker's answers that are read (Engine API 1.41).
mod raw {
    use std::collections::BTreeMap;

    use camino::Utf8PathBuf;

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Container {
        pub(super) id: String,
        pub(super) restart_count: u64,
        pub(super) state: State,
        pub(super) config: Config,
        pub(super) host_config: HostConfig,
        #[serde(default)]
        pub(super) network_settings: NetworkSettings,
        #[serde(default)]
        pub(super) name: String,
        #[serde(default)]
        pub(super) image: String,
        #[serde(default)]
        pub(super) mounts: Vec<Mount>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Mount {
        #[serde(default)]
        pub(super) source: Utf8PathBuf,
        #[serde(rename = "RW", default)]
        pub(super) rw: bool,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct State {
        pub(super) running: bool,
        pub(super) restarting: bool,
        pub(super) pid: u32,
        pub(super) started_at: String,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Config {
        #[serde(default)]
        pub(super) labels: BTreeMap<String, String>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct HostConfig {
        pub(super) port_bindings: Option<BTreeMap<String, Option<Vec<Port>>>>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct NetworkSettings {
        #[serde(default)]
        pub(super) ports: Option<BTreeMap<String, Option<Vec<Port>>>>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Port {
        pub(super) host_port: String,
        #[serde(default)]
        pub(super) host_ip: String,
    }
}
