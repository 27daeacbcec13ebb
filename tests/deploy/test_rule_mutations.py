"""Each threshold, join, guard and duration of the rules is held by a case that fails without it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy.promtool import PROMETHEUS, cases, document, needs, run

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = Path(__file__).with_name("rule_mutations.yml")

pytestmark = needs("promtool")


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """The `nth` occurrence of `old` in a rule file is `new`; the case of that name must fail."""

    file: str
    case: str
    old: str
    new: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.file}: {self.old.strip()} #{self.nth} is {self.new.strip() or 'nothing'}"

    def applied(self, text: str) -> str:
        """The file's text, mutated."""
        before = text.split(self.old)
        assert len(before) > self.nth, f"{self} is not in the file any more"
        return self.old.join(before[: self.nth]) + self.new + self.old.join(before[self.nth :])


def _mutations() -> Iterator[Mutation]:
    for file, by_case in document(TABLE).items():
        for case, found in by_case.items():
            for old, new, *nth in found:
                yield Mutation(file=file, case=case, old=old, new=new, nth=nth[0] if nth else 1)


MUTATIONS = tuple(_mutations())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_case_fails_by_a_mutated_rule(mutation: Mutation, tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS / "rules", tmp_path / "rules")
    rule_file = tmp_path / "rules" / mutation.file
    rule_file.write_text(mutation.applied(rule_file.read_text()))
    path, case = cases()[mutation.case]
    test_file = tmp_path / "tests" / path.name
    test_file.parent.mkdir()
    # That case alone: quick, and no other one can be what fails.
    test_file.write_text(yaml.safe_dump({**document(path), "tests": [case]}, allow_unicode=True))

    code, said = run("promtool", "test", "rules", test_file.name, cwd=test_file.parent)
    assert (code, "FAILED:" in said) == (1, True), said
    assert "could not parse" not in said


def test_no_mutation_is_there_twice() -> None:
    assert len(MUTATIONS) >= 40
    assert len(set(map(str, MUTATIONS))) == len(MUTATIONS)
