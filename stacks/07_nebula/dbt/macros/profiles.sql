{# What the junk dimension and the fact must agree on: the kinds of lines, and the key of a combination of marks. #}
{% macro line_kinds() %}
  {{ return(['product', 'postage', 'discount', 'gift voucher', 'fee', 'manual', 'sample']) }}
{% endmacro %}

{# UCI's stock codes of what is no product: POST and DOT (carriage), D, M, S, C2, AMAZONFEE, BANK CHARGES, GIFT_0001_40. #}
{% macro line_kind_place(stock_code) -%}
  case
    when {{ stock_code }} in ('POST', 'DOT', 'C2') then 1
    when {{ stock_code }} = 'D' then 2
    when {{ stock_code }} like 'GIFT%' then 3
    when {{ stock_code }} in ('AMAZONFEE', 'BANK CHARGES', 'CRUK', 'B') then 4
    when {{ stock_code }} = 'M' then 5
    when {{ stock_code }} = 'S' then 6
    else 0
  end
{%- endmacro %}

{% macro line_profile_key(is_cancellation, is_return, is_free, is_anonymous, place) -%}
  cast(
    {{ place }} * 16
    + case when {{ is_cancellation }} then 1 else 0 end
    + case when {{ is_return }} then 2 else 0 end
    + case when {{ is_free }} then 4 else 0 end
    + case when {{ is_anonymous }} then 8 else 0 end
  as integer)
{%- endmacro %}
