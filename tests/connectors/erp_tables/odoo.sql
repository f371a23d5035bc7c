-- the columns of Odoo's tables that the preset reads, with the types that Odoo creates
CREATE TABLE stock_warehouse (id serial PRIMARY KEY, name varchar, code varchar(5) NOT NULL);
CREATE TABLE stock_location (
    id serial PRIMARY KEY, complete_name varchar, usage varchar NOT NULL, active boolean,
    warehouse_id integer REFERENCES stock_warehouse);
CREATE TABLE product_product (
    id serial PRIMARY KEY, default_code varchar, active boolean, write_date timestamp);
CREATE TABLE stock_quant (
    id serial PRIMARY KEY, product_id integer NOT NULL REFERENCES product_product,
    location_id integer NOT NULL REFERENCES stock_location, lot_id integer, quantity numeric,
    reserved_quantity numeric NOT NULL, write_date timestamp);
CREATE TABLE stock_move_line (
    id serial PRIMARY KEY, product_id integer REFERENCES product_product,
    location_id integer NOT NULL REFERENCES stock_location,
    location_dest_id integer NOT NULL REFERENCES stock_location, write_date timestamp);
INSERT INTO stock_warehouse VALUES (1, 'Main', 'WH'), (2, 'Outlet', 'OUT');
INSERT INTO stock_location VALUES
    (10, 'WH/Stock', 'internal', true, 1), (11, 'WH/Stock/Shelf', 'internal', true, 1),
    (20, 'OUT/Stock', 'internal', true, 2), (30, 'Customers', 'customer', true, NULL),
    (31, 'Inventory', 'inventory', true, NULL), (32, 'WH/Transit', 'transit', true, 1);
INSERT INTO product_product VALUES
    (1, 'CHAIR', true, '2026-01-01'), (2, 'DESK', true, '2026-01-01'),
    (3, 'CHAIR', false, '2026-01-01'), (4, NULL, true, '2026-01-01'), (5, '', true, '2026-01-01');
-- lots and shelves are rows of their own; the quantity may be NULL; others than internal do not count
INSERT INTO stock_quant VALUES
    (1, 1, 10, 1, 6, 0.5, '2026-11-01 10:00:00.123456'),
    (2, 1, 11, 2, 4, 2, '2026-11-01 10:00:00.123456'),
    (3, 1, 20, NULL, 2, 0, '2026-11-01 10:00:00.123456'),
    (4, 2, 10, NULL, NULL, 1, '2026-11-02 10:00:00'),
    (5, 1, 30, NULL, 50, 0, '2026-11-02 10:00:00'),
    (6, 1, 31, NULL, -60, 0, '2026-11-02 10:00:00'),
    (7, 3, 10, NULL, 9, 0, '2026-11-02 10:00:00'),
    (8, 4, 10, NULL, 9, 0, '2026-11-02 10:00:00'),
    (9, 5, 10, NULL, 9, 0, '2026-11-02 10:00:00'),
    (10, 1, 32, NULL, 9, 0, '2026-11-02 10:00:00');
