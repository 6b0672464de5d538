CREATE DATABASE kinds;
USE kinds;
CREATE TABLE numbers (
    id INT PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d BIGINT UNSIGNED, e FLOAT, f DOUBLE,
    g DECIMAL(65, 30), h DECIMAL(12, 2) UNSIGNED, i BIT(64), j BIT(3), k YEAR);
INSERT INTO numbers VALUES
    (1, -1, 65535, -8388608, 18446744073709551615, 1.5, -2.25, -12345678901234567890.123456789, 10.25, b'1011', b'101', 2026),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
UPDATE numbers SET a = 7, g = 0 WHERE id = 1;
DELETE FROM numbers WHERE id = 2;
CREATE TABLE times (
    id INT PRIMARY KEY, a DATE, b TIME, c TIME(1), d TIME(3), e TIME(6), f DATETIME, g DATETIME(2), h DATETIME(6), i TIMESTAMP(4) NULL);
INSERT INTO times VALUES
    (1, '2026-02-28', '-838:59:59', '-00:00:00.5', '01:02:03.456', '-12:34:56.789012', '9999-12-31 23:59:59',
     '2026-01-01 00:00:00.25', '2026-01-01 00:00:00.000001', '2026-06-01 12:00:00.1234');
CREATE TABLE texts (
    id INT PRIMARY KEY, a CHAR(20), b VARCHAR(300), c TEXT, d CHAR(8) CHARACTER SET latin1, e VARCHAR(20) CHARACTER SET sjis,
    f VARCHAR(20) CHARACTER SET utf16, g VARCHAR(20) CHARACTER SET gb18030, h BINARY(16), i VARBINARY(20), j MEDIUMBLOB,
    k ENUM('small', 'medium', 'large'), l SET('red', 'green', 'blue'), m CHAR(255) CHARACTER SET utf8mb4,
    n VARCHAR(10) CHARACTER SET ucs2, o VARCHAR(10) CHARACTER SET ujis);
INSERT INTO texts VALUES
    (1, 'plain', 'Größe 日本 🌊', 'a text', 'Grün', '日本', 'Ω🌊', '中文', 'short', x'00FF', REPEAT('b', 40), 'medium', 'red,blue',
     'wide', 'Ж', '日'),
    (2, '', '', '', '', '', '', '', '', '', '', NULL, '', '', '', '');
CREATE TABLE shapes (id INT PRIMARY KEY, g GEOMETRY, p POINT SRID 4326, v VECTOR(3));
INSERT INTO shapes VALUES
    (1, ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))'), ST_SRID(POINT(1, 2), 4326), TO_VECTOR('[1, 2.5, -3]'));
CREATE TABLE documents (id INT PRIMARY KEY, j JSON, k JSON);
INSERT INTO documents VALUES
    (1, '{"a": [1, -70000, 5000000000, 18446744073709551615, 1.5, true, null], "b": {"c": "text", "long": "0123456789"}}',
     JSON_OBJECT('decimal', CAST(1.25 AS DECIMAL(10, 4)), 'date', CAST('2026-02-03' AS DATE), 'time', CAST('01:02:03.5' AS TIME(6)),
                 'moment', CAST('2026-02-03 04:05:06.789' AS DATETIME(6)), 'bytes', x'00FF01')),
    (2, '[[[[[[[["deep"]]]]]]]]', CONCAT('["', REPEAT('long ', 200), '"]'));
SET binlog_row_value_options = PARTIAL_JSON;
UPDATE documents SET j = JSON_SET(j, '$.a[1]', 'new', '$.b.d', JSON_ARRAY(1, 2)) WHERE id = 1;
UPDATE documents SET j = JSON_REMOVE(j, '$.b.c'), k = JSON_REPLACE(k, '$.decimal', 7) WHERE id = 1;
SET binlog_row_image = MINIMAL;
UPDATE documents SET k = JSON_SET(k, '$[0]', 'shorter') WHERE id = 2;
UPDATE numbers SET b = 3, k = NULL WHERE id = 1;
UPDATE texts SET c = 'another text' WHERE id = 1;
DELETE FROM texts WHERE id = 2;
SET binlog_row_image = NOBLOB;
UPDATE texts SET a = 'noblob' WHERE id = 1;
SET binlog_row_image = FULL;
SET binlog_row_value_options = '';
SET binlog_transaction_compression = ON;
BEGIN;
INSERT INTO numbers (id, a) VALUES (10, 1), (11, 2), (12, 3);
UPDATE documents SET j = JSON_SET(j, '$[0]', 1) WHERE id = 2;
INSERT INTO texts (id, a, c) VALUES (10, 'compressed', REPEAT('compress me ', 30));
COMMIT;
DELETE FROM numbers WHERE id >= 10;
SET binlog_transaction_compression = OFF;
SET gtid_next = 'AUTOMATIC:river';
INSERT INTO numbers (id) VALUES (20);
SET gtid_next = 'AUTOMATIC';
BEGIN;
INSERT INTO numbers (id) VALUES (30);
SAVEPOINT a;
INSERT INTO numbers (id) VALUES (31);
RELEASE SAVEPOINT a;
UPDATE numbers, texts SET numbers.a = 1, texts.a = 'both' WHERE numbers.id = texts.id;
COMMIT;
XA START 'one';
INSERT INTO numbers (id) VALUES (40);
XA END 'one';
XA COMMIT 'one' ONE PHASE;
CREATE TABLE parts (id INT NOT NULL, name VARCHAR(20), PRIMARY KEY (id)) PARTITION BY RANGE (id)
    (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, 'one'), (20, 'twenty');
ALTER TABLE parts DROP PARTITION p0;
ALTER TABLE numbers ADD COLUMN z VARCHAR(10) DEFAULT 'z' AFTER a, DROP COLUMN j, RENAME COLUMN k TO year_of, ADD UNIQUE KEY (z, id);
INSERT INTO numbers (id, z) VALUES (50, 'fifty');
CREATE TABLE copies SELECT id, a FROM numbers;
CREATE TABLE likes LIKE texts;
CREATE VIEW seen AS SELECT id FROM numbers;
CREATE INDEX by_a ON numbers (a);
RENAME TABLE copies TO kept, likes TO liked;
TRUNCATE TABLE kept;
DROP VIEW seen;
DROP TABLE kept, liked;
