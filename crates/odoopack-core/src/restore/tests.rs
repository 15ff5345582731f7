//! Plans by table; a model of the world is killed at every point and must end in the old state or the new one.
mod shared;

use super::*;

fn wanted(kind: Kind, to: Destination) -> Wanted {
    Wanted {
        id: "7k2m".to_owned(),
        environment: "production".parse().unwrap(),
        kind,
        role: "pack_production".to_owned(),
        filestores: "/r/filestore".into(),
        to,
        database: true,
        filestore: true,
        services: vec![
            "production.blue.web".to_owned(),
            "production.blue.cron".to_owned(),
        ],
    }
}

fn in_place(exists: bool) -> Destination {
    Destination::Environment {
        database: "pack_production".to_owned(),
        database_exists: exists,
        filestore_exists: exists,
    }
}

fn sentences(wanted: &Wanted) -> Vec<String> {
    plan(wanted).iter().map(ToString::to_string).collect()
}

#[test]
fn production_is_replaced_last_and_held() {
    insta::assert_snapshot!(sentences(&wanted(Kind::Production, in_place(true))).join("\n"), @r"
    make an empty database pack_production_restore_7k2m that only pack_production may enter
    load the dump into pack_production_restore_7k2m
    put the attachments into /r/filestore/pack_production_restore_7k2m
    compare what arrived with what should have
    hold scheduled jobs and outgoing mail in pack_production_restore_7k2m
    stop production.blue.web, production.blue.cron
    put it in the place of database pack_production, which is kept as pack_production_replaced_7k2m
    put the attachments in the place of /r/filestore/pack_production, which is kept as pack_production_replaced_7k2m
    start production.blue.web, production.blue.cron
    check production
    ");
}

#[test]
fn whatever_is_not_production_is_made_harmless_before_it_has_its_name() {
    for (kind, to) in [
        (Kind::Staging, in_place(true)),
        (Kind::Development, in_place(false)),
        (
            Kind::Production,
            Destination::Beside {
                database: "look".to_owned(),
            },
        ),
        (
            Kind::Staging,
            Destination::Beside {
                database: "look".to_owned(),
            },
        ),
    ] {
        let steps = plan(&wanted(kind, to));
        let harmless = steps
            .iter()
            .position(|step| matches!(step, Step::MakeHarmless { .. }))
            .unwrap();
        let swap = steps.iter().position(Step::is_swap).unwrap();
        assert!(harmless < swap);
        assert!(!steps.iter().any(|step| matches!(step, Step::HoldJobs { .. })));
    }
}

#[test]
fn a_database_beside_stops_nobody_and_gets_no_mark() {
    let steps = plan(&wanted(
        Kind::Production,
        Destination::Beside {
            database: "look".to_owned(),
        },
    ));
    assert!(
        !steps
            .iter()
            .any(|step| matches!(step, Step::StopServices { .. } | Step::PassProbes { .. }))
    );
    let swap = steps
        .iter()
        .find(|step| matches!(step, Step::SwapDatabase { .. }))
        .unwrap();
    assert!(matches!(
        swap,
        Step::SwapDatabase {
            kept: None,
            mark: None,
            ..
        }
    ));
}

#[test]
fn only_the_filestore_touches_no_database() {
    let only = Wanted {
        database: false,
        ..wanted(Kind::Production, in_place(true))
    };
    assert!(
        !sentences(&only).join("\n").contains("database"),
        "{:?}",
        sentences(&only)
    );
}

/// What was added since the backup was made is named by the database that stays: it is put beside before anybody stops, once more when
/// nobody can add anything, and only then does the new directory have the name.
#[test]
fn only_the_filestore_keeps_every_attachment_that_the_backup_does_not_have() {
    let only = Wanted {
        database: false,
        ..wanted(Kind::Production, in_place(true))
    };
    insta::assert_snapshot!(sentences(&only).join("\n"), @r"
    put the attachments into /r/filestore/pack_production_restore_7k2m
    keep the attachments in /r/filestore/pack_production that the backup does not have
    compare what arrived with what should have
    stop production.blue.web, production.blue.cron
    keep what came into /r/filestore/pack_production meanwhile
    put the attachments in the place of /r/filestore/pack_production, which is kept as pack_production_replaced_7k2m
    start production.blue.web, production.blue.cron
    check production
    ");
    let staying = Staying {
        database: Some("pack_production".to_owned()),
        filestore: Some("/r/filestore/pack_production".into()),
    };
    let compared = |wanted: &Wanted| {
        let mut steps = plan(wanted).into_iter();
        steps.find_map(|step| {
            if let Step::Verify { staying, .. } = step {
                Some(staying)
            } else {
                None
            }
        })
    };
    assert_eq!(compared(&only), Some(staying.clone()));
    let database = Wanted {
        filestore: false,
        ..wanted(Kind::Production, in_place(true))
    };
    let of_filestore = Staying {
        database: None,
        ..staying
    };
    assert_eq!(compared(&database), Some(of_filestore));
    let whole = wanted(Kind::Production, in_place(true));
    let nothing_yet = Wanted {
        to: in_place(false),
        ..only
    };
    for (wanted, stays) in [(&whole, false), (&nothing_yet, false), (&database, true)] {
        assert_eq!(compared(wanted) != Some(Staying::default()), stays, "{wanted:?}");
        let newer = |step: &Step| matches!(step, Step::KeepNewer { .. });
        assert!(!plan(wanted).iter().any(newer), "{wanted:?}");
    }
}

/// Odoo collects what the new database does not name, also what only the one names that is kept: that gets attachments of its own, before
/// anybody stops, and once more when nobody can add anything.
#[test]
fn only_the_database_leaves_the_one_that_is_kept_its_attachments() {
    let only = |to| Wanted {
        filestore: false,
        ..wanted(Kind::Production, to)
    };
    insta::assert_snapshot!(sentences(&only(in_place(true))).join("\n"), @r"
    make an empty database pack_production_restore_7k2m that only pack_production may enter
    load the dump into pack_production_restore_7k2m
    compare what arrived with what should have
    hold scheduled jobs and outgoing mail in pack_production_restore_7k2m
    give the database that is kept its attachments in /r/filestore/pack_production_replaced_7k2m
    stop production.blue.web, production.blue.cron
    and those that came into /r/filestore/pack_production meanwhile
    put it in the place of database pack_production, which is kept as pack_production_replaced_7k2m
    start production.blue.web, production.blue.cron
    check production
    ");
    let steps = plan(&only(in_place(true)));
    let kept: Vec<&str> = steps.iter().filter_map(Step::kept).collect();
    assert_eq!(
        kept,
        [
            "/r/filestore/pack_production_replaced_7k2m",
            "pack_production_replaced_7k2m"
        ]
    );
    let beside = Destination::Beside {
        database: "look".to_owned(),
    };
    for wanted in [
        only(in_place(false)),
        only(beside),
        wanted(Kind::Production, in_place(true)),
    ] {
        let keeps = |step: &Step| matches!(step, Step::KeepFilestore { .. });
        assert!(!plan(&wanted).iter().any(keeps), "{wanted:?}");
    }
}

#[test]
fn names_stay_within_what_postgresql_can_hold() {
    let long = "ä".repeat(40);
    let name = own_name(&long, "restore", "7k2m");
    assert!(name.len() <= LONGEST && name.ends_with("_restore_7k2m"), "{name}");
}

#[test]
fn what_does_not_fit_is_refused_before_anything_begins() {
    use crate::units::Bytes;
    let disk = |place: &str, device, free| Disk {
        place: place.into(),
        device,
        free: Bytes::mib(free),
    };
    let fits = |database: Disk, files: Disk, count: u64| {
        room(&[(database, Bytes::mib(200)), (files, Bytes::mib(count))])
    };
    let one = |free| disk("/srv/odoo", 1, free);
    assert!(fits(one(560), one(560), 100).is_ok());
    let refused = fits(one(560), one(560), 200).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "this needs about 656MiB of free space on the disk of /srv/odoo, and 560MiB are free"
    );
    // The database's own disk counts, however much is free beside it, and the other way round.
    let own = |free| disk("/var/lib/volume", 2, free);
    assert!(fits(own(460), one(560), 300).is_ok());
    assert_eq!(fits(own(450), one(9000), 1).unwrap_err().place, "/var/lib/volume");
    assert_eq!(fits(own(9000), one(450), 200).unwrap_err().place, "/srv/odoo");
    assert_eq!(database_of(Bytes::mib(100)), Bytes::mib(180));
    assert!(room_for_copy(Bytes(u64::MAX), &one(560)).is_err());
}

/// A world in which steps have effects and a journal; each entry is what has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that is there or not"
)]
struct World {
    hidden: bool,
    loaded: bool,
    fenced: bool,
    directory: bool,
    /// Who has the name: the old or the new.
    database: &'static str,
    kept_database: bool,
    files: Option<&'static str>,
    kept_files: bool,
    running: bool,
}

