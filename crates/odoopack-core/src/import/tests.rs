//! Every shape that was found in the wild, and what becomes of it.
use super::*;

const SHA: &str = "dbff15b4a07ad5b22dc61de095e2b1bea1b4ad1d";

fn imported(path: &str, text: &str) -> Imported {
    let mut all = Imported::default();
    let kind = kind(path, text).unwrap_or_else(|| panic!("no kind: {path}"));
    read(path, kind, text, Series::V18, &mut all).unwrap();
    all
}

/// One line per repository.
fn said(all: &Imported) -> Vec<String> {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let short = |text: &Option<String>| word(&text.as_ref().map(|text| text[..7].to_owned()));
    let one = |(name, found): (&String, &Found)| {
        let merges: Vec<String> = found.merges.iter().map(ToString::to_string).collect();
        format!(
            "{name} {} {} {} [{}] [{}] {}",
            word(&found.url),
            word(&found.branch),
            short(&found.commit),
            found.modules.join(" "),
            merges.join(", "),
            word(&found.group)
        )
    };
    all.repositories.iter().map(one).collect()
}

#[test]
fn a_map_of_repositories_with_commits() {
    let text = format!(
        r#"{{"version": "1.0.0", "updated": "2025-12-17T04:33:00Z", "repositories": {{
          "web": {{"url": "https://github.com/OCA/web", "branch": "18.0", "commit": "{SHA}", "modules": ["web_responsive", "web_refresher"]}},
          "project": {{"url": "https://github.com/OCA/project.git", "branch": "18.0", "commit": null, "modules": []}}}}}}"#
    );
    let all = imported("oca.lock.json", &text);
    assert_eq!(
        said(&all),
        [
            "project - 18.0 - [] [] -",
            "web - 18.0 dbff15b [web_refresher web_responsive] [] -"
        ]
    );
    assert_eq!(
        all.left,
        [
            "oca.lock.json: `project` has no commit; `odoopack lock` pins it",
            "oca.lock.json: `project` lists no module; here that means every installable one"
        ]
    );
}

#[test]
fn tiers_survive_as_groups_in_their_order() {
    let text = r#"{"version": "2.0.0", "description": "the lock", "repositories": {
        "server-tools": {"url": "https://github.com/OCA/server-tools", "branch": "18.0", "commit": null, "tier": 0, "description": "x", "modules": ["base_sparse_field"]},
        "dms": {"url": "https://github.com/OCA/dms", "branch": "18.0", "commit": null, "tier": 6, "modules": ["dms"]},
        "l10n-philippines": {"url": "https://github.com/OCA/l10n-philippines", "branch": "18.0", "commit": null, "tier": 12, "modules": []}},
        "install_tiers": {"0": {"name": "Foundation", "description": "What all build on", "install_order": 1}, "6": {"name": "Knowledge & DMS", "install_order": 7}}}"#;
    let all = imported("docs/oca.lock.18.0.json", text);
    let groups: Vec<_> = all
        .groups
        .iter()
        .map(|(name, g)| (name.as_str(), g.order, g.description.as_deref()))
        .collect();
    assert_eq!(
        groups,
        [
            ("foundation", 1, Some("What all build on")),
            ("knowledge---dms", 7, Some("Knowledge & DMS")),
            ("tier-12", 0, None)
        ]
    );
    assert_eq!(
        said(&all)[2],
        "server-tools - 18.0 - [base_sparse_field] [] foundation"
    );
}

#[test]
fn a_list_of_repositories_at_head_and_keys_without_a_place() {
    let text = r#"{"$schema": "./oca.lock.schema.json", "version": "2.0", "odoo_version": "18.0", "target_dir": "addons/oca",
        "notes": ["a"], "ee_parity_coverage": {"P0_critical": 1},
        "repos": [{"name": "OCA/server-auth", "url": "https://github.com/OCA/server-auth.git", "ref": "18.0", "commit": "HEAD",
                   "modules": ["auth_oidc"], "ee_parity": ["x"]}]}"#;
    let all = imported("vendor/oca.lock.json", text);
    assert_eq!(said(&all), ["server-auth - 18.0 - [auth_oidc] [] -"]);
    assert_eq!(
        (all.directory.as_deref(), all.series.as_deref()),
        (Some("addons/oca"), Some("18.0"))
    );
    let left: Vec<&str> = all
        .left
        .iter()
        .map(|line| &line["vendor/oca.lock.json: ".len()..])
        .collect();
    assert_eq!(
        left,
        [
            "`notes` has no place in a pack",
            "`ee_parity_coverage` has no place in a pack",
            "`HEAD` of `server-auth` is no commit; `odoopack lock` pins it",
            "`ee_parity` of `server-auth` has no place in a pack"
        ]
    );
}

