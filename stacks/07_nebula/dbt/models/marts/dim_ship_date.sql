-- dim_date in the role of the day on which an order was shipped.
{{ config(materialized='view') }}

select
    date_key as ship_date_key,
    full_date as ship_date,
    year_number as ship_year,
    quarter_number as ship_quarter,
    month_number as ship_month,
    day_of_week as ship_day_of_week,
    iso_week as ship_iso_week,
    is_weekend as ship_is_weekend
from {{ ref('dim_date') }}
