//! Keys of `[odoo]`.
use super::Fallback::{Absent, Computed, Literal};
use super::Key;
use crate::spec::shape::Shape;

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "odoo.series",
        shape: Shape::Word(&["17.0", "18.0", "19.0"]),
        fallback: Literal("\"18.0\""),
        example: "\"18.0\"",
        doc: "Series of Odoo.",
        why: "The series that most OCA modules are ready for.",
    },
    Key {
        path: "odoo.source.git",
        shape: Shape::GitUrl,
        fallback: Literal("\"https://github.com/odoo/odoo.git\""),
        example: "\"https://github.com/odoo/odoo.git\"",
        doc: "Clone URL (https, ssh, file or an absolute path); the branch is the series.",
        why: "Odoo's own repository.",
    },
    Key {
        path: "odoo.source.commit",
        shape: Shape::Hex(40),
        fallback: Absent("the series' branch is resolved once and kept in the lock"),
        example: "\"0123456789abcdef0123456789abcdef01234567\"",
        doc: "Full commit id, together with `git`.",
        why: "The lock names the commit; the file need not.",
    },
    Key {
        path: "odoo.source.debian",
        shape: Shape::Suite,
        fallback: Absent("not from Debian"),
        example: "\"sid\"",
        doc: "Debian suite whose own `odoo` package is used; 19.0 only.",
        why: "Only Debian's unstable suite `sid` has Odoo, and only 19.0.",
    },
    Key {
        path: "odoo.source.deb",
        shape: Shape::Deb,
        fallback: Absent("not from a package file"),
        example: "\"https://nightly.odoo.com/18.0/nightly/deb/odoo_18.0.20250601_all.deb\"",
        doc: "Debian package file: absolute path, path relative to this file, or https URL.",
        why: "Git is the source that can be locked to a commit.",
    },
    Key {
        path: "odoo.source.sha256",
        shape: Shape::Hex(64),
        fallback: Absent("a local package file is taken as it is"),
        example: "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
        doc: "SHA-256 of the package file, together with `deb`; required for a URL.",
        why: "What comes over the network must be named byte by byte.",
    },
    Key {
        path: "odoo.source.path",
        shape: Shape::Absolute,
        fallback: Absent("not from a directory"),
        example: "\"/usr/src/odoo\"",
        doc: "Directory that holds `odoo/` and `addons/`, or an unpacked package; used read-only.",
        why: "Git is the source that can be locked to a commit.",
    },
    Key {
        path: "odoo.source.image",
        shape: Shape::Image,
        fallback: Computed("with the engine `compose`: `odoo:` and the series"),
        example: "\"odoo:18.0\"",
        doc: "Container image that holds Odoo, for the engine `compose` only.",
        why: "The official image.",
    },
    Key {
        path: "odoo.python",
        shape: Shape::Python,
        fallback: Absent("the newest interpreter found that the series supports"),
        example: "\"python3.12\"",
        doc: "Python interpreter for the virtual environment, a name or an absolute path.",
        why: "The distribution decides what is there.",
    },
    Key {
        path: "odoo.options.*",
        shape: Shape::OdooValue,
        fallback: Absent("Odoo's own default"),
        example: "600",
        doc: "One option of odoo.conf; booleans become `True` and `False`.",
        why: "What odoopack has an opinion about has a key of its own.",
    },
];
