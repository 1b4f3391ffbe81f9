from pipeline.scaling_study.measurement import take_turns
from pipeline.scaling_study.study_plan import Setting


def test_settings_take_turns_after_an_uncounted_run_of_each_cluster():
    settings = [Setting(n, w, 1) for n in (2, 5) for w in (1, 2)]
    seen = []
    counted = list(take_turns(settings, 2, lambda setting: seen.append(setting) or setting))
    assert seen[:2] == [Setting(5, 1, 1), Setting(5, 2, 1)]
    assert [setting for setting, _ in counted] == settings * 2
