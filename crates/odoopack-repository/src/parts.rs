//! A stream cut into parts of exact size: restic's format wants the size of a file before its bytes (a file of unknown size is restored
//! empty by stock restic).
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use crate::error::Error;
use crate::source::{Content, Item};

/// Size of a part; the last one is smaller. Snapshots that have parts of another size stay as they are.
pub const PART: usize = 40 * 1024 * 1024;

/// Parts that are in memory at most: one being filled, others being stored. With two, PostgreSQL and the storing wait for each other a third
/// of the time; a fourth makes nothing faster.
const IN_MEMORY: usize = 3;

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

    fn fill(&mut self) -> std::io::Result<Lent> {
        let mut lent = Lending::lend(&self.lending, self.size);
        while lent.filled < lent.buffer.len() {
            match self.stream.read(&mut lent.buffer[lent.filled..]) {
                Ok(0) => break,
                Ok(got) => lent.filled += got,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(lent)
    }
}

impl<R: Read> Iterator for Parts<R> {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let lent = match self.fill() {
            Ok(lent) => lent,
            Err(e) => {
                self.over = true;
                return Some(Err(Error::NotWhole(format!("the stream broke off: {e}"))));
            }
        };
        self.over = lent.filled < self.size;
        if lent.filled == 0 {
            return None;
        }
        let path = part_name(&self.directory, self.number);
        self.number += 1;
        Some(Ok(Item {
            path,
            size: lent.filled as u64,
            content: Content::Bytes(Bytes::from_owner(lent)),
            modified: self.modified,
            mode: 0o600,
        }))
    }
}

/// The memory of parts, which is used again: fresh memory of this size costs the kernel as much as the copying.
#[derive(Debug, Default)]
struct Lending {
    memory: Mutex<Memory>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Memory {
    lent: usize,
    free: Vec<Vec<u8>>,
}

/// The memory of one part; given back when dropped.
#[derive(Debug)]
struct Lent {
    buffer: Vec<u8>,
    filled: usize,
    lending: Arc<Lending>,
}

impl Lending {
    fn lend(lending: &Arc<Self>, size: usize) -> Lent {
        let mut memory = lending.memory();
        while memory.lent >= IN_MEMORY {
            memory = lending
                .returned
                .wait(memory)
                .unwrap_or_else(PoisonError::into_inner);
        }
        memory.lent += 1;
        let free = memory.free.pop();
        drop(memory);
        Lent {
            buffer: free.unwrap_or_else(|| vec![0; size]),
            filled: 0,
            lending: Arc::clone(lending),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut memory = self.lending.memory();
        memory.lent = memory.lent.saturating_sub(1);
        memory.free.push(std::mem::take(&mut self.buffer));
        self.lending.returned.notify_one();
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
    fn a_part_holds_its_own_bytes_in_memory_that_was_used_before() {
        let stream: Vec<u8> = (0..11).collect();
        let mut parts = Parts::of_size(stream.as_slice(), "d", Timestamp::UNIX_EPOCH, 4);
        let mut next = || match parts.next()?.unwrap().content {
            Content::Bytes(bytes) => Some(bytes),
            Content::File(_) | Content::Loose(_) | Content::Opened(_) | Content::Link(_) => None,
        };
        let first = next().unwrap();
        let place = first.as_ptr();
        assert_eq!(first, stream[..4]);
        drop(first);
        let second = next().unwrap();
        assert_eq!((second.as_ptr(), &second[..]), (place, &stream[4..8]));
        drop(second);
        assert_eq!(next().unwrap(), stream[8..]);
        assert_eq!(next(), None);
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
