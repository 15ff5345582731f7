//! Tables and laws of the sizing.
use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn want(name: &str, users: u32, production: bool) -> Want {
    Want {
        name: name.parse().unwrap(),
        users,
        production,
        series: Series::V18,
        overrides: Overrides::default(),
    }
}

/// One production and `count - 1` copies.
fn wants(count: u32, users: u32) -> Wants {
    let copies = (1..count).map(|n| want(&format!("copy-{n}"), 3, false));
    let environments = [want("production", users, true)]
        .into_iter()
        .chain(copies)
        .collect();
    Wants {
        environments,
        reserve_environments: 2,
        sessions_redis: false,
        apart: None,
        server: None,
    }
}

fn host(cores: u32, gib: u64) -> Host {
    Host {
        cores,
        memory: Bytes::gib(gib),
    }
}

#[test]
fn the_table() {
    let mut table = String::from(
        "cores memory envs users | workers crons | copy workers crons | max_connections buffers | left\n",
    );
    for (cores, gib, users) in [
        (1, 2, 5),
        (2, 4, 10),
        (2, 8, 20),
        (4, 8, 60),
        (8, 32, 100),
        (16, 64, 200),
        (64, 256, 1000),
    ] {
        for count in [1, 2, 3, 4, 8] {
            write!(table, "{cores:>5} {gib:>3}GiB {count:>4} {users:>5} | ").unwrap();
            match size(&host(cores, gib), &wants(count, users)) {
                Err(refused) => writeln!(table, "{refused}").unwrap(),
                Ok(sizing) => row(&mut table, &sizing),
            }
        }
    }
    insta::assert_snapshot!(table);
}

fn row(table: &mut String, sizing: &Sizing) {
    let production = &sizing.environments[&"production".parse().unwrap()];
    let copy = sizing
        .environments
        .values()
        .next()
        .filter(|_| sizing.environments.len() > 1);
    let copy = copy.map_or("-".to_owned(), |c| {
        format!("{:>12} {:>5}", c.workers, c.cron_workers)
    });
    let (postgres, left) = (&sizing.postgres, &sizing.explain.last().unwrap().memory);
    let (connections, buffers) = (postgres.max_connections, postgres.shared_buffers);
    let (workers, crons) = (production.workers, production.cron_workers);
    writeln!(
        table,
        "{workers:>7} {crons:>5} | {copy:>18} | {connections:>15} {buffers:>7} | {left}"
    )
    .unwrap();
}

#[test]
fn the_sum_is_told_line_by_line() {
    let sizing = size(&host(4, 8), &wants(2, 60)).unwrap();
    let lines: Vec<String> = sizing.explain.iter().map(ToString::to_string).collect();
    let wide = |line: &&str| line.chars().count() > crate::columns::WIDTH;
    let text = lines.join("\n");
    assert_eq!(text.lines().find(wide), None);
    insta::assert_snapshot!(text);
}

#[test]
fn own_values_are_kept_and_what_they_break_is_said() {
    let mut wants = wants(1, 10);
    wants.environments[0].overrides = Overrides {
        workers: Some(60),
        memory_soft: Some(Bytes::mib(600)),
        memory_hard: Some(Bytes::mib(600)),
        db_maxconn: Some(64),
        ..Overrides::default()
    };
    let sizing = size(&host(4, 8), &wants).unwrap();
    assert_eq!(sizing.environments.values().next().unwrap().workers, 60);
    let said: Vec<String> = sizing.problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"));
    let one = Overrides {
        workers: Some(1),
        ..Overrides::default()
    };
    wants.environments[0].overrides = one;
    assert!(matches!(
        size(&host(4, 8), &wants).unwrap().problems[..],
        [Problem::OneWorker { .. }]
    ));
}

#[test]
fn options_exist_only_where_the_series_has_them() {
    let mut wants = wants(1, 10);
    let gevent = |wants: &Wants| {
        size(&host(4, 8), wants)
            .unwrap()
            .environments
            .into_values()
            .next()
            .unwrap()
    };
    assert!(gevent(&wants).gevent_memory.is_some());
    wants.environments[0].series = Series::V17;
    assert_eq!(
        (gevent(&wants).gevent_memory, gevent(&wants).db_maxconn_gevent),
        (None, Some(32))
    );
    wants.environments[0].overrides.workers = Some(0);
    assert_eq!(
        gevent(&wants).db_maxconn_gevent,
        None,
        "a threaded server has no gevent process"
    );
}

#[test]
fn a_two_gigabyte_machine_of_one_core_runs_threaded() {
    let small = Host {
        cores: 1,
        memory: Bytes::mib(1945),
    };
    let sizing = size(&small, &wants(3, 5)).unwrap();
    assert!(sizing.environments.values().all(|e| e.workers == 0));
}

/// One production on a server that somebody else runs, with so many connections.
fn on_given(connections: u32) -> Sizing {
    let wants = Wants {
        reserve_environments: 0,
        server: Some(Server {
            connections: Some(connections),
        }),
        ..wants(1, 40)
    };
    size(&host(4, 16), &wants).unwrap()
}

