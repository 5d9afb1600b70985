# SPDX-License-Identifier: Apache-2.0
"""Every driver gives every machine on every network the one outcome that is
expected there, and the page about the drivers says so. `scripts/conformance` is
the same by hand."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from conformance import (
    NETWORKS,
    STATES,
    VARIANTS,
    Results,
    State,
    Variant,
    expected_results,
    problem,
)
from conformance_play import play, sections
from lab import Lab
from subject import ROOT, FakeIronic, as_config
from tables import as_text, conformance_markdown, conformance_rows, section

Runs = Callable[[Variant], Results]


@pytest.fixture(scope="module")
def ironic(lab: Lab) -> Iterator[FakeIronic]:
    with FakeIronic(lab) as ironic:
        yield ironic


@pytest.fixture(scope="module")
def runs(lab: Lab, ironic: FakeIronic) -> Iterator[Runs]:
    """What a variant did. It is run once; one that does not work fails all its
    tests, each with the same words."""
    found: dict[str, Results | AssertionError] = {}

    def run(variant: Variant) -> Results:
        if variant.title not in found:
            started = time.monotonic()
            try:
                found[variant.title] = play(lab, ironic, variant)
            except AssertionError as error:
                found[variant.title] = error
            print(f"\n{variant.title}: {time.monotonic() - started:.0f} s")
        results = found[variant.title]
        if isinstance(results, AssertionError):
            raise results
        return results

    yield run
    done = [(v, found[v.title]) for v in VARIANTS if isinstance(found.get(v.title), dict)]
    print(f"\n{as_text(conformance_rows(done))}")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.title)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("state", STATES, ids=lambda s: s.key)
def test_each_machine_gets_what_is_expected(
    runs: Runs, variant: Variant, state: State, network: str
) -> None:
    wrong = problem(variant, state, network, runs(variant)[state.key, network])
    assert wrong is None, f"a machine {state.text} {wrong}"


def test_drivers_are_swapped_by_one_line(lab: Lab, ironic: FakeIronic) -> None:
    configs = {
        variant.driver: as_config(sections(lab, ironic, variant.driver)).splitlines()
        for variant in VARIANTS
    }
    reference = configs["xdp"]
    for driver, lines in configs.items():
        assert len(lines) == len(reference)
        differing = {line for line in lines if line not in reference}
        assert differing == ({f"driver = {driver}"} if driver != "xdp" else set())


def test_the_page_about_the_drivers_says_what_is_so() -> None:
    """What is expected is what was found, by the tests above."""
    expected = [(variant, expected_results(variant)) for variant in VARIANTS]
    assert section("conformance") == conformance_markdown(expected), (
        "run `sudo scripts/conformance --write-docs`"
    )


def conformance(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "conformance", *arguments], text=True, capture_output=True
    )


def test_a_vendor_runs_the_suite_on_a_driver_of_theirs() -> None:
    """noop is the driver that does not do what it should, unless that is said."""
    done = conformance("--driver", "noop", "--limit", "all=open", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["right"]) == (0, True), done
    (driver,) = report["drivers"]
    assert len(driver["cells"]) == len(STATES) * len(NETWORKS)
    done = conformance("--driver", "noop", "--limit", "relayed=open")
    assert done.returncode == 1
    assert "WRONG: noop, flat, in production, nothing is inspected: was answered" in done.stdout
    assert "WRONG: noop, relayed" not in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ["--limit", "relayed=open"],
        ["--driver", "xdp", "--limit", "wifi=open"],
        ["--driver", "xdp", "--limit", "flat=closed"],
        ["--driver", "xdp", "--option", "xdp=native"],
        ["--driver", "xdp", "--write-docs"],
    ],
    ids=" ".join,
)
def test_wrong_options_are_refused(wrong: list[str]) -> None:
    done = conformance(*wrong)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")
