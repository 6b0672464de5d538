CREATE DATABASE shop DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE shop.customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(120) NOT NULL UNIQUE,
  name VARCHAR(80) NOT NULL,
  address JSON,
  token BINARY(8) NOT NULL,
  joined DATETIME(6) NOT NULL
);
CREATE TABLE shop.products (
  sku VARCHAR(20) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  title VARCHAR(120) NOT NULL,
  category ENUM('boats','sails','ropes','charts','lamps') NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  attributes JSON,
  description TEXT
);
CREATE TABLE shop.orders (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  status ENUM('placed','paid','sent','returned') NOT NULL DEFAULT 'placed',
  total DECIMAL(12,2) NOT NULL,
  placed DATETIME(6) NOT NULL,
  note VARCHAR(100),
  KEY (customer_id)
);
CREATE TABLE shop.order_items (
  order_id BIGINT UNSIGNED NOT NULL,
  line TINYINT UNSIGNED NOT NULL,
  sku VARCHAR(20) CHARACTER SET ascii NOT NULL,
  quantity SMALLINT NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  PRIMARY KEY (order_id, line)
);
CREATE TABLE shop.stock_movements (
  sku VARCHAR(20) CHARACTER SET ascii NOT NULL,
  quantity INT NOT NULL,
  reason ENUM('sale','return','delivery') NOT NULL,
  moved DATETIME NOT NULL,
  KEY (moved)
);
CREATE TABLE shop.price_import (sku VARCHAR(20) CHARACTER SET ascii NOT NULL PRIMARY KEY, price DECIMAL(10,2) NOT NULL);
