"""Invented people, places, goods and numbers, in five languages. Called by the families. Draws nothing."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from .languages import Language

_FIRST = (
    "Ingrid Tobias Noemi Rafael Beatriz Anselm Clémence Joaquín Chiara Håkon Priya Wendell Zuzana Emeka Lucía Jürgen "
    "Agnès Silvia Óscar Matteo Yvonne Gideon Marlene Renée Íñigo Federica Dorothy Lorenz Amélie Vicente Paola Björn"
)
_LAST = (
    "Hollander Brückner Delacroix Echeverría Santoro Whitlock Okonkwo Lindqvist Maçon Peñalver Ferrante Ashdown Köhler "
    "Gauthier Ibáñez Rinaldi Pemberton Weißmann Lefèvre Zubiri Bellandi Trelawney Grünwald Moreau Carmona D'Amico"
)
_STREETS = {
    Language.ENGLISH: ("Quarry Lane", "Mill Road", "Juniper Avenue", "Castle Hill", "Foundry Street", "Orchard Way"),
    Language.GERMAN: ("Ahornweg", "Gartenstraße", "Am Mühlbach", "Lindenallee", "Schloßgasse", "Brückenstraße"),
    Language.FRENCH: ("rue des Tilleuls", "avenue Foch", "quai de l'Écluse", "rue du Moulin", "place Carnot"),
    Language.SPANISH: ("calle Olmo", "avenida del Puerto", "calle Peñón", "plaza Mayor", "paseo de Gràcia"),
    Language.ITALIAN: ("via Garibaldi", "corso Umberto", "via dei Mille", "piazza Duomo", "viale Libertà"),
}
_CITIES = {
    Language.ENGLISH: ("Norwich", "Durham", "Galway", "Halifax", "Duluth", "Ballarat", "Exeter", "Dunedin"),
    Language.GERMAN: ("Münster", "Görlitz", "Graz", "Lübeck", "Würzburg", "Erfurt", "Konstanz", "Bregenz"),
    Language.FRENCH: ("Nîmes", "Besançon", "Angers", "Orléans", "Colmar", "Dijon", "Béziers", "Liège"),
    Language.SPANISH: ("Cádiz", "León", "Gijón", "Zaragoza", "Logroño", "Murcia", "Mérida", "Córdoba"),
    Language.ITALIAN: ("Ferrara", "Lecce", "Trento", "Cagliari", "Bergamo", "Modena", "Forlì", "Udine"),
}
_SHOPS = {
    Language.ENGLISH: ("Hedgerow Stores", "Copper Kettle", "Larkspur Grocers", "The Tin Lantern", "Bramble & Rye"),
    Language.GERMAN: ("Feinkost Möller", "Zum Goldenen Hirsch", "Bäckerei Krüger", "Kaufhaus Jäger", "Alte Mühle"),
    Language.FRENCH: ("Au Vieux Chêne", "Épicerie Fontaine", "Le Petit Marché", "Maison Béranger", "Chez Noémie"),
    Language.SPANISH: ("Casa Begoña", "Ultramarinos Peña", "El Rincón Azul", "Mercado Núñez", "La Cigüeña"),
    Language.ITALIAN: (
        "Bottega Ricciardi",
        "Antica Drogheria",
        "La Lanterna Blu",
        "Emporio Salvatori",
        "Al Vecchio Mulino",
    ),
}
_FIRMS = (
    "Halvorsen Logistics",
    "Tessera Analytics",
    "Brightwater Engineering",
    "Kestrel & Vane",
    "Orbis Mécanique",
    "Nordlicht Solar GmbH",
    "Calderón Hermanos",
    "Studio Pellegrini",
    "Quillfeather Press",
    "Aurelia Ceramics",
    "Stonebridge Surveyors",
    "Fjordline Marine",
)
_GROCERIES = {
    Language.ENGLISH: "Oat flakes|Brown lentils|Red onions|Olive oil|Rye crackers|Plum jam|Cocoa powder|Dish soap|"
    "Matchbox|Pear juice|Smoked tofu|Candles|Walnuts|Dried figs",
    Language.GERMAN: "Vollkornbrot|Käseaufschnitt|Möhren|Apfelmus|Weißkohl|Brühwürfel|Spülmittel|Grüner Tee|"
    "Haferkekse|Quark|Rote Bete|Senf|Küchenrolle|Sauerkirschen",
    Language.FRENCH: "Pain complet|Beurre salé|Crème fraîche|Poireaux|Confiture d'abricot|Thé noir|Moutarde|"
    "Savon de Marseille|Lait d'avoine|Fromage de chèvre|Épinards|Châtaignes|Sirop de menthe",
    Language.SPANISH: "Aceite de oliva|Garbanzos|Pimentón dulce|Jabón líquido|Queso manchego|Piña en lata|"
    "Arroz bomba|Champiñones|Vinagre|Galletas|Azúcar moreno|Leche de avena|Almendras",
    Language.ITALIAN: "Farina di mais|Pomodori pelati|Caffè macinato|Grissini|Mozzarella|Acqua frizzante|Fagioli|"
    "Sapone|Zucchine|Pesto|Riso integrale|Miele|Carta da forno",
}
_DISHES = {
    "starters": {
        Language.ENGLISH: "Leek soup|Beetroot salad|Potted crab|Stuffed mushrooms",
        Language.GERMAN: "Kürbissuppe|Feldsalat|Räucherforelle|Käsespätzle klein",
        Language.FRENCH: "Soupe à l'oignon|Terrine maison|Œufs mayonnaise|Salade niçoise",
        Language.SPANISH: "Gazpacho|Croquetas|Ensalada mixta|Jamón ibérico",
        Language.ITALIAN: "Bruschetta|Carpaccio|Zuppa di ceci|Caponata",
    },
    "mains": {
        Language.ENGLISH: "Lamb hotpot|Mushroom pie|Grilled mackerel|Barley risotto",
        Language.GERMAN: "Rinderroulade|Gemüseauflauf|Zanderfilet|Semmelknödel",
        Language.FRENCH: "Bœuf bourguignon|Gratin de légumes|Truite aux amandes|Cassoulet",
        Language.SPANISH: "Paella|Merluza a la plancha|Cordero asado|Berenjenas rellenas",
        Language.ITALIAN: "Ossobuco|Branzino al forno|Melanzane alla parmigiana|Polenta e funghi",
    },
    "desserts": {
        Language.ENGLISH: "Apple crumble|Lemon posset|Treacle tart|Rice pudding",
        Language.GERMAN: "Rote Grütze|Apfelstrudel|Quarkknödel|Vanilleeis",
        Language.FRENCH: "Crème brûlée|Tarte Tatin|Île flottante|Mousse au chocolat",
        Language.SPANISH: "Flan casero|Arroz con leche|Tarta de Santiago|Helado de turrón",
        Language.ITALIAN: "Panna cotta|Torta di ricotta|Zabaione|Semifreddo",
    },
    "drinks": {
        Language.ENGLISH: "Ginger beer|Elderflower soda|Pot of tea|House cider",
        Language.GERMAN: "Apfelschorle|Weißbier|Kräutertee|Rhabarbersaft",
        Language.FRENCH: "Limonade|Kir breton|Tisane|Jus de raisin",
        Language.SPANISH: "Horchata|Sidra|Vermú|Agua con gas",
        Language.ITALIAN: "Chinotto|Spremuta|Orzo|Prosecco",
    },
}
_SERVICES = {
    Language.ENGLISH: "Roof inspection|Window cleaning|Server maintenance|Proofreading|Steel brackets|Site survey|"
    "Paint removal|Oak panels",
    Language.GERMAN: "Dachrinnenreinigung|Übersetzung|Wartungsvertrag|Holzdübel|Messebau|Kabelkanäle|Prüfprotokoll",
    Language.FRENCH: "Nettoyage façade|Relecture|Câblage réseau|Étagères chêne|Location grue|Peinture mate",
    Language.SPANISH: "Diseño de carteles|Limpieza de oficinas|Tornillos inox|Señalización|"
    "Alquiler de carpa|Poda de setos|Revisión eléctrica",
    Language.ITALIAN: "Manutenzione caldaia|Traduzione|Pannelli isolanti|Noleggio palco|"
    "Rilievo topografico|Pulizia vetri|Lamiere zincate",
}
_TITLES = {
    Language.ENGLISH: ("Structural Engineer", "Head of Procurement", "Piano Tuner", "Tax Adviser", "Site Foreman"),
    Language.GERMAN: ("Vertriebsleiterin", "Steuerberater", "Diplom-Geologin", "Lagerleiter", "Goldschmiedin"),
    Language.FRENCH: ("Architecte d'intérieur", "Responsable qualité", "Ébéniste", "Géomètre", "Traductrice"),
    Language.SPANISH: ("Ingeniero agrónomo", "Jefa de compras", "Diseñadora gráfica", "Perito tasador"),
    Language.ITALIAN: ("Consulente fiscale", "Restauratrice", "Geometra", "Responsabile vendite", "Liutaio"),
}


def pick_name(rng: Random) -> str:
    """A person's first and last name."""
    return f"{rng.choice(_FIRST.split())} {rng.choice(_LAST.split())}"


