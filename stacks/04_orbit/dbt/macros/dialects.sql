{# All that differs between DuckDB, Snowflake and BigQuery. Models call these, and use no other dialect. #}

{% macro float_type() %}{{ return(adapter.dispatch('float_type')()) }}{% endmacro %}
{% macro default__float_type() %}{{ return('double') }}{% endmacro %}
{% macro bigquery__float_type() %}{{ return('float64') }}{% endmacro %}

{% macro text_type() %}{{ return(adapter.dispatch('text_type')()) }}{% endmacro %}
{% macro default__text_type() %}{{ return('varchar') }}{% endmacro %}
{% macro bigquery__text_type() %}{{ return('string') }}{% endmacro %}

{# A cast that gives null where it can't be done; only texts go in, because Snowflake takes nothing else. #}
{% macro attempt(text, type) %}{{ return(adapter.dispatch('attempt')(text, type)) }}{% endmacro %}
{% macro default__attempt(text, type) %}try_cast({{ text }} as {{ type }}){% endmacro %}
{% macro bigquery__attempt(text, type) %}safe_cast({{ text }} as {{ type }}){% endmacro %}

{# The whole text must match. Patterns have no backslash: Snowflake and BigQuery read those differently. #}
{% macro matches(text, pattern) %}{{ return(adapter.dispatch('matches')(text, pattern)) }}{% endmacro %}
{% macro default__matches(text, pattern) %}regexp_like({{ text }}, '{{ pattern }}'){% endmacro %}
{% macro duckdb__matches(text, pattern) %}regexp_full_match({{ text }}, '{{ pattern }}'){% endmacro %}
{% macro bigquery__matches(text, pattern) %}regexp_contains({{ text }}, r'^(?:{{ pattern }})$'){% endmacro %}

{% macro days_between(first, last) %}{{ return(adapter.dispatch('days_between')(first, last)) }}{% endmacro %}
{% macro default__days_between(first, last) %}datediff('day', {{ first }}, {{ last }}){% endmacro %}
{% macro bigquery__days_between(first, last) %}date_diff({{ last }}, {{ first }}, day){% endmacro %}
