//! The second repository, elsewhere: where it is, and who may write there.
mod copying;
mod there;
mod turn;

use odoopack_core::secret::SecretText;
use odoopack_core::spec::{BucketAddress, BucketStyle, Elsewhere, Offsite, SecretRef};
use odoopack_repository::{Access, Bucket, Error, Place, Repository};

pub(crate) use self::copying::{Done, Wish, copy, would_copy};
pub(crate) use self::there::{Found, found_there};
use super::place::Which;
use super::record;
use super::retention::is_ours;
use super::{failure, key, place, unreadable};
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
        | Error::Changed(_)
        | Error::Damaged(_)
        | Error::Unreadable(_)
        | Error::There(_)
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
            style,
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
                in_host: *style == BucketStyle::Virtual,
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
pub(crate) fn typed(
    address: &str,
    (style, region): (BucketStyle, &str),
    credentials: Option<&SecretText>,
) -> Result<Place> {
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
        in_host: style == BucketStyle::Virtual,
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
            let holder = place::holder("odoopack backup offsite")?;
            match here.create_beside_alone(&place, &key, &holder) {
                // Another host was faster.
                Err(Error::Present(_)) => opened(pack, &place, &key),
                made => made,
            }
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

/// Refuses the second machine: another one has made the last copy there, or this one none, though there are some. Two of them would
/// remove each other's by their policies.
///
/// # Errors
/// Kind `Refused`, also where the record of this machine was lost: nothing tells that apart.
pub(crate) fn of_this_machine(pack: &Pack, there: &Repository) -> Result<()> {
    if !turn::is_here(pack, there)? {
        return Err(another(&format!(
            "the last copy of this pack to {} was made by another machine",
            there.place()
        )));
    }
    if record::all(&pack.layout)?.iter().any(there::was_copied_from_here) {
        return Ok(());
    }
    let listed = unreadable::passed_over(there).map_err(|e| failure::of(&e))?;
    let count = listed.iter().filter(|snapshot| is_ours(pack, snapshot)).count();
    if count == 0 {
        return Ok(());
    }
    Err(another(&format!(
        "{} holds {count} snapshots of this pack already, and this machine has copied none of them",
        there.place()
    )))
}

fn another(what: &str) -> Failure {
    Failure::refused(what)
    .because("a machine that was recovered or cloned would write and remove among the snapshots of the one that it came from")
    .hint("where that one runs no more: `odoopack backup offsite --take-over`")
    .hint("where it still runs: name another place in `[backup.offsite]` here, or take it out")
}
