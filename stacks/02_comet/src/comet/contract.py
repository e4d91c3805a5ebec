"""The two tables of the NASA Exoplanet Archive that are taken, recognised by their header.

``PS`` has one row for each planet and publication, ``PSCompPars`` one for each planet. What is read from them is in
`PARAMETERS`, `NEEDED` and `OPTIONAL`; everything else that the archive is known to offer is ignored. A column that is
neither is a change of the contract, and ends in an error instead of a guess.
"""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass

from jobs.errors import FileRejected

PARAMETERS = {
    "pl_orbper": "days",
    "pl_orbsmax": "au",
    "pl_rade": "earth radii",
    "pl_bmasse": "earth masses",
    "pl_orbeccen": "",
    "pl_insol": "earth fluxes",
    "pl_eqt": "K",
    "st_teff": "K",
    "st_rad": "solar radii",
    "st_mass": "solar masses",
    "st_met": "dex",
    "st_logg": "log10(cm/s2)",
}
"""What becomes a measurement, with its unit. Each has two error bars and a limit flag in columns of its own."""

POSITIVE = ("pl_orbper", "pl_orbsmax", "pl_rade", "pl_bmasse", "st_teff", "st_rad", "st_mass", "sy_dist")
"""What can't be zero or less in any star or planet. (An eccentricity below zero has been published.)"""

NEEDED = ("pl_name", "hostname", "discoverymethod", "disc_year", "disc_facility", "pl_controv_flag")
NEEDED_OF_PS = ("default_flag", "pl_refname")
OPTIONAL = (
    "soltype",
    "disc_refname",
    "disc_pubdate",
    "pl_pubdate",
    "rowupdate",
    "st_spectype",
    "sy_snum",
    "sy_pnum",
    "ra",
    "dec",
    "sy_dist",
    "sy_plx",
    "sy_vmag",
)
SUFFIXES = ("err1", "err2", "lim")

_QUANTITIES = """
pl_orbper pl_orbsmax pl_angsep pl_rade pl_radj pl_masse pl_massj pl_msinie pl_msinij pl_cmasse pl_cmassj pl_bmasse
pl_bmassj pl_dens pl_orbeccen pl_insol pl_eqt pl_orbincl pl_tranmid pl_imppar pl_trandep pl_trandur pl_ratdor pl_ratror
pl_occdep pl_orbtper pl_orblper pl_rvamp pl_projobliq pl_trueobliq st_teff st_rad st_mass st_met st_lum st_logg st_age
st_dens st_vsin st_rotp st_radv sy_pm sy_pmra sy_pmdec sy_dist sy_plx sy_bmag sy_vmag sy_jmag sy_hmag sy_kmag sy_umag
sy_gmag sy_rmag sy_imag sy_zmag sy_w1mag sy_w2mag sy_w3mag sy_w4mag sy_gaiamag sy_icmag sy_tmag sy_kepmag ra dec glat
glon elat elon
"""
_VARIANTS = ("", "err1", "err2", "lim", "str", "symerr", "blend", "format", "_reflink", "_solnid")
_PLAIN = """
x y z htm20 sy_name
rowid loc_rowid objectid pl_letter hostid hip_name hd_name tic_id gaia_id gaia_dr2_id gaia_dr3_id pl_refname st_refname
sy_refname disc_refname disc_locale disc_facility disc_telescope disc_instrument disc_pubdate disc_year rv_flag pul_flag
ptv_flag tran_flag ast_flag obm_flag micro_flag etv_flag ima_flag dkin_flag soltype pl_bmassprov pl_tsystemref rowupdate
pl_pubdate releasedate pl_nnotes pl_ntranspec pl_nespec pl_ndispec st_nphot st_nrvc st_nspec ttv_flag cb_flag
st_spectype st_metratio rastr decstr sy_snum sy_pnum sy_mnum default_flag
"""

KNOWN = frozenset(
    [
        *NEEDED,
        *NEEDED_OF_PS,
        *OPTIONAL,
        *_PLAIN.split(),
        *(name + variant for name in _QUANTITIES.split() for variant in _VARIANTS),
    ]
)


@dataclass(frozen=True)
class Layout:
    """What a file's header says.

    Parameters
    ----------
    shape : str
        ``ps`` or ``pscomppars``.
    header : tuple of str
        The names, in the order of the file.
    """

    shape: str
    header: tuple[str, ...]

    @property
    def columns(self) -> int:
        """Fields per record."""
        return len(self.header)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns that nothing is read from."""
        wanted = {*NEEDED, *NEEDED_OF_PS, *OPTIONAL, *measured_columns()}
        return tuple(name for name in self.header if name not in wanted)


def measured_columns() -> tuple[str, ...]:
    """Return the columns of all measured parameters, error bars and limit flags included."""
    return tuple(name + suffix for name in PARAMETERS for suffix in ("", *SUFFIXES))


def recognise(fields: list[str]) -> Layout:
    """Recognise a file by its header, whatever the order of the columns.

    Raises
    ------
    FileRejected
        ``wrong_delimiter``, ``repeated_column``, ``missing_column`` or ``unknown_column``, each with what to do.
    """
    names = tuple(field.strip().lower() for field in fields)
    _refuse_other_delimiters(names, fields)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise FileRejected("repeated_column", f"the header names {', '.join(map(repr, twice))} more than once")
    is_ps = any(name in names for name in NEEDED_OF_PS)
    needed = [*NEEDED, *(NEEDED_OF_PS if is_ps else ())]
    # An error bar without its value, or a value without its error bars, is half a column that was renamed.
    present = [name for name in PARAMETERS if any(name + suffix in names for suffix in ("", *SUFFIXES))]
    needed += [name + suffix for name in present for suffix in ("", *SUFFIXES)]
    missing = [name for name in needed if name not in names]
    unknown = [name for name in names if name not in KNOWN]
    if missing:
        raise FileRejected("missing_column", _what_is_missing(missing, unknown))
    if not present:
        raise FileRejected("missing_column", "no measured parameter is among the columns, such as 'pl_orbper'")
    if unknown:
        raise FileRejected(
            "unknown_column",
            f"the header has {', '.join(map(repr, unknown))}, which the archive's tables did not have so far:"
            " leave it out of the download, or add it to comet/contract.py",
        )
    return Layout("ps" if is_ps else "pscomppars", names)


def _refuse_other_delimiters(names: tuple[str, ...], fields: list[str]) -> None:
    for delimiter, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) < 3 and max(field.count(delimiter) for field in fields) > 3:
            raise FileRejected(
                "wrong_delimiter", f"the header is separated by {called}, not by commas: download the table as CSV"
            )


def _what_is_missing(missing: list[str], unknown: list[str]) -> str:
    parts = []
    for name in missing:
        # Where much is missing it is another table, and nothing was renamed.
        close = difflib.get_close_matches(name, unknown, n=1, cutoff=0.5) if len(missing) < 4 else []
        parts.append(f"{name!r}" + (f" (renamed to {close[0]!r}?)" if close else ""))
    return f"not a table of planets as the archive publishes it: the header lacks {', '.join(parts)}"
