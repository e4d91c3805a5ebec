"""Small bodies and close approaches as JPL publishes them, made from a seed: same arguments, same bytes.

``python -m orbit.generate --rows 1000 --seed 1 --out bodies.csv`` writes the file of a small-body database query (75
columns), ``--approaches approaches.json`` also NeoWs' feed of the same bodies. ``--solution 2`` makes a later delivery
of the same bodies: newer observations, a new orbit solution.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

HEADER = (
    "id,spkid,full_name,pdes,name,prefix,neo,pha,H,G,M1,M2,K1,K2,PC,diameter,extent,albedo,rot_per,GM,BV,UB,IR,spec_B,"
    "spec_T,H_sigma,diameter_sigma,orbit_id,epoch,epoch_mjd,epoch_cal,equinox,e,a,q,i,om,w,ma,ad,n,tp,tp_cal,per,per_y,"
    "moid,moid_ld,moid_jup,t_jup,sigma_e,sigma_a,sigma_q,sigma_i,sigma_om,sigma_w,sigma_ma,sigma_ad,sigma_n,sigma_tp,"
    "sigma_per,class,producer,data_arc,first_obs,last_obs,n_obs_used,n_del_obs_used,n_dop_obs_used,condition_code,rms,"
    "two_body,A1,A2,A3,DT"
)
COLUMNS = tuple(HEADER.split(","))
NAMES = ("Toro", "Cerberus", "Adonis", "Tantalus", "Syrinx", "Apophis", "Bennu", "Itokawa", "Icarus", "Ganymed")
# Each class with its share, and the ranges of a and e from which it is drawn until it fits.
CLASSES = (
    ("APO", 0.560, (1.0, 3.5), (0.10, 0.95)),
    ("AMO", 0.825, (1.1, 3.5), (0.02, 0.70)),
    ("ATE", 0.996, (0.60, 0.99), (0.05, 0.70)),
    ("IEO", 0.998, (0.55, 0.75), (0.05, 0.30)),
    ("JFc", 1.000, (2.5, 4.0), (0.60, 0.75)),
)
EPOCH = date(2020, 5, 31)
AU_KM, AU_LD = 149_597_870.7, 389.174

BAD_KINDS = ("no_spkid", "bad_eccentricity", "unknown_class", "bad_date", "bad_magnitude", "bad_albedo")
"""What can be wrong with a bad row; staging rejects it with this very reason."""


def row(seed: int, number: int, solution: int = 1) -> dict[str, str]:
    """Return one body's record; a later solution knows it better, and differs in what was observed since."""
    draw, fresh = random.Random(f"{seed}:{number}").random, random.Random(f"{seed}:{number}:{solution}").random
    orbit_class, a, e = _orbit(draw)
    first = date(1990, 1, 1) + timedelta(days=int(11_000 * math.sqrt(draw())))
    numbered, last = draw() < 0.09, min(first + timedelta(days=int(draw() * 4000)), date(2020, 9, 27))
    last += timedelta(days=30 * (solution - 1))
    moid, h = 10 ** (-5 + 4.6 * draw()), 15 + 16 * draw()
    h += 0.05 * (solution - 1)
    designation = f"{first.year} {_letters(draw)}{number}"
    name = NAMES[number % len(NAMES)] if numbered and draw() < 0.08 else ""
    pdes = str(10_000 + number) if numbered else designation
    record = dict.fromkeys(COLUMNS, "")
    record |= {
        "id": f"a{10_000 + number:07d}" if numbered else f"bK{number:06d}",
        "spkid": str((2_010_000 if numbered else 3_700_000) + number),
        "full_name": f"{pdes:>6} {name + ' ' if name else ''}({designation})"
        if numbered
        else f"       ({designation})",
        "pdes": pdes,
        "name": name,
        "prefix": "P" if orbit_class == "JFc" else "",
        "neo": "Y",
        "pha": "Y" if h <= 22 and moid <= 0.05 else "N",
        "H": f"{h:.3f}" if draw() < 0.7 else f"{h:.1f}",
        "orbit_id": f"JPL {solution}",
        "epoch": "2459000.5",
        "epoch_mjd": "59000",
        "epoch_cal": "20200531.0000000",
        "equinox": "J2000",
        "class": orbit_class,
        "producer": "Otto Matic" if draw() < 0.97 else "Davide Farnocchia",
        "data_arc": str((last - first).days) if last > first else "",
        "first_obs": first.isoformat(),
        "last_obs": last.isoformat(),
        "n_obs_used": str(10 + int(fresh() * 400) + 50 * solution),
        "condition_code": str(int(draw() * 10)),
        "rms": bare(0.1 + 0.8 * fresh(), 5),
        "H_sigma": bare(draw() + 0.01, 5) if draw() < 0.56 else "",
    }
    if orbit_class == "JFc" or draw() < 0.002:
        record["H"] = record["pha"] = ""  # comets have total magnitudes instead
        record["M1"], record["K1"] = f"{14 + 8 * draw():.1f}", "15." if draw() < 0.5 else "4.5"
    record |= _elements(a, e, moid, draw)
    if draw() < 0.04:
        albedo = 0.02 + 0.5 * draw()
        record["diameter"] = f"{1329 / math.sqrt(albedo) * 10 ** (-h / 5) * (0.9 + 0.2 * draw()):.3f}"
        record["albedo"] = f"{albedo:.3f}" if draw() < 0.96 else ""
        record["diameter_sigma"] = f"{0.05 * draw():.3f}"
        record["extent"] = "1.532 x 1.495 x 1.347" if draw() < 0.02 else ""
    if draw() < 0.05:
        record["rot_per"], record["spec_B"] = f"{0.01 + 12 * draw():.4f}", "S" if draw() < 0.5 else ""
    return record


