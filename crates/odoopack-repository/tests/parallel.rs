//! The copy in `vendor/pariter` hands over many small things at once: none is lost, none overtakes another, none is kept waiting.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pariter::IteratorExt;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn all_come_once_and_in_order(slow in prop::collection::vec(prop::bool::weighted(0.02), 0..2_000)) {
        let found: Vec<usize> = thread::scope(|scope| {
            let wait = |is_slow: bool| if is_slow { thread::sleep(Duration::from_micros(300)) };
            let numbered = slow.iter().copied().enumerate();
            let mapped = numbered.parallel_map_scoped(scope, move |(number, is_slow)| {
                wait(is_slow);
                number
            });
            mapped.readahead_scoped(scope).collect()
        });
        prop_assert_eq!(found, (0..slow.len()).collect::<Vec<_>>());
    }
}

#[test]
fn what_comes_slowly_is_sent_before_the_next_is_there() {
    let (taken, is_taken) = mpsc::channel();
    let mut count = 0;
    let source = std::iter::from_fn(move || {
        thread::sleep(Duration::from_millis(1));
        if count > 0 {
            is_taken.recv().expect("the reader took the one before");
        }
        count += 1;
        (count <= 3).then_some(count)
    });
    let mut found = Vec::new();
    for number in source.readahead() {
        found.push(number);
        taken.send(()).expect("the source waits for it");
    }
    assert_eq!(found, [1, 2, 3]);
}

#[test]
fn a_worker_that_dies_is_noticed() {
    let run = || {
        thread::scope(|scope| {
            let mapped = (0..1_000).parallel_map_scoped(scope, |number| {
                assert!(number != 700, "on purpose");
                number
            });
            mapped.count()
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
}
