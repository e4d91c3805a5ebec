-- Each approach with its types; the moment in milliseconds makes it one with the body.
with typed as (
    select
        {{ cleaned('neo_reference_id') }} as spkid,
        {{ to_date('close_approach_date') }} as approach_date,
        {{ to_integer('epoch_date_close_approach') }} as approach_epoch_ms,
        {{ to_number('velocity_km_s') }} as velocity_km_s,
        {{ to_number('miss_distance_au') }} as miss_distance_au,
        {{ cleaned('orbiting_body') }} as orbiting_body,
        {{ facts(['neo_reference_id', 'close_approach_date', 'epoch_date_close_approach', 'velocity_km_s',
            'miss_distance_au', 'orbiting_body']) }} as facts,
        _file as file_name,
        {{ to_integer('_line') }} as line_number,
        {{ attempt('_loaded_at', 'timestamp') }} as loaded_at
    from {{ source('orbit_raw', 'approaches') }}
)

select
    *,
    concat(spkid, '-', cast(approach_epoch_ms as {{ text_type() }})) as approach_id,
    case
        when spkid is null then 'no_spkid'
        when approach_date is null or approach_epoch_ms is null then 'bad_date'
        when miss_distance_au is null or miss_distance_au <= 0 then 'bad_distance'
        when velocity_km_s is null or velocity_km_s <= 0 then 'bad_velocity'
        when orbiting_body is null or orbiting_body <> 'Earth' then 'not_of_earth'
    end as reject_reason
from typed
