//! Statements by what servers understand.

use slackwater_testkit::Flavor;

/// The scripts that a server understands.
pub(crate) fn of(flavor: Flavor) -> Vec<&'static [&'static str]> {
    let mut scripts = vec![TYPES, CHARSETS, KEYS, ALTERS, TOOLS, MODES, LOOSE, PARTITIONS];
    if flavor != Flavor::Mysql56 {
        scripts.push(GENERATED);
    }
    if flavor == Flavor::Mysql57 || flavor == Flavor::Mysql97 {
        scripts.push(MYSQL_JSON);
    }
    if flavor == Flavor::Mysql97 {
        scripts.push(MYSQL_9);
    }
    if flavor.is_mariadb() {
        scripts.push(MARIADB);
    }
    if flavor == Flavor::Mariadb118 {
        scripts.push(MARIADB_11);
    }
    scripts
}

const TYPES: &[&str] = &[
    "CREATE TABLE integers (a TINYINT, b BOOL, c BOOLEAN NOT NULL DEFAULT TRUE, d SMALLINT UNSIGNED, e MEDIUMINT(5), \
     f MIDDLEINT ZEROFILL, g INT, h INTEGER UNSIGNED, i INT4, j BIGINT(20) UNSIGNED, k INT1, l INT2, m INT3, n INT8, \
     o INT(8) UNSIGNED ZEROFILL, p INT SIGNED)",
    "CREATE TABLE serials (a SERIAL, b INT)",
    "CREATE TABLE serials2 (a BIGINT UNSIGNED SERIAL DEFAULT VALUE, b INT)",
    "CREATE TABLE reals (a FLOAT, b FLOAT(20), c FLOAT(30), d FLOAT(7,3), e DOUBLE, f DOUBLE PRECISION, g REAL, \
     h DOUBLE(10,2) UNSIGNED, i FLOAT UNSIGNED, j DECIMAL, k DEC(5), l NUMERIC(10,3), m FIXED(8,2) UNSIGNED, \
     n DECIMAL(65,30), o FLOAT4, p FLOAT8, q DECIMAL(6,2) ZEROFILL)",
    "CREATE TABLE texts (a CHAR, b CHAR(10), c CHARACTER(10), d VARCHAR(20), e CHARACTER VARYING(20), f CHAR VARYING(5), \
     g NCHAR(4), h NATIONAL CHAR(4), i NVARCHAR(5), j NATIONAL VARCHAR(6), k NCHAR VARCHAR(7), l NATIONAL CHAR VARYING(8), \
     m TINYTEXT, n TEXT, o MEDIUMTEXT, p LONGTEXT, q LONG, r LONG VARCHAR, s TEXT(20), t TEXT(300), u TEXT(70000), \
     v VARCHARACTER(9), w NATIONAL CHARACTER VARYING(8), x NCHAR, y NCHAR VARYING(3), z NATIONAL VARCHARACTER(2))",
    "CREATE TABLE binaries (a BINARY, b BINARY(16), c VARBINARY(20), d TINYBLOB, e BLOB, f MEDIUMBLOB, g LONGBLOB, \
     h LONG VARBINARY, i BLOB(20), j BLOB(300), k BLOB(70000), l CHAR(5) BYTE, m BLOB(20000000), n CHAR BYTE)",
    "CREATE TABLE times (a DATE, b TIME, c TIME(3), d DATETIME, e DATETIME(6), f TIMESTAMP NULL, g TIMESTAMP(2) NULL, \
     h YEAR, i YEAR(4), j TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
     k DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE NOW(3), l TIMESTAMP)",
    "CREATE TABLE others (a BIT, b BIT(8), c BIT(64), d ENUM('x','y'), e SET('a','b','c') NOT NULL, f GEOMETRY, g POINT, \
     h LINESTRING, i POLYGON, j MULTIPOINT, k MULTILINESTRING, l MULTIPOLYGON, m GEOMETRYCOLLECTION)",
    "CREATE TABLE names (a ENUM('it''s', \"say \\\"x\\\"\", 'a,b', '(c)', 'x  ', 0x61), b SET('ä','ö') CHARACTER SET utf8)",
    "CREATE TABLE defaults (a INT DEFAULT -5, b VARCHAR(9) DEFAULT 'it''s, (x)', c BIT(3) DEFAULT b'101', \
     d DECIMAL(5,2) DEFAULT +1.5, e VARCHAR(9) DEFAULT _latin1'x', f INT DEFAULT NULL COMMENT 'a, b) /* c */ -- d', \
     g DATE DEFAULT '2000-01-01', h VARBINARY(4) DEFAULT x'6162', i DOUBLE DEFAULT .5, j VARCHAR(5) DEFAULT \"q\", \
     k INT DEFAULT 0x10, l DOUBLE DEFAULT 1e3)",
    "CREATE TABLE `odd ``names``` (`a``b` INT, `select` INT, `key` INT KEY, `ü` INT, 1a INT, a$b INT, `FIRST` INT, \
     status INT, date DATE, comment TEXT, value INT, type INT, position INT, _x INT)",
];

