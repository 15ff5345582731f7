//! Every spec that the file can express comes back equal from its print.
use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::backup::retention::{Keep, Within};
use crate::units::Seconds;

/// Two of them fit into the name of a user.
fn name() -> impl Strategy<Value = Name> {
    "[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,6})?".prop_map(|t| t.parse().unwrap())
}

fn path() -> impl Strategy<Value = Utf8PathBuf> {
    "(/[a-z0-9_][A-Za-z0-9._+@-]{0,8}x){1,3}".prop_map(Utf8PathBuf::from)
}

fn domain() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{2,6}){0,2}"
}

fn address() -> impl Strategy<Value = HostPort> {
    let host = prop_oneof![domain(), Just("127.0.0.1".to_owned()), Just("::1".to_owned())];
    (host, 1..=u16::MAX).prop_map(|(host, port)| HostPort { host, port })
}

fn secret() -> impl Strategy<Value = SecretRef> {
    prop_oneof![
        "[A-Z][A-Z0-9_]{0,9}".prop_map(SecretRef::Named),
        vec("[a-z0-9/=:.]{1,8}", 1..4).prop_map(SecretRef::Command),
    ]
}

/// Any text without control characters that does not read as a secret.
fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}".prop_filter("a secret reference", |t| {
        !t.starts_with("secret:") && !t.chars().any(char::is_control)
    })
}

fn modules() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::btree_set("[a-z][a-z0-9_]{0,8}", 0..4).prop_map(|s| s.into_iter().collect())
}

fn source() -> impl Strategy<Value = (Series, Source)> {
    let series = prop_oneof![Just(Series::V17), Just(Series::V18), Just(Series::V19)];
    let url = prop_oneof![
        Just("https://github.com/odoo/odoo.git".to_owned()),
        path().prop_map(String::from)
    ];
    let git = (url, of("[0-9a-f]{40}")).prop_map(|(url, commit)| Source::Git { url, commit });
    let deb = (path(), of("[0-9a-f]{64}"));
    let deb = deb.prop_map(|(location, sha256)| Source::Deb {
        location: location.into(),
        sha256,
    });
    let remote = "[0-9a-f]{64}".prop_map(|sha| Source::Deb {
        location: "https://example.com/odoo.deb?a=1".to_owned(),
        sha256: Some(sha),
    });
    let path = path().prop_map(|directory| Source::Path { directory });
    let debian = Just((
        Series::V19,
        Source::Debian {
            suite: "sid".to_owned(),
        },
    ));
    prop_oneof![(series, prop_oneof![git, deb, remote, path]), debian]
}

/// Options of every series that take any text.
fn option() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("csv_internal_sep".to_owned()),
        Just("from_filter".to_owned())
    ]
}

fn odoo() -> impl Strategy<Value = Odoo> {
    let python = of(prop_oneof![
        Just("python3.12".to_owned()),
        path().prop_map(String::from)
    ]);
    let mirror = of("http://[a-z]{1,5}/debian".prop_map(|text| text));
    let options = btree_map(option(), "[a-z]{1,4}", 0..2);
    (source(), mirror, python, options).prop_map(|((series, source), debian_mirror, python, options)| Odoo {
        series,
        source,
        debian_mirror,
        python,
        options,
    })
}

fn addons() -> impl Strategy<Value = Addons> {
    let named = "[a-z0-9][a-z0-9_-]{0,9}";
    let group = (0_u32..9, of("[a-z ]{1,9}x")).prop_map(|(order, description)| Group { order, description });
    let host = (
        of("[A-Z][A-Z0-9_]{0,9}".prop_map(SecretRef::Named)),
        any::<bool>(),
    )
        .prop_map(|(key, insecure)| GitHost {
            key,
            known: Vec::new(),
            insecure,
        });
    let tables = (
        btree_map(named, repository(), 0..3),
        btree_map(named, group, 0..3),
        btree_map(domain(), host, 0..3),
    );
    (modules(), "[a-z]{1,5}/[a-z]{1,5}", modules(), tables).prop_map(|(own, oca, requirements, tables)| {
        let (mut repositories, groups, hosts) = tables;
        for repository in repositories.values_mut() {
            repository.group = groups.keys().next().cloned();
        }
        Addons {
            own,
            oca: Some(oca),
            requirements,
            repositories,
            groups,
            hosts,
        }
    })
}

