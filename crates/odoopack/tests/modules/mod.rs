//! Modules made up for the tests, and what a running environment says of its modules.
pub(crate) mod mishaps;

use serde_json::{Value, json};

use crate::support::Pack;
use crate::support::web::Site;

/// A module of our own, file by file.
pub(crate) const NOTE: &[(&str, &str)] = &[
    (
        "__manifest__.py",
        "{'name': 'Note', 'version': '19.0.1.0.0', 'author': 'us', 'license': 'LGPL-3', 'depends': ['partner_firstname'],\n\
         'data': ['data.xml'], 'assets': {'web.assets_frontend': ['shop_note/static/src/note.js']}}\n",
    ),
    ("__init__.py", "from . import models\n"),
    (
        "models.py",
        "import logging\n\nfrom odoo import fields, models\n\nclass Category(models.Model):\n    _inherit = 'res.partner.category'\n    note_one = fields.Char()\n\n\
         \x20   def _register_hook(self):\n        super()._register_hook()\n        \
         for module in self.env['ir.module.module'].search([('name', '=', 'shop_uploaded')]):\n            \
         logging.getLogger('odoo.modules.graph').warning('module %s: not installable, skipped', module.name)\n",
    ),
    (
        "data.xml",
        "<odoo><record id='one' model='res.partner.category'><field name='name'>first</field></record></odoo>\n",
    ),
    ("static/src/note.js", "console.log('note-first');\n"),
    ("i18n/de.po", "# nothing\n"),
    ("tests/__init__.py", "from . import test_note\n"),
    (
        "tests/test_note.py",
        "from odoo.tests import TransactionCase\n\nclass TestNote(TransactionCase):\n    def test_good(self):\n        \
         self.assertTrue(self.env['res.partner.category'].search([]))\n\n    def test_bad(self):\n        self.assertEqual(1, 2)\n",
    ),
];

/// Odoo installs it, exits with 0, and says in its log that all is not well.
pub(crate) const BROKEN: &[(&str, &str)] = &[
    (
        "__manifest__.py",
        "{'name': 'Broken', 'version': '19.0.1.0.0', 'author': 'us', 'license': 'LGPL-3', 'post_init_hook': 'complain'}\n",
    ),
    (
        "__init__.py",
        "import logging\n\ndef complain(env):\n    logging.getLogger(__name__).error('half of the data is missing')\n",
    ),
];

pub(crate) fn write(pack: &Pack, module: &str, files: &[(&str, &str)]) {
    for (path, text) in files {
        pack.write(&format!("repo/addons/own/{module}/{path}"), text);
    }
}

/// Edits a file below the directories of modules.
pub(crate) fn edit(pack: &Pack, below: &str, old: &str, new: &str) {
    let below = format!("repo/addons/{below}");
    let text = pack.read(&below);
    assert!(text.contains(old), "{text}");
    pack.write(&below, &text.replace(old, new));
}

pub(crate) fn sql(pack: &Pack, sql: &str) -> String {
    pack.run(&["psql", "production", "--", "-Atc", sql])
        .exits(0)
        .stdout
        .trim()
        .to_owned()
}

pub(crate) fn states(pack: &Pack) -> String {
    sql(
        pack,
        "SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM ir_module_module WHERE state LIKE 'to %'",
    )
}

/// What `module changed` says: module, reaction and the reasons.
pub(crate) fn changed(pack: &Pack) -> Vec<(String, String, String)> {
    let said = pack.json(&["module", "changed", "production"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |change: &Value| {
        let reasons: Vec<String> = change["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| text(&r["because"]))
            .collect();
        (
            text(&change["module"]),
            text(&change["reaction"]),
            reasons.join(" "),
        )
    };
    said["changes"]["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(one)
        .collect()
}

#[track_caller]
pub(crate) fn is_changed(pack: &Pack, reaction: &str, reasons: &str) {
    is_changed_module(pack, "shop_note", reaction, reasons);
}

#[track_caller]
pub(crate) fn is_changed_module(pack: &Pack, module: &str, reaction: &str, reasons: &str) {
    let wanted = [module, reaction, reasons].map(str::to_owned);
    assert_eq!(changed(pack), [wanted.into()]);
}

pub(crate) fn pids(pack: &Pack) -> Value {
    let status = pack.status();
    json!([
        status["services"]["production.blue.web"]["pid"],
        status["services"]["production.blue.cron"]["pid"]
    ])
}

/// The page that everybody sees holds this text in its bundle.
pub(crate) fn bundle_holds(pack: &Pack, text: &str) -> bool {
    let site = pack.site();
    let page = site.get("/web/login").is(200).text();
    let bundles = page
        .split('"')
        .filter(|part| part.starts_with("/web/assets/") && part.ends_with(".js"));
    bundles
        .map(|url| script(&site, url))
        .any(|script| script.contains(text))
}

/// Odoo sends on from the address of a bundle that it made again since it wrote the page.
#[track_caller]
fn script(site: &Site, url: &str) -> String {
    let page = site.get(url);
    let moved = page
        .headers
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    match moved {
        Some(there) if page.status == 303 => site.get(there.trim()).is(200).text(),
        _ => page.is(200).text(),
    }
}
