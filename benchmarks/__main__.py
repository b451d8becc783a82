"""Measure lexloom beside its peers, and compare the figures with their bars."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.classifier import SECTIONS as CLASSIFIERS
from benchmarks.language_model import SECTIONS as LANGUAGE_MODELS
from benchmarks.report import keep, machine, print_table
from benchmarks.sections import SECTIONS as VECTORS
from benchmarks.setting import WORK, Setting

SECTIONS = VECTORS | LANGUAGE_MODELS | CLASSIFIERS
GROUPS = {"vectors": list(VECTORS), "lm": list(LANGUAGE_MODELS), "classifier": list(CLASSIFIERS)}
FILES = {
    "enwiki/enwiki_100mb.txt.xz": {*VECTORS, "ptb-vectors", "sst", "sst-vectors"} - {"torch"},
    "lm/timemachine.txt": {"time-machine", "lm-speed", "lm-generate", "lm-one-hot"},
    "classify/stsa.binary.train.gz": {"sst", "sst-vectors", "classifier-predict"},
    "classify/rt-polarity.all.gz": {"mr"},
    "classify/imdb.train.tsv.xz": {"sst-vectors", "linear-speed", "linear-quality", "classifier-predict"},
    "lm/ptb.train.txt.xz": {"torch", "ptb-zaremba", "ptb-recipe", "ptb-vectors", "lm-speed", "lm-softmax", "lm-one-hot"},
}


def main() -> None:
    """Run the chosen sections; each is saved as soon as it is measured, so that an interrupted run loses little."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help=f"folder with the files that the sections need: {', '.join(FILES)}, wordsim/"
    )
    parser.add_argument("--quick", action="store_true", help="a slice of the text and one seed, to check that everything runs")
    groups = "; ".join(f"{group}: {', '.join(names)}" for group, names in GROUPS.items())
    parser.add_argument("--only", default="vectors", help=f"sections or groups, separated by commas: {groups} (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file to write (default: benchmarks/results.json, or benchmarks/work/quick.json)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every tool (default: %(default)s)")
    options = parser.parse_args()
    names = [name for part in options.only.split(",") for name in GROUPS.get(part, [part])]
    if unknown := [name for name in names if name not in SECTIONS]:
        parser.error(f"--only {unknown[0]}: no such section or group; expected one of {', '.join([*GROUPS, *SECTIONS])}")
    for file, needed in FILES.items():
        if needed.intersection(names) and not (options.data / file).exists():
            parser.error(f"{options.data}: {file} is missing; give a --data folder that has it, or other sections with --only")
    out = options.out or (WORK / "quick.json" if options.quick else Path(__file__).parent / "results.json")
    setting = Setting(options.data.resolve(), options.quick, options.threads)

    print("{cpu}, {cores} cores, {memory_gb} GB, Python {python}".format(**machine()))
    missed = 0
    for name in names:
        started = time.perf_counter()
        section = SECTIONS[name](setting)
        record = keep(out, name, section, options.quick)
        if section.rows:
            print_table(f"{name} ({time.perf_counter() - started:.0f} s)", record["rows"])
        missed += sum(row.met is False for row in section.rows)
    verdict = "quick run: the figures mean nothing" if options.quick else f"bars missed: {missed}"
    print(f"{verdict}; saved in {out}")
    sys.exit(1 if missed and not options.quick else 0)


if __name__ == "__main__":
    main()
