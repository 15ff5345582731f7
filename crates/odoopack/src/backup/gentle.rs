//! Gentle: a backup that takes its time, so that nobody who works in Odoo notices it.
use std::io::{self, Read};
use std::time::{Duration, Instant};

use odoopack_repository::Pace;
use rustix::process::setpriority_process;

use crate::failure::{Failure, Result};

/// Most bytes of a dump that the server is asked for in a second; a core that does nothing else reads out many times that.
const DUMP: u64 = 16 << 20;
/// For each second that the server counts rows it has so many without counting.
const REST: u32 = 3;
/// The least that a thread can ask of the processor (nice(2)).
const LAST: i32 = 19;

/// From here on this thread, those that it starts and the programs that these run come after everybody else on this machine.
///
/// # Errors
/// When the kernel does not take it.
pub(crate) fn give_way() -> Result<()> {
    setpriority_process(None, LAST)
        .map_err(|e| Failure::failed("could not give way to other programs").because(e))
}

/// Does something that the server works on for us, and leaves it alone for a while afterwards.
pub(crate) fn with_rest<T>(gentle: bool, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    std::thread::sleep(rest(gentle, begun.elapsed()));
    done
}

fn rest(gentle: bool, worked: Duration) -> Duration {
    if gentle { worked * REST } else { Duration::ZERO }
}

/// A stream that is read no faster than a gentle backup may.
#[derive(Debug)]
pub(crate) struct Slow<R> {
    stream: R,
    pace: Pace,
}

impl<R> Slow<R> {
    pub(crate) fn new(stream: R, gentle: bool) -> Self {
        let pace = Pace::default();
        pace.limit(if gentle { DUMP } else { 0 });
        Self { stream, pace }
    }
}

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.stream.read(buffer)?;
        self.pace.wait(got);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_followed_by_rest_only_when_gentle() {
        let worked = Duration::from_millis(20);
        assert_eq!(rest(true, worked), worked * 3);
        assert_eq!(rest(false, worked), Duration::ZERO);
    }

    #[test]
    fn what_is_read_slowly_is_the_same() {
        let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| n.to_le_bytes()[0]).collect();
        for gentle in [true, false] {
            let mut read = Vec::new();
            Slow::new(bytes.as_slice(), gentle)
                .read_to_end(&mut read)
                .unwrap();
            assert_eq!(read, bytes);
        }
    }
}
