-- dim_date in the role of the day on which an order was placed.
{{ config(materialized='view') }}

select
    date_key as order_date_key,
    full_date as order_date,
    year_number as order_year,
    quarter_number as order_quarter,
    month_number as order_month,
    day_of_week as order_day_of_week,
    iso_week as order_iso_week,
    is_weekend as order_is_weekend
from {{ ref('dim_date') }}
