"""The settings that a search tries: what is drawn from its space, and the plan of each."""

from dataclasses import dataclass

from msgspec import structs

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.model_selection.search_space import Values, draw, read_space, with_values
from pipeline.model_selection.successive_halving import Rung, brackets
from pipeline.planning.plan import Plan
from pipeline.planning.planner import with_config

# With fewer training rows, a trial says nothing about its setting.
MIN_ROWS = 1_000


@dataclass(frozen=True, eq=False)
class TrialSetting:
    """The values of one setting, and the plan that they make."""

    values: Values
    plan: Plan


def settings_to_try(plan: Plan) -> list[TrialSetting]:
    """Return every setting of the search.

    Raises
    ------
    ConfigError
        The space is wrong, or a setting changes which rows train and test.
    """
    search = plan.config.search
    drawn = draw(read_space(search.space), search.trials, search.seed, grid=search.method == "grid")
    return [TrialSetting(values, plan_with_values(plan, values)) for values in drawn]


def plan_with_values(plan: Plan, values: Values) -> Plan:
    """Return the plan of one setting; files and footers are those of ``plan``.

    Raises
    ------
    ConfigError
        The setting cannot be run, or cannot be compared with the others.
    """
    setting = ", ".join(f"{key} = {value!r}" for key, value in values.items())
    try:
        trial_plan = with_config(plan, without_search(with_values(plan.config, values)))
    except ConfigError as error:
        raise ConfigError(f"search.space: with {setting}: {error}") from None
    if trial_plan.identity != plan.identity:
        raise ConfigError(
            f"search.space: with {setting} other columns identify a row, and other rows would test; have the same "
            "columns in all trials, and compare runs with others by `pipeline report`."
        )
    return trial_plan


def without_search(config: cfg.Config) -> cfg.Config:
    """Return the config without its search."""
    return structs.replace(config, search=cfg.SearchConfig())


def brackets_of(plan: Plan, settings: int) -> list[list[Rung]]:
    """Return the rungs of each bracket of a search over so many settings."""
    search = plan.config.search
    training_rows = sum(batch.rows for batch in plan.batches if batch.test is not True)
    return brackets(search.method, settings, search.eta, training_rows // MIN_ROWS)


def describe_search(plan: Plan) -> list[str]:
    """Return what would be searched, in lines for a person."""
    search, count = plan.config.search, len(settings_to_try(plan))
    lines = [f"search      {search.method}: {count} settings, by {search.metric} on rows kept out of training"]
    for rungs in brackets_of(plan, count):
        steps = ", ".join(f"{rung.count} on {rung.share:.1%}" for rung in rungs)
        lines.append(f"            {rungs[0].count} settings: {steps} of the training")
    return lines + [f"  {key:<20} {choices}" for key, choices in read_space(search.space).items()]
