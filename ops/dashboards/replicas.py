"""Each process: ready or why not, what it runs, what it takes of the machine."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import STEP, lines, number, page, rows

OURS = '{job="vurksha"}'
RELEASES = "count(count by (version, release) (vurksha_info))"


def board() -> Dashboard:
    """The page."""
    return page(
        "replicas",
        "replicas",
        "Every replica is like the others; one that is not stays unready and says why.",
        (
            "Now",
            (
                number("Asked", "Replicas that Prometheus knows", "short", f"count(up{OURS})"),
                number("Answering", "Of those", "short", f"sum(up{OURS})", amber=2, red=3, low=True),
                number("Ready", "Take requests", "short", "sum(vurksha_ready)", amber=2, red=3, low=True),
                number("Seen", "By each other", "short", "max(vurksha_replicas)"),
                number("Releases", "Side by side", "short", RELEASES, amber=2, red=3),
                number("Restarts", "In an hour", "short", f"sum(changes(process_start_time_seconds{OURS}[1h]))", red=3),
            ),
        ),
        (
            "State",
            (
                rows(
                    "What runs", "By replica.", "none", ("sum by (instance, version, release) (vurksha_info)", "there")
                ),
                lines(
                    "Not ready, and why",
                    "1 while it is so.",
                    "none",
                    ("max by (instance, reason) (vurksha_unready)", "{{instance}} {{reason}}"),
                    most=1,
                ),
                lines("Asked", "1 while it answers Prometheus.", "none", (f"up{OURS}", "{{instance}}"), most=1),
            ),
        ),
        (
            "Processes",
            (
                lines(
                    "Processor",
                    "Seconds a second; one process uses one core.",
                    "none",
                    (f"rate(process_cpu_seconds_total{OURS}[{STEP}])", "{{instance}}"),
                    red=0.9,
                ),
                lines("Memory", "Resident.", "bytes", (f"process_resident_memory_bytes{OURS}", "{{instance}}")),
                lines("Pieces", "Of memory that Python holds.", "short", ("vurksha_memory_blocks", "{{instance}}")),
                lines("Open files", "And sockets.", "short", (f"process_open_fds{OURS}", "{{instance}}")),
                lines("Age", "Since its start.", "s", (f"time() - process_start_time_seconds{OURS}", "{{instance}}")),
            ),
        ),
    )
