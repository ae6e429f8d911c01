#!/usr/bin/env python3
"""Is examples/deploy right? Usage: deploy.py [NAME].

promtool reads every configuration and rule; rules_test.yml is run, and must have no alert and no recorded series left
out; the dashboards' queries are put to a real Prometheus that scrapes a stand-in for two hosts, and each must find
something; the capabilities of the DaemonSet are tried on a live jbtrace, and each must be needed. Last line: passed,
failed, skipped.
"""
import ctypes
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

try:
    import yaml
except ImportError:
    yaml = None

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "e2e"))
import jbtest  # noqa: E402  pylint: disable=wrong-import-position
from jbtest import BUILD, ROOT, Failed, Skip, case, run_cases  # noqa: E402  pylint: disable=wrong-import-position

DEPLOY = ROOT / "examples/deploy"
RULES_TEST = ROOT / "tests/deploy/rules_test.yml"


def need(*commands):
    jbtest.need(*commands)
    if yaml is None:
        raise Skip("Python's yaml is not installed")


def promtool(*args):
    need("promtool")
    done = subprocess.run(["promtool", *map(str, args)], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failed(f"promtool {' '.join(map(str, args))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def load(path):
    need()
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# --- rules ---

def all_rules():
    for path in sorted((DEPLOY / "rules").glob("*.yml")):
        for group in load(path)["groups"]:
            yield from group["rules"]


@case
def configurations():
    """Prometheus' configurations, those in README.md too, are what promtool takes for right."""
    for name in ("prometheus.yml", "central.yml"):
        promtool("check", "config", DEPLOY / name)
    blocks = re.findall(r"^```yaml\n(.*?)^```", (DEPLOY / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    if not blocks:
        raise Failed("README.md shows no configuration")
    with tempfile.TemporaryDirectory() as folder:
        for i, block in enumerate(blocks):
            path = pathlib.Path(folder) / f"{i}.yml"
            path.write_text(block, encoding="utf-8")
            promtool("check", "config", path)


@case
def targets():
    """Each file of targets is one that the configuration looks for."""
    patterns = [pattern for job in load(DEPLOY / "prometheus.yml")["scrape_configs"]
                for found in job.get("file_sd_configs", []) for pattern in found["files"]]
    listed = {path for pattern in patterns for path in DEPLOY.glob(pattern)}
    there = set((DEPLOY / "targets").iterdir())
    if listed != there or not all(list(DEPLOY.glob(pattern)) for pattern in patterns):
        raise Failed(f"looked for: {sorted(map(str, listed))}, there: {sorted(map(str, there))}")
    for path in there:
        for group in load(path):
            if not all(re.fullmatch(r"[\w.-]+:\d+", target) for target in group["targets"]):
                raise Failed(f"{path.name}: {group['targets']}")


@case
def rules():
    """The rules' unit tests pass."""
    promtool("check", "rules", *sorted((DEPLOY / "rules").glob("*.yml")))
    promtool("test", "rules", RULES_TEST)


@case
def rules_are_tested():
    """Each alert fires in some test, none on the healthy fleet; the value of each recorded series is compared."""
    tests = load(RULES_TEST)["tests"]
    firing, recorded = set(), set()
    for one in tests:
        for expected in one.get("promql_expr_test", []):
            recorded |= set(re.findall(r"\w+:\w+:\w+", expected["expr"])) if expected["exp_samples"] else set()
            firing |= {name for sample in expected["exp_samples"]
                       for name in re.findall(r'ALERTS\{alertname="(\w+)",alertstate="firing"', sample["labels"])}
    alerts = {rule["alert"] for rule in all_rules() if "alert" in rule}
    records = {rule["record"] for rule in all_rules() if "record" in rule}
    if alerts != firing:
        raise Failed(f"alerts that never fire in a test: {alerts - firing}; unknown: {firing - alerts}")
    if records != recorded:
        raise Failed(f"recorded and not compared: {records - recorded}; unknown: {recorded - records}")
    quiet = [one["eval_time"] for one in tests[0]["promql_expr_test"] if one == {**one, "expr": "ALERTS", "exp_samples": []}]
    if tests[0]["name"] != "a healthy fleet" or len(quiet) < 3:
        raise Failed("the healthy fleet must come first and be quiet at three times")
    for rule in all_rules():
        if "alert" in rule and not ({"summary", "description"} <= set(rule["annotations"])
                                    and rule["labels"]["severity"] in ("page", "ticket", "info") and "for" in rule):
            raise Failed(f"{rule['alert']} needs a summary, a description, a severity and a time")


# --- dashboards ---

def dashboards():
    for path in sorted((DEPLOY / "grafana").glob("*.json")):
        yield path.name, json.loads(path.read_text(encoding="utf-8"))


def overlap(a, b):
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def check_panel(name, panel, variables):
    if panel["type"] == "row":
        return
    if panel["type"] not in ("stat", "timeseries", "table", "heatmap"):
        raise Failed(f"{name}: {panel['title']}: a panel of type {panel['type']}")
    if not panel["targets"] or len({target["refId"] for target in panel["targets"]}) != len(panel["targets"]):
        raise Failed(f"{name}: {panel['title']}: queries need a letter each")
    for source in [panel["datasource"]] + [target["datasource"] for target in panel["targets"]]:
        if source != {"type": "prometheus", "uid": "${datasource}"}:
            raise Failed(f"{name}: {panel['title']}: the data source is not the variable: {source}")
    for target in panel["targets"]:
        for used in re.findall(r"\$(?!__)\{?(\w+)", target["expr"] + target["legendFormat"]):
            if used not in variables:
                raise Failed(f"{name}: {panel['title']}: there is no variable {used}")


@case
def dashboard_shape():
    """What Grafana 9 and 10 want of a dashboard: identity, a data source to choose, panels that do not overlap."""
    found = list(dashboards())
    if len({board["uid"] for _, board in found}) != len(found) or len(found) < 2:
        raise Failed("dashboards need a uid of their own each")
    for name, board in found:
        variables = {variable["name"] for variable in board["templating"]["list"]}
        ids = [panel["id"] for panel in board["panels"]]
        if board["id"] is not None or board["schemaVersion"] < 36 or not board["title"] or "datasource" not in variables:
            raise Failed(f"{name}: id, schemaVersion, title or the variable datasource")
        if len(set(ids)) != len(ids):
            raise Failed(f"{name}: two panels have the same id")
        for panel in board["panels"]:
            at = panel["gridPos"]
            if at["x"] + at["w"] > 24 or any(overlap(at, other["gridPos"]) for other in board["panels"] if other is not panel):
                raise Failed(f"{name}: {panel['title']} lies over another panel or over the edge")
            check_panel(name, panel, variables)


# --- a real Prometheus over two hosts that are played here ---

def own_metrics(seconds):
    """What jbtrace says of itself: as in run/export_own.c, one script, one map, one site that loses events."""
    script = 'script="ffmpeg_jitter"'
    yield 'jbtrace_build_info{version="1.0"}', 1
    yield f"jbtrace_script_up{{{script}}}", 1
    yield f"jbtrace_attached_probes{{{script}}}", 29
    yield f'jbtrace_lost_events_total{{{script},site="printf"}}', seconds
    yield f'jbtrace_map_full_total{{{script},map="@calls"}}', seconds
    yield f'jbtrace_map_entries{{{script},map="@calls"}}', 17
    yield f'jbtrace_map_max_entries{{{script},map="@calls"}}', 4096
    yield 'jbtrace_series_dropped{metric="jitterbuffer_packet_count_total"}', 3
    yield "jbtrace_scrape_duration_seconds", 0.01
    yield "process_resident_memory_bytes", 4e7


def stream_metrics(seconds):
    for direction in ("in", "out"):
        stream = f'pid="7",direction="{direction}",ssrc="1",payload_type="96"'
        for name, value in (("packets_total", 95 * seconds), ("bytes_total", 9000 * seconds),
                            ("expected_packets_total", 100 * seconds), ("lost_packets", 5 * seconds),
                            ("reordered_packets_total", 2 * seconds), ("duplicate_packets_total", seconds),
                            ("jitter_seconds", 0.004), ("max_gap_seconds", 0.2)):
            yield f"jitterbuffer_rtp_{name}{{{stream}}}", value


def histogram(name, labels, rate, seconds):
    """Half of the numbers are between 1 and 2 ms, half between 2 and 5 ms."""
    for le, share in (("0.001", 0), ("0.002", 0.5), ("0.005", 1), ("+Inf", 1)):
        yield f'{name}_bucket{{{labels},le="{le}"}}', int(share * rate * seconds)
    yield f"{name}_count{{{labels}}}", rate * seconds
    yield f"{name}_sum{{{labels}}}", rate * seconds * 0.0025


def function_metrics(seconds):
    for function, rate in (("av_read_frame", 100), ("av_packet_unref", 200)):
        labels = f'pid="7",function="{function}"'
        yield f"jitterbuffer_packet_count_total{{{labels}}}", rate * seconds
        yield f"jitterbuffer_bytes_total{{{labels}}}", 1000 * rate * seconds
        yield f"jitterbuffer_dropped_packets_total{{{labels}}}", seconds
        yield f'jitterbuffer_errors_total{{{labels},error="EIO"}}', seconds
        for name, value in (("min", 0.001), ("avg", 0.0025), ("max", 0.005)):
            yield f"jitterbuffer_delay_{name}_seconds{{{labels}}}", value
        yield from histogram("jitterbuffer_delay_seconds", labels, rate, seconds)
    yield 'jitterbuffer_buffer_size_packets{pid="7",function="av_read_frame"}', 4
    yield from histogram("jitterbuffer_wait_seconds", 'pid="7"', 100, seconds)


class Host(http.server.ThreadingHTTPServer):
    """One that answers /metrics with counters that grow evenly."""
    daemon_threads = True

    def __init__(self, address, parts):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                seconds = int(100 + time.time() - self.server.begin)
                text = "".join(f"{name} {value}\n" for part in parts for name, value in part(seconds))
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        super().__init__((address, 0), Handler)
        self.begin = time.time()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Prometheus hangs up when it is ended."""

    def target(self):
        return f"{self.server_address[0]}:{self.server_address[1]}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """examples/deploy's configuration, with targets of ours and everything every two seconds."""

    def __init__(self, folder, jitterbuffer, monitors, drained):
        shutil.copytree(DEPLOY / "rules", folder / "rules")
        (folder / "targets").mkdir()
        config = load(DEPLOY / "prometheus.yml")
        config["global"].update(scrape_interval="2s", scrape_timeout="2s", evaluation_interval="2s")
        for job in config["scrape_configs"]:
            job.pop("scrape_interval", None)
        config["scrape_configs"] = [job for job in config["scrape_configs"] if "file_sd_configs" in job]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        groups = [{"targets": jitterbuffer, "labels": {"site": "west"}}, {"targets": drained, "labels": {"state": "drained"}}]
        (folder / "targets/jitterbuffer.yml").write_text(yaml.safe_dump(groups), encoding="utf-8")
        (folder / "targets/monitors.yml").write_text(yaml.safe_dump([{"targets": monitors}]), encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = folder / "log.txt"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address={self.url.removeprefix('http://')}", "--log.level=warn"],
                stdout=log, stderr=log, preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 15))  # dies with us

    def close(self):
        self.process.terminate()
        self.process.wait(20)

    def get(self, path, **params):
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(params)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it reads its log first
                raise
            raise Failed(f"{params}: {error.read().decode()}") from error

    def query(self, expr):
        return self.get("/api/v1/query", query=expr)["result"]

    def wait(self, what, seconds=60):
        """Until what() is true; Prometheus may not listen or not be ready yet."""
        end = time.monotonic() + seconds
        while True:
            try:
                if what():
                    return True
            except urllib.error.URLError:
                if self.process.poll() is not None:
                    raise Failed(f"Prometheus ended:\n{self.log.read_text(encoding='utf-8')}") from None
            if time.monotonic() > end:
                return False
            time.sleep(0.2)


def as_grafana_asks(expr):
    """Every variable at "All", and a window that holds a few scrapes."""
    return re.sub(r"\$(?!__)\w+", ".*", expr.replace("$__rate_interval", "20s"))


def queries():
    for name, board in dashboards():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{name}: {panel['title']} {target['refId']}", as_grafana_asks(target["expr"])


def check_instances(prometheus):
    """Relabelling: hosts without ports, and none that is drained."""
    found = {(one["metric"]["job"], one["metric"]["instance"], one["metric"].get("site")) for one in prometheus.query("up")}
    wanted = {("ffmpeg-jitterbuffer", "127.0.0.1", "west"), ("ffmpeg-jitterbuffer", "127.0.0.2", "west"), ("jbtrace", "127.0.0.1", None)}
    if found != wanted:
        raise Failed(f"targets: {found}")


def check_variables(prometheus):
    for name, board in dashboards():
        for variable in board["templating"]["list"]:
            if variable["type"] != "query":
                continue
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            if not prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": as_grafana_asks(selector)}):
                raise Failed(f"{name}: the variable {variable['name']} finds nothing")


@case
def dashboards_find_data():
    """Each query of each dashboard, and each recorded series, finds something on two hosts."""
    need("prometheus")
    everything = (own_metrics, stream_metrics, function_metrics)
    hosts = [Host("127.0.0.1", everything), Host("127.0.0.2", everything), Host("127.0.0.1", (own_metrics,))]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jbtrace-deploy-"))
    prometheus = Prometheus(folder, [hosts[0].target(), hosts[1].target()], [hosts[2].target()], [hosts[2].target()])
    missing = dict(queries()) | {rule["record"]: rule["record"] for rule in all_rules() if "record" in rule}

    def all_found():
        for name in list(missing):
            if prometheus.query(missing[name]):
                del missing[name]
        return not missing

    try:
        if not prometheus.wait(all_found):
            raise Failed("nothing found by\n" + "\n".join(f"    {name}: {expr}" for name, expr in missing.items()))
        check_instances(prometheus)
        check_variables(prometheus)
    finally:
        prometheus.close()
        for host in hosts:
            host.shutdown()
            host.server_close()
        shutil.rmtree(folder)


# --- names: what the scripts and jbtrace itself export ---

SELF = 'BEGIN { @[1] = count(); printf("x"); } interval:ms:100 { exit(); }'


def declared():
    """metric name -> label names, as the scripts declare them."""
    found = {}
    for path in (ROOT / "scripts").glob("*.jt"):
        for name, labels in re.findall(r'^metric "(\w+)" = .*?labels = \(([^)]*)\)', path.read_text(encoding="utf-8"), re.M | re.S):
            found[name] = {label.strip() for label in labels.split(",")}
    return found


def samples(text):
    """Of an exposition: metric name -> label names."""
    found = {}
    for name, labels in re.findall(r"^([a-z]\w+)(?:\{(.*)\})? ", text, re.M):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def own():
    """What jbtrace says of itself, from a script that has a map and a call that can lose events."""
    if os.geteuid() != 0:
        raise Skip("not root")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "x.prom"
        done = subprocess.run([BUILD / "jbtrace", "-q", "-f", "prom", "-o", path, "-e", SELF], capture_output=True, text=True,
                              timeout=20, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0 or not path.exists():
            raise Failed(f"jbtrace -f prom: {done.stderr}")
        return samples(path.read_text(encoding="utf-8"))


def played():
    text = "".join(f"{name} {value}\n" for part in (own_metrics, stream_metrics, function_metrics) for name, value in part(1))
    found = {}
    for name, labels in samples(text).items():
        histogram_ = re.sub(r"_(bucket|sum|count)$", "", name)
        if f"{histogram_}_bucket" in samples(text):
            name = histogram_
        found.setdefault(name, set()).update(labels - {"le"})
    return found


@case
def names():
    """The hosts that are played here have the metrics of real ones, with their labels, and no rule asks for others."""
    real, here = declared() | own(), played()
    for name, labels in here.items():
        if real.get(name) != labels:
            raise Failed(f"{name} with {labels}; a real host: {real.get(name)}")
    if set(declared()) - set(here):
        raise Failed(f"declared and played by no host: {set(declared()) - set(here)}")
    for rule in all_rules():
        used = set(re.findall(r"(?<![:\w])(?:jitterbuffer|jbtrace|process)_\w+(?!:)\b", rule["expr"]))
        for name in used:
            if name not in here and re.sub(r"_(bucket|sum|count)$", "", name) not in here:
                raise Failed(f"{rule.get('alert') or rule.get('record')}: nobody exports {name}")


# --- Kubernetes ---

def daemonset():
    need()
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes/daemonset.yaml").read_text(encoding="utf-8")))
    return next(one for one in found if one["kind"] == "DaemonSet")["spec"]["template"]


@case
def kubernetes():
    """The manifests hang together: volumes and mounts, ports and probes, labels and selectors."""
    pod = daemonset()
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    context = container["securityContext"]
    monitor = load(DEPLOY / "kubernetes/podmonitor.yaml")
    if {mount["name"] for mount in container["volumeMounts"]} != {volume["name"] for volume in spec["volumes"]}:
        raise Failed("volumes and mounts differ")
    if not all(mount.get("readOnly") for mount in container["volumeMounts"]):
        raise Failed("a host path is writable")
    if not spec["hostPID"] or context["privileged"] or not context["readOnlyRootFilesystem"] or context["capabilities"]["drop"] != ["ALL"]:
        raise Failed("the container sees too little or may do too much")
    for probe in ("readinessProbe", "livenessProbe"):
        if container[probe]["httpGet"] != {"path": "/health", "port": "metrics"}:
            raise Failed(f"{probe} asks {container[probe]}")
    if pod["metadata"]["annotations"]["prometheus.io/port"] != str(ports["metrics"]):
        raise Failed("the annotation names another port")
    if not container["args"][container["args"].index("--listen") + 1].endswith(f":{ports['metrics']}"):
        raise Failed("jbtrace listens on another port")
    if monitor["spec"]["selector"]["matchLabels"] != pod["metadata"]["labels"]:
        raise Failed("the PodMonitor selects other pods")
    if monitor["spec"]["podMetricsEndpoints"][0]["port"] not in ports:
        raise Failed("the PodMonitor scrapes another port")


# A mount namespace as the pod has it: nothing can be written, tracefs is there to be read.
POD = """
mount -t tracefs nodev /sys/kernel/tracing && mount -o remount,bind,ro /sys/kernel/tracing &&
mount -o remount,bind,ro / || exit 77
words=$1
shift
exec setpriv --no-new-privs --ambient-caps=-all --inh-caps="-all$words" --bounding-set="-all$words" -- "$@"
"""


def pod_command(capabilities_, args):
    """jbtrace as it would run in the DaemonSet's container; every program replaces the one before, so the pid stays."""
    words = "".join(f",+{name.lower()}" for name in capabilities_)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", POD, "sh", words, str(BUILD / "jbtrace"), *args]


def in_pod(capabilities_, *args):
    """What it wrote, both ways."""
    command = ["timeout", "20", *pod_command(capabilities_, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 77:
        raise Skip("a private mount namespace with tracefs cannot be made here")
    return done.stdout + done.stderr


@case
def capabilities():
    """With the DaemonSet's capabilities everything works; without any one of them something does not."""
    need("setpriv", "unshare")
    if os.geteuid() != 0:
        raise Skip("not root")
    have = daemonset()["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
    folder = tempfile.mkdtemp(prefix="jbtrace-pod-")
    os.chmod(folder, 0o755)
    program = shutil.copy(BUILD / "tests/progs/selfcount", folder)
    with subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        pid = other.stdout.readline().split()[1]
        # Kernel memory, a tracepoint's format, a timer, names of kernel functions; the program of another user.
        asks = {
            "kernel": ("--duration", "5s", "-e", "tracepoint:sched:sched_switch { @[kstack(1)] = count(); @t = max(curtask.pid); } "
                                                 "interval:ms:200 { printf(\"ticked\\n\"); exit(); }"),
            "user": ("-p", pid, "-e", "uprobe:target_add { @ = count(); } interval:ms:100 { printf(\"attached\\n\"); exit(); }"),
        }
        wanted = {"kernel": r"ticked[^@]*@\[\s+__schedule\+\d+", "user": r"^attached$"}

        def works(capabilities_):
            return {name for name, ask in asks.items() if re.search(wanted[name], in_pod(capabilities_, *ask), re.M)}

        try:
            if works(have) != set(asks):
                raise Failed(f"with {have}: {[in_pod(have, *ask) for ask in asks.values()]}")
            for one in have:
                if works([other_ for other_ in have if other_ != one]) == set(asks):
                    raise Failed(f"{one} is not needed")
        finally:
            other.communicate()
            shutil.rmtree(folder)


@case
def container_serves():
    """The container's command line, on another port: healthy, and its metrics are there."""
    need("setpriv", "unshare")
    if os.geteuid() != 0:
        raise Skip("not root")
    container = daemonset()["spec"]["containers"][0]
    args = [re.sub(r"^0\.0\.0\.0:\d+$", "127.0.0.1:0", arg) for arg in container["args"]]
    with tempfile.TemporaryFile("w+") as said, \
            subprocess.Popen(pod_command(container["securityContext"]["capabilities"]["add"], args),
                             stdin=subprocess.DEVNULL, stdout=said, stderr=said) as jbtrace:
        try:
            metrics, end = "", time.monotonic() + 30
            while 'jbtrace_script_up{script="ffmpeg_jitter"} 1' not in metrics:
                said.seek(0)
                text = said.read()
                if jbtrace.poll() is not None or time.monotonic() > end:
                    raise Failed(f"{' '.join(args)}: {text}{metrics}")
                time.sleep(0.1)
                found = re.search(r"http://127\.0\.0\.1:\d+/", text)
                if found and "Attached" in text:
                    with urllib.request.urlopen(f"{found.group()}metrics", timeout=10) as answer:
                        metrics = answer.read().decode()
            with urllib.request.urlopen(f"{found.group()}health", timeout=10) as answer:
                health = json.load(answer)
            if health["status"] != "healthy":
                raise Failed(f"/health: {health}")
        finally:
            jbtrace.terminate()
            jbtrace.wait(20)


# --- README ---

@case
def readme():
    """README.md names files that are there, and every file is named."""
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([^)#:]+)\)", text))
    files = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file()} - {"README.md"}
    absent = {link for link in linked if not (DEPLOY / link).exists()}
    if absent or files - linked:
        raise Failed(f"links to nothing: {absent}; not named: {files - linked}")


@case
def series_are_counted():
    """README.md's count of series is what the script declares."""
    script = (ROOT / "scripts/ffmpeg_jitter.jt").read_text(encoding="utf-8")
    histograms = {name: len(bounds.split(",")) for name, bounds in re.findall(r"(_\w+) = bhist\(\$?\w+, ([^)]+)\)", script)}
    counted = {}
    for column, labels in re.findall(r'^metric "\w+" = (@[\w.]+) \{.*?labels = \(([^)]*)\)', script, re.M | re.S):
        bounds = histograms.get(column.split(".")[-1])
        label = "frames" if column == "@_size" else labels
        counted[label] = counted.get(label, 0) + (1 if bounds is None else bounds + 3)  # and +Inf, sum, count
    readme_ = (DEPLOY / "README.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| ([\w ]+) \| (\d+) \|", readme_, re.M))
    wanted = {
        "process and function": counted["pid, function"],
        "process that receives": counted["pid"] + counted["frames"] + 1,  # @inside, as jbtrace_inside
        "stream": counted["pid, direction, ssrc, payload_type"],
        "error of a function": counted["pid, function, error"],
    }
    if said != {what: str(n) for what, n in wanted.items()}:
        raise Failed(f"README.md says {said}, the script makes {wanted}")
    if f"({' + '.join(str(n) for n in wanted.values())}) × N" not in readme_:
        raise Failed(f"README.md adds up something else: {wanted}")


if __name__ == "__main__":
    sys.exit(run_cases(root=False))
