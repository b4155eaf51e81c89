"""The two kinds of expected failure; anything else that is raised is a bug in Bitsmith."""


class BitsmithError(Exception):
    """Something the user can fix. The text is one sentence that names the file and the next step."""


class ModelError(BitsmithError):
    """A model that cannot be opened, or that has nothing to quantize."""


class UntrustedModelError(ModelError):
    """A model file that could run code when it is loaded; the sentence names its SHA-256, to which consent is given."""


class DataError(BitsmithError):
    """Samples that do not fit the model: names, shapes, dtypes, NaN, none at all."""


class PlanError(BitsmithError):
    """A plan that is malformed, belongs to another model or asks for something impossible."""


class ProjectError(BitsmithError):
    """A project file that is missing, damaged, of a newer version, or made with another model."""


class CalibrationError(BitsmithError):
    """A calibration that is missing, unreadable or belongs to another model."""


class ConversionError(BitsmithError):
    """A conversion that was refused, or whose result did not pass verification."""


class UnsupportedOperator(BitsmithError):
    """An operator, or a use of one, that has no torch form.

    Attributes:
        op, node: of the operator.
    """

    def __init__(self, op: str, node: str, detail: str = "") -> None:
        with_detail = f" with {detail}" if detail else ""
        super().__init__(f"The operator {op} (node {node}) has no torch form{with_detail}.")
        self.op, self.node = op, node


class DeviceError(BitsmithError):
    """A device to train on that this computer, or the installed torch, does not have."""


class BudgetError(BitsmithError):
    """A budget outside the range that the candidates can reach; the text names the range."""


class OutputError(BitsmithError):
    """An output path that cannot be written, or that would overwrite the source model."""


class JobCancelled(Exception):
    """The user cancelled the job. Not an error: what was finished is kept."""


class WorkerCrashed(BitsmithError):
    """The worker process ended without a result: native crash, out of memory, killed."""
