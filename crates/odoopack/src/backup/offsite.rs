//! The second repository, elsewhere: what is copied there, looked at there, and read again, a seventh at a time.
use std::collections::HashSet;
use std::time::Instant;

use jiff::Timestamp;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::{BucketAddress, Elsewhere, Offsite, SecretRef};
use odoopack_repository::{Access, Bucket, Copied, Error, Place, Reading, Repository, Snapshot};

use super::place::Which;
use super::record::{self, Event, Line};
use super::retention::{Judged, Side, judge_all};
use super::{failure, key, place, proof};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::observe;
use crate::store::lock;

/// What the credentials must allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Reading and writing.
    Write,
    /// Deleting too.
    Delete,
}

/// What was copied and read.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) snapshots: Vec<String>,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// Which seventh was read, when one was.
    pub(crate) read: Option<u8>,
}

/// Hours that lie between two readings at least: seven nights read everything once.
const BETWEEN_READINGS: i64 = 20;

/// What the file says.
///
/// # Errors
/// Kind `Refused` when it says nothing.
pub(crate) fn configured(pack: &Pack) -> Result<&Offsite> {
    pack.loaded.spec.backup.offsite.as_ref().ok_or_else(|| {
        Failure::refused("the file names no second place for backups")
            .hint("write `s3 = \"https://SERVICE/BUCKET\"` into `[backup.offsite]`")
    })
}

/// Opens the second repository.
///
/// # Errors
/// Kind `Refused` when it is not there, or a secret is not.
pub(crate) fn open(pack: &Pack, right: Right) -> Result<Repository> {
    let offsite = configured(pack)?;
    let place = elsewhere(pack, offsite, right)?;
    let repository = opened(pack, &place, &key::of(&pack.layout)?);
    let repository = repository.map_err(|e| match e {
        Error::Absent(_) => failure::of(&e).hint("`odoopack backup offsite` makes it"),
        Error::Present(_)
        | Error::WrongKey(_)
        | Error::Locked(_)
        | Error::Store { .. }
        | Error::NotWhole(_)
        | Error::Damaged(_)
        | Error::Fewer { .. }
        | Error::NoSnapshot(_)
        | Error::NoFile { .. }
        | Error::Format { .. } => failure::of(&e),
    })?;
    repository.limit(offsite.bandwidth.map_or(0, |bytes| bytes.0));
    Ok(repository)
}

/// Whether there is no repository there, or none any more.
///
/// # Errors
/// When the place does not answer: that is no absence.
pub(crate) fn is_absent(pack: &Pack) -> Result<bool> {
    let place = elsewhere(pack, configured(pack)?, Right::Write)?;
    match opened(pack, &place, &key::of(&pack.layout)?) {
        Ok(_) => Ok(false),
        Err(Error::Absent(_)) => Ok(true),
        Err(e) => Err(failure::of(&e)),
    }
}

/// Whether what the policy no longer keeps there can be taken away from here: the credentials that delete may be kept elsewhere.
pub(crate) fn can_delete(pack: &Pack) -> Result<bool> {
    match &configured(pack)?.place {
        Elsewhere::Bucket {
            prune_credentials: Some(secret),
            ..
        } => Ok(observe::secrets::value(secret, &pack.layout)?.is_some()),
        Elsewhere::Bucket { .. } | Elsewhere::Directory(_) => Ok(true),
    }
}

fn elsewhere(pack: &Pack, offsite: &Offsite, right: Right) -> Result<Place> {
    match &offsite.place {
        Elsewhere::Directory(path) => Ok(Place::Directory(path.to_string())),
        Elsewhere::Bucket {
            address,
            region,
            credentials,
            prune_credentials,
            object_lock,
        } => {
            let secret = match (right, prune_credentials) {
                (Right::Delete, Some(secret)) => secret,
                (Right::Delete, None) | (Right::Write, _) => credentials,
            };
            Ok(Place::Bucket(Bucket {
                endpoint: address.endpoint.clone(),
                name: address.name.clone(),
                prefix: address.prefix.clone(),
                region: region.clone(),
                access: access(pack, secret)?,
                object_lock: *object_lock,
                patient: true,
            }))
        }
    }
}

fn access(pack: &Pack, secret: &SecretRef) -> Result<Access> {
    let value = observe::secrets::value(secret, &pack.layout)?.ok_or_else(|| {
        let name = secret.key();
        Failure::refused(format!("there is no value for `{secret}`")).hint(format!(
            "`odoopack secret set {name} < FILE`, with `id:secret` of the access key"
        ))
    })?;
    pair(&value).ok_or_else(|| {
        Failure::refused(format!("the value of `{secret}` is not `id:secret`"))
            .hint(format!("`odoopack secret set {} < FILE`", secret.key()))
    })
}

fn pair(value: &SecretText) -> Option<Access> {
    let (id, word) = value.expose().trim().split_once(':')?;
    Some(Access {
        id: id.to_owned(),
        secret: SecretText::new(word),
    })
}

