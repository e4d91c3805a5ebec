-- Both layers, and what is served of them. Times are the events' own; sums are of integers, so they are exact.

-- The speed layer. A generation is a checkpoint: a stream that begins anew counts its batches from 0 again.
CREATE TABLE quasar.speed_generations (
    generation integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    checkpoint_id uuid NOT NULL UNIQUE,
    started_at timestamptz NOT NULL DEFAULT now()
);

-- Which messages a micro-batch took, and before which time its events were too late for it.
CREATE TABLE quasar.speed_batches (
    generation integer NOT NULL REFERENCES quasar.speed_generations,
    batch_id bigint NOT NULL,
    starts jsonb NOT NULL,            -- partition → first offset
    ends jsonb NOT NULL,              -- partition → offset after the last one
    late_before timestamptz NOT NULL, -- what happened then or earlier was dropped
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (generation, batch_id)
);

CREATE TABLE quasar.speed_windows (
    window_start timestamptz NOT NULL,
    kind text NOT NULL,
    events bigint NOT NULL,
    temperature_sum bigint NOT NULL,
    temperature_min bigint NOT NULL,
    temperature_max bigint NOT NULL,
    voltage_sum bigint NOT NULL,
    voltage_min bigint NOT NULL,
    voltage_max bigint NOT NULL,
    generation integer NOT NULL REFERENCES quasar.speed_generations,
    batch_id bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (window_start, kind)
);

-- The batch layer: the days as they were worked out last.
CREATE TABLE quasar.batch_days (
    day date PRIMARY KEY,
    messages bigint NOT NULL,         -- loaded + duplicates
    loaded bigint NOT NULL,
    duplicates bigint NOT NULL,
    speed_ends jsonb NOT NULL,        -- the speed layer's offsets that it was compared with; {} where there were none
    late_before timestamptz,          -- what happened then or earlier comes too late for the speed layer from there on
    computed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (messages = loaded + duplicates)
);

CREATE TABLE quasar.batch_windows (
    day date NOT NULL REFERENCES quasar.batch_days,
    window_start timestamptz NOT NULL,
    kind text NOT NULL,
    events bigint NOT NULL,
    temperature_sum bigint NOT NULL,
    temperature_min bigint NOT NULL,
    temperature_max bigint NOT NULL,
    voltage_sum bigint NOT NULL,
    voltage_min bigint NOT NULL,
    voltage_max bigint NOT NULL,
    duplicates bigint NOT NULL,
    late bigint NOT NULL,             -- of the events: those that came too late for the speed layer
    late_temperature_sum bigint NOT NULL,
    late_voltage_sum bigint NOT NULL,
    pending bigint NOT NULL,          -- of the events: those that the speed layer had not read yet
    PRIMARY KEY (window_start, kind)
);
CREATE INDEX batch_windows_by_day ON quasar.batch_windows (day);

-- What could not be used, by the day on which it arrived.
CREATE TABLE quasar.batch_malformed (
    day date NOT NULL,
    reason text NOT NULL,
    messages bigint NOT NULL,
    PRIMARY KEY (day, reason)
);

-- Which manifests of the archive were taken, and which files they name: a day is made from all of its files.
CREATE TABLE quasar.batch_manifests (
    manifest text PRIMARY KEY,
    starts jsonb NOT NULL,            -- partition → its first offset
    ends jsonb NOT NULL,              -- partition → offset after the last message in it
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE quasar.batch_files (
    file text PRIMARY KEY,
    manifest text NOT NULL REFERENCES quasar.batch_manifests,
    verdict text NOT NULL,
    day date NOT NULL
);
CREATE INDEX batch_files_by_day ON quasar.batch_files (verdict, day);

-- Speed against batch, window by window, and why they differ.
CREATE TABLE quasar.reconciliation (
    window_start timestamptz NOT NULL,
    kind text NOT NULL,
    settled boolean NOT NULL,         -- whether both had read the same messages
    speed_events bigint NOT NULL,
    batch_events bigint NOT NULL,
    difference bigint NOT NULL,       -- batch - speed = late + unexplained
    late bigint NOT NULL,
    unexplained bigint NOT NULL,
    temperature_difference bigint NOT NULL,
    voltage_difference bigint NOT NULL,
    temperature_unexplained bigint NOT NULL,
    voltage_unexplained bigint NOT NULL,
    duplicates bigint NOT NULL,       -- copies that neither layer counts
    reconciled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (window_start, kind),
    CHECK (difference = batch_events - speed_events),
    CHECK (difference = late + unexplained)
);

-- One minute, of the layer that knows more. Neither counts an event twice, so the one with more events is the more
-- complete one: batch once it has seen what speed saw, with what came late; speed for what no night has worked out yet.
CREATE VIEW quasar.minutes AS
SELECT
    window_start,
    kind,
    CASE WHEN b.events >= coalesce(s.events, 0) THEN 'batch' ELSE 'speed' END AS layer,
    CASE WHEN b.events >= coalesce(s.events, 0) THEN b.events ELSE s.events END AS events,
    CASE WHEN b.events >= coalesce(s.events, 0) THEN b.temperature_sum ELSE s.temperature_sum END AS temperature_sum,
    CASE WHEN b.events >= coalesce(s.events, 0) THEN b.temperature_min ELSE s.temperature_min END AS temperature_min,
    CASE WHEN b.events >= coalesce(s.events, 0) THEN b.temperature_max ELSE s.temperature_max END AS temperature_max,
    CASE WHEN b.events >= coalesce(s.events, 0) THEN b.voltage_sum ELSE s.voltage_sum END AS voltage_sum,
    CASE WHEN b.events >= coalesce(s.events, 0) THEN b.voltage_min ELSE s.voltage_min END AS voltage_min,
    CASE WHEN b.events >= coalesce(s.events, 0) THEN b.voltage_max ELSE s.voltage_max END AS voltage_max
FROM quasar.batch_windows b
FULL JOIN quasar.speed_windows s USING (window_start, kind);

-- What users ask: tumbling windows of a minute, and windows of five minutes that begin each minute. Those are sums of
-- minutes, which is exact, and five times less work than to keep them in the stream.
CREATE VIEW quasar.windows AS
SELECT
    1 AS minutes,
    window_start,
    window_start + interval '1 minute' AS window_end,
    kind,
    layer,
    events,
    temperature_sum::numeric AS temperature_sum,
    temperature_min,
    temperature_max,
    voltage_sum::numeric AS voltage_sum,
    voltage_min,
    voltage_max
FROM quasar.minutes
UNION ALL
SELECT
    5,
    m.window_start - back.minutes,
    m.window_start - back.minutes + interval '5 minutes',
    kind,
    CASE WHEN min(layer) = max(layer) THEN min(layer) ELSE 'both' END,
    sum(events)::bigint,
    sum(temperature_sum),
    min(temperature_min),
    max(temperature_max),
    sum(voltage_sum),
    min(voltage_min),
    max(voltage_max)
FROM quasar.minutes m
CROSS JOIN (SELECT n * interval '1 minute' AS minutes FROM generate_series(0, 4) AS n) AS back
GROUP BY m.window_start - back.minutes, kind;
