"""What an earlier attempt left, and what of it counts."""

from pipeline.inference.output_file import STAGED, ScoringState
from pipeline.inference.staging import finished_files
from pipeline.io.run_folder import RunFolder
from tests.builders import make_table, write_parquet
from tests.inference.builders import scored


def test_only_complete_files_count_as_finished(model, tmp_path):
    write_parquet(make_table(300), tmp_path / "in", 3)
    _, result, plan = scored(model, tmp_path / "in", tmp_path / "out", data={"batch_rows": "file"})
    folder, staged = RunFolder(str(tmp_path / "out")), tmp_path / "out" / STAGED
    again = ScoringState.of(finished_files(folder, plan.batches))
    assert again.files == result.files
    assert again.observed.to_dict() == result.observed.to_dict()
    first, second, third = (staged / file.file for file in result.files)
    first.write_bytes(first.read_bytes()[:-9])
    second.with_name(second.name + ".json").write_text("{")
    assert [file.batch for file in finished_files(folder, plan.batches)] == [2]
    third.unlink()
    assert finished_files(folder, plan.batches) == []
