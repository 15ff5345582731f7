//! An own module for tests of what Odoo sees of it.
use super::Pack;

/// A module with a page whose text comes from Python and from a view.
pub(crate) fn probe_module(pack: &Pack, python: &str, view: &str) {
    let write = |name: &str, text: &str| pack.write(&format!("repo/addons/own/dev_probe/{name}"), text);
    write("__init__.py", "from . import controllers\n");
    write(
        "__manifest__.py",
        "{'name': 'Probe', 'version': '19.0.1.0.0', 'license': 'LGPL-3', 'depends': ['web'], 'data': ['views.xml']}\n",
    );
    write_controller(pack, python);
    write_view(pack, view);
}

/// What Python says in it.
pub(crate) fn write_controller(pack: &Pack, word: &str) {
    let text = format!(
        "from odoo import http\n\n\nclass Probe(http.Controller):\n    @http.route('/probe', type='http', auth='public')\n    \
         def probe(self):\n        return http.request.render('dev_probe.page', {{'word': '{word}'}})\n"
    );
    pack.write("repo/addons/own/dev_probe/controllers.py", &text);
}

/// What the view says in it.
pub(crate) fn write_view(pack: &Pack, word: &str) {
    let text = format!(
        "<odoo><template id=\"page\"><html><body><p>python says <t t-out=\"word\"/>, the view says {word}</p></body></html></template></odoo>\n"
    );
    pack.write("repo/addons/own/dev_probe/views.xml", &text);
}
