//! The `git`, `path` and `deb` sources for real, with a tiny Odoo.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{Release, Seen};
use odoopack_core::spec::{Series, Source};

use super::fixture::{Scratch, tiny_odoo};
use super::{observe, walk};
use crate::exec::Cmd;
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::ui::{Progress, Ui};

fn progress() -> Progress {
    Ui::new(true, true, false).step("test")
}

fn fetched(scratch: &Scratch) -> Result<Release> {
    let release = scratch.builder().resolve(&progress())?;
    scratch.builder().fetch(&release, &progress())
}

pub(super) fn git(repository: &Utf8Path, args: &[&str]) -> String {
    let who = [
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@example.org",
        "-c",
        "init.defaultBranch=18.0",
    ];
    let cmd = Cmd::new("git")
        .args(who)
        .args(["-C", repository.as_str()])
        .args(args.iter().copied());
    let date = "1700000000 +0000";
    cmd.env("GIT_AUTHOR_DATE", date)
        .env("GIT_COMMITTER_DATE", date)
        .read()
        .unwrap()
        .trim()
        .to_owned()
}

/// A repository with a tiny Odoo on branch 18.0, and its commit.
fn repository(root: &Utf8Path) -> (Utf8PathBuf, String) {
    let place = root.join("upstream");
    tiny_odoo(&place, "18.0");
    git(&place, &["init", "--quiet"]);
    let commit = commit(&place, "first");
    (place, commit)
}

fn commit(place: &Utf8Path, message: &str) -> String {
    git(place, &["add", "--all"]);
    git(place, &["commit", "--quiet", "--message", message]);
    git(place, &["rev-parse", "HEAD"])
}

fn git_pack(url: &str, commit: Option<&str>) -> Scratch {
    let url = url.to_owned();
    Scratch::new(
        Series::V18,
        Source::Git {
            url,
            commit: commit.map(str::to_owned),
        },
    )
}

#[test]
fn a_branch_is_resolved_once_and_the_commit_kept() {
    let upstream = Scratch::new(Series::V18, Source::Debian { suite: String::new() });
    let (place, first) = repository(&upstream.root);
    let pack = git_pack(&format!("file://{place}"), None);
    let release = fetched(&pack).unwrap();
    assert_eq!(release.identity, format!("git {first}"));
    files::replace(&place.join("later"), b"x", 0o644, None).unwrap();
    let second = commit(&place, "second");
    assert_eq!(
        fetched(&pack).unwrap(),
        release,
        "the branch moved, the decision did not"
    );
    let pinned = git_pack(place.as_str(), Some(&second));
    assert_eq!(fetched(&pinned).unwrap().identity, format!("git {second}"));
}

/// Modification times of every entry below a directory, by its path there.
pub(super) fn times(tree: &Utf8Path) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    walk::walk(tree, &mut |path, _| {
        let time = path.symlink_metadata().unwrap().modified().unwrap();
        let seconds = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        all.insert(path.strip_prefix(tree).unwrap().to_string(), seconds);
        Ok(())
    })
    .unwrap();
    all.retain(|name, _| name != ".odoopack-tree");
    all
}

#[test]
fn a_changed_file_of_odoo_is_named() {
    let upstream = Scratch::new(Series::V18, Source::Debian { suite: String::new() });
    let (place, _) = repository(&upstream.root);
    let pack = git_pack(place.as_str(), None);
    let release = fetched(&pack).unwrap();
    let changed = || super::changed_files(&pack.layout, &release).unwrap();
    assert_eq!(changed(), Some(Vec::new()));
    let below = "addons/web/__manifest__.py";
    let file = pack.layout.releases().join(&release.id).join(below);
    files::replace(&file, b"{'name': 'Mine'}\n", 0o644, None).unwrap();
    assert_eq!(changed(), Some(vec![below.to_owned()]));
}

