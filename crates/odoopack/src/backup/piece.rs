//! One piece of a snapshot: a table, or an attachment by its number or name.
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};

use odoopack_core::backup::paths;
use odoopack_core::dump::copied::{Copied, Row};
use odoopack_core::filestore::is_elsewhere;
use odoopack_core::units::Bytes;

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
    let programs = programs(pack, opened)?;
    let ways = ways(&whole);
    let found = if let [one] = ways.as_slice() {
        *one
    } else {
        let list = through(&programs.command(&dumps::pg_restore_list(None)), opened, text)?;
        listed(&list, &ways).ok_or_else(|| {
            let id = opened.id();
            Failure::failed(format!(
                "the dump of the snapshot `{id}` does not list the table `{whole}`"
            ))
        })?
    };
    let cmd = programs.command(&dumps::table_of_archive(found, false));
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
    let found = through(&cmd, opened, |sql| matching(sql, wanted, LINE))?;
    let place = the_one(&found, wanted)?;
    opened.file(&format!("{}/{place}", paths::FILESTORE), out)
}

fn matching(sql: &mut dyn Read, wanted: &str, longest: u64) -> Result<Vec<Row>> {
    let mut copied = Copied::default();
    let mut found = Vec::new();
    let mut sql = BufReader::with_capacity(1 << 20, sql);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = sql.by_ref().take(longest).read_until(b'\n', &mut line);
        let read = read.map_err(|e| Failure::failed("could not read the attachments").because(e))?;
        if read == 0 {
            return Ok(found);
        }
        // What follows would be taken for a row.
        if read as u64 == longest && line.last() != Some(&b'\n') {
            return Err(too_long(longest));
        }
        let text = String::from_utf8_lossy(&line);
        let row = copied.feed(text.trim_end_matches('\n'));
        let is = |row: &Row, column: &str| row.get(column).is_some_and(|value| value == wanted);
        found.extend(row.filter(|row| is(row, "id") || is(row, "name")));
    }
}

fn too_long(longest: u64) -> Failure {
    Failure::refused(format!(
        "a row of the table of attachments is longer than {}, and is not read",
        Bytes(longest)
    ))
    .hint("`odoopack backup cat SNAPSHOT --table ir_attachment` writes every row; `store_fname` of the one that is meant names its file")
    .hint("`odoopack backup cat SNAPSHOT filestore/NAME` writes that file")
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

fn text(out: &mut dyn Read) -> Result<String> {
    let mut bytes = Vec::new();
    let read = out.read_to_end(&mut bytes);
    read.map_err(|e| Failure::failed("could not read the list of the dump").because(e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Every schema and table that `whole` can mean: either may have points in its name.
fn ways(whole: &str) -> Vec<(&str, &str)> {
    let points = whole.match_indices('.');
    points.map(|(at, _)| (&whole[..at], &whole[at + 1..])).collect()
}

/// The one of them that the list of an archive has.
fn listed<'a>(list: &str, ways: &[(&'a str, &'a str)]) -> Option<(&'a str, &'a str)> {
    let is_there = |(schema, table): &&(&str, &str)| {
        let entry = format!(" TABLE {schema} {table} ");
        list.lines().any(|line| line.contains(&entry))
    };
    ways.iter().find(is_there).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_whose_schema_has_a_point_is_found_by_the_list_of_the_dump() {
        let list = ";\n; Archive created at now\n215; 1259 16408 TABLE public res_partner odoo\n\
                    216; 1259 16409 TABLE old.shop sale odoo\n3517; 0 16409 TABLE DATA old.shop sale odoo\n";
        let of = |whole| listed(list, &ways(whole));
        assert_eq!(ways("public.res_partner"), [("public", "res_partner")]);
        assert_eq!(of("old.shop.sale"), Some(("old.shop", "sale")));
        assert_eq!(of("public.res.partner"), None);
    }

    #[test]
    fn a_row_that_is_too_long_is_not_read_as_two() {
        let long = "x".repeat(90);
        let text = format!("COPY public.ir_attachment (id, name) FROM stdin;\n1\t{long}\n2\tb\n\\.\n");
        let read = |longest| matching(&mut text.as_bytes(), "2", longest);
        assert_eq!(read(93).unwrap().len(), 1);
        let failure = read(92).unwrap_err();
        assert_eq!(failure.kind, Kind::Refused);
        assert!(failure.to_string().contains("longer than"), "{failure}");
    }

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
