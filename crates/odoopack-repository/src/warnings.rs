//! What the library says in its log instead of returning it; while something is stored, every warning counts.
use std::sync::{Mutex, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

static HEARD: Mutex<Option<Vec<String>>> = Mutex::new(None);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Listener;

impl Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && metadata.target().starts_with("rustic")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heard) = heard.as_mut() {
            heard.push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Runs `work` and returns with its result every warning that the library wrote meanwhile.
pub(crate) fn listening<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&Listener).is_ok() {
            log::set_max_level(LevelFilter::Warn);
        }
    });
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    *HEARD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    let result = work();
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner).take();
    (result, heard.unwrap_or_default())
}
