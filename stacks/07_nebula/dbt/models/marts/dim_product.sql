-- Every product in every version. Type 2: description, category. Type 1: supplier. Type 6: current_category.
{{ config(
    materialized='incremental', incremental_strategy='history', unique_key='product_key', meta={'member': 'stock_code'},
    indexes=indexed(unique='product_key', others=['stock_code'])
) }}

{{ history(
    'stock_code', 'product', ref('product_changes'), ref('product_sightings'), 'description',
    ['description', 'category'], ['supplier'], ['category']
) }}
