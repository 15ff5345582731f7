//! Rules about how services run: order, health, stopping, logs, memory, what is missing.
use super::super::Severity::{Error, Info, Warning};
use super::super::rule::{Rule, Spot};
use super::{View, together};
use crate::foreign::compose::{Role, Service};
use crate::foreign::yaml::Node;

/// Odoo's default `limit_time_real`, in seconds: a request may take that long.
const GRACE: u64 = 120;

pub(super) const RULES: &[Rule<View>] = &[
    Rule {
        id: "compose-healthcheck",
        severity: Warning,
        title: "PostgreSQL and Odoo have health checks",
        why: "a hanging process counts as running, and nothing can wait until it answers",
        fix: "`pg_isready -U USER` for PostgreSQL, `curl -f http://localhost:8069/web/health` for Odoo",
        look: healthcheck,
    },
    Rule {
        id: "compose-depends-on",
        severity: Warning,
        title: "Odoo waits until PostgreSQL answers",
        why: "a started container is not a server that answers: Odoo ends and is restarted until it fits",
        fix: "`depends_on: {SERVICE: {condition: service_healthy}}` with a healthcheck there",
        look: depends_on,
    },
    Rule {
        id: "compose-stop-grace",
        severity: Warning,
        title: "Odoo may finish its requests when it is stopped",
        why: "Docker kills after 10 s: running requests, reports and crons are cut off",
        fix: "`stop_grace_period: 150s` (above `limit_time_real`)",
        look: stop_grace,
    },
    Rule {
        id: "compose-log-limit",
        severity: Warning,
        title: "logs cannot fill the disk",
        why: "the json-file driver keeps everything for ever",
        fix: "`logging: {driver: json-file, options: {max-size: 50m, max-file: \"5\"}}`",
        look: log_limit,
    },
    Rule {
        id: "compose-memory-limit",
        severity: Warning,
        title: "every service has a memory limit",
        why: "one service that grows takes the host down, PostgreSQL with it",
        fix: "`mem_limit`, in sum below the host's memory",
        look: memory_limit,
    },
    Rule {
        id: "compose-restart-always",
        severity: Info,
        title: "what was stopped stays stopped",
        why: "with `always` a service that somebody stopped for maintenance is back after the next reboot",
        fix: "`restart: unless-stopped`",
        look: restart_always,
    },
    Rule {
        id: "compose-redis-missing",
        severity: Error,
        title: "what is configured for Redis has one",
        why: "sessions fail, or stay on disk without a word",
        fix: "add a redis service, or remove the variables",
        look: redis_missing,
    },
];

fn healthcheck(view: &View) -> Vec<Spot> {
    let blind: Vec<&Service> = view
        .ours()
        .filter(|service| service.node.get("healthcheck").is_none())
        .collect();
    together(&blind, "no `healthcheck`")
}

fn depends_on(view: &View) -> Vec<Spot> {
    let databases: Vec<&str> = view
        .of(Role::Postgres)
        .map(|service| service.name.as_str())
        .collect();
    let waits = |service: &Service| {
        let healthy = |node: &Node| node.get("condition").and_then(Node::text) == Some("service_healthy");
        let depends = service.node.get("depends_on");
        databases
            .iter()
            .any(|name| depends.and_then(|node| node.get(name)).is_some_and(healthy))
    };
    let spot = |service: &Service| {
        Spot::at(
            service.line_of("depends_on"),
            format!(
                "`{}` does not wait for `{}`",
                service.name,
                databases.join("`, `")
            ),
        )
        .fix(format!(
            "`depends_on: {{{}: {{condition: service_healthy}}}}`, with a healthcheck there",
            databases[0]
        ))
    };
    if databases.is_empty() {
        return Vec::new();
    }
    view.of(Role::Odoo)
        .filter(|service| !waits(service))
        .map(spot)
        .collect()
}

fn stop_grace(view: &View) -> Vec<Spot> {
    let short = |service: &Service| {
        let line = service.line_of("stop_grace_period");
        match service.text("stop_grace_period") {
            None => Some(Spot::at(
                line,
                format!("`{}` has no `stop_grace_period`: 10 s", service.name),
            )),
            Some(text) if duration(text).is_some_and(|seconds| seconds < GRACE) => {
                Some(Spot::at(line, format!("`{}` has {text} to stop", service.name)))
            }
            Some(_) => None,
        }
    };
    view.of(Role::Odoo).filter_map(short).collect()
}

/// Seconds of `1m30s`; `None` when it is no such text.
fn duration(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut number = String::new();
    for c in text.chars() {
        let size = match c {
            c if c.is_ascii_digit() => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(size)?)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}

fn log_limit(view: &View) -> Vec<Spot> {
    let endless = |service: &&Service| {
        let logging = service.node.get("logging");
        let driver = logging
            .and_then(|node| node.get("driver"))
            .and_then(Node::text)
            .unwrap_or("json-file");
        let limit = logging
            .and_then(|node| node.get("options"))
            .and_then(|node| node.get("max-size"));
        driver == "json-file" && limit.is_none()
    };
    let endless: Vec<&Service> = view.services.iter().filter(endless).collect();
    together(&endless, "logs without a limit")
}

fn memory_limit(view: &View) -> Vec<Spot> {
    let limited = |service: &&Service| {
        let deploy = service
            .node
            .get("deploy")
            .and_then(|node| node.get("resources"))
            .and_then(|node| node.get("limits"));
        service.node.get("mem_limit").is_some() || deploy.is_some_and(|limits| limits.get("memory").is_some())
    };
    let free: Vec<&Service> = view.services.iter().filter(|service| !limited(service)).collect();
    together(&free, "no memory limit")
}

fn restart_always(view: &View) -> Vec<Spot> {
    let always: Vec<&Service> = view
        .services
        .iter()
        .filter(|service| service.text("restart") == Some("always"))
        .collect();
    together(&always, "`restart: always`")
}

fn redis_missing(view: &View) -> Vec<Spot> {
    let there = view.of(Role::Redis).next().is_some();
    let asks = |service: &Service| {
        let named = |(name, value, _): &(String, String, usize)| {
            let host = ["REDIS_HOST", "REDIS_URL", "SESSION_REDIS"]
                .iter()
                .any(|word| name.contains(word));
            host && !matches!(value.as_str(), "" | "0" | "false")
        };
        let (name, _, line) = service.environment().into_iter().find(named)?;
        Some(Spot::at(
            line,
            format!(
                "`{}` is told `{name}`, and no service here is Redis",
                service.name
            ),
        ))
    };
    if there {
        Vec::new()
    } else {
        view.of(Role::Odoo).filter_map(asks).collect()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_composes_durations() {
        assert_eq!(
            ["1m30s", "150s", "10", "x", "2h"].map(super::duration),
            [Some(90), Some(150), None, None, Some(7200)]
        );
    }
}
