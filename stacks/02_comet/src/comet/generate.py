"""Files as the Exoplanet Archive publishes them, of any size, from a seed, with the quirks of the real ones.

``python -m comet.generate --rows 40000 --seed 1 --out planets.csv``
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from comet.contract import PARAMETERS, SUFFIXES


def _measured(*names: str) -> list[str]:
    return [name + suffix for name in names for suffix in ("", *SUFFIXES)]


def _magnitude(name: str) -> list[str]:
    return [name, f"{name}err1", f"{name}err2"]


_PLANET = _measured("pl_orbper", "pl_orbsmax", "pl_rade", "pl_radj", "pl_bmasse", "pl_bmassj")
_ORBIT = _measured("pl_orbeccen", "pl_insol", "pl_eqt")
_SKY = ["rastr", "ra", "decstr", "dec"]
_MAGNITUDES = [name for band in ("sy_dist", "sy_vmag", "sy_kmag", "sy_gaiamag") for name in _magnitude(band)]
_STAR = ["st_spectype", *_measured("st_teff", "st_rad", "st_mass", "st_met"), "st_metratio", *_measured("st_logg")]

_PS_FRONT = "pl_name hostname default_flag sy_snum sy_pnum discoverymethod disc_year disc_facility soltype"
_COMPOSITE_FRONT = "pl_name hostname sy_snum sy_pnum discoverymethod disc_year disc_facility pl_controv_flag"
_MIDDLE = [*_PLANET, "pl_bmassprov", *_ORBIT, "ttv_flag"]
_DATES = ["rowupdate", "pl_pubdate", "releasedate"]

HEADERS = {
    "ps": [
        *_PS_FRONT.split(),
        "pl_controv_flag",
        "pl_refname",
        *_MIDDLE,
        "st_refname",
        *_STAR,
        "sy_refname",
        *_SKY,
        *_MAGNITUDES,
        *_DATES,
    ],
    "pscomppars": [*_COMPOSITE_FRONT.split(), *_MIDDLE, *_STAR, *_SKY, *_MAGNITUDES],
}
"""The columns of the archive's default downloads, in their order."""

_METHODS = ["Transit"] * 74 + ["Radial Velocity"] * 19 + ["Microlensing"] * 4 + ["Imaging", "Pulsar Timing"]
_METHODS += ["Transit Timing Variations"]
_FACILITIES = ["Kepler"] * 8 + ["Transiting Exoplanet Survey Satellite (TESS)"] * 3 + ["K2", "La Silla Observatory"]
_FACILITIES += ["Multiple Observatories", "W. M. Keck Observatory", "SuperWASP"]
_AUTHORS = ["Butler", "Marcy", "Mayor", "Torres", "Morton", "Stassun", "Bonomo", "Valizadegan", "Çelik", "Muñoz"]
_SOLUTIONS = ["Published Confirmed"] * 9 + ["Kepler Project Candidate (q1_q8_koi)"]
_SPECTRA = ["G8 III", "K0 V", "K0V", "M3.5 V", "G2 V", "F8", "A5 V", ""]
_PARAMETERS = {  # name: low, high, share of rows that have it
    "pl_orbper": (0.4, 900.0, 0.93),
    "pl_orbsmax": (0.01, 4.0, 0.6),
    "pl_rade": (0.5, 20.0, 0.75),
    "pl_bmasse": (0.3, 4000.0, 0.35),
    "pl_orbeccen": (0.0, 0.9, 0.5),
    "pl_insol": (0.1, 4000.0, 0.4),
    "pl_eqt": (150.0, 2500.0, 0.5),
    "st_teff": (2500.0, 9000.0, 0.9),
    "st_rad": (0.1, 12.0, 0.9),
    "st_mass": (0.1, 3.0, 0.8),
    "st_met": (-0.8, 0.5, 0.7),
    "st_logg": (2.0, 5.0, 0.75),
}