const CHARSETS: &[&str] = &[
    "CREATE TABLE cs1 (a VARCHAR(10), b VARCHAR(10) CHARACTER SET utf8mb4, c VARCHAR(10) COLLATE utf8mb4_bin, \
     d CHAR(5) ASCII, e CHAR(5) UNICODE, f CHAR(5) BINARY, g TEXT CHARACTER SET utf8 COLLATE utf8_unicode_ci, \
     h VARCHAR(5) CHARACTER SET binary, i TEXT CHARSET binary, j CHAR(3) CHARACTER SET binary, \
     k ENUM('a') CHARACTER SET utf8mb4, l VARCHAR(5) BINARY CHARACTER SET utf8mb4, m VARCHAR(5) CHARSET cp1251 BINARY)",
    "CREATE TABLE cs2 (a VARCHAR(10), b TEXT(100), c ENUM('a','b')) DEFAULT CHARSET=utf8mb4",
    "CREATE TABLE cs3 (a VARCHAR(10), b TEXT(100)) COLLATE=utf8mb4_bin COMMENT='x' ENGINE InnoDB",
    "CREATE TABLE cs4 (a VARCHAR(10), b TEXT, c CHAR(4), d TINYTEXT) CHARACTER SET binary",
    "CREATE TABLE cs5 (a TINYTEXT, b TEXT, c MEDIUMTEXT, d LONGTEXT, e VARCHAR(100), f CHAR(5), g ENUM('a'), h BLOB, i INT, \
     j VARCHAR(5) CHARACTER SET binary)",
    "ALTER TABLE cs5 CONVERT TO CHARACTER SET utf8mb4",
    "ALTER TABLE cs5 CONVERT TO CHARACTER SET latin1",
    "ALTER TABLE cs5 CONVERT TO CHARACTER SET utf8 COLLATE utf8_bin, ADD k TEXT",
    "ALTER TABLE cs5 DEFAULT CHARACTER SET cp1251, ADD l VARCHAR(5)",
    "ALTER TABLE cs5 CHARACTER SET = latin2 COLLATE = latin2_bin",
    "ALTER TABLE cs5 COLLATE utf8mb4_bin",
    "ALTER TABLE cs5 ADD m TEXT(100), MODIFY e VARCHAR(100)",
    "ALTER TABLE cs3 CONVERT TO CHARACTER SET DEFAULT",
    "ALTER DATABASE ddl CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE cs6 (a VARCHAR(10))",
    "ALTER DATABASE CHARACTER SET utf8mb4",
    "CREATE TABLE cs7 (a VARCHAR(10), b TEXT(64))",
    "ALTER SCHEMA ddl DEFAULT COLLATE latin1_swedish_ci",
    "CREATE DATABASE other",
    "CREATE TABLE other.t (a VARCHAR(5), b INT)",
    "ALTER TABLE other.t RENAME TO ddl.from_other",
    "DROP DATABASE other",
];

