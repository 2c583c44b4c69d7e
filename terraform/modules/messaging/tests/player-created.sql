SELECT
  JSON_VALUE(attributes, '$."ce-id"') AS event_id,
  JSON_VALUE(attributes, '$."ce-source"') AS source,
  JSON_VALUE(attributes, '$."ce-subject"') AS subject,
  SAFE_CAST(JSON_VALUE(attributes, '$."ce-aggregateversion"') AS INT64) AS version,
  SAFE_CAST(JSON_VALUE(attributes, '$."ce-time"') AS TIMESTAMP) AS occurred_at,
  JSON_VALUE(data, '$.displayName') AS `display_name`,
  JSON_VALUE(data, '$.playerId') AS `player_id`,
  publish_time AS published_at
FROM `perigee-test.perigee_events.events`
WHERE JSON_VALUE(attributes, '$."ce-type"') = 'perigee.player.created.v1'
