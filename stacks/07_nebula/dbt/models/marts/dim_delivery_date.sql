-- dim_date in the role of the day on which an order was delivered.
{{ config(materialized='view') }}

select
    date_key as delivery_date_key,
    full_date as delivery_date,
    year_number as delivery_year,
    quarter_number as delivery_quarter,
    month_number as delivery_month,
    day_of_week as delivery_day_of_week,
    iso_week as delivery_iso_week,
    is_weekend as delivery_is_weekend
from {{ ref('dim_date') }}