const KEYS: &[&str] = &[
    "CREATE TABLE k1 (a INT, b INT, c VARCHAR(20), d TEXT, PRIMARY KEY USING BTREE (a, b), UNIQUE (b), UNIQUE KEY (b, a), \
     KEY (b), UNIQUE uc (c(10)), UNIQUE INDEX ud USING BTREE (d(20)), INDEX (c, d(5)), CONSTRAINT cu UNIQUE (a, c), \
     UNIQUE full (c(20)))",
    "CREATE TABLE k2 (a INT AUTO_INCREMENT PRIMARY KEY, b INT UNIQUE KEY, c INT UNIQUE, d INT NOT NULL)",
    "CREATE TABLE k3 (id INT PRIMARY KEY, a INT, b INT, FOREIGN KEY (a) REFERENCES k2 (a) ON DELETE CASCADE, \
     CONSTRAINT fk_b FOREIGN KEY (b) REFERENCES k2 (b) ON UPDATE SET NULL ON DELETE NO ACTION)",
    "CREATE TABLE k4 (id INT, a INT, KEY (a), FOREIGN KEY (a) REFERENCES k2 (a), UNIQUE (a), UNIQUE (id))",
    "ALTER TABLE k3 ADD INDEX ia (a, b)",
    "ALTER TABLE k3 DROP FOREIGN KEY fk_b",
    "ALTER TABLE k4 ADD UNIQUE (id), ADD UNIQUE (id)",
    "CREATE UNIQUE INDEX i1 ON k2 (d DESC) COMMENT 'x'",
    "CREATE INDEX i2 USING BTREE ON k2 (d)",
    "DROP INDEX i1 ON k2",
    "ALTER TABLE k2 DROP COLUMN b",
    "ALTER TABLE k1 DROP PRIMARY KEY, DROP INDEX uc, DROP KEY b_2",
    "ALTER TABLE k1 DROP COLUMN d",
    "ALTER TABLE k1 ADD PRIMARY KEY (c(5))",
    "ALTER TABLE k1 ADD FULLTEXT ft (c), ADD CONSTRAINT UNIQUE INDEX nn (b, a)",
    "CREATE TABLE k5 (a INT, UNIQUE KEY (A), UNIQUE (a))",
    "ALTER TABLE k5 CHANGE a b INT, ADD a INT UNIQUE",
];

const ALTERS: &[&str] = &[
    "CREATE TABLE a1 (a INT, b INT, c INT, d INT)",
    "ALTER TABLE a1 ADD e INT, ADD COLUMN f INT FIRST, ADD COLUMN g INT AFTER b, DROP COLUMN c",
    "ALTER TABLE a1 ADD (h INT, i VARCHAR(5) DEFAULT '(', UNIQUE KEY uh (h))",
    "ALTER TABLE a1 CHANGE COLUMN a aa BIGINT NOT NULL, MODIFY b VARCHAR(10) AFTER d",
    "ALTER TABLE a1 CHANGE b d INT, CHANGE d b INT",
    "ALTER TABLE a1 MODIFY h INT FIRST, MODIFY i INT AFTER h",
    "ALTER TABLE a1 ADD x INT AFTER h, ADD y INT AFTER x, CHANGE e ee INT AFTER y",
    "ALTER TABLE a1 DROP x, ADD x VARCHAR(9) FIRST",
    "ALTER TABLE a1 ALTER x SET DEFAULT 'a', ALTER COLUMN y DROP DEFAULT",
    "ALTER TABLE a1 ENGINE=InnoDB ROW_FORMAT=DYNAMIC, COMMENT 'x'",
    "ALTER TABLE a1 ORDER BY aa, b DESC",
    "ALTER TABLE a1 FORCE, ALGORITHM=COPY, LOCK=SHARED",
    "ALTER TABLE a1 DISABLE KEYS",
    "ALTER TABLE a1 AUTO_INCREMENT = 5",
    "ALTER TABLE a1 RENAME a2, ADD z INT",
    "ALTER TABLE a2 RENAME TO a3",
    "ALTER TABLE a3 ADD COLUMN ts TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP COMMENT 'c' AFTER z",
    "RENAME TABLE a3 TO a4, a4 TO a5",
    "TRUNCATE a5",
    "TRUNCATE TABLE a5",
    "ALTER TABLE a5 /* a comment */ ADD COLUMN /*!40000 vc INT */, -- another\n ADD COLUMN vd INT # third\n",
    "ALTER TABLE a5 ADD ve INT /*!99999 , ADD vf INT */",
    "ALTER TABLE a5 ADD vg INT /*!30000 /* inner */ , ADD vh INT */",
    "CREATE TABLE IF NOT EXISTS a5 (only INT)",
    "DROP TABLE IF EXISTS a5, no_such",
    "CREATE TEMPORARY TABLE tmp (a INT)",
    "DROP TEMPORARY TABLE tmp",
    "CREATE TABLE vt (a INT)",
    "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=CURRENT_USER SQL SECURITY INVOKER VIEW v AS SELECT a FROM vt",
    "CREATE DEFINER=root@localhost TRIGGER tr BEFORE INSERT ON vt FOR EACH ROW SET NEW.a = 1",
    "CREATE PROCEDURE p() BEGIN DECLARE x INT; SET x = 1; ALTER TABLE vt ADD b INT; END",
    "CALL p()",
    "CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC NO SQL RETURN a + 1",
    "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM vt",
    "ALTER EVENT ev COMMENT 'x'",
    "DROP EVENT ev",
    "DROP TRIGGER tr",
    "DROP VIEW v",
    "DROP PROCEDURE p",
    "DROP FUNCTION f",
    "CREATE USER 'u'@'localhost' IDENTIFIED BY 'Secret-1'",
    "GRANT SELECT ON ddl.* TO 'u'@'localhost'",
    "DROP USER 'u'@'localhost'",
    "ANALYZE TABLE vt",
    "OPTIMIZE TABLE vt",
    "FLUSH TABLES",
];

