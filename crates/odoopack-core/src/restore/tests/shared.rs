//! A database comes back alone, and the old one and the new one have used one filestore.
use std::collections::BTreeSet;

use super::*;

/// Two databases that use one filestore, and Odoo's clean-up, which runs whenever something serves.
#[derive(Clone, Debug, Default)]
struct Shared {
    hidden: bool,
    swapped: bool,
    running: bool,
    live: BTreeSet<&'static str>,
    own: Option<BTreeSet<&'static str>>,
    undone: Option<BTreeSet<&'static str>>,
}

const OF_OLD: [&str; 3] = ["of both", "of the old", "of the old, later"];
const OF_NEW: [&str; 2] = ["of both", "of the new"];

impl Shared {
    fn serves(&mut self) {
        self.running = true;
        if self.swapped {
            self.live.retain(|file| OF_NEW.contains(file));
            self.live.insert("of the new");
        } else {
            assert!(
                OF_OLD.iter().all(|file| self.live.contains(file)),
                "lost: {self:?}"
            );
            self.live.retain(|file| OF_OLD.contains(file));
        }
    }
}

/// File by file, so that it can be killed in between.
fn add(from: &BTreeSet<&'static str>, to: &mut BTreeSet<&'static str>, kill: &mut Kill) -> Result<(), ()> {
    from.iter().try_for_each(|file| {
        to.insert(file);
        kill.survives()
    })
}

impl Model for Shared {
    fn step(&mut self, step: &Step, kill: &mut Kill) -> Result<(), ()> {
        match step {
            Step::MakeDatabase { .. } => self.hidden = true,
            Step::KeepFilestore { again, .. } => {
                assert_eq!(*again, !self.running);
                add(&self.live, self.own.get_or_insert_default(), kill)?;
                if !again {
                    self.live.insert("of the old, later");
                }
            }
            Step::StopServices { .. } => self.running = false,
            Step::SwapDatabase { .. } if self.hidden => (self.hidden, self.swapped) = (false, true),
            Step::StartServices { .. } => self.serves(),
            Step::PlaceFilestore { .. } | Step::SwapFilestore { .. } | Step::KeepNewer { .. } => {
                panic!("the attachments stay")
            }
            Step::SwapDatabase { .. }
            | Step::LoadDatabase { .. }
            | Step::Verify { .. }
            | Step::MakeHarmless { .. }
            | Step::HoldJobs { .. }
            | Step::Boot { .. }
            | Step::PassProbes { .. } => {}
        }
        Ok(())
    }

    fn undo(&mut self, undo: &Undo, kept: bool, kill: &mut Kill) -> Result<(), ()> {
        match undo {
            Undo::DropDatabase { .. } => self.hidden = false,
            Undo::StartServices { .. } => self.serves(),
            Undo::StopServices { .. } => self.running = false,
            Undo::SwapDatabaseBack { .. } if self.swapped => (self.hidden, self.swapped) = (true, false),
            Undo::GiveFilesBack { .. } => {
                if let Some(own) = &self.own {
                    add(own, &mut self.live, kill)?;
                }
                if kept {
                    self.undone = self.own.take().or(self.undone.take());
                    kill.survives()?;
                    add(&self.live, self.undone.as_mut().unwrap(), kill)?;
                }
            }
            Undo::RemoveDirectory { .. } => {
                assert!(
                    !kept || self.own.is_none(),
                    "it has the name that it is kept under"
                );
                self.own = None;
            }
            Undo::SwapDatabaseBack { .. } => {}
            Undo::SwapFilestoreBack { .. } => panic!("the attachments stay"),
        }
        Ok(())
    }
}

/// Killed anywhere, twice: every database that is left, served or kept, has the attachments that it names.
#[test]
fn whatever_becomes_of_a_database_that_comes_alone_every_one_has_its_attachments() {
    let only = Wanted {
        filestore: false,
        ..wanted(Kind::Production, in_place(true))
    };
    let steps = plan(&only);
    let begin = Shared {
        running: true,
        live: BTreeSet::from(["of both", "of the old"]),
        ..Shared::default()
    };
    let has = |files: Option<&BTreeSet<&str>>, all: &[&str]| {
        files.is_some_and(|files| all.iter().all(|file| files.contains(file)))
    };
    let mut ends = (0, 0, 0);
    for fail in (0..steps.len()).map(Some).chain([None]) {
        for first in 0..80 {
            for second in 0..80 {
                let (mut world, mut events) = (begin.clone(), Vec::new());
                let whole = go_on(&mut world, &steps, &mut events, fail, &mut Kill(first)).is_ok();
                if !whole && events.is_empty() {
                    continue;
                }
                if !whole && go_on(&mut world, &steps, &mut events, None, &mut Kill(second)).is_err() {
                    go_on(&mut world, &steps, &mut events, None, &mut Kill(usize::MAX)).unwrap();
                }
                let why = format!("fail {fail:?}, killed at {first} and {second}: {world:?} {events:?}");
                assert!(world.running, "{why}");
                if world.swapped {
                    assert!(
                        has(world.own.as_ref(), &OF_OLD) && has(Some(&world.live), &["of both"]),
                        "{why}"
                    );
                    ends.0 += 1;
                } else if begun_to_serve(&steps, &events) {
                    assert!(has(world.undone.as_ref(), &OF_NEW), "{why}");
                    ends.1 += 1;
                } else {
                    assert!(world.own.is_none() && world.undone.is_none(), "{why}");
                    ends.2 += 1;
                }
                assert!(
                    world.swapped || has(Some(&world.live), &["of both", "of the old"]),
                    "{why}"
                );
            }
        }
    }
    assert!(ends.0 > 500 && ends.1 > 100 && ends.2 > 500, "{ends:?}");
}
