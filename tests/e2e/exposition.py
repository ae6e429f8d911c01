#!/usr/bin/python3
"""Reads one set of metrics in both formats with Prometheus' own Python library, which is strict about OpenMetrics, and
compares them. Usage: exposition.py TEXT OPENMETRICS [SAMPLE LABEL_VALUE NUMBER]...; each triple is a sample that must be
in both. LABEL_VALUE may hold \\n and \\xHH. Exit status 77: the library, which Debian's own
python3 has, is not there."""
import math
import sys

try:
    from prometheus_client.openmetrics import parser as openmetrics
    from prometheus_client import parser as prometheus
except ImportError:
    sys.exit(77)


def samples_of(families):
    """(name, labels) -> value; a sample that is there twice is a mistake."""
    found = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def check_histograms(families):
    """Buckets of a series never fall, end with +Inf, and are the same in all series of a family."""
    for family in families:
        if family.type != "histogram":
            continue
        series = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
                series.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        bounds = {tuple(le for le, _ in buckets) for buckets in series.values()}
        assert len(bounds) <= 1, f"{family.name}: series differ in their bounds"
        for labels, buckets in series.items():
            assert buckets == sorted(buckets), f"{family.name}{labels}: not in order"
            assert [n for _, n in buckets] == sorted(n for _, n in buckets), f"{family.name}{labels}: falls"
            assert buckets[-1][0] == math.inf, f"{family.name}{labels}: no +Inf"


def main(argv):
    with open(argv[1], encoding="utf-8", newline="") as file:
        text = list(prometheus.text_string_to_metric_families(file.read()))
    with open(argv[2], encoding="utf-8", newline="") as file:
        strict = list(openmetrics.text_string_to_metric_families(file.read()))
    found = samples_of(text)
    assert found == samples_of(strict), set(found.items()) ^ set(samples_of(strict).items())
    check_histograms(text)
    check_histograms(strict)
    types = {family.name: family.type for family in strict}
    for family in text:
        assert types[family.name] in (family.type, "unknown"), f"{family.name}: {types[family.name]}"
    for name, value, number in zip(argv[3::3], argv[4::3], argv[5::3]):
        value = value.encode().decode("unicode_escape").encode("latin-1").decode("utf-8")
        hits = [n for (sample, labels), n in found.items()
                if sample == name and value in [v for _, v in labels]]
        assert hits == [float(number)], f"{name} with {value!r}: {hits}, not {number}"
    print(f"{len(found)} samples of {len(text)} families")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
