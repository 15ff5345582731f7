//! A disk that is full from some write on, and a prune that something goes wrong in: nothing that was seen before is lost.
use std::fs;

use super::*;

/// The numbers of the requests that write, and what they write.
fn writes(requests: &[String]) -> Vec<(usize, String)> {
    let all = requests.iter().enumerate();
    all.filter_map(|(at, request)| Some((at, request.strip_prefix("put ")?.to_owned())))
        .collect()
}

/// What a disk refuses that is full, and what one that the kernel has made read-only, as it does after an error.
const REFUSED: [fn(&str) -> bool; 2] = [
    |request| request.starts_with("put "),
    |request| request.starts_with("put ") || request.starts_with("remove "),
];

#[test]
fn a_disk_that_is_full_or_read_only_from_any_write_on_costs_that_snapshot_only() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let faults = repository.objects.faults.clone();
    let first = store(&repository, b"the first dump", 0).unwrap();
    faults.set(Fault::Error, |_, _| false);
    store(&repository, b"counted", 1).unwrap();
    let writes = writes(&faults.clear());
    for kind in ["odoopack/", "data/", "index/", "snapshots/"] {
        let of_it = |(_, name): &(usize, String)| name.starts_with(kind);
        assert!(
            writes.iter().any(of_it),
            "nothing was written below {kind}: {writes:?}"
        );
    }
    let seen = ids(&repository);
    let each = REFUSED
        .iter()
        .flat_map(|refused| writes.iter().map(move |write| (refused, write)));
    for (refused, (number, name)) in each {
        let number = *number;
        faults.set(Fault::Error, move |at, request| at >= number && refused(request));
        let dump = format!("dump {number}");
        let outcome = store(&repository, dump.as_bytes(), 10 + i64::try_from(number).unwrap());
        faults.clear();
        assert!(outcome.is_err(), "{name} was not written, and nobody said so");
        assert_eq!(ids(&repository), seen, "{name}");
        whole(&repository, &first, b"the first dump");
    }
    let last = store(&repository, b"there is room again", 100).unwrap();
    whole(&repository, &last, b"there is room again");
}

/// Copies a directory over another one, which then holds nothing else.
fn put_back(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            put_back(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Every request of a prune fails once, and every write from one on; each time what is kept is whole, and the next prune goes well.
#[test]
fn whatever_request_of_a_prune_fails_what_is_kept_is_whole() {
    let keep = tempfile::tempdir().unwrap();
    let (place, aside) = (keep.path().join("here"), keep.path().join("aside"));
    let repository = made(&place);
    let faults = repository.objects.faults.clone();
    let dump = vec![2; 300_000];
    let goes = store(&repository, &vec![1; 300_000], 0).unwrap();
    let kept = store(&repository, &dump, 1).unwrap();
    let prune = || {
        let writer = repository.writer(&holder())?;
        repository.prune(&writer, &[])
    };
    let writer = repository.writer(&holder()).unwrap();
    repository
        .forget(&writer, std::slice::from_ref(&goes), &[])
        .unwrap();
    drop(writer);
    put_back(&place, &aside);
    faults.set(Fault::Error, |_, _| false);
    prune().unwrap();
    let requests = faults.clear();
    assert!(
        requests.iter().any(|r| r.starts_with("put index/")),
        "the prune has nothing to do: {requests:?}"
    );
    // Whose the lock is, which then stays.
    let whose = |at: usize, failed: &str| at + 2 == requests.len() && failed == "get odoopack/writer";
    let each = |refused| {
        writes(&requests)
            .into_iter()
            .map(move |(at, _)| (at, Some(refused)))
    };
    let [full, read_only] = REFUSED.map(each);
    let once = (0..requests.len()).map(|at| (at, None));
    for (number, later) in once.chain(full).chain(read_only) {
        put_back(&aside, &place);
        faults.set(Fault::Error, move |at, request| {
            at == number || at > number && later.is_some_and(|refused: fn(&str) -> bool| refused(request))
        });
        let outcome = prune();
        let failed = faults.clear().get(number).cloned().unwrap_or_default();
        // A snapshot that was not given once is asked for again.
        let is_asked_again = failed.starts_with("get snapshots/");
        assert!(
            outcome.is_err() || failed.starts_with("remove ") || is_asked_again || whose(number, &failed),
            "{failed} failed and was passed over"
        );
        whole(&repository, &kept, &dump);
        prune().unwrap_or_else(|e| panic!("after {failed}: {e}"));
        whole(&repository, &kept, &dump);
        let wrong = repository.check(Reading::Everything).unwrap();
        assert!(wrong.is_empty(), "after {failed}: {wrong:?}");
    }
}

/// What cannot be removed stays, and is listed as before.
#[test]
fn a_disk_that_is_read_only_lets_nobody_forget_or_pin() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let faults = repository.objects.faults.clone();
    let one = store(&repository, b"one", 0).unwrap();
    let two = store(&repository, b"two", 1).unwrap();
    let seen = ids(&repository);
    let writer = repository.writer(&holder()).unwrap();
    faults.set(Fault::Error, |_, request| REFUSED[1](request));
    let forgotten = repository.forget(&writer, std::slice::from_ref(&one), &seen);
    let pinned = repository.pin(&writer, &two, true);
    faults.clear();
    for refused in [forgotten, pinned] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("500 Internal Server Error"), "{refused}");
    }
    assert_eq!(ids(&repository), seen);
    repository.pin(&writer, &two, true).unwrap();
    repository
        .forget(&writer, std::slice::from_ref(&one), &seen)
        .unwrap();
    whole(&repository, &repository.snapshots().unwrap()[0], b"two");
}