const TOOLS: &[&str] = &[
    "CREATE TABLE orders (id INT PRIMARY KEY, v VARCHAR(5))",
    "create /* gh-ost */ table `ddl`.`_orders_ghc` (\n\t\t\tid bigint unsigned auto_increment,\n\t\t\tlast_update timestamp \
     not null DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,\n\t\t\thint varchar(64) charset ascii not null,\n\t\t\t\
     value varchar(4096) charset ascii not null,\n\t\t\tprimary key(id),\n\t\t\tunique key hint_uidx(hint)\n\t\t) \
     auto_increment=256 comment='x'",
    "create /* gh-ost */ table `ddl`.`_orders_gho` like `ddl`.`orders`",
    "alter /* gh-ost */ table `ddl`.`_orders_gho` add column w int not null default 0, drop column v",
    "create /* gh-ost */ table `ddl`.`_orders_del` (\n\t\t\tid int auto_increment primary key\n\t\t) engine=InnoDB \
     comment='ghost-cut-over-sentry'",
    "drop /* gh-ost */ table if exists `ddl`.`_orders_del`",
    "rename /* gh-ost */ table `ddl`.`orders` to `ddl`.`_orders_del`, `ddl`.`_orders_gho` to `ddl`.`orders`",
    "drop /* gh-ost */ table if exists `ddl`.`_orders_ghc`",
    "drop /* gh-ost */ table if exists `ddl`.`_orders_del`",
    "CREATE TABLE `ddl`.`_orders_new` (\n  `id` int NOT NULL,\n  `w` int NOT NULL DEFAULT '0',\n  PRIMARY KEY (`id`)\n) \
     ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
    "ALTER TABLE `ddl`.`_orders_new` add index (w)",
    "CREATE TRIGGER `pt_osc_ddl_orders_del` AFTER DELETE ON `ddl`.`orders` FOR EACH ROW BEGIN DECLARE CONTINUE HANDLER FOR \
     1146 begin end; DELETE IGNORE FROM `ddl`.`_orders_new` WHERE `ddl`.`_orders_new`.`id` <=> OLD.`id`; END",
    "RENAME TABLE `ddl`.`orders` TO `ddl`.`_orders_old`, `ddl`.`_orders_new` TO `ddl`.`orders`",
    "DROP TRIGGER IF EXISTS `ddl`.`pt_osc_ddl_orders_del`",
    "DROP TABLE IF EXISTS `ddl`.`_orders_old`",
];