def spoil(record: dict[str, str], kind: str) -> dict[str, str]:
    """Return a record with one of `BAD_KINDS` done to it."""
    wrong = {
        "no_spkid": ("spkid", ""),
        "bad_eccentricity": ("e", "-.25"),
        "unknown_class": ("class", "???"),
        "bad_date": ("first_obs", "0000-00-00"),
        "bad_magnitude": ("H", "n/a"),
        "bad_albedo": ("albedo", "1.7"),
    }
    return {**record, wrong[kind][0]: wrong[kind][1]}


def bodies(
    rows: int, seed: int = 1, *, start: int = 0, solution: int = 1, bad: float = 0.0
) -> Iterator[dict[str, str]]:
    """Yield records; about ``bad`` of them are spoiled, each kind in turn."""
    spoiled = 0
    for number in range(start, start + rows):
        record = row(seed, number, solution)
        if random.Random(f"{seed}:{number}:bad").random() < bad:
            record, spoiled = spoil(record, BAD_KINDS[spoiled % len(BAD_KINDS)]), spoiled + 1
        yield record


def write_bodies(path: Path, records: Iterator[dict[str, str]]) -> Counter[str]:
    """Write the CSV as JPL does (LF, no quotes where none are needed) and count classes."""
    counts: Counter[str] = Counter()
    with open(path, "w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for record in records:
            writer.writerow(record)
            counts[record["class"]] += 1
    return counts


def approaches(rows: int, seed: int = 1) -> dict[str, Any]:
    """Return NeoWs' feed for the first ``rows`` bodies: by day, numbers as texts, what is derived beside it."""
    days: dict[str, list[dict[str, Any]]] = {}
    count = 0
    for number in range(rows):
        draw = random.Random(f"{seed}:{number}:approaches").random
        record = row(seed, number)
        for _ in range(int(draw() * 4)):
            moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=int(draw() * 366 * 1440))
            days.setdefault(moment.date().isoformat(), []).append(_approach(record, moment, draw))
            count += 1
    return {"links": {}, "element_count": count, "near_earth_objects": dict(sorted(days.items()))}


def bare(value: float, digits: int) -> str:
    """Write a number as JPL does: no zero in front of the point, an exponent where it is small."""
    if value and abs(value) < 1e-4:
        mantissa, exponent = f"{value:.{digits}E}".split("E")
        return f"{mantissa}E{int(exponent)}"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _orbit(draw: Any) -> tuple[str, float, float]:
    share = draw()
    name, _, (a_low, a_high), (e_low, e_high) = next(each for each in CLASSES if share <= each[1])
    while True:
        a, e = a_low + (a_high - a_low) * draw(), e_low + (e_high - e_low) * draw()
        q, ad = a * (1 - e), a * (1 + e)
        fits = {
            "APO": a > 1 and q < 1.017,
            "AMO": 1.017 < q < 1.3,
            "ATE": a < 1 and ad > 0.983,
            "IEO": ad < 0.983,
            "JFc": q < 1.3,
        }
        if fits[name]:
            return name, a, e


