//! The file goes out and comes back; what is not pinned is refused; what differs is named.
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::spec::{LoadContext, load};

const SHA: &str = "dbff15b4a07ad5b22dc61de095e2b1bea1b4ad1d";
const TREE: &str = "0123456789abcdef0123456789abcdef01234567";

fn locked(modules: &[(&str, &str)]) -> Locked {
    let owned = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
    Locked {
        url: "https://github.com/OCA/project".to_owned(),
        branch: "18.0".to_owned(),
        commit: SHA.to_owned(),
        merges: Vec::new(),
        merged: None,
        tree: TREE.to_owned(),
        group: None,
        modules: modules.iter().map(owned).collect(),
        python: Vec::new(),
        debian: Vec::new(),
    }
}

fn lock() -> Lock {
    Lock {
        format: FORMAT,
        series: Series::V18,
        odoo: OdooPin::Git {
            url: "https://github.com/odoo/odoo.git".to_owned(),
            commit: SHA.to_owned(),
        },
        repositories: [(
            "project".to_owned(),
            locked(&[("project_timeline", "18.0.1.1.0")]),
        )]
        .into(),
        groups: BTreeMap::new(),
        debian: Vec::new(),
        python: Some(Python {
            inputs: "ab".repeat(32),
            targets: [(
                "3.11 x86_64 glibc".to_owned(),
                distributions("a==1 --hash=sha256:bb\n")
                    .into_iter()
                    .map(|p| Distribution {
                        hashes: vec![format!("sha256:{}", "cd".repeat(32))],
                        ..p
                    })
                    .collect(),
            )]
            .into(),
        }),
    }
}

#[test]
fn the_text_is_sorted_and_readable() {
    insta::assert_snapshot!(lock().text());
}

#[test]
fn what_is_not_pinned_is_refused_with_the_command_that_pins_it() {
    let text = lock().text();
    for (old, new, says, help) in [
        (
            format!("\"commit\": \"{SHA}\",\n      \"tree\""),
            "\"commit\": null,\n      \"tree\"".to_owned(),
            "commit of `project` is missing, which is no pin",
            "`odoopack oca update project`",
        ),
        (
            format!("\"commit\": \"{SHA}\",\n      \"tree\""),
            "\"commit\": \"HEAD\",\n      \"tree\"".to_owned(),
            "commit of `project` is `HEAD`, which is no pin",
            "`odoopack oca update project`",
        ),
        (
            format!("\"tree\": \"{TREE}\""),
            "\"tree\": \"0123456\"".to_owned(),
            "tree of `project` is `0123456`, an id cut off, which is no pin",
            "`odoopack oca update project`",
        ),
        (
            format!("\"commit\": \"{SHA}\"\n    }}"),
            "\"commit\": \"18.0\"\n    }".to_owned(),
            "commit of `odoo` is `18.0`, a branch or tag, which is no pin",
            "`odoopack lock --update`",
        ),
        (
            "\"project\": {".to_owned(),
            "\"../x\": {".to_owned(),
            "`../x` is no name of a repository",
            "take the file from git again, or remove it and run `odoopack lock`",
        ),
        (
            format!("sha256:{}", "cd".repeat(32)),
            "sha256:1".to_owned(),
            "`a` of 3.11 x86_64 glibc has no SHA-256 that could be checked",
            "take the file from git again, or remove it and run `odoopack lock`",
        ),
        (
            "\"format\": 1".to_owned(),
            "\"format\": 2".to_owned(),
            "format 2 is newer than this program, which reads format 1",
            "upgrade odoopack on this machine",
        ),
        (
            "\"format\": 1,".to_owned(),
            String::new(),
            "it has no `format`: another program wrote it",
            "`odoopack import oca.lock.json` carries it over, then `odoopack lock`",
        ),
    ] {
        let broken = text.replacen(&old, &new, 1);
        assert_ne!(broken, text, "{old}");
        let error = read(&broken).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.help().as_str()), (says, help));
    }
    let unknown = text.replacen("\"branch\"", "\"brunch\"", 1);
    assert!(read(&unknown).unwrap_err().to_string().starts_with("line 1"));
}