const OLD: World = World {
    hidden: false,
    loaded: false,
    fenced: false,
    directory: false,
    database: "old",
    kept_database: false,
    files: Some("old"),
    kept_files: false,
    running: true,
};

/// Counts down to the moment at which the process is killed.
struct Kill(usize);

impl Kill {
    fn survives(&mut self) -> Result<(), ()> {
        self.0 = self.0.checked_sub(1).ok_or(())?;
        Ok(())
    }
}

/// What steps have effects on.
trait Model {
    fn step(&mut self, step: &Step, kill: &mut Kill) -> Result<(), ()>;

    /// `kept` as in [`kept_when_put_back`].
    fn undo(&mut self, undo: &Undo, kept: bool, kill: &mut Kill) -> Result<(), ()>;
}

impl Model for World {
    fn step(&mut self, step: &Step, kill: &mut Kill) -> Result<(), ()> {
        match step {
            Step::MakeDatabase { .. } => self.hidden = true,
            Step::LoadDatabase { .. } => self.loaded = true,
            Step::PlaceFilestore { .. } => self.directory = true,
            Step::Verify { .. } | Step::Boot { .. } => assert!(self.loaded && self.directory),
            Step::MakeHarmless { .. } | Step::HoldJobs { .. } => self.fenced = true,
            Step::StopServices { .. } => self.running = false,
            Step::SwapDatabase { .. } => {
                assert!(!self.running, "swapped under a running service");
                if self.hidden {
                    assert!(self.fenced, "somebody could see it before it was fenced");
                    (self.hidden, self.database, self.kept_database) = (false, "new", true);
                }
            }
            Step::KeepFilestore { .. } | Step::KeepNewer { .. } => panic!("both are replaced"),
            Step::SwapFilestore { .. } => {
                if self.directory && !self.kept_files {
                    (self.files, self.kept_files) = (None, true);
                    kill.survives()?;
                }
                if self.directory {
                    (self.files, self.directory) = (Some("new"), false);
                }
            }
            Step::StartServices { .. } => {
                assert_eq!(self.files, Some(self.database), "started on a mixture");
                self.running = true;
            }
            Step::PassProbes { .. } => assert!(self.running),
        }
        Ok(())
    }

