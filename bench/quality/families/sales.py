"""Receipts, invoices and menus."""

from __future__ import annotations

from ..languages import Language, choose_money_style, label, write_day, write_time
from ..look import Pairing
from ..page import Page
from ..phrasing import phrase
from ..question import Draft, Kind, NumberAnswer, TextAnswer
from ..vocabulary import (
    pick_amounts,
    pick_cities,
    pick_code,
    pick_days,
    pick_dishes,
    pick_firms,
    pick_groceries,
    pick_phone,
    pick_services,
    pick_shop,
    pick_street,
)
from .base import (
    Job,
    Sheet,
    ask_cents,
    ask_day,
    ask_json,
    ask_json_rows,
    ask_missing,
    ask_priced,
    ask_text,
    ask_time,
    sheet_of,
)

_SHOP_QUESTIONS = ("Which shop is this receipt from?", "Where was this bought?", "What is the store called?")


def draw_receipt(job: Job) -> Sheet:
    """A till receipt."""
    rng, language = job.rng, job.language
    count = rng.randint(3, 7)
    goods = pick_groceries(rng, language, count + 3)
    prices = dict(zip(goods[:count], pick_amounts(rng, count, 80, 2400), strict=True))
    money, rate = choose_money_style(language, rng), rng.choice((4, 7, 10, 19, 22))
    subtotal = sum(prices.values())
    tax = round(subtotal * rate / 100)
    total = subtotal + tax
    shop, (city,) = pick_shop(rng, language), pick_cities(rng, language, 1)
    (day,), minutes = pick_days(rng, 1), rng.randint(8 * 60 + 1, 21 * 60)
    number, paid = pick_code(rng, rng.choice(("999999", "A-9999", "99/9999"))), -(-total // 1000) * 1000
    style, by_cash = rng.randrange(3), rng.random() < 0.5

    page = Page(job.look, job.looks.randint(330, 520))
    page.heading(shop, 1.3)
    page.line(f"{pick_street(rng, language)}, {city}", em=0.85)
    page.gap()
    page.pairs(
        [
            (job.say("date"), write_day(day, language, style)),
            (job.say("time"), write_time(minutes)),
            (job.say("receipt_number"), number),
        ],
        pairing=job.looks.choice((Pairing.COLON, Pairing.ENDS)),
        bold_labels=False,
    )
    page.rule(dashed=job.looks.random() < 0.5)
    leaders = job.looks.choice((Pairing.ENDS, Pairing.DOTS))
    page.pairs([(name, money.write(c, bare=True)) for name, c in prices.items()], pairing=leaders, bold_labels=False)
    page.rule(dashed=job.looks.random() < 0.5)
    sums = [(job.say("subtotal"), subtotal), (f"{job.say('tax')} {rate}%", tax)]
    page.pairs([(name, money.write(c, bare=True)) for name, c in sums], pairing=Pairing.ENDS, bold_labels=False)
    page.pairs([(job.say("total").upper(), money.write(total))], pairing=Pairing.ENDS)
    if by_cash:
        ends = [(job.say("cash"), paid), (job.say("change"), paid - total)]
        page.pairs([(name, money.write(c, bare=True)) for name, c in ends], pairing=Pairing.ENDS, bold_labels=False)

    amounts = [*prices.values(), subtotal, tax, total]
    shown = [money.write(c, bare=True) for c in amounts]
    drafts = [
        Draft(Kind.READ, rng.choice(_SHOP_QUESTIONS), TextAnswer((shop,), (city,))),
        ask_cents(job, "total", total, amounts),
        ask_cents(job, "subtotal", subtotal, amounts),
        ask_cents(job, "tax", tax, amounts),
        ask_day(job, "date", day),
        ask_time(job, "time", minutes),
        ask_text(job, "receipt_number", number, [city]),
        Draft(Kind.COUNT, phrase("rows", language, rng, things="products"), NumberAnswer(count)),
        ask_missing(job, rng.choice(("cashier", "table_number", "customer_number")), [number, shop]),
        ask_missing(job, rng.choice(("tip", "discount", "shipping")), shown, ["total", "subtotal", "tax"]),
        *ask_priced(job, prices, goods[count:], money),
        ask_json(
            "Give the shop, the day of purchase (YYYY-MM-DD), the subtotal, the tax and the total.",
            {
                "shop": ("string", shop),
                "day": ("string", day.isoformat()),
                "subtotal": ("number", subtotal / 100),
                "tax": ("number", tax / 100),
                "total": ("number", total / 100),
            },
        ),
        ask_json_rows(
            "List each purchased product with its price, then the sum paid.",
            "products",
            {"product": "string", "price": "number"},
            [[name, c / 100] for name, c in prices.items()],
            sum_paid=("number", total / 100),
        ),
    ]
    if by_cash:
        drafts.append(ask_cents(job, "change", paid - total, amounts))
    return sheet_of(page, "receipt", drafts, total_cents=total)


def draw_invoice(job: Job) -> Sheet:
    """An invoice with quantities and unit prices."""
    rng, language = job.rng, job.language
    count = rng.randint(2, 4)
    services = pick_services(rng, language, count + 2)
    units, counts = pick_amounts(rng, count, 900, 48000), [rng.randint(1, 9) for _ in range(count)]
    amounts = {name: unit * n for name, unit, n in zip(services, units, counts, strict=False)}
    money = choose_money_style(language, rng)
    shipping = rng.randint(5, 60) * 50
    total = sum(amounts.values()) + shipping
    seller, customer = pick_firms(rng, 2)
    issued, due = pick_days(rng, 2)
    number = pick_code(rng, rng.choice(("AA-9999-99", "99999", "A99/9999", "9999-AA")))
    order, style = pick_code(rng, "99-AA-999"), rng.randrange(3)
    (city,) = pick_cities(rng, language, 1)

    page = Page(job.look, job.looks.randint(700, 900))
    page.heading(job.say("invoice"), 1.8)
    if job.looks.random() < 0.5:
        page.line(f"{seller} · {pick_street(rng, language)} · {city}", em=0.8, centred=False)
    else:
        page.put(page.right, page.look.margin_px, seller, anchor="ra", bold=True)
        page.put(page.right, page.look.margin_px + page.step(), city, anchor="ra")
    page.gap()
    page.pairs(
        [
            (job.say("seller"), seller),
            (job.say("customer"), customer),
            (job.say("invoice_number"), number),
            (job.say("order_number"), order),
            (job.say("issue_date"), write_day(issued, language, style)),
            (job.say("due_date"), write_day(due, language, style)),
        ],
        pairing=job.looks.choice((Pairing.COLON, Pairing.COLUMNS)),
    )
    page.gap()
    header = [job.say(key) for key in ("description", "quantity", "unit_price", "amount")]
    rows = [
        [name, str(n), money.write(unit, bare=True), money.write(unit * n, bare=True)]
        for name, n, unit in zip(services, counts, units, strict=False)
    ]
    page.table(header, rows)
    sums = [(job.say("shipping"), money.write(shipping)), (job.say("total"), money.write(total))]
    page.pairs(sums, pairing=Pairing.ENDS)

    every = [*amounts.values(), *units, shipping, total]
    shown = [money.write(c, bare=True) for c in every]
    name = rng.choice(services[:count])
    index = services.index(name)
    drafts = [
        ask_text(job, "seller", seller, [customer]),
        ask_text(job, "customer", customer, [seller]),
        ask_text(job, "invoice_number", number, [order]),
        ask_text(job, "order_number", order, [number]),
        ask_day(job, "issue_date", issued, [due]),
        ask_day(job, "due_date", due, [issued]),
        ask_cents(job, "total", total, every),
        ask_cents(job, "shipping", shipping, every),
        Draft(
            Kind.TABLE,
            phrase("cell", language, rng, row=name, column="quantity"),
            NumberAnswer(counts[index], tuple(n for n in counts if n != counts[index])),
        ),
        Draft(
            Kind.REASON,
            rng.choice(
                (
                    "How many days lie between the invoice date and the due date?",
                    "How many days are left to pay, from issue to due date?",
                )
            ),
            NumberAnswer((due - issued).days, (due.day, issued.day)),
        ),
        ask_missing(job, "delivery_date", [str(issued.year), str(due.year)], ["issue_date", "due_date"]),
        ask_missing(job, rng.choice(("deposit", "discount")), shown, ["total", "shipping", "amount"]),
        ask_missing(
            job,
            rng.choice(("iban", "tax_number", "customer_number")),
            [number, order],
            ["invoice_number", "order_number"],
        ),
        *ask_priced(job, amounts, services[count:], money)[2:4],
        ask_json(
            "Extract seller, customer, invoice number, due date (YYYY-MM-DD), total, discount (null if none is given).",
            {
                "seller": ("string", seller),
                "customer": ("string", customer),
                "invoice_number": ("string", number),
                "due_date": ("string", due.isoformat()),
                "total": ("number", total / 100),
                "discount": ("number?", None),
            },
        ),
        ask_json_rows(
            "Turn the lines of this invoice into JSON.",
            "lines",
            {"description": "string", "quantity": "integer", "unit_price": "number"},
            [[name, n, unit / 100] for name, n, unit in zip(services, counts, units, strict=False)],
        ),
    ]
    return sheet_of(page, "invoice", drafts, total_cents=total)


def draw_menu(job: Job) -> Sheet:
    """A menu in two to four parts."""
    rng, language = job.rng, job.language
    courses = [c for c in ("starters", "mains", "desserts", "drinks") if rng.random() < 0.75] or ["mains"]
    courses = courses if len(courses) > 1 else ["mains", "drinks"]
    offered = {course: pick_dishes(rng, language, course, 4) for course in courses}
    kept = {course: names[: rng.randint(2, 3)] for course, names in offered.items()}
    dishes = [name for names in kept.values() for name in names]
    prices = dict(zip(dishes, pick_amounts(rng, len(dishes), 350, 3200), strict=True))
    money, place = choose_money_style(language, rng), pick_shop(rng, language)
    opens, closes = rng.randint(9, 12) * 60, rng.choice((21, 22, 23)) * 60 + rng.choice((0, 30))
    phone = pick_phone(rng, language)

    page = Page(job.look, job.looks.randint(480, 720))
    title = page.heading(place, 1.7)
    page.line(f"{write_time(opens)} – {write_time(closes)}", em=0.9)
    page.gap()
    leaders = job.looks.choice((Pairing.ENDS, Pairing.DOTS, Pairing.COLON))
    for course, names in kept.items():
        page.line(job.say(course), em=1.15, bold=True, fill=page.look.accent)
        page.pairs([(name, money.write(prices[name])) for name in names], pairing=leaders, bold_labels=False)
        page.gap()
    page.line(f"{job.say('phone')} {phone}", em=0.85)

    course = rng.choice(courses)
    missing = [name for names in offered.values() for name in names if name not in prices]
    drafts = [
        Draft(
            Kind.READ,
            rng.choice(("What is this place called?", "Whose menu is this?")),
            TextAnswer((title,), tuple(dishes)),
        ),
        Draft(
            Kind.COUNT,
            rng.choice(
                (
                    f"How many {label(course, Language.ENGLISH)} are offered?",
                    f"Count the {label(course, Language.ENGLISH)} on this menu.",
                )
            ),
            NumberAnswer(len(kept[course])),
        ),
        ask_text(job, "phone", phone),
        ask_missing(job, "fax", [phone], ["phone"]),
        ask_missing(job, rng.choice(("email", "website", "address")), [phone, place], ["phone"]),
        *ask_priced(job, prices, missing, money),
        ask_json_rows(
            "Extract the name of the place and all dishes and drinks with their prices.",
            "menu",
            {"name": "string", "price": "number"},
            [[name, c / 100] for name, c in prices.items()],
            place=("string", place),
        ),
    ]
    return sheet_of(page, "menu", drafts)
