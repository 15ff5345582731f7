//! The tables of Python versions, resolved for real: every series, every Python it supports, wheels only.
use odoopack_core::python_pins::{self, Wanted, name_of};
use odoopack_core::spec::{Series, Source};

use super::fixture::Scratch;
use super::index;
use crate::tools::uv::Compile;
use crate::ui::Ui;

/// What `requirements.txt` of each series pinned on Python 3.11 when it was new: only the names that our table knows.
const BROKEN: &str = "cbor2==5.4.2 ; python_version < '3.12'\nPyPDF2==1.26.0\nqrcode==7.3.1\nrjsmin==1.2.0\nvobject==0.9.6.1\n\
                      gevent==23.9.1\ngreenlet==2.0.2\nlxml==4.9.2\nMarkupSafe==2.0.1\nnum2words==0.5.10\n\
                      psycopg2==2.9.5\npython-ldap==3.4.0\nofxparse==0.21\nebaysdk==2.1.5\nWerkzeug==2.3.8\n";

#[test]
fn every_series_has_wheels_on_every_python_it_supports() {
    let mut scratch = Scratch::new(Series::V19, Source::Debian { suite: String::new() });
    scratch.cache = super::cache();
    for wanted in [Series::V17, Series::V18, Series::V19] {
        let (lowest, highest) = wanted.python();
        for minor in lowest.1..=highest.1 {
            resolves(
                &scratch,
                &Wanted {
                    series: wanted,
                    list: &open_list(wanted),
                    open: true,
                },
                minor,
            );
            resolves(
                &scratch,
                &Wanted {
                    series: wanted,
                    list: BROKEN,
                    open: false,
                },
                minor,
            );
        }
    }
}

/// Everything that the series has a version for, without versions.
fn open_list(wanted: Series) -> String {
    let all = Wanted {
        series: wanted,
        list: "",
        open: true,
    };
    let constraints = python_pins::pins(&all, (3, 11), &[].into()).constraints;
    constraints
        .lines()
        .filter_map(name_of)
        .flat_map(|name| [name, "\n".to_owned()])
        .collect()
}

fn resolves(scratch: &Scratch, wanted: &Wanted<'_>, minor: u16) {
    let progress = Ui::new(true, true, false).step("resolve");
    let uv = index::uv(&scratch.cache, &scratch.python, &progress).unwrap();
    let uv = index::online(&uv, &scratch.cache).unwrap();
    let pins = python_pins::pins(wanted, (3, minor), &[].into());
    let text = format!("{}{}", wanted.list, pins.additions);
    let compile = Compile {
        wanted: &scratch.write("wanted.txt", &text),
        constraints: &scratch.write("constraints.txt", &pins.constraints),
        overrides: &scratch.write("overrides.txt", &pins.overrides),
        lock: &scratch.root.join(format!("{minor}.lock")),
    };
    let cmd = uv
        .compile(&scratch.python, &compile)
        .arg("--python-version")
        .arg(format!("3.{minor}"));
    let done = cmd.run();
    let what = format!(
        "Odoo {} on Python 3.{minor}, open: {}",
        wanted.series, wanted.open
    );
    assert!(done.is_ok(), "{what}: {:?}", done.unwrap_err().chain());
}
