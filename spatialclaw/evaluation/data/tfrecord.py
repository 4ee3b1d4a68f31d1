"""Reads tfrecord files of tf.train.Example, without TensorFlow.

A file is a row of records: length (8 bytes, little endian), masked CRC-32C of the length, payload,
masked CRC-32C of the payload (tensorflow/core/lib/io/record_writer.h). A payload is a protocol
buffer: Example{1: Features{1: map<string, Feature>}}, Feature one of {1: bytes list, 2: float list,
3: int64 list} (tensorflow/core/example/feature.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

from spatialclaw.errors import UsageError

__all__ = ["crc32c", "masked_crc", "read_examples"]

_LARGEST = 2**31
_AGAIN = "It is damaged or half downloaded: fetch it again."


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli, RFC 3720 appendix B.4)."""
    crc, table = 0xFFFFFFFF, _CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked_crc(data: bytes) -> int:
    """The CRC as tfrecord stores it: turned right by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_examples(name: str, stream: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    """The examples of a file: name of a feature to its value; a list unless it has length 1.

    Text that is UTF-8 comes as str, other bytes as bytes. Lists of bytes stay lists.

    Raises:
        UsageError: A checksum is wrong or the file ends within a record; says which.
    """
    number = 0
    while header := stream.read(12):
        number += 1
        if len(header) < 12:
            raise UsageError(f"{name} ends within record {number}", hint=_AGAIN)
        length = struct.unpack("<Q", header[:8])[0]
        if masked_crc(header[:8]) != struct.unpack("<I", header[8:])[0] or length > _LARGEST:
            raise UsageError(f"{name}: record {number} has a wrong checksum", hint=_AGAIN)
        payload, footer = stream.read(length), stream.read(4)
        if len(payload) < length or len(footer) < 4:
            raise UsageError(f"{name} ends within record {number}", hint=_AGAIN)
        if masked_crc(payload) != struct.unpack("<I", footer)[0]:
            raise UsageError(f"{name}: record {number} has a wrong checksum", hint=_AGAIN)
        try:
            yield _example(payload)
        except (IndexError, ValueError, struct.error) as error:
            raise UsageError(f"{name}: record {number} is no tf.train.Example: {error}") from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number without end")


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
        elif kind == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("a field longer than its message")
            yield key >> 3, data[at : at + length]
            at += length
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            yield key >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {kind}")


def _example(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, features in _fields(data):
        for inner, entry in _fields(features) if number == 1 else ():
            if inner == 1:
                parts = dict(_fields(entry))
                found[parts.get(1, b"").decode()] = _feature(parts.get(2, b""))
    return found


def _feature(data: bytes) -> Any:
    values: list[Any] = []
    for kind, body in _fields(data):
        for number, value in _fields(body):
            if number != 1:
                continue
            if kind == 1:
                values.append(_decoded(value))
            elif kind == 2:
                values += np.frombuffer(value, "<f4").astype(float).tolist()
            elif isinstance(value, int):
                values.append(_signed(value))
            else:
                at = 0
                while at < len(value):
                    item, at = _varint(value, at)
                    values.append(_signed(item))
    return values[0] if len(values) == 1 else values


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _decoded(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
