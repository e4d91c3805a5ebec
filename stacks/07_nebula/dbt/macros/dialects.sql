{# All that differs between DuckDB, PostgreSQL and Redshift. Models call these, and use no other dialect. #}

{# The whole text must match. Patterns have no backslash, and only groups that all three know. #}
{% macro matches(text, pattern) %}{{ return(adapter.dispatch('matches')(text, pattern)) }}{% endmacro %}
{% macro default__matches(text, pattern) %}{{ text }} ~ '^({{ pattern }})$'{% endmacro %}
{% macro duckdb__matches(text, pattern) %}regexp_full_match({{ text }}, '{{ pattern }}'){% endmacro %}

{# Sixty bits of a text's MD5 as a number: the same key for the same text, in each warehouse and in any order. #}
{% macro key_of(text) %}{{ return(adapter.dispatch('key_of')(text)) }}{% endmacro %}
{% macro default__key_of(text) %}cast(cast(('x' || '0' || substr(md5({{ text }}), 1, 15)) as bit(64)) as bigint){% endmacro %}
{% macro duckdb__key_of(text) %}cast(('0x' || substr(md5({{ text }}), 1, 15)) as bigint){% endmacro %}
{% macro redshift__key_of(text) %}strtol(substring(md5({{ text }}), 1, 15), 16){% endmacro %}

{% macro hours_between(first, last) %}{{ return(adapter.dispatch('hours_between')(first, last)) }}{% endmacro %}
{% macro default__hours_between(first, last) -%}
  cast(round(cast(extract(epoch from ({{ last }} - {{ first }})) as numeric(18, 4)) / 3600, 2) as numeric(12, 2))
{%- endmacro %}
{% macro redshift__hours_between(first, last) -%}
  cast(round(cast(datediff(second, {{ first }}, {{ last }}) as numeric(18, 4)) / 3600, 2) as numeric(12, 2))
{%- endmacro %}

{# Indexes where a model's rows are looked up by key. DuckDB scans, and would refuse a key that one transaction deletes and
   inserts again; Redshift has none. #}
{% macro indexed(others, unique=none) -%}
  {%- set made = [] %}
  {%- if target.type == 'postgres' %}
    {%- if unique %}{% do made.append({'columns': [unique], 'unique': true}) %}{% endif %}
    {%- for column in others %}{% do made.append({'columns': [column]}) %}{% endfor %}
  {%- endif %}
  {{- return(made) }}
{%- endmacro %}
