-- The quarantine: every record that can't be used, where it stands, and why. A view: it is looked at rarely.
{{ config(materialized='view') }}

select 'small_bodies' as source_table, file_name, line_number, reject_reason, loaded_at
from {{ ref('stg_small_bodies') }} where reject_reason is not null
union all
select 'approaches' as source_table, file_name, line_number, reject_reason, loaded_at
from {{ ref('stg_approaches') }} where reject_reason is not null