#[test]
fn yaml_lines_and_maps_of_modules() {
    let yaml = "version: 1\nodoo_version: '18.0'\ntarget_dir: addons/oca\nrepos:\n  web:\n    url: https://github.com/acme/web\n    branch: 18.0-acme\n    commit: null\n    modules: [web_responsive]\n";
    assert_eq!(
        said(&imported("vendor/oca.lock", yaml)),
        ["web https://github.com/acme/web 18.0-acme - [web_responsive] [] -"]
    );
    let lines = format!(
        "# name url sha\nweb https://github.com/OCA/web.git {SHA}\nproject https://github.com/OCA/project 18.0\n"
    );
    let all = imported("infra/oca.lock", &lines);
    assert_eq!(
        said(&all),
        ["project - 18.0 - [] [] -", "web - - dbff15b [] [] -"]
    );
    let map = format!(
        r#"{{"web_responsive": {{"repo": "web", "branch": "18.0", "commit": "{SHA}", "adopted": "2026-01-01"}}, "web_refresher": {{"repo": "OCA/web", "branch": "18.0", "commit": "{SHA}"}}}}"#
    );
    let all = imported("site/modules.lock.json", &map);
    assert_eq!(
        said(&all),
        ["web - 18.0 dbff15b [web_responsive web_refresher] [] -"]
    );
}

#[test]
fn a_lock_is_known_by_what_it_holds_whatever_its_name() {
    let module = format!(
        r#"{{"web_responsive": {{"repo": "OCA/web", "commit": "{SHA}"}}, "x": {{"adopted": true}}}}"#
    );
    let all = imported("docs/modules.json", &module);
    assert_eq!(said(&all), ["web - - dbff15b [web_responsive] [] -"]);
    assert_eq!(all.left, ["docs/modules.json: `x` names no repository"]);
    let list = r#"{"version": "2.0", "repos": [{"name": "OCA/web", "url": "https://github.com/OCA/web.git", "ref": "18.0", "commit": "HEAD"}]}"#;
    assert_eq!(said(&imported("ce19.json", list)), ["web - 18.0 - [] [] -"]);
    // The source of such a lock, which is no file for pip.
    let lines = "# name url ref\nweb https://github.com/OCA/web 17.0\n";
    assert_eq!(
        said(&imported("oca-requirements.txt", lines)),
        ["web - 17.0 - [] [] -"]
    );
    assert_eq!(
        kind("requirements.txt", "web\nproject\n"),
        Some(Kind::Requirements)
    );
    assert_eq!(kind("notes.txt", "web\n"), None);
}

#[test]
fn an_empty_description_is_none_and_a_repository_without_keys_is_said() {
    let text = r#"{"repositories": {"web": {"url": "https://github.com/OCA/web", "branch": "18.0", "commit": null}},
        "install_tiers": {"0": {"name": "Foundation", "description": "", "install_order": 1}, "1": {"name": "", "description": " "}}}"#;
    let all = imported("oca.lock.json", text);
    let descriptions: Vec<_> = all
        .groups
        .values()
        .map(|group| group.description.as_deref())
        .collect();
    assert_eq!(descriptions, [Some("Foundation"), None]);
    let carried = carry("format = 1\n", &all, Series::V18).unwrap();
    assert!(
        carried.done.contains(&"addons.repositories.web".to_owned()),
        "{:?}",
        carried.done
    );
    let again = carry(&carried.text, &all, Series::V18).unwrap();
    assert_eq!(again.done, [""; 0]);
}

#[test]
fn a_commit_in_ref_beside_a_branch() {
    let text = format!(
        "schema: ssot.odoo.oca_lock.v1\nversion: 1\nupdated: 2026-02-01\nodoo_version: '19.0'\nrepos:\n  - name: web\n    source: https://github.com/OCA/web\n    target_path: external/oca/web\n    branch: '19.0'\n    ref: {SHA}\n    shallow: true\n    lifecycle: active\n"
    );
    let all = imported("infra/oca_lock.yaml", &text);
    assert_eq!(said(&all), ["web - 19.0 dbff15b [] [] -"]);
    assert_eq!(
        all.left,
        ["infra/oca_lock.yaml: `lifecycle` of `web` has no place in a pack"]
    );
}