/// The place at an address that somebody typed: a directory, or `https://SERVICE/BUCKET` with credentials.
pub(crate) fn typed(address: &str, region: &str, credentials: Option<&SecretText>) -> Result<Place> {
    if !address.contains("://") {
        let directory = camino::absolute_utf8(address)
            .map_err(|e| Failure::refused(format!("`{address}` is no path")).because(e))?;
        return Ok(Place::Directory(directory.into_string()));
    }
    let bucket: BucketAddress = address.parse().map_err(|e| {
        Failure::new(Kind::Usage, format!("`{address}` is no place for a repository")).because(e)
    })?;
    let credentials = credentials.ok_or_else(|| {
        Failure::new(Kind::Usage, "a bucket needs credentials").hint(
            "write `id:secret` of an access key into a file, and name it with `--credentials-file FILE`",
        )
    })?;
    let access = pair(credentials).ok_or_else(|| {
        Failure::new(Kind::Usage, "the credentials are not `id:secret`")
            .hint("write `id:secret` of an access key into the file of `--credentials-file`")
    })?;
    Ok(Place::Bucket(Bucket {
        endpoint: bucket.endpoint,
        name: bucket.name,
        prefix: bucket.prefix,
        region: region.to_owned(),
        access,
        // Nothing is stored where somebody types an address.
        object_lock: false,
        patient: true,
    }))
}

/// The second repository; made when there is none yet and none is known.
fn open_or_make(cx: &Context, pack: &Pack, here: &Repository) -> Result<Repository> {
    let offsite = configured(pack)?;
    let place = elsewhere(pack, offsite, Right::Write)?;
    let key = key::of(&pack.layout)?;
    let mut found = opened(pack, &place, &key);
    let alone = match &found {
        Err(Error::Absent(_)) => Some(lock::wait_for_repository(&pack.layout.state())?),
        _ => None,
    };
    if alone.is_some() {
        // Somebody else may have made it meanwhile.
        found = opened(pack, &place, &key);
    }
    let repository = match found {
        Err(Error::Absent(_)) => {
            let known = record::known_offsite(&record::all(&pack.layout)?);
            if !known.is_empty() {
                return Err(Failure::refused(format!(
                    "{} snapshots were copied to {place}, and there is no repository any more",
                    known.len()
                ))
                .hint("look there; `odoopack backup forget --offsite --accept-missing` when that was on purpose"));
            }
            here.create_beside(&place, &key)
        }
        opened => opened,
    };
    let repository = repository.map_err(|e| failure::of(&e))?;
    place::remember(cx, pack, Which::Offsite, &repository, &key);
    repository.limit(offsite.bandwidth.map_or(0, |bytes| bytes.0));
    Ok(repository)
}

fn opened(pack: &Pack, place: &Place, key: &SecretText) -> std::result::Result<Repository, Error> {
    place::again(pack, Which::Offsite, place, key)
}

/// Snapshots of here that the policy wants there and that are not there, newest first.
pub(crate) fn wanted(pack: &Pack, here: &Repository, there: &[Snapshot]) -> Result<Vec<Snapshot>> {
    let offsite = configured(pack)?;
    let known: HashSet<&str> = there.iter().map(|s| s.id.as_str()).collect();
    let mut all = here.snapshots().map_err(|e| failure::of(&e))?;
    let here: HashSet<String> = all.iter().map(|s| s.id.clone()).collect();
    all.extend(there.iter().filter(|s| !here.contains(&s.id)).cloned());
    let judged = judge_all(pack, all, &offsite.keep)?;
    let wanted =
        |judged: &Judged| judged.ours && judged.verdict.keep && !known.contains(judged.snapshot.id.as_str());
    Ok(judged
        .into_iter()
        .filter(wanted)
        .map(|judged| judged.snapshot)
        .collect())
}

/// What a copy would copy.
pub(crate) fn would_copy(pack: &Pack) -> Result<Vec<Snapshot>> {
    let here = place::open(pack)?;
    let place = elsewhere(pack, configured(pack)?, Right::Write)?;
    let there = match opened(pack, &place, &key::of(&pack.layout)?) {
        Err(Error::Absent(_)) => Vec::new(),
        opened => opened.and_then(|r| r.snapshots()).map_err(|e| failure::of(&e))?,
    };
    wanted(pack, &here, &there)
}

/// Copies what the policy wants there, looks at every object that was written, and reads a seventh of what is there.
///
/// # Errors
/// After every error what was there is as it was; a snapshot becomes visible there only when all of its new objects were found to be right.
pub(crate) fn copy(cx: &Context, pack: &Pack, read_now: bool) -> Result<Done> {
    let begun = Instant::now();
    let done = try_copy(cx, pack, read_now);
    match &done {
        Ok(_) => note(pack, Event::Copied, None, begun, serde_json::Value::Null)?,
        Err(failure) => {
            let why = serde_json::json!({ "why": failure.chain() });
            note(pack, Event::NotCopied, None, begun, why)?;
        }
    }
    done
}

