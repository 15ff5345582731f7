//! Snapshots per series, refusals, and reading back.
use proptest::prelude::*;

use super::*;
use crate::odoo::conf_file;

fn example(series: Series) -> OdooConf {
    OdooConf {
        series,
        made_from: "3f9c2d1e".to_owned(),
        title: "production of insightpulse".to_owned(),
        database: Database {
            host: "/opt/odoo-ce/data/run/postgres".to_owned(),
            port: Some(5432),
            user: "insightpulse_production".to_owned(),
            password: Some(SecretText::new("p%w;r#d $HOME = x")),
            name: "insightpulse_production".to_owned(),
            maxconn: 8,
            sslmode: None,
            maxconn_gevent: Some(24),
        },
        addons_path: vec![
            "/opt/odoo-ce/data/addons".into(),
            "/opt/odoo-ce/data/odoo/addons".into(),
        ],
        data_dir: "/opt/odoo-ce/data/environments/production".into(),
        http: Http {
            interface: "127.0.0.1".to_owned(),
            port: 20_001,
            gevent_port: 20_002,
            proxy_mode: true,
            x_sendfile: true,
        },
        workers: 4,
        max_cron_threads: 2,
        limits: Limits {
            memory_soft: Bytes::gib(2),
            memory_hard: Bytes::mib(2560),
            memory_soft_gevent: Some(Bytes::gib(2)),
            memory_hard_gevent: Some(Bytes::gib(3)),
            time_cpu: Seconds(60),
            time_real: Seconds(120),
            time_real_cron: Some(Seconds(1800)),
            requests: 65_536,
        },
        admin_password_hash: SecretText::new("$pbkdf2-sha512$600000$c2FsdA$aGFzaA"),
        server_wide_modules: vec!["web".to_owned(), "session_db".to_owned()],
        mail: Some(Mail {
            server: "smtp.mailgun.org".to_owned(),
            port: 587,
            starttls: true,
            user: Some("postmaster".to_owned()),
            password: Some(SecretText::new("mail secret")),
            from_filter: None,
        }),
        email_from: Some("erp@insightpulseai.net".to_owned()),
        demo: false,
        log_level: "info".to_owned(),
        log_handler: vec![":INFO".to_owned()],
        unaccent: true,
        geoip_city: None,
        geoip_country: None,
        options: BTreeMap::from([
            ("log_level".to_owned(), "warn".to_owned()),
            ("transient_age_limit".to_owned(), "2.0".to_owned()),
        ]),
    }
}

fn entries(conf: &OdooConf) -> Vec<(String, String)> {
    let file = conf_file::read(render(conf).unwrap().expose());
    assert_eq!(file.mistakes, []);
    file.entries
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect()
}

#[test]
fn writes_what_each_series_reads() {
    insta::assert_snapshot!("v17", render(&example(Series::V17)).unwrap().expose());
    insta::assert_snapshot!("v18", render(&example(Series::V18)).unwrap().expose());
    insta::assert_snapshot!("v19", render(&example(Series::V19)).unwrap().expose());
}

#[test]
fn shows_no_secret() {
    let shown = shown(&example(Series::V18)).unwrap();
    assert!(shown.contains("db_password = ***") && shown.contains("admin_passwd = ***"));
    assert!(!shown.contains("p%w") && !shown.contains("mail secret") && !shown.contains("pbkdf2"));
    assert!(!format!("{:?}", example(Series::V18)).contains("mail secret"));
}

#[test]
fn writes_only_options_that_the_series_has_and_each_once() {
    for series in Series::ALL {
        let mut names: Vec<_> = entries(&example(series))
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(
            names
                .iter()
                .all(|name| crate::odoo::options::find(series, name).is_some())
        );
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

#[test]
fn a_rendered_file_leaves_the_judge_little_to_say() {
    for series in Series::ALL {
        let mut conf = example(series);
        conf.addons_path = vec!["/opt/odoo-ce/data/addons".into()];
        conf.database.password = Some(SecretText::new("plain"));
        let read = conf_file::read(render(&conf).unwrap().expose());
        let ids: Vec<_> = conf_file::judge(series, &read.entries)
            .into_iter()
            .map(|note| note.id)
            .collect();
        assert_eq!(ids, ["memory-plan"], "{series}");
    }
}

#[test]
fn refuses_what_odoo_conf_cannot_say() {
    let refused = |change: &dyn Fn(&mut OdooConf)| {
        let mut conf = example(Series::V18);
        change(&mut conf);
        render(&conf).map_or_else(|mistake| mistake.to_string(), |_| "rendered".to_owned())
    };
    let told = [
        refused(&|c| c.database.password = Some(SecretText::new("a\nlist_db = True"))),
        refused(&|c| c.database.password = Some(SecretText::new("blank "))),
        refused(&|c| c.database.password = Some(SecretText::new("None"))),
        refused(&|c| "postgres".clone_into(&mut c.database.user)),
        refused(&|c| c.database.name = "a,b".to_owned()),
        refused(&|c| c.http.interface = String::new()),
        refused(&|c| c.data_dir = "~/data".into()),
        refused(&|c| c.addons_path = vec!["/a,b".into()]),
        refused(&|c| c.log_level = "loud".to_owned()),
        refused(&|c| c.title = "x\n[options]".to_owned()),
        refused(&|c| c.options = BTreeMap::from([("list_db".to_owned(), "True".to_owned())])),
        refused(&|c| c.options = BTreeMap::from([("unaccent".to_owned(), "1".to_owned())])),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

proptest! {
    #[test]
    fn reading_gives_back_what_was_rendered(
        password in "\\PC{1,20}",
        name in "[a-z%$;#=: _\\[\\]\"']{1,12}",
        path in "/[^\\p{C}]{0,12}",
        handler in "[a-z.:;#A-Z]{1,12}",
        number in any::<u32>(),
        series in prop::sample::select(Series::ALL.to_vec()),
    ) {
        let mut conf = example(series);
        conf.database.password = Some(SecretText::new(password.clone()));
        conf.database.name.clone_from(&name);
        conf.data_dir = path.clone().into();
        conf.log_handler = vec![handler.clone()];
        conf.workers = number;
        if render(&conf).is_ok() {
            let read: BTreeMap<_, _> = entries(&conf).into_iter().collect();
            for (key, value) in [("db_password", password), ("db_name", name), ("data_dir", path), ("log_handler", handler)] {
                prop_assert_eq!(&read[key], &value);
            }
            prop_assert_eq!(&read["workers"], &number.to_string());
        }
    }
}
