"""What has no counterpart in the graph."""

from typing import Any

from sklearn.linear_model import SGDClassifier

from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.inference.onnx.columns import category_type
from pipeline.inference.onnx.outputs import OUTPUTS, linear_part
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.calibration import CalibratedModel

ADVICE = "; the model cannot be exported to ONNX with it."


def refuse_unknown(encoder: Encoder, estimator: Any) -> None:
    """Refuse a model that the graph cannot express.

    Raises
    ------
    DataError
        The column or key that stands in the way.
    """
    _refuse_columns(encoder)
    linear, is_calibrated = linear_part(estimator), isinstance(estimator, CalibratedModel)
    if not hasattr(linear, "coef_"):
        raise DataError(f"model.estimator: {type(linear).__name__} is not linear{ADVICE}")
    if isinstance(linear, SGDClassifier) and linear.loss == "modified_huber":
        raise DataError(f"model.params.loss: SGDClassifier's modified_huber{ADVICE}")
    has_known_link = isinstance(linear, AdaptiveClassifier | SGDClassifier) or is_calibrated
    if not has_known_link and hasattr(linear, "predict_proba"):
        raise DataError(f"model.estimator: the probabilities of {type(linear).__name__} are not known here{ADVICE}")
    if is_calibrated and len(estimator.classes_) > 2:
        raise DataError(f"model.calibrate: of more than two classes{ADVICE}")


def _refuse_columns(encoder: Encoder) -> None:
    columns = encoder.columns
    for name in columns.names:
        if name in ("", *OUTPUTS):
            raise DataError(f"column {name!r}: an input of the graph cannot have this name{ADVICE}")
    for name in columns.text:
        raise DataError(f"column {name!r}: is text, whose words are hashed as scikit-learn does it{ADVICE}")
    for name in columns.datetime:
        if columns.treatment(name).format:
            raise DataError(f"column {name!r}: is text that is read as dates{ADVICE}")
    for name in encoder.hashed_:
        raise DataError(f"column {name!r}: is hashed as scikit-learn does it{ADVICE}")
    for names in columns.cross:
        raise DataError(f"features.cross: {list(names)} joins texts{ADVICE}")
    for name in columns.categorical:
        kind = category_type(encoder.categories_[name])
        if kind is None:
            raise DataError(f"column {name!r}: its categories are neither texts nor whole numbers{ADVICE}")
        if kind == "text" and "" in encoder.categories_[name]:
            raise DataError(f"column {name!r}: has the empty text as a value, which stands for missing there{ADVICE}")
