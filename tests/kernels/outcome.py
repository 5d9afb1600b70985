# SPDX-License-Identifier: Apache-2.0
"""What the output of GoogleTest programs, on a serial console, means."""

import re

# Lines that on_kernel adds.
RELEASE = "on_kernel: Linux"
BEGIN = "on_kernel: begin"
END = "on_kernel: end"

# The kernel may say something in the same line.
RUN = re.compile(r"\[ RUN      \] (\S+)$")
RESULT = re.compile(r"\[ +(OK|SKIPPED|FAILED) +\] "
                    r"([^\s,]+)(?:, where .*)? \(\d+ ms\)$")
VERIFIER = re.compile(r"\bverifier processed \d+ instructions.*")
PANIC = re.compile(r"Kernel panic|\bOops\b|\bBUG: |\bWARNING: CPU")
SHOWN_TESTS = 5
SHOWN_LINES = 60
SHOWN_PROBLEMS = 20


def listed(text):
    """The tests that --gtest_list_tests names."""
    tests, suite = [], None
    for line in text.splitlines():
        name = line.split("#")[0].rstrip()
        if not line.startswith(" ") and name.endswith("."):
            suite = name
        elif line.startswith("  ") and suite and name:
            tests.append(suite + name.strip())
    return [test for test in tests if "DISABLED_" not in test]


def sections(text):
    """(program, output, exit status or None) of each that began."""
    found = []
    inside = False
    for line in text.splitlines():
        if line.startswith(BEGIN + " "):
            found.append([line[len(BEGIN) + 1:], [], None])
            inside = True
        elif line.startswith(END + " ") and inside:
            found[-1][2] = line.split()[-1]
            inside = False
        elif inside:
            found[-1][1].append(line)
    return found


def tests_of(lines):
    """{test: (result or None, its output)} in the order of their running."""
    tests, name = {}, None
    for line in lines:
        began, ended = RUN.search(line), RESULT.search(line)
        if began:
            name = began[1]
            tests[name] = (None, [])
        elif ended and ended[2] == name:
            tests[name] = (ended[1], tests[name][1])
            name = None
        elif name:
            tests[name][1].append(line)
    return tests


def tail(lines):
    left_out = len(lines) - SHOWN_LINES
    if left_out <= 0:
        return lines
    return [f"[{left_out} lines left out]", *lines[left_out:]]


def judge_program(lines, status, expected, lacks):
    """(what is wrong with it, output to show, how many passed)."""
    ran = tests_of(lines)
    wrong = []
    for test in expected:
        result, output = ran.get(test, ("not run", []))
        if result != "OK" and not (result == "SKIPPED" and test in lacks):
            wrong.append((test, result or "not ended", output))
    problems = [f"{test}: {result}" for test, result, _ in wrong]
    shown = []
    for test, result, output in wrong[:SHOWN_TESTS]:
        shown += [f"-- {test}: {result}", *tail(output)]
    if not expected:
        problems.append("it has no tests")
    if status != "0":
        problems.append("it did not end" if status is None
                        else f"exit status {status}")
        if not shown or not ran:
            shown += ["-- its last lines", *tail(lines)]
    return problems, shown, sum(
        ran.get(test, ("", []))[0] == "OK" for test in expected)


def judge(text, status, tests, lacks):
    """(report, whether all is well). `tests`: {program: [test]}; `status`: of
    the machine, None where it was killed; `lacks`: {test: reason} of those
    that may be skipped."""
    release = re.search(rf"^{RELEASE} (\S+)$", text, re.MULTILINE)
    kernel = f"Linux {release[1]}" if release else "Linux ?"
    report, problems = [], []
    if status is None:
        problems.append("the machine took too long")
    elif status != 0:
        problems.append(f"the machine ended with {status}")
    if release is None:
        problems.append("the machine did not come up")
    problems += [f"the kernel said: {line}" for line in text.splitlines()
                 if PANIC.search(line)]
    if problems:
        report += ["-- the last lines", *tail(text.splitlines())]

    ran = {name: (lines, ended) for name, lines, ended in sections(text)}
    for program, expected in tests.items():
        if program not in ran:
            problems.append(f"{program} was not run")
            continue
        lines, ended = ran[program]
        wrong, shown, passed = judge_program(lines, ended, expected, lacks)
        report += shown
        report += [f"{kernel}: {program}: {line.strip()}"
                   for line in lines if VERIFIER.search(line)]
        report.append(f"{kernel}: {program}: {passed} of {len(expected)} "
                      "tests passed")
        problems += [f"{program}: {problem}" for problem in wrong]
    report += [f"{kernel}: may skip {test}: {reason}"
               for test, reason in lacks.items()]
    if not VERIFIER.search(text):
        problems.append("nobody told what the verifier processed")
    report += [f"{kernel}: WRONG: {problem}"
               for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        report.append(f"{kernel}: and {len(problems) - SHOWN_PROBLEMS} more")
    return "\n".join(report), not problems