    fn undo(&mut self, undo: &Undo, _: bool, kill: &mut Kill) -> Result<(), ()> {
        match undo {
            Undo::DropDatabase { .. } => {
                assert_eq!(self.database, "old");
                (self.hidden, self.loaded, self.fenced) = (false, false, false);
            }
            Undo::RemoveDirectory { .. } => self.directory = false,
            Undo::StartServices { .. } => {
                assert_eq!(self.files, Some(self.database), "started on a mixture");
                self.running = true;
            }
            Undo::StopServices { .. } => self.running = false,
            Undo::GiveFilesBack { .. } => panic!("the attachments were replaced too"),
            Undo::SwapDatabaseBack { .. } => {
                if self.kept_database {
                    (self.hidden, self.database, self.kept_database) = (true, "old", false);
                }
            }
            Undo::SwapFilestoreBack { .. } => {
                if self.kept_files && self.files == Some("new") {
                    (self.files, self.directory) = (None, true);
                    kill.survives()?;
                }
                if self.kept_files {
                    (self.files, self.kept_files) = (Some("old"), false);
                }
            }
        }
        Ok(())
    }
}

/// Place of the step in which what was stopped starts.
const START: usize = 8;

fn begun_to_serve(steps: &[Step], events: &[Event]) -> bool {
    kept_when_put_back(steps, |at| events.contains(&Event::Begin(at)), "7k2m").is_some()
}

/// Goes on from the journal until the end or the kill.
fn go_on(
    world: &mut impl Model,
    steps: &[Step],
    events: &mut Vec<Event>,
    fail: Option<usize>,
    kill: &mut Kill,
) -> Result<(), ()> {
    let mut recovery = if events.is_empty() {
        Recovery::Finish(0)
    } else {
        recover(steps, events)
    };
    let before = events.clone();
    if let Recovery::Finish(from) = recovery {
        recovery = Recovery::Finish(steps.len());
        let mut next = from;
        while next < steps.len() {
            let group = next..next + together(steps, next);
            next = group.end;
            for at in group.clone() {
                kill.survives()?;
                events.push(Event::Begin(at));
            }
            for at in group.clone() {
                kill.survives()?;
                world.step(&steps[at], kill)?;
            }
            let failed = fail.filter(|at| group.contains(at));
            if failed.is_some_and(|at| stays(steps, at, before.contains(&Event::Begin(at)))) {
                break;
            }
            if failed.is_some() {
                let start = steps
                    .iter()
                    .position(|step| matches!(step, Step::StartServices { .. }));
                let serves = start.is_some_and(|start| group.contains(&start));
                assert_eq!(begun_to_serve(steps, events), serves, "taken from people");
                let begun: Vec<usize> = (0..group.end).rev().collect();
                recovery = Recovery::Revert(begun);
                break;
            }
            for at in group {
                kill.survives()?;
                events.push(Event::Done(at));
            }
        }
    }
    if let Recovery::Revert(order) = recovery {
        for at in order {
            kill.survives()?;
            events.push(Event::Undoing(at));
            if let Some(undo) = steps[at].undo() {
                kill.survives()?;
                world.undo(&undo, begun_to_serve(steps, events), kill)?;
            }
            kill.survives()?;
            events.push(Event::Undone(at));
        }
    }
    Ok(())
}

