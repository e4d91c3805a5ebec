{# orbit_staging, orbit_core, orbit_marts: the same names in each warehouse. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ target.schema }}{{ '_' ~ custom_schema_name if custom_schema_name else '' }}
{%- endmacro %}
