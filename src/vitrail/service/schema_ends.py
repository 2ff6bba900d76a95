"""Find schemas that no finite value fits: references in a circle, and objects that need themselves. Pure.

Called by `schemas` with a schema whose references are all `#/$defs/NAME`. A list that may be empty, a property that is
not required and a union with another way out are ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def find_endless(schema: Json, pointers: Mapping[str, str]) -> str | None:
    """Return in words what never ends, or None; `pointers` says what the client called each definition."""
    definitions: Json = schema.get("$defs", {})
    if circle := _find_circle(definitions):
        return f"`$ref` goes in a circle at `{pointers[circle]}`"
    finite: set[str] = set()
    known = -1
    while len(finite) > known:
        known = len(finite)
        for name in reversed(definitions):  # what is met last is mostly needed by what comes before
            if name not in finite and _can_end(definitions[name], finite):
                finite.add(name)
    for name in definitions:
        if name not in finite:
            return f"a value of `{pointers[name]}` needs another one inside it"
    return None if _can_end(schema, finite) else "its root needs itself"


def _find_circle(definitions: Json) -> str | None:
    """Return a definition that leads back to itself by references and unions alone, without any text between."""
    done: set[str] = set()
    for start in definitions:
        stack = [(start, iter(_next_names(definitions[start])))]
        on_path = {start}
        while stack:
            name, following = stack[-1]
            step = next(following, None)
            if step is None:
                stack.pop()
                on_path.discard(name)
                done.add(name)
            elif step in on_path:
                return step
            elif step not in done:
                on_path.add(step)
                stack.append((step, iter(_next_names(definitions[step]))))
    return None


def _next_names(schema: Json) -> list[str]:
    """Return the definitions that stand in the very place of a schema."""
    if "$ref" in schema:
        return [schema["$ref"].removeprefix("#/$defs/")]
    return [name for one in schema.get("anyOf", ()) for name in _next_names(one)]


def _can_end(schema: Json, finite: set[str]) -> bool:
    """Tell whether some value fits a schema, when only the definitions in `finite` are known to have one."""
    if "$ref" in schema:
        return schema["$ref"].removeprefix("#/$defs/") in finite
    if "anyOf" in schema:
        return any(_can_end(one, finite) for one in schema["anyOf"])
    if schema.get("type") == "object":
        return all(_can_end(schema["properties"][name], finite) for name in schema.get("required", ()))
    if "prefixItems" in schema:
        return all(_can_end(one, finite) for one in schema["prefixItems"])
    if schema.get("minItems", 0) > 0:
        return _can_end(schema["items"], finite)
    return True