#[test]
fn what_an_installer_would_take_for_an_option_is_refused() {
    let text = lock().text();
    for (old, new, says) in [
        (
            "\"version\": \"1\"",
            "\"version\": \"1\\n--index-url x\"",
            "\"a\" \"1\\n--index-url x\" of 3.11 x86_64 glibc is no package with its version",
        ),
        (
            "\"modules\": {",
            "\"python\": [\"-r /root/x\"], \"modules\": {",
            "`project` needs \"-r /root/x\" of Python, which names no package",
        ),
    ] {
        let broken = text.replacen(old, new, 1);
        assert_ne!(broken, text, "{old}");
        assert_eq!(read(&broken).unwrap_err().to_string(), says);
    }
    // What two merged branches leave: nothing could be installed from it.
    let mut twice = lock();
    for list in twice
        .python
        .iter_mut()
        .flat_map(|python| python.targets.values_mut())
    {
        list.extend(list.clone());
    }
    let said = read(&twice.text()).unwrap_err().to_string();
    assert_eq!(said, "`a` stands twice in 3.11 x86_64 glibc");
}

#[test]
fn equal_content_has_equal_times_that_are_past() {
    assert_eq!(time_of(SHA), time_of(SHA));
    assert_ne!(time_of(SHA), time_of(TREE));
    for id in [SHA, TREE, "", "zz"] {
        assert!((1_000_000_000..1_500_000_000).contains(&time_of(id)), "{id}");
    }
}

#[test]
fn names_what_differs() {
    let mut old = lock();
    let mut new = lock();
    let python = old.python.as_mut().unwrap();
    python.targets.insert("3.12 aarch64 glibc".to_owned(), Vec::new());
    let project = new.repositories.get_mut("project").unwrap();
    project.commit = TREE.to_owned();
    project.modules = locked(&[("project_timeline", "18.0.1.2.0"), ("project_wbs", "18.0.1.0.0")]).modules;
    new.repositories.insert("web".to_owned(), locked(&[]));
    new.odoo = OdooPin::Git {
        url: "x".to_owned(),
        commit: TREE.to_owned(),
    };
    let package = &mut new
        .python
        .as_mut()
        .unwrap()
        .targets
        .get_mut("3.11 x86_64 glibc")
        .unwrap()[0];
    package.version = "2".to_owned();
    let said: Vec<String> = changes(Some(&old), &new)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "odoo: dbff15b4a07a -> 0123456789ab",
            "project: dbff15b4a07a -> 0123456789ab",
            "project: project_timeline 18.0.1.1.0 -> 18.0.1.2.0",
            "project: + project_wbs 18.0.1.0.0",
            "web: new, dbff15b4a07a with 0 modules",
            "python: no packages for 3.12 aarch64 glibc any more; `odoopack lock --target '3.12 aarch64 glibc'` chooses them again",
            "python: a 1 -> 2"
        ]
    );
    assert!(changes(Some(&old), &old).is_empty());
    assert_eq!(changes(None, &lock()).len(), 3);
}

fn seen(modules: &[(&str, &str)]) -> RepositorySeen {
    let one =
        |(name, text): &(&str, &str)| ((*name).to_owned(), ModuleSeen::read(text.as_bytes(), Series::V18));
    RepositorySeen {
        modules: modules.iter().map(one).collect(),
        ..RepositorySeen::default()
    }
}

