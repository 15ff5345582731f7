# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One address that says whether sessions are where they should be, for whoever watches the environment."""
import json

from odoo import http


class Sessions(http.Controller):
    @http.route("/odoopack/sessions", type="http", auth="none", methods=["GET"], save_session=False)
    def sessions(self):
        store = http.root.session_store
        try:
            good = bool(store.answers())
        except Exception:
            good = False
        body = json.dumps({"store": type(store).__name__, "good": good})
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        return http.request.make_response(body, headers, status=200 if good else 503)
