"""The demo's stocksync.toml: a real one, so that a reader can copy it. Pure text."""

from __future__ import annotations

NAME = "stocksync.toml"
ERP_FILE = "erp.db"
LEDGER_FILE = "ledger.db"
DROP_FOLDER = "outbox"
CHANNEL = 5
"""The sandbox's only channel."""

USERNAME = "erp"
PASSWORD = "sandbox"  # noqa: S105 - the sandbox's own, written in docs/sandbox.md

_TEXT = """\
# The demo's own configuration; docs/configuration.md explains every key.
# What a real one would not have: an address without TLS, a password in the file, such short times.
timezone = "Europe/Istanbul"
database_url = "sqlite:///{ledger}"

[omnitron]
base_url = "{url}"
username = "{username}"
password = "{password}"
requests_per_second = 300

[stock_lists]                       # ERP warehouse = Omnitron's stock list
"IST" = 1
"BER" = 2

[[channels]]                        # where to see that the stock has arrived
id = {channel}
stock_lists = [1, 2]
poll = "1s"

[[sources]]                         # an ERP's database: a view that adds up what may be sold
name = "erp"
type = "sql"
url = "sqlite:///{erp}"
query = \"\"\"
SELECT sku, warehouse, available AS stock, changed_at AS cursor_value
FROM stock_available
WHERE changed_at >= :cursor
\"\"\"
cursor_type = "timestamp"
timezone = "UTC"                    # this ERP writes UTC without saying so
overlap = "3s"
every = "1s"
full_query = \"\"\"
SELECT sku, warehouse, available AS stock
FROM stock_available
\"\"\"
full_schedule = "30 3 * * *"        # once a night, for what no cursor sees

[sources.guard]
first_pull = "hold"                 # the first pull waits for a person

[[sources]]                         # a folder into which a back office exports files
name = "drop"
type = "csv"
path = "{drop}"
pattern = "stok_*.csv"
mode = "snapshot"
stable_for = "1s"
every = "1s"

[sources.format]
encoding = "cp1254"
delimiter = ";"
decimal = ","
thousands = "."

[sources.columns]
sku = "Stok Kodu"
stock = "Kullanılabilir Miktar"
warehouse = "Depo Kodu"
unit_type = "Ölçü Birimi"

[sources.units]
"Adet" = "qty"
"KG" = "kg"

[sources.rules]
rounding = "floor"                  # 12,85 KG is 12
negative = "zero"

[sources.guard]
first_pull = "apply"                # this one goes through by itself
"""  # noqa: RUF001 - Turkish


def configuration(url: str) -> str:
    """The whole file, for a sandbox at ``url``; its paths count from the file's folder."""
    return _TEXT.format(
        url=url,
        ledger=LEDGER_FILE,
        erp=ERP_FILE,
        drop=DROP_FOLDER,
        channel=CHANNEL,
        username=USERNAME,
        password=PASSWORD,
    )
