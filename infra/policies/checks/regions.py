"""ORR_8: data stays in the allowed regions."""

from __future__ import annotations

import re

from infra.policies import SETTINGS
from infra.policies.base import Policy, ProviderPolicy, Resource, blocks, text

ALLOWED = SETTINGS["regions"]
ARGUMENTS = ("availability_zone", "region", "region_name")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")  # a zone is a region and a letter


def _allowed(*resources: Resource) -> bool | None:
    named = [text(each, argument) for each in resources for argument in ARGUMENTS]
    regions = [found[0] for each in named if (found := _REGION.match(each))]
    return all(each in ALLOWED for each in regions) if regions else None


class ProviderRegion(ProviderPolicy):
    """Where a provider puts everything that it makes."""

    policy = "ORR_8"
    types = ("aws",)

    def keeps(self, resource: Resource) -> bool | None:
        """Judge the provider's region."""
        return _allowed(resource)


class NamedRegion(Policy):
    """Regions and zones that a resource names, for itself or for a replica."""

    policy = "ORR_8"
    types = ("aws_*",)

    def keeps(self, resource: Resource) -> bool | None:
        """Judge each of them."""
        return _allowed(resource, *blocks(resource, "replica"))


CHECKS = (ProviderRegion(), NamedRegion())
