# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A session store over Redis that replaces what Odoo's own store does with files, and nothing else.

Rotation, keys and the rules for them stay Odoo's: they differ between 17.0, 18.0 and 19.0 and call `get`, `save`,
`delete` and `delete_from_identifiers`, which are here.

In Redis, below the prefix of the environment:
  s:HASH        JSON of the session; HASH is the SHA-256 of its id, so that nobody signs in with what Redis holds
  i:IDENTIFIER  set of the HASHes of all sessions whose id begins so (a device, `res.device.log`, 18.0 and later);
                an id of 17.0 is no longer than an identifier, so none is kept there
  lifetime      seconds that a session lives without being used, as Odoo's own clean-up last said
"""
import base64
import datetime
import hashlib
import json
import os
import time

import redis

# Odoo's own default, `odoo/http.py` SESSION_LIFETIME.
LIFETIME = 7 * 24 * 3600
# Length of the part of an id that names a device, `odoo/http.py` STORED_SESSION_BYTES.
IDENTIFIER = 42
# How long a process believes the lifetime that it read.
BELIEF = 60


# What 17.0 keeps in a session by pickling it (`odoo/http.py`, `Session.__setitem__`) and JSON has no form for.
TYPE = "odoopack.type"
READERS = {
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "set": set,
    "tuple": tuple,
    "bytes": base64.b64decode,
    # One whose keys are not all text, or that has the key by which the others are known.
    "dict": dict,
}


def _typed(name, value):
    return {TYPE: name, "value": value}


def _encode(value):
    """What JSON has a form for, all the way down."""
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and TYPE not in value:
            return {key: _encode(item) for key, item in value.items()}
        return _typed("dict", [[_encode(key), _encode(item)] for key, item in value.items()])
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, tuple):
        return _typed("tuple", [_encode(item) for item in value])
    if isinstance(value, (set, frozenset)):
        return _typed("set", [_encode(item) for item in value])
    if isinstance(value, datetime.datetime):
        return _typed("datetime", value.isoformat())
    if isinstance(value, datetime.date):
        return _typed("date", value.isoformat())
    if isinstance(value, bytes):
        return _typed("bytes", base64.b64encode(value).decode())
    return value


def _refuse(value):
    raise TypeError(f"a session cannot hold a {type(value).__name__}: {value!r}")


def _decode(found):
    reader = READERS.get(found.get(TYPE))
    return reader(found["value"]) if reader and "value" in found else found


def settings(path=None):
    """What the environment is told by file: socket, user, password, prefix."""
    with open(path or os.environ["ODOOPACK_SESSIONS"], encoding="utf-8") as file:
        return json.load(file)


def connection(told):
    return redis.Redis(
        unix_socket_path=told["socket"],
        username=told["user"],
        password=told["password"],
        socket_timeout=5,
        health_check_interval=30,
        decode_responses=True,
    )


def redis_store(base, session_class, told=None):
    """An instance of a subclass of `base`, Odoo's store of files."""
    told = told or settings()

    class RedisSessionStore(RedisStore, base):
        pass

    store = RedisSessionStore(path=os.devnull, session_class=session_class, renew_missing=True)
    store.redis = connection(told)
    store.prefix = told["prefix"]
    return store


class RedisStore:
    """To stand before Odoo's store of files among the bases."""

    redis = None
    prefix = ""
    _lifetime = (0.0, LIFETIME)

    def answers(self):
        return self.redis.ping()

    def get_session_filename(self, sid):
        raise NotImplementedError("sessions are in Redis, not in files")

    def _hash(self, sid):
        return hashlib.sha256(sid.encode()).hexdigest()

    def _session(self, hashed):
        return f"{self.prefix}s:{hashed}"

    def _identifier(self, identifier):
        return f"{self.prefix}i:{identifier}"

    def _device(self, sid):
        """The key of the device that a session is of; none where it would spell out the whole id."""
        return self._identifier(sid[:IDENTIFIER]) if len(sid) > IDENTIFIER else None

    def lifetime(self):
        read, seconds = self._lifetime
        now = time.monotonic()
        if not read or now - read > BELIEF:
            told = self.redis.get(f"{self.prefix}lifetime")
            seconds = int(told) if told else LIFETIME
            self._lifetime = (now, seconds)
        return seconds

    def save(self, session):
        hashed, device = self._hash(session.sid), self._device(session.sid)
        text, lifetime = json.dumps(_encode(dict(session)), default=_refuse), self.lifetime()
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.set(self._session(hashed), text, ex=lifetime)
            if device:
                pipe.sadd(device, hashed)
                pipe.expire(device, lifetime)
            pipe.execute()

    def get(self, sid):
        if not self.is_valid_key(sid):
            return self.new()
        key, lifetime = self._session(self._hash(sid)), self.lifetime()
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.get(key)
            # Used is used: a session lives on from here, as a file's time would say.
            pipe.expire(key, lifetime)
            if device := self._device(sid):
                pipe.expire(device, lifetime)
            text = pipe.execute()[0]
        if text is None:
            return self.new() if self.renew_missing else self.session_class({}, sid, False)
        return self.session_class(json.loads(text, object_hook=_decode), sid, False)

    def delete(self, session):
        hashed = self._hash(session.sid)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(self._session(hashed))
            if device := self._device(session.sid):
                pipe.srem(device, hashed)
            pipe.execute()

    def list(self):
        """Ids are not kept, only their hashes."""
        return []

    def vacuum(self, max_lifetime=LIFETIME):
        """Redis drops what is too old; here it learns what that is."""
        self.redis.set(f"{self.prefix}lifetime", int(max_lifetime))
        self._lifetime = (time.monotonic(), int(max_lifetime))

    def get_missing_session_identifiers(self, identifiers):
        identifiers = set(identifiers)
        missing = set()
        for identifier in identifiers:
            hashes = self.redis.smembers(self._identifier(identifier))
            keys = [self._session(hashed) for hashed in hashes]
            if not keys or not self.redis.exists(*keys):
                missing.add(identifier)
        return missing

    def delete_from_identifiers(self, identifiers):
        for identifier in identifiers:
            if not isinstance(identifier, str) or len(identifier) != IDENTIFIER:
                raise ValueError("an identifier is the first 42 characters of a session's id")
            key = self._identifier(identifier)
            keys = [self._session(hashed) for hashed in self.redis.smembers(key)]
            self.redis.delete(key, *keys)
