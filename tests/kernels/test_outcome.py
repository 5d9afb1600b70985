# SPDX-License-Identifier: Apache-2.0
"""No failure on another kernel may be taken for a success."""

import pytest

import outcome

COUNT = "The verifier processed 4711 instructions of its million."
LISTING = """Running main() from gtest_main.cc
Rows.
  First  # GetParam() = first
  DISABLED_Third
Typed/Suite.  # TypeParam = int
  Second/0
"""
TESTS = {"prog": ["Rows.First", "Typed/Suite.Second/0"]}
RAN = f"""[ RUN      ] Rows.First
{COUNT}
[       OK ] Rows.First (12 ms)
[ RUN      ] Typed/Suite.Second/0
[       OK ] Typed/Suite.Second/0, where TypeParam = int (0 ms)"""


def console(ran=RAN, end="on_kernel: end prog 0"):
    return (f"on_kernel: Linux 6.1.0-9-cloud-amd64\n"
            f"on_kernel: begin prog\n{ran}\n{end}\n")


def judge(text, status=0, tests=None, lacks=None):
    return outcome.judge(text, status, tests or TESTS, lacks or {})


def test_tests_are_listed_by_their_full_names():
    assert outcome.listed(LISTING) == TESTS["prog"]


def test_what_passed_is_good_and_tells_kernel_and_count():
    report, good = judge(console())
    assert good, report
    assert report.splitlines() == [
        f"Linux 6.1.0-9-cloud-amd64: prog: {COUNT}",
        "Linux 6.1.0-9-cloud-amd64: prog: 2 of 2 tests passed"]


def with_first(result, more=""):
    return RAN.replace("[       OK ] Rows.First (12 ms)",
                       f"{more}{result} Rows.First (12 ms)")


@pytest.mark.parametrize("text, reason", [
    (console(with_first("[  FAILED  ]", "Expected: 1\n")),
     "prog: Rows.First: FAILED"),
    (console(with_first("[  SKIPPED ]")), "prog: Rows.First: SKIPPED"),
    (console(RAN.splitlines()[0]), "prog: Rows.First: not ended"),
    (console(COUNT), "prog: Rows.First: not run"),
    (console(end="on_kernel: end prog 139"), "prog: exit status 139"),
    (console(end=""), "prog: it did not end"),
    (console(RAN.replace(COUNT, "")), "nobody told what the verifier"),
    (console().replace("on_kernel: begin prog", ""), "prog was not run"),
    (console().replace("on_kernel: Linux", ""), "the machine did not come up"),
    (console() + "[ 3.1] Kernel panic - not syncing: x\n",
     "the kernel said: [ 3.1] Kernel panic"),
    (console() + "[ 3.1] WARNING: CPU: 0 PID: 1 at kernel/bpf\n",
     "the kernel said: [ 3.1] WARNING: CPU"),
    ("", "the machine did not come up"),
])
def test_each_failure_is_told(text, reason):
    report, good = judge(text)
    assert not good
    assert f": WRONG: {reason}" in report


@pytest.mark.parametrize("status, reason", [
    (None, "the machine took too long"), (125, "the machine ended with 125")])
def test_a_machine_that_ended_badly_is_told(status, reason):
    report, good = judge(console(), status)
    assert not good
    assert reason in report


def test_a_program_without_tests_is_wrong():
    report, good = judge(console(COUNT), tests={"prog": []})
    assert not good
    assert "it has no tests" in report


def test_each_program_must_have_run():
    report, good = judge(console(), tests={**TESTS, "other": ["A.B"]})
    assert not good
    assert "other was not run" in report


def test_only_what_the_kernel_lacks_may_skip_and_is_named():
    skipped = console(with_first("[  SKIPPED ]"))
    report, good = judge(skipped, lacks={"Rows.First": "no such map"})
    assert good, report
    assert "may skip Rows.First: no such map" in report
    failed = console(with_first("[  FAILED  ]"))
    assert not judge(failed, lacks={"Rows.First": "no such map"})[1]


def test_the_end_of_a_failed_tests_output_is_shown():
    log = "".join(f"verifier line {n}\n" for n in range(500))
    report, _ = judge(console(with_first("[  FAILED  ]", log)))
    assert "verifier line 499" in report
    assert "verifier line 100\n" not in report
    assert "[441 lines left out]" in report


def test_many_failures_are_counted():
    report, good = judge(console(), tests={"prog": [f"A.{n}" for n in range(25)]})
    assert not good
    assert report.endswith(": and 5 more")
