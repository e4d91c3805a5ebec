-- One row for each order, brought up to date as it passes its milestones. Of several reports of one milestone the
-- earliest counts, so it does not matter in which order they come.
-- What only a later run asks for, dbt does not see by itself:
-- depends_on: {{ ref('touched_customers') }}
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='order_no',
    indexes=indexed(unique='order_no', others=['customer_durable_key'])
) }}

{%- set milestones = ['placed', 'paid', 'picked', 'shipped', 'delivered', 'returned'] %}

with
{% if is_incremental() %}
wanted as (
    select order_no from {{ ref('order_events') }} where batch_id in {{ pending() }}
    union
    select order_no from {{ this }}
    where customer_durable_key in (select {{ key_of('customer_id') }} from {{ ref('touched_customers') }})
),
{% endif %}

orders as (
    select
        told.order_no,
        max(told.customer_id) as customer_id,
        min(told.event_at) as first_at
        {% for event in milestones %}
        , min(case when told.event = '{{ event }}' then told.event_at end) as {{ event }}_at
        {% endfor %}
    from {{ ref('order_events') }} as told
    {% if is_incremental() %} inner join wanted on told.order_no = wanted.order_no {% endif %}
    group by told.order_no
),

keyed as (
    select
        orders.order_no,
        coalesce(customers.customer_key, -1) as customer_key,
        coalesce(customers.customer_durable_key, -1) as customer_durable_key
        {% for event in milestones %}
        , cast(coalesce(extract(year from {{ event }}_at) * 10000 + extract(month from {{ event }}_at) * 100
            + extract(day from {{ event }}_at), -1) as integer) as {{ event }}_date_key
        {% endfor %}
        , case
            {% for event in milestones | reverse %}
            when {{ event }}_at is not null then '{{ event }}'
            {% endfor %}
        end as status
        , {{ hours_between('placed_at', 'paid_at') }} as hours_to_pay
        , {{ hours_between('placed_at', 'shipped_at') }} as hours_to_ship
        , {{ hours_between('placed_at', 'delivered_at') }} as hours_to_deliver
    from orders
    left join {{ ref('dim_customer') }} as customers
        on orders.customer_id = customers.customer_id
        and coalesce(orders.placed_at, orders.first_at) >= customers.valid_from
        and coalesce(orders.placed_at, orders.first_at) < customers.valid_to
)

{{ only_changed('keyed', 'order_no', ['customer_key', 'placed_date_key', 'paid_date_key', 'picked_date_key',
    'shipped_date_key', 'delivered_date_key', 'returned_date_key', 'hours_to_pay', 'hours_to_ship', 'hours_to_deliver']) }}
