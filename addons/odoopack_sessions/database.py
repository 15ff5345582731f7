# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""OCA's `session_db`, told by file where its database is.

Keys and the rules for them stay Odoo's own: they differ between 17.0, 18.0 and 19.0.
"""
import functools

from psycopg2 import errors

from odoo import http
from odoo.addons.session_db.pg_session_store import PGSessionStore, with_cursor, with_lock


class DatabaseSessionStore(PGSessionStore):
    # On 18.0 the module makes short ids, of which the table of devices would hold all.
    generate_key = http.FilesystemSessionStore.generate_key
    is_valid_key = http.FilesystemSessionStore.is_valid_key

    def _setup_db(self):
        try:
            super()._setup_db()
        except errors.UniqueViolation:
            # Two processes began at once, and the other one made the table.
            pass

    @with_lock
    @with_cursor
    def answers(self):
        self._cr.execute("SELECT FROM http_sessions LIMIT 1")
        return True


def install(told):
    """Each process opens a connection of its own, with its first request."""

    @functools.cached_property
    def session_store(self):
        return DatabaseSessionStore(told["database"], session_class=http.Session)

    application = type(http.root)
    application.session_store = session_store
    session_store.__set_name__(application, "session_store")
    vars(http.root).pop("session_store", None)