DIRT = {
    "missing_planet": {"pl_name": ""},
    "missing_host": {"hostname": " "},
    "bad_number": {"pl_rade": "1.2.3"},
    "bad_limit_flag": {"pl_orbperlim": "2"},
    "bad_error_bar": {"st_tefferr1": "-55"},
    "not_positive": {"st_mass": "-0.5"},
    "bad_year": {"disc_year": "0"},
    "bad_flag": {"pl_controv_flag": "maybe"},
}
"""Reasons for quarantine that the generator plants, and how."""


@dataclass
class Truth:
    """What a correct load of the file into empty tables must count."""

    rows: int = 0
    read: int = 0
    loaded: int = 0
    updated: int = 0
    duplicate: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    planets: int = 0
    stars: int = 0
    measurements: int = 0


class _Archive:
    """Systems, stars and planets as they come out of one seed."""

    def __init__(self, seed: int, shape: str) -> None:
        self.random = random.Random(seed)
        self.shape = shape
        self.star = 0

    def system(self) -> list[dict[str, str]]:
        """Return the rows of the next star: its planets, each with one row per publication."""
        chance = self.random
        self.star += 1
        host = f"Comet-{self.star}" + (" B" if self.star % 40 == 0 else "")
        planets = chance.choice([1, 1, 1, 2, 2, 3, 5])
        distance = chance.uniform(2, 2000)
        facts = {
            "hostname": host,
            "sy_snum": "2" if self.star % 40 == 0 else "1",
            "sy_pnum": str(planets),
            "rastr": "12h20m42.91s",
            "ra": f"{chance.uniform(0, 360):.7f}",
            "decstr": "+17d47m35.71s",
            "dec": f"{chance.uniform(-90, 90):.7f}",
            "sy_dist": f"{distance:.4f}",
            "sy_disterr1": f"{distance / 50:.4f}",
            "sy_disterr2": f"-{distance / 50:.4f}",
            "sy_vmag": f"{chance.uniform(4, 17):.3f}",
            "st_spectype": chance.choice(_SPECTRA),
            "st_metratio": chance.choice(["[Fe/H]", "[M/H]", ""]),
            "ttv_flag": "0",
        }
        return [row for number in range(planets) for row in self.planet(facts, "bcdefgh"[number])]

    def planet(self, star: dict[str, str], letter: str) -> list[dict[str, str]]:
        """Return the rows of one planet, the default one somewhere among them."""
        chance = self.random
        year = chance.randint(1995, 2025)
        facts = {
            **star,
            "pl_name": f"{star['hostname']} {letter}",
            "discoverymethod": chance.choice(_METHODS),
            "disc_year": str(year),
            "disc_facility": chance.choice(_FACILITIES),
            "pl_controv_flag": "1" if chance.random() < 0.006 else "0",
        }
        if self.shape == "pscomppars":
            return [facts | self.values()]
        count = chance.choice([1, 2, 4, 6, 9, 12])
        default = chance.randrange(count)
        rows = []
        for number in range(count):
            published = min(year + number // 2, 2025)
            author = f"{_AUTHORS[(self.star + number) % len(_AUTHORS)]} et al. {published}"
            link = f"{author.upper().replace(' ', '_').replace('.', '')}_{number}"
            rows.append(
                facts
                | self.values()
                | {
                    "default_flag": "1" if number == default else "0",
                    "soltype": chance.choice(_SOLUTIONS),
                    "pl_refname": f"<a refstr={link} href=https://example.org/abs/{link} target=ref>{author}"
                    + (f", {number}" if number >= len(_AUTHORS) else "")
                    + "</a>",
                    "st_refname": f"<a refstr={link} href=https://example.org/abs/{link} target=ref>{author}</a>",
                    "rowupdate": f"{published}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
                    "pl_pubdate": f"{published}-{chance.randint(1, 12):02}",
                    "releasedate": f"{published}-12-31",
                }
            )
        return rows

    def values(self) -> dict[str, str]:
        """Return measured values: some missing, some without error bars, a few of them limits."""
        chance, found = self.random, dict[str, str]()
        for name, (low, high, share) in _PARAMETERS.items():
            if chance.random() >= share:
                continue
            value = chance.uniform(low, high)
            found[name] = f"{value:.3e}" if chance.random() < 0.02 else f"{value:.6g}"
            limit = chance.choice(("-1", "1")) if chance.random() < 0.03 else "0"
            found[f"{name}lim"] = limit
            if limit == "0" and chance.random() < 0.85:
                found[f"{name}err1"] = f"{abs(value) * chance.uniform(0.001, 0.1):.4g}"
                found[f"{name}err2"] = f"-{abs(value) * chance.uniform(0.001, 0.1):.4g}"
        if not found:
            found = {"pl_orbper": "3.5", "pl_orbperlim": "0"}
        return found


def generate(
    path: Path,
    *,
    rows: int,
    seed: int = 1,
    shape: str = "ps",
    dirty: float = 0.0,
    comments: bool = True,
    compress: bool = False,
) -> Truth:
    """Write a file.

    Parameters
    ----------
    path : Path
    rows : int
        Records in the file, the bad and the doubled ones among them.
    seed : int
        The same one writes the same file.
    shape : str
        ``ps`` or ``pscomppars``.
    dirty : float
        Share of records that belong in quarantine; half as many come twice.
    comments : bool
        The ``#`` lines above the header that the archive's own downloads have.
    compress : bool
        As gzip.

    Returns
    -------
    Truth
        What a load must count.
    """
    truth, archive, chance = Truth(rows=rows), _Archive(seed, shape), random.Random(f"dirt {seed}")
    names = HEADERS[shape]
    with _opened(path, compress) as text:
        if comments:
            text.writelines(f"{line}\n" for line in _comments(shape, names))
        writer = csv.DictWriter(text, names, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        while truth.read < rows:
            planets = set()
            for row in archive.system():
                if truth.read == rows:
                    break
                if chance.random() < dirty:
                    reason = chance.choice(list(DIRT))
                    changed = {key: value for key, value in DIRT[reason].items() if key in names}
                    writer.writerow(row | changed)
                    truth.read += 1
                    truth.quarantined += 1
                    truth.reasons[reason] = truth.reasons.get(reason, 0) + 1
                    continue
                writer.writerow(row)
                truth.read += 1
                truth.loaded += 1
                truth.measurements += sum(name in row for name in PARAMETERS)
                planets.add(row["pl_name"])
                if chance.random() < dirty / 2 and truth.read < rows:
                    writer.writerow(row)
                    truth.read += 1
                    truth.duplicate += 1
            truth.planets += len(planets)
            truth.stars += bool(planets)
    return truth


@contextmanager
def _opened(path: Path, compress: bool) -> Iterator[TextIO]:
    """Open a file for text; compressed, the same text makes the same bytes whatever its name and the time."""
    with path.open("wb") as file:
        inner = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if compress else file
        with io.TextIOWrapper(inner, encoding="utf-8", newline="") as text:
            yield text


def _comments(shape: str, names: list[str]) -> list[str]:
    table = {"ps": "PS", "pscomppars": "PSCompPars"}[shape]
    head = [
        "# This file was produced in the form of the NASA Exoplanet Archive, by a generator",
        "#",
        f'# See the documentation of the table "{table}", columns and flags, for what they mean',
        "#",
    ]
    return [*head, *(f"# COLUMN {name + ':':<16}{name.replace('_', ' ')}" for name in names), "#"]


def main() -> None:
    """Run the command line; print the truth as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", choices=sorted(HEADERS), default="ps")
    parser.add_argument("--dirty", type=float, default=0.0, help="share of records that belong in quarantine")
    parser.add_argument("--no-comments", action="store_true", help="without the # lines above the header")
    parser.add_argument("--gz", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    truth = generate(
        given.out,
        rows=given.rows,
        seed=given.seed,
        shape=given.shape,
        dirty=given.dirty,
        comments=not given.no_comments,
        compress=given.gz,
    )
    print(json.dumps(asdict(truth)))


if __name__ == "__main__":
    main()
