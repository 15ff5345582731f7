# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The store on a real Redis, above stand-ins for the base classes of the series; run by the tests of the repository.

    python3 test_store.py FILE      FILE as `store.settings` reads it
"""
import base64
import datetime
import os
import re
import sys
import time

import store

HEX = re.compile(r"^[a-f0-9]{40}$")
LONG = re.compile(r"^[A-Za-z0-9_-]{84}$")


class Session(dict):
    def __init__(self, data, sid, new=False):
        super().__init__(data)
        self.sid, self.new = sid, new


class Of17:
    """What 17.0's store brings: hex ids, no devices."""

    valid = HEX

    def __init__(self, path, session_class, renew_missing):
        self.path, self.session_class, self.renew_missing = path, session_class, renew_missing

    def generate_key(self):
        return os.urandom(20).hex()

    def is_valid_key(self, key):
        return self.valid.match(key) is not None

    def new(self):
        return self.session_class({}, self.generate_key(), True)

    def save(self, session):
        raise AssertionError("nothing goes to files")

    get = delete = save


class Of18(Of17):
    """18.0 and 19.0: long ids."""

    valid = LONG

    def generate_key(self):
        return base64.urlsafe_b64encode(os.urandom(63)).decode()


def check(base, told):
    sessions = store.redis_store(base, Session, told)
    one = sessions.new()
    one["login"] = "maria"
    sessions.save(one)
    again = sessions.get(one.sid)
    assert again == {"login": "maria"} and not again.new, again
    # Redis holds no id that anybody could sign in with.
    held = sessions.redis.smembers(sessions._identifier(one.sid[: store.IDENTIFIER]))
    assert len(held) == (1 if base is Of18 else 0) and one.sid not in str(held), held
    keys = sessions.redis.scan_iter(match=sessions.prefix + "*")
    assert not any(one.sid in key for key in keys)
    # What 17.0 pickles comes back as what it was.
    odd = {"at": datetime.datetime(2026, 3, 29, 2, 30), "day": datetime.date(2026, 3, 29), "ids": {1, 2},
           "file": b"\x00\xff", "pair": (1, ("a", b"b")), "pairs": {(1, 2), "c"}, "names": {7: "seven", (1, None): [{8: ()}]},
           "like": {store.TYPE: "bytes", "value": "!"}, "list": [(1,), [1], {"x": True}]}
    one.update(odd)
    sessions.save(one)
    again = sessions.get(one.sid)
    # `==` takes no notice of the difference between 1 and True.
    assert again == {"login": "maria", **odd} and repr(again["list"]) == repr(odd["list"]), again
    # What an earlier version wrote is read, too.
    sessions.redis.set(sessions._session(sessions._hash(one.sid)), '{"ids": {"odoopack.type": "set", "value": [1, 2]}}')
    assert sessions.get(one.sid) == {"ids": {1, 2}}
    one["odd"] = object()
    try:
        sessions.save(one)
        raise AssertionError("an object was kept")
    except TypeError as error:
        assert "a session cannot hold a object" in str(error), error
    del one["odd"]
    sessions.save(one)
    # Lost, malformed and deleted sessions are new ones with another id.
    for sid in [base.generate_key(sessions), "../../etc/passwd", "*"]:
        other = sessions.get(sid)
        assert other.new and other.sid != sid and other == {}
    sessions.delete(one)
    assert sessions.get(one.sid).new
    # A device: two ids with one beginning, as a soft rotation leaves them.
    first = sessions.new()
    half = first.sid[: store.IDENTIFIER]
    tail = sessions.generate_key()[store.IDENTIFIER :]
    second = Session({"uid": 2}, half + tail)
    if base is Of18:
        sessions.save(first)
        sessions.save(second)
        stranger = sessions.new()
        sessions.save(stranger)
        gone = "x" * store.IDENTIFIER
        assert sessions.get_missing_session_identifiers([half, gone]) == {gone}
        sessions.delete_from_identifiers([half])
        assert sessions.get(first.sid).new and sessions.get(second.sid).new
        assert not sessions.get(stranger.sid).new
        assert sessions.get_missing_session_identifiers({half}) == {half}
        for wrong in ["*", half + "x", ""]:
            try:
                sessions.delete_from_identifiers([wrong])
            except ValueError:
                continue
            raise AssertionError(wrong)
    # Lifetime: what the clean-up says holds for every process, and use prolongs it.
    sessions.vacuum(max_lifetime=2)
    other = store.redis_store(base, Session, told)
    assert other.lifetime() == 2
    kept = sessions.new()
    sessions.save(kept)
    for _ in range(3):
        time.sleep(1)
        assert not sessions.get(kept.sid).new, "use prolongs"
    time.sleep(2.5)
    assert sessions.get(kept.sid).new, "expired"
    sessions.vacuum()
    assert sessions.answers()


def strangers(told, other):
    """One environment reads nothing of another."""
    mine = store.redis_store(Of18, Session, told)
    session = mine.new()
    mine.save(session)
    theirs = store.redis_store(Of18, Session, other)
    theirs.prefix = mine.prefix
    for act in [lambda: theirs.get(session.sid), lambda: theirs.save(session), lambda: theirs.redis.flushall(),
                lambda: theirs.redis.config_get("*")]:
        try:
            act()
        except store.redis.exceptions.NoPermissionError:
            continue
        raise AssertionError("a foreign key was touched")


# A session that a later run looks for.
KEPT = "k" * 84


if __name__ == "__main__":
    TOLD = store.settings(sys.argv[1])
    if len(sys.argv) == 2:
        assert store.redis_store(Of18, Session, TOLD).get(KEPT) == {"kept": 1}
        print("kept")
        sys.exit()
    for series in [Of17, Of18]:
        check(series, TOLD)
    strangers(TOLD, store.settings(sys.argv[2]))
    store.redis_store(Of18, Session, TOLD).save(Session({"kept": 1}, KEPT))
    print("good")