#[test]
fn a_tombstone_is_refused_with_its_pointer() {
    let text = r#"{"deprecated": true, "note": "gone", "see": "oca-aggregate.yml"}"#;
    let mut all = Imported::default();
    let error = read_lock("oca.lock.json", text, &mut all).unwrap_err();
    assert_eq!(error.to_string(), "it is deprecated: see oca-aggregate.yml");
    assert_eq!(read_lock("x", "{}", &mut all), Err(LockError::Empty));
    assert!(matches!(
        read_lock("x", "{a: [", &mut all),
        Err(LockError::Syntax { .. })
    ));
    assert_eq!(all, Imported::default());
}

#[test]
fn submodules_of_git() {
    let text = "[submodule \"addons/external/oca/web\"]\n\tpath = addons/external/oca/web\n\turl = https://github.com/OCA/web.git\n\tbranch = 18.0\n[submodule \"x\"]\n\tpath = addons/external/oca/rest\n\turl = git@github.com:acme/rest-framework.git\n\tbranch = 18.0-acme\n[submodule \"odoo\"]\n\tpath = odoo\n\turl = https://github.com/odoo/odoo\n[submodule \"r\"]\n\tpath = r\n\turl = ../r.git\n";
    let all = imported(".gitmodules", text);
    assert_eq!(
        said(&all),
        [
            "rest git@github.com:acme/rest-framework.git 18.0-acme - [] [] -",
            "web - - - [] [] -"
        ]
    );
    assert_eq!(all.directory.as_deref(), Some("addons/external/oca"));
    assert_eq!(
        all.odoo.unwrap().url.as_deref(),
        Some("https://github.com/odoo/odoo")
    );
    assert_eq!(
        all.left,
        [
            ".gitmodules: the commits of the submodules: no index of git beside the file holds any",
            ".gitmodules: `r`: `../r.git` depends on where the pack was cloned from"
        ]
    );
}

#[test]
fn submodules_keep_the_commits_at_which_the_index_holds_them() {
    let mut all = Imported {
        recorded: [("oca/web".to_owned(), SHA.to_owned())].into(),
        ..Imported::default()
    };
    let text = "[submodule \"w\"]\npath = oca/web\nurl = https://github.com/OCA/web\n\
                [submodule \"h\"]\npath = oca/hr\nurl = https://github.com/OCA/hr\n";
    read(".gitmodules", Kind::GitModules, text, Series::V18, &mut all).unwrap();
    assert_eq!(said(&all), ["hr - - - [] [] -", "web - - dbff15b [] [] -"]);
    assert_eq!(
        all.left,
        [".gitmodules: the commit of `oca/hr`: the index of git beside the file holds none"]
    );
}

#[test]
fn remotes_merges_and_targets_of_git_aggregator() {
    let text = "./odoo:\n  remotes: {ocb: https://github.com/OCA/OCB.git}\n  merges: [ocb $ODOO_VERSION]\n  target: ocb $ODOO_VERSION\n\
        ./external/project:\n  defaults: {depth: 1}\n  remotes:\n    oca: https://github.com/OCA/project.git\n    acme: https://github.com/acme/project\n  merges:\n    - oca 18.0\n    - oca refs/pull/123/head\n    - {remote: acme, ref: 18.0-fix, depth: 10}\n    - nobody x\n    - {remote: oca, branch: x}\n  target: acme 18.0-all\n  shell_command_after: [echo hi]\n\
        ./web:\n  remotes: {oca: https://github.com/OCA/web}\n  target: oca 18.0\n";
    let all = imported("repos.yaml", text);
    assert_eq!(
        said(&all),
        [
            "project - - - [] [refs/pull/123/head, https://github.com/acme/project 18.0-fix] -",
            "web - - - [] [] -"
        ]
    );
    assert_eq!(
        all.odoo.unwrap().url.as_deref(),
        Some("https://github.com/OCA/OCB.git")
    );
    assert_eq!(
        all.left,
        [
            "repos.yaml: `defaults` of `./external/project`: so much of the history is fetched as the merges need",
            "repos.yaml: `shell_command_after` of `./external/project`: nothing is run or fetched beside the merges",
            "repos.yaml: line 13: `depth` of a merge of `./external/project` has no place in a pack",
            "repos.yaml: line 15: a merge of `./external/project` that names no remote and reference",
            "repos.yaml: line 15: `branch` of a merge of `./external/project` has no place in a pack",
            "repos.yaml: `./external/project`: `nobody` is no remote of it"
        ]
    );
}

