"""What a run file asks for is checked as a whole."""

from mss_bench.cli.main import main

FILE = """dataset: demo
separators:
  - hpss
  - hpsss
  - name: hpss
    power: -2
metrics: [usdr, "bss_eval:window=0"]
"""


def test_every_wrong_entry_is_told_with_its_line(tmp_path, capsys):
    file = tmp_path / "r.yaml"
    file.write_text(FILE)
    assert main(["run", "--config", str(file), "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert f"{file}:2: unknown separator 'hpsss'; did you mean" in told
    assert f"{file}:5: hpss: power is -2, expected a number above 0" in told
    assert f"{file}:7: bss_eval: window is 0, expected a number above 0" in told


def test_what_the_command_line_overrides_is_not_checked(tmp_path, capsys):
    file = tmp_path / "r.yaml"
    file.write_text(FILE)
    assert main(["run", "--config", str(file), "--dry-run", "-m", "usdr"]) == 2
    told = capsys.readouterr().err
    assert "bss_eval" not in told
    assert "hpsss" in told
