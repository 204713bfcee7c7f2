"""In which accounts and regions a run looks for instances, and in which it does not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from service.accounts.registration import add_fix
from service.errors import UnknownScopeError
from service.models import Scope
from service.protection.decision import TagFilter
from service.regions.selection import RegionSource, ScanReason, Selection
from service.text import shortened

__all__ = ["CoverageRequest", "choose", "not_looked_at"]


@dataclass(frozen=True, slots=True)
class CoverageRequest:
    """What the caller requests.

    Args:
        accounts: look only in these accounts; empty for all from which servers come.
        regions: look in these regions, whether servers come from there or not; empty for those they come from.
        tags: tags that an instance must have.
        remaining_s: seconds until the run must have ended, None for no limit.
        max_listed: how many instances the report lists; None for all. All are counted.
    """

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    tags: TagFilter = field(default_factory=TagFilter)
    remaining_s: float | None = None
    max_listed: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing restricts it."""
        return not (self.accounts or self.regions or self.tags)


def choose(request: CoverageRequest, origins: Collection[Scope], recorded: Collection[str]) -> Selection:
    """Choose the accounts and regions in which to look.

    Those are the ones from which servers come. In requested regions, every account of the request is looked at. A
    requested account from which no server comes is looked at in every region from which servers of others come.

    Args:
        request: what is requested.
        origins: accounts and regions from which servers come.
        recorded: accounts that records name.

    Raises:
        UnknownScopeError: no server comes from a requested account, and no record names it.
    """
    known = {origin.account_id for origin in origins}
    if unknown := sorted(set(request.accounts) - known - set(recorded)):
        candidates = sorted(known | set(recorded))
        raise UnknownScopeError(
            f"no source server comes from account {', '.join(unknown)}, and no record names it; accounts: "
            f"{shortened(candidates)}. {add_fix(unknown[0], candidates)}"
        )
    scopes = set(_scopes(request, origins, known))
    reason = ScanReason.ORIGIN if not request.regions else ScanReason.REQUESTED
    source = RegionSource.INVENTORY if request.is_everything else RegionSource.REQUESTED
    text = f"servers come from {len(origins)} (account, region) pairs"
    if not request.is_everything:
        text += f"; {len(scopes)} were chosen for the request"
    return Selection(source, text, dict.fromkeys(sorted(scopes), reason), (), known_active=frozenset(scopes))


def _scopes(request: CoverageRequest, origins: Collection[Scope], known: Collection[str]) -> Iterable[Scope]:
    accounts = request.accounts or known
    if request.regions:
        return (Scope(account_id, region) for account_id in accounts for region in request.regions)
    regions = {origin.region for origin in origins}
    others = (Scope(account_id, region) for account_id in accounts if account_id not in known for region in regions)
    return [*(origin for origin in origins if origin.account_id in accounts), *others]


def not_looked_at(scopes: Collection[Scope], origins: Collection[Scope], catalog: Iterable[str]) -> Mapping[str, int]:
    """Return in how many of the accounts from which servers come a run does not look, by region; in order.

    Args:
        scopes: accounts and regions in which it looks.
        origins: accounts and regions from which servers come.
        catalog: the other regions that there are.
    """
    accounts = {origin.account_id for origin in origins}
    looked_at = Counter(scope.region for scope in set(scopes) if scope.account_id in accounts)
    regions = {*catalog, *(origin.region for origin in origins), *looked_at}
    left = {region: len(accounts) - looked_at[region] for region in sorted(regions)}
    return {region: count for region, count in left.items() if count}