#[test]
fn a_variable_that_nobody_knows_leaves_its_repository_behind() {
    let text = "./web:\n  remotes:\n    oca: https://github.com/OCA/${REPO}.git\n  merges: [oca $ODOO_VERSION]\n\
                ./hr:\n  remotes:\n    oca: https://github.com/OCA/hr.git\n  merges: [oca $ODOO_VERSION, oca $PULL]\n\
                ./queue:\n  remotes:\n    oca: https://github.com/OCA/queue.git\n  merges: [oca $ODOO_VERSION]\n";
    let all = imported("repos.yaml", text);
    assert_eq!(said(&all), ["queue - - - [] [] -"]);
    assert_eq!(
        all.left,
        [
            "repos.yaml: `./web`: `https://github.com/OCA/${REPO}.git` holds a variable; write what it stands for, and import again",
            "repos.yaml: `./hr`: `$PULL` holds a variable; write what it stands for, and import again",
        ]
    );
}

#[test]
fn a_password_or_token_is_left_behind_and_said_without_itself() {
    let modules = "[submodule \"a\"]\n  path = oca/web\n  url = https://geheim@github.com/OCA/web.git\n\
        [submodule \"b\"]\n  path = oca/own\n  url = https://us:geheim@git.example.com/own.git\n";
    let aggregate = "./oca/own:\n  remotes: {us: \"https://geheim@git.example.com/own\", other: \"ssh://us:geheim@h/own\"}\n  merges: [us 18.0, other fix]\n";
    let lines = "--extra-index-url https://us:geheim@h/simple\npkg @ git+https://geheim@h/pkg@v1\n";
    for (path, text, wanted) in [
        (
            ".gitmodules",
            modules,
            &[
                "own https://git.example.com/own.git - - [] [] -",
                "web - - - [] [] -",
            ][..],
        ),
        (
            "repos.yaml",
            aggregate,
            &["own https://git.example.com/own - - [] [ssh://us@h/own fix] -"],
        ),
        ("requirements.txt", lines, &[]),
    ] {
        let all = imported(path, text);
        assert_eq!(said(&all), wanted);
        assert!(
            !all.left.is_empty() && !format!("{all:?}").contains("geheim"),
            "{all:?}"
        );
    }
}

#[test]
fn documents_of_doodba() {
    let text = "web: [web_responsive, \"web_*\", \"web_[a-c]\"]\nprivate: \"*\"\nserver-tools: \"*\"\n---\nENV:\n  DEFAULT_REPO_PATTERN: https://github.com/acme/{}.git\n  PORT: 1\nfork: [a]\n---\nONLY:\n  PGDATABASE: [prod, uat]\nproject: [project_timeline]\nodoo/addons: [crm]\n";
    let all = imported("custom/src/addons.yaml", text);
    assert_eq!(
        said(&all),
        [
            "fork https://github.com/acme/fork.git - - [a] [] -",
            "project - - - [project_timeline] [] -",
            "server-tools - - - [] [] -",
            "web - - - [web_responsive web_*] [] -"
        ]
    );
    assert_eq!(all.own, ["custom/src/private"]);
    let own = |path: &str| imported(path, "private: \"*\"\n").own;
    assert_eq!(own("addons.yaml"), ["private"]);
    assert_eq!(own("/old/addons.yaml"), ["private"]);
    let left: Vec<&str> = all
        .left
        .iter()
        .map(|line| &line["custom/src/addons.yaml: ".len()..])
        .collect();
    assert_eq!(
        left,
        [
            "pattern `web_[a-c]` of `web`: only `*` has a meaning here; list the modules",
            "`PORT` of document 2 is not used here",
            "document 3 holds only for PGDATABASE=prod|uat; put its modules into the edition that needs them",
            "a selection of `odoo/addons`: all of Odoo's own modules are there"
        ]
    );
}

#[test]
fn plain_lists() {
    let all = imported(
        "oca_dependencies.txt",
        "# x\nweb\nfork https://github.com/acme/fork.git 18.0-x # why\n",
    );
    assert_eq!(
        said(&all),
        [
            "fork https://github.com/acme/fork.git 18.0-x - [] [] -",
            "web - - - [] [] -"
        ]
    );
    let all = imported(
        "odoo_requirements.txt",
        "--oca web -b 18.0 -m web_responsive\n--github acme/x\n-r https://git.example.com/y.git\n--pip x\n",
    );
    assert_eq!(
        said(&all),
        [
            "web - - - [web_responsive] [] -",
            "x https://github.com/acme/x - - [] [] -",
            "y https://git.example.com/y.git - - [] [] -"
        ]
    );
    assert_eq!(all.left.len(), 1);
    let all = imported("dependencies/apt.txt", "libcups2-dev\n# no\nffmpeg\n");
    assert_eq!(
        all.left,
        ["dependencies/apt.txt: Debian packages: install them with `apt-get install libcups2-dev ffmpeg`"]
    );
}

