"""What must come of the slots that were sent, by the plan alone: nothing of the readers' code is used here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from quasar.generate import DAY_MS, MINUTE_MS, Plan, slot

Window = tuple[int, str]
"""When a minute begins, in milliseconds since 1970, and the devices' kind."""
Values = tuple[int, int, int, int, int, int, int]
"""Events; sum, least and greatest temperature in millionths of a degree; the same of voltage in microvolts."""


@dataclass
class Truth:
    """What was sent: ``sent = loaded + duplicates + malformed``."""

    sent: int = 0
    loaded: int = 0
    duplicates: int = 0
    malformed: Counter[str] = field(default_factory=Counter)
    windows: dict[Window, Values] = field(default_factory=dict)

    @property
    def days(self) -> set[int]:
        """Return the days of the events, counted since 1970."""
        return {start // DAY_MS for start, _ in self.windows}


def truth(plan: Plan, sent: int) -> Truth:
    """Return what must come of the first slots.

    Parameters
    ----------
    plan : Plan
    sent : int
        How many slots were acknowledged.
    """
    found = Truth(sent=sent)
    for number in range(sent):
        held = slot(plan, number)
        if held.event is None:
            found.malformed[str(held.reason)] += 1
        elif held.copy_of is not None:
            found.duplicates += 1
        else:
            found.loaded += 1
            event = held.event
            window = (event.event_time // MINUTE_MS * MINUTE_MS, event.kind)
            t, v = event.temperature, event.voltage
            count, tsum, tmin, tmax, vsum, vmin, vmax = found.windows.get(window, (0, 0, t, t, 0, v, v))
            found.windows[window] = (
                count + 1,
                tsum + t,
                min(tmin, t),
                max(tmax, t),
                vsum + v,
                min(vmin, v),
                max(vmax, v),
            )
    return found