fn repository() -> impl Strategy<Value = Repository> {
    let url = prop_oneof![
        Just("https://github.com/OCA/web.git".to_owned()),
        Just("git@github.com:acme/web.git".to_owned()),
        path().prop_map(String::from)
    ];
    let merge = (of(path().prop_map(String::from)), "refs/pull/[1-9]{1,4}/head")
        .prop_map(|(url, reference)| MergeSource { url, reference });
    let merges = vec(merge, 0..3).prop_map(|mut list| {
        list.dedup();
        list.truncate(1);
        list
    });
    let place = (url, "[0-9]{2}\\.0(-[a-z]{1,5})?", of("[0-9a-f]{40}"));
    (place, modules(), merges).prop_map(|((url, branch, commit), modules, merges)| Repository {
        url,
        branch,
        commit,
        modules,
        merges,
        group: None,
    })
}

fn mail() -> impl Strategy<Value = Mail> {
    let relay =
        of((address(), of(secret())).prop_map(|(address, credentials)| Relay { address, credentials }));
    let from = of(("[a-z.]{1,8}", domain()).prop_map(|(user, host)| format!("{user}@{host}")));
    (relay, address(), from).prop_map(|(relay, catcher, from)| Mail { relay, catcher, from })
}

fn postgres() -> impl Strategy<Value = Postgres> {
    (
        of(13_u16..=18),
        of(1_u16..80),
        btree_map("[a-z][a-z_.]{0,9}", text(), 0..3),
        proptest::bool::ANY,
    )
        .prop_map(|(version, port, options, apart)| Postgres {
            // One port is that of one server.
            cluster: if apart && port.is_none() {
                Clusters::PerEdition
            } else {
                Clusters::Shared
            },
            version,
            port,
            directory: None,
            url: None,
            password: None,
            roles: Roles::Given,
            options,
        })
}

/// A server that somebody else runs has one environment or a role for each, and nothing that only a cluster of one's own heeds.
fn given(own: Postgres, environments: usize) -> Postgres {
    if own.version.is_some() || own.port.is_some() || !own.options.is_empty() {
        return own;
    }
    Postgres {
        cluster: Clusters::Shared,
        url: Some("postgres://odoo@db.example.com:25060/x".parse().unwrap()),
        password: Some("secret:DATABASE_PASSWORD".parse().unwrap()),
        roles: if environments == 1 {
            Roles::Given
        } else {
            Roles::PerEnvironment
        },
        ..own
    }
}

fn images() -> impl Strategy<Value = Images> {
    let image = || "[a-z]{1,8}(:[a-z0-9.]{0,4}[a-z0-9])?";
    (image(), image(), image()).prop_map(|(postgres, nginx, redis)| Images {
        postgres,
        nginx,
        redis,
    })
}

/// Containers are made from images.
fn runs_on(odoo: Odoo, engine: Engine) -> Odoo {
    let name = format!("example.com/odoo:{}", odoo.series);
    match engine {
        Engine::Native => odoo,
        Engine::Compose => Odoo {
            source: Source::Image { name },
            ..odoo
        },
    }
}

fn web() -> impl Strategy<Value = Web> {
    (
        Just(vec!["10.0.0.1".to_owned(), "[::]".to_owned()]),
        80_u16..443,
        443_u16..1000,
        1_u64..,
        1_u32..=100_000,
    )
        .prop_map(|(listen, http_port, https_port, body, login_rate)| Web {
            listen,
            http_port,
            https_port,
            body_limit: Bytes(body),
            login_rate,
        })
}

