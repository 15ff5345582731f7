//! Work of the library that gives up by a panic: one that only says so to us, as an error.
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::error::{Error, Result};

/// What is guarded just now, and what was said meanwhile.
#[derive(Default)]
struct Said {
    works: usize,
    first: Option<String>,
}

static SAID: Mutex<Said> = Mutex::new(Said {
    works: 0,
    first: None,
});

/// Runs `work`; a panic in it, or in a thread that it waits for, is an error that says why.
///
/// From the first time on nothing that the library's threads panic with is printed, also when they end later than the work.
///
/// # Source
/// `rustic_core` 0.13: `commands/restore.rs`, `restore_contents`, unwraps a full disk and a damaged pack; `blob/tree.rs`,
/// `TreeStreamerOnce`, that somebody still wants the directory which a thread of it has read.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(listen);
    begin();
    let done = catch_unwind(AssertUnwindSafe(work));
    let first = end();
    done.unwrap_or_else(|_| Err(Error::NotWhole(first.unwrap_or_default())))
}

fn said() -> MutexGuard<'static, Said> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

fn begin() {
    let mut said = said();
    if said.works == 0 {
        said.first = None;
    }
    said.works += 1;
}

fn end() -> Option<String> {
    let mut said = said();
    said.works -= 1;
    said.first.clone()
}

fn listen() {
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        let mut said = said();
        if said.works == 0 && !is_of_the_library(info) {
            drop(said);
            return usual(info);
        }
        let text = words(info);
        // That the other side is gone is said by those who failed after somebody else had.
        if !text.contains("SendError") {
            // Of many threads that fail for one reason, the first one says it.
            said.first.get_or_insert(text);
        }
    }));
}

fn is_of_the_library(info: &PanicHookInfo<'_>) -> bool {
    let location = info.location();
    location.is_some_and(|location| location.file().contains("rustic_core"))
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_thread_is_an_error_that_says_why() {
        let work = || {
            std::thread::scope(|scope| {
                scope.spawn(|| "no number".parse::<u8>().unwrap());
            });
            Ok(())
        };
        let error = guarded(work).unwrap_err().to_string();
        assert!(error.contains("InvalidDigit"), "{error}");
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
    }
}
