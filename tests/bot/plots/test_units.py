"""Units: told from names, and left out where a name does not tell."""

from __future__ import annotations

import pytest

from bot.adapters.plots.units import scale_of


@pytest.mark.parametrize(
    ("expression", "value", "spelled"),
    [
        ("process_resident_memory_bytes", 123_456_789, "123.457 MB"),
        ("sum(rate(node_network_receive_bytes_total[5m]))", 2_500_000, "2.5 MB/s"),
        ("histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))", 0.8, "800 ms"),
        ("histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[1m]))", 1.25, "1.25 s"),
        ("rate(x_seconds_sum[1m]) / rate(x_seconds_count[1m])", 3.0, "3 s"),
        ("negahban_backup_age_seconds", 93_600, "26 h"),
        ("node_filesystem_avail_bytes / node_filesystem_size_bytes", 0.07, "7%"),
        ("100 * node_filesystem_avail_bytes / node_filesystem_size_bytes", 7, "7%"),
        ("job:errors:ratio5m", 0.013, "1.3%"),
        ("rate(process_cpu_seconds_total[1m])", 0.5, "0.5"),
        ("rate(errors_total[5m]) / rate(requests_total[5m])", 0.05, "0.05"),
        ("count(up_bytes)", 3, "3"),
        ("up", 0, "0"),
        ('x{path="_bytes"}', 5, "5"),
        ("requests_total", 9_999, "9,999"),
        ("requests_total", 12_500, "12.5k"),
        ("requests_total", 2_500_000, "2.5M"),
        ("x_bytes / y_seconds", 2e9, "2G"),
    ],
)
def test_a_number_reads_as_its_name_says(expression: str, value: float, spelled: str) -> None:
    assert scale_of(expression, value).spelled(value) == spelled