#[test]
fn a_server_of_somebody_else_has_so_many_connections_and_no_more() {
    let mut table = String::new();
    for connections in [400, 200, 160, 97, 60, 22] {
        let sizing = on_given(connections);
        let one = &sizing.environments[&"production".parse().unwrap()];
        let sum: u32 = sizing.explain.iter().map(|line| line.connections).sum();
        let (workers, short) = (one.workers, sizing.short_of_connections());
        writeln!(
            table,
            "{connections:>4}: {workers} workers, {sum} in all, short of {short:?}"
        )
        .unwrap();
        assert_eq!(sizing.postgres.max_connections, connections);
        assert_eq!(short.is_some(), sum > connections);
    }
    insta::assert_snapshot!(table);
}

#[test]
fn servers_of_one_edition_each_share_the_memory_of_one() {
    let (whole, apart) = (wants(1, 40), wants(1, 40));
    let apart = Wants {
        apart: Some(3),
        ..apart
    };
    let [whole, apart] = [whole, apart].map(|wants| size(&host(4, 16), &wants).unwrap());
    let quarter = |bytes: Bytes| Bytes::mib(bytes.as_mib() / 4);
    let (one, each) = (&whole.postgres, &apart.postgres);
    assert_eq!(each.shared_buffers, quarter(one.shared_buffers));
    assert_eq!(each.maintenance_work_mem, quarter(one.maintenance_work_mem));
    assert_eq!(each.effective_cache_size, quarter(one.effective_cache_size));
    assert_eq!(each.max_connections, one.max_connections);
    let line = |sizing: &Sizing| {
        sizing
            .explain
            .iter()
            .find(|line| line.subject == "postgres")
            .unwrap()
            .clone()
    };
    assert!(line(&apart).memory > line(&whole).memory && line(&apart).reason.contains("3 servers"));
}

fn any_wants() -> impl Strategy<Value = Wants> {
    let environment = (1..300_u32, any::<bool>());
    let apart = prop::option::of(1..9_u32);
    (
        prop::collection::vec(environment, 1..8),
        0..5_u32,
        any::<bool>(),
        apart,
    )
        .prop_map(|(list, reserve, redis, apart)| {
            let named = list
                .iter()
                .enumerate()
                .map(|(n, (users, production))| want(&format!("e{n}"), *users, *production));
            Wants {
                environments: named.collect(),
                reserve_environments: reserve,
                sessions_redis: redis,
                apart,
                server: None,
            }
        })
}

fn any_host() -> impl Strategy<Value = Host> {
    (1..65_u32, 512..262_144_u64).prop_map(|(cores, mib)| Host {
        cores,
        memory: Bytes::mib(mib),
    })
}

proptest! {
    #[test]
    fn never_promises_more_than_there_is(host in any_host(), wants in any_wants()) {
        match size(&host, &wants) {
            Err(refused) => {
                prop_assert!(refused.need > host.memory);
                let enough = Host { memory: refused.need, ..host };
                prop_assert!(size(&enough, &wants).is_ok());
            }
            Ok(sizing) => {
                prop_assert_eq!(&sizing.problems, &[]);
                let memory: u64 = sizing.explain.iter().map(|l| l.memory.0).sum();
                prop_assert_eq!(memory, host.memory.0);
                let connections: u32 = sizing.explain.iter().map(|l| l.connections).sum();
                prop_assert!(connections <= sizing.postgres.max_connections);
                prop_assert!(sizing.environments.values().all(|e| e.workers != 1 && e.time_real.0 < 720));
            }
        }
    }

    #[test]
    fn a_copy_within_the_reserve_changes_nothing_for_others(host in any_host(), mut wants in any_wants(), users in 1..50_u32) {
        let copies = wants.environments.iter().filter(|w| !w.production).count();
        wants.reserve_environments = u32::try_from(copies).unwrap() + 1;
        let Ok(before) = size(&host, &wants) else { return Ok(()) };
        wants.environments.push(want("new", users, false));
        let mut after = size(&host, &wants).unwrap();
        after.environments.remove(&"new".parse().unwrap());
        prop_assert_eq!(before.postgres, after.postgres);
        prop_assert_eq!(before.environments, after.environments);
    }

    #[test]
    fn more_users_need_no_restart_of_the_cluster(host in any_host(), mut wants in any_wants(), users in 1..500_u32) {
        let Ok(before) = size(&host, &wants) else { return Ok(()) };
        wants.environments[0].users = users;
        prop_assert_eq!(before.postgres, size(&host, &wants).unwrap().postgres);
    }

    /// Editions come and go while others serve; a restart of the cluster would be felt by all of them.
    #[test]
    fn an_edition_more_or_less_needs_no_restart_of_the_cluster(count in 2..=4_u32, users in 1..200_u32, apart in any::<bool>()) {
        let editions = |count| Wants {
            apart: apart.then_some(count),
            environments: (0..count).map(|n| want(&format!("edition-{n}"), users, true)).collect(),
            ..wants(1, users)
        };
        let roomy = host(8, 64);
        prop_assert_eq!(size(&roomy, &editions(count)).unwrap().postgres, size(&roomy, &editions(count - 1)).unwrap().postgres);
    }

    #[test]
    fn more_memory_is_never_refused(host in any_host(), wants in any_wants(), more in 1..65_536_u64) {
        let bigger = Host { memory: Bytes(host.memory.0 + Bytes::mib(more).0), ..host };
        prop_assert!(size(&host, &wants).is_err() || size(&bigger, &wants).is_ok());
    }
}
