//! Tables: each kind of change, what it asks for, and why.
use super::super::Loaded;
use super::*;

/// Contents whose parts are named by letters: `p` Python, `d` data, `t` translations, `s` static, `x` tests.
fn contents(parts: [&str; 5]) -> Contents {
    Contents {
        checksum: parts[..3].concat(),
        parts: parts.map(str::to_owned),
    }
}

const THEN: [&str; 5] = ["p", "d", "t", "s", "x"];

struct Case {
    installed: Vec<Installed>,
    disk: BTreeMap<String, OnDisk>,
    record: Record,
    languages: Vec<String>,
    build: String,
}

fn module(name: &str, depends: &[&str]) -> (Installed, OnDisk) {
    let installed = Installed {
        name: name.to_owned(),
        version: Some("19.0.1.0".to_owned()),
        imported: false,
    };
    let disk = OnDisk {
        core: false,
        installable: true,
        version: Some("19.0.1.0".to_owned()),
        depends: depends.iter().map(|one| (*one).to_owned()).collect(),
        contents: contents(THEN),
        with_old_languages: None,
    };
    (installed, disk)
}

impl Case {
    /// `base <- shop <- shop_more`, `other`; everything was loaded as it is.
    fn new() -> Self {
        let all = [
            module("base", &[]),
            module("shop", &["base"]),
            module("shop_more", &["shop"]),
            module("other", &["base"]),
        ];
        let languages = vec!["en_US".to_owned()];
        let modules = all
            .iter()
            .map(|(one, disk)| (one.name.clone(), disk.contents.clone()))
            .collect();
        Self {
            record: Record::default().after(
                &Loaded {
                    modules: &modules,
                    build: "build 1",
                    languages: &languages,
                    unusual: false,
                    whole: true,
                },
                &|_| true,
            ),
            installed: all.iter().map(|(one, _)| one.clone()).collect(),
            disk: all.into_iter().map(|(one, disk)| (one.name, disk)).collect(),
            languages,
            build: "build 1".to_owned(),
        }
    }

    fn shop(&mut self) -> &mut OnDisk {
        self.disk.get_mut("shop").unwrap()
    }

    fn answer(&self) -> Changes {
        changes(Now {
            installed: &self.installed,
            disk: &self.disk,
            record: &self.record,
            languages: &self.languages,
            build: &self.build,
        })
    }

    /// What is said of `shop`, the only module that may be listed.
    #[track_caller]
    fn says(&self, reaction: Reaction, reasons: &[Reason]) {
        let answer = self.answer();
        let [change] = answer.modules.as_slice() else {
            panic!("{answer:?}");
        };
        assert_eq!((change.module.as_str(), change.reaction), ("shop", reaction));
        assert_eq!(change.reasons, reasons);
        let dependents: &[&str] = if reaction == Reaction::Update {
            &["shop_more"]
        } else {
            &[]
        };
        assert_eq!(answer.dependents, dependents);
    }
}

#[test]
fn nothing_changed() {
    assert_eq!(Case::new().answer(), Changes::default());
}

#[test]
fn each_part_has_its_reaction() {
    let check = |parts: [&str; 5], reaction: Reaction, reasons: &[Reason]| {
        let mut case = Case::new();
        case.shop().contents = contents(parts);
        case.says(reaction, reasons);
    };
    check(["P", "d", "t", "s", "x"], Reaction::Update, &[Reason::Python]);
    check(["p", "D", "t", "s", "x"], Reaction::Update, &[Reason::Data]);
    check(
        ["p", "d", "T", "s", "x"],
        Reaction::Update,
        &[Reason::Translations],
    );
    check(["p", "d", "t", "S", "x"], Reaction::Assets, &[Reason::Static]);
    check(["p", "d", "t", "s", "X"], Reaction::Nothing, &[Reason::Tests]);
    check(
        ["P", "d", "t", "S", "X"],
        Reaction::Update,
        &[Reason::Python, Reason::Static, Reason::Tests],
    );
}

#[test]
fn another_version_is_an_update_even_with_equal_files() {
    let mut case = Case::new();
    case.shop().version = Some("19.0.1.1".to_owned());
    let reason = Reason::Version {
        from: "19.0.1.0".to_owned(),
        to: "19.0.1.1".to_owned(),
    };
    case.says(Reaction::Update, &[reason]);
}

#[test]
fn a_language_that_was_added_and_one_that_was_removed() {
    let mut case = Case::new();
    case.languages.push("fr_FR".to_owned());
    case.shop().contents = contents(["p", "d", "t+fr", "s", "x"]);
    case.shop().with_old_languages = Some(contents(THEN));
    let languages = vec!["fr_FR".to_owned()];
    case.says(Reaction::Update, &[Reason::LanguagesAdded { languages }]);
    case.languages = Vec::new();
    case.says(Reaction::Nothing, &[Reason::Rules]);
}

#[test]
fn what_was_never_remembered_is_an_update() {
    let mut case = Case::new();
    case.record.checksums.as_mut().unwrap().remove("shop");
    case.says(Reaction::Update, &[Reason::NeverHashed]);
    // click-odoo-update found no directory at its time.
    case.record
        .checksums
        .as_mut()
        .unwrap()
        .insert("shop".to_owned(), None);
    case.says(Reaction::Update, &[Reason::NeverHashed]);
}

#[test]
fn without_details_only_the_checksum_speaks() {
    let mut case = Case::new();
    case.shop().contents = contents(["P", "d", "t", "S", "x"]);
    case.record.details = None;
    case.says(Reaction::Update, &[Reason::Content]);
    assert_eq!(case.answer().notes.len(), 1);
}

#[test]
fn details_of_another_time_explain_nothing() {
    let mut case = Case::new();
    let sums = case.record.checksums.as_mut().unwrap();
    sums.insert(
        "shop".to_owned(),
        Some("stored by click-odoo-update since".to_owned()),
    );
    case.says(Reaction::Update, &[Reason::Content]);
}

#[test]
fn another_build_is_named_where_it_changed_something() {
    let mut case = Case::new();
    case.build = "build 2".to_owned();
    let note =
        "Odoo itself is another build than the one that the modules were loaded with: build 1 -> build 2";
    let only_said = Changes {
        notes: vec![note.to_owned()],
        ..Changes::default()
    };
    assert_eq!(case.answer(), only_said);
    case.shop().core = true;
    case.shop().contents = contents(["P", "d", "t", "s", "x"]);
    let build = Reason::Build {
        from: "build 1".to_owned(),
        to: "build 2".to_owned(),
    };
    case.says(Reaction::Update, &[Reason::Python, build]);
}

#[test]
fn a_module_without_code_is_named() {
    let mut case = Case::new();
    case.disk.remove("shop");
    case.disk.get_mut("other").unwrap().installable = false;
    let uploaded = Installed {
        name: "uploaded".to_owned(),
        version: None,
        imported: true,
    };
    case.installed.push(uploaded);
    let said: Vec<String> = case.answer().gone.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "other is installed, but its manifest is no longer installable",
            "shop is installed, but no directory of the addons path has it"
        ]
    );
}
