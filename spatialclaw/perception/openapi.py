"""The OpenAPI document of `spatialclaw serve`, made from the models that validate its requests."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from spatialclaw._version import __version__
from spatialclaw.perception.packed import RESULT_TYPE

__all__ = ["document"]

_TYPE = "application/msgpack"
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {
                    "type": "string",
                    "description": "a class of spatialclaw.primitives.errors",
                },
                "message": {"type": "string"},
                "hint": {"type": ["string", "null"]},
                "candidates": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}
_MEANING = {
    "400": "the body is no msgpack",
    "401": "the token is missing or wrong",
    "409": "pictures have to be sent first: their hashes",
    "413": "the body is too large",
    "422": "the request is malformed, or the model refuses it",
    "429": "out of memory, or too many calls at once",
    "502": "the service behind this server does not answer",
    "503": "no such model here",
    "504": "no result in time",
}


def document(picture: type[BaseModel], call: type[BaseModel], max_body: int) -> dict[str, Any]:
    """The document.

    Args:
        picture: What ``/v1/pictures`` takes.
        call: What ``/v1/calls`` takes.
        max_body: Bytes of a request.
    """
    schemas: dict[str, Any] = {"Error": _ERROR}
    for name, model in (("Picture", picture), ("Call", call)):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "spatialclaw perception",
            "version": __version__,
            "description": "Requests are msgpack; byte strings in them are msgpack's bin type. "
            f"A request has at most {max_body} bytes. Results are {RESULT_TYPE}: b'SCP1', the "
            "length of the header (4 bytes, big-endian), a msgpack header {model, method, meta, "
            "rounding, arrays: [{name, dtype, shape, encoding, offset, bytes}]}, then from the "
            "next multiple of 64 the arrays at their offsets; encodings are raw (little-endian, "
            "C order), bits (booleans, eight to a byte, first one highest) and bits+zlib.",
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/pictures": {
                "post": {
                    "summary": "Send a picture, once; calls then name it by its hash",
                    "description": "sha256 of b'<height>x<width>x3\\n' and the pixels, hex.",
                    "requestBody": _body("Picture"),
                    "responses": {
                        "200": _answer({"type": "object", "required": ["sha256"]}, "its hash"),
                        **_refusals("400", "401", "413", "422"),
                    },
                }
            },
            "/v1/calls": {
                "post": {
                    "summary": "One call to a model",
                    "requestBody": _body("Call"),
                    "responses": {
                        "200": {
                            "description": "the packed result",
                            "headers": {
                                "x-spatialclaw-info": {
                                    "description": "JSON: model, revision, cached, seconds, "
                                    "batch, bytes, notes",
                                    "schema": {"type": "string"},
                                }
                            },
                            "content": {RESULT_TYPE: {}},
                        },
                        "409": _answer(
                            {"type": "object", "required": ["missing"]}, _MEANING["409"]
                        ),
                        **_refusals("400", "401", "413", "422", "429", "502", "503", "504"),
                    },
                }
            },
            "/v1/models": {
                "get": {
                    "summary": "Which model answers which method here",
                    "responses": {
                        "200": _answer({"type": "object", "required": ["offers"]}, "the methods"),
                        **_refusals("401"),
                    },
                }
            },
            "/healthz": {
                "get": {
                    "summary": "Whether it runs",
                    "security": [],
                    "responses": {"200": _answer({"type": "object"}, "it does")},
                }
            },
        },
    }


def _body(name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"required": True, "content": {_TYPE: {"schema": schema}}}


def _answer(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refusals(*statuses: str) -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    return {status: _answer(error, _MEANING[status]) for status in statuses}
