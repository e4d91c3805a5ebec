{# Texts of the raw layer into values. An empty text is null; what can't be read is null too, and `unreadable` finds it.
   The pattern decides what a number is, not the warehouse: one of them reads NaN, another one 1.0 as an integer. #}

{% macro cleaned(column) %}nullif(trim({{ column }}), ''){% endmacro %}

{% macro number_pattern() %}[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?{% endmacro %}

{% macro to_number(column) -%}
  case when {{ matches(cleaned(column), number_pattern()) }}
    then {{ attempt(cleaned(column), float_type()) }} end
{%- endmacro %}

{% macro to_integer(column) -%}
  case when {{ matches(cleaned(column), '[-]?[0-9]{1,18}') }} then {{ attempt(cleaned(column), 'bigint') }} end
{%- endmacro %}

{% macro to_date(column) -%}
  case when {{ matches(cleaned(column), '[12][0-9]{3}-[01][0-9]-[0-3][0-9]') }}
    then {{ attempt(cleaned(column), 'date') }} end
{%- endmacro %}

{% macro unreadable(column, value) -%}
  ({{ cleaned(column) }} is not null and {{ value }} is null)
{%- endmacro %}

{# All that a record says, as one text: two records with the same one say the same. #}
{% macro facts(columns) -%}
  concat({% for column in columns %}coalesce(trim({{ column }}), ''){{ ", '|', " if not loop.last }}{% endfor %})
{%- endmacro %}

{# The contracts' form of a number: what floating-point arithmetic may differ in is rounded away. A value that is taken
   over keeps all digits of its source: with fewer, ties like 0.0825021250 are rounded up here and down there. #}
{% macro rounded(expression, digits=6) -%}
  cast(round(cast({{ expression }} as {{ float_type() }}), {{ digits }}) as {{ float_type() }})
{%- endmacro %}
{% macro integer(expression) %}cast({{ expression }} as bigint){% endmacro %}

{# Diameter in km of a body with an absolute magnitude and an albedo (Pravec and Harris 2007). #}
{% macro diameter_km(magnitude, albedo) -%}
  (cast(1329 as {{ float_type() }}) / sqrt({{ albedo }}) * pow(cast(10 as {{ float_type() }}), -({{ magnitude }}) / 5))
{%- endmacro %}
