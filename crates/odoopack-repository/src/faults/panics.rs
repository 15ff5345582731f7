//! What the library gives up on with a panic is an error, and nobody sees the panic.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::lost::pack;
use super::*;

/// One directory of many cannot be read: the threads that read the others find that nobody wants them any more.
#[test]
fn what_threads_of_the_library_panic_with_is_not_printed() {
    static PRINTED: AtomicUsize = AtomicUsize::new(0);
    // The one that prints, before the library is first heard.
    std::panic::set_hook(Box::new(|_| {
        PRINTED.fetch_add(1, Ordering::SeqCst);
    }));
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let items = (0..400).map(|number| {
        let path = format!("filestore/{number:03}/file-{number}");
        Ok(Item::small(path, "x", Timestamp::UNIX_EPOCH))
    });
    let label = Label {
        pack: "demo".to_owned(),
        environment: "production".to_owned(),
        time: Timestamp::UNIX_EPOCH,
        note: None,
    };
    let writer = repository.writer(&holder()).unwrap();
    let stored = repository.store(&writer, &label, items).unwrap();
    stored.publish().unwrap();
    flip(&pack(keep.path()), 50);
    let refused = repository.prune(&writer, &[]).unwrap_err().to_string();
    std::thread::sleep(Duration::from_millis(300));
    drop(std::panic::take_hook());
    assert!(refused.starts_with("could not plan the prune: "), "{refused}");
    assert_eq!(PRINTED.load(Ordering::SeqCst), 0);
}
