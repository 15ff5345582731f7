//! What is handed over to be stored: files with their exact size, one after the other, in the order of their paths.
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustic_core::{ErrorKind, ReadSource, ReadSourceEntry, ReadSourceOpen, RusticError, RusticResult};

use crate::backend::Backend;
use crate::error::Error;

/// One file to store.
#[derive(Debug)]
pub struct Item {
    /// Path in the snapshot, `/` between its parts, none at its ends.
    pub path: String,
    /// Its bytes.
    pub content: Content,
    /// Exact size in bytes.
    pub size: u64,
    /// Modification time; a file with the same path, size and time as in the snapshot before is not read again.
    pub modified: Timestamp,
    /// Permission bits.
    pub mode: u32,
}

/// Where the bytes of a file come from.
#[derive(Debug)]
pub enum Content {
    /// A file of this host that nobody changes.
    File(PathBuf),
    /// One that somebody may change while it is read: of one that grew the promised bytes are stored.
    Loose(PathBuf),
    /// A file that is open, from where it stands.
    Opened(std::fs::File),
    /// A symbolic link to this; its size is 0.
    Link(String),
    /// Bytes that are here.
    Bytes(Bytes),
}

impl Item {
    /// A small file from its bytes.
    pub fn small(path: impl Into<String>, bytes: impl Into<Bytes>, modified: Timestamp) -> Self {
        let bytes = bytes.into();
        Self {
            path: path.into(),
            size: bytes.len() as u64,
            content: Content::Bytes(bytes),
            modified,
            mode: 0o600,
        }
    }
}

/// What happened while items were handed over.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    pub(crate) files: u64,
    pub(crate) links: u64,
    pub(crate) bytes: u64,
    pub(crate) error: Option<String>,
    /// Whether that was a file that somebody may change.
    pub(crate) changed: bool,
}

type Items = Box<dyn Iterator<Item = Result<Item, Error>> + Send>;

/// The items as rustic wants them.
pub(crate) struct Source {
    items: Mutex<Option<Items>>,
    top: String,
    /// What all of them carry, so that the directories that hold them are not those of a snapshot with another one.
    trees: Option<u64>,
    handed: Arc<Mutex<Handed>>,
    /// Where it goes: once that has refused something, nothing more is handed over.
    store: Arc<Backend>,
}

impl Source {
    pub(crate) fn new(
        store: &Arc<Backend>,
        top: &str,
        trees: Option<u64>,
        items: impl Iterator<Item = Result<Item, Error>> + Send + 'static,
    ) -> (Self, Arc<Mutex<Handed>>) {
        let handed = Arc::new(Mutex::new(Handed::default()));
        let source = Self {
            items: Mutex::new(Some(Box::new(items))),
            top: top.to_owned(),
            trees,
            handed: Arc::clone(&handed),
            store: Arc::clone(store),
        };
        (source, handed)
    }
}

impl ReadSource for Source {
    type Open = Opening;
    type Iter = Box<dyn Iterator<Item = RusticResult<ReadSourceEntry<Opening>>> + Send>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (top, trees, handed) = (self.top.clone(), self.trees, Arc::clone(&self.handed));
        let items = items.unwrap_or_else(|| Box::new(std::iter::empty()));
        let store = Arc::clone(&self.store);
        // The library would read everything to its end, and then say that none of it was stored.
        let items = items.take_while(move |_| !store.has_refused());
        Box::new(items.map_while(move |item| entry((&top, trees), item, &handed).map(Ok)))
    }
}

/// `None` ends the snapshot: an item could not be made, so nothing that follows counts.
fn entry(
    (top, trees): (&str, Option<u64>),
    item: Result<Item, Error>,
    handed: &Arc<Mutex<Handed>>,
) -> Option<ReadSourceEntry<Opening>> {
    let mut tally = handed.lock().unwrap_or_else(PoisonError::into_inner);
    let item = match item {
        Ok(item) => item,
        Err(error) => {
            // Whoever tells it says that the snapshot would not be whole.
            tally.error.get_or_insert(if let Error::NotWhole(why) = error {
                why
            } else {
                error.to_string()
            });
            return None;
        }
    };
    tally.files += 1;
    tally.bytes += item.size;
    let path = PathBuf::from(format!("/{top}/{}", item.path));
    let metadata = Metadata {
        mode: Some(item.mode),
        mtime: Some(item.modified),
        size: item.size,
        // A file of ours has no other use for it.
        inode: trees.unwrap_or_default(),
        ..Metadata::default()
    };
    let name = path.file_name()?.to_owned();
    if let Content::Link(target) = &item.content {
        tally.files -= 1;
        tally.links += 1;
        let kind = NodeType::from_link(target.as_ref());
        let node = Node::new_node(&name, kind, metadata);
        return Some(ReadSourceEntry {
            path,
            node,
            open: None,
        });
    }
    let node = Node::new_node(&name, NodeType::File, metadata);
    let open = Opening {
        path: item.path,
        size: item.size,
        content: item.content,
        handed: Arc::clone(handed),
    };
    Some(ReadSourceEntry {
        path,
        node,
        open: Some(open),
    })
}

