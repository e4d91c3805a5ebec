{# nebula_staging, nebula_core, nebula_marts: the same names in each warehouse. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ target.schema }}{{ '_' ~ custom_schema_name if custom_schema_name else '' }}
{%- endmacro %}

{# What a run writes about histories is the run's own: `history` adds a row for each dimension. #}
{% macro start_of_run() -%}
  create schema if not exists {{ target.schema }}_core;
  create table if not exists {{ target.schema }}_core.versions_written (
    dimension varchar(100), opened bigint, closed bigint, removed bigint
  );
  delete from {{ target.schema }}_core.versions_written;
{%- endmacro %}
