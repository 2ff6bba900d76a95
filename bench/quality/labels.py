"""The names of fields in English, German, French, Spanish and Italian, in that order. Data only."""

from __future__ import annotations

_TABLE = """
total|total|Gesamtbetrag|total|total|totale
subtotal|subtotal|Zwischensumme|sous-total|subtotal|subtotale
tax|tax|MwSt.|TVA|IVA|IVA
tip|tip|Trinkgeld|pourboire|propina|mancia
discount|discount|Rabatt|remise|descuento|sconto
shipping|shipping cost|Versandkosten|frais de port|gastos de envío|spese di spedizione
deposit|deposit|Anzahlung|acompte|depósito|acconto
balance|balance due|Restbetrag|solde dû|saldo pendiente|saldo dovuto
cash|cash|Bar|espèces|efectivo|contanti
change|change|Rückgeld|rendu|cambio|resto
date|date|Datum|date|fecha|data
time|time|Uhrzeit|heure|hora|ora
receipt_number|receipt number|Belegnummer|numéro de ticket|número de recibo|numero scontrino
invoice_number|invoice number|Rechnungsnummer|numéro de facture|número de factura|numero fattura
order_number|order number|Bestellnummer|numéro de commande|número de pedido|numero ordine
customer_number|customer number|Kundennummer|numéro client|número de cliente|numero cliente
issue_date|invoice date|Rechnungsdatum|date de facture|fecha de factura|data fattura
due_date|due date|Fälligkeitsdatum|date d'échéance|fecha de vencimiento|data di scadenza
delivery_date|delivery date|Lieferdatum|date de livraison|fecha de entrega|data di consegna
customer|customer|Kunde|client|cliente|cliente
seller|seller|Verkäufer|vendeur|vendedor|venditore
cashier|cashier|Kassierer|caissier|cajero|cassiere
table_number|table|Tisch|table|mesa|tavolo
phone|phone|Telefon|téléphone|teléfono|telefono
mobile|mobile|Mobil|portable|móvil|cellulare
fax|fax|Fax|fax|fax|fax
email|email|E-Mail|courriel|correo electrónico|e-mail
website|website|Webseite|site web|sitio web|sito web
address|address|Adresse|adresse|dirección|indirizzo
position|job title|Position|fonction|cargo|qualifica
department|department|Abteilung|service|departamento|reparto
office|office|Büro|bureau|oficina|ufficio
name|name|Name|nom|nombre|nome
full_name|full name|Vor- und Nachname|nom complet|nombre completo|nome completo
birth_date|date of birth|Geburtsdatum|date de naissance|fecha de nacimiento|data di nascita
birth_place|place of birth|Geburtsort|lieu de naissance|lugar de nacimiento|luogo di nascita
nationality|nationality|Staatsangehörigkeit|nationalité|nacionalidad|cittadinanza
height|height|Größe|taille|estatura|statura
valid_until|expiry date|Gültig bis|date d'expiration|válido hasta|valido fino al
issued_on|date of issue|Ausstellungsdatum|date de délivrance|fecha de expedición|data di rilascio
member_number|member number|Mitgliedsnummer|numéro de membre|número de socio|numero tessera
blood_type|blood type|Blutgruppe|groupe sanguin|grupo sanguíneo|gruppo sanguigno
allergies|allergies|Allergien|allergies|alergias|allergie
doctor|doctor|Arzt|médecin|médico|medico
insurance|insurance|Versicherung|assurance|seguro|assicurazione
emergency_contact|emergency contact|Notfallkontakt|contact d'urgence|contacto de emergencia|contatto di emergenza
room|room|Raum|salle|aula|aula
teacher|teacher|Lehrkraft|professeur|profesor|docente
model|model|Modell|modèle|modelo|modello
serial_number|serial number|Seriennummer|numéro de série|número de serie|numero di serie
manufacturer|manufacturer|Hersteller|fabricant|fabricante|produttore
voltage|voltage|Spannung|tension|tensión|tensione
power|power|Leistung|puissance|potencia|potenza
weight|weight|Gewicht|poids|peso|peso
colour|colour|Farbe|couleur|color|colore
warranty|warranty|Garantie|garantie|garantía|garanzia
batch|batch|Charge|lot|lote|lotto
best_before|best before|Mindestens haltbar bis|à consommer avant|consumir antes de|da consumarsi entro
net_weight|net weight|Nettogewicht|poids net|peso neto|peso netto
ingredients|ingredients|Zutaten|ingrédients|ingredientes|ingredienti
energy|energy|Energie|énergie|energía|energia
fat|fat|Fett|matières grasses|grasas|grassi
saturates|saturated fat|gesättigte Fettsäuren|acides gras saturés|grasas saturadas|acidi grassi saturi
carbohydrate|carbohydrate|Kohlenhydrate|glucides|hidratos de carbono|carboidrati
sugars|sugars|Zucker|sucres|azúcares|zuccheri
fibre|fibre|Ballaststoffe|fibres|fibra|fibre
protein|protein|Eiweiß|protéines|proteínas|proteine
salt|salt|Salz|sel|sal|sale
passenger|passenger|Fahrgast|passager|pasajero|passeggero
flight|flight number|Flug|vol|vuelo|volo
train|train number|Zug|train|tren|treno
gate|gate|Flugsteig|porte|puerta|uscita
seat|seat|Sitzplatz|siège|asiento|posto
coach|coach|Wagen|voiture|coche|carrozza
platform|platform|Gleis|voie|andén|binario
departure|departure|Abfahrt|départ|salida|partenza
arrival|arrival|Ankunft|arrivée|llegada|arrivo
boarding|boarding time|Einstieg|embarquement|embarque|imbarco
travel_class|class|Klasse|classe|clase|classe
booking|booking reference|Buchungsnummer|référence de réservation|localizador|codice prenotazione
from_place|from|von|de|desde|da
to_place|to|nach|à|hasta|a
item|item|Artikel|article|artículo|articolo
description|description|Beschreibung|désignation|descripción|descrizione
quantity|quantity|Menge|quantité|cantidad|quantità
unit_price|unit price|Einzelpreis|prix unitaire|precio unitario|prezzo unitario
amount|amount|Betrag|montant|importe|importo
iban|IBAN|IBAN|IBAN|IBAN|IBAN
tax_number|VAT number|USt-IdNr.|numéro de TVA|NIF|partita IVA
city|city|Stadt|ville|ciudad|città
country|country|Land|pays|país|paese
population|population|Einwohner|habitants|habitantes|abitanti
area|area (km²)|Fläche (km²)|superficie (km²)|superficie (km²)|superficie (km²)
rainfall|rain (mm)|Regen (mm)|pluie (mm)|lluvia (mm)|pioggia (mm)
points|points|Punkte|points|puntos|punti
stock|stock|Bestand|stock|existencias|giacenza
price|price|Preis|prix|precio|prezzo
team|team|Mannschaft|équipe|equipo|squadra
wins|wins|Siege|victoires|victorias|vittorie
losses|losses|Niederlagen|défaites|derrotas|sconfitte
product|product|Produkt|produit|producto|prodotto
employee|employee|Mitarbeiter|employé|empleado|dipendente
hours|hours|Stunden|heures|horas|ore
starters|starters|Vorspeisen|entrées|entrantes|antipasti
mains|main courses|Hauptgerichte|plats|platos principales|secondi
desserts|desserts|Nachspeisen|desserts|postres|dolci
drinks|drinks|Getränke|boissons|bebidas|bevande
receipt|receipt|Kassenbon|ticket de caisse|recibo|scontrino
invoice|invoice|Rechnung|facture|factura|fattura
menu|menu|Speisekarte|carte|carta|menù
timetable|timetable|Fahrplan|horaires|horario|orario
stop|stop|Haltestelle|arrêt|parada|fermata
settings|settings|Einstellungen|paramètres|ajustes|impostazioni
password|password|Passwort|mot de passe|contraseña|password
username|user name|Benutzername|nom d'utilisateur|usuario|nome utente
version|version|Version|version|versión|versione
storage|storage|Speicher|stockage|almacenamiento|archiviazione
library_card|library card|Bibliotheksausweis|carte de bibliothèque|carné de biblioteca|tessera della biblioteca
membership_card|membership card|Mitgliedskarte|carte de membre|tarjeta de socio|tessera associativa
staff_card|staff card|Mitarbeiterausweis|carte professionnelle|tarjeta de empleado|tesserino aziendale
nutrition|nutrition facts|Nährwertangaben|valeurs nutritionnelles|información nutricional|valori nutrizionali
per_100g|per 100 g|pro 100 g|pour 100 g|por 100 g|per 100 g
signature|signature|Unterschrift|signature|firma|firma
registration|registration form|Anmeldeformular|formulaire d'inscription|formulario de inscripción|modulo di iscrizione
data_sheet|data sheet|Datenblatt|fiche technique|ficha técnica|scheda tecnica
delivery_note|delivery note|Lieferschein|bon de livraison|albarán|bolla di consegna
carrier|carrier|Spediteur|transporteur|transportista|corriere
parcels|number of parcels|Anzahl Pakete|nombre de colis|número de bultos|numero di colli
course|course|Kurs|cours|curso|corso
"""

LABELS: dict[str, tuple[str, ...]] = {
    cells[0]: tuple(cells[1:]) for cells in (line.split("|") for line in _TABLE.strip().splitlines())
}