#[test]
fn every_module_is_there_installable_and_of_the_series() {
    let locked = locked(&[
        ("good", "18.0.1.0.0"),
        ("old", "17.0.1.0.0"),
        ("off", "18.0.1.0.0"),
        ("moved", "18.0.1.0.0"),
        ("torn", "18.0.1.0.0"),
        ("base_sparse_field", "18.0.1.0.0"),
        ("neighbour", "18.0.1.0.0"),
        ("account_lock_date", "18.0.1.0.0"),
        ("option", "18.0.1.0.0"),
    ]);
    let seen = seen(&[
        ("good", "{'name': 'x', 'version': '18.0.1.0.0'}"),
        ("old", "{'name': 'x', 'version': '17.0.1.0.0'}"),
        (
            "off",
            "{'name': 'x', 'version': '18.0.1.0.0', 'installable': False}",
        ),
        ("moved", "{'name': 'x', 'version': '18.0.2.0.0'}"),
        ("torn", "{'name': "),
        (
            "option",
            "{'name': 'x', 'version': '18.0.1.0.0', 'external_dependencies': {'python': ['--index-url x']}}",
        ),
    ]);
    let elsewhere = |module: &str| match module {
        "neighbour" => Elsewhere::Neighbour("web".to_owned()),
        other => Elsewhere::Known(crate::modules::provider(other, Series::V18)),
    };
    let breaks = module_breaks("project", &locked, &seen, &elsewhere);
    let kinds: Vec<(&str, &str)> = breaks.iter().map(|b| (b.about.as_str(), b.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("project/account_lock_date", "missing-module"),
            ("project/base_sparse_field", "missing-module"),
            ("project/moved", "version"),
            ("project/neighbour", "missing-module"),
            ("project/off", "not-installable"),
            ("project/old", "wrong-series"),
            ("project/option", "python-need"),
            ("project/torn", "manifest"),
        ]
    );
    assert_eq!(breaks[1].what, "not in commit dbff15b4a07a; it is part of Odoo");
    assert_eq!(breaks[3].help, "odoopack oca add web --modules neighbour");
    assert_eq!(
        breaks[0].what,
        "not in commit dbff15b4a07a; it is nowhere that is known here"
    );
}

#[test]
fn the_lock_says_what_the_file_wants() {
    let file = "format = 1\n[addons]\noca = \"oca\"\n[addons.repositories.project]\nmodules = [\"project_timeline\"]\n\
                [environments.production]\ndomain = \"e.example\"\n";
    let kinds = |file: &str| -> Vec<String> {
        let spec = load(file, &LoadContext::new("/r/repo")).unwrap().spec;
        wish_breaks(&spec, &lock())
            .iter()
            .map(|b| format!("{} {}", b.kind, b.about))
            .collect()
    };
    assert_eq!(kinds(file), [""; 0]);
    let more = file.replace(
        "[\"project_timeline\"]",
        "[\"project_timeline\", \"x\"]\nbranch = \"18.0-x\"",
    );
    assert_eq!(kinds(&more), ["differs project", "differs project"]);
    let other = file.replace("repositories.project", "repositories.web");
    assert_eq!(kinds(&other), ["not-locked web", "not-wanted project"]);
    let source = file.replace(
        "[addons]",
        "[odoo]\nseries = \"17.0\"\nsource = { path = \"/x\" }\n[addons]",
    );
    assert_eq!(kinds(&source), ["series odoo", "source odoo", "differs project"]);
}

/// Every key that is written is one of the schema, so that an editor never refuses what we write.
#[test]
fn the_schema_knows_every_key_that_is_written() {
    fn walk(value: &serde_json::Value, schema: &serde_json::Value, at: &str) {
        let Some(object) = value.as_object() else { return };
        if let Some(one) = schema.get("oneOf").and_then(|one| one.as_array()) {
            let key = object.keys().next().unwrap();
            let fits = one.iter().find(|s| s["properties"].get(key).is_some());
            return walk(value, fits.unwrap_or_else(|| panic!("{at}: {key}")), at);
        }
        for (key, inner) in object {
            let known = schema["properties"]
                .get(key)
                .or_else(|| schema.get("additionalProperties"));
            let known = known
                .filter(|k| k.is_object())
                .unwrap_or_else(|| panic!("{at}.{key}"));
            let below = if inner.is_array() { &known["items"] } else { known };
            for one in inner.as_array().unwrap_or(&vec![inner.clone()]) {
                walk(one, below, &format!("{at}.{key}"));
            }
        }
    }
    let mut lock = lock();
    let project = lock.repositories.get_mut("project").unwrap();
    project.group = Some("g".to_owned());
    project.merged = Some(SHA.to_owned());
    project.merges.push(Merged {
        url: Some("u".to_owned()),
        reference: "r".to_owned(),
        commit: SHA.to_owned(),
    });
    lock.groups.insert(
        "g".to_owned(),
        Group {
            order: 1,
            description: Some("x".to_owned()),
        },
    );
    walk(&serde_json::to_value(&lock).unwrap(), &schema(), "lock");
    lock.odoo = image(&format!("sha256:{}", "ab".repeat(32)));
    walk(&serde_json::to_value(&lock).unwrap(), &schema(), "lock");
}

fn image(id: &str) -> OdooPin {
    OdooPin::Image {
        name: "odoo:18.0".to_owned(),
        id: id.to_owned(),
        digest: Some("odoo@sha256:1".to_owned()),
    }
}

