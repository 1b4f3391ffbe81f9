import pytest

from pipeline.data_quality.column_names import (
    is_code_name,
    is_identifier_name,
    is_owner_name,
    is_weight_name,
    words_of,
)


@pytest.mark.parametrize(
    "name", ["id", "ID", "customer_id", "customerId", "caseid", "idNum", "row-id", "uuid", "Order ID"]
)
def test_names_of_identifiers(name):
    assert is_identifier_name(name)


@pytest.mark.parametrize("name", ["paid", "humid", "idle", "grid", "x1", "", "width", "valid"])
def test_other_names_that_only_end_like_them(name):
    assert not is_identifier_name(name)


def test_owners_have_rows_and_codes_have_no_order():
    assert is_owner_name("patient")
    assert is_owner_name("user_id")
    assert not is_owner_name("patients_seen")
    assert [name for name in ("zip", "type_cd", "ZipCode", "decode", "typed") if is_code_name(name)] == [
        "zip",
        "type_cd",
        "ZipCode",
    ]


def test_weights_of_rows_are_not_those_of_bodies():
    for name in ("weight", "WEIGHT", "sample_weight", "sampleWeight", "wt", "fnlwgt", "exposure", "PWGTP"):
        assert is_weight_name(name, ["age", name]), name
    assert not is_weight_name("weight", ["height", "weight"])
    assert not is_weight_name("birth_weight", ["age"])
    assert is_weight_name("sample_weight", ["height"])
    assert words_of("HTTPCode2") == ["http", "code2"]
