-- Whose history this run decided anew: facts of these may belong to another version now.
{{ config(materialized='table') }}

{{ touched_members('stock_code', ref('product_changes'), ref('product_sightings'), ref('dim_product')) }}
