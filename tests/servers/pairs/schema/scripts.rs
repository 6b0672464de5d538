//! Schemas with every feature that the servers have, in the database `shop`.

use slackwater_testkit::Flavor;

/// What all servers understand.
const COMMON: &str = r"
CREATE DATABASE shop CHARACTER SET latin1 COLLATE latin1_german1_ci;
CREATE TABLE shop.customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  code VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'it''s \\ `x`',
  name VARCHAR(100) COLLATE latin1_swedish_ci DEFAULT NULL COMMENT 'a comment; with ''quotes'' and COMMENT `b`',
  kind ENUM('a','b''c','d,e') DEFAULT 'a',
  flags SET('x','y') NOT NULL DEFAULT 'x,y',
  note TEXT,
  amount DECIMAL(20,5) UNSIGNED ZEROFILL DEFAULT '1.50000',
  weight FLOAT(7,3) DEFAULT NULL,
  bits BIT(5) DEFAULT b'101',
  born YEAR DEFAULT '1999',
  raw VARBINARY(16) DEFAULT NULL,
  created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  changed DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  plain TIMESTAMP NULL DEFAULT NULL,
  PRIMARY KEY (id), UNIQUE KEY code (code), KEY named (name(10), code) COMMENT 'first ten', KEY used (name) USING BTREE,
  FULLTEXT KEY words (note), FULLTEXT KEY more_words (note)
) ENGINE=InnoDB AUTO_INCREMENT=1000 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='the customers'
  ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;