#[test]
fn a_git_tree_has_times_of_its_content_and_no_repository() {
    let upstream = Scratch::new(Series::V18, Source::Debian { suite: String::new() });
    let (place, _) = repository(&upstream.root);
    let pack = git_pack(place.as_str(), None);
    let release = fetched(&pack).unwrap();
    let tree = pack.layout.releases().join(&release.id);
    assert_eq!(release.entry, tree.join("odoo-bin"));
    assert_eq!(release.python_path, None);
    assert_eq!(release.addons, [tree.join("odoo/addons"), tree.join("addons")]);
    // Another commit in another repository: the same content has the same times, another content has others.
    files::replace(
        &place.join("addons/web/__manifest__.py"),
        b"{'name': 'Other'}\n",
        0o644,
        None,
    )
    .unwrap();
    commit(&place, "later");
    let again = git_pack(place.as_str(), None);
    let later = fetched(&again).unwrap();
    let (mut one, mut other) = (times(&tree), times(&again.layout.releases().join(&later.id)));
    assert!(
        one.len() > 8
            && one
                .values()
                .all(|time| (1_000_000_000..1_500_000_000).contains(time))
    );
    let changed = "addons/web/__manifest__.py";
    assert_ne!(one.remove(changed), other.remove(changed));
    assert_eq!(one, other);
    assert!(!tree.join(".git").exists());
    let beside: Vec<String> = pack
        .layout
        .releases()
        .read_dir_utf8()
        .unwrap()
        .map(|e| e.unwrap().file_name().into())
        .collect();
    assert_eq!(beside, [release.id]);
}

#[test]
fn a_removed_tree_is_seen_and_fetched_again_from_the_mirror() {
    let upstream = Scratch::new(Series::V18, Source::Debian { suite: String::new() });
    let (place, _) = repository(&upstream.root);
    let pack = git_pack(place.as_str(), None);
    let release = fetched(&pack).unwrap();
    files::remove_tree(&pack.layout.releases()).unwrap();
    files::remove_tree(&upstream.root).unwrap();
    let seen = observe(&pack.layout, &pack.spec, &pack.root).unwrap();
    assert!(seen.present().is_some_and(|release| !release.fetched));
    assert_eq!(fetched(&pack).unwrap(), release);
}

#[test]
fn a_git_source_says_what_is_wrong() {
    let upstream = Scratch::new(Series::V18, Source::Debian { suite: String::new() });
    let (place, commit) = repository(&upstream.root);
    let refusals = [
        (
            git_pack(place.as_str(), Some("18.0")),
            "`18.0` is no full commit id",
        ),
        (
            Scratch::new(
                Series::V17,
                Source::Git {
                    url: place.to_string(),
                    commit: None,
                },
            ),
            "has no branch `17.0`",
        ),
        (
            Scratch::new(
                Series::V17,
                Source::Git {
                    url: place.to_string(),
                    commit: Some(commit),
                },
            ),
            "the source is Odoo 18.0, the file asks for 17.0",
        ),
    ];
    for (pack, expected) in refusals {
        refused(&fetched(&pack), expected);
        assert!(
            !pack.layout.releases().exists() || pack.layout.releases().read_dir_utf8().unwrap().count() == 0
        );
    }
    let failure = fetched(&git_pack("/no/such/repository", None)).unwrap_err();
    assert_eq!(
        failure.chain()[0],
        "could not ask `/no/such/repository` for its branch `18.0`"
    );
}

fn refused(result: &Result<Release>, expected: &str) {
    let failure: &Failure = result.as_ref().unwrap_err();
    assert!(failure.chain()[0].contains(expected), "{:?}", failure.chain());
    assert_eq!(failure.kind, Kind::Refused);
}

