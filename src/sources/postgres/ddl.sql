CREATE OR REPLACE FUNCTION {function}() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $slackwater$
DECLARE
  relations oid[];
  tables json;
  types json;
  dropped json;
  created text;
  is_keyless boolean;
  is_unpublished boolean;
BEGIN
  IF TG_EVENT = 'sql_drop' THEN
    SELECT json_agg(json_build_object('oid', d.objid::bigint, 'schema', d.schema_name, 'name', d.object_name,
             'kind', d.object_type))
      INTO dropped
      FROM pg_event_trigger_dropped_objects() d
     WHERE d.object_type = 'table' AND NOT d.is_temporary;
  ELSE
    -- Tables themselves, those of indexes, and those with columns of a changed type; no partitions, nothing temporary.
    SELECT array_agg(DISTINCT c.oid) INTO relations
      FROM pg_class c
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition
       AND EXISTS (
         SELECT FROM pg_event_trigger_ddl_commands() e
          WHERE NOT e.in_extension AND (
            (e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid)
            OR EXISTS (SELECT FROM pg_index i WHERE e.classid = 'pg_catalog.pg_class'::regclass
                         AND i.indexrelid = e.objid AND i.indrelid = c.oid)
            OR EXISTS (SELECT FROM pg_attribute a WHERE e.classid = 'pg_catalog.pg_type'::regclass
                         AND a.attrelid = c.oid AND a.atttypid = e.objid AND NOT a.attisdropped)));
  END IF;
  IF relations IS NULL AND dropped IS NULL THEN
    RETURN;
  END IF;
  IF TG_TAG = 'CREATE TABLE' THEN
    -- Published from its first row on. Without a replica identity the server would then refuse its updates.
    FOR created, is_keyless, is_unpublished IN
      SELECT format('%I.%I', n.nspname, c.relname),
             NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
             NOT EXISTS (SELECT FROM pg_publication_tables p WHERE p.pubname = {publication}
                           AND p.schemaname = n.nspname AND p.tablename = c.relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = ANY (relations) AND c.relpersistence = 'p' AND {carried}
         AND EXISTS (SELECT FROM pg_publication p WHERE p.pubname = {publication})
    LOOP
      IF is_keyless THEN
        EXECUTE 'ALTER TABLE ' || created || ' REPLICA IDENTITY FULL';
      END IF;
      IF is_unpublished THEN
        EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s', {publication}, created);
      END IF;
    END LOOP;
  END IF;
  SELECT json_agg(json_build_object(
           'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'replica_identity', c.relreplident,
           'columns', coalesce((
             SELECT json_agg(json_build_object(
                      'name', a.attname, 'attnum', a.attnum, 'type_oid', a.atttypid::bigint, 'typmod', a.atttypmod,
                      'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
                      'default', pg_get_expr(d.adbin, d.adrelid), 'generated', nullif({generated}::text, ''),
                      'identity', nullif(a.attidentity::text, '')) ORDER BY a.attnum)
               FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
           'primary_key', coalesce((
             SELECT to_json((i.indkey::int2[])[0:{key_columns} - 1])
               FROM pg_index i WHERE i.indrelid = c.oid AND {names_rows}), '[]'),
           'unique', coalesce((
             SELECT json_agg(json_build_object(
                      'name', x.relname, 'columns', (i.indkey::int2[])[0:{key_columns} - 1],
                      'partial', i.indpred IS NOT NULL OR NOT i.indisvalid OR 0 = ANY (i.indkey::int2[]))
                      ORDER BY x.relname)
               FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
              WHERE i.indrelid = c.oid AND i.indisunique AND NOT {names_rows}), '[]')))
    INTO tables
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = ANY (relations);
  WITH RECURSIVE used (oid) AS (
    SELECT a.atttypid FROM pg_attribute a
     WHERE a.attrelid = ANY (relations) AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT part.oid
      FROM used JOIN pg_type t ON t.oid = used.oid
      CROSS JOIN LATERAL (
        SELECT t.typelem UNION ALL SELECT t.typbasetype
        UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
        UNION ALL SELECT a.atttypid FROM pg_attribute a
          WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) part (oid)
     WHERE part.oid <> 0)
  SELECT json_agg(json_build_object('oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'kind',
           CASE
             WHEN t.typtype = 'e' THEN json_build_object('enum', (
               SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid))
             WHEN t.typtype = 'd' THEN json_build_object('domain',
               json_build_object('base', t.typbasetype::bigint, 'typmod', t.typtypmod))
             WHEN t.typtype = 'c' THEN json_build_object('composite', coalesce((
               SELECT json_agg(json_build_object('name', a.attname, 'type_oid', a.atttypid::bigint,
                        'typmod', a.atttypmod) ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))
             WHEN t.typtype = 'r' THEN json_build_object('range', json_build_object('subtype', (
               SELECT r.rngsubtype::bigint FROM pg_range r WHERE r.rngtypid = t.oid)))
             WHEN t.typelem <> 0 AND t.typcategory = 'A' THEN json_build_object('array',
               json_build_object('element', t.typelem::bigint))
             ELSE to_json('base'::text)
           END))
    INTO types
    FROM used JOIN pg_type t ON t.oid = used.oid JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE t.oid >= 16384 AND t.typtype <> 'm';
  PERFORM pg_logical_emit_message(true, 'slackwater:ddl', json_build_object(
    'tag', TG_TAG, 'statement', left(current_query(), 65536), 'tables', coalesce(tables, '[]'),
    'types', coalesce(types, '[]'), 'dropped', coalesce(dropped, '[]'))::text);
END
$slackwater$;
