//! A stream cut into parts of exact size: restic's format wants the size of a file before its bytes (a file of unknown size is restored
//! empty by stock restic).
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use crate::error::Error;
use crate::source::{Content, Item};

/// Size of a part; the last one is smaller.
pub const PART: usize = 64 * 1024 * 1024;

/// Parts that are in memory at most: one being filled, the other being stored. A third makes nothing faster, PostgreSQL is slower than the rest.
const IN_MEMORY: usize = 2;

/// Name of a part, so that `cat DIR/*` puts them together in order.
pub fn part_name(directory: &str, number: usize) -> String {
    format!("{directory}/part-{number:05}")
}

/// The parts of a stream as items, one after the other, each as soon as it is full.
#[derive(Debug)]
pub struct Parts<R> {
    stream: R,
    directory: String,
    modified: Timestamp,
    number: usize,
    size: usize,
    over: bool,
    lending: Arc<Lending>,
}

impl<R: Read> Parts<R> {
    /// Cuts `stream` into files below `directory`.
    pub fn new(stream: R, directory: &str, modified: Timestamp) -> Self {
        Self::of_size(stream, directory, modified, PART)
    }

    fn of_size(stream: R, directory: &str, modified: Timestamp, size: usize) -> Self {
        Self {
            stream,
            directory: directory.to_owned(),
            modified,
            number: 0,
            size,
            over: false,
            lending: Arc::new(Lending::default()),
        }
    }

    fn fill(&mut self) -> std::io::Result<Vec<u8>> {
        let mut buffer = vec![0; self.size];
        let mut filled = 0;
        while filled < buffer.len() {
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        buffer.truncate(filled);
        Ok(buffer)
    }
}

impl<R: Read> Iterator for Parts<R> {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let permit = Lending::lend(&self.lending);
        let bytes = match self.fill() {
            Ok(bytes) => bytes,
            Err(e) => {
                self.over = true;
                return Some(Err(Error::NotWhole(format!("the stream broke off: {e}"))));
            }
        };
        self.over = bytes.len() < self.size;
        if bytes.is_empty() {
            return None;
        }
        let path = part_name(&self.directory, self.number);
        self.number += 1;
        Some(Ok(Item {
            path,
            size: bytes.len() as u64,
            content: Content::Part(Bytes::from(bytes), permit),
            modified: self.modified,
            mode: 0o600,
        }))
    }
}

/// How many parts are in memory.
#[derive(Debug, Default)]
struct Lending {
    lent: Mutex<usize>,
    returned: Condvar,
}

/// The right to hold one part in memory; given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Lending>);

impl Lending {
    fn lend(lending: &Arc<Self>) -> Permit {
        let mut lent = lending.lent.lock().unwrap_or_else(PoisonError::into_inner);
        while *lent >= IN_MEMORY {
            lent = lending
                .returned
                .wait(lent)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *lent += 1;
        Permit(Arc::clone(lending))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut lent = self.0.lent.lock().unwrap_or_else(PoisonError::into_inner);
        *lent = lent.saturating_sub(1);
        self.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(length: usize) -> Vec<(String, u64)> {
        let stream = std::io::repeat(7).take(length as u64);
        Parts::of_size(stream, "database", Timestamp::UNIX_EPOCH, 4)
            .map(|item| item.unwrap())
            .map(|item| (item.path, item.size))
            .collect()
    }

    #[test]
    fn parts_are_full_but_the_last_and_none_is_empty() {
        let name = |n: usize| format!("database/part-0000{n}");
        assert_eq!(sizes(0), []);
        assert_eq!(sizes(3), [(name(0), 3)]);
        assert_eq!(sizes(4), [(name(0), 4)]);
        assert_eq!(sizes(9), [(name(0), 4), (name(1), 4), (name(2), 1)]);
    }

    #[test]
    fn no_more_parts_are_in_memory_than_are_lent() {
        let mut parts = Parts::of_size(std::io::repeat(7).take(100), "d", Timestamp::UNIX_EPOCH, 4);
        let held: Vec<_> = parts.by_ref().take(IN_MEMORY).collect();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(parts.next().is_some()));
        let early = receiver.recv_timeout(std::time::Duration::from_millis(50));
        assert!(early.is_err(), "a part more came than may be held");
        drop(held);
        assert!(receiver.recv().unwrap());
    }
}