fn capacity() -> impl Strategy<Value = Capacity> {
    (of(1_u32..=4096), of((1_u64..).prop_map(Bytes)), 0_u32..=100).prop_map(
        |(cores, memory, reserve_environments)| Capacity {
            cores,
            memory,
            reserve_environments,
        },
    )
}

fn keep() -> impl Strategy<Value = Keep> {
    let counts = (0_u32..9, 0_u32..9, 0_u32..9, 0_u32..9, 0_u32..9, 0_u32..9);
    let within = of((1_u32..9, 0_u32..12).prop_map(|(days, months)| Within {
        months,
        days,
        ..Within::default()
    }));
    (counts, within).prop_map(|((last, hourly, daily, weekly, monthly, yearly), within)| Keep {
        last,
        hourly,
        daily,
        weekly,
        monthly,
        yearly,
        within,
    })
}

fn backup() -> impl Strategy<Value = Backup> {
    let when =
        || of(prop_oneof![Just("02:00"), Just("Mon,Thu 22:30")]).prop_map(|w| w.map(|t| t.parse().unwrap()));
    let seconds = || (1_u64..1 << 30).prop_map(Seconds);
    let age = (seconds(), seconds(), seconds()).prop_map(|(made, offsite, proven)| BackupAge {
        made,
        offsite,
        proven,
    });
    let all = (when(), when(), any::<bool>(), keep(), age, of(offsite()));
    all.prop_map(|(schedule, drill, gentle, keep, age, offsite)| Backup {
        schedule,
        drill,
        gentle,
        keep,
        age,
        offsite,
    })
}

fn offsite() -> impl Strategy<Value = Offsite> {
    let addresses = prop_oneof![
        Just("https://s3.example.com/odoo-backups"),
        Just("http://127.0.0.1:9000/backups/erp")
    ];
    let bucket = (addresses, secret(), of(secret()), any::<bool>()).prop_map(
        |(address, credentials, prune, object_lock)| Elsewhere::Bucket {
            address: address.parse().unwrap(),
            style: if object_lock {
                BucketStyle::Virtual
            } else {
                BucketStyle::Path
            },
            region: "eu-1".to_owned(),
            credentials,
            prune_credentials: prune,
            object_lock,
        },
    );
    let directory = "/mnt/[a-z]{1,8}".prop_map(|path| Elsewhere::Directory(path.into()));
    let bandwidth = of((1_u64..1 << 20).prop_map(|n| Bytes(n << 10)));
    (prop_oneof![bucket, directory], bandwidth, keep()).prop_map(|(place, bandwidth, keep)| Offsite {
        place,
        bandwidth,
        keep,
    })
}

fn edition() -> impl Strategy<Value = Edition> {
    (modules(), modules(), modules(), any::<bool>()).prop_map(|(modules, server_wide, only, jobrunner)| {
        Edition {
            modules,
            server_wide,
            only,
            jobrunner,
        }
    })
}

fn tls() -> impl Strategy<Value = Tls> {
    let files = (path(), path()).prop_map(|(certificate, key)| Tls::Files { certificate, key });
    prop_oneof![Just(Tls::Local), files]
}

/// An environment whose name, edition, domain and database still have to be made its own.
fn environment() -> impl Strategy<Value = Environment> {
    let kind = prop_oneof![
        Just(Kind::Production),
        Just(Kind::Staging),
        Just(Kind::Development)
    ];
    let limits = of(1_u64..1 << 40);
    let numbers = (
        1_u32..=100_000,
        of(0_u32..=512),
        of(0_u32..=64),
        limits,
        of(1_u32..=10_000),
    );
    let value = prop_oneof![text().prop_map(Value::Plain), secret().prop_map(Value::Secret)];
    let env = btree_map("[A-NQ-Z_][A-Z0-9_]{0,9}", value, 0..4);
    let language = prop_oneof![Just("en_US".to_owned()), Just("sr@latin".to_owned())];
    (kind, any::<bool>(), numbers, language, tls(), env).prop_map(
        |(kind, demo, numbers, language, tls, env)| Environment {
            kind,
            edition: "core".parse().unwrap(),
            copy_of: None,
            refresh: None,
            domain: String::new(),
            http_port: None,
            database: String::new(),
            directory: None,
            demo: demo && kind != Kind::Production,
            reload: numbers.0 % 2 == 0 && kind == Kind::Development,
            sessions: match numbers.0 % 3 {
                0 => Sessions::Redis,
                1 => Sessions::Database,
                _ => Sessions::Disk,
            },
            users: numbers.0,
            workers: numbers.1.map(|workers| {
                if numbers.0 % 2 == 0 && kind == Kind::Development {
                    0
                } else {
                    workers
                }
            }),
            cron_workers: numbers.2,
            memory_soft: numbers.3.map(Bytes),
            memory_hard: numbers.3.map(|n| Bytes(n + 1)),
            db_maxconn: numbers.4,
            language,
            tls,
            env,
        },
    )
}

