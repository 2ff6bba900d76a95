"""Read a YAML document strictly: every complaint names the line, what was seen there and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import yaml

T = TypeVar("T")
Read = Callable[["Place"], T]


class BadDocument(ValueError):
    """The document is not of the expected form."""


class Place:
    """A value in the document, which knows its line and its path from the top."""

    def __init__(self, node: yaml.Node, *, source: str, path: str = "") -> None:
        self._node = node
        self._source = source
        self._path = path

    def refusal(self, complaint: str) -> BadDocument:
        """Return an error that points here."""
        where = f" {self._path}:" if self._path else ""
        return BadDocument(f"{self._source}, line {self._node.start_mark.line + 1}:{where} {complaint}")

    def read_mapping(self, allowed: Mapping[str, Read[object]]) -> dict[str, object]:
        """Return the entries, each read by its own function; a key that is not in `allowed` is refused."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.refusal(f"expected a mapping with {_listed(allowed)}, saw {self._seen}")
        read: dict[str, object] = {}
        for key, here in self._entries(self._node):
            if key not in allowed:
                raise here.refusal(f"unknown key {key!r}; allowed are {_listed(allowed)}")
            read[key] = allowed[key](here)
        return read

    def read_entries(self, read: Read[T]) -> dict[str, T]:
        """Return the entries of a mapping with any keys, each read by `read`."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.refusal(f"expected a mapping, saw {self._seen}")
        return {key: read(here) for key, here in self._entries(self._node)}

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[str, Place]]:
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = Place(value_node, source=self._source, path=f"{self._path}.{key}".lstrip("."))
            if key in seen:
                raise here.refusal("the key stands here twice")
            seen.add(key)
            yield key, here

    def read_list(self, read: Read[T]) -> tuple[T, ...]:
        """Return the items, each read by `read`."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.refusal(f"expected a list, saw {self._seen}")
        return tuple(
            read(Place(item, source=self._source, path=f"{self._path}[{index}]"))
            for index, item in enumerate(self._node.value)
        )

    def read_text(self) -> str:
        """Return a string; a bare number is taken as it is written."""
        if not isinstance(self._node, yaml.ScalarNode):
            raise self.refusal(f"expected text, saw {self._seen}")
        return str(self._node.value)

    def read_integer(self) -> int:
        """Return a whole number of 0 or more."""
        value = self.read_value()
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.refusal(f"expected a whole number of 0 or more, saw {self._seen}")
        return value

    def read_number(self) -> float:
        """Return a number."""
        value = self.read_value()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refusal(f"expected a number, saw {self._seen}")
        return float(value)

    def read_seconds(self) -> float:
        """Return a time of 0 seconds or more."""
        value = self.read_number()
        if value < 0:
            raise self.refusal(f"expected seconds of 0 or more, saw {self._seen}")
        return value

    def read_boolean(self) -> bool:
        """Return true or false."""
        value = self.read_value()
        if not isinstance(value, bool):
            raise self.refusal(f"expected true or false, saw {self._seen}")
        return value

    def read_choice(self, choices: Mapping[str, T]) -> T:
        """Return what one of the names in `choices` stands for."""
        name = self.read_text()
        if name not in choices:
            raise self.refusal(f"expected one of {_listed(choices)}, saw {name!r}")
        return choices[name]

    def read_value(self) -> object:
        """Return whatever stands here as plain Python values."""
        return yaml.SafeLoader("").construct_object(self._node, deep=True)

    @property
    def is_mapping(self) -> bool:
        """Tell whether a mapping stands here."""
        return isinstance(self._node, yaml.MappingNode)

    @property
    def _seen(self) -> str:
        match self._node:
            case yaml.MappingNode():
                return "a mapping"
            case yaml.SequenceNode():
                return "a list"
            case _:
                return repr(self._node.value)


def parse_yaml(text: str, *, source: str) -> Place | None:
    """Return the top of the document, None if it is empty; raises BadDocument for broken YAML."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as failure:
        line = failure.problem_mark.line + 1 if failure.problem_mark else 1
        raise BadDocument(f"{source}, line {line}: this is not YAML: {failure.problem}") from failure
    except RecursionError as failure:
        raise BadDocument(f"{source}: this is nested too deep") from failure
    except yaml.YAMLError as failure:
        raise BadDocument(f"{source}: this is not YAML: {failure}") from failure
    return None if node is None else Place(node, source=source)


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names)