#[test]
fn a_checkout_is_used_where_it_stands_and_its_environment_follows_the_requirements() {
    let mut pack = Scratch::new(
        Series::V18,
        Source::Path {
            directory: "/nowhere".into(),
        },
    );
    refused(&fetched(&pack), "this is no Odoo");
    let checkout = pack.root.join("checkout");
    tiny_odoo(&checkout, "18.0");
    pack.spec.odoo.source = Source::Path {
        directory: checkout.clone(),
    };
    pack.cache = super::cache();
    let release = fetched(&pack).unwrap();
    assert_eq!(
        release.entry.canonicalize_utf8().unwrap(),
        checkout.join("odoo-bin")
    );
    let built = pack.builder().build_python(&release, &progress()).unwrap();
    let python = built.python.clone().unwrap();
    Cmd::new(python.join("bin/python").as_str())
        .args(["-c", "import six, psycopg2, setproctitle"])
        .run()
        .unwrap();
    assert_eq!(
        observe(&pack.layout, &pack.spec, &pack.root).unwrap(),
        Seen::Present(built.clone())
    );
    pack.write("extra.txt", "xlwt==1.3.0\n");
    pack.spec.addons.requirements = vec!["extra.txt".to_owned()];
    let seen = observe(&pack.layout, &pack.spec, &pack.root).unwrap();
    assert_eq!(
        seen,
        Seen::Present(Release {
            python: None,
            ..built.clone()
        })
    );
    let again = pack
        .builder()
        .build_python(&release, &progress())
        .unwrap()
        .python
        .unwrap();
    assert_ne!(again, python);
    Cmd::new(again.join("bin/python").as_str())
        .args(["-c", "import six, xlwt"])
        .run()
        .unwrap();
}

#[test]
fn another_source_needs_another_release() {
    let mut pack = Scratch::new(
        Series::V18,
        Source::Path {
            directory: "/nowhere".into(),
        },
    );
    let checkout = pack.root.join("checkout");
    tiny_odoo(&checkout, "18.0");
    pack.spec.odoo.source = Source::Path { directory: checkout };
    fetched(&pack).unwrap();
    pack.spec.odoo.series = Series::V17;
    assert_eq!(
        observe(&pack.layout, &pack.spec, &pack.root).unwrap(),
        Seen::Absent
    );
    refused(&fetched(&pack), "the source is Odoo 18.0, the file asks for 17.0");
}

/// Makes a Debian package of a tiny Odoo, as upstream's own are.
fn package(root: &Utf8Path) -> Utf8PathBuf {
    let place = root.join("package");
    tiny_odoo(&place.join("usr/lib/python3/dist-packages"), "18.0");
    let write = |name: &str, text: &str| {
        let path = place.join(name);
        files::directory_all(path.parent().unwrap()).unwrap();
        files::replace(&path, text.as_bytes(), 0o755, None).unwrap();
    };
    write("usr/bin/odoo", "#!/usr/bin/python3\nimport odoo.release\n");
    write(
        "DEBIAN/control",
        "Package: odoo\nVersion: 18.0\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: x\n",
    );
    let file = root.join("odoo_18.0_all.deb");
    Cmd::new("dpkg-deb")
        .args(["--build", "--root-owner-group", place.as_str(), file.as_str()])
        .run()
        .unwrap();
    file
}

fn deb_pack(location: &str, sha256: Option<&str>) -> Scratch {
    let source = Source::Deb {
        location: location.to_owned(),
        sha256: sha256.map(str::to_owned),
    };
    Scratch::new(Series::V18, source)
}

#[test]
fn a_package_file_is_checked_and_unpacked() {
    let upstream = Scratch::new(Series::V18, Source::Debian { suite: String::new() });
    let file = package(&upstream.root);
    let hash = super::download::hash_of(&file).unwrap();
    let pack = deb_pack(file.as_str(), Some(&hash.to_uppercase()));
    let release = fetched(&pack).unwrap();
    let tree = pack.layout.releases().join(&release.id);
    assert_eq!(release.identity, format!("deb sha256:{hash}"));
    assert_eq!(release.entry, tree.join("usr/bin/odoo"));
    assert_eq!(
        release.python_path,
        Some(tree.join("usr/lib/python3/dist-packages"))
    );
    let wrong = fetched(&deb_pack(file.as_str(), Some(&"0".repeat(64)))).unwrap_err();
    assert!(
        wrong.chain()[1].starts_with("expected sha256 000"),
        "{:?}",
        wrong.chain()
    );
    refused(
        &fetched(&deb_pack("missing.deb", None)),
        "there is no package file",
    );
    refused(
        &fetched(&deb_pack("https://e.example/a.deb", None)),
        "a package from the network needs its checksum",
    );
}

#[test]
fn debian_has_no_package_of_other_series() {
    let pack = Scratch::new(
        Series::V18,
        Source::Debian {
            suite: "sid".to_owned(),
        },
    );
    refused(
        &fetched(&pack),
        "Debian has no package of Odoo 18.0, only of 19.0",
    );
}