def _elements(a: float, e: float, moid: float, draw: Any) -> dict[str, str]:
    motion = 0.9856076686 / a**1.5
    angles = {key: f"{360 * draw():.13f}" for key in ("om", "w", "ma")}
    perihelion = 2459000.5 + (draw() - 0.5) * 360 / motion
    day = EPOCH + timedelta(days=math.floor(perihelion - 2459000.5))
    inclination = f"{0.04 + 45 * draw() ** 2:.14f}"
    jupiter = 5.204 / a + 2 * math.sqrt(a / 5.204 * (1 - e * e)) * math.cos(math.radians(float(inclination)))
    found = {
        "e": bare(e, 16),
        "a": bare(a, 15),
        "q": bare(a * (1 - e), 16),
        "i": inclination,
        **angles,
        "ad": bare(a * (1 + e), 15),
        "n": bare(motion, 16),
        "tp": f"{perihelion:.12f}",
        "tp_cal": f"{day:%Y%m%d}{f'{perihelion % 1:.7f}'[1:]}",
        "per": f"{360 / motion:.13f}",
        "per_y": f"{360 / motion / 365.25:.14f}",
        "moid": bare(moid, 6),
        "moid_ld": f"{moid * AU_LD:.9f}",
        "moid_jup": bare(0.05 + 4 * draw(), 5),
        "t_jup": f"{jupiter:.3f}",
    }
    for key in ("e", "a", "q", "i", "om", "w", "ma", "ad", "n", "tp", "per"):
        found[f"sigma_{key}"] = bare(10 ** (-9 + 6 * draw()), 4)
    return found


def _approach(record: dict[str, str], moment: datetime, draw: Any) -> dict[str, Any]:
    velocity, miss = 3 + 30 * draw(), 10 ** (-4 + 3.5 * draw())
    h = float(record["H"]) if record["H"] else None
    low, high = (1329 / math.sqrt(albedo) * 10 ** (-(h or 0) / 5) for albedo in (0.25, 0.05))
    size = {"estimated_diameter_min": low, "estimated_diameter_max": high}
    return {
        "id": record["spkid"],
        "neo_reference_id": record["spkid"],
        "name": record["full_name"].strip(),
        "absolute_magnitude_h": h,
        "estimated_diameter": {"kilometers": size} if h else {},
        "is_potentially_hazardous_asteroid": record["pha"] == "Y",
        "close_approach_data": [
            {
                "close_approach_date": moment.date().isoformat(),
                "close_approach_date_full": f"{moment:%Y-%b-%d %H:%M}",
                "epoch_date_close_approach": int(moment.timestamp() * 1000),
                "relative_velocity": {
                    "kilometers_per_second": f"{velocity:.10f}",
                    "kilometers_per_hour": f"{velocity * 3600:.10f}",
                },
                "miss_distance": {
                    "astronomical": f"{miss:.10f}",
                    "lunar": f"{miss * 389:.10f}",  # NeoWs rounds the lunar distance
                    "kilometers": f"{miss * AU_KM:.9f}",
                },
                "orbiting_body": "Earth",
            }
        ],
        "is_sentry_object": False,
    }


def _letters(draw: Any) -> str:
    alphabet = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
    return alphabet[int(draw() * 24)] + alphabet[int(draw() * 25)]


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="number of the first body")
    parser.add_argument("--solution", type=int, default=1, help="which delivery of these bodies it is")
    parser.add_argument("--bad", type=float, default=0.0, help="share of spoiled rows")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--approaches", type=Path)
    chosen = parser.parse_args()
    records = bodies(chosen.rows, chosen.seed, start=chosen.start, solution=chosen.solution, bad=chosen.bad)
    counts = write_bodies(chosen.out, records)
    print(f"{chosen.out}: {counts.total()} bodies, {dict(counts.most_common())}")
    if chosen.approaches:
        feed = approaches(chosen.rows, chosen.seed)
        chosen.approaches.write_text(json.dumps(feed, indent=1) + "\n")
        print(f"{chosen.approaches}: {feed['element_count']} approaches")


if __name__ == "__main__":
    main()
