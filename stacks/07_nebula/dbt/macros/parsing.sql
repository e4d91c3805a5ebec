{# Texts of the raw layer into values. An empty text is null; what can't be read is null too, and `unreadable` finds it.
   The pattern decides what a date is, because a cast that fails would end the run: it knows the months and leap years. #}

{% macro cleaned(column) %}nullif(trim({{ column }}), ''){% endmacro %}

{% macro date_pattern() -%}
  20[0-4][0-9]-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|20[0-4][0-9]-(0[469]|11)-(0[1-9]|[12][0-9]|30)|20[0-4][0-9]-02-(0[1-9]|1[0-9]|2[0-8])|20([024][048]|[13][26])-02-29
{%- endmacro %}

{% macro to_date(text) -%}
  case when {{ matches(text, date_pattern()) }} then cast({{ text }} as date) end
{%- endmacro %}

{% macro to_moment(text) -%}
  case when {{ matches(text, '(' ~ date_pattern() ~ ') ([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?') }}
    then cast({{ text }} as timestamp) end
{%- endmacro %}

{# UCI's own files write 12/1/2010 8:26: the same moment as 2010-12-01 08:26. #}
{% macro moment_text(column) -%}
  case when {{ matches(cleaned(column), '[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}') }} then
    split_part(split_part({{ cleaned(column) }}, ' ', 1), '/', 3)
    || '-' || lpad(split_part({{ cleaned(column) }}, '/', 1), 2, '0')
    || '-' || lpad(split_part({{ cleaned(column) }}, '/', 2), 2, '0')
    || ' ' || lpad(split_part({{ cleaned(column) }}, ' ', 2), 5, '0')
  else {{ cleaned(column) }} end
{%- endmacro %}

{% macro to_integer(text) -%}
  case when {{ matches(text, '[-]?[0-9]{1,9}') }} then cast({{ text }} as bigint) end
{%- endmacro %}

{% macro to_amount(text) -%}
  case when {{ matches(text, '[-]?[0-9]{1,7}([.][0-9]{1,6})?') }} then cast({{ text }} as numeric(12, 4)) end
{%- endmacro %}

{# A number of a customer; some programs wrote it as 17850.0. #}
{% macro to_customer(column) -%}
  case when {{ matches(cleaned(column), '[0-9]{1,12}([.]0)?') }} then split_part({{ cleaned(column) }}, '.', 1) end
{%- endmacro %}

{% macro to_flag(column) -%}
  case lower({{ cleaned(column) }}) when 'true' then true when 'false' then false end
{%- endmacro %}

{% macro unreadable(column, value) %}({{ cleaned(column) }} is not null and {{ value }} is null){% endmacro %}

{% macro known(column) %}coalesce({{ cleaned(column) }}, 'unknown'){% endmacro %}

{# Texts that are one text: what is missing differs from what is empty. #}
{% macro together(columns) -%}
  {%- for column in columns %}coalesce(cast({{ column }} as varchar(200)), '~'){{ " || '|' || " if not loop.last }}{% endfor -%}
{%- endmacro %}