CREATE TABLE shop.orders (
  id BIGINT NOT NULL, number INT NOT NULL AUTO_INCREMENT, customer INT UNSIGNED, code VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin,
  place POINT NOT NULL, total INT DEFAULT 0, doubled INT GENERATED ALWAYS AS (total * 2) VIRTUAL COMMENT 'twice',
  label VARCHAR(40) GENERATED ALWAYS AS (CONCAT(code, ' ', total)) STORED,
  PRIMARY KEY (id), UNIQUE KEY number (number), SPATIAL KEY place (place), KEY label (label),
  CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES shop.customers (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT of_code FOREIGN KEY (code) REFERENCES shop.customers (code)
) ENGINE=InnoDB;
CREATE TABLE shop.tree (id INT NOT NULL, parent INT, PRIMARY KEY (id),
  CONSTRAINT above FOREIGN KEY (parent) REFERENCES shop.tree (id) ON DELETE CASCADE) ENGINE=InnoDB;
CREATE TABLE shop.ring_a (id INT NOT NULL PRIMARY KEY, b INT) ENGINE=InnoDB;
CREATE TABLE shop.ring_b (id INT NOT NULL PRIMARY KEY, a INT, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES shop.ring_a (id)) ENGINE=InnoDB;
ALTER TABLE shop.ring_a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES shop.ring_b (id);
CREATE TABLE shop.`odd ``name``` (`a``b` INT NOT NULL, `select` VARCHAR(5), UNIQUE KEY `the key` (`a``b`), KEY `k` (`select`)) ENGINE=InnoDB;
CREATE TABLE shop.keyless (a INT, b TEXT) ENGINE=InnoDB;
CREATE TABLE shop.numbered (a INT NOT NULL, n INT NOT NULL AUTO_INCREMENT, PRIMARY KEY (a), KEY n (n)) ENGINE=InnoDB;
CREATE TABLE shop.parts (id INT NOT NULL, d DATE NOT NULL, PRIMARY KEY (id, d), KEY d (d)) ENGINE=InnoDB
  PARTITION BY RANGE (YEAR(d)) (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN (2020), PARTITION rest VALUES LESS THAN MAXVALUE);
CREATE TABLE shop.hashed (id INT NOT NULL PRIMARY KEY, v INT) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 3;
CREATE VIEW shop.z_first AS SELECT id, name FROM shop.customers WHERE kind = 'a';
CREATE VIEW shop.a_second AS SELECT id FROM shop.z_first;
CREATE TRIGGER shop.marked BEFORE INSERT ON shop.orders FOR EACH ROW SET NEW.total = IFNULL(NEW.total, 0);
CREATE FUNCTION shop.twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;
CREATE PROCEDURE shop.nothing(IN x INT) SELECT 'DEFINER=`a`@`b`', x;
CREATE EVENT shop.nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO DELETE FROM shop.keyless WHERE a = 1;
";

const MYSQL_8: &str = r"
CREATE TABLE shop.modern (
  id BINARY(16) NOT NULL DEFAULT (uuid_to_bin(uuid())), doc JSON DEFAULT (JSON_ARRAY()), secret INT INVISIBLE DEFAULT 7,
  txt TEXT DEFAULT ('x'), name VARCHAR(50) COLLATE utf8mb4_0900_ai_ci, v VECTOR(3), spot POINT NOT NULL SRID 4326,
  PRIMARY KEY (id), KEY backwards (name DESC, secret), KEY hidden (secret) INVISIBLE, KEY lowered ((LOWER(name))),
  KEY many ((CAST(doc->'$.tags' AS UNSIGNED ARRAY))), SPATIAL KEY spot (spot), FULLTEXT KEY grams (name) WITH PARSER ngram,
  CONSTRAINT positive CHECK (secret > 0), CONSTRAINT loose CHECK (secret < 100) NOT ENFORCED
) COMMENT='modern' STATS_PERSISTENT=1;
";

/// The same without what is a function of MySQL alone.
const MYSQL_8_PORTABLE: &str = r"
CREATE TABLE shop.modern (
  id BINARY(16) NOT NULL, doc JSON DEFAULT (JSON_ARRAY()), secret INT INVISIBLE DEFAULT 7,
  txt TEXT DEFAULT ('x'), name VARCHAR(50) COLLATE utf8mb4_0900_ai_ci, v VECTOR(3), spot POINT NOT NULL SRID 4326,
  strict_sum INT GENERATED ALWAYS AS (secret + 1) STORED NOT NULL,
  PRIMARY KEY (id), KEY backwards (name DESC, secret), KEY hidden (secret) INVISIBLE, KEY lowered ((LOWER(name))),
  SPATIAL KEY spot (spot), FULLTEXT KEY grams (name) WITH PARSER ngram,
  CONSTRAINT positive CHECK (secret > 0), CONSTRAINT loose CHECK (secret < 100) NOT ENFORCED
) COMMENT='modern' STATS_PERSISTENT=1;
";

const MARIADB: &str = r"
CREATE SEQUENCE shop.numbers START WITH 5;
CREATE TABLE shop.modern (
  id UUID NOT NULL DEFAULT UUID(), doc JSON DEFAULT '[]' , secret INT INVISIBLE DEFAULT 7, txt TEXT DEFAULT 'x',
  made DATE DEFAULT (CURDATE() + INTERVAL 1 DAY), n BIGINT DEFAULT (NEXT VALUE FOR shop.numbers),
  name VARCHAR(50) COLLATE utf8mb4_uca1400_ai_ci, packed VARCHAR(200) COMPRESSED, address INET6, near INET4,
  positive INT CHECK (positive > 0), v VECTOR(3) NOT NULL,
  PRIMARY KEY (id), KEY backwards (name DESC), KEY hidden (secret) IGNORED, VECTOR KEY v (v), CONSTRAINT bounded CHECK (secret < 100)
) ENGINE=InnoDB COMMENT='modern' PAGE_COMPRESSED=1;
CREATE TABLE shop.versioned (id INT NOT NULL PRIMARY KEY, v INT) ENGINE=InnoDB WITH SYSTEM VERSIONING;
CREATE TABLE shop.versioned_openly (id INT NOT NULL PRIMARY KEY, v INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START,
  e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) ENGINE=InnoDB WITH SYSTEM VERSIONING;
CREATE TABLE shop.periods (id INT NOT NULL, a DATE NOT NULL, b DATE NOT NULL, PERIOD FOR p (a, b), UNIQUE KEY u (id, p WITHOUT OVERLAPS)) ENGINE=InnoDB;
";

/// The schema for a source; `portable` leaves out what no other product has a function for.
pub(crate) fn script(source: Flavor, portable: bool) -> String {
    let own = match source {
        Flavor::Mysql97 if portable => MYSQL_8_PORTABLE,
        Flavor::Mysql97 => MYSQL_8,
        Flavor::Mariadb118 => MARIADB,
        _ => "",
    };
    format!("{COMMON}{own}")
}
