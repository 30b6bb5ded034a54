"""The first split: groups assigned to parts so that every class has its share in every part."""

from collections import Counter
from collections.abc import Mapping, Sequence

from vidi.data.splitting.split_plan import SplitRule

ClassCounts = Mapping[int, int]  # class index → images of it in one group


def deal_groups(groups: Sequence[ClassCounts], keys: Sequence[str], rule: SplitRule) -> list[str]:
    """A part for every group, stratified by class.

    Each group goes where it brings the parts nearest to their shares, judged for each of its classes and
    for all images together, large groups first. Of a class with two groups or more one is kept for the test
    part; a class with a single group is trained on.

    Args:
        groups: how many images of each class every group holds.
        keys: one name for each group; with the rule's seed it decides the order, so the order given does not.
        rule: shares and seed.

    Returns:
        One part name for each group, in order.
    """
    order = sorted(range(len(groups)), key=lambda i: (-sum(groups[i].values()), rule.number_of(keys[i])))
    dealer = _Dealer(groups, rule)
    if "test" in rule.share_of:
        _reserve(dealer, groups, order)
    for index in order:
        if dealer.parts[index] == "":
            dealer.deal(index, dealer.best_part(index))
    if "validation" in rule.share_of and "validation" not in dealer.parts:
        _spare_for_validation(dealer, groups, order)
    return dealer.parts


class _Dealer:
    """What each part still lacks while groups are assigned."""

    def __init__(self, groups: Sequence[ClassCounts], rule: SplitRule) -> None:
        self.groups = groups
        self.parts = [""] * len(groups)
        self.class_sizes: Counter[int] = Counter()
        for group in groups:
            self.class_sizes.update(group)
        self.total = sum(self.class_sizes.values())
        share_of = rule.share_of
        self.lacking = {
            part: {index: share * size for index, size in self.class_sizes.items()} for part, share in share_of.items()
        }
        self.lacking_in_all = {part: share * self.total for part, share in share_of.items()}
        self.wanted = {part: dict(lacking) for part, lacking in self.lacking.items()}
        self.wanted_in_all = dict(self.lacking_in_all)

    def best_part(self, index: int) -> str:
        """The part that comes nearest to its share of every class, and of all images, by taking the group."""
        group = self.groups[index]
        size = max(1, sum(group.values()))

        def gain(part: str) -> float:
            # How much the squared distance to each share shrinks, as a part of that share: small parts are filled
            # as fast as large ones, and a class weighs as much as all images together.
            by_class = sum(n * (2 * self.lacking[part][c] - n) / self.wanted[part][c] for c, n in group.items())
            return by_class / size + (2 * self.lacking_in_all[part] - size) / self.wanted_in_all[part]

        return max(self.lacking, key=gain)

    def deal(self, index: int, part: str) -> None:
        """Give a group to a part, taking it from where it was."""
        if self.parts[index]:
            self._count(self.parts[index], index, sign=-1)
        self.parts[index] = part
        self._count(part, index, sign=1)

    def _count(self, part: str, index: int, *, sign: int) -> None:
        for c, n in self.groups[index].items():
            self.lacking[part][c] -= sign * n
            self.lacking_in_all[part] -= sign * n


def _reserve(dealer: _Dealer, groups: Sequence[ClassCounts], order: Sequence[int]) -> None:
    """Rare classes first: one group of each to the test part and one to train, as far as there are two."""
    groups_of: dict[int, list[int]] = {}
    for index in order:
        for c in groups[index]:
            groups_of.setdefault(c, []).append(index)
    for c in sorted(groups_of, key=lambda c: (len(groups_of[c]), c)):
        members = groups_of[c]
        for part, candidates in (("train", members), ("test", members[::-1])):  # the smallest to the test part
            free = [index for index in candidates if dealer.parts[index] == ""]
            wanted = part == "train" or len(members) > 1
            if wanted and free and not any(dealer.parts[index] == part for index in members):
                dealer.deal(free[0], part)


def _spare_for_validation(dealer: _Dealer, groups: Sequence[ClassCounts], order: Sequence[int]) -> None:
    """In a tiny set: the smallest group whose classes all keep another one in train."""
    in_train = Counter(c for index in order if dealer.parts[index] == "train" for c in groups[index])
    for index in reversed(order):
        if dealer.parts[index] == "train" and all(in_train[c] > 1 for c in groups[index]):
            dealer.deal(index, "validation")
            return
