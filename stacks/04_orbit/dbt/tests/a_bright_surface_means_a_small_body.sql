select spkid from {{ ref('size_estimates') }} where diameter_low_km >= diameter_high_km
