//! Work of the library that gives up by a panic: one that only says so to us, as an error.
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};

/// Runs `work`; a panic in it, or in a thread that it waits for, is an error that says why.
///
/// # Source
/// `rustic_core` 0.13, `commands/restore.rs`, `restore_contents`: a full disk and a damaged pack are unwrapped.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let said: Arc<Mutex<Option<String>>> = Arc::default();
    let heard = Arc::clone(&said);
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>().cloned();
        let text = text.or_else(|| {
            info.payload()
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        });
        // Of many threads that fail for one reason, the first one says it.
        heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(text.unwrap_or_default());
    }));
    let done = catch_unwind(AssertUnwindSafe(work));
    set_hook(usual);
    done.unwrap_or_else(|_| {
        let said = said.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Error::NotWhole(said.unwrap_or_default()))
    })
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
