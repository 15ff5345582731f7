//! One piece of a snapshot: a table, or an attachment by its number or name.
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};

use odoopack_core::backup::paths;
use odoopack_core::dump::copied::{Copied, Row};
use odoopack_core::filestore::is_elsewhere;

use super::stored::Opened;
use crate::context::Pack;
use crate::engines::programs::Programs;
use crate::exec::Cmd;
use crate::failure::{Failure, Kind, Result};
use crate::observe::{self, containers};
use crate::tools::dumps;

/// Longest line of the table of attachments: their indexed text is in it.
const LINE: u64 = 256 << 20;
/// Attachments of one name that a message lists.
const SHOWN: usize = 10;

/// Writes a table as SQL that makes and fills it.
///
/// # Errors
/// Kind `Refused` when the snapshot has no such table.
pub(crate) fn table(pack: &Pack, opened: &Opened, name: &str, out: &mut (dyn Write + Send)) -> Result<()> {
    let whole = if name.contains('.') {
        name.to_owned()
    } else {
        format!("public.{name}")
    };
    let tables = &opened.manifest().database.tables;
    if !tables.contains_key(&whole) {
        return Err(
            Failure::refused(format!("the snapshot `{}` has no table `{whole}`", opened.id())).hint(format!(
                "`odoopack backup cat {} manifest.json` names its tables",
                opened.id()
            )),
        );
    }
    let cmd = programs(pack, opened)?.command(&dumps::table_of_archive(split(&whole), false));
    through(&cmd, opened, |sql| {
        std::io::copy(sql, out)
            .map(drop)
            .map_err(|e| Failure::failed("could not write it").because(e))
    })
}

/// Writes the content of an attachment, which is meant by its number or its name.
///
/// # Errors
/// Kind `Refused` when there is none, several have the name, or its content is not in the filestore.
pub(crate) fn attachment(pack: &Pack, opened: &Opened, wanted: &str, out: &mut dyn Write) -> Result<()> {
    let call = dumps::table_of_archive(("public", "ir_attachment"), true);
    let cmd = programs(pack, opened)?.command(&call);
    let found = through(&cmd, opened, |sql| matching(sql, wanted))?;
    let place = the_one(&found, wanted)?;
    opened.file(&format!("{}/{place}", paths::FILESTORE), out)
}

fn matching(sql: &mut dyn Read, wanted: &str) -> Result<Vec<Row>> {
    let mut copied = Copied::default();
    let mut found = Vec::new();
    let mut sql = BufReader::with_capacity(1 << 20, sql);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = sql.by_ref().take(LINE).read_until(b'\n', &mut line);
        if read.map_err(|e| Failure::failed("could not read the attachments").because(e))? == 0 {
            return Ok(found);
        }
        let text = String::from_utf8_lossy(&line);
        let row = copied.feed(text.trim_end_matches('\n'));
        let is = |row: &Row, column: &str| row.get(column).is_some_and(|value| value == wanted);
        found.extend(row.filter(|row| is(row, "id") || is(row, "name")));
    }
}

fn the_one<'a>(found: &'a [Row], wanted: &str) -> Result<&'a str> {
    let word = |row: &'a Row, column: &str| row.get(column).map_or("", String::as_str);
    let number = found.iter().find(|row| word(row, "id") == wanted);
    let Some(row) = number.or_else(|| found.first()) else {
        return Err(Failure::refused(format!(
            "the snapshot has no attachment `{wanted}`"
        )));
    };
    if number.is_none() && found.len() > 1 {
        let all = found.iter().take(SHOWN).map(|row| {
            let of = format!("{} {}", word(row, "res_model"), word(row, "res_id"));
            format!("{} of {}", word(row, "id"), of.trim())
        });
        return Err(Failure::new(
            Kind::Usage,
            format!("{} attachments are called `{wanted}`", found.len()),
        )
        .because(all.collect::<Vec<_>>().join(", "))
        .hint("give the number of one of them"));
    }
    match row.get("store_fname") {
        Some(place) if is_elsewhere(place) => Err(Failure::refused(format!(
            "attachment {} is kept elsewhere, as `{place}`: it is not in the snapshot",
            word(row, "id")
        ))),
        Some(place) => Ok(place),
        None => Err(Failure::refused(format!(
            "attachment {} has no file: it is a link, or lies in the database itself",
            word(row, "id")
        ))),
    }
}

/// Sends the dump through a program; one that has what it wants stops reading, which is no fault.
fn through<T: Send>(
    cmd: &Cmd,
    opened: &Opened,
    read: impl FnOnce(&mut dyn Read) -> Result<T> + Send,
) -> Result<T> {
    let write = |input: &mut dyn Write| {
        let mut until = Until { input, enough: false };
        let sent = opened.dump(&mut until);
        if until.enough { Ok(()) } else { sent.map(drop) }
    };
    cmd.through(write, read)
}

/// A program's input that knows whether the program went away.
pub(super) struct Until<'a> {
    pub(super) input: &'a mut dyn Write,
    pub(super) enough: bool,
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.input.write(bytes);
        self.enough |= written.as_ref().is_err_and(|e| e.kind() == ErrorKind::BrokenPipe);
        written
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.input.flush()
    }
}

/// `pg_restore` of the snapshot's major, or of the next newer one that is here: on this host, or in the pack's own image.
fn programs(pack: &Pack, opened: &Opened) -> Result<Programs> {
    let major = opened.manifest().database.major;
    let none = || {
        Failure::refused(format!(
            "there is no pg_restore of PostgreSQL {major} or newer here"
        ))
    };
    let given = pack.loaded.spec.postgres.is_given();
    if pack.layout.containers() && !given {
        let image = containers::pinned(&pack.layout, "postgres", &pack.loaded.spec.images.postgres)?;
        let image = image.filter(|image| image.version.0 >= major);
        let place = image.and_then(|image| Some((image.places.first()?.clone(), image.pinned)));
        let (directory, image) =
            place.ok_or_else(|| none().hint("`odoopack up` gets the image of the pack"))?;
        return Ok(Programs::apart(directory, &image));
    }
    let mut host = observe::host::host(pack.layout.root())?;
    if given {
        observe::given::fill(&mut host);
    }
    let found = host
        .postgres
        .range(major..)
        .next()
        .map(|(_, place)| place.clone());
    let directory =
        found.ok_or_else(|| none().hint(format!("`apt-get install postgresql-client-{major}`")))?;
    Ok(Programs::Host {
        directory,
        user: None,
    })
}

fn split(whole: &str) -> (&str, &str) {
    whole.split_once('.').unwrap_or(("public", whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_that_a_module_keeps_elsewhere_is_said_to_be_there() {
        let row = |place: &str| {
            let columns = [("id", "7"), ("name", "a.pdf"), ("store_fname", place)];
            Row::from(columns.map(|(column, value)| (column.to_owned(), value.to_owned())))
        };
        assert_eq!(the_one(&[row("ab/abc")], "7").unwrap(), "ab/abc");
        let failure = the_one(&[row("s3://bucket/abc")], "7").unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("kept elsewhere, as `s3://bucket/abc`"),
            "{failure}"
        );
    }
}
