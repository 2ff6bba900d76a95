"""What the ACLs of a key will never let it do, said to whoever makes the key. Called by `vitrail keys`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vitrail.domain.errors import UnknownModel
from vitrail.domain.keys import ANY, AclKind, acl
from vitrail.domain.models import Model
from vitrail.http_api.management_keys import ENDPOINTS
from vitrail.service.catalog import find_model

_SCRIPTED = "scripted"  # an endpoint where a model is scripted, and nowhere else


def warn_of_acls(acls: Sequence[str], models: Sequence[Model]) -> Iterator[str]:
    """Yield a sentence for each kind of ACL that is missing, and for each name that there is not."""
    for kind in AclKind:
        if not any(text.startswith(acl(kind, "")) for text in acls):
            yield f"The key names no {kind}, so it can do nothing yet: add --acl {acl(kind, ANY)}, or one by name."
    for text in acls:
        named, name = text.split(":", 2)[1:]
        if name == ANY:
            continue
        if named == AclKind.ENDPOINT and name not in (*ENDPOINTS, _SCRIPTED):
            yield f"There is no endpoint {name!r}; there are {', '.join(ENDPOINTS)}."
        if named == AclKind.MODEL and not _is_served(name, models):
            yield f"No model is called {name!r} now; if the settings file is another one, name that with --config."


def _is_served(name: str, models: Sequence[Model]) -> bool:
    try:
        find_model(models, name)
    except UnknownModel:
        return False
    return True
