//! The same work on several repositories at once.
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::failure::{Failure, Result};

/// Waiting for servers is most of the work; more at once only annoys them.
const AT_ONCE: usize = 8;

/// Does `work` on every item, several at a time; the results are in the order of the items.
///
/// # Errors
/// The first failure in the order of the items; the names of the others stand in its hints.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    name: impl Fn(&T) -> &str,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Result<R>>>> = Mutex::new(items.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..items.len().min(AT_ONCE) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let at = items.iter().position(|other| std::ptr::eq(other, item));
                    let result = work(item);
                    if let (Some(at), Ok(mut done)) = (at, done.lock()) {
                        done[at] = Some(result);
                    }
                }
            });
        }
    });
    let results = done.into_inner().unwrap_or_default();
    let mut good = Vec::new();
    let mut bad: Option<Failure> = None;
    for (item, result) in items.iter().zip(results) {
        match result {
            Some(Ok(value)) => good.push(value),
            Some(Err(failure)) => {
                bad = Some(match bad {
                    None => failure,
                    Some(first) => first.hint(format!("`{}` failed too: {failure}", name(item))),
                });
            }
            None => {
                bad = Some(Failure::failed(format!(
                    "the work on `{}` was not done",
                    name(item)
                )));
            }
        }
    }
    match bad {
        None if good.len() == items.len() => Ok(good),
        None => Err(Failure::failed("not all repositories were worked on")),
        Some(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_and_names_every_failure() {
        let items: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let lengths = each(&items, |item| item, |item| Ok(item.len())).unwrap();
        assert_eq!(lengths.len(), 20);
        assert_eq!((lengths[3], lengths[13]), (1, 2));
        let odd = |item: &String| {
            if item == "4" || item == "7" {
                Err(Failure::failed(format!("no {item}")))
            } else {
                Ok(())
            }
        };
        let failure = each(&items, |item| item, odd).unwrap_err();
        assert_eq!(failure.chain(), ["no 4"]);
        assert_eq!(failure.json()["hints"][0], "`7` failed too: no 7");
    }
}
