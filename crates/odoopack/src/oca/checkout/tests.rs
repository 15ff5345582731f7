//! Checkouts by plain git: cut off, taken up again, and what is never taken away.
use super::super::fixture::{Repository, commit as commit_in, git as plain};
use super::*;

/// A pack beside the repository, and where its checkout goes.
fn pack(upstream: &Repository) -> (Pack, Utf8PathBuf) {
    let root = upstream.root.join("pack");
    files::directory_all(&root).unwrap();
    plain(&root, &["init", "--quiet"]);
    let pack = Pack::around(&root).unwrap().unwrap();
    (pack, root.join("oca/web"))
}

fn check_out(upstream: &Repository, place: &Utf8Path, commit: &str) {
    git::take(place, &upstream.git_directory(), commit).run().unwrap();
    git::switch(place, commit).run().unwrap();
}

#[test]
fn a_first_checkout_that_was_cut_off_begins_again() {
    let upstream = Repository::new();
    let commit = upstream.commit();
    let locked = upstream.locked(&commit);
    let (pack, place) = pack(&upstream);
    for submodule in [Some((&pack, "oca/web")), None] {
        files::remove_tree(&place).unwrap();
        create(&place, submodule, &locked).unwrap();
        // As git leaves it when it is killed.
        let data = Utf8PathBuf::from(plain(&place, &["rev-parse", "--absolute-git-dir"]));
        files::replace(&data.join("index.lock"), b"", 0o644, None).unwrap();
        assert_eq!(look(&place).unwrap(), Seen::Absent);
        create(&place, submodule, &locked).unwrap();
        check_out(&upstream, &place, &commit);
        let changed = Vec::new();
        let there = Seen::There {
            commit: commit.clone(),
            changed,
        };
        assert_eq!(look(&place).unwrap(), there);
        // What has a commit is nobody's beginning.
        clear_begun(&data).unwrap();
        assert!(data.join("HEAD").is_file());
    }
}

#[test]
fn files_without_a_commit_are_nobodys_to_remove() {
    let upstream = Repository::new();
    let locked = upstream.locked(&upstream.commit());
    let (_, place) = pack(&upstream);
    create(&place, None, &locked).unwrap();
    files::replace(&place.join("mine.py"), b"", 0o644, None).unwrap();
    let failure = look(&place).unwrap_err().to_string();
    assert!(failure.contains("no commit is checked out there"), "{failure}");
}

#[test]
fn commits_that_are_nowhere_else_keep_a_checkout_from_being_removed() {
    let upstream = Repository::new();
    let commit = upstream.commit();
    let (_, place) = pack(&upstream);
    create(&place, None, &upstream.locked(&commit)).unwrap();
    check_out(&upstream, &place, &commit);
    keep_commits(&place, "web").unwrap();
    // Detached, then only on a branch, then only in the stash; at last on the remote's branch.
    let own = commit_in(&place);
    keep_commits(&place, "web").unwrap_err();
    plain(&place, &["branch", "mine"]);
    plain(&place, &["checkout", "--quiet", "--detach", &commit]);
    let failure = keep_commits(&place, "web").unwrap_err();
    assert!(failure.chain().join(" ").contains(&own[..7]), "{failure:?}");
    plain(&place, &["update-ref", "refs/stash", &own]);
    plain(&place, &["branch", "--quiet", "-D", "mine"]);
    keep_commits(&place, "web").unwrap_err();
    plain(&place, &["update-ref", "refs/remotes/origin/19.0", &own]);
    keep_commits(&place, "web").unwrap();
}