/// A file about to be read.
pub(crate) struct Opening {
    path: String,
    size: u64,
    content: Content,
    handed: Arc<Mutex<Handed>>,
}

impl ReadSourceOpen for Opening {
    type Reader = Exact;

    fn open(self) -> RusticResult<Exact> {
        let loose = matches!(self.content, Content::Loose(_));
        let inner: Box<dyn Read + Send> = match self.content {
            Content::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
            Content::Opened(file) => Box::new(file),
            // Links are never opened.
            Content::Link(_) => Box::new(io::empty()),
            Content::File(path) | Content::Loose(path) => match std::fs::File::open(&path) {
                Ok(file) if loose => Box::new(file.take(self.size)),
                Ok(file) => Box::new(file),
                Err(e) => {
                    let text = format!("could not open `{}`: {e}", path.display());
                    note(&self.handed, &text, loose && is_another(&e));
                    return Err(RusticError::new(ErrorKind::InputOutput, text));
                }
            },
        };
        Ok(Exact {
            loose,
            inner,
            path: self.path,
            left: self.size,
            handed: self.handed,
        })
    }
}

/// A reader that gives exactly the bytes that were promised, or fails.
pub(crate) struct Exact {
    inner: Box<dyn Read + Send>,
    path: String,
    left: u64,
    loose: bool,
    handed: Arc<Mutex<Handed>>,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer).map_err(|e| {
            let text = format!("could not read `{}`: {e}", self.path);
            self.wrong(text, self.loose && is_another(&e))
        })?;
        if got == 0 && self.left > 0 && !buffer.is_empty() {
            let text = format!("`{}` became {} bytes shorter", self.path, self.left);
            return Err(self.wrong(text, self.loose));
        }
        self.left = match self.left.checked_sub(got as u64) {
            Some(left) => left,
            None => return Err(self.wrong(format!("`{}` grew while it was read", self.path), false)),
        };
        Ok(got)
    }
}

impl Exact {
    fn wrong(&self, text: String, changed: bool) -> io::Error {
        note(&self.handed, &text, changed);
        io::Error::other(text)
    }
}

/// Whether something else is there now than was there when it was listed.
fn is_another(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
}

fn note(handed: &Arc<Mutex<Handed>>, text: &str, changed: bool) {
    let mut tally = handed.lock().unwrap_or_else(PoisonError::into_inner);
    if tally.error.is_none() {
        tally.error = Some(text.to_owned());
        tally.changed = changed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(promised: u64, bytes: &'static [u8]) -> io::Result<usize> {
        let handed = Arc::new(Mutex::new(Handed::default()));
        let opening = Opening {
            path: "x".to_owned(),
            size: promised,
            content: Content::Bytes(Bytes::from_static(bytes)),
            handed,
        };
        opening.open().unwrap().read_to_end(&mut Vec::new())
    }

    #[test]
    fn a_file_that_changes_its_size_while_it_is_read_is_an_error() {
        assert_eq!(read(3, b"abc").unwrap(), 3);
        assert!(
            read(4, b"abc")
                .unwrap_err()
                .to_string()
                .contains("1 bytes shorter")
        );
        assert!(read(2, b"abc").unwrap_err().to_string().contains("grew"));
    }

    #[test]
    fn of_a_file_that_somebody_appends_to_what_was_promised_is_stored() {
        let mut keep = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut keep, b"abcdef").unwrap();
        let path = keep.path().to_owned();
        let read = |promised: u64| {
            let handed = Arc::new(Mutex::new(Handed::default()));
            let opening = Opening {
                path: "log".to_owned(),
                size: promised,
                content: Content::Loose(path.clone()),
                handed: Arc::clone(&handed),
            };
            let mut bytes = Vec::new();
            let read = opening.open().unwrap().read_to_end(&mut bytes);
            let handed = handed.lock().unwrap();
            (read.map(|_| bytes).ok(), handed.changed)
        };
        assert_eq!(read(3), (Some(b"abc".to_vec()), false));
        assert_eq!(read(6), (Some(b"abcdef".to_vec()), false));
        assert_eq!(read(7), (None, true));
    }
}
