"""Turns flights.csv.zip into lines of `tailnum TAB json`; the key is empty where it is unknown.

The first field of the JSON is "seq", the number of the row: kcat cannot give each record a header of
its own, so the number stands in the value as well.
"""

import csv
import io
import json
import sys
import zipfile

EXPECTED = 336_776


def typed(text):
    if text in ("", "NA"):
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
        return int(number) if number.is_integer() else number
    except ValueError:
        return text


def main(source, target):
    with zipfile.ZipFile(source) as archive, open(target, "w", newline="\n") as out:
        with archive.open(archive.namelist()[0]) as raw:
            count = 0
            for row in csv.DictReader(io.TextIOWrapper(raw, "utf-8")):
                flight = {"seq": count}
                flight.update((name, typed(text)) for name, text in row.items() if name)
                key = flight["tailnum"] or ""
                out.write(f"{key}\t{json.dumps(flight, separators=(',', ':'))}\n")
                count += 1
    if count != EXPECTED:
        sys.exit(f"{count} flights, expected {EXPECTED}")


main(*sys.argv[1:])