/// Killed anywhere, and once more anywhere while it recovers: the old state or the new one, whole and running.
#[test]
fn killed_at_any_two_points_it_ends_old_or_new() {
    let steps = plan(&wanted(Kind::Production, in_place(true)));
    let new = World {
        loaded: true,
        fenced: true,
        database: "new",
        kept_database: true,
        files: Some("new"),
        kept_files: true,
        ..OLD
    };
    let mut ends = (0, 0);
    for fail in (0..steps.len()).map(Some).chain([None]) {
        for first in 0..80 {
            for second in 0..80 {
                let (mut world, mut events) = (OLD, Vec::new());
                let whole = go_on(&mut world, &steps, &mut events, fail, &mut Kill(first)).is_ok();
                if !whole && events.is_empty() {
                    continue;
                }
                if !whole && go_on(&mut world, &steps, &mut events, None, &mut Kill(second)).is_err() {
                    go_on(&mut world, &steps, &mut events, None, &mut Kill(usize::MAX)).unwrap();
                }
                if world == OLD {
                    ends.0 += 1;
                } else {
                    assert_eq!(
                        world, new,
                        "fail {fail:?}, killed at {first} and {second}: {events:?}"
                    );
                    ends.1 += 1;
                }
            }
        }
    }
    assert!(ends.0 > 1000 && ends.1 > 1000, "{ends:?}");
}

#[test]
fn what_has_served_is_not_taken_back_by_a_machine() {
    let steps = plan(&wanted(Kind::Production, in_place(true)));
    assert!(matches!(steps[START], Step::StartServices { .. }));
    for (at, again, expected) in [
        (START - 1, true, false),
        (START, false, false),
        (START, true, true),
        (START + 1, false, true),
    ] {
        assert_eq!(stays(&steps, at, again), expected, "{at} {again}");
    }
    let kept = |from: usize| kept_when_put_back(&steps, |at| at < from, "7k2m");
    assert_eq!(kept(START), None);
    assert_eq!(kept(START + 1).as_deref(), Some("pack_production_undone_7k2m"));
}

#[test]
fn only_the_attachments_are_placed_while_something_else_is_done() {
    let drill = plan_drill("7k2m", "pack_production", "/r".into(), "pack_production", true);
    for steps in [plan(&wanted(Kind::Production, in_place(true))), drill] {
        let load = steps
            .iter()
            .position(|step| matches!(step, Step::LoadDatabase { .. }))
            .unwrap();
        for at in 0..steps.len() {
            assert_eq!(together(&steps, at), if at == load { 2 } else { 1 }, "{at}");
        }
    }
}

/// Whatever becomes of a drill, nothing is left of it.
#[test]
fn a_drill_is_always_taken_back() {
    let steps = plan_drill("7k2m", "pack_production", "/r".into(), "pack_production", true);
    assert!(!steps.iter().any(|step| step.is_swap() || step.is_visible()));
    for cut in 0..=steps.len() {
        let events: Vec<Event> = (0..cut)
            .flat_map(|at| [Event::Begin(at), Event::Done(at)])
            .collect();
        let Recovery::Revert(order) = recover(&steps, &events) else {
            panic!("a drill went on");
        };
        assert_eq!(order.len(), cut);
        let undone = order.iter().filter_map(|at| steps[*at].undo()).count();
        assert_eq!(undone, [0, 1, 1, 2, 2, 2][cut]);
    }
}

#[test]
fn every_rule_that_changes_something_also_proves_it() {
    for rule in harmless::RULES {
        assert!(rule.check.starts_with("SELECT "), "{}", rule.id);
        assert!(rule.check.contains(rule.table), "{}", rule.id);
        assert!(
            rule.act.is_empty() || rule.act.contains(rule.table),
            "{}",
            rule.id
        );
    }
}
