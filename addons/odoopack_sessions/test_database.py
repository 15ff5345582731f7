# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The store in a real PostgreSQL, above stand-ins for Odoo and for OCA's module; run by the tests of the repository.

    python3 test_database.py PSQL...      a command that reads SQL and prints rows without ornament
"""
import subprocess
import sys
import types

FIRST, SECOND, OTHER = "aB_-" + "1" * 38, "a%_-" + "1" * 38, "z" * 42


class Cursor:
    """As much of psycopg2 as the store asks for."""

    def __init__(self, psql):
        self.psql = psql

    def execute(self, query, values=()):
        words = [self.literal(value) for value in values]
        text = query % tuple(words) if words else query
        said = subprocess.run(self.psql, input=text, capture_output=True, text=True, check=False)
        assert said.returncode == 0, (text, said.stderr)
        self.rows = [(line,) for line in said.stdout.splitlines()]

    def literal(self, value):
        if isinstance(value, list):
            return "array[" + ", ".join(map(self.literal, value)) + "]::text[]"
        return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"

    def fetchall(self):
        return self.rows


class Base:
    """OCA's store before OCA/server-tools#3662: nothing about devices."""

    def __init__(self, psql):
        self._cr = Cursor(psql)


class Later(Base):
    def get_missing_session_identifiers(self, identifiers):
        return "of the base"

    def delete_from_identifiers(self, identifiers):
        return "of the base"


def stand_ins(base):
    class Files:
        generate_key = is_valid_key = None

    plain = {"with_cursor": lambda function: function, "with_lock": lambda function: function}
    modules = {
        "psycopg2": {"errors": types.SimpleNamespace(UniqueViolation=KeyError)},
        "odoo": {"http": types.SimpleNamespace(FilesystemSessionStore=Files)},
        "odoo.addons": {},
        "odoo.addons.session_db": {},
        "odoo.addons.session_db.pg_session_store": {"PGSessionStore": base, **plain},
    }
    for name, held in modules.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(held)
    sys.modules.pop("database", None)
    import database

    return database.DatabaseSessionStore


def check(psql):
    store = stand_ins(Base)(psql)
    cursor = store._cr
    cursor.execute("CREATE TABLE http_sessions (sid varchar PRIMARY KEY, write_date timestamp, payload text)")
    for sid in [FIRST + "x" * 42, FIRST + "y" * 42, OTHER + "x" * 42, "short"]:
        cursor.execute("INSERT INTO http_sessions VALUES (%s, now(), '{}')", (sid,))
    assert store.get_missing_session_identifiers([]) == set()
    gone = {SECOND, "short", "%", "it's"}
    assert store.get_missing_session_identifiers([FIRST, OTHER, *gone]) == gone
    for wrong in ["%", "", SECOND, OTHER + "x", OTHER[1:] + "\n", OTHER + "\n", None]:
        try:
            store.delete_from_identifiers([OTHER, wrong])
        except ValueError:
            continue
        raise AssertionError(wrong)
    # Nothing goes unless everything may go.
    assert store.get_missing_session_identifiers({OTHER}) == set()
    store.delete_from_identifiers([])
    store.delete_from_identifiers([FIRST])
    assert store.get_missing_session_identifiers({FIRST, OTHER}) == {FIRST}
    cursor.execute("SELECT count(*) FROM http_sessions")
    assert cursor.fetchall() == [("2",)]
    cursor.execute("DROP TABLE http_sessions")
    later = stand_ins(Later)(psql)
    assert later.get_missing_session_identifiers([]) == later.delete_from_identifiers([]) == "of the base"


if __name__ == "__main__":
    check(sys.argv[1:])
    print("good")
