-- Each partition of the partitioned tables: which time it is for, what it holds, and what becomes of it. Rows are the
-- database's estimate; from_time is the start of the day the partition is named for. Raw rows of every kind are kept as long as api_logs.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_partitions AS
SELECT p.table_name, p.partition_name, p.position, p.row_estimate, p.bytes, p.from_time, p.to_time,
       TIMESTAMP('1970-01-01') + INTERVAL r.kept_from_s SECOND AS kept_from,
       CASE WHEN p.partition_name = 'p_past' THEN 'past'
            WHEN p.partition_name = 'p_future' THEN 'catch-all'
            WHEN p.to_time <= TIMESTAMP('1970-01-01') + INTERVAL r.kept_from_s SECOND THEN 'expired'
            WHEN p.from_time > UTC_TIMESTAMP() THEN 'ahead'
            ELSE 'kept' END AS state
FROM (
  SELECT TABLE_NAME AS table_name, PARTITION_NAME AS partition_name, PARTITION_ORDINAL_POSITION AS position,
         TABLE_ROWS AS row_estimate, DATA_LENGTH + INDEX_LENGTH AS bytes,
         CASE WHEN PARTITION_NAME IN ('p_past', 'p_future') THEN NULL ELSE STR_TO_DATE(SUBSTRING(PARTITION_NAME, 2), '%Y%m%d') END AS from_time,
         CASE WHEN PARTITION_DESCRIPTION = 'MAXVALUE' THEN NULL
              WHEN PARTITION_METHOD = 'RANGE' THEN TIMESTAMP('1970-01-01') + INTERVAL CAST(PARTITION_DESCRIPTION AS UNSIGNED) SECOND
              ELSE TIMESTAMP(REPLACE(PARTITION_DESCRIPTION, '''', '')) END AS to_time,
         CONVERT(CASE WHEN PARTITION_METHOD = 'RANGE COLUMNS' THEN 'api_logs' ELSE SUBSTRING_INDEX(TABLE_NAME, '_', -1) END USING ascii) COLLATE ascii_bin AS kept_as
    FROM information_schema.PARTITIONS
   WHERE TABLE_SCHEMA = DATABASE() AND PARTITION_METHOD LIKE 'RANGE%'
) AS p
LEFT JOIN retention AS r ON r.name = p.kept_as
