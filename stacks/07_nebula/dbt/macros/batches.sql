{# A batch is pending until everything is built from it; the pipeline says when. #}
{% macro pending() %}(select batch_id from {{ source('nebula_raw', 'batches') }} where built_at is null){% endmacro %}

{# For the typed records: those of pending batches, which replace what a killed run may have left of them. #}
{% macro usable_of_pending() -%}
  where reject_reason is null {% if is_incremental() %} and batch_id in {{ pending() }}{% endif %}
{%- endmacro %}
{% macro forget_pending() -%}
  {% if is_incremental() %}delete from {{ this }} where batch_id in {{ pending() }}{% else %}select 1{% endif %}
{%- endmacro %}

{% macro differs(a, b) %}({{ a }} <> {{ b }} or ({{ a }} is null) <> ({{ b }} is null)){% endmacro %}

{# Of recomputed rows those that are new, or not as they stand: a run writes what changed and nothing else. #}
{% macro only_changed(rows, key, columns) -%}
  select {{ rows }}.*
  from {{ rows }}
  {% if is_incremental() %}
  left join {{ this }} as standing on {{ rows }}.{{ key }} = standing.{{ key }}
  where standing.{{ key }} is null
    {% for column in columns %}
    or {{ differs(rows ~ '.' ~ column, 'standing.' ~ column) }}
    {% endfor %}
  {% endif %}
{%- endmacro %}