const MODES: &[&str] = &[
    "SET sql_mode = 'ANSI_QUOTES'",
    "CREATE TABLE \"quoted \"\"x\"\"\" (\"a b\" INT, \"c\" VARCHAR(5) DEFAULT 'x', \"d\\\" INT)",
    "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
    "CREATE TABLE backslash (a VARCHAR(5) DEFAULT '\\', b ENUM('c:/', 'd'))",
    "SET sql_mode = 'REAL_AS_FLOAT'",
    "CREATE TABLE single (a REAL, b DOUBLE PRECISION)",
    "SET sql_mode = DEFAULT",
];

const LOOSE: &[&str] = &[
    "SET sql_mode = ''",
    "CREATE TABLE loose (a VARCHAR(70000), b VARBINARY(70000), c VARCHAR(20000) CHARACTER SET utf8mb4)",
    "CREATE TABLE loose2 (a VARCHAR(20000))",
    "ALTER TABLE loose2 CONVERT TO CHARACTER SET utf8mb4",
    "SET sql_mode = DEFAULT",
];

const PARTITIONS: &[&str] = &[
    "CREATE TABLE pt (a INT, b INT, PRIMARY KEY (a)) ENGINE=InnoDB PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN \
     (10) COMMENT = 'x', PARTITION p1 VALUES LESS THAN (20))",
    "ALTER TABLE pt ADD PARTITION (PARTITION p2 VALUES LESS THAN (30), PARTITION p3 VALUES LESS THAN (40))",
    "ALTER TABLE pt DROP PARTITION p0, p1",
    "ALTER TABLE pt TRUNCATE PARTITION p2",
    "ALTER TABLE pt REORGANIZE PARTITION p2, p3 INTO (PARTITION pn VALUES LESS THAN (50))",
    "ALTER TABLE pt REBUILD PARTITION ALL",
    "CREATE TABLE px (a INT, b INT, PRIMARY KEY (a))",
    "ALTER TABLE pt EXCHANGE PARTITION pn WITH TABLE px",
    "ALTER TABLE pt REMOVE PARTITIONING",
    "ALTER TABLE pt ADD c INT PARTITION BY HASH (a) PARTITIONS 4",
    "ALTER TABLE pt COALESCE PARTITION 2",
    "ALTER TABLE pt PARTITION BY KEY (a) PARTITIONS 2",
];

const GENERATED: &[&str] = &[
    "CREATE TABLE g (a INT, b INT GENERATED ALWAYS AS (a + 1) VIRTUAL, c INT AS (a * (2 + 1)) STORED UNIQUE, \
     d VARCHAR(20) GENERATED ALWAYS AS (concat('(', a, ')')) COMMENT 'x')",
    "ALTER TABLE g ADD e INT AS (a) VIRTUAL AFTER a, ADD f INT",
    "ALTER TABLE g MODIFY c BIGINT AS (a * 3) STORED",
];

const MYSQL_JSON: &[&str] = &[
    "CREATE TABLE j (a JSON, b JSON NOT NULL, c INT AS (a->>'$.x') VIRTUAL, d JSON AS (json_extract(a, '$.y')) STORED)",
    "ALTER TABLE j DROP c",
];

const MYSQL_9: &[&str] = &[
    "CREATE TABLE sel (id INT PRIMARY KEY) SELECT 1 AS id, 'x' AS b",
    "CREATE TABLE n (a VECTOR(3), b VECTOR, c JSON DEFAULT (JSON_ARRAY()), d INT INVISIBLE, e POINT NOT NULL SRID 4326, \
     f INT CHECK (f > 1) NOT ENFORCED, g VARCHAR(20) DEFAULT (concat('a', ')')), h INT /*!80023 INVISIBLE */, \
     CONSTRAINT chk CHECK (d <> 0), SPATIAL INDEX (e), UNIQUE KEY fx ((d + 1)), UNIQUE ((h + 1), d))",
    "ALTER TABLE n RENAME COLUMN c TO f2, RENAME COLUMN b TO c",
    "ALTER TABLE n ALTER COLUMN g SET INVISIBLE, ALTER INDEX fx INVISIBLE, ALTER CHECK chk NOT ENFORCED",
    "ALTER TABLE n DROP CONSTRAINT chk, ADD CONSTRAINT uq UNIQUE (h)",
    "ALTER TABLE n DROP CONSTRAINT uq",
    "ALTER TABLE n ALTER COLUMN h SET DEFAULT (1 + 2), ALGORITHM=INSTANT",
    "CREATE TABLE n2 (a INT PRIMARY KEY, b VARCHAR(10)) ENCRYPTION='N' AUTOEXTEND_SIZE=4M",
    "ALTER TABLE n2 ADD COLUMN (c INT, d INT)",
];

