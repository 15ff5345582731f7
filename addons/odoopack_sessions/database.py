# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""OCA's `session_db`, told by file where its database is.

Keys and the rules for them stay Odoo's own: they differ between 17.0, 18.0 and 19.0.
"""
import functools
import re

from psycopg2 import errors

from odoo import http
from odoo.addons.session_db.pg_session_store import PGSessionStore, with_cursor, with_lock


# The part of an id that names a device, `odoo/http.py` STORED_SESSION_BYTES since 18.0.
DEVICE = re.compile(r"[A-Za-z0-9_-]{42}")


class Devices:
    """What 18.0 and later ask about devices, for a `session_db` of 18.0 from before OCA/server-tools#3662."""

    @with_lock
    @with_cursor
    def get_missing_session_identifiers(self, identifiers):
        identifiers = set(identifiers)
        query = "SELECT DISTINCT left(sid, 42) FROM http_sessions WHERE left(sid, 42) = ANY(%s)"
        self._cr.execute(query, (list(identifiers),))
        return identifiers - {row[0] for row in self._cr.fetchall() if DEVICE.fullmatch(row[0])}

    @with_lock
    @with_cursor
    def delete_from_identifiers(self, identifiers):
        for identifier in identifiers:
            if not isinstance(identifier, str) or not DEVICE.fullmatch(identifier):
                raise ValueError("an identifier is the first 42 characters of a session's id")
        self._cr.execute("DELETE FROM http_sessions WHERE left(sid, 42) = ANY(%s)", (list(identifiers),))


# What the module itself has comes first.
class DatabaseSessionStore(PGSessionStore, Devices):
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