type Environments = BTreeMap<Name, Environment>;

fn environments() -> impl Strategy<Value = (BTreeMap<Name, Edition>, Environments)> {
    let all = btree_map(name(), environment(), 1..4);
    (btree_map(name(), edition(), 1..4), all, domain()).prop_map(|(editions, mut all, domain)| {
        for (index, (name, environment)) in all.iter_mut().enumerate() {
            environment.edition = editions.keys().cycle().nth(index).unwrap().clone();
            environment.domain = format!("{name}.{domain}");
            environment.database = format!("db_{index}-{name}");
            environment.http_port = u16::try_from(index)
                .ok()
                .filter(|i| i % 2 == 0)
                .map(|i| 20_000 + i);
        }
        (editions, all)
    })
}

fn spec() -> impl Strategy<Value = Spec> {
    let zone = prop_oneof![Just("UTC"), Just("Europe/Paris"), Just("Asia/Singapore")];
    let zone = zone.prop_map(|text| text.parse().unwrap());
    let name = name().prop_filter("a name of PostgreSQL's", |name| {
        !format!("{name}-").starts_with("pg-")
    });
    let pack = (name, path(), zone, proptest::bool::ANY);
    let pack = pack.prop_map(|(name, root, timezone, compose)| Pack {
        name,
        root,
        engine: if compose { Engine::Compose } else { Engine::Native },
        timezone,
    });
    (
        pack,
        odoo(),
        addons(),
        mail(),
        postgres(),
        images(),
        web(),
        capacity(),
        backup(),
        environments(),
    )
        .prop_map(
            |(
                pack,
                odoo,
                addons,
                mail,
                postgres,
                images,
                web,
                capacity,
                backup,
                (editions, mut environments),
            )| {
                let postgres = given(postgres, environments.len());
                if postgres.is_given() {
                    without_databases(&mut environments);
                }
                Spec {
                    postgres: taken_over(postgres, pack.engine),
                    odoo: runs_on(odoo, pack.engine),
                    pack,
                    addons,
                    mail,
                    images,
                    web,
                    capacity,
                    backup,
                    editions,
                    environments,
                }
            },
        )
}

/// Their sessions have a database of their own on the pack's own server only.
fn without_databases(environments: &mut BTreeMap<Name, Environment>) {
    let asked = environments.values_mut();
    for environment in asked.filter(|one| one.sessions == Sessions::Database) {
        environment.sessions = Sessions::Redis;
    }
}

/// Containers alone take over what another stack made.
fn taken_over(postgres: Postgres, engine: Engine) -> Postgres {
    let taken = engine == Engine::Compose && postgres.cluster == Clusters::Shared && !postgres.is_given();
    let directory = taken.then(|| "/srv/old-stack/db".into());
    Postgres {
        directory,
        ..postgres
    }
}

proptest! {
    #[test]
    fn comes_back_equal_from_its_print(spec in spec()) {
        let text = print(&spec);
        let again = load(&text, &context()).unwrap_or_else(|m| panic!("{m}\n{text}"));
        prop_assert_eq!(again.spec, spec);
    }
}