def pick_names(rng: Random, count: int) -> list[str]:
    """People whose first names and last names all differ."""
    firsts, lasts = rng.sample(_FIRST.split(), count), rng.sample(_LAST.split(), count)
    return [f"{first} {last}" for first, last in zip(firsts, lasts, strict=True)]


def pick_first_names(rng: Random, count: int) -> list[str]:
    """First names that all differ."""
    return rng.sample(_FIRST.split(), count)


def pick_street(rng: Random, language: Language) -> str:
    """A street with a house number, in the order of the language."""
    street, number = rng.choice(_STREETS[language]), rng.randint(3, 198)
    return f"{number} {street}" if language in (Language.ENGLISH, Language.FRENCH) else f"{street} {number}"


def pick_cities(rng: Random, language: Language, count: int) -> list[str]:
    """Towns that all differ."""
    return rng.sample(_CITIES[language], count)


def pick_shop(rng: Random, language: Language) -> str:
    """A shop or an inn."""
    return rng.choice(_SHOPS[language])


def pick_firms(rng: Random, count: int) -> list[str]:
    """Companies that all differ."""
    return rng.sample(_FIRMS, count)


def pick_groceries(rng: Random, language: Language, count: int) -> list[str]:
    """Goods of a shop that all differ."""
    return rng.sample(_GROCERIES[language].split("|"), count)


