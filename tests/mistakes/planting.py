"""Small mistakes, made from the live sources: each `Rule` finds where it applies and yields one `Mutant` per place.

A rule knows the form of what it spoils (an argument, a statement, a resource), not which module holds it: a new module
or stack gets its mistakes by itself. Terraform's own format is expected, as the linter demands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.paths import MODULES, STACKS

Files = Mapping[str, str]
"""File to text, relative to the folder of modules or of stacks."""
Edit = Callable[[Files], Iterator[tuple[str, int, dict[str, str]]]]
"""Yields file, line and the files that change, for each place that it can spoil."""


@dataclass(frozen=True)
class Rule:
    """A kind of mistake.

    Parameters
    ----------
    name : str
        Such as ``bucket-opened``.
    edit : callable
        Makes it; see `Edit`.
    stacks : bool
        Whether it is made in stacks, not in modules.
    """

    name: str
    edit: Edit
    stacks: bool = False


@dataclass(frozen=True)
class Mutant:
    """One mistake at one place.

    Parameters
    ----------
    number : int
        Counts all mutants.
    rule : str
        The rule's name.
    owner : str
        The module, or the stack, that is spoilt.
    file : str
        Where, relative to the folder of modules or of stacks.
    line : int
        The line.
    texts : mapping
        The files that change, and what stands in them then.
    in_stack : bool
        Whether the owner is a stack.
    """

    number: int
    rule: str
    owner: str
    file: str
    line: int
    texts: Mapping[str, str]
    in_stack: bool = False

    @property
    def key(self) -> str:
        """Its name in a merged root, such as ``m007``."""
        return f"m{self.number:03d}"

    @property
    def place(self) -> str:
        """Where it was made, for people."""
        return f"{'stacks' if self.in_stack else 'modules'}/{self.file}:{self.line}"


def mutants(rules: Mapping[str, Rule], modules: Path = MODULES, stacks: Path = STACKS) -> list[Mutant]:
    """Return every mistake that the rules can make in the sources, in a fixed order."""
    sources = {False: _modules(modules), True: _stacks(stacks)}
    found: list[Mutant] = []
    for rule in rules.values():
        for owner, files in sources[rule.stacks].items():
            for file, line, texts in rule.edit(files):
                found.append(Mutant(len(found), rule.name, owner, file, line, texts, rule.stacks))
    return found


def sample(found: Iterable[Mutant]) -> list[Mutant]:
    """Return one mutant of each rule in each module and stack: the first."""
    return list({(each.rule, each.owner): each for each in reversed(list(found))}.values())[::-1]


def _modules(folder: Path) -> Mapping[str, Files]:
    """Return the ``.tf`` files of each module, and of the modules within it."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted(folder.glob("*/**/*.tf")):
        parts = file.relative_to(folder).parts
        if not {"examples", "tests", "standin"} & set(parts) and not any(part.startswith(".") for part in parts):
            found.setdefault(parts[0], {})["/".join(parts)] = file.read_text()
    return found


def _stacks(folder: Path) -> Mapping[str, Files]:
    found: dict[str, dict[str, str]] = {}
    for file in sorted(folder.rglob("stack.*")):
        if file.name in ("stack.py", "stack.toml"):
            owner = file.parent.relative_to(folder).as_posix()
            found.setdefault(owner, {})[f"{owner}/{file.name}"] = file.read_text()
    return found


# ------------------------------------------------------------------------------------------------- edits


def replace(pattern: str, replacement: str, *, within: str = "", allowing: bool = False) -> Edit:
    """Return an edit that replaces each match of a pattern.

    Parameters
    ----------
    pattern, replacement : str
        As `re` has them; ``^`` and ``$`` are of a line.
    within : str
        Only in top-level blocks whose first line matches this pattern, such as ``resource "aws_sqs_queue"``.
    allowing : bool
        Not in statements that deny.
    """

    def edit(files: Files) -> Iterator[tuple[str, int, dict[str, str]]]:
        for file, text in files.items():
            for start, end in _ranges(text, within):
                for match in re.compile(pattern, re.MULTILINE).finditer(text, start, end):
                    if allowing and _denies(text, match.start()):
                        continue
                    spoilt = text[: match.start()] + match.expand(replacement) + text[match.end() :]
                    if spoilt != text:
                        yield file, text.count("\n", 0, match.start()) + 1, {file: spoilt}

    return edit


def without(first: str, *, within: str = "", allowing: bool = False) -> Edit:
    """Return an edit that takes out each block or argument whose first line matches, to the line that ends it."""

    def edit(files: Files) -> Iterator[tuple[str, int, dict[str, str]]]:
        for file, text in files.items():
            for start, end in _ranges(text, within):
                for match in re.compile(rf"^(?P<indent> *){first}[^\n]*\n", re.MULTILINE).finditer(text, start, end):
                    if allowing and _denies(text, match.start()):
                        continue
                    last = match.end()
                    if match[0].partition("\n")[0][-1] in "{([":
                        closing = re.compile(rf"^{match['indent']}[}})\]]+,?\n", re.MULTILINE).search(text, last)
                        last = closing.end() if closing else last
                    line = text.count("\n", 0, match.start()) + 1
                    yield file, line, {file: text[: match.start()] + text[last:]}

    return edit


def without_resource(kind: str) -> Edit:
    """Return an edit that takes out each resource of a type, and names it in no ``depends_on`` any more."""

    def edit(files: Files) -> Iterator[tuple[str, int, dict[str, str]]]:
        for file, text in files.items():
            for match in re.finditer(rf'^resource "{kind}" "(\w+)" {{\n.*?^}}\n', text, re.MULTILINE | re.DOTALL):
                line = text.count("\n", 0, match.start()) + 1
                spoilt = {**files, file: text[: match.start()] + text[match.end() :]}
                folder = file.rpartition("/")[0]
                after = {
                    each: _forgotten(body, f"{kind}.{match[1]}") if each.rpartition("/")[0] == folder else body
                    for each, body in spoilt.items()
                }
                if any(f"{kind}.{match[1]}" in body for each, body in after.items() if each.startswith(folder)):
                    continue  # other resources are made of it: this would not even be Terraform
                yield file, line, {each: body for each, body in after.items() if body != files[each]}

    return edit


def _forgotten(text: str, address: str) -> str:
    """Take an address out of all ``depends_on``, alone in its line or beside others."""
    text = re.sub(rf"^ *{re.escape(address)},\n", "", text, flags=re.MULTILINE)
    text = re.sub(rf"^( *depends_on = \[.*?){re.escape(address)}(?:, )?", r"\1", text, flags=re.MULTILINE)
    return re.sub(r"^( *depends_on = \[.*?), \]", r"\1]", text, flags=re.MULTILINE)


def _denies(text: str, position: int) -> bool:
    """Tell whether a position is in a statement that denies."""
    return re.search(r"effect += \"Deny\"", text[text.rfind("statement {", 0, position) : position]) is not None


def _ranges(text: str, within: str) -> Iterator[tuple[int, int]]:
    """Yield where the chosen top-level blocks begin and end; the whole text where none are chosen."""
    if not within:
        yield 0, len(text)
        return
    for match in re.finditer(rf"^{within}[^\n]*{{\n.*?^}}\n", text, re.MULTILINE | re.DOTALL):
        yield match.start(), match.end()
