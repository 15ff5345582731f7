//! Reader against Python, rules against the reference pack.
use super::*;
use crate::odoo::Series;

fn told(notes: &[Note]) -> String {
    let line = |note: &Note| note.line.map_or_else(|| "-".to_owned(), |line| line.to_string());
    let say = |note: &Note| {
        format!(
            "{:?} {} line {}\n  {}\n  {}\n  -> {}",
            note.severity,
            note.id,
            line(note),
            note.what,
            note.why,
            note.fix
        )
    };
    notes.iter().map(say).collect::<Vec<_>>().join("\n")
}

fn ids(series: Series, text: &str) -> Vec<&'static str> {
    judge(series, &read(text).entries)
        .iter()
        .map(|note| note.id)
        .collect()
}

#[test]
fn reads_what_python_reads() {
    let file = read(include_str!("../../../fixtures/tricky.conf"));
    let wanted: Vec<[String; 3]> = include_str!("../../../fixtures/tricky.conf.entries")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut read: Vec<[String; 3]> = file
        .entries
        .into_iter()
        .map(|entry| [entry.section, entry.key, entry.value])
        .collect();
    read.sort_by_key(|[section, ..]| section != "DEFAULT");
    assert_eq!(read, wanted);
    assert_eq!(file.mistakes, []);
}

#[test]
fn reports_every_mistake_with_its_line() {
    let file = read("x = 1\n[options]\na = 1\nA = 2\n  more\nnonsense\n= 3\n[options]\nb = 1\n");
    let told: Vec<_> = file.mistakes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(
        file.entries
            .iter()
            .map(|e| (e.key.as_str(), e.value.as_str()))
            .collect::<Vec<_>>(),
        [("a", "1"), ("b", "1")]
    );
    assert_eq!(file.mistakes[0].note().id, "no-section");
}

#[test]
fn explains_the_reference_pack() {
    let file = read(include_str!("../../../fixtures/seed-odoo.conf"));
    assert_eq!(file.mistakes, []);
    insta::assert_snapshot!("seed_18", told(&judge(Series::V18, &file.entries)));
    insta::assert_snapshot!("seed_19", told(&judge(Series::V19, &file.entries)));
}

#[test]
fn has_nothing_to_say_about_a_sound_file() {
    let sound = "[options]\ndb_name = odoo\ndb_user = odoo\nlist_db = False\nworkers = 4\ndb_maxconn = 8\n\
        proxy_mode = True\nwithout_demo = all\ndata_dir = /srv/odoo\nadmin_passwd = $pbkdf2-sha512$600000$x\n\
        dbfilter = ^%d$\nlogfile = False\n";
    for series in [Series::V17, Series::V18] {
        assert_eq!(ids(series, sound), ["memory-plan"], "{series}");
    }
}

#[test]
fn finds_one_thing_in_one_line() {
    let cases = [
        (Series::V17, "longpolling_port = 8072", "old-name"),
        (Series::V19, "longpolling_port = 8072", "removed-option"),
        (Series::V18, "list_db = 0", "bad-value"),
        (Series::V18, "list_db = False  # closed", "inline-comment"),
        (Series::V19, "db_host = False", "false-for-nothing"),
        (Series::V18, "db_user = postgres", "superuser"),
        (Series::V18, "data_dir = \"/srv\"", "quoted-value"),
        (Series::V18, "smtp_password = $SMTP", "not-interpolated"),
        (Series::V18, "email_from = %(sender)s", "not-interpolated"),
        (Series::V18, "workers = 1", "one-worker"),
        (Series::V18, "limit_memory_soft = 629145600", "virtual-memory"),
        (Series::V18, "limit_memory_hard = 2000000000", "hard-below-soft"),
        (
            Series::V18,
            "addons_path = /mnt/extra-addons,/opt/OCA/",
            "repositories-in-addons-path",
        ),
        (Series::V18, "test_enable = True", "command-line-only"),
        (Series::V18, "proxymode = True", "unknown-option"),
        (Series::V18, "logfile = /var/log/odoo.log", "logfile"),
        (Series::V19, "without_demo = all", "old-name"),
        (Series::V18, "admin_passwd = hunter2", "master-password-plain"),
        (Series::V18, "workers = 12", "connections"),
        (Series::V18, "list_db = False", "no-database-name"),
    ];
    for (series, line, id) in cases {
        let found = ids(series, &format!("[options]\n{line}\n"));
        assert!(found.contains(&id), "{series} {line}: {found:?}");
    }
    for (series, open) in [(Series::V18, true), (Series::V19, false)] {
        for word in ["0", "no"] {
            let found = ids(series, &format!("[options]\ndb_name = x\nlist_db = {word}\n"));
            assert_eq!(
                found.contains(&"database-list-open"),
                open,
                "{series} {word}: {found:?}"
            );
        }
    }
    assert!(ids(Series::V19, "[options]\n[queue_job]\nchannels = root:2\n").contains(&"foreign-section"));
}

#[test]
fn never_repeats_a_secret() {
    let text =
        "[options]\nadmin_passwd = hunter2 # x\ndb_password = 'hunter2'\nsmtp_password = hunter2 ; hunter2\n";
    let notes = judge(Series::V18, &read(text).entries);
    assert!(!told(&notes).contains("hunter2"));
}