#[test]
fn an_image_is_locked_by_its_id() {
    let mut one = lock();
    one.odoo = image(&format!("sha256:{}", "ab".repeat(32)));
    assert_eq!(read(&one.text()), Ok(one.clone()));
    one.odoo = image("18.0");
    let why = read(&one.text()).unwrap_err();
    assert_eq!(why.to_string(), "the image of `odoo` is `18.0`, which is no pin");
    assert_eq!(why.help(), "`odoopack lock --update`");
}

fn id() -> impl Strategy<Value = String> {
    "[0-9a-f]{40}"
}

fn any_locked() -> impl Strategy<Value = Locked> {
    let merge =
        (of("https://[a-z]{1,5}/x"), "refs/pull/[1-9]/head", id()).prop_map(|(url, reference, commit)| {
            Merged {
                url,
                reference,
                commit,
            }
        });
    let modules = btree_map("[a-z_]{1,9}", "1[789]\\.0\\.[0-9]\\.0\\.0", 0..4);
    (id(), id(), id(), vec(merge, 0..3), modules, of("[a-z]{1,5}")).prop_map(
        |(commit, tree, merged, merges, modules, group)| Locked {
            url: "https://github.com/OCA/x".to_owned(),
            branch: "18.0".to_owned(),
            commit,
            merged: (!merges.is_empty()).then_some(merged),
            merges,
            tree,
            group,
            modules,
            python: vec!["xlrd>=2".to_owned()],
            debian: vec!["ffmpeg".to_owned()],
        },
    )
}

proptest! {
    #[test]
    fn comes_back_equal(repositories in btree_map("[a-z][a-z0-9-]{0,9}x", any_locked(), 0..4), bytes in "\\PC{0,60}", at in any::<prop::sample::Index>()) {
        let one = Lock { repositories, ..lock() };
        let text = one.text();
        prop_assert_eq!(read(&text), Ok(one.clone()));
        prop_assert!(changes(Some(&one), &one).is_empty());
        // Whatever is written into it, it is read or refused.
        let mut place = at.index(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        let torn = format!("{}{bytes}{}", &text[..place], &text[place..]);
        drop(read(&torn));
        drop(read(&text[..place]));
    }
}

#[test]
fn what_runs_must_lie_in_the_commit_and_what_nobody_takes_may_not() {
    let mut seen = seen(&[]);
    seen.outside = [
        ("web_a/static/film.mp4".to_owned(), Outside::LargeFile),
        ("web_b/lib".to_owned(), Outside::Submodule),
        ("docs".to_owned(), Outside::Submodule),
    ]
    .into();
    let running = |names: &[&str]| {
        let modules = names.iter().map(|name| ((*name).to_owned(), String::new()));
        let all = outside_breaks("web", &modules.collect(), &seen);
        all.into_iter().map(|b| b.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(running(&["web_c"]), [""; 0]);
    assert_eq!(
        running(&["web_b", "web_c"]),
        [
            "web/web_b: `web_b/lib` is a submodule: its content is not in the commit, so no release would have it \
             (take `web_b` out of [addons.repositories.web], or commit the content itself)"
        ]
    );
    assert_eq!(running(&["web_a", "web_b"]).len(), 2);
}

#[test]
fn debian_packages_of_the_pack_itself_are_needed_like_those_of_a_repository() {
    let mut lock = lock();
    assert!(
        !lock.text().contains("debian"),
        "a lock without them is as it was"
    );
    let before = lock.clone();
    lock.debian = vec!["ffmpeg".to_owned(), "libcups2".to_owned()];
    let project = lock.repositories.get_mut("project").unwrap();
    project.debian = vec!["ffmpeg".to_owned(), "procps".to_owned()];
    assert_eq!(lock.debian_needs(), ["ffmpeg", "libcups2", "procps"]);
    assert_eq!(read(&lock.text()).unwrap(), lock);
    let said: Vec<String> = changes(Some(&before), &lock)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "project: needs of Debian ffmpeg, procps",
            "apt.txt: needs of Debian ffmpeg, libcups2"
        ]
    );
    let bad = lock.text().replacen("libcups2", "-y", 1);
    assert!(matches!(read(&bad), Err(Unreadable::Wrong(_))));
}
