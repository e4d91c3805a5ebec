-- The junk dimension: all combinations of a line's small marks, each with a key that is computed from them.
with marks as (select false as mark union all select true),

kinds as (
    {% for kind in line_kinds() %}
    select {{ loop.index0 }} as place, '{{ kind }}' as line_kind {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    {{ line_profile_key('cancelled.mark', 'returned.mark', 'gratis.mark', 'anonymous.mark', 'kinds.place') }}
        as line_profile_key,
    cancelled.mark as is_cancellation,
    returned.mark as is_return,
    gratis.mark as is_free,
    anonymous.mark as is_anonymous,
    kinds.line_kind
from kinds
cross join marks as cancelled
cross join marks as returned
cross join marks as gratis
cross join marks as anonymous
