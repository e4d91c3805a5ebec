{% test between(model, column_name, low, high) %}
select {{ column_name }} from {{ model }} where {{ column_name }} < {{ low }} or {{ column_name }} > {{ high }}
{% endtest %}

{% test unique_together(model, columns) %}
select {{ columns | join(', ') }} from {{ model }} group by {{ columns | join(', ') }} having count(*) > 1
{% endtest %}

{# Each member's versions cover all time: the first begins with it, each ends where the next begins, the last is open. #}
{% test covers_all_time(model, member) %}
select {{ member }}, valid_from, valid_to
from (
    select
        {{ member }}, valid_from, valid_to,
        lag(valid_to) over (partition by {{ member }} order by valid_from) as previous_end,
        lead(valid_from) over (partition by {{ member }} order by valid_from) as next_begin
    from {{ model }}
) as versions
where valid_from >= valid_to
    or coalesce(previous_end, cast('1900-01-01' as timestamp)) <> valid_from
    or coalesce(next_begin, cast('9999-12-31' as timestamp)) <> valid_to
{% endtest %}
