"""The function schemas for servers that take native tool calls.

One function makes any call, so that the primitives are described once, in the prompt, as for every
other interface: a schema for each of a hundred primitives would take more than the whole prompt.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CALL", "SCHEMAS"]

CALL = "call_primitive"

SCHEMAS: tuple[dict[str, Any], ...] = (
    {
        "type": "function",
        "function": {
            "name": CALL,
            "description": "Calls one primitive in the kernel, such as depth or measure.distance.",
            "parameters": {
                "type": "object",
                "properties": {
                    "call": {"type": "string", "description": "name of the primitive"},
                    "args": {
                        "type": "object",
                        "description": 'arguments by name; "$name" refers to a result or frames',
                    },
                    "as": {"type": "string", "description": "name of the result"},
                },
                "required": ["call", "args"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "submit",
            "description": "Proposes the answer.",
            "parameters": {
                "type": "object",
                "properties": {
                    "value": {"description": 'the answer, or "$name" of a result'},
                    "unit": {"type": "string"},
                    "confidence": {"type": "number"},
                    "evidence": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["value"],
            },
        },
    },
)
