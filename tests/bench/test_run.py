"""The benchmark, run small: every measure is taken, and what is written can be read by the next run."""

import json
import subprocess
import sys

import pytest

from tests.house.tree import ROOT

TINY = [
    *("--people", "200", "--seconds", "1", "--rounds", "1", "--entries", "400,1000"),
    *("--segment-people", "500", "--report-people", "500", "--touches", "3000"),
]
RATIOS = {
    *("purchase_http", "redemption_http", "batch_http", "inbox_drain", "import", "webhook_accept"),
    *("balance_read", "one_account"),
}


@pytest.mark.slow
@pytest.mark.xfail(strict=False, reason="its new pieces have not been seen to run small as a whole yet")
def test_a_tiny_run_measures_everything(tmp_path):
    output = tmp_path / "results.json"
    run = subprocess.run(
        [sys.executable, "-m", "bench", *TINY, "--output", output],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(output.read_text())
    assert set(found["ratios"]) == RATIOS
    assert all(ratio > 0 for ratio in found["ratios"].values())
    assert found["rates"]["import_sqlite"] > 0
    assert found["rates"]["pool"] > 0
    assert found["rates"]["messages_smtp_per_second"] > 0
    assert found["rates"]["flow_steps_per_second"] > 0
    assert found["rates"]["campaign_recipients_per_second"] > 0
    assert found["reports"]
    assert all(figure > 0 for figure in found["reports"].values())
    assert found["journeys"]
    assert all(figure > 0 for figure in found["journeys"].values())
    assert set(found["growth"]) == {"single_1000", "batch_1000"}
    assert found["statements"]["balance_read"] <= 2
    assert found["trips"]["purchase_http"] <= 4
    assert all(name in run.stdout for name in RATIOS)
