# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Puts the store in place of the files when the server loads this module.

Odoo logs a server-wide module that failed to load and goes on without it, which would put sessions on disk without a
word. So a failure ends the process: its supervisor shows that, and nobody is served by the wrong store.
"""
import json
import logging
import os
import sys
import traceback

_logger = logging.getLogger(__name__)


def _install():
    from odoo import http

    with open(os.environ["ODOOPACK_SESSIONS"], encoding="utf-8") as file:
        told = json.load(file)
    if "database" in told:
        from . import database

        database.install(told)
        _logger.info("sessions are kept in a database of their own")
        return
    from .store import redis_store

    http.root.session_store = redis_store(http.FilesystemSessionStore, http.Session, told)
    _logger.info("sessions are kept in Redis")


try:
    _install()
    from . import controllers  # noqa: E402, F401
except Exception:
    traceback.print_exc()
    sys.stderr.write("odoopack_sessions could not be loaded; this process ends, because sessions would go to files\n")
    sys.stderr.flush()
    os._exit(70)
