"""Every sort of document, by name. Called by drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .base import Job, Sheet
from .goods import draw_product_label, draw_ticket
from .pictures import draw_chart, draw_photo, draw_qr, draw_shapes, find_photos
from .records import draw_business_card, draw_form, draw_identity_card
from .sales import draw_invoice, draw_menu, draw_receipt
from .screens import draw_code, draw_dialog, draw_settings
from .tables import draw_table, draw_timetable, draw_week
from .writing import draw_checklist, draw_letter, draw_poster, draw_sign

FAMILIES: Mapping[str, Callable[[Job], Sheet]] = {
    "receipt": draw_receipt,
    "invoice": draw_invoice,
    "menu": draw_menu,
    "table": draw_table,
    "timetable": draw_timetable,
    "week": draw_week,
    "business-card": draw_business_card,
    "form": draw_form,
    "identity-card": draw_identity_card,
    "ticket": draw_ticket,
    "product-label": draw_product_label,
    "letter": draw_letter,
    "poster": draw_poster,
    "sign": draw_sign,
    "dialog": draw_dialog,
    "settings": draw_settings,
    "code": draw_code,
    "checklist": draw_checklist,
    "chart": draw_chart,
    "shapes": draw_shapes,
    "qr": draw_qr,
    "photo": draw_photo,
}


def usable_families() -> tuple[str, ...]:
    """The families that can be drawn on this machine (photos need a package that carries some)."""
    return tuple(name for name in FAMILIES if name != "photo" or find_photos())


__all__ = ["FAMILIES", "Job", "Sheet", "usable_families"]
