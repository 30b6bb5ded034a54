"""`vidi split`: decide which image goes to which part, before any training."""

from dataclasses import dataclass, replace

from vidi.data.checked import DataCheck
from vidi.data.checking.check import check_dataset
from vidi.data.splitting.split import Split, split_dataset
from vidi.data.splitting.split_plan import SplitPlan, write_assignments
from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.report.words.text import account_lines
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options, read_requested, split_file_of
from vidi.workflows.requests.data import SplitRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitMade:
    """The split, and the check behind it."""

    split: Split
    check: DataCheck
    labels: str | None  # which lines of a labels file were read

    def as_json(self) -> dict[str, object]:
        """The split as `vidi split --json` prints it; paths escaped."""
        return {
            "schema": 1,
            "rule": str(self.split.rule),
            "labels": self.labels,
            "parts": self.split.counts(),
            "set_aside": [{"path": escape_path(entry.path), "code": entry.code} for entry in self.split.set_aside],
            "leaks": [leak.sentence for leak in self.split.leaks],
            "untested_classes": list(self.split.untested_classes),
            "account": self.check.account.as_json(),
        }

    def remarks(self) -> list[str]:
        """Return remarks on the split."""
        untested = ", ".join(map(escape_path, self.split.untested_classes))
        return [
            *(f"leak: {leak.sentence}" for leak in self.split.leaks),
            *([f"no test image shows: {untested}"] if untested else []),
            *(f"set aside: {escape_path(entry.path)} ({entry.code})" for entry in self.split.set_aside[:10]),
            *account_lines(self.check.account, listed_in="what `vidi check --json` prints"),
        ]


def split(
    request: SplitRequest,
    *,
    events: Events = SILENCE,
) -> SplitMade:
    """Check a data set, split it, and write splits.csv.

    Args:
        request: the data and the file to write. What stands in `data.split_file`, or else in that file, stays, and
            new images are added.

    Raises:
        UsageError: the output is a folder.
        DataError: too little to learn from, or the data's own split leaks.
        ResourceError: the file cannot be written.
    """
    data, output = request.data, request.output
    if data.split_file is None and output.is_file():
        data = replace(data, split_file=str(output))
    if output.is_dir():
        raise UsageError(f"{escape_path(output)} is a folder", "Name a file: -o splits.csv")
    dataset = read_requested(data).with_left_out()
    check = check_dataset(dataset, options=decode_options(data), on_progress=events.reading)
    plan = SplitPlan(seed=request.seed, parts=data.parts, allow_leaks=data.allow_leaks, replan=request.replan)
    made = split_dataset(dataset, check, plan=plan, previous=split_file_of(data))
    write_assignments(output, made.assignments)
    account = check.account.setting_aside(made.set_aside)
    return SplitMade(split=made, check=replace(check, account=account), labels=dataset.labels_state)