def pick_dishes(rng: Random, language: Language, course: str, count: int) -> list[str]:
    """Dishes of one part of a menu that all differ."""
    return rng.sample(_DISHES[course][language].split("|"), count)


def pick_services(rng: Random, language: Language, count: int) -> list[str]:
    """Lines of an invoice that all differ."""
    return rng.sample(_SERVICES[language].split("|"), count)


def pick_title(rng: Random, language: Language) -> str:
    """A profession."""
    return rng.choice(_TITLES[language])


def pick_days(rng: Random, count: int) -> list[date]:
    """Days in rising order, of which no two share the day of the month."""
    while True:
        start = date(rng.choice((2023, 2024, 2025, 2026, 2027)), rng.randint(1, 12), rng.randint(1, 28))
        days = [start]
        for _ in range(count - 1):
            days.append(days[-1] + timedelta(days=rng.randint(9, 48)))
        if len({day.day for day in days}) == count:
            return days


def pick_code(rng: Random, shape: str) -> str:
    """A code where `A` becomes a letter and `9` a digit; letters that look like digits are left out."""
    letters = "ABCDEFHKLMNPRTUVWXYZ"
    swap = {"A": lambda: rng.choice(letters), "9": lambda: str(rng.randint(1, 9))}
    return "".join(swap[mark]() if mark in swap else mark for mark in shape)


def pick_phone(rng: Random, language: Language) -> str:
    """A phone number with its country's prefix, written in one of several ways."""
    prefix = {"en": "+44", "de": "+49", "fr": "+33", "es": "+34", "it": "+39"}[language]
    return prefix + pick_code(rng, rng.choice((" 99 9999 999", " 999 999 999", "-99-999-9999")))


def pick_amounts(rng: Random, count: int, low_cents: int, high_cents: int) -> list[int]:
    """Amounts in cents that all differ, as prices do (many end in 0, 5 or 9)."""
    amounts: list[int] = []
    while len(amounts) < count:
        cents = rng.randint(low_cents, high_cents) // 10 * 10 + rng.choice((0, 5, 9, rng.randint(0, 9)))
        if all(abs(cents - other) > 2 for other in amounts):
            amounts.append(cents)
    return amounts