const MARIADB: &[&str] = &[
    "CREATE TABLE sel (id INT PRIMARY KEY) SELECT 1 AS id, 'x' AS b",
    "CREATE TABLE m (a JSON, b UUID, c INET6, d INT INVISIBLE, e VARCHAR(100) COMPRESSED, f INT AS (d + 1) PERSISTENT, \
     g INT DEFAULT (1 + 2), h VARCHAR(40) DEFAULT uuid(), \
     n INT CHECK (n > 1), o LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin CHECK (json_valid(`o`)), \
     CONSTRAINT c1 CHECK (a <> ''))",
    "ALTER TABLE IF EXISTS m ADD COLUMN IF NOT EXISTS a INT, ADD COLUMN IF NOT EXISTS z INT UNIQUE, DROP COLUMN IF EXISTS nope",
    "ALTER TABLE m DROP CONSTRAINT c1, ADD INDEX IF NOT EXISTS iz (z), DROP INDEX IF EXISTS nope",
    "ALTER TABLE m MODIFY COLUMN IF EXISTS nope INT, CHANGE COLUMN IF EXISTS z zz INT, RENAME COLUMN d TO dd",
    "ALTER TABLE m ADD UNIQUE uq (dd), RENAME INDEX iz TO iy",
    "CREATE UNIQUE INDEX IF NOT EXISTS uq ON m (dd)",
    "CREATE OR REPLACE INDEX uq ON m (zz)",
    "DROP INDEX IF EXISTS uq ON m",
    "CREATE OR REPLACE TABLE m (a INT /*M!100100 , b INT */ /*!50701 , c INT */, UNIQUE (a))",
    "CREATE TABLE lu (a TEXT, UNIQUE (a))",
    "CREATE TABLE sv (a INT PRIMARY KEY) WITH SYSTEM VERSIONING",
    "SET system_versioning_alter_history = KEEP",
    "ALTER TABLE sv ADD b INT WITHOUT SYSTEM VERSIONING",
    "ALTER TABLE sv DROP SYSTEM VERSIONING",
    "CREATE TABLE pd (id INT, s DATE, e DATE, PERIOD FOR p (s, e), UNIQUE (id, s))",
    "CREATE SEQUENCE seq START WITH 1 INCREMENT BY 1 CACHE 10",
    "CREATE TABLE useseq (a INT DEFAULT NEXT VALUE FOR seq, b INT DEFAULT nextval(seq))",
    "DROP TABLE useseq",
    "DROP SEQUENCE seq",
    "SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE m ADD q INT",
    "ALTER TABLE m NOWAIT ADD r INT",
    "ALTER ONLINE TABLE m WAIT 3 ADD s INT",
    "ALTER TABLE m ALTER INDEX a IGNORED",
    "SET sql_mode = 'ORACLE'",
    "CREATE TABLE ora (a DATE, b BLOB, c NUMBER(5,2), d VARCHAR2(5), \"e\" INT, f CLOB, g NUMBER(5), h NUMBER, i RAW(5), \
     j BLOB)",
    "SET sql_mode = DEFAULT",
    "ALTER TABLE pt PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
    "ALTER TABLE pt CONVERT PARTITION p1 TO TABLE converted",
    "ALTER TABLE pt CONVERT TABLE converted TO PARTITION p1 VALUES LESS THAN (20)",
    "RENAME TABLE IF EXISTS nope TO nope2, m TO m2",
];

const MARIADB_11: &[&str] = &[
    "CREATE TABLE v (a VECTOR(3) NOT NULL, b INET4, id INT PRIMARY KEY, VECTOR INDEX (a) M=8 DISTANCE=cosine)",
    "CREATE TABLE uca (a VARCHAR(5) COLLATE uca1400_ai_ci, b VARCHAR(5) COLLATE utf8mb4_bin) CHARACTER SET utf8mb4",
];
