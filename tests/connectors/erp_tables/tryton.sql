-- the columns of Tryton's tables that the preset reads
CREATE TABLE stock_location (
    id integer PRIMARY KEY, code varchar, name varchar, type varchar NOT NULL, parent integer,
    storage_location integer, input_location integer, output_location integer, active boolean);
CREATE TABLE product_product (id integer PRIMARY KEY, code varchar, active boolean);
CREATE TABLE stock_move (
    id integer PRIMARY KEY, product integer NOT NULL, from_location integer NOT NULL,
    to_location integer NOT NULL, quantity double precision NOT NULL,
    internal_quantity double precision NOT NULL, state varchar,
    create_date timestamp, write_date timestamp);
INSERT INTO stock_location VALUES
    (1, 'SUP', 'Supplier', 'supplier', NULL, NULL, NULL, NULL, true),
    (2, 'CUS', 'Customer', 'customer', NULL, NULL, NULL, NULL, true),
    (3, 'WH', 'Warehouse', 'warehouse', NULL, 4, 5, 6, true),
    (4, 'STO', 'Storage', 'storage', 3, NULL, NULL, NULL, true),
    (5, 'IN', 'Input', 'storage', 3, NULL, NULL, NULL, true),
    (6, 'OUT', 'Output', 'storage', 3, NULL, NULL, NULL, true),
    (7, 'S-1', 'Shelf', 'storage', 4, NULL, NULL, NULL, true);
INSERT INTO product_product VALUES (1, 'APPLE', true), (2, 'PEAR', true), (3, NULL, true);
-- from the input into the storage and a shelf of it; between the two; out of it; drafts do not count
INSERT INTO stock_move VALUES
    (1, 1, 5, 4, 10, 10, 'done', '2026-11-01 10:00:00', NULL),
    (2, 1, 4, 7, 5, 5, 'done', '2026-11-01 10:00:00', '2026-11-01 11:00:00'),
    (3, 1, 7, 6, 3500, 3.5, 'assigned', '2026-11-02 10:00:00', NULL),
    (4, 2, 5, 4, 3, 3, 'done', '2026-11-02 10:00:00', NULL),
    (5, 2, 5, 7, 2, 2, 'draft', '2026-11-02 10:00:00', NULL),
    (6, 2, 4, 6, 1, 1, 'cancelled', '2026-11-02 10:00:00', NULL),
    (7, 3, 5, 4, 1, 1, 'done', '2026-11-02 10:00:00', NULL),
    (8, 1, 1, 5, 99, 99, 'done', '2026-11-02 10:00:00', NULL);