fn try_copy(cx: &Context, pack: &Pack, read_now: bool) -> Result<Done> {
    let here = place::open(pack)?;
    let there = open_or_make(cx, pack, &here)?;
    let holder = place::holder("odoopack backup offsite")?;
    let writer = there.writer(&holder).map_err(|e| failure::of(&e))?;
    if !writer.is_surely_alone() {
        cx.ui.warn(&format!(
            "the service of {} does not know conditional writes: see to it that no other machine begins to write there at the same moment",
            there.place()
        ));
    }
    let listed = there.snapshots().map_err(|e| failure::of(&e))?;
    let mut done = Done::default();
    for snapshot in wanted(pack, &here, &listed)? {
        let begun = Instant::now();
        let progress = cx.ui.step(&format!("copy {} to {}", snapshot.id, there.place()));
        let copied = here.copy_to(&there, &writer, std::slice::from_ref(&snapshot));
        let copied = match copied {
            Ok(copied) => copied,
            Err(e) => {
                progress.failed();
                return Err(failure::of(&e).during(format!(
                    "could not copy snapshot {} to {}; what is there is as it was",
                    snapshot.id,
                    there.place()
                )));
            }
        };
        progress.done();
        let Copied { objects, bytes, .. } = copied;
        let detail = serde_json::json!({ "objects": objects, "bytes": bytes });
        note(pack, Event::Offsite, Some(&snapshot), begun, detail)?;
        done.objects += objects;
        done.bytes += bytes;
        done.snapshots.push(snapshot.id);
    }
    if let Err(failure) = proof::carry(&key::of(&pack.layout)?, &there, &record::all(&pack.layout)?) {
        let why = failure.chain().join(": ");
        cx.ui.warn(&format!(
            "what was proven is not noted at {}: {why}",
            there.place()
        ));
    }
    done.read = read_a_seventh(cx, pack, &there, read_now)?;
    // Last, because none of that is to wait for somebody to look there.
    let known = record::known_offsite(&record::all(&pack.layout)?);
    there.expect(&known).map_err(|e| {
        failure::of(&e).during("what is new was copied").hint(format!(
            "look there; `{}` when somebody removed them on purpose",
            Side::Offsite.accepts()
        ))
    })?;
    Ok(done)
}

/// Reads the seventh after the one that was read last, unless that was a moment ago.
fn read_a_seventh(cx: &Context, pack: &Pack, there: &Repository, now: bool) -> Result<Option<u8>> {
    let lines = record::all(&pack.layout)?;
    let last = last_part(&lines);
    let hours = last.map(|(at, _)| (Timestamp::now().as_second() - at.as_second()) / 3600);
    if !now && hours.is_some_and(|hours| (0..BETWEEN_READINGS).contains(&hours)) {
        return Ok(None);
    }
    let part = last.map_or(1, |(_, part)| part % 7 + 1);
    let begun = Instant::now();
    let progress = cx.ui.step(&format!("read part {part} of 7 at {}", there.place()));
    let wrong = match there.check(Reading::Seventh(part)) {
        Ok(wrong) => wrong,
        Err(e) => {
            progress.failed();
            return Err(failure::of(&e));
        }
    };
    if wrong.is_empty() {
        progress.done();
        note(
            pack,
            Event::Read,
            None,
            begun,
            serde_json::json!({ "part": part }),
        )?;
        return Ok(Some(part));
    }
    progress.failed();
    Err(Failure::new(
        Kind::Drift,
        format!("the repository at {} is damaged: {}", there.place(), wrong.join("; ")),
    )
    .hint("`restic check --read-data` there; what is needed again is copied by `odoopack backup offsite` into an empty place"))
}

/// When which seventh was read last; a drill that read a snapshot is none.
fn last_part(lines: &[Line]) -> Option<(Timestamp, u8)> {
    let mut read = lines.iter().rev().filter(|line| line.event == Event::Read);
    read.find_map(|line| Some((line.at, u8::try_from(line.detail["part"].as_u64()?).ok()?)))
}

fn note(
    pack: &Pack,
    event: Event,
    of: Option<&Snapshot>,
    begun: Instant,
    detail: serde_json::Value,
) -> Result<()> {
    let line = Line {
        // A copy is as old as what it is a copy of.
        at: of.map_or_else(Timestamp::now, |s| s.time),
        event,
        environment: of.map_or_else(String::new, |s| s.environment.clone()),
        snapshot: of.map_or_else(String::new, |s| s.id.clone()),
        seconds: begun.elapsed().as_secs_f64(),
        detail,
    };
    record::add(&pack.layout, &line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: i64, event: Event, detail: serde_json::Value) -> Line {
        Line {
            at: Timestamp::from_second(at).unwrap(),
            event,
            environment: String::new(),
            snapshot: String::new(),
            seconds: 1.0,
            detail,
        }
    }

    #[test]
    fn a_drill_that_read_a_snapshot_is_no_seventh() {
        let mut lines = vec![line(1, Event::Read, serde_json::json!({ "level": "read" }))];
        assert_eq!(last_part(&lines), None);
        lines.insert(0, line(0, Event::Read, serde_json::json!({ "part": 3 })));
        assert_eq!(last_part(&lines), Some((Timestamp::UNIX_EPOCH, 3)));
    }
}