#[test]
fn requirement_files() {
    let text = format!(
        "odoo-addon-web_responsive==18.0.1.2.3 --hash=sha256:aa\nxlrd\n# c\n--extra-index-url https://x\n-r other.txt\n\
         odoo-addon-project-timeline @ git+https://github.com/OCA/project@refs/pull/12/head#subdirectory=project_timeline\n\
         odoo-addon-a @ git+https://github.com/OCA/web.git@{SHA}#subdirectory=a\n\
         odoo-addon-b @ git+ssh://git@git.example.com/acme/b@18.0#subdirectory=b\n\
         lib @ git+https://github.com/acme/lib\n-e ./x\n"
    );
    let all = imported("requirements.txt", &text);
    assert_eq!(
        all.requirements,
        ["odoo-addon-web_responsive==18.0.1.2.3", "xlrd"]
    );
    assert_eq!(
        said(&all),
        [
            "b ssh://git@git.example.com/acme/b 18.0 - [b] [] -",
            "project - - - [project_timeline] [refs/pull/12/head] -",
            "web - - dbff15b [a] [] -"
        ]
    );
    assert_eq!(all.left.len(), 4, "{:?}", all.left);
    assert_eq!(
        requirements::module_of("odoo-addon-web-responsive").as_deref(),
        Some("web_responsive")
    );
}

#[test]
fn several_files_complete_each_other_and_contradictions_are_named() {
    let mut all = imported(
        ".gitmodules",
        "[submodule \"w\"]\npath = oca/web\nurl = https://github.com/OCA/web\n",
    );
    let text = "web: [web_responsive]\n";
    read("addons.yaml", Kind::AddonsYaml, text, Series::V18, &mut all).unwrap();
    let lines = format!("web https://github.com/acme/web {SHA}\n");
    read("a.lock", Kind::Lock, &lines, Series::V18, &mut all).unwrap();
    read(
        "b.lock",
        Kind::Lock,
        &lines.replace("dbff", "0000"),
        Series::V18,
        &mut all,
    )
    .unwrap();
    assert_eq!(
        said(&all),
        ["web https://github.com/acme/web - dbff15b [web_responsive] [] -"]
    );
    assert_eq!(all.left.len(), 2);
    assert!(all.left[1].starts_with("b.lock: commit `0000"), "{:?}", all.left);
}

#[test]
fn the_file_keeps_its_comments_and_what_it_says() {
    let file = "# mine\nformat = 1\n\n[addons] # here\noca = \"oca\" # short\n\n[addons.repositories.web]\nmodules = [\"a\"]\n\n[environments.production]\ndomain = \"e.example\"\n";
    let lines =
        format!("web https://github.com/OCA/web {SHA}\nproject https://github.com/OCA/project 18.0\n");
    let mut all = imported("a.lock", &lines);
    all.groups.insert(
        "first".to_owned(),
        Group {
            order: 2,
            description: None,
        },
    );
    all.repositories.get_mut("project").unwrap().group = Some("first".to_owned());
    let carried = carry(file, &all, Series::V18).unwrap();
    assert!(
        carried
            .text
            .starts_with("# mine\nformat = 1\n\n[addons] # here\noca = \"oca\" # short\n")
    );
    assert_eq!(
        carried.kept,
        ["addons.oca = \"oca\" stays; the import has \"addons/external/oca\""]
    );
    let loaded = crate::spec::load(&carried.text, &crate::spec::LoadContext::new("/r/repo"));
    let spec = loaded.unwrap_or_else(|m| panic!("{m}\n{}", carried.text)).spec;
    assert_eq!(spec.addons.repositories["web"].commit.as_deref(), Some(SHA));
    assert_eq!(spec.addons.repositories["web"].modules, ["a"]);
    assert_eq!(
        spec.addons.repositories["project"].url,
        "https://github.com/OCA/project"
    );
    assert_eq!(spec.addons.groups["first"].order, 2);
    assert_eq!(
        carry(&carried.text, &all, Series::V18).unwrap().text,
        carried.text
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", lines in proptest::collection::vec("[a-z@:/.{}\\[\\]\"#=+ -]{0,30}", 0..8)) {
        let joined = lines.join("\n");
        for text in [&text, &joined] {
            for kind in [Kind::Lock, Kind::GitModules, Kind::Aggregate, Kind::AddonsYaml, Kind::OcaDependencies, Kind::OdooRequirements, Kind::Requirements, Kind::Apt] {
                let mut all = Imported::default();
                drop(read("x", kind, text, Series::V18, &mut all));
                for name in all.repositories.keys() {
                    proptest::prop_assert!(!name.is_empty() && !name.contains(['/', '.']), "{name}");
                }
            }
        }
    }
}
