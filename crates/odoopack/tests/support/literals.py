"""Reads one request per line and answers with what CPython makes of it: the oracle for manifests.

A request is {"hex": BYTES} or {"wheel": PATH}; the answer {"value": ...}, {"error": TEXT} or a list of [name, hex, answer].
"""

import ast
import io
import json
import struct
import sys
import zipfile


def tagged(value):
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"other": "surrogates"}
        return value
    if kind is int:
        return {"int": str(value)} if abs(value) < 1 << 127 else {"other": "big"}
    if kind is float:
        return {"float": struct.pack(">d", value).hex()}
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind in (list, tuple):
        return {kind.__name__: [tagged(item) for item in value]}
    if kind in (set, frozenset):
        return {"set": sorted((tagged(item) for item in value), key=json.dumps)}
    if kind is dict:
        return {"dict": [[tagged(key), tagged(item)] for key, item in value.items()]}
    return {"other": repr(value)}


def answer(content):
    try:
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
        return {"value": tagged(ast.literal_eval(text))}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def manifests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            parts = entry.split("/")
            if parts[:2] == ["odoo", "addons"] and parts[3:] == ["__manifest__.py"]:
                content = archive.read(entry)
                yield [parts[2], content.hex(), answer(content)]


for line in sys.stdin:
    request = json.loads(line)
    if "wheel" in request:
        print(json.dumps(list(manifests(request["wheel"]))), flush=True)
    else:
        print(json.dumps(answer(bytes.fromhex(request["hex"]))), flush=True)
