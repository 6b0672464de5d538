CREATE DATABASE kinds;
USE kinds;
CREATE TABLE numbers (id INT PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c DECIMAL(20, 5), d DOUBLE, e BIT(10), f TIME(3), g DATETIME(6), h TIMESTAMP NULL);
INSERT INTO numbers VALUES (1, -1, 65535, -1234.5, 1.5, b'11', '-01:02:03.456', '2026-02-03 04:05:06.789012', '2026-02-03 04:05:06'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
UPDATE numbers SET a = a + 1;
DELETE FROM numbers WHERE id = 2;
CREATE TABLE texts (
    id INT PRIMARY KEY, a VARCHAR(400) COMPRESSED, b TEXT COMPRESSED, c BLOB COMPRESSED, d VARCHAR(100) COMPRESSED CHARACTER SET latin1,
    e UUID, f INET6, g INET4, h JSON, i ENUM('a', 'b'), j SET('x', 'y'), k VECTOR(2) NOT NULL);
INSERT INTO texts VALUES
    (1, REPEAT('river ', 60), REPEAT('water ', 100), REPEAT('x', 500), REPEAT('Grün ', 20), '123e4567-e89b-12d3-a456-426655440000', '2001:db8::1',
     '10.0.0.1', '{"a": 1}', 'b', 'x,y', VEC_FromText('[1, 2]')),
    (2, 'short', 'short', 'short', 'short', '0190163d-8694-739b-aea5-966c26f8ad91', '::', '0.0.0.0', '[]', 'a', '', VEC_FromText('[3, 4]'));
UPDATE texts SET b = CONCAT(b, 'more water ') WHERE id = 1;
DELETE FROM texts WHERE id = 2;
SET binlog_row_image = MINIMAL;
UPDATE texts SET a = 'changed' WHERE id = 1;
SET binlog_row_image = NOBLOB;
UPDATE texts SET i = 'a' WHERE id = 1;
SET binlog_row_image = FULL;
BEGIN;
INSERT INTO numbers (id) VALUES (10), (11), (12);
SAVEPOINT a;
INSERT INTO texts (id, a, k) VALUES (10, REPEAT('more ', 50), VEC_FromText('[5, 6]'));
COMMIT;
ALTER TABLE numbers ADD COLUMN z VARCHAR(10) DEFAULT 'z' AFTER a;
INSERT INTO numbers (id, z) VALUES (50, 'fifty');
CREATE OR REPLACE TABLE copies AS SELECT id, a FROM numbers;
CREATE SEQUENCE counter;
SELECT NEXTVAL(counter);
TRUNCATE TABLE copies;
RENAME TABLE copies TO kept;
DROP TABLE kept;
