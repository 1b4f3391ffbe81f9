"""Column names: what a column's name says of its meaning. A name alone proves nothing; the values must agree."""

import re
from collections.abc import Iterable

# Separators, and the border of "customerId" and "HTTPCode".
_BORDER = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_IDENTIFIERS = _set("id ids uuid guid identifier key pk sk idnum caseid userid rowid recordid index rownum rowname")
# Things of which one has several rows: a row number is none of them.
_OWNERS = _set(
    "user customer client patient subject person member account household visitor session device student employee "
    "participant respondent card"
)
_CODES = _set("code codes zip zipcode postcode postal plz cd cde type kind category region sic naics fips")
_WEIGHTS = _set(
    "weight weights wt wts wgt wgts sampleweight sample_weight sample_weights case_weight caseweight obs_weight fnlwgt "
    "finalwgt pweight pwgt iweight fweight aweight survey_weight freq_weight frequency_weight row_weight "
    "sampling_weight sample_wt sampwt exposure perwt hhwt pwgtp wtfinl importance_weight ipw"
)
# Beside one of these a weight is one of kilograms.
_BODY_SIZES = _set("height heights hgt ht length bmi waist stature width depth volume horsepower hp")


def words_of(name: str) -> list[str]:
    """The words of a name in lower case.

    >>> words_of("customerID"), words_of("zip_code")
    (['customer', 'id'], ['zip', 'code'])
    """
    return [word.lower() for word in _BORDER.split(name) if word]


def is_identifier_name(name: str) -> bool:
    """Whether a column is named like an identifier: ``id``, ``customer_id``, ``caseid``."""
    words = words_of(name)
    return bool(words) and (words[-1] in _IDENTIFIERS or words[0] in ("id", "uuid"))


def is_owner_name(name: str) -> bool:
    """Whether a column is named like someone or something that has several rows: ``patient``, ``user_id``."""
    words = words_of(name)
    return is_identifier_name(name) or (bool(words) and words[-1] in _OWNERS)


def is_code_name(name: str) -> bool:
    """Whether a column is named like a code, whose numbers have no order: ``zip``, ``type_cd``."""
    words = words_of(name)
    return bool(words) and words[-1] in _CODES


def is_weight_name(name: str, names: Iterable[str]) -> bool:
    """Whether a column is named like a weight of rows, and not of bodies, by the ``names`` of all columns."""
    plain = "_".join(words_of(name))
    if plain not in _WEIGHTS and name.lower() not in _WEIGHTS:
        return False
    is_plain_weight = plain in ("weight", "weights", "wt", "wgt")
    return not (is_plain_weight and any(not _BODY_SIZES.isdisjoint(words_of(other)) for other in names))
