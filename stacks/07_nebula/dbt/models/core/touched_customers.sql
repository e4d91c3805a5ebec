-- Whose history this run decided anew: facts of these may belong to another version now.
{{ config(materialized='table') }}

{{ touched_members('customer_id', ref('customer_changes'), ref('customer_sightings'), ref('dim_customer')) }}
