-- Every customer in every version. Type 2: country, city, segment. Type 1: name, email. Type 6: current_segment.
{{ config(
    materialized='incremental', incremental_strategy='history', unique_key='customer_key', meta={'member': 'customer_id'},
    indexes=indexed(unique='customer_key', others=['customer_id'])
) }}

{{ history(
    'customer_id', 'customer', ref('customer_changes'), ref('customer_sightings'), 'country',
    ['country', 'city', 'segment'], ['name', 'email'], ['segment']
) }}
