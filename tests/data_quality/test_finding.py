from pipeline.data_quality.finding import MAX_LINES, Finding, merge_findings, to_notices


def finding(column, kind="constant", message="constant"):
    return Finding(kind, column, message, f"exclude {column}", "are constant", "exclude them")


def test_few_of_a_kind_have_a_line_each_and_more_share_one():
    few = [finding(f"x{i}") for i in range(MAX_LINES)]
    assert str(to_notices(few)[0]) == "column 'x0': constant; exclude x0"
    assert len(to_notices(few)) == MAX_LINES
    assert len(to_notices([*few, finding("y")])) == 1
    (shared,) = to_notices([finding(f"x{i}") for i in range(1_000)])
    assert str(shared) == "columns 'x0', 'x1', 'x2', 'x3', 'x4' and 995 more: are constant; exclude them"


def test_later_findings_know_better_and_explained_ones_are_left_out():
    early, late = [finding("x"), finding("d", "dates")], [finding("x", message="all 1"), finding("d", "identifier")]
    merged = merge_findings(early, late)
    assert [(each.kind, each.column, each.message) for each in merged] == [
        ("constant", "x", "all 1"),
        ("dates", "d", "constant"),
    ]


def test_a_column_whose_extreme_values_hide_all_others_has_no_second_line_for_its_tail():
    merged = merge_findings([finding("x", "extreme values")], [finding("x", "heavy tail"), finding("y", "heavy tail")])
    assert [(each.kind, each.column) for each in merged] == [("extreme values", "x"), ("heavy tail", "y")]
